"""The next days that have free places near a person, and the hours of one: nothing is taken.

At most two statements, of bounded cost: the nearest centres are looked at, and those beyond them
only where these have nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from models.slots import days as rows
from models.slots.days import FreeSlot
from models.slots.slot_query import Window
from services.centres.directory import NearbyCentre
from services.slots.allocate import Allocate, Holder
from services.slots.hold_slot import FIRST_RING, NEXT_RING
from services.slots.leave_time import busy, is_outside
from services.work import Work

# Days that are told, and how many places of a centre and day are counted at the most.
MOST_DAYS = 14
COUNT_UP_TO = 20
# Centres of one day.
MOST_CENTRES = 6


@dataclass(frozen=True)
class FreeDay:
    """A day of the centres' calendar with free places. `at_least`: there may be more places."""

    day: date
    centres: int
    places: int
    at_least: bool


@dataclass(frozen=True)
class FreeAtCentre:
    """A centre that has free hours on a day, by their start: one of each half hour."""

    near: NearbyCentre
    slots: tuple[FreeSlot, ...]


def free_days(
    work: Work, holder: Holder, near: Sequence[NearbyCentre], not_before: datetime
) -> list[FreeDay]:
    """The first days with places for `holder` at these centres (nearest first), MOST_DAYS at most.

    From `not_before` (UTC) to the campaign's horizon; what the holder holds counts as free. With
    two doses only what has a second one.
    """
    windows = _days(work, near, not_before)
    for ring in _rings(near):
        if not windows:
            break
        centre_ids = [near_centre.centre.id for near_centre in ring]
        allocator = Allocate(work, holder)
        found = rows.free_on_days(
            work.connection,
            work.store.clock,
            centre_ids,
            list(windows.values()),
            allocator.wish((_all(windows),), (), _zone(near)),
            holder.id,
            count_up_to=COUNT_UP_TO,
        )
        if found:
            days = list(windows)
            return [
                FreeDay(
                    days[number],
                    len(counts),
                    sum(counts),
                    at_least=any(count >= COUNT_UP_TO for count in counts),
                )
                for number in sorted({row.day for row in found})
                if (counts := [row.places for row in found if row.day == number])
            ][:MOST_DAYS]
    return []


def free_hours(
    work: Work,
    holder: Holder,
    near: Sequence[NearbyCentre],
    not_before: datetime,
    day: date,
) -> list[FreeAtCentre]:
    """The hours of a day, by centre, nearest first; as `free_days` counts them."""
    window = _days(work, near, not_before).get(day)
    if window is None:
        return []
    for ring in _rings(near):
        allocator = Allocate(work, holder)
        found = rows.free_hours(
            work.connection,
            work.store.clock,
            [near_centre.centre.id for near_centre in ring],
            window,
            allocator.wish((window,), (), _zone(near)),
            holder.id,
        )
        windows = busy(work, [near_centre.centre.id for near_centre in ring])
        found = [row for row in found if is_outside(row.start_at, windows.get(row.centre_id, ()))]
        if found:
            return [
                FreeAtCentre(near_centre, slots)
                for near_centre in ring
                if (slots := _one_each_half_hour(found, near_centre.centre.id))
            ][:MOST_CENTRES]
    return []


def _one_each_half_hour(found: Sequence[FreeSlot], centre_id: str) -> tuple[FreeSlot, ...]:
    """The first of each half hour: more of them no person reads through."""
    first: dict[datetime, FreeSlot] = {}
    for row in found:
        if row.centre_id == centre_id:
            at = row.start_at.replace(minute=row.start_at.minute // 30 * 30, second=0)
            first.setdefault(at, row)
    return tuple(first.values())


def _rings(near: Sequence[NearbyCentre]) -> list[Sequence[NearbyCentre]]:
    rings = [near[:FIRST_RING], near[FIRST_RING : FIRST_RING + NEXT_RING]]
    return [ring for ring in rings if ring]


def _zone(near: Sequence[NearbyCentre]) -> ZoneInfo:
    # Centres within reach of one another share a time zone: no territory has two.
    return ZoneInfo(near[0].centre.time_zone)


def _days(work: Work, near: Sequence[NearbyCentre], not_before: datetime) -> dict[date, Window]:
    """The days from `not_before` to the horizon, by the centres' calendar, and when each is."""
    if not near:
        return {}
    zone, campaign, now = _zone(near), work.campaign, work.store.clock.now()
    first = max(not_before, now + campaign.lead)
    horizon = now + timedelta(days=campaign.horizon_days)
    windows: dict[date, Window] = {}
    day = first.astimezone(zone).date()
    while (opens := _midnight(day, zone)) < horizon:
        closes = _midnight(day + timedelta(days=1), zone)
        if max(opens, first) < min(closes, horizon):
            windows[day] = max(opens, first), min(closes, horizon)
        day += timedelta(days=1)
    return windows


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def _all(windows: dict[date, Window]) -> Window:
    return min(window[0] for window in windows.values()), max(
        window[1] for window in windows.values()
    )
