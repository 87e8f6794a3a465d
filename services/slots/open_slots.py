"""Open slots at centres, by hours told or by the centres' own, and list them.

Hours are wall-clock times in the centre's own time zone, whatever the season: 09:00 is 09:00 on
both sides of a change of clocks, and times that a change leaves out get no slot.

New places are offered to those who wait in the transaction that opens them: afterwards would be too
late, for the quickest channel looks several times a second. Where a person waits, each centre is a
transaction of its own: smaller ones would offer a first appointment before its second is there, and
larger ones would keep others waiting, for each offer takes some milliseconds. Places that are
released later are not offered: that moment is for all channels alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from models.centres import centres
from models.centres.centres import CentreHours
from models.clock import Clock
from models.database import Database
from models.operations import shared_files
from models.slots import services, slots
from models.waiting_list import waiting
from services.campaign.campaign import is_service
from services.centres.import_centres import Watch, no_watch
from services.refused import OperatorRefused
from services.store import Store

Interval = tuple[str, str]

# Slots in one transaction: some tens of milliseconds, in which others wait for what it locks.
BATCH_SLOTS: Final = 2000
# Slots in one statement, all in one transaction.
_LABELLED_AT_ONCE: Final = 500
# PostgreSQL keeps the plan by which it looks up the slot of each new place; made for a table that
# was counted while it was empty, it reads all slots each time. Counted anew after the first batch,
# and whenever there are so many times more, the plan is made anew.
COUNTED_EVERY_TIMES: Final = 8
MOST_DAYS: Final = 366
MOST_PLACES: Final = 200
MINUTES_A_DAY: Final = 24 * 60
# Of a slot, where no person said anything.
EVERY_MINUTES: Final = 10
CAPACITY: Final = 1
# Of `list_slots`.
HEADER: Final = ("start", "capacity", "booked", "held", "blocked")


class SlotsRefused(OperatorRefused):
    """One sentence: why no slot was opened, or none can be listed."""


@dataclass(frozen=True)
class Span:
    """Days (local, both included) for which a centre's slots shall be open, but for `closed`."""

    centre: CentreHours
    first: date
    last: date
    closed: frozenset[date] = frozenset()


@dataclass
class OpenReport:
    """What was done; `no_hours` names the centres that have no hours of their own."""

    opened: slots.OpenedSlots = field(default_factory=slots.OpenedSlots)
    centres: int = 0
    no_hours: list[str] = field(default_factory=list)
    # Days before a centre opens or after it closes for good.
    days_outside: int = 0
    # Centres that got slots and that no caller can book.
    not_ours: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        said = []
        if self.no_hours:
            said.append(f"{len(self.no_hours)} centres have no hours: {', '.join(self.no_hours)}")
        if self.not_ours:
            them = ", ".join(self.not_ours)
            said.append(
                f"{len(self.not_ours)} centres are not ours, and nobody can book there before "
                f"`flask centres take`: {them}"
            )
        if self.days_outside:
            said.append(f"{self.days_outside} days are before a centre opens or after it closes")
        if self.opened.other:
            said.append(
                f"{self.opened.other} slots are there for other services and keep them: "
                "`flask slots serve` changes that"
            )
        if self.opened.larger:
            said.append(f"{self.opened.larger} slots have more places than asked and keep them")
        return [*said, self.last_line()]

    def last_line(self) -> str:
        return (
            f"{self.opened.slots} slots opened, {self.opened.already} already there, "
            f"{self.opened.places} places added, {self.centres} centres"
        )


def open_slots(
    store: Store,
    *,
    centre_ids: Sequence[str] | None,
    first: date,
    days: int,
    hours: Sequence[Interval] = (),
    every: int | None = None,
    capacity: int | None = None,
    watch: Watch = no_watch,
    serving: Sequence[str] = (),
) -> OpenReport:
    """Open slots from day `first` on, for `days` days, one each `every` minutes.

    New ones serve the services of these names (`serving`), all without any.

    `centre_ids` None means every open centre of ours. `hours` hold for each of the days; without
    them a centre's own hours count. Without `every` or `capacity` (places) what was said of the
    centre when it was taken counts, else EVERY_MINUTES and CAPACITY. Slots that are there already
    stay, and get more places where `capacity` is larger. Moments that are past get no slot. Raises
    SlotsRefused, before anything is written, for an unknown or closed centre, a centre without
    hours, and impossible figures.
    """
    _check(
        days=days,
        every=EVERY_MINUTES if every is None else every,
        capacity=CAPACITY if capacity is None else capacity,
        hours=hours,
    )
    found = centres.hours_of(store.database, centre_ids, ours=centre_ids is None)
    if centre_ids is not None:
        _check_centres(found, centre_ids, own_hours=not hours)
    if not found:
        raise SlotsRefused(
            "no centre is ours yet, so nobody could book: "
            "`flask centres take GID` makes one so (import a file of centres first)"
        )
    last = first + timedelta(days=days - 1)
    if all(
        last < store.clock.now().astimezone(ZoneInfo(centre.time_zone)).date() for centre in found
    ):
        raise SlotsRefused(f"the last day, {last}, is past")
    spans = [Span(centre, first, last) for centre in found]
    return open_spans(
        store.database,
        store.clock,
        spans,
        hours=hours,
        every=every,
        capacity=capacity,
        watch=watch,
        serving=serving,
        on_new=store.publish_places_freed,
    )


def open_spans(
    database: Database,
    clock: Clock,
    spans: Sequence[Span],
    *,
    hours: Sequence[Interval] = (),
    every: int | None = None,
    capacity: int | None = None,
    watch: Watch = no_watch,
    serving: Sequence[str] = (),
    on_new: slots.OnNew | None = None,
) -> OpenReport:
    """As open_slots(), with days of its own for each centre. `watch` counts centres.

    `on_new` hears of new places; None where no person can wait for them, as in a demonstration.
    """
    report = OpenReport()
    now = clock.now()
    if not hours:
        report.no_hours = [span.centre.id for span in spans if not span.centre.hours]
        spans = [span for span in spans if span.centre.hours]
    report.centres = len(spans)
    report.not_ours = [span.centre.id for span in spans if not span.centre.ours]
    bits = _bits(database, serving)
    batch: list[slots.SlotsToOpen] = []
    counted = 0
    with watch("centres", len(spans)) as progress:
        for number, span in enumerate(spans, 1):
            minutes = every or span.centre.minutes or EVERY_MINUTES
            found = _starts(span, tuple(hours), minutes, report)
            starts = [start for start in found if start > now]
            places = capacity or span.centre.capacity or CAPACITY
            wanted = slots.SlotsToOpen(
                span.centre.id, starts, places, services=bits, apart=bool(hours)
            )
            batch.append(wanted)
            size = sum(len(each.starts) for each in batch)
            waited_for = on_new is not None and _is_waited_for(database)
            if size >= BATCH_SLOTS or waited_for or number == len(spans):
                report.opened.add(slots.open_slots(database, batch, on_new if waited_for else None))
                progress(len(batch))
                batch = []
                added = report.opened.places
                if added and added >= counted * COUNTED_EVERY_TIMES:
                    counted = added
                    database.analyze()
    if report.opened.places > counted:
        database.analyze()
    return report


def _is_waited_for(database: Database) -> bool:
    with database.statement() as connection:
        return waiting.anybody(connection)


def _bits(database: Database, names: Sequence[str]) -> int:
    """The bits of services by name. Raises SlotsRefused."""
    if not names:
        return 0
    for name in names:
        if not is_service(name):
            raise SlotsRefused(
                f"{name!r} is no name of a service; a campaign's file has it, as grippe"
            )
    with database.transaction() as connection:
        try:
            return services.bits_of(connection, names)
        except services.TooManyServices:
            raise SlotsRefused(
                f"there are {services.MOST_SERVICES} services already, and no more can be told"
                " apart"
            ) from None


def serve(
    database: Database,
    clock: Clock,
    *,
    centre_id: str,
    first: date,
    days: int,
    hours: Sequence[Interval] = (),
    serving: Sequence[str] = (),
    places: tuple[int, int] | None = None,
) -> int:
    """Let slots that are there serve these services; gives how many places changed.

    Those of a centre that start from day `first` on, for `days` days, within `hours` of each day
    where some are given, and have not begun. `serving` are names; none: all services. `places` are
    the first and the last place of each slot, for capacity that is apart within one hour. All of it
    or nothing: raises SlotsRefused where a place is booked for a service that it would serve no
    more, or is being chosen at this moment.
    """
    found = centres.hours_of(database, [centre_id], ours=False)
    _check_centres(found, [centre_id], own_hours=False)
    if not 1 <= days <= MOST_DAYS:
        raise SlotsRefused(f"{days} days cannot be: 1 to {MOST_DAYS} can")
    if places is not None and not 1 <= places[0] <= places[1]:
        raise SlotsRefused("the first place comes before the last, and 1 is the first there is")
    zone = ZoneInfo(found[0].time_zone)
    window = tuple(
        datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
        for day in (first, first + timedelta(days=days))
    )
    bits, changed = _bits(database, serving), 0
    with database.transaction() as connection:
        there = slots.starts_of(connection, centre_id, (window[0], window[1]), clock)
        there = [slot for slot in there if _within(hours, slot[1].astimezone(zone))]
        for _, start, capacity in there:
            if places is not None and places[1] > capacity:
                raise SlotsRefused(
                    f"the slot at {start.astimezone(zone):%Y-%m-%d %H:%M} has {capacity} places,"
                    f" and place {places[1]} is beyond them; nothing was changed"
                )
        slot_ids = [slot[0] for slot in there]
        for number in range(0, len(slot_ids), _LABELLED_AT_ONCE):
            some = slot_ids[number : number + _LABELLED_AT_ONCE]
            done = services.label(connection, clock, some, bits, places)
            if isinstance(done, services.InTheWay):
                raise SlotsRefused(_in_the_way(done, zone))
            changed += done
        if changed:
            shared_files.read_again(connection, clock, centre_id)
    return changed


def _within(hours: Sequence[Interval], local: datetime) -> bool:
    clock_time = f"{local:%H:%M}"
    return not hours or any(opens <= clock_time < closes for opens, closes in hours)


def _in_the_way(one: services.InTheWay, zone: ZoneInfo) -> str:
    start = f"{one.start_at.astimezone(zone):%Y-%m-%d %H:%M}"
    if not one.service:
        return (
            f"somebody is choosing {one.places} of these places, the first at {start}: try again in"
            " some minutes; nothing was changed"
        )
    return (
        f"{one.places} of these places are booked for what they would serve no more, the first at"
        f" {start} for {one.service}: move or cancel these appointments first; nothing was changed"
    )


def list_slots(
    database: Database, clock: Clock, centre_id: str
) -> Iterator[tuple[str, int, int, int, int]]:
    """Rows in the order of HEADER, by start. Starts are ISO 8601 in the centre's own time zone.

    Raises SlotsRefused for an unknown centre.
    """
    with database.statement() as connection:
        centre = centres.centre_state(connection, centre_id)
        found = slots.counts(connection, clock, centre_id)
    if centre is None:
        raise SlotsRefused(f"there is no centre {centre_id}")
    zone = ZoneInfo(centre.time_zone)
    return (
        (row.start_at.astimezone(zone).isoformat(), row.capacity, row.booked, row.held, row.blocked)
        for row in found
    )


def parse_hours(text: str) -> Interval:
    """`09:00-12:00` as two times. Raises SlotsRefused."""
    start, dash, end = text.partition("-")
    try:
        from_time, to_time = time.fromisoformat(start), time.fromisoformat(end)
    except ValueError:
        dash = ""
        from_time = to_time = time()
    if not dash or len(start) != len("09:00") or len(end) != len("09:00"):
        raise SlotsRefused(f"{text!r} are no hours; write them like 09:00-12:00")
    if from_time >= to_time:
        raise SlotsRefused(f"the hours {text} end before they begin")
    return start, end


@lru_cache(maxsize=16_384)
def day_starts(
    intervals: tuple[Interval, ...], day: date, time_zone: str, every: int
) -> tuple[datetime, ...]:
    """UTC moments of the slots of one local day that end within their interval."""
    zone = ZoneInfo(time_zone)
    found = []
    for start, end in intervals:
        for minute in range(_minutes(start), _minutes(end) - every + 1, every):
            local = datetime.combine(day, time(*divmod(minute, 60)), zone)
            moment = local.astimezone(UTC)
            if moment.astimezone(zone).time() == local.time():
                found.append(moment)
    return tuple(sorted(set(found)))


def _starts(
    span: Span, hours: tuple[Interval, ...], every: int, report: OpenReport
) -> Iterator[datetime]:
    one = span.centre
    for number in range((span.last - span.first).days + 1):
        day = span.first + timedelta(days=number)
        intervals = hours or tuple(one.hours.get(day.weekday(), ()))
        if not intervals or day in span.closed:
            continue
        if (one.opens_on and day < one.opens_on) or (one.closes_on and day > one.closes_on):
            report.days_outside += 1
            continue
        yield from day_starts(intervals, day, one.time_zone, every)


def _minutes(clock_time: str) -> int:
    hour, minute = clock_time.split(":")
    return int(hour) * 60 + int(minute)


def check_figures(*, every: int, capacity: int) -> None:
    """Minutes between two slots, and places of one. Raises SlotsRefused."""
    if not 1 <= every < MINUTES_A_DAY:
        raise SlotsRefused(f"a slot every {every} minutes cannot be")
    if not 1 <= capacity <= MOST_PLACES:
        raise SlotsRefused(f"a capacity of {capacity} cannot be: 1 to {MOST_PLACES} can")


def check_hours(hours: Sequence[Interval], every: int) -> None:
    """Hours of one day, and slots of so many minutes in them. Raises SlotsRefused."""
    for start, end in hours:
        if _minutes(start) + every > _minutes(end):
            raise SlotsRefused(f"no slot of {every} minutes fits into {start}-{end}")
    ordered = sorted(hours)
    for before, after in pairwise(ordered):
        if before[1] > after[0]:
            raise SlotsRefused(f"{'-'.join(before)} and {'-'.join(after)} overlap")


def _check(*, days: int, every: int, capacity: int, hours: Sequence[Interval]) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise SlotsRefused(f"{days} days cannot be: 1 to {MOST_DAYS} can")
    check_figures(every=every, capacity=capacity)
    check_hours(hours, every)


def _check_centres(
    found: Sequence[CentreHours], centre_ids: Sequence[str], *, own_hours: bool
) -> None:
    unknown = sorted(set(centre_ids) - {centre.id for centre in found})
    if unknown:
        raise SlotsRefused(f"there is no centre {', '.join(unknown)}")
    for centre in found:
        if centre.closed:
            raise SlotsRefused(f"centre {centre.id} ({centre.name}) is closed")
        if own_hours and not centre.hours:
            raise SlotsRefused(
                f"centre {centre.id} ({centre.name}) has no hours of its own: say --hours"
            )
