"""Codes that were texted to a number and are typed back: each row is one text.

A code is known by a keyed hash of web session, number and code, so that it is good for these alone.
"""

from __future__ import annotations

import hmac

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, func, select, update

from models.clock import Clock
from models.online.tables import reach_code

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class CodeCounts:
    """Codes of the last 24 hours: all of a number; of a place those that are out, and came back."""

    number: int
    out: int
    back: int


@dataclass(frozen=True)
class SentCodes:
    """What was texted for one number of one web session, and how often a code was typed back."""

    sent: int
    tries: int
    # Whether the newest may still be typed back.
    counts: bool


def counts(connection: Connection, clock: Clock, phone: bytes, place: bytes | None) -> CodeCounts:
    """Count what the limits look at, in one statement."""
    late = reach_code.c.sent_at > clock.at(-DAY)
    from_here = (reach_code.c.place_idx == place, late)
    all_codes = select(func.count()).select_from(reach_code)
    back = select(func.count(reach_code.c.phone_idx.distinct()))
    row = connection.execute(
        select(
            all_codes.where(reach_code.c.phone_idx == phone, late).scalar_subquery(),
            all_codes.where(*from_here, reach_code.c.proved_at.is_(None)).scalar_subquery(),
            back.where(*from_here, reach_code.c.proved_at.is_not(None)).scalar_subquery(),
        )
    ).one()
    return CodeCounts(*row)


def add(
    connection: Connection,
    clock: Clock,
    *,
    visit_id: str,
    phone: bytes,
    place: bytes | None,
    code: bytes,
    lasts: timedelta,
) -> None:
    """Note a code that leaves."""
    connection.execute(
        reach_code.insert().values(
            visit_id=visit_id,
            phone_idx=phone,
            place_idx=place,
            code_idx=code,
            sent_at=clock.at(),
            expires_at=clock.at(lasts),
        )
    )


def sent(connection: Connection, clock: Clock, visit_id: str, phone: bytes) -> SentCodes:
    """What was texted so far for this number of this web session."""
    row = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(reach_code.c.tries), 0),
            func.coalesce(func.max(reach_code.c.expires_at) > clock.at(), False),
        ).where(reach_code.c.visit_id == visit_id, reach_code.c.phone_idx == phone)
    ).one()
    return SentCodes(row[0], int(row[1]), bool(row[2]))


def check(
    connection: Connection, clock: Clock, *, visit_id: str, phone: bytes, code: bytes, most: int
) -> bool:
    """Count a try, and say whether it is the newest code of this web session and number.

    After `most` tries the right one is wrong, too. The caller has claimed the web session's answer,
    so no two tries of it run at once.
    """
    this = (reach_code.c.visit_id == visit_id, reach_code.c.phone_idx == phone)
    tries = select(func.coalesce(func.sum(reach_code.c.tries), 0)).where(*this).scalar_subquery()
    newest = select(func.max(reach_code.c.id)).where(*this).scalar_subquery()
    tried = (
        update(reach_code)
        .where(reach_code.c.id == newest, reach_code.c.expires_at > clock.at(), tries < most)
        .values(tries=reach_code.c.tries + 1)
        .returning(reach_code.c.code_idx)
    )
    found: bytes | None = connection.execute(tried).scalar_one_or_none()
    # The time that a comparison takes tells nothing of the code.
    if not hmac.compare_digest(bytes(found or b""), code):
        return False
    proved = update(reach_code).where(*this, reach_code.c.proved_at.is_(None))
    connection.execute(proved.values(proved_at=clock.at()))
    return True


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Forget codes that no limit counts any more; gives how many."""
    statement = delete(reach_code).where(reach_code.c.sent_at < clock.at(-after))
    return connection.execute(statement).rowcount
