"""A place was freed: the first entry of the waiting list has it offered, before others can see it.

`OfferFreedPlaces` hears of it (services.store.PlacesFreed) in the transaction that freed the place,
so that there is no moment in between. The place is held for the entry for the campaign's
`waiting_offer` and some minutes longer: in these the scheduler passes it on to the next, straight
from one to the other. A scheduler that is dead delays the next offer; the hold runs out all the
same, and the place is there for everybody.

The time of an offer counts from when it can be told: what is freed at night is kept until the
morning and so much longer. A person who cannot be told in time is passed over for that place.

What counts as freed are places that a person had booked, new ones, and those whose hold ran out: in
the next sweep what no person took since is offered (`jobs.scheduler.tidy`). A hold that is given
back is none: the place was to be had by all before, and a person was choosing it. What was
cancelled is kept for a while, so that it can be taken back: it is freed at the end of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import Enum, auto
from zoneinfo import ZoneInfo

import structlog

from models.booking import changes
from models.slots import places
from models.slots.slot_query import NEIGHBOURS
from models.waiting_list import offers, positions, waiting
from models.waiting_list.positions import Freed
from models.waiting_list.waiting import WaitingListEntry
from services.campaign.campaign import Campaign, places_together
from services.messages.offer_hours import tells_at
from services.messages.topics import Topic
from services.messages.write_message import write_message
from services.slots.allocate import Allocate, Channel, Holder, Pair
from services.slots.give_back import PASSED_ON_BEFORE, give_back_holds, undoing
from services.store import PlacesFreed, Store
from services.work import Work

# How much longer than the offer the place is held: the scheduler passes on what was not taken.
GRACE = timedelta(minutes=15)
# Close to its hour a place is offered for half as long, or a quarter …; never for less than this.
SHORTEST_OFFER = timedelta(minutes=10)
# A person that a place does not suit after all costs a few statements; so many at most.
MOST_TRIES = 20
# Places that are offered by one statement; cancellations, each a transaction of its own, that are
# looked after together.
_AT_ONCE = 200
# A window ends before its last moment.
_MOMENT = timedelta(microseconds=1)
# What is held over night is held for whole hours: each length has statements of its own.
_STEP = timedelta(hours=1)

log = structlog.get_logger()


def offer_freed(work: Work, place_ids: Sequence[int], *, but_not: str | None = None) -> int:
    """Offer freed places to those who wait, in the caller's transaction; gives how many were.

    Places that are not free (blocked, held, not released yet), that start too soon or beyond the
    campaign's horizon, and those that no person waits for are left as they are: free for all. The
    first of the list gets the earliest. `but_not` is an entry that is not asked this time.

    A place that serves several services is for the people of all of them (`work.others`): the
    person who comes first in the lists together has it. Where no person waits this is one statement
    for each campaign.
    """
    now = work.store.clock.now()
    if not place_ids:
        return 0
    asked = [work.campaign, *(each for each in work.others if each.name != work.campaign.name)]
    by_name = {each.name: each for each in asked if each.is_open(now)}
    everybody = tuple(asked) if work.others else ()
    waits = {
        name: found
        for name, one in by_name.items()
        if (
            found := positions.freed(
                work.connection, work.store.clock, name, place_ids, one.service
            )
        )
    }
    offered = 0
    for centre_id in sorted({place.centre_id for found in waits.values() for place in found}):
        queues = [
            (
                _Queue(
                    replace(work, campaign=by_name[name], others=everybody),
                    [but_not] if but_not else [],
                ),
                [place for place in found if place.centre_id == centre_id],
            )
            for name, found in waits.items()
        ]
        if len(queues) == 1:
            ((queue, some),) = queues
            offered += queue.offer(some)
        else:
            offered += _offer_to_all(queues)
    return offered


def _offer_to_all(queues: Sequence[tuple[_Queue, Sequence[Freed]]]) -> int:
    """Offer places of one centre to those who wait for several services, each place once."""
    places = {place.place_id: place for _, some in queues for place in some}
    serves = {queue: {place.place_id for place in some} for queue, some in queues}
    offered = 0
    for place in sorted(places.values(), key=lambda one: (one.start_at, one.place_id)):
        in_order = []
        for number, (queue, some) in enumerate(queues):
            if place.place_id not in serves.get(queue, ()):
                continue
            first = queue.first_for(place)
            if first is not None:
                in_order.append((first, number, queue))
            elif queue.first_for(some[-1]) is None:
                # Nor does anybody wait for the last one: this is the end of that list.
                del serves[queue]
        # What one of them has by now is offered to no other person.
        offered += any(
            queue.offer([place]) for _, _, queue in sorted(in_order, key=lambda each: each[:2])
        )
        if not serves:
            break
    return offered


@dataclass(frozen=True)
class OfferFreedPlaces:
    """Listener of the event that places were freed. `campaigns` are all that there are."""

    campaigns: Callable[[], Sequence[Campaign]]

    def __call__(self, freed: PlacesFreed) -> None:
        """Offer them, in the transaction that freed them: campaigns in the order they opened.

        What a booking had is for those who wait for its campaign. Campaigns of named services share
        their places, and so have one list.
        """
        if not waiting.anybody(freed.connection):
            return
        lists = self._lists(freed.campaign)
        for start in range(0, len(freed.place_ids), _AT_ONCE):
            some = freed.place_ids[start : start + _AT_ONCE]
            for first, *others in lists:
                offer_freed(Work(freed.connection, freed.store, first, others=tuple(others)), some)

    def _lists(self, campaign: str | None) -> list[tuple[Campaign, ...]]:
        """The campaigns of each list of people who may have the places."""
        known = self.campaigns()
        named = tuple(campaign for campaign in known if campaign.service)
        if campaign is None:
            lists = [(campaign,) for campaign in known if not campaign.service] + [named]
        else:
            own = tuple(each for each in known if each.name == campaign)
            lists = [own + tuple(each for each in named if each not in own)]
        return [campaigns for campaigns in lists if campaigns]


def free_cancelled(store: Store) -> int:
    """Free what was cancelled and cannot be taken back any more; gives of how many bookings.

    Safe to run twice at the same time. Without it the holds run out, and the places are there for
    everybody.
    """
    done = 0
    while True:
        with store.database.statement() as connection:
            over = places.kept_for_undo(connection, store.clock, PASSED_ON_BEFORE, limit=_AT_ONCE)
            names = changes.campaigns_of(connection, over)
        freed = sum(_free_alone(store, names.get(id_, ""), id_) for id_ in over)
        done += freed
        if len(over) < _AT_ONCE or not freed:
            return done


def _free_alone(store: Store, campaign: str, booking_id: str) -> bool:
    """One that is not right holds up no other: its places are free when they are kept no more."""
    try:
        with store.database.transaction() as connection:
            freed = give_back_holds(connection, undoing(booking_id))
            store.publish_places_freed(connection, freed, campaign)
    except Exception as error:  # noqa: BLE001 (the next round tries again)
        log.error("cancelled place not offered", booking=booking_id, error=type(error).__name__)
        return False
    return True


def campaigns_of(work: Work, entry: WaitingListEntry) -> tuple[Campaign, ...]:
    """The campaigns of what an entry is for, in its order, as far as this work knows them."""
    known = {campaign.name: campaign for campaign in (*work.others, *work.beside, work.campaign)}
    return tuple(known[name] for name in entry.campaigns if name in known)


def narrowed(work: Work, entry: WaitingListEntry) -> WaitingListEntry | None:
    """An entry of several campaigns, which waits no more for what its person has got elsewhere.

    Nor for what has closed. None where nothing is left, and it is over then. The entry must be
    locked. Of an entry for one campaign, and where others are not known here, it is as it was.
    """
    if not entry.beside or not work.others:
        return entry
    now = work.store.clock.now()
    booked = waiting.booked_of(work.connection, work.store.vault, entry)
    left = [
        campaign
        for campaign in campaigns_of(work, entry)
        if campaign.name not in booked and (campaign.closes_at is None or now < campaign.closes_at)
    ]
    if len(left) == len(entry.campaigns):
        return entry
    if not left:
        waiting.settle(work.connection, work.store.clock, entry.id, "taken")
        return None
    names = [campaign.name for campaign in left]
    doses = left[0].doses if len(left) == 1 else places_together(left)
    return waiting.narrow(work.connection, work.store.clock, work.store.vault, entry, names, doses)


def offer_lasts(campaign: Campaign, until_start: timedelta) -> timedelta | None:
    """How long a place that starts so much later is offered; None when it is too late for that.

    What is not taken must be of use to another person: the offer ends `campaign.lead` before.
    """
    lasts = campaign.waiting_offer
    while lasts > until_start - campaign.lead:
        # Few lengths, for each has statements of its own.
        lasts /= 2
        if lasts < SHORTEST_OFFER:
            return None
    return lasts


class _Came(Enum):
    """What came of offering a place to a person."""

    OFFERED = auto()
    # It suits no person who needs as many; it does not suit them, but maybe others.
    TO_NOBODY = auto()
    NOT_TO_THEM = auto()


@dataclass(frozen=True)
class _When:
    """How long a person has, counted from `tells_at` (UTC), and how long that is from now."""

    tells_at: datetime
    wait: timedelta
    lasts: timedelta

    @property
    def hold(self) -> timedelta:
        return -(-self.wait // _STEP) * _STEP + self.lasts + GRACE


@dataclass(eq=False)
class _Queue:
    """Those who wait for places of one centre."""

    work: Work
    # Entries that have an offer by now, or are not to have one.
    tried: list[str]

    def __post_init__(self) -> None:
        self.connection, self.store = self.work.connection, self.work.store
        self.campaign = self.work.campaign

    def offer(self, places: list[Freed]) -> int:
        """Offer these, by their start; all of them are at one centre."""
        now = self.store.clock.now()
        horizon = now + timedelta(days=self.campaign.horizon_days)
        wanted = [place for place in places if place.start_at < horizon]
        offered = Counter[bool]()
        for freed in wanted:
            if offer_lasts(self.campaign, freed.start_at - now) is None:
                continue
            done = self._offer_one(freed)
            offered[done] += 1
            if not done and not self._candidates(wanted[-1], self.campaign.doses):
                # Nor does anybody wait for the last one: this is the end of the list.
                break
        return offered[True]

    def first_for(self, one: Freed) -> tuple[int, datetime, str] | None:
        """The place in the list of the first person it may suit; None: it is for no person here."""
        found = self._candidates(one, self.campaign.doses)
        return found[0].order if found else None

    def _candidates(
        self, one: Freed, most_doses: int, unsuited: Sequence[str] = ()
    ) -> list[positions.WaitingListCandidate]:
        return positions.candidates(
            self.connection,
            self.campaign.name,
            one,
            most_kilometres=self.campaign.radius_kilometres,
            most_doses=most_doses,
            without=[*self.tried, *unsuited],
            named=bool(self.campaign.service),
        )

    def _offer_one(self, one: Freed) -> bool:
        most_doses = self.campaign.doses
        # A person it does not suit, or who is offered something else: another may suit them.
        unsuited: list[str] = []
        while len(unsuited) < MOST_TRIES:
            found = self._candidates(one, most_doses, unsuited)
            if not found:
                return False
            for candidate in found:
                entry = waiting.load(
                    self.connection, self.store.vault, candidate.id, only_waiting=True
                )
                several = entry is not None and entry.beside
                if entry is not None and several:
                    entry = self._as_wanted(entry)
                if entry is None or (entry.doses > most_doses and not entry.beside):
                    unsuited.append(candidate.id)
                    continue
                if candidate.booked and not several:
                    # Their person booked otherwise; no other person would notice.
                    waiting.settle(self.connection, self.store.clock, entry.id, "taken")
                    continue
                came = self._offer_to(entry, one)
                if came is _Came.OFFERED:
                    self.tried.append(entry.id)
                    return True
                unsuited.append(entry.id)
                if came is _Came.TO_NOBODY:
                    if entry.doses == 1:
                        # The place itself is not to be had.
                        return False
                    # Nor does it suit any other who needs two.
                    most_doses = 1
        return False

    def _as_wanted(self, entry: WaitingListEntry) -> WaitingListEntry | None:
        """A person waiting for several, with what they still want; None for none of it."""
        left = narrowed(self.work, entry)
        if left is None or self.campaign.name not in left.campaigns:
            return None
        return left

    def _when(self, entry: WaitingListEntry, start: datetime) -> _When | None:
        """When a place that starts then (UTC) is offered to them; None where it is too late."""
        now = self.store.clock.now()
        moment = tells_at(self.campaign, entry.number, now)
        lasts = offer_lasts(self.campaign, start - moment)
        return None if lasts is None else _When(moment, moment - now, lasts)

    def _offer_to(self, entry: WaitingListEntry, one: Freed) -> _Came:
        when = self._when(entry, one.start_at)
        if when is None:
            return _Came.NOT_TO_THEM
        holder = waiting.holder_of(entry.id)
        # Of two appointments the first may be another than the one that was freed.
        asked: tuple[int, ...] = ()
        if entry.doses > 1 and entry.offers:
            asked = offers.slots_asked(self.connection, entry.id)
        if entry.beside:
            pair = self._hold_for_several(holder, entry, one, when, asked)
        else:
            pair = self._hold(holder, entry, one, when, asked)
        if pair is None and entry.beside:
            # It serves one of theirs, and others who want that one alone.
            return _Came.NOT_TO_THEM
        if pair is None:
            theirs = entry.not_before is not None or asked
            return _Came.NOT_TO_THEM if entry.doses > 1 and theirs else _Came.TO_NOBODY
        payload = {
            "entry": entry.id,
            "campaign": entry.campaign,
            "language": entry.language,
            "offer": entry.offers + 1,
            "centre_id": one.centre_id,
            "centre_name": one.centre_name,
            "town": one.town,
            "time_zone": one.time_zone,
            "places": [held.place_id for held in pair.places],
            "slots": [held.slot_id for held in pair.places],
            "starts": [held.start_at.isoformat() for held in pair.places],
            "until": (when.tells_at + when.lasts).isoformat(),
        }
        due_at = when.tells_at if when.wait else None
        message_id = write_message(
            self.connection,
            self.store,
            "waiting_offer",
            entry.number,
            payload,
            key=waiting.offer_key(entry.id, pair.first.slot_id),
            topic=Topic.OFFER,
            due_at=due_at,
            called=entry.called,
        )
        if message_id is None:
            # They were asked about this very hour before.
            give_back_holds(self.connection, holder)
            return _Came.NOT_TO_THEM
        clock, slot_id = self.store.clock, pair.first.slot_id
        waiting.set_offered(self.connection, clock, entry.id, when.wait + when.lasts)
        offers.add(
            self.connection, clock, entry, offer_id=message_id, slot_id=slot_id, tells_at=due_at
        )
        return _Came.OFFERED

    def _hold(
        self, holder: str, entry: WaitingListEntry, one: Freed, when: _When, asked: Sequence[int]
    ) -> Pair | None:
        campaign = replace(
            self.campaign, doses=entry.doses, hold_lease=when.hold, hold_longest=when.hold
        )
        allocator = Allocate(
            Work(self.connection, self.store, campaign), Holder(Channel.WAITING, holder)
        )
        zone = ZoneInfo(one.time_zone)
        first = allocator.hold_slot(one.slot_id)
        if first is None:
            return None
        if entry.doses == 1:
            return Pair(first)
        second = allocator.hold_second(first.start_at, one.centre_id, zone)
        if second is not None:
            return Pair(first, second)
        give_back_holds(self.connection, holder)
        return self._hold_as_second(allocator, entry, one, when, tuple(asked))

    def _hold_for_several(
        self, holder: str, entry: WaitingListEntry, one: Freed, when: _When, asked: Sequence[int]
    ) -> Pair | None:
        """A place that serves all that they want at once, or two neighbouring ones there."""
        campaigns = campaigns_of(self.work, entry)
        if len(campaigns) < len(entry.campaigns):
            return None
        first = replace(campaigns[0], hold_lease=when.hold, hold_longest=when.hold)
        allocator = Allocate(
            Work(self.connection, self.store, first, campaigns[1:]),
            Holder(Channel.WAITING, holder),
        )
        if entry.doses == 1:
            held = allocator.hold_slot(one.slot_id)
            return Pair(held) if held else None
        earliest = when.tells_at + first.lead + when.lasts
        opens = max(one.start_at - NEIGHBOURS, earliest, entry.not_before or earliest)
        if opens > one.start_at:
            return None
        window = (opens, one.start_at + _MOMENT)
        found = allocator.hold(
            [one.centre_id], allocator.wish((window,), tuple(asked)), ZoneInfo(one.time_zone)
        )
        return found[0] if found else None

    def _hold_as_second(
        self,
        allocator: Allocate,
        entry: WaitingListEntry,
        one: Freed,
        when: _When,
        asked: tuple[int, ...],
    ) -> Pair | None:
        """A freed place may be what a free first appointment had been without."""
        zone = ZoneInfo(one.time_zone)
        least, most = self.campaign.second_after_days
        day = one.start_at.astimezone(zone).date()
        opens, closes = (
            datetime.combine(day - timedelta(days=days), time.min, zone).astimezone(UTC)
            for days in (most, least - 1)
        )
        earliest = when.tells_at + self.campaign.lead + when.lasts
        if entry.not_before is not None:
            earliest = max(earliest, entry.not_before)
        if earliest >= closes:
            return None
        wish = allocator.wish(((max(opens, earliest), closes),), asked)
        held = allocator.hold([one.centre_id], wish, zone)
        return held[0] if held else None
