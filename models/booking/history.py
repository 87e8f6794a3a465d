"""What happened to each booking: one line for each change, written with it, never changed.

Triggers of the database refuse everything but an INSERT. Nothing here is personal: the actor is a
word or a staff id, the change is ids and moments, the reason is a word of `WORDS`. A reason in
other words was typed by an operator or a secretary: it is sealed beside its line, and goes with
the booking.
"""

from __future__ import annotations

import json

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, bindparam, delete, select

from models.booking.tables import booking, history, history_reason
from models.clock import Clock
from models.crypto import Vault
from models.prepared import Prepared
from models.rows import record

# A person wrote that they will come, or was told what a stand-in stands for: lines of no change.
SAID_YES = "said_yes"
TOLD = "told"
NO_CHANGES = frozenset({SAID_YES, TOLD})
# What stands in a line whose reason was typed.
TYPED = "typed"
# All reasons that are written in clear; whatever else is given is sealed.
BY_TELEPHONE = "asked for by telephone"
ON_THE_SITE = "asked for on the site"
MOVED_FOR = "moved for a caller"
CANCELLED_FOR = "cancelled for a caller"
RESTORED_FOR = "restored for a caller"
FREED = "freed with others that resemble it"
NOT_REACHED = "its texts did not arrive, and nobody proved the number"
ERASURE = "erasure asked for"
WORDS = frozenset(
    {"", BY_TELEPHONE, ON_THE_SITE, MOVED_FOR, CANCELLED_FOR, RESTORED_FOR, FREED, NOT_REACHED}
    | {ERASURE}
)
_GIVEN = ("booking_id", "who", "channel", "what", "why", "details")
# The same as parts of another statement, where no value may be called as a column is.
_BINDS = {
    "the_who": "who",
    "the_channel": "channel",
    "the_change": "what",
    "the_why": "why",
    "the_details": "details",
}
# `json.dumps` makes an encoder each time that it is told how to write.
_as_json = json.JSONEncoder(separators=(",", ":")).encode


@record(frozen=True)
class Change:
    """`what` is booked, cancelled, moved, restored …; `who` is "caller", "system" or a staff id.

    `why` is one of `WORDS`, or was typed.
    """

    who: str
    channel: str
    what: str
    why: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HistoryLine:
    """A change as it was written; `at` is UTC."""

    at: datetime
    change: Change


def add(
    connection: Connection, clock: Clock, vault: Vault, booking_id: str, change: Change
) -> None:
    """Write one line, in the transaction of the change itself; a typed reason is sealed."""
    details = _as_json(change.details)
    why = change.why if change.why in WORDS else TYPED
    row = (booking_id, change.who, change.channel, change.what, why, details)
    values = dict(zip(_GIVEN, row, strict=True))
    if why != TYPED:
        _add(clock).count(connection, values)
        return
    statement = history.insert().values(at=clock.at(), **values).returning(history.c.id)
    number = connection.execute(statement).scalar_one()
    sealed = vault.seal_text(change.why, reason_place(number))
    connection.execute(history_reason.insert().values(id=number, why_enc=sealed))


def line_values(change: Change) -> dict[str, str]:
    """What the statement of `line_of` is given, of a change whose reason is one of `WORDS`."""
    row = (change.who, change.channel, change.what, change.why, _as_json(change.details))
    return dict(zip(_BINDS, row, strict=True))


def line_of(clock: Clock, booking_id: Any, condition: ColumnElement[bool]) -> Insert:
    """The statement that writes a line where a condition is true, as a part of another one."""
    given = (bindparam(bind, type_=history.c[name].type) for bind, name in _BINDS.items())
    line = select(booking_id, clock.at(), *given).where(condition)
    return history.insert().from_select(["booking_id", "at", *_BINDS.values()], line)


def reason_place(number: int) -> str:
    """Where the typed reason of the line with this number lives, for the vault."""
    return f"history_reason.why:{number}"


@lru_cache
def _add(clock: Clock) -> Prepared:
    return Prepared(history.insert().values(at=clock.at()).inline())


@dataclass(frozen=True)
class NewestChange:
    """What was changed last of a booking; None where there is no such booking.

    `is_recent`: a line of it, of whatever, is no older than was asked. `said_yes`: its person said
    after it that they will come.
    """

    change: Change | None = None
    is_recent: bool = False
    said_yes: bool = False


def newest_change(
    connection: Connection, clock: Clock, booking_id: str, within: timedelta
) -> NewestChange:
    """What was changed last, and whether a line is no older than `within`; one statement.

    The same for any booking, and for one that is not there. A typed reason is told as `TYPED`.
    """
    lines = _lines(clock, within).rows(connection, {"the_booking": booking_id})
    of_changes = (line for line in reversed(lines) if line.what not in NO_CHANGES)
    row = next(of_changes, None)
    if row is None:
        return NewestChange()
    change = Change(row.who, row.channel, row.what, row.why, json.loads(row.details))
    since = lines[lines.index(row) + 1 :]
    said_yes = any(line.what == SAID_YES for line in since)
    return NewestChange(change, any(line.is_recent for line in lines), said_yes)


@lru_cache
def _lines(clock: Clock, within: timedelta) -> Prepared:
    c = history.c
    young = (c.at >= clock.at(-within)).label("is_recent")
    return Prepared(
        select(c.who, c.channel, c.what, c.why, c.details, young)
        .where(c.booking_id == bindparam("the_booking"))
        .order_by(c.id)
    )


def of_booking(
    connection: Connection, booking_id: str, vault: Vault | None = None
) -> Sequence[HistoryLine]:
    """Every change of a booking, oldest first.

    Without a vault a typed reason is told as `TYPED`, and so it is once it is erased. Raises
    models.crypto.CannotOpen.
    """
    statement = (
        select(history, history_reason.c.why_enc)
        .outerjoin(history_reason, history_reason.c.id == history.c.id)
        .where(history.c.booking_id == booking_id)
        .order_by(history.c.id)
    )
    return [
        HistoryLine(
            row.at,
            Change(row.who, row.channel, row.what, _why(row, vault), json.loads(row.details)),
        )
        for row in connection.execute(statement)
    ]


def _why(row: Any, vault: Vault | None) -> str:
    if row.why_enc is None:
        return str(row.why)
    return TYPED if vault is None else vault.open_text(row.why_enc, reason_place(row.id)) or ""


def forget_reasons(connection: Connection) -> int:
    """Delete what was typed of bookings that are erased; gives how many reasons.

    Lines of earlier versions are chained with their reason, and keep it, sealed.
    """
    erased = (
        select(history.c.id)
        .join(booking, booking.c.id == history.c.booking_id)
        .where(history.c.why == TYPED, booking.c.erased_at.is_not(None))
    )
    gone = delete(history_reason).where(history_reason.c.id.in_(erased))
    return connection.execute(gone).rowcount
