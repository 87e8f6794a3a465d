"""What is free day by day: looked at without taking anything, for visitors who choose a day first.

The cost is bounded by what is asked: one index seek for each centre and day, of which no more
places are read than are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    column,
    func,
    literal,
    select,
    values,
)

from models.centres.tables import centre
from models.clock import Clock
from models.slots.slot_query import SlotQuery, Window, fits
from models.slots.tables import place
from models.types import Instant

# Of one day at some centres; more hours than these no page shows.
MOST_HOURS = 600


@dataclass(frozen=True)
class FreeOnDay:
    """How many places a centre has on the day of this number, counted up to what was asked."""

    centre_id: str
    day: int
    places: int


@dataclass(frozen=True)
class FreeSlot:
    """A slot that has free places, and how many. `start_at` is UTC."""

    centre_id: str
    slot_id: int
    start_at: datetime
    places: int


def free_on_days(  # noqa: PLR0917 (what `free_hours` wants, with a count)
    connection: Connection,
    clock: Clock,
    centre_ids: Sequence[str],
    days: Sequence[Window],
    wish: SlotQuery,
    holder: str,
    *,
    count_up_to: int,
) -> list[FreeOnDay]:
    """What each of our open centres has free in each of these windows; where it is nothing, no row.

    Windows of `wish` are not looked at. What `holder` holds counts as free: it is theirs.
    """
    window = values(
        column("number", Integer),
        column("opens", Instant),
        column("closes", Instant),
        name="day_window",
    )
    one = window.data([(number, *day) for number, day in enumerate(days)]).cte("day_window")
    there = place.alias("there")
    some = (
        select(literal(1).label("one"))
        .where(
            there.c.centre_id == centre.c.id,
            there.c.start_at >= one.c.opens,
            there.c.start_at < one.c.closes,
            fits(clock, there, wish.shape, centre.c.time_zone, holder=bindparam("the_holder")),
        )
        .limit(count_up_to)
        .correlate(centre, one)
        .subquery()
    )
    counted = select(func.count()).select_from(some).scalar_subquery()
    statement = (
        select(centre.c.id, one.c.number, counted)
        .select_from(centre.join(one, literal(value=True)))
        .where(_ours(centre_ids))
    )
    rows = connection.execute(statement, wish.values | {"the_holder": holder})
    return [FreeOnDay(*row) for row in rows if row[2]]


def free_hours(  # noqa: PLR0917 (as `free_on_days`)
    connection: Connection,
    clock: Clock,
    centre_ids: Sequence[str],
    day: Window,
    wish: SlotQuery,
    holder: str,
) -> list[FreeSlot]:
    """The slots of a window that have free places at these centres, by their start."""
    there = place.alias("there")
    statement = (
        select(there.c.centre_id, there.c.slot_id, there.c.start_at, func.count())
        .select_from(there.join(centre, centre.c.id == there.c.centre_id))
        .where(
            _ours(centre_ids),
            there.c.start_at >= day[0],
            there.c.start_at < day[1],
            fits(clock, there, wish.shape, centre.c.time_zone, holder=bindparam("the_holder")),
        )
        .group_by(there.c.centre_id, there.c.slot_id, there.c.start_at)
        .order_by(there.c.start_at, there.c.slot_id)
        .limit(MOST_HOURS)
    )
    rows = connection.execute(statement, wish.values | {"the_holder": holder})
    return [FreeSlot(*row) for row in rows]


def _ours(centre_ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(
        centre.c.id.in_(list(centre_ids)),
        centre.c.closed_at.is_(None),
        centre.c.booking_mode == "ours",
    )
