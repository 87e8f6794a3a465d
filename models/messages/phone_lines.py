"""What is remembered of a number: its kind, whether it wants texts, whether it is a wrong number.

Found by the keyed hash alone: the number itself is not kept here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert

from models.booking.tables import booking
from models.clock import Clock
from models.messages.tables import message, phone_line
from models.rows import columns_of


@dataclass(frozen=True)
class Remembered:
    """`kind` is empty where its number says it best. Moments are UTC.

    `refusals` are the tries that were refused since its number is known, the last at `refused_at`.
    """

    kind: str
    source: str
    looked_up_at: datetime | None
    stopped_at: datetime | None
    wrong_at: datetime | None
    refused_at: datetime | None = None
    refusals: int = 0

    @property
    def stopped(self) -> bool:
        return self.stopped_at is not None

    @property
    def wrong(self) -> bool:
        return self.wrong_at is not None


REMEMBERED = columns_of(Remembered, phone_line)


def get(connection: Connection, phone_idx: bytes) -> Remembered | None:
    statement = select(*REMEMBERED).where(phone_line.c.phone_idx == phone_idx)
    row = connection.execute(statement).one_or_none()
    return Remembered(*row) if row else None


def note_kind(
    connection: Connection, clock: Clock, phone_idx: bytes, kind: str, *, source: str
) -> None:
    """What a line is, by `source`; empty: it could not be told, and is not asked again soon."""
    values: dict[str, Any] = {"kind": kind, "source": source}
    if source == "lookup":
        values["looked_up_at"] = clock.at()
    _put(connection, clock, phone_idx, values)


def note_refusal(
    connection: Connection, clock: Clock, phone_idx: bytes, kind: str, *, sent_at: datetime
) -> None:
    """A text that left at a moment (UTC) was refused: the line is of another kind.

    Of several that left before the first of them was refused, all are one refusal.
    """
    is_new = or_(phone_line.c.refused_at.is_(None), phone_line.c.refused_at < sent_at)
    values = {"kind": kind, "source": "refusal", "refused_at": clock.at()}
    counted = case((is_new, phone_line.c.refusals + 1), else_=phone_line.c.refusals)
    _put(connection, clock, phone_idx, values | {"refusals": 1}, values | {"refusals": counted})


def mark(connection: Connection, clock: Clock, phone_idx: bytes, **said: bool) -> None:
    """Note what a person there said.

    `stopped`: whether texts are not wanted. `wrong`: whether it is the number of another person
    than the one written to.
    """
    values = {f"{what}_at": clock.at() if yes else None for what, yes in said.items()}
    _put(connection, clock, phone_idx, values)


def _put(
    connection: Connection,
    clock: Clock,
    phone_idx: bytes,
    values: dict[str, Any],
    changes: dict[str, Any] | None = None,
) -> None:
    """`values` of a new row; of one that is there `changes`, where they are others."""
    now = {"updated_at": clock.at()}
    new = {"kind": "", "source": "sms", "phone_idx": phone_idx, **values, **now}
    statement = (
        insert(phone_line)
        .values(**new)
        .on_conflict_do_update(
            index_elements=[phone_line.c.phone_idx], set_=(changes or values) | now
        )
    )
    connection.execute(statement)


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete numbers without news for `after`, bookings or messages to them; gives how many."""
    booked = exists().where(booking.c.phone_idx == phone_line.c.phone_idx)
    written_to = exists().where(message.c.recipient_idx == phone_line.c.phone_idx)
    statement = delete(phone_line).where(
        phone_line.c.updated_at < clock.at(-after), ~booked, ~written_to
    )
    return connection.execute(statement).rowcount
