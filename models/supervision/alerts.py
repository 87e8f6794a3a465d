"""Alerts: raised once, ended once, each sent once to the outside listener.

A unique index ensures that at most one alert of a name is raised at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from models.clock import Clock
from models.rows import columns_of
from models.supervision.tables import alert
from models.writes import insert_new


@dataclass(frozen=True)
class Alert:
    """Moments are UTC; `ended_at` is None while it lasts. `seen_by`: a supervisor's staff id."""

    id: str
    name: str
    value: float
    threshold: float
    began_at: datetime
    ended_at: datetime | None
    told_at: datetime | None
    seen_by: str | None


_COLUMNS = columns_of(Alert, alert)


def begin(
    connection: Connection,
    clock: Clock,
    alert_id: str,
    *,
    name: str,
    value: float,
    threshold: float,
) -> bool:
    """Raise one; False where it is raised already."""
    values = {"id": alert_id, "name": name, "value": value, "threshold": threshold}
    return insert_new(connection, clock, alert, values, "began_at")


def happened(
    connection: Connection,
    clock: Clock,
    alert_id: str,
    *,
    name: str,
    value: float,
    threshold: float,
    again: float = 1,
) -> None:
    """Something that lasts no time: raised until a supervisor looks at it; then adds `again`."""
    if begin(connection, clock, alert_id, name=name, value=value, threshold=threshold):
        return
    lasts = (alert.c.name == name, alert.c.ended_at.is_(None))
    connection.execute(update(alert).where(*lasts).values(value=alert.c.value + again))


def end_seen(connection: Connection, clock: Clock, names: Collection[str]) -> int:
    """End those of these names that a supervisor looks after; gives how many."""
    statement = (
        update(alert)
        .where(alert.c.name.in_(names), alert.c.seen_by.is_not(None), alert.c.ended_at.is_(None))
        .values(ended_at=clock.at())
    )
    return connection.execute(statement).rowcount


def end(connection: Connection, clock: Clock, name: str) -> bool:
    """It is over; False where none was raised."""
    statement = (
        update(alert)
        .where(alert.c.name == name, alert.c.ended_at.is_(None))
        .values(ended_at=clock.at())
    )
    return bool(connection.execute(statement).rowcount)


def raised(connection: Connection) -> list[Alert]:
    """Those that last, oldest first."""
    statement = select(*_COLUMNS).where(alert.c.ended_at.is_(None)).order_by(alert.c.began_at)
    return [Alert(*row) for row in connection.execute(statement)]


def untold(connection: Connection, since: datetime, most: int) -> list[Alert]:
    """Those whose beginning, or end, was not sent to the outside listener yet; oldest first.

    `since` (UTC): older ones are of no use to the listener any more.
    """
    statement = (
        select(*_COLUMNS)
        .where(
            or_(alert.c.told_at.is_(None), alert.c.told_at < alert.c.ended_at),
            or_(alert.c.began_at >= since, alert.c.ended_at >= since),
        )
        .order_by(alert.c.began_at, alert.c.id)
        .limit(most)
    )
    return [Alert(*row) for row in connection.execute(statement)]


def told(connection: Connection, alert_id: str, state_of: datetime) -> None:
    """The outside listener took the news: as of when (UTC) it was raised, or ended."""
    connection.execute(update(alert).where(alert.c.id == alert_id).values(told_at=state_of))


def seen(connection: Connection, alert_id: str, staff_id: str) -> bool:
    """A supervisor at the board has seen it; the first one is stored."""
    statement = (
        update(alert)
        .where(alert.c.id == alert_id, alert.c.seen_by.is_(None))
        .values(seen_by=staff_id)
    )
    return bool(connection.execute(statement).rowcount)
