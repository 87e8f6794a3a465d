"""Freezes of cancelling by machine, and the cancellations that they are judged by.

A freeze lasts until its own end, watched or not; so none is left on by a process that died.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from models.booking.tables import cancel_freeze, history
from models.clock import Clock
from models.rows import columns_of

_CANCELLED = "cancelled"


@dataclass(frozen=True)
class Freeze:
    """Moments are UTC. `cancelled`: in the ten minutes before it; `lifted_by`: a staff id."""

    id: str
    began_at: datetime
    until_at: datetime
    cancelled: int
    lifted_at: datetime | None
    lifted_by: str | None


def lasts(clock: Clock) -> ColumnElement[bool]:
    """Whether a freeze lasts, as a column of a statement that is asked anyway."""
    return exists().where(
        cancel_freeze.c.lifted_at.is_(None), cancel_freeze.c.until_at > clock.at()
    )


def is_on(connection: Connection, clock: Clock) -> bool:
    """Whether a freeze lasts."""
    return bool(connection.execute(select(lasts(clock))).scalar_one())


def newest(connection: Connection) -> Freeze | None:
    """The one that began last, over or not."""
    statement = (
        select(*columns_of(Freeze, cancel_freeze))
        .order_by(cancel_freeze.c.began_at.desc(), cancel_freeze.c.id)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return Freeze(*row) if row else None


def begin(
    connection: Connection, clock: Clock, freeze_id: str, *, cancelled: int, lasts_for: timedelta
) -> None:
    """Freeze from now on."""
    values = {
        "id": freeze_id,
        "began_at": clock.at(),
        "until_at": clock.at(lasts_for),
        "cancelled": cancelled,
    }
    connection.execute(cancel_freeze.insert().values(values))


def prolong(connection: Connection, clock: Clock, freeze_id: str, lasts_for: timedelta) -> None:
    """It lasts so much longer, from now."""
    one = update(cancel_freeze).where(cancel_freeze.c.id == freeze_id)
    connection.execute(one.values(until_at=clock.at(lasts_for)))


def lift(connection: Connection, clock: Clock, staff_id: str) -> str | None:
    """End the freeze that lasts; gives its id, None where none does."""
    statement = (
        update(cancel_freeze)
        .where(cancel_freeze.c.lifted_at.is_(None), cancel_freeze.c.until_at > clock.at())
        .values(lifted_at=clock.at(), lifted_by=staff_id)
        .returning(cancel_freeze.c.id)
    )
    return connection.execute(statement).scalars().first()


def cancelled_in(
    connection: Connection, clock: Clock, channels: Collection[str], within: timedelta
) -> int:
    """How often these channels cancelled in the last `within`."""
    statement = select(func.count()).where(
        history.c.what == _CANCELLED,
        history.c.at > clock.at(-within),
        history.c.channel.in_(channels),
    )
    return int(connection.execute(statement).scalar_one())


def cancelled_by_hour(
    connection: Connection, clock: Clock, channels: Collection[str], hours: int
) -> list[int]:
    """How often they did in each of so many hours before the last one, hours without any too.

    Hours of the clock; one that is not whole at either end counts as it is.
    """
    hour = func.date_trunc("hour", history.c.at)
    statement = (
        select(func.count())
        .where(
            history.c.what == _CANCELLED,
            history.c.at > clock.at(-timedelta(hours=hours + 1)),
            history.c.at <= clock.at(-timedelta(hours=1)),
            history.c.channel.in_(channels),
        )
        .group_by(hour)
    )
    found = [int(count) for count in connection.execute(statement).scalars()][:hours]
    return found + [0] * (hours - len(found))
