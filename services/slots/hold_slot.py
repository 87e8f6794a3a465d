"""Find the nearest free slots, with a second appointment where needed, and hold up to three.

For a second person, one beside the first person's: the same centre, within the hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from time import monotonic as time_passed
from zoneinfo import ZoneInfo

from flows.session import Offer
from models.slots.places import HeldPlace
from models.slots.slot_query import SlotQuery, Window
from services.centres.directory import NearbyCentre
from services.slots.allocate import Allocate, Holder, Pair
from services.slots.give_back import give_back_holds
from services.work import Work

MOST_OFFERS = 3
# Most callers find three centres among the nearest dozen; the rest is looked at only when not.
FIRST_RING = 12
NEXT_RING = 60
# How far apart the offers of one and the same centre are.
NEXT_OFFER_AFTER = timedelta(hours=3)
# Seconds that a search goes on where all that is free is just being taken by others. With the last
# wait for a lock it must stay well below what a turn may take.
PATIENCE_IN_ALL = 1.5
# How far from the first person's slot a second person's may be.
WITHIN = timedelta(hours=1)
# A window ends before its last moment; an hour later is still within the hour.
_INCLUSIVE = timedelta(seconds=1)
MORNING = (time(0), time(12, 30))
AFTERNOON = (time(12, 30), time(23, 59, 59))


@dataclass(frozen=True)
class HoldRequest:
    """Where and when a caller would go.

    `near` are centres, nearest first. `not_before` is UTC. `part_of_day` is "morning", "afternoon"
    or empty; `skip_slots` were read to the caller before.
    """

    near: Sequence[NearbyCentre]
    not_before: datetime
    part_of_day: str = ""
    skip_slots: tuple[int, ...] = ()
    # UTC; where the campaign's horizon is too far.
    not_after: datetime | None = None
    # Whether the holder may hold something already, to be given back first.
    holds: bool = True
    # The holder of what was kept for this caller when an earlier line was cut; empty for none.
    returning: str = ""


@dataclass(frozen=True)
class HeldSlot:
    """A slot held for a caller, with the centre it is at; `second` where there are two doses."""

    place: HeldPlace
    near: NearbyCentre
    second: HeldPlace | None = None


def hold_slots(work: Work, holder: Holder, wanted: HoldRequest) -> list[HeldSlot]:
    """Hold the earliest free slot of the nearest centres, in the caller's transaction.

    Three centres where there are three; else the nearest one gives slots some hours and a day
    apart. Where fewer than `campaign.few_places` are free in reach, a single slot is held, so that
    the last places go to as many callers. What the holder held before is given back first. An empty
    list means that the last look saw nothing free, or that what it saw was a person's for as long
    as a caller can wait (PATIENCE_IN_ALL).
    """
    if wanted.holds:
        give_back_holds(work.connection, holder.id)
    if wanted.returning:
        # Kept since the line was cut: a caller who rings again searches among it, too.
        give_back_holds(work.connection, wanted.returning, found_by=holder.id)
    horizon = work.store.clock.now() + timedelta(days=work.campaign.horizon_days)
    if wanted.not_after is not None:
        horizon = min(horizon, wanted.not_after)
    if not wanted.near or wanted.not_before >= horizon:
        return []
    allocator = Allocate(work, holder)
    search = _Search(allocator, wanted, horizon)
    held = search.hold_or_make_sure()
    found = [
        HeldSlot(pair.first, search.centres[pair.first.centre_id], pair.second) for pair in held
    ]
    return sorted(found, key=lambda one: (one.near.kilometres, one.place.start_at))


def hold_adjacent(
    work: Work,
    holder: Holder,
    *,
    centre_id: str,
    start: datetime,
    zone: ZoneInfo,
    instead_of: Sequence[int] = (),
) -> Pair | None:
    """Hold one more place at that centre at most an hour from `start` (UTC), sooner than none.

    At the same time or after it if possible, else before it. With two doses, a second comes with
    it. `instead_of` are places that were held so before: they are given back first.
    """
    if instead_of:
        give_back_holds(work.connection, holder.id, instead_of)
    allocator = Allocate(work, holder)
    not_before = max(start - WITHIN, work.store.clock.now() + work.campaign.lead)
    for opens, closes in ((start, start + WITHIN + _INCLUSIVE), (not_before, start)):
        if opens < closes:
            held = allocator.hold([centre_id], allocator.wish(((opens, closes),), (), zone), zone)
            if held:
                return held[0]
    return None


def hold_same_slots(work: Work, holder: Holder, offer: Offer) -> tuple[HeldPlace, ...]:
    """Hold a place of each slot of an offer once more; nothing where one of them has none left."""
    allocator = Allocate(work, holder)
    held: list[HeldPlace] = []
    for number, slot_id in enumerate((offer.slot_id, offer.second_slot_id)):
        if not slot_id:
            continue
        place = allocator.hold_slot(slot_id, second=number > 0)
        if place is None:
            give_back_holds(
                work.connection, holder.id, [held_place.place_id for held_place in held]
            )
            return ()
        held.append(place)
    return tuple(held)


def windows(
    after: datetime, before: datetime, part_of_day: str, zone: ZoneInfo
) -> tuple[Window, ...]:
    """From `after` to `before`, or the mornings or afternoons in between, by the centre's clock."""
    if not part_of_day:
        return ((after, before),)
    opens, closes = MORNING if part_of_day == "morning" else AFTERNOON
    first = after.astimezone(zone).date()
    found = []
    days = (before - after).days + 2
    for day in (first + timedelta(days=n) for n in range(days)):
        start = datetime.combine(day, opens, tzinfo=zone).astimezone(UTC)
        end = datetime.combine(day, closes, tzinfo=zone).astimezone(UTC)
        if max(start, after) < min(end, before):
            found.append((max(start, after), min(end, before)))
    return tuple(found) or ((after, after),)


@dataclass
class _Search:
    allocator: Allocate
    wanted: HoldRequest
    horizon: datetime

    def __post_init__(self) -> None:
        self.centres = {near_centre.centre.id: near_centre for near_centre in self.wanted.near}
        # Centres within reach of one another share a time zone: no territory has two.
        self.zone = ZoneInfo(self.wanted.near[0].centre.time_zone)
        # Centres that had places when looked at, all of which others were just taking.
        self.contested: list[str] = []

    def hold_or_make_sure(self) -> list[Pair]:
        """Hold something; before nothing comes back, look again until there is nothing to see.

        Others may give back what they were taking, anywhere in reach, while we wait for one of
        them: only a look that sees nothing free at all makes "nothing is free" true.
        """
        give_up_at = time_passed() + PATIENCE_IN_ALL
        while True:
            held = self.hold_some() or self.hold_patiently()
            if held or not self.contested or time_passed() > give_up_at:
                return held
            self.contested.clear()

    def hold_some(self) -> list[Pair]:
        """Look and hold until something is held, or nothing free is seen that was not tried."""
        while True:
            free, few = self.look()
            if not free:
                return []
            held = self.hold(free[:1] if few else free, self.wanted.not_before)
            if held and not few and len(free) == 1:
                held += self.later_at(held[0].first)
            if held:
                return held
            self.contested += free[:1] if few else free

    def hold_patiently(self) -> list[Pair]:
        """Wait a moment for the nearest of what others are taking: they may give it back."""
        for centre_id in self.contested[:MOST_OFFERS]:
            held = self.hold([centre_id], self.wanted.not_before, patient=True)
            if held:
                return held
        return []

    def look(self) -> tuple[list[str], bool]:
        """The nearest centres with a free slot, at most three; and whether few places are left."""
        few_places = self.allocator.campaign.few_places
        near = [
            near_centre
            for near_centre in self.wanted.near
            if near_centre.centre.id not in self.contested
        ]
        found: list[str] = []
        count = 0
        start, size = 0, FIRST_RING
        while start < len(near) and (len(found) < MOST_OFFERS or count < few_places):
            ring = [near_centre.centre.id for near_centre in near[start : start + size]]
            reach = self.allocator.look(
                ring, self._wish(self.wanted.not_before), nearest=MOST_OFFERS - len(found)
            )
            found += [centre_id for centre_id in ring if centre_id in reach.centre_ids]
            count += reach.places
            start, size = start + size, NEXT_RING
        return found, count < few_places

    def hold(
        self,
        centre_ids: Sequence[str],
        after: datetime,
        skip_slots: tuple[int, ...] = (),
        *,
        patient: bool = False,
    ) -> list[Pair]:
        """Hold the first free slot of each of these centres, from `after` on."""
        wish = self._wish(after, skip_slots)
        return self.allocator.hold(centre_ids, wish, self.zone, patient=patient)

    def later_at(self, first: HeldPlace) -> list[Pair]:
        """Two more slots at the one centre: some hours later if that is the same day, and a day."""
        tomorrow = self._midnight_after(first.start_at)
        after = [first.start_at + NEXT_OFFER_AFTER, tomorrow]
        if after[0] >= tomorrow:
            after = [tomorrow, self._midnight_after(tomorrow)]
        held: list[Pair] = []
        for moment in after:
            if moment < self.horizon:
                had = (first.slot_id, *(pair.first.slot_id for pair in held))
                held += self.hold([first.centre_id], moment, had)
        return held

    def _wish(self, after: datetime, skip_slots: tuple[int, ...] = ()) -> SlotQuery:
        wanted = self.wanted
        return self.allocator.wish(
            windows(after, self.horizon, wanted.part_of_day, self.zone),
            wanted.skip_slots + skip_slots,
            self.zone,
        )

    def _midnight_after(self, moment: datetime) -> datetime:
        day = moment.astimezone(self.zone).date() + timedelta(days=1)
        return datetime.combine(day, time.min, tzinfo=self.zone).astimezone(UTC)
