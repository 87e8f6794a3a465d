"""A centre's secretary opens and closes hours of a day.

Opening changes nothing for people, and is done at once. Closing concerns people who are booked
there: it is looked at first, and what was looked at must still be so when it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Final

from models.centre_day import operations
from models.slots import slots
from models.slots.slots import OpenedSlots
from services.booking.changed import MOST_WHY
from services.centre_day.secretary import DAY_CLOSED, AtCentre
from services.slots.open_slots import MINUTES_A_DAY, MOST_PLACES, day_starts

if TYPE_CHECKING:
    from services.centre_day.centre_life import CentreLife
    from services.centre_day.operation import LifeReport

OPENED: Final = "hours_opened"
CLOSED: Final = "hours_closed"
REOPENED: Final = "hours_reopened"
_MOST_SLOTS: Final = 200


class HoursRefused(Exception):
    """Why nothing was done: the end of a key of words."""


@dataclass(frozen=True)
class DayHours:
    """Hours of a day by the centre's clock, the end not included; None for the whole day."""

    start: time | None = None
    end: time | None = None

    @property
    def span(self) -> tuple[time, time] | None:
        return None if self.start is None or self.end is None else (self.start, self.end)


def open_hours(at: AtCentre, hours: DayHours, every: int, capacity: int) -> OpenedSlots:
    """Open slots in these hours, one each `every` minutes. Raises HoursRefused.

    What is there stays, and gets more places where `capacity` is larger. Those who wait are offered
    the new places before others see them.
    """
    store, day, span = at.store, at.day, hours.span
    if span is None or span[0] >= span[1]:
        raise HoursRefused("hours")
    if not 1 <= every < MINUTES_A_DAY or not 1 <= capacity <= MOST_PLACES:
        raise HoursRefused("figures")
    if day.centre.closed or day.centre.booking_mode != "ours":
        raise HoursRefused("closed")
    interval = (f"{span[0]:%H:%M}", f"{span[1]:%H:%M}")
    now = store.clock.now()
    found = day_starts((interval,), day.day, day.centre.time_zone, every)
    starts = [start for start in found if start > now]
    if not starts or len(starts) > _MOST_SLOTS:
        raise HoursRefused("past" if found and not starts else "figures")
    wanted = slots.SlotsToOpen(day.centre.id, starts, capacity, apart=True)
    opened = slots.open_slots(store.database, [wanted], store.publish_places_freed)
    with store.database.transaction() as connection:
        details = {"day": day.day.isoformat(), "hours": "-".join(interval)}
        at.record(connection, OPENED, **details, places=opened.places)
    return opened


def look_at_closing(at: AtCentre, hours: DayHours) -> LifeReport:
    """What closing these hours would do; nothing happens. Raises HoursRefused."""
    return _close(at, hours, why="dry run", dry_run=True)


def close_hours(at: AtCentre, hours: DayHours, *, why: str, people: int) -> LifeReport:
    """Close these hours. Raises HoursRefused.

    `people` is how many it was said to concern: where that is not so any more, nothing is done.
    """
    if not why.strip():
        raise HoursRefused("why")
    if look_at_closing(at, hours).people != people:
        raise HoursRefused("changed")
    done = _close(at, hours, why=why.strip()[:MOST_WHY], dry_run=False)
    with at.store.database.transaction() as connection:
        span = hours.span
        at.record(
            connection,
            CLOSED,
            day=at.day.day.isoformat(),
            hours=f"{span[0]:%H:%M}-{span[1]:%H:%M}" if span else "",
            people=done.people,
            operation=done.operation_id,
        )
    return done


def reopen(at: AtCentre, operation_id: str) -> int:
    """Open again what was closed; gives how many are back. Raises HoursRefused."""
    from services.centre_day.operation import LifeRefused, OperationRequest  # noqa: PLC0415 (see _life)

    with at.store.database.statement() as connection:
        found = operations.find(connection, operation_id)
    if found is None or found.centre_id != at.day.centre.id or found.kind != DAY_CLOSED:
        raise HoursRefused("unknown")
    try:
        report = _life(at).undo(operation_id, OperationRequest(why="reopened", who=at.who.id))
    except LifeRefused as refused:
        raise HoursRefused("later") from refused
    with at.store.database.transaction() as connection:
        at.record(connection, REOPENED, operation=operation_id, people=len(report.fates))
    return report.back


def people_of(at: AtCentre, operation_id: str) -> int:
    """How many people an operation moved, who would be moved back."""
    with at.store.database.statement() as connection:
        found = operations.find(connection, operation_id)
    return len(found.details["bookings"]) if found else 0


def _close(at: AtCentre, hours: DayHours, *, why: str, dry_run: bool) -> LifeReport:
    from services.centre_day.operation import LifeRefused, OperationRequest  # noqa: PLC0415 (see _life)

    span = hours.span
    if span is not None and span[0] >= span[1]:
        raise HoursRefused("hours")
    wish = OperationRequest(why=why, who=at.who.id, dry_run=dry_run)
    try:
        return _life(at).close_day(at.day.centre.id, at.day.day, wish, hours=span)
    except LifeRefused as refused:
        # Its sentences are for operators: here it is that nothing is left there to close.
        raise HoursRefused("nothing") from refused


def _life(at: AtCentre) -> CentreLife:
    """Loaded by the request that closes something, which is rare in a web worker."""
    from services.centre_day.centre_life import CentreLife  # noqa: PLC0415

    return CentreLife(at.store, at.service.campaigns, directory=at.service.directory)
