"""Codes to finish by telephone what was begun on the site; each belongs to one web session.

A code is six digits, known here by its keyed hash alone. It is unique among web sessions, and never
one that a call was told and that still counts (`models.call.resume`).
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from models.call.tables import resume_code
from models.clock import Clock
from models.online.tables import visit

# How the id of a web session begins; that of a call never does.
VISIT = "W"


def is_web_session(holder: str) -> bool:
    """Whether this is the id of a web session, where it may be a call's."""
    return holder.startswith(VISIT)


def set_code(
    connection: Connection, clock: Clock, code_idx: bytes, visit_id: str, lasts: timedelta
) -> bool:
    """Give an open web session this code, in the place of its last; False for one in use."""
    connection.execute(
        update(visit)
        .where(visit.c.code_idx == code_idx, visit.c.code_until <= clock.at())
        .values(code_idx=None, code_until=None)
    )
    calls = select(resume_code.c.call_id).where(
        resume_code.c.code_idx == code_idx, resume_code.c.expires_at > clock.at()
    )
    statement = (
        update(visit)
        .where(visit.c.id == visit_id, visit.c.outcome == "", ~calls.exists())
        .values(code_idx=code_idx, code_until=clock.at(lasts))
    )
    try:
        with connection.begin_nested():
            return connection.execute(statement).rowcount == 1
    except IntegrityError:
        return False


def web_session_of_code(connection: Connection, clock: Clock, code_idx: bytes) -> str | None:
    """The web session that a code is for, while it counts."""
    statement = select(visit.c.id).where(
        visit.c.code_idx == code_idx, visit.c.code_until > clock.at()
    )
    return connection.execute(statement).scalar_one_or_none()


def take_code(connection: Connection, visit_id: str) -> bytes | None:
    """Take the code of a web session, for the call that goes on; the session has none then."""
    found = connection.execute(
        select(visit.c.code_idx).where(visit.c.id == visit_id)
    ).scalar_one_or_none()
    if found is not None:
        connection.execute(
            update(visit).where(visit.c.id == visit_id).values(code_idx=None, code_until=None)
        )
    return found
