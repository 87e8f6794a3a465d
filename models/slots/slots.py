"""Slots and their places: opening them, and counting them.

One row of `place` is one place of a slot. Places follow the slot's capacity upwards only: what was
once offered may be held or booked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    and_,
    column,
    func,
    literal,
    select,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from models.centres.tables import centre
from models.clock import Clock
from models.database import Database
from models.rows import columns_of, from_row
from models.slots.slot_query import Window, is_free, is_held
from models.slots.tables import place, slot
from models.types import Instant


@dataclass(frozen=True)
class SlotsToOpen:
    """Slots that shall be there: aware moments, in rising order, with places for `capacity`.

    The new places cannot be booked before `released_at` (UTC); None means from now on. New slots
    serve what the bits `services` mean (`models.slots.services`); 0: all. Those that are there keep
    what they serve, and so do the places that they get. `apart`: their hours were told apart from
    the centre's own, which do not hold for them.
    """

    centre_id: str
    starts: Sequence[datetime]
    capacity: int
    released_at: datetime | None = None
    services: int = 0
    apart: bool = False


def lot_of(slot_id: Any, number: Any, capacity: Any) -> Any:
    """The lot of a place, 0 to 99, in Python or as an SQL expression.

    A centre's slots have ids in a row, so their places are counted through; 61 is the golden
    section of 100, so any stretch of them has its part of every share, to within two places.
    """
    return (slot_id * capacity + number) * 61 % 100


def start_of(connection: Connection, slot_id: int, centre_id: str) -> datetime | None:
    """When a slot of a centre begins (UTC); None where that centre has no such slot."""
    statement = select(slot.c.start_at).where(slot.c.id == slot_id, slot.c.centre_id == centre_id)
    return connection.execute(statement).scalar_one_or_none()


@dataclass
class OpenedSlots:
    """What opening did. `larger` slots were there with more places than asked, and keep them."""

    slots: int = 0
    already: int = 0
    places: int = 0
    larger: int = 0
    # Those that were there and serve something else.
    other: int = 0

    def add(self, other: OpenedSlots) -> None:
        self.slots += other.slots
        self.already += other.already
        self.places += other.places
        self.larger += other.larger
        self.other += other.other


@dataclass(frozen=True)
class SlotCount:
    """How the places of a slot are taken; `start_at` is UTC.

    A hold that has run out counts as none, and a place that is booked as nothing else. `free` are
    those that anybody may have now.
    """

    slot_id: int
    start_at: datetime
    capacity: int
    booked: int
    free: int
    held: int
    blocked: int


# What is to be done about new places (their ids) in the transaction in which they come.
OnNew = Callable[[Connection, list[int]], object]


def open_slots(
    database: Database, wanted: Sequence[SlotsToOpen], on_new: OnNew | None = None
) -> OpenedSlots:
    """Open what is not there yet, in one transaction; doing it again changes nothing."""
    opened = OpenedSlots()
    with database.transaction() as connection:
        new: list[int] = []
        for some in wanted:
            if some.starts:
                opened.add(_open(connection, some, new))
        if on_new is not None and new:
            on_new(connection, new)
    return opened


def _open(connection: Connection, some: SlotsToOpen, new: list[int]) -> OpenedSlots:
    """Open some; `new` gets the ids of the places that came."""
    mine = and_(
        slot.c.centre_id == some.centre_id,
        slot.c.start_at.between(some.starts[0], some.starts[-1]),
    )
    columns = (slot.c.start_at, slot.c.capacity, slot.c.services)
    there = connection.execute(select(*columns).where(mine)).all()
    before = {row.start_at: row.capacity for row in there}
    wanted = frozenset(some.starts)
    other = sum(row.services != some.services for row in there if row.start_at in wanted)
    missing = [start for start in some.starts if start not in before]
    smaller = [start for start in some.starts if before.get(start, some.capacity) < some.capacity]
    if missing:
        _add(connection, some, missing)
    for start in smaller:
        connection.execute(
            update(slot)
            .where(
                slot.c.centre_id == some.centre_id,
                slot.c.start_at == start,
                slot.c.capacity < some.capacity,
            )
            .values(capacity=some.capacity)
        )
    if some.apart and there:
        starts = [start for start in some.starts if start in before]
        connection.execute(update(slot).where(mine, slot.c.start_at.in_(starts)).values(apart=True))
    before_these = len(new)
    if missing or smaller:
        new += connection.execute(_places_of(connection, some, mine)).scalars()
    return OpenedSlots(
        slots=len(missing),
        already=len(some.starts) - len(missing),
        places=len(new) - before_these,
        larger=sum(before.get(start, 0) > some.capacity for start in some.starts),
        other=other,
    )


def _add(connection: Connection, some: SlotsToOpen, starts: list[datetime]) -> None:
    """Slots without places; another may add the same ones meanwhile."""
    statement = insert(slot)
    # A server takes one statement with all of them in a fraction of the time of one for each.
    source = select(
        literal(some.centre_id),
        func.unnest(literal(starts, ARRAY(Instant()))),
        literal(some.capacity),
        literal(some.services),
        literal(some.apart),
    )
    names = ["centre_id", "start_at", "capacity", "services", "apart"]
    statement = statement.from_select(names, source)
    connection.execute(statement.on_conflict_do_nothing(index_elements=_ONE))


# Of a centre there is one slot at a time.
_ONE: Final = ("centre_id", "start_at")


def _places_of(connection: Connection, some: SlotsToOpen, mine: ColumnElement[bool]) -> Any:
    """The statement that gives each slot of `mine` the places that it has not; their ids."""
    counted = values(column("number", Integer), name="counted")
    number = counted.data([(one,) for one in range(1, some.capacity + 1)]).cte().c.number
    source = select(
        slot.c.id,
        number,
        slot.c.centre_id,
        slot.c.start_at,
        lot_of(slot.c.id, number, slot.c.capacity),
        literal(some.released_at, Instant()),
        slot.c.services,
    ).where(mine, slot.c.capacity >= number)
    return (
        insert(place)
        .from_select(
            ["slot_id", "number", "centre_id", "start_at", "lot", "released_at", "services"], source
        )
        .on_conflict_do_nothing(index_elements=["slot_id", "number"])
        .returning(place.c.id)
    )


def starts_of(
    connection: Connection, centre_id: str, window: Window, clock: Clock
) -> list[tuple[int, datetime, int]]:
    """Slots of a centre that start in a window of time and have not begun: start and capacity."""
    statement = (
        select(slot.c.id, slot.c.start_at, slot.c.capacity)
        .where(
            slot.c.centre_id == centre_id,
            slot.c.start_at >= window[0],
            slot.c.start_at < window[1],
            slot.c.start_at > clock.at(),
        )
        .order_by(slot.c.start_at)
    )
    return [(row.id, row.start_at, row.capacity) for row in connection.execute(statement)]


def last_starts(database: Database, until: datetime) -> dict[str, datetime]:
    """Find the last start before `until` of every centre that has slots."""
    statement = (
        select(slot.c.centre_id, func.max(slot.c.start_at).label("last"))
        .where(slot.c.start_at < until)
        .group_by(slot.c.centre_id)
    )
    with database.statement() as connection:
        return {row.centre_id: row.last for row in connection.execute(statement)}


def counts(
    connection: Connection, clock: Clock, centre_id: str, window: Window | None = None
) -> list[SlotCount]:
    """The slots of a centre, or those that start in a window of time, by their start."""
    booked = place.c.booking_id.is_not(None)
    held = and_(~booked, place.c.held_by.is_not(None), place.c.hold_expires_at > clock.at())
    statement = (
        select(
            slot.c.id,
            slot.c.start_at,
            slot.c.capacity,
            func.count().filter(booked),
            func.count().filter(is_free(clock)),
            func.count().filter(held, ~place.c.blocked),
            func.count().filter(~booked, place.c.blocked),
        )
        .select_from(slot.outerjoin(place, place.c.slot_id == slot.c.id))
        .where(slot.c.centre_id == centre_id)
        .group_by(slot.c.id, slot.c.start_at, slot.c.capacity)
        .order_by(slot.c.start_at)
    )
    if window is not None:
        statement = statement.where(slot.c.start_at >= window[0], slot.c.start_at < window[1])
    return [SlotCount(*row) for row in connection.execute(statement)]


@dataclass(frozen=True)
class HeldAppointment:
    """A place that is held, with its centre; moments are UTC.

    `roughly`: the position is its town's. Both degrees are 0.0 where not even that is known.
    """

    place_id: int
    slot_id: int
    centre_id: str
    name: str
    street: str
    postcode: str
    town: str
    time_zone: str
    latitude: float
    longitude: float
    roughly: bool
    start_at: datetime
    until: datetime
    # The bits of the services that it serves (models.slots.services); 0 for all.
    services: int = 0
    spoken_name: str = ""


def held_appointments(
    connection: Connection, clock: Clock, *which: ColumnElement[bool]
) -> list[HeldAppointment]:
    """The places of these that are held at this moment and not booked, soonest first."""
    statement = (
        select(
            place.c.id.label("place_id"),
            *columns_of(HeldAppointment, place),
            *(centre.c[name] for name in ("name", "spoken_name", "street", "postcode", "town")),
            centre.c.time_zone,
            func.coalesce(centre.c.latitude, 0.0).label("latitude"),
            func.coalesce(centre.c.longitude, 0.0).label("longitude"),
            centre.c.roughly,
            place.c.hold_expires_at.label("until"),
        )
        .join(centre, centre.c.id == place.c.centre_id)
        .where(*which, is_held(clock))
        .order_by(place.c.start_at, place.c.id)
    )
    return [from_row(HeldAppointment, row) for row in connection.execute(statement)]


def places_ahead(connection: Connection, clock: Clock) -> int:
    """How many people the slots that have not begun can take, booked or not."""
    statement = select(func.coalesce(func.sum(slot.c.capacity), 0)).where(
        slot.c.start_at > clock.at()
    )
    return int(connection.execute(statement).scalar_one())
