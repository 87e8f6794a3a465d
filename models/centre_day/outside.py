"""What is open at centres, as it is compared with their hours and capacity.

Slots that were opened for hours told apart from the centre's (`slot.apart`) are left out: a
secretary's Saturday is meant.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, DateTime, cast, func, select

from models.centres.tables import centre
from models.clock import Clock
from models.rows import from_row
from models.slots.tables import place, slot


@dataclass(frozen=True)
class OpenSlot:
    """A slot that has not begun, with its places that are not blocked; `start_at` is UTC."""

    id: int
    start_at: datetime
    places: int
    booked: int


@dataclass(frozen=True)
class UsualHour:
    """A weekday (0 = Monday) and a time (`09:00`) at which a centre has slots, by its own clock.

    `capacity` is the largest of them.
    """

    centre_id: str
    weekday: int
    time: str
    capacity: int


def open_slots(
    connection: Connection, clock: Clock, centre_id: str, *, every: bool = False
) -> list[OpenSlot]:
    """The slots of a centre that have open places, by their start; `every`: those apart, too."""
    booked = func.count().filter(place.c.booking_id.is_not(None))
    statement = (
        select(slot.c.id, slot.c.start_at, func.count().label("places"), booked.label("booked"))
        .join(place, place.c.slot_id == slot.c.id)
        .where(
            slot.c.centre_id == centre_id,
            slot.c.start_at > clock.at(),
            ~place.c.blocked,
            *(() if every else (~slot.c.apart,)),
        )
        .group_by(slot.c.id, slot.c.start_at)
        .order_by(slot.c.start_at)
    )
    return [from_row(OpenSlot, row) for row in connection.execute(statement)]


def usual_hours(
    connection: Connection, clock: Clock, centre_ids: Collection[str]
) -> list[UsualHour]:
    """At which hours of the week these centres have slots, whatever their places are."""
    local = cast(func.timezone(centre.c.time_zone, slot.c.start_at), DateTime())
    weekday, time = func.extract("isodow", local) - 1, func.to_char(local, "HH24:MI")
    statement = (
        select(slot.c.centre_id, weekday, time, func.max(slot.c.capacity))
        .join(centre, centre.c.id == slot.c.centre_id)
        .where(slot.c.centre_id.in_(centre_ids), slot.c.start_at > clock.at(), ~slot.c.apart)
        .group_by(slot.c.centre_id, weekday, time)
    )
    return [UsualHour(row[0], int(row[1]), row[2], row[3]) for row in connection.execute(statement)]
