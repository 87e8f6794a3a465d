"""What is remembered of a number: its kind, whether it wants texts, whether it is somebody else's.

Found by the keyed hash alone: the number itself is not kept here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, exists, select

from models.clock import Clock
from models.dialects import insert
from models.tables import booking, message, phone_line


@dataclass(frozen=True)
class Remembered:
    """`kind` is empty where its number says it best. Moments are UTC."""

    kind: str
    source: str
    looked_up_at: datetime | None
    stopped_at: datetime | None
    wrong_at: datetime | None

    @property
    def stopped(self) -> bool:
        return self.stopped_at is not None

    @property
    def wrong(self) -> bool:
        return self.wrong_at is not None


def get(connection: Connection, phone_idx: bytes) -> Remembered | None:
    statement = select(
        phone_line.c.kind,
        phone_line.c.source,
        phone_line.c.looked_up_at,
        phone_line.c.stopped_at,
        phone_line.c.wrong_at,
    ).where(phone_line.c.phone_idx == phone_idx)
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


def mark_stopped(connection: Connection, clock: Clock, phone_idx: bytes, *, stopped: bool) -> None:
    """Whether texts are not wanted there."""
    _put(connection, clock, phone_idx, {"stopped_at": clock.at() if stopped else None})


def mark_wrong(connection: Connection, clock: Clock, phone_idx: bytes) -> None:
    """Somebody there says that it is not the number of whom we write to."""
    _put(connection, clock, phone_idx, {"wrong_at": clock.at()})


def mark_right(connection: Connection, clock: Clock, phone_idx: bytes) -> None:
    """It is the number of whom we write to after all."""
    _put(connection, clock, phone_idx, {"wrong_at": None})


def _put(connection: Connection, clock: Clock, phone_idx: bytes, values: dict[str, Any]) -> None:
    changes = {**values, "updated_at": clock.at()}
    new = {"kind": "", "source": "sms", "phone_idx": phone_idx, **changes}
    statement = (
        insert(connection, phone_line)
        .values(**new)
        .on_conflict_do_update(index_elements=[phone_line.c.phone_idx], set_=changes)
    )
    connection.execute(statement)


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete what nothing was learnt of for `after`, where nobody is written to; gives how many."""
    booked = exists().where(booking.c.phone_idx == phone_line.c.phone_idx)
    written_to = exists().where(message.c.recipient_idx == phone_line.c.phone_idx)
    statement = delete(phone_line).where(
        phone_line.c.updated_at < clock.at(-after), ~booked, ~written_to
    )
    return connection.execute(statement).rowcount
