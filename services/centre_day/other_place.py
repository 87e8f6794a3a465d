"""Where a person can go whose appointment cannot stay: the search, without taking anything.

A second look at the same picture of the free slots costs nothing, so that two hundred people can be
placed, or be counted in a dry run, without asking for the same centres two hundred times. The
process that takes a place finds out whether the picture still holds.

The order: the same week by the centre's calendar before any other, in it one's own centre before
the others, nearest first, and there the hour closest to what was booked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from flows.understanding import birthday
from models.booking.changes import BookedAppointment
from models.centre_day import operations
from models.centre_day.operations import CentreFreeSlot
from models.database import Connection
from services.store import Store
from services.work import Work

# No person is moved to an earlier hour than the one booked unless it is so far away.
NOTICE: Final = timedelta(hours=24)
# Older than this, a picture is not good enough to tell that nothing is free.
FRESH_SECONDS: Final = 5.0
FIRST, SECOND = 1, 2

Plan = dict[int, CentreFreeSlot]


class Stock:
    """The free slots as they were when looked at, less what was taken since.

    `ticks` is a monotonic clock in seconds. `hidden` are places, by slot, that a dry run leaves
    out, as they would be blocked.
    """

    def __init__(self, store: Store, ticks: Callable[[], float]) -> None:
        self._store = store
        self._ticks = ticks
        self._centres: dict[tuple[str, datetime], list[CentreFreeSlot]] = {}
        self._taken: Counter[int] = Counter()
        self._read_at = ticks()
        self.hidden: Mapping[int, int] = {}

    def at(
        self, connection: Connection, centre_id: str, until: datetime
    ) -> Iterator[CentreFreeSlot]:
        """Slots of a centre with a free place, from now to `until` (UTC), by start."""
        key = (centre_id, until)
        if key not in self._centres:
            now = self._store.clock.now()
            self._centres[key] = operations.free_slots(
                connection, self._store.clock, centre_id, now, until
            )
        for slot in self._centres[key]:
            if slot.free > self._taken[slot.slot_id] + self.hidden.get(slot.slot_id, 0):
                yield slot

    def take(self, plan: Plan) -> None:
        self._taken.update(slot.slot_id for slot in plan.values())

    def is_gone(self, slot_id: int) -> None:
        """A person was quicker: nothing is free there any more."""
        self._taken[slot_id] = 10_000

    @property
    def stale(self) -> bool:
        return bool(self._taken) or self._ticks() - self._read_at > FRESH_SECONDS

    def look_again(self) -> None:
        self._centres.clear()
        self._taken.clear()
        self._read_at = self._ticks()


@dataclass(frozen=True)
class OtherPlaces:
    """The search for one booking: `goes` are its doses that cannot stay.

    `stays` are its other live doses, past ones too. `near` are centres in the order in which they
    shall be asked, and `zone` is theirs.
    """

    work: Work
    stock: Stock
    near: Sequence[str]
    zone: ZoneInfo
    born: date | None
    goes: Mapping[int, BookedAppointment]
    stays: Mapping[int, BookedAppointment]

    def find(self) -> Plan | None:
        """A slot for each dose that must move; None where there is nothing in reach.

        A dose moves alone where the other one stays at the same centre and within the campaign's
        interval, or has been given; else both go to one centre.
        """
        # One picture of a centre serves first and second doses.
        days = self.work.campaign.horizon_days + self.work.campaign.second_after_days[1] + 2
        until = datetime.combine(self._now.date(), time.min, tzinfo=UTC) + timedelta(days=days)
        for same_week in (True, False):
            for centre_id in self.near:
                free = list(self.stock.at(self.work.connection, centre_id, until))
                found = self._at(centre_id, free, same_week=same_week) if free else None
                if found is not None:
                    return found
        return None

    @cached_property
    def _now(self) -> datetime:
        return self.work.store.clock.now()

    @cached_property
    def _last_first(self) -> datetime:
        return self._now + timedelta(days=self.work.campaign.horizon_days)

    @cached_property
    def _ahead(self) -> dict[int, BookedAppointment]:
        return {dose: each for dose, each in self.stays.items() if each.start_at > self._now}

    def _at(
        self, centre_id: str, free: Sequence[CentreFreeSlot], *, same_week: bool
    ) -> Plan | None:
        """What this centre has."""
        if len(self.goes) == 1:
            ((dose, was),) = self.goes.items()
            if all(each.centre_id == centre_id for each in self._ahead.values()):
                alone = self._alone(free, dose, was, same_week=same_week)
                if alone is not None:
                    return {dose: alone}
        both = {**self._ahead, **self.goes}
        if FIRST in both and SECOND in both:
            return self._pair(free, both[FIRST], both[SECOND], same_week=same_week)
        return None

    def _alone(
        self, free: Sequence[CentreFreeSlot], dose: int, was: BookedAppointment, *, same_week: bool
    ) -> CentreFreeSlot | None:
        fitting = [
            slot
            for slot in self._suiting(free, was, same_week=same_week)
            if all(self._fit(dose, slot.start_at, other) for other in self.stays.values())
            # A second dose is where its first one wants it, however far that is.
            and (dose == SECOND or slot.start_at < max(self._last_first, was.start_at))
        ]
        return min(fitting, key=lambda one: abs(one.start_at - was.start_at), default=None)

    def _pair(
        self,
        free: Sequence[CentreFreeSlot],
        first_was: BookedAppointment,
        second_was: BookedAppointment,
        *,
        same_week: bool,
    ) -> Plan | None:
        firsts = sorted(
            (
                slot
                for slot in self._suiting(free, first_was, same_week=same_week)
                if slot.start_at < max(self._last_first, first_was.start_at)
            ),
            key=lambda one: abs(one.start_at - first_was.start_at),
        )
        by_day: dict[date, list[CentreFreeSlot]] = {}
        for free_slot in free:
            by_day.setdefault(self._day(free_slot.start_at), []).append(free_slot)
        least, most = self.work.campaign.second_after_days
        for first in firsts:
            day = self._day(first.start_at)
            seconds = [
                slot
                for days in range(least, most + 1)
                for slot in by_day.get(day + timedelta(days=days), ())
            ]
            if seconds:
                return {
                    FIRST: first,
                    SECOND: min(seconds, key=lambda one: abs(one.start_at - second_was.start_at)),
                }
        return None

    def _suiting(
        self, free: Sequence[CentreFreeSlot], was: BookedAppointment, *, same_week: bool
    ) -> Iterator[CentreFreeSlot]:
        earliest = max(
            self._now + self.work.campaign.lead,
            min(was.start_at, self._now + NOTICE),
            self._as_old(was),
        )
        day = self._day(was.start_at)
        monday = day - timedelta(days=day.weekday())
        begins, ends = (
            datetime.combine(midnight, time.min, tzinfo=self.zone)
            for midnight in (monday, monday + timedelta(days=7))
        )
        for slot in free:
            if slot.start_at >= earliest and (begins <= slot.start_at < ends) is same_week:
                yield slot

    def _as_old(self, was: BookedAppointment) -> datetime:
        """From when the person is as old as on the day booked: age is what let them book."""
        if self.born is None:
            return self._now
        day = self._day(was.start_at)
        reached = birthday(self.born, day.year - self.born.year)
        if reached > day:
            reached = birthday(self.born, day.year - self.born.year - 1)
        return datetime.combine(reached, time.min, tzinfo=self.zone).astimezone(UTC)

    def _fit(self, dose: int, start: datetime, other: BookedAppointment) -> bool:
        """Whether a dose on this moment is within the interval of the other dose."""
        least, most = self.work.campaign.second_after_days
        days = (self._day(start) - self._day(other.start_at)).days
        return least <= (days if dose > other.dose else -days) <= most

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()
