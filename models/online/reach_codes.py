"""Codes that are texted to a number and typed back: each row is one text.

A code is known by a keyed hash of web session, number and code, so that it is good for these alone.
A row without one waits until another code of its address was typed back; the number is sealed in
it meanwhile.
"""

from __future__ import annotations

import hmac

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, func, or_, select, update

from models.clock import Clock
from models.crypto import Vault
from models.online.tables import reach_code, visit

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class CodeCounts:
    """Codes: all of a number in the last 24 hours, and those of a place.

    `out` are the place's that may still be typed back, `unused` those of 24 hours that were not,
    and `back` those that were, each number once.
    """

    number: int
    out: int
    unused: int
    back: int


@dataclass(frozen=True)
class AskedCodes:
    """What was asked for one number of one web session, and how often a code was typed back.

    `waiting` is the row of a code that was not sent yet; 0 for none.
    """

    asked: int
    tries: int
    # Whether the newest may be typed back, once it is sent.
    counts: bool
    waiting: int


@dataclass(frozen=True)
class WaitingCode:
    """A code that may be sent now. `number` is E.164."""

    id: int
    visit_id: str
    number: str
    language: str


def counts(connection: Connection, clock: Clock, phone: bytes, place: bytes | None) -> CodeCounts:
    """Count what the limits look at, in one statement."""
    late = reach_code.c.asked_at > clock.at(-DAY)
    from_here = (reach_code.c.place_idx == place, late)
    sent = (reach_code.c.sent_at.is_not(None), reach_code.c.proved_at.is_(None))
    codes = select(func.count()).select_from(reach_code)
    numbers = select(func.count(reach_code.c.phone_idx.distinct()))
    row = connection.execute(
        select(
            codes.where(reach_code.c.phone_idx == phone, late).scalar_subquery(),
            codes.where(*from_here, *sent, reach_code.c.expires_at > clock.at()).scalar_subquery(),
            codes.where(*from_here, *sent).scalar_subquery(),
            numbers.where(*from_here, reach_code.c.proved_at.is_not(None)).scalar_subquery(),
        )
    ).one()
    return CodeCounts(*row)


def add(
    connection: Connection,
    clock: Clock,
    vault: Vault,
    *,
    visit_id: str,
    number: str,
    language: str,
    place: bytes | None,
    lasts: timedelta,
) -> int:
    """Note a code that is asked for, and not sent yet; gives its row."""
    statement = reach_code.insert().values(
        visit_id=visit_id,
        phone_idx=vault.index("phone", number),
        language=language,
        place_idx=place,
        asked_at=clock.at(),
        expires_at=clock.at(lasts),
    )
    found: int = connection.execute(statement.returning(reach_code.c.id)).scalar_one()
    # It is sealed for its row, whose key is known only now.
    sealed = vault.seal_text(number, _where(found))
    connection.execute(update(reach_code).where(reach_code.c.id == found).values(phone_enc=sealed))
    return found


def send(connection: Connection, clock: Clock, code_id: int, code: bytes, lasts: timedelta) -> None:
    """The code leaves now: its keyed hash is kept, and the number is not."""
    connection.execute(
        update(reach_code)
        .where(reach_code.c.id == code_id)
        .values(code_idx=code, phone_enc=None, sent_at=clock.at(), expires_at=clock.at(lasts))
    )


def waiting(
    connection: Connection, clock: Clock, vault: Vault, place: bytes, most: int
) -> list[WaitingCode]:
    """The oldest codes of a place that wait, of web sessions that go on."""
    statement = (
        select(
            reach_code.c.id,
            reach_code.c.visit_id,
            reach_code.c.phone_enc,
            reach_code.c.language,
        )
        .join(visit, visit.c.id == reach_code.c.visit_id)
        .where(
            reach_code.c.place_idx == place,
            reach_code.c.sent_at.is_(None),
            reach_code.c.phone_enc.is_not(None),
            reach_code.c.expires_at > clock.at(),
            visit.c.outcome == "",
        )
        .order_by(reach_code.c.asked_at, reach_code.c.id)
        .limit(most)
    )
    return [
        WaitingCode(
            row.id,
            row.visit_id,
            vault.open_text(row.phone_enc, _where(row.id)) or "",
            row.language,
        )
        for row in connection.execute(statement)
    ]


def asked(connection: Connection, clock: Clock, visit_id: str, phone: bytes) -> AskedCodes:
    """What was asked so far for this number of this web session."""
    live = reach_code.c.expires_at > clock.at()
    row = connection.execute(
        select(
            func.count().label("asked"),
            func.coalesce(func.sum(reach_code.c.tries), 0).label("tries"),
            func.count(case((live, 1))).label("live"),
            func.max(case((live & reach_code.c.sent_at.is_(None), reach_code.c.id), else_=0)).label(
                "waiting"
            ),
        ).where(*_of(visit_id, phone))
    ).one()
    return AskedCodes(row.asked, int(row.tries), row.live > 0, row.waiting or 0)


def check(
    connection: Connection, clock: Clock, *, visit_id: str, phone: bytes, code: bytes, most: int
) -> bool:
    """Count a try, and say whether it is the newest code of this web session and number.

    After `most` tries the right one is wrong, too. The caller has claimed the web session's answer,
    so no two tries of it run at once.
    """
    this = _of(visit_id, phone)
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
    connection.execute(proved.values(proved_at=clock.at(), phone_enc=None))
    return True


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Forget codes that no limit counts any more, and numbers that wait in vain; gives how many."""
    over = or_(reach_code.c.expires_at < clock.at(), reach_code.c.sent_at.is_not(None))
    in_vain = update(reach_code).where(reach_code.c.phone_enc.is_not(None), over)
    connection.execute(in_vain.values(phone_enc=None))
    statement = delete(reach_code).where(reach_code.c.asked_at < clock.at(-after))
    return connection.execute(statement).rowcount


def _of(visit_id: str, phone: bytes) -> tuple[Any, Any]:
    return reach_code.c.visit_id == visit_id, reach_code.c.phone_idx == phone


def _where(row_id: int) -> str:
    return f"reach_code.phone:{row_id}"
