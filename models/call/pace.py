"""The pace that a line asked for, by its keyed number alone."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from sqlalchemy import Connection, bindparam, delete, update

from models.call.tables import caller_pace
from models.clock import Clock
from models.prepared import Prepared
from models.writes import upsert

# How exact the moment of the last call needs to be: a write less at each ring.
ABOUT = timedelta(days=1)


def remember(connection: Connection, clock: Clock, caller_idx: bytes, *, slow: bool) -> None:
    """Store the pace of a line; what was stored before gives way."""
    upsert(connection, caller_pace, {"caller_idx": caller_idx, "slow": slow, "at": clock.at()})


def still_rings(connection: Connection, clock: Clock, caller_idx: bytes) -> None:
    """Note that the line rang: its pace is kept for a while from here."""
    _still_rings(clock).count(connection, {"the_line": caller_idx})


@lru_cache
def _still_rings(clock: Clock) -> Prepared:
    return Prepared(
        update(caller_pace)
        .where(caller_pace.c.caller_idx == bindparam("the_line"))
        .where(caller_pace.c.at < clock.at(-ABOUT))
        .values(at=clock.at())
    )


def forget(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Delete the pace of lines that have not rung for `older_than`."""
    statement = delete(caller_pace).where(caller_pace.c.at < clock.at(-older_than))
    return connection.execute(statement).rowcount
