"""The waiting list: join it, leave it, hear one's position, take or refuse what is offered.

`freed_slot_offers` decides which entry a freed place is offered to; here is what becomes of the
offer. A place that is refused, or not taken in time, goes to the next in the transaction in which
the offer ends. The entry that had it keeps its old position after its first offer. A later refusal
puts it behind the others of its class, and a later offer without any answer ends it. An offer that
never left the house is none: the entry keeps its position. No entry is asked about the same hour
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

import structlog

from flows.world import Unbooked
from models import attempts
from models.booking.reach import Proof
from models.database import Connection
from models.slots.slots import HeldAppointment
from models.waiting_list import offers, positions, waiting
from models.waiting_list.offers import OfferOutcome
from models.waiting_list.waiting import Waiter, WaitingListEntry
from prompts.catalogue import Catalogue
from services.attempts import TRIES_A_CALL, TRIES_A_DAY, subject, tried
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.reach import Reach
from services.campaign.campaign import Campaign, places_together
from services.slots.allocate import Channel, Holder
from services.slots.give_back import give_back_holds
from services.slots.offer import offer_at
from services.store import Store
from services.waiting_list.freed_slot_offers import campaigns_of, free_cancelled, offer_freed
from services.work import Work

# Offers that ran out and are looked after together; each is a transaction of its own.
AT_ONCE = 200

log = structlog.get_logger()


class NoPhone(Exception):
    """Without a telephone number no person can be told that a place is free."""


class NoPlace(Exception):
    """Neither a centre to wait for nor a position with a distance and its land."""


class EntryState(StrEnum):
    """Where an entry is."""

    WAITING = "waiting"
    OFFERED = "offered"
    TAKEN = "taken"
    GONE = "gone"


@dataclass(frozen=True)
class WaitingListPosition:
    """`ahead` is how many come before them; None once they wait no more.

    `offer` is what is held for them at this moment, the first appointment first, until
    `offered_until` (UTC).
    """

    state: EntryState
    ahead: int | None = None
    offer: tuple[HeldAppointment, ...] = ()
    offered_until: datetime | None = None


def join(work: Work, who: Waiter, entry_id: str = "") -> str:
    """Put a person on the list, in the caller's transaction; gives the id of their entry.

    A new entry has `entry_id`, where one is given.

    With `work.beside` it is for all of these in one appointment; what its person gets elsewhere
    meanwhile it waits for no more (`freed_slot_offers.narrowed`).

    One live entry for each person: a second wish gives the first entry and changes nothing of it.
    Twins share a birth date and a line: who is asked for as another person than the one who put
    themselves on the list there is the second of them. A person booked already gets an entry like
    any other, which is never offered anything, so that a stranger learns nothing. Raises NoPhone
    and NoPlace.
    """
    if not who.number:
        raise NoPhone
    by_distance = (who.latitude, who.longitude, who.territory, who.kilometres)
    if who.centre_id is None and None in by_distance:
        raise NoPlace
    who = replace(who, rank=_rank(work, who))
    if who.centre_id is None:
        radius = work.campaign.radius_kilometres
        who = replace(who, kilometres=min(who.kilometres or 0, radius))
    else:
        who = replace(who, latitude=None, longitude=None, territory=None, kilometres=None)
    store, campaign = work.store, work.campaign
    doses = places_together(work.campaigns) if work.beside else campaign.doses
    who = replace(who, beside=waiting.beside_of([campaign.name for campaign in work.beside]))
    entry_id = entry_id or store.chance.identifier()
    return waiting.add(
        work.connection, store.clock, store.vault, entry_id, campaign.name, doses, who
    )


def _rank(work: Work, who: Waiter) -> int:
    """2 for a twin, and for that of a person who put themselves on the list; else as asked for."""
    if who.twin:
        return 2
    if not who.for_other or who.rank != 1:
        return who.rank
    there = find(work, born=who.born, number=who.number)
    entry = waiting.load(work.connection, work.store.vault, there) if there else None
    # For another person twice is the same person again, as far as anybody knows.
    return 1 if entry is None or entry.for_other else 2


def find(work: Work, *, born: date, number: str, rank: int = 1) -> str | None:
    """The live entry of a person; None when they are not on the list."""
    return waiting.find(
        work.connection, work.store.vault, work.campaign.name, born=born, number=number, rank=rank
    )


def find_kept(
    connection: Connection, store: Store, *, number: str, born: date, call_id: str
) -> WaitingListEntry | None:
    """The person whose place is kept at this number (E.164), in the caller's transaction.

    The number that rings and the birth date prove it together, and neither of them alone: a number
    may be forged and birth dates guessed. A stranger learns nothing by trying: what is told after
    too many tries is told where no person waits, too.

    Of several (twins share a line and a birth date) the one whose offer ends first. The try is
    counted: after three wrong ones in a call, or five in a day from a number, a right one finds
    nothing either.
    """
    subjects = (
        subject(store, "kept_call", "call", call_id),
        subject(store, "kept_caller", "phone", number),
    )
    in_call, in_day = tried(connection, store, subjects)
    found = offers.of_line(connection, store.vault, number, born.isoformat())
    attempts.add(connection, store.clock, subjects, good=bool(found))
    if in_call >= TRIES_A_CALL or in_day >= TRIES_A_DAY or not found:
        return None
    return found[0]


def position(connection: Connection, store: Store, entry_id: str) -> WaitingListPosition | None:
    """Where an entry stands; None for one that is unknown or long over. Writes nothing."""
    entry = waiting.load(connection, store.vault, entry_id)
    if entry is None:
        return None
    if entry.state == EntryState.WAITING:
        return WaitingListPosition(EntryState.WAITING, positions.people_ahead(connection, entry_id))
    if entry.state == EntryState.OFFERED:
        offer = waiting.offered_to(connection, store.clock, entry_id)
        return WaitingListPosition(EntryState.OFFERED, 0, tuple(offer), entry.offered_until)
    return WaitingListPosition(EntryState(entry.state))


def leave(work: Work, entry_id: str) -> bool:
    """Take a person off the list; what they were offered goes to the next.

    False when they were not on it.
    """
    entry = _lock_live(work.connection, work.store, entry_id)
    if entry is None:
        return False
    _settle(work.connection, work.store, entry_id, EntryState.GONE, OfferOutcome.LEFT)
    _pass_on(work, entry_id)
    return True


def accept(
    work: Work,
    entry_id: str,
    *,
    catalogue: Catalogue,
    national_number: str,
    text_to: str | None = None,
    channel: Channel = Channel.WAITING,
    who: str = "caller",
    call_id: str | None = None,
    chosen: Sequence[int] = (),
) -> Booked | Unbooked:
    """Book what is held for an entry, in the caller's transaction; again, it gives the same.

    An offer that ran out is still theirs until it is passed on. `text_to` is where the confirmation
    goes as a text, or None for nowhere. `chosen` are the places that they heard of: no person is
    booked for another hour, though it is what they are offered by now. Raises
    services.booking.confirm_booking.NoReference.
    """
    entry = waiting.load(work.connection, work.store.vault, entry_id, lock=True)
    if entry is None or entry.state in (EntryState.WAITING, EntryState.GONE):
        return Unbooked.GONE
    if entry.state == EntryState.TAKEN:
        reference = waiting.reference_of(work.connection, work.store.vault, entry_id)
        return Unbooked.GONE if reference is None else Booked(reference, None)
    held = waiting.offered_to(work.connection, work.store.clock, entry_id)
    if _is_another(held, chosen):
        return Unbooked.GONE
    if len(held) != entry.doses:
        # A dead scheduler: the hold ran out, and the place may be another person's.
        _gone(work, entry)
        return Unbooked.GONE
    work, held, left = _still_wanted(work, entry, held)
    request = Request(
        holder=Holder(channel, waiting.holder_of(entry_id)),
        offer=offer_at(held[0], *held),
        born=entry.born,
        postcode=entry.postcode,
        number=entry.number,
        text_to=text_to,
        call_id=call_id,
        rank=entry.rank,
        who=who,
        # It was told on this number, and the person told accepts.
        reach=Reach(Proof.LINE),
        # What is written of it comes from the number by which they joined the list.
        called=None if call_id else entry.called,
    )
    booked = confirm_booking(work, request, catalogue=catalogue, national_number=national_number)
    if isinstance(booked, Booked) and not booked.stand_in:
        _settle(work.connection, work.store, entry_id, EntryState.TAKEN, OfferOutcome.TAKEN)
        if left:
            # Booked by half elsewhere: its place goes to the next.
            offer_freed(work, left, but_not=entry_id)
    else:
        _not_booked(work, entry, held)
    return booked


def _still_wanted(
    work: Work, entry: WaitingListEntry, held: list[HeldAppointment]
) -> tuple[Work, list[HeldAppointment], list[int]]:
    """By whose rules what is held is booked, and where; of several services, what is left of them.

    And the places that are not needed, where a half was booked elsewhere since it was offered.
    """
    campaigns = campaigns_of(work, entry)
    if not entry.beside or not work.others or len(campaigns) < len(entry.campaigns):
        return work, held, []
    booked = waiting.booked_of(work.connection, work.store.vault, entry)
    left = [campaign for campaign in campaigns if campaign.name not in booked] or list(campaigns)
    in_two = len(held) > 1
    kept = [each for one, each in zip(campaigns, held, strict=False) if one in left]
    wanted = kept if in_two else held
    others = [each.place_id for each in held if each not in wanted]
    return replace(work, campaign=left[0], beside=tuple(left[1:])), wanted, others


def _not_booked(work: Work, entry: WaitingListEntry, held: Sequence[HeldAppointment]) -> None:
    """The place goes to the next: its person is booked otherwise, or cannot be booked like this.

    Of the latter (too many bookings on one number) an agent will find another; a place that was
    given back in the attempt is passed on like one that is held still.
    """
    also = [held_place.place_id for held_place in held]
    if _is_booked(work.connection, work.store, entry):
        _settle(work.connection, work.store, entry.id, EntryState.TAKEN, OfferOutcome.BOOKED)
        _pass_on(work, entry.id, also)
    else:
        _gone(work, entry, also)


def _is_another(held: Sequence[HeldAppointment], chosen: Sequence[int]) -> bool:
    return bool(held and chosen) and [held_place.place_id for held_place in held] != list(chosen)


def decline(work: Work, entry_id: str, *, chosen: Sequence[int] = ()) -> bool:
    """Refuse what is offered: it goes to the next. False when nothing was.

    `chosen` are the places that they heard of: another offer, which they have by now, stays.
    """
    entry = _lock_live(work.connection, work.store, entry_id)
    if entry is None or entry.state != EntryState.OFFERED:
        return False
    if _is_another(waiting.offered_to(work.connection, work.store.clock, entry_id), chosen):
        return False
    state, behind = EntryState.WAITING, entry.offers > 1
    _settle(work.connection, work.store, entry.id, state, OfferOutcome.REFUSED, behind=behind)
    _pass_on(work, entry.id)
    return True


def advance(store: Store, campaigns: Callable[[], Sequence[Campaign]]) -> int:
    """Pass on every offer that ran out, each in a transaction of its own; gives how many did.

    One that no person can be told of, or not in time, is as good as run out. What was cancelled and
    cannot be taken back any more goes the same way. `campaigns` are all that there are. Safe to run
    twice at the same time.
    """
    done = free_cancelled(store)
    known = {campaign.name: campaign for campaign in campaigns()}
    others = tuple(campaign for campaign in known.values() if campaign.service)
    while True:
        with store.database.statement() as connection:
            over = waiting.lapsed(connection, store.clock, limit=AT_ONCE)
            lost = offers.untellable(connection, limit=AT_ONCE)
        passed = sum(
            _pass_on_alone(store, known.get(name), entry_id, others)
            for entry_id, name in dict.fromkeys((*over, *(offer[:2] for offer in lost)))
        )
        done += passed
        if max(len(over), len(lost)) < AT_ONCE or not passed:
            return done


def _pass_on_alone(
    store: Store, campaign: Campaign | None, entry_id: str, others: tuple[Campaign, ...]
) -> bool:
    """One that is not right holds up no other: its hold runs out by itself."""
    try:
        return _lapse(store, campaign, entry_id, others)
    except Exception as error:  # noqa: BLE001 (the next round tries again)
        log.error("offer not passed on", entry=entry_id, error=type(error).__name__)
        return False


def _lapse(
    store: Store, campaign: Campaign | None, entry_id: str, others: tuple[Campaign, ...]
) -> bool:
    with store.database.transaction() as connection:
        lapsed = waiting.lapsed(connection, store.clock, only=entry_id)
        lost = [] if lapsed else offers.untellable(connection, only=entry_id)
        if not lapsed and not lost:
            return False
        entry = waiting.load(connection, store.vault, entry_id)
        state, outcome = EntryState.WAITING, OfferOutcome.LAPSED
        if entry is not None and _is_booked(connection, store, entry):
            state, outcome = EntryState.TAKEN, OfferOutcome.BOOKED
        elif entry is None or campaign is None:
            state, outcome = EntryState.GONE, OfferOutcome.GONE
        elif lost and lost[0][2] == offers.TOO_LATE:
            # No fault of theirs; and they are not asked about the same hour again, or two such
            # people would have it by turns.
            outcome = OfferOutcome.UNTOLD
            offers.uncount(connection, entry_id)
        elif lapsed and not offers.was_told(connection, entry_id):
            # No person could answer: they are asked again, and may be about the same hour.
            outcome = OfferOutcome.UNTOLD
            offers.forget(connection, store.clock, entry_id)
        elif entry.offers > 1:
            state = EntryState.GONE
        _settle(connection, store, entry_id, state, outcome)
        asked = campaign or next(iter(others), None)
        if asked is None:
            give_back_holds(connection, waiting.holder_of(entry_id))
            return True
        work = Work(connection, store, asked, others=others)
        freed = _pass_on(work, entry_id)
        if outcome is OfferOutcome.UNTOLD and campaign is not None:
            # What no person behind them wants is theirs before it is everybody's.
            offer_freed(work, freed)
    return True


def _is_booked(connection: Connection, store: Store, entry: WaitingListEntry) -> bool:
    """Whether its person has an appointment of all that it is for."""
    if not entry.beside:
        return waiting.is_booked(connection, entry.id)
    return set(entry.campaigns) <= waiting.booked_of(connection, store.vault, entry)


def _gone(work: Work, entry: WaitingListEntry, also: Sequence[int] = ()) -> None:
    """The place is not to be had any more, which is no fault of theirs."""
    _settle(work.connection, work.store, entry.id, EntryState.WAITING, OfferOutcome.GONE)
    _pass_on(work, entry.id, also)


def _settle(
    connection: Connection,
    store: Store,
    entry_id: str,
    state: EntryState,
    outcome: OfferOutcome,
    *,
    behind: bool = False,
) -> None:
    """What an entry is from now on, and what became of its offer."""
    waiting.settle(connection, store.clock, entry_id, state, behind=behind)
    offers.end(connection, store.clock, entry_id, outcome)


def _pass_on(work: Work, entry_id: str, also: Sequence[int] = ()) -> list[int]:
    """Give what an entry holds to those behind it; no person sees it free in between."""
    freed = sorted({*give_back_holds(work.connection, waiting.holder_of(entry_id)), *also})
    offer_freed(work, freed, but_not=entry_id)
    return freed


def _lock_live(connection: Connection, store: Store, entry_id: str) -> WaitingListEntry | None:
    entry = waiting.load(connection, store.vault, entry_id, lock=True)
    return entry if entry and entry.state in (EntryState.WAITING, EntryState.OFFERED) else None
