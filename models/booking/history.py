"""What happened to each booking: one line for each change, written with it, never changed.

Triggers of the database refuse everything but an INSERT. Nothing here is personal: the actor is a
word or a staff id, the change is ids and moments.
"""

from __future__ import annotations

import json

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, select

from models.booking.tables import history
from models.clock import Clock
from models.prepared import Prepared

# A person wrote that they will come, or was told what a stand-in stands for: lines of no change.
SAID_YES = "said_yes"
TOLD = "told"
NO_CHANGES = frozenset({SAID_YES, TOLD})
_GIVEN = ("booking_id", "who", "channel", "what", "why", "details")


@dataclass(frozen=True)
class Change:
    """`what` is booked, cancelled, moved, restored …; `who` is "caller", "system" or a staff id."""

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


def add(connection: Connection, clock: Clock, booking_id: str, change: Change) -> None:
    """Write one line, in the transaction of the change itself."""
    details = json.dumps(change.details, separators=(",", ":"))
    row = (booking_id, change.who, change.channel, change.what, change.why, details)
    _add(clock).count(connection, dict(zip(_GIVEN, row, strict=True)))


@lru_cache
def _add(clock: Clock) -> Prepared:
    return Prepared(history.insert().values(at=clock.at()).inline(), _GIVEN)


def of_booking(connection: Connection, booking_id: str) -> Sequence[HistoryLine]:
    """Every change of a booking, oldest first."""
    statement = select(history).where(history.c.booking_id == booking_id).order_by(history.c.id)
    return [
        HistoryLine(
            row.at, Change(row.who, row.channel, row.what, row.why, json.loads(row.details))
        )
        for row in connection.execute(statement)
    ]
