"""List the slots of one centre, with how their places are taken."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from models.clock import Clock
from models.database import Database
from models.slots import slots

HEADER = ("start", "capacity", "booked", "held", "blocked")


class UnknownCentre(Exception):
    """One sentence: there is no such centre."""


def list_slots(
    database: Database, clock: Clock, centre_id: str
) -> Iterator[tuple[str, int, int, int, int]]:
    """Rows in the order of HEADER, by start. Starts are ISO 8601 in the centre's own time zone.

    Raises UnknownCentre.
    """
    name = slots.time_zone_of(database, centre_id)
    if name is None:
        raise UnknownCentre(f"there is no centre {centre_id}")
    zone = ZoneInfo(name)
    return (
        (row.start_at.astimezone(zone).isoformat(), row.capacity, row.booked, row.held, row.blocked)
        for row in slots.count(database, clock, centre_id)
    )
