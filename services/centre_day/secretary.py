"""The day of one centre: its list, who came, and what is left of it in the evening.

Everything is of one centre: the secretary says which, and every statement asks for it. Who looks at
a list of people is written down before it is read, in the same transaction.

A person who did not come frees nothing by that. What they left is given to another person only
where a secretary says so, as a place of its own beside theirs: their booking stays what it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import combinations
from zoneinfo import ZoneInfo

from flows.world import Unbooked
from models.accounts import staff
from models.accounts.staff import Staff
from models.centre_day import attendance, operations
from models.centre_day.attendance import Comes, Mark
from models.centre_day.operations import Operation
from models.centres.centres import CentreState, centre_state, our_centres
from models.database import Connection
from models.desk import desk as rows
from models.slots import slots
from models.slots.places import HeldPlace
from models.slots.slot_query import Window
from models.slots.slots import SlotCount
from models.waiting_list import offers, positions, waiting
from prompts.catalogue import load
from services.accounts.staff import record_act
from services.booking.confirm_booking import Booked
from services.campaign.campaign import TWO_PLACES, Campaign, are_together, places_of
from services.campaign.campaigns import open_at
from services.desk.booking import (
    BookingRefused,
    DeskOrder,
    Made,
    PersonToBook,
    Refusal,
    book,
    is_nonce,
)
from services.desk.offers import Desk, DeskWork
from services.messages.phone_capabilities import takes_texts
from services.service import Service
from services.slots.allocate import Allocate, Channel, Holder
from services.slots.give_back import close_place, give_back_holds
from services.store import Store
from services.waiting_list import entries
from services.waiting_list.freed_slot_offers import campaigns_of, narrowed
from services.work import Work

# What pages know of centres and of who comes as they are stored.
__all__ = ["CentreState", "Comes", "centre_state", "our_centres"]

READ_LIST = "read_list"
PRINTED = "print_list"
MARKED = "attendance"
RUNG = "waiting_rung"
EXTRA = "extra_place"
# How long a place is kept for a person who is being rung, and on their way to the telephone.
# Of `services.centre_day.centre_life`, which a web worker rarely loads.
DAY_CLOSED = "day_closed"
# Closed hours on a page: those of the last weeks.
NEWEST = 8
RING_FOR = timedelta(minutes=10)
# A mark is for the day itself and the day after: what was forgotten in the evening.
DAYS_AFTER = 1
# A caller that another secretary is just taking costs a few statements; so many at most.
MOST_TRIES = 20


class AttendanceState(StrEnum):
    """What is said of a person who has an appointment."""

    OPEN = ""
    PRESENT = "present"
    # The appointment is over; what was done at it is no person's business here.
    DONE = "done"
    ABSENT = "absent"


@dataclass(frozen=True)
class CentreDay:
    """One day of a centre, by its own calendar; `window` is that day (UTC)."""

    centre: CentreState
    day: date
    window: Window

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.centre.time_zone)


@dataclass(frozen=True)
class AtCentre:
    """Who works on which day of which centre, and with what."""

    store: Store
    service: Service
    who: Staff
    day: CentreDay

    def record(
        self, connection: Connection, what: str, subject: str = "", **details: object
    ) -> None:
        """One line of the history of acts, in the transaction of the act."""
        subject = subject or self.day.centre.id
        record_act(connection, self.store, self.who.id, what, subject, details=details)


@dataclass(frozen=True)
class DayCounts:
    """What a secretary looks at all day. `left` are places of absent people that no person has.

    `present` are there now, `done` were there.
    """

    booked: int = 0
    present: int = 0
    done: int = 0
    absent: int = 0
    free_ahead: int = 0
    free_past: int = 0
    left: int = 0

    @property
    def expected(self) -> int:
        return self.booked - self.present - self.done - self.absent

    @property
    def to_give(self) -> int:
        return self.free_ahead + self.free_past + self.left


@dataclass(frozen=True)
class Marked:
    """What is said of an appointment now. Without `done` another was quicker, or it is too early.

    `given`: what they left when they were absent has gone to another person by now.
    """

    mark: Mark
    done: bool
    too_early: bool = False
    given: bool = False


def day_of(centre: CentreState, day: date) -> CentreDay:
    """A day of a centre, from midnight to midnight by its own clock."""
    zone = ZoneInfo(centre.time_zone)
    first, end = (
        datetime.combine(midnight, time.min, tzinfo=zone).astimezone(UTC)
        for midnight in (day, day + timedelta(days=1))
    )
    return CentreDay(centre, day, (first, end))


def today_of(centre: CentreState, now: datetime) -> date:
    """The day that a centre has now."""
    return now.astimezone(ZoneInfo(centre.time_zone)).date()


# ---------------------------------------------------------------- the list


@dataclass(frozen=True)
class Whole:
    """A day as its page shows it; who is being rung is of today alone."""

    people: list[Comes]
    hours: list[SlotCount]
    ringing: list[NextToRing]
    closed: list[Operation]


def print_list(at: AtCentre) -> list[Comes]:
    """Everybody who comes on a day, by the hour; that it leaves the screen is written down."""
    with at.store.database.transaction() as connection:
        at.record(connection, PRINTED, day=at.day.day.isoformat())
        return attendance.day(connection, at.store.vault, at.day.centre.id, at.day.window)


def read_day(at: AtCentre) -> Whole:
    """All about a day; that its list was looked at is written down in the same transaction."""
    store, centre_id, window = at.store, at.day.centre.id, at.day.window
    is_today = at.day.day == today_of(at.day.centre, store.clock.now())
    with store.database.transaction() as connection:
        at.record(connection, READ_LIST, day=at.day.day.isoformat())
        return Whole(
            attendance.day(connection, store.vault, centre_id, window),
            slots.counts(connection, store.clock, centre_id, window),
            being_rung(connection, at) if is_today else [],
            [
                operation
                for operation in operations.newest(
                    connection, store.vault, limit=NEWEST, centre_id=centre_id
                )
                if operation.kind == DAY_CLOSED and operation.undone_at is None
            ],
        )


def read_marks(at: AtCentre) -> tuple[dict[str, str], DayCounts]:
    """What is said of each appointment of a day, by its key, and the counts. No person's data."""
    store, centre_id, window = at.store, at.day.centre.id, at.day.window
    with store.database.statement() as connection:
        marks = attendance.marks(connection, centre_id, window)
        hours = slots.counts(connection, store.clock, centre_id, window)
    return marks, counts(list(marks.values()), hours, store.clock.now())


def counts(states: Sequence[str], hours: Sequence[SlotCount], now: datetime) -> DayCounts:
    """Counts of a day, from what is said of each appointment and from its slots."""
    said = Counter(states)
    return DayCounts(
        booked=len(states),
        present=said[AttendanceState.PRESENT],
        done=said[AttendanceState.DONE],
        absent=said[AttendanceState.ABSENT] + said[attendance.GIVEN],
        free_ahead=sum(hour.free for hour in hours if hour.start_at >= now),
        free_past=sum(hour.free for hour in hours if hour.start_at < now),
        left=said[AttendanceState.ABSENT],
    )


def may_mark(store: Store, day: CentreDay) -> bool:
    """Whether a person's coming may be noted for this day at this moment."""
    today = today_of(day.centre, store.clock.now())
    return timedelta() <= today - day.day <= timedelta(days=DAYS_AFTER)


def mark(
    connection: Connection,
    at: AtCentre,
    booking_id: str,
    dose: int,
    *,
    state: AttendanceState,
    seen: str,
) -> Marked | None:
    """Say that a person came, did not come, or take it back, in the caller's transaction.

    None where this centre has no such appointment. It is said only over what the secretary who says
    it saw: of two secretaries the second is shown what the first one said. The same twice is one.
    """
    store, who, centre = at.store, at.who, at.day.centre
    now = attendance.lock(connection, centre.id, booking_id, dose)
    if now is None or now.start_at is None:
        return None
    given = now.given_place is not None
    if now.state == state:
        return Marked(now, done=True, given=given)
    if now.state != seen:
        return Marked(now, done=False, given=given)
    moment = store.clock.now()
    its_day = day_of(centre, now.start_at.astimezone(ZoneInfo(centre.time_zone)).date())
    if not may_mark(store, its_day) or (state is AttendanceState.ABSENT and now.start_at > moment):
        return Marked(now, done=False, too_early=True, given=given)
    attendance.write(connection, store.clock, booking_id, dose, now.start_at, state, who.id)
    if now.given_place is not None and state is not AttendanceState.ABSENT:
        # The place that was made of what they left goes, if no person has it by now.
        given = not close_place(connection, store, now.given_place)
        if not given:
            attendance.set_given(connection, booking_id, dose, None)
    at.record(connection, MARKED, booking_id, dose=dose, before=str(now.state), after=str(state))
    return Marked(replace(now, state=state, who=who.id, at=moment), done=True, given=given)


# ---------------------------------------------------------------- the last places of the day


@dataclass(frozen=True)
class WalkIn:
    """A person who stands there. `number` is E.164 or empty; `nonce` makes the form one action.

    `extra`: there is a dose for them though no place is left; one is made. `wanted` are the names
    of the campaigns that they come for, done in one place; none: that of now.
    """

    born: date
    nonce: str
    number: str = ""
    name: str = ""
    groups: tuple[str, ...] = ()
    extra: bool = False
    wanted: tuple[str, ...] = ()


def comes_for(at: AtCentre) -> tuple[Campaign, ...]:
    """What a person who stands there may come for; none where there is one service."""
    found = tuple(campaign for campaign in at.service.campaigns.open_now() if campaign.service)
    return found if len(found) > 1 else ()


def not_in_one_place(campaigns: Collection[Campaign]) -> str:
    """Why these are not done in one place: "together", "apart"; empty where they are."""
    for campaign, other in combinations(campaigns, 2):
        if not are_together(campaign, other):
            return "together"
    return "apart" if len(campaigns) > 1 and places_of(campaigns) == TWO_PLACES else ""


def book_now(connection: Connection, at: AtCentre, walk_in: WalkIn) -> Made | BookingRefused:
    """Book a person who is there for a place that is left today, in the caller's transaction.

    They came, and so it is said. Raises ValueError for a form that no page of ours sends.
    """
    desk = Desk(at.who.id, number=walk_in.number)
    if not is_nonce(walk_in.nonce):
        raise ValueError("not a form of this page")
    rows.alone(connection, desk.holder_id)
    key = f"{desk.holder_id}:{walk_in.nonce}1"
    before = rows.bookings_of_keys(connection, [key])
    if before:
        # An earlier copy of the form did it, with a place that is not to be had twice.
        return Made((before[key],), repeated=True)
    # A place that is made for a person who is not booked is one that the centre has not.
    savepoint = connection.begin_nested()
    made = _book_one(connection, at, walk_in, desk)
    if isinstance(made, BookingRefused):
        savepoint.rollback()
        return made
    savepoint.commit()
    for booking_id in made.booking_ids:
        mark(
            connection, at, booking_id, 1, state=AttendanceState.PRESENT, seen=AttendanceState.OPEN
        )
    return made


def _book_one(
    connection: Connection, at: AtCentre, walk_in: WalkIn, desk: Desk
) -> Made | BookingRefused:
    """Book them for a place that is found or made; what was made stands also where they cannot."""
    of_desk = DeskWork(connection, at.store, at.service, desk, walk_in.wanted)
    campaign = of_desk.campaign
    allocator = Allocate(of_desk.work, desk.holder)
    held = _hold_any(connection, at, allocator)
    if held is None and walk_in.extra:
        held = _hold_extra(connection, at, allocator)
    if held is None:
        return BookingRefused(Refusal.GONE)
    places = [held.place_id]
    if campaign.doses > 1 and not of_desk.work.beside:
        second = allocator.hold_second(held.start_at, at.day.centre.id, at.day.zone)
        if second is None:
            return BookingRefused(Refusal.NOT_OFFERED)
        places.append(second.place_id)
    person = PersonToBook(walk_in.born, tuple(places), name=walk_in.name)
    order = DeskOrder(
        (person,), at.day.centre.postcode, walk_in.number, walk_in.nonce, walk_in.groups
    )
    return book(of_desk, order)


def _hold_any(connection: Connection, at: AtCentre, allocator: Allocate) -> HeldPlace | None:
    """Hold a place of today: one that is free, or one made of what an absent person left."""
    centre_id, window, clock = at.day.centre.id, at.day.window, at.store.clock
    found = slots.counts(connection, clock, centre_id, window)
    for hour in attendance.earliest_free(found, clock.now())[:MOST_TRIES]:
        held = allocator.hold_slot(hour.slot_id)
        if held is not None:
            return held
    absent = attendance.next_absent(connection, centre_id, window)
    if absent is None:
        return None
    booking_id, dose, slot_id = absent
    (made,) = operations.add_places(connection, slot_id, 1)
    attendance.set_given(connection, booking_id, dose, made)
    return allocator.hold_slot(slot_id)


def _hold_extra(connection: Connection, at: AtCentre, allocator: Allocate) -> HeldPlace | None:
    """Make a place beside those of the hour of now and hold it; None on a day without any hour."""
    clock = at.store.clock
    found = slots.counts(connection, clock, at.day.centre.id, at.day.window)
    if not found:
        return None
    begun = [start for start in found if start.start_at <= clock.now()]
    hour = begun[-1] if begun else found[0]
    operations.add_places(connection, hour.slot_id, 1)
    at.record(connection, EXTRA, slot=hour.slot_id)
    return allocator.hold_slot(hour.slot_id)


# ---------------------------------------------------------------- the waiting list, by telephone


@dataclass(frozen=True)
class NextToRing:
    """A caller to ring: the place is kept for them until `until` (UTC), starting at `start_at`."""

    entry_id: str
    born: date
    number: str
    start_at: datetime
    until: datetime
    who: str = ""


class RingAnswer(StrEnum):
    """What a person said who was rung."""

    COMES = "comes"
    REFUSES = "refuses"
    SILENT = "silent"


def ring_next(connection: Connection, at: AtCentre) -> NextToRing | None:
    """Keep a place of today for the first entry, to be rung by hand; None: no entry, or no place.

    In the caller's transaction. As for an offer by text, no other person can see the place
    meanwhile; unlike one it is for within the hour, when a text would come too late. A person who
    was rung today already is left alone. Of several services, those who wait for one that has a
    place today come in the order of their lists together.
    """
    tried = attendance.rung_since(connection, RUNG, at.day.window[0])
    waits = [
        (candidate.order, number, one, place)
        for number, one in enumerate(open_at(at.service.campaigns.all(), at.store.clock.now()))
        for place in _free_today(connection, at, one)
        for candidate in _waiting_for(connection, one, place, tried)[:1]
    ]
    for _, _, campaign, freed in sorted(waits, key=lambda each: each[:2]):
        found = _ring_first(connection, at, campaign, freed, tried)
        if found is not None:
            return found
    return None


def _free_today(connection: Connection, at: AtCentre, campaign: Campaign) -> list[positions.Freed]:
    """The place of today that a campaign would give next, where a person waits for it; or none."""
    # Only to see which it would be; what is looked for is who may have it.
    seeker = Holder(Channel.WAITING, f"ring:{at.who.id}")
    probe = _hold_any(connection, at, Allocate(Work(connection, at.store, campaign), seeker))
    if probe is None:
        return []
    give_back_holds(connection, seeker.id)
    place = [probe.place_id]
    return positions.freed(connection, at.store.clock, campaign.name, place, campaign.service)


def _waiting_for(
    connection: Connection, campaign: Campaign, freed: positions.Freed, tried: Sequence[str]
) -> list[positions.WaitingListCandidate]:
    return positions.candidates(
        connection,
        campaign.name,
        freed,
        most_kilometres=campaign.radius_kilometres,
        most_doses=campaign.doses,
        without=tried,
        named=bool(campaign.service),
    )


def _ring_first(
    connection: Connection,
    at: AtCentre,
    campaign: Campaign,
    freed: positions.Freed,
    tried: list[str],
) -> NextToRing | None:
    """Keep a place for the first who can have it; those who cannot are not tried again."""
    work = Work(connection, at.store, campaign, others=at.service.campaigns.of_services())
    for _ in range(MOST_TRIES):
        found = _waiting_for(connection, campaign, freed, tried)
        for candidate in found:
            tried.append(candidate.id)
            told = _ring(at, work, freed.slot_id, candidate)
            if told is not None:
                return told
        if not found:
            return None
    return None


def _ring(
    at: AtCentre, work: Work, slot_id: int, candidate: positions.WaitingListCandidate
) -> NextToRing | None:
    connection, store = work.connection, work.store
    entry = waiting.load(connection, store.vault, candidate.id, only_waiting=True)
    several = entry is not None and entry.beside
    if entry is not None and several:
        entry = narrowed(work, entry)
    if entry is None or work.campaign.name not in entry.campaigns:
        return None
    if candidate.booked and not several:
        # Their person booked otherwise; no other person would notice.
        waiting.settle(connection, store.clock, entry.id, entries.EntryState.TAKEN)
        return None
    holder = waiting.holder_of(entry.id)
    wanted = campaigns_of(work, entry) if entry.beside else (work.campaign,)
    if entry.beside and entry.doses > 1:
        # Two neighbouring places within the hour are more than can be looked for by hand.
        return None
    ringing = replace(wanted[0], doses=entry.doses, hold_lease=RING_FOR, hold_longest=RING_FOR)
    allocator = Allocate(
        Work(connection, store, ringing, wanted[1:]), Holder(Channel.WAITING, holder)
    )
    first = allocator.hold_slot(slot_id)
    if first is None:
        return None
    if entry.doses > 1 and not allocator.hold_second(first.start_at, at.day.centre.id, at.day.zone):
        give_back_holds(connection, holder)
        return None
    until = waiting.set_offered(connection, store.clock, entry.id, RING_FOR)
    at.record(connection, RUNG, entry.id, centre=at.day.centre.id)
    return NextToRing(entry.id, entry.born, entry.number, first.start_at, until, at.who.id)


def being_rung(connection: Connection, at: AtCentre) -> list[NextToRing]:
    """The callers this centre is ringing now; that their numbers are looked at is written down."""
    store = at.store
    found = attendance.rung(connection, store.clock, at.day.centre.id, at.day.window)
    acts = staff.newest_acts(connection, RUNG, [call.entry_id for call in found]) if found else {}
    told = []
    for call in found:
        entry = waiting.load(connection, store.vault, call.entry_id)
        if entry is None or call.entry_id not in acts:
            continue
        by = acts[call.entry_id].act.staff_id
        if by != at.who.id:
            at.record(connection, "waiting_read", entry.id)
        told.append(NextToRing(entry.id, entry.born, entry.number, call.start_at, call.until, by))
    return told


def answered(
    connection: Connection, at: AtCentre, entry_id: str, answer: RingAnswer
) -> Booked | Unbooked | None:
    """What came of ringing a person, in the caller's transaction.

    None where no person of this name is being rung by this centre, and for one who does not come.
    Who did not answer keeps their position; who refuses is treated as after a refusal by text.
    """
    store, service = at.store, at.service
    entry = waiting.load(connection, store.vault, entry_id, lock=True)
    here = attendance.rung(connection, store.clock, at.day.centre.id, at.day.window)
    if entry is None or entry_id not in {call.entry_id for call in here}:
        return None
    campaign = service.campaigns.by_name(entry.campaign) or service.campaign
    work = Work(connection, store, campaign, others=service.campaigns.of_services())
    at.record(connection, "waiting_answer", entry_id, answer=str(answer))
    if answer is RingAnswer.COMES:
        return entries.accept(
            work,
            entry_id,
            catalogue=load(entry.language),
            national_number=service.numbers.of(entry.called).number,
            text_to=entry.number if takes_texts(entry.number) else None,
            who=at.who.id,
        )
    if answer is RingAnswer.REFUSES:
        entries.decline(work, entry_id)
        return None
    waiting.settle(connection, store.clock, entry_id, entries.EntryState.WAITING)
    offers.forget(connection, store.clock, entry_id)
    give_back_holds(connection, waiting.holder_of(entry_id))
    return None
