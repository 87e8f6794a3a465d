"""The waiting list: join it, leave it, hear one's position, take or refuse what is offered.

`services.freed` decides whom a freed place is offered to; here is what becomes of the offer. A
place that is refused, or not taken in time, goes to the next in the transaction in which it ends.
Whoever had it keeps their old position after their first offer. A later refusal puts them behind
the others of their class, and a later offer without any answer ends their entry. Nobody is asked
about the same hour twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from models import waiting
from models.database import Connection
from models.waiting import Entry, NewEntry, Offered
from prompts.catalogue import Catalogue
from services.allocate import Channel, Chosen, Taker
from services.campaign import Campaign
from services.confirm_booking import Booked, NotBooked, Request, confirm_booking
from services.freed import free_cancelled, offer_freed
from services.give_back import pass_on_holds
from services.store import Store

# Offers that ran out and are looked after together; each is a transaction of its own.
AT_ONCE = 200


class NoPhone(Exception):
    """Without a telephone number nobody can be told that a place is free."""


class NoPlace(Exception):
    """Neither a centre to wait for nor a position with a distance and its land."""


class State(StrEnum):
    """Where an entry is."""

    WAITING = "waiting"
    OFFERED = "offered"
    TAKEN = "taken"
    GONE = "gone"


@dataclass(frozen=True)
class Waiter:
    """Who waits, for what. `number` is E.164; `not_before` is UTC.

    Either `centre_id`, or a position (degrees) with its land and how far they would go: never
    farther than the campaign's radius, and never over a sea. Of several classes the lower
    `class_rank` comes first.
    """

    born: date
    number: str
    postcode: str
    rank: int = 1
    language: str = "fr"
    centre_id: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    territory: str | None = None
    kilometres: float | None = None
    not_before: datetime | None = None
    class_rank: int = 0


@dataclass(frozen=True)
class Standing:
    """`ahead` is how many come before them; None once they wait no more.

    `offer` is what is held for them at this moment, the first appointment first, until
    `offered_until` (UTC).
    """

    state: State
    ahead: int | None = None
    offer: tuple[Offered, ...] = ()
    offered_until: datetime | None = None


def join(connection: Connection, store: Store, campaign: Campaign, who: Waiter) -> str:
    """Put somebody on the list, in the caller's transaction; gives the id of their entry.

    One live entry for each person: a second wish gives the first entry and changes nothing of it.
    Whoever is booked already gets an entry like any other, which is never offered anything, so that
    a stranger learns nothing. Raises NoPhone and NoPlace.
    """
    if not who.number:
        raise NoPhone
    by_distance = (who.latitude, who.longitude, who.territory, who.kilometres)
    if who.centre_id is None and None in by_distance:
        raise NoPlace
    here = who.centre_id is None
    new = NewEntry(
        id=store.chance.identifier(),
        campaign=campaign.name,
        born=who.born,
        number=who.number,
        postcode=who.postcode,
        rank=who.rank,
        language=who.language,
        doses=campaign.doses,
        class_rank=who.class_rank,
        centre_id=who.centre_id,
        latitude=who.latitude if here else None,
        longitude=who.longitude if here else None,
        territory=who.territory if here else None,
        kilometres=min(who.kilometres or 0, campaign.radius_kilometres) if here else None,
        not_before=who.not_before,
    )
    return waiting.add(connection, store.clock, store.vault, new)


def find(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    *,
    born: date,
    number: str,
    rank: int = 1,
) -> str | None:
    """The live entry of a person; None when they are not on the list."""
    return waiting.find(connection, store.vault, campaign.name, born=born, number=number, rank=rank)


def position(connection: Connection, store: Store, entry_id: str) -> Standing | None:
    """Where an entry stands; None for one that is unknown or long over. Writes nothing."""
    entry = waiting.load(connection, store.vault, entry_id)
    if entry is None:
        return None
    if entry.state == State.WAITING:
        return Standing(State.WAITING, waiting.people_ahead(connection, entry_id))
    if entry.state == State.OFFERED:
        offer = waiting.offered_to(connection, store.clock, entry_id)
        return Standing(State.OFFERED, 0, tuple(offer), entry.offered_until)
    return Standing(State(entry.state))


def leave(connection: Connection, store: Store, campaign: Campaign, entry_id: str) -> bool:
    """Take somebody off the list; what they were offered goes to the next.

    False when they were not on it.
    """
    entry = _lock_live(connection, store, entry_id)
    if entry is None:
        return False
    waiting.end(connection, store.clock, entry_id, State.GONE)
    _pass_on(connection, store, campaign, entry_id)
    return True


def accept(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    entry_id: str,
    *,
    catalogue: Catalogue,
    national_number: str,
    text_to: str | None = None,
    channel: Channel = Channel.WAITING,
    who: str = "caller",
    call_id: str | None = None,
) -> Booked | NotBooked:
    """Book what is held for an entry, in the caller's transaction; again, it gives the same.

    An offer that ran out is still theirs until it is passed on. `text_to` is where the confirmation
    goes as a text, or None for nowhere. Raises services.confirm_booking.NoReference.
    """
    entry = waiting.load(connection, store.vault, entry_id, lock=True)
    if entry is None or entry.state in (State.WAITING, State.GONE):
        return NotBooked()
    if entry.state == State.TAKEN:
        reference = waiting.reference_of(connection, store.vault, entry_id)
        return NotBooked() if reference is None else Booked(reference, None)
    held = waiting.offered_to(connection, store.clock, entry_id)
    if len(held) != entry.doses:
        # A dead scheduler: the hold ran out, and the place may be somebody else's.
        _put_back(connection, store, campaign, entry)
        return NotBooked()
    request = _request(
        entry, held, taker=Taker(channel, waiting.holder_of(entry_id)), text_to=text_to
    )
    booked = confirm_booking(
        connection,
        store,
        campaign,
        replace(request, who=who, call_id=call_id),
        catalogue=catalogue,
        national_number=national_number,
    )
    if isinstance(booked, Booked):
        waiting.end(connection, store.clock, entry_id, State.TAKEN)
    else:
        _not_booked(connection, store, campaign, entry, held)
    return booked


def _request(
    entry: Entry, held: Sequence[Offered], *, taker: Taker, text_to: str | None
) -> Request:
    where = held[0]
    zone = ZoneInfo(where.time_zone)
    return Request(
        taker=taker,
        chosen=tuple(Chosen(one.place_id, one.slot_id, one.start_at) for one in held),
        centre_id=where.centre_id,
        local_starts=tuple(one.start_at.astimezone(zone) for one in held),
        street=where.street,
        centre_name=where.name,
        town=where.town,
        centre_postcode=where.postcode,
        born=entry.born,
        postcode=entry.postcode,
        number=entry.number,
        text_to=text_to,
        rank=entry.rank,
    )


def _not_booked(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    entry: Entry,
    held: Sequence[Offered],
) -> None:
    """Of a person who is booked otherwise the place goes to the next.

    Else somebody must look at it (too many bookings on one number): until the offer ends it is kept
    for the agent whom they are put through to.
    """
    if waiting.is_booked(connection, entry.id):
        waiting.end(connection, store.clock, entry.id, State.TAKEN)
        # A booking that was not to be has given them back, so that nobody holds them any more.
        also = [one.place_id for one in held]
        _pass_on(connection, store, campaign, entry.id, also)
    elif not waiting.offered_to(connection, store.clock, entry.id):
        _put_back(connection, store, campaign, entry)


def decline(connection: Connection, store: Store, campaign: Campaign, entry_id: str) -> bool:
    """Refuse what is offered: it goes to the next. False when nothing was."""
    entry = _lock_live(connection, store, entry_id)
    if entry is None or entry.state != State.OFFERED:
        return False
    _put_back(connection, store, campaign, entry)
    return True


@dataclass(frozen=True)
class Everybody:
    """Those who wait, of all campaigns: for who opens slots (see services.open_slots.Offers)."""

    store: Store
    campaigns: Callable[[], Sequence[Campaign]]

    def anybody(self) -> bool:
        with self.store.database.statement() as connection:
            return waiting.anybody(connection)

    def offer(self, connection: Connection, place_ids: Sequence[int]) -> int:
        """Offer new places, in the caller's transaction: campaigns in the order they opened."""
        return sum(
            offer_freed(connection, self.store, campaign, place_ids)
            for campaign in self.campaigns()
        )


def advance(store: Store, campaign_of: Callable[[str], Campaign | None]) -> int:
    """Pass on every offer that ran out, each in a transaction of its own; gives how many did.

    What was cancelled and cannot be taken back any more goes the same way. `campaign_of` knows
    campaigns by name. Safe to run twice at the same time.
    """
    done = free_cancelled(store, campaign_of)
    while True:
        with store.database.statement() as connection:
            over = waiting.lapsed(connection, store.clock, limit=AT_ONCE)
        passed = sum(_lapse(store, campaign_of(name), entry_id) for entry_id, name in over)
        done += passed
        if len(over) < AT_ONCE or not passed:
            return done


def _lapse(store: Store, campaign: Campaign | None, entry_id: str) -> bool:
    with store.database.transaction() as connection:
        if not waiting.is_lapsed(connection, store.clock, entry_id):
            return False
        entry = waiting.load(connection, store.vault, entry_id)
        if waiting.is_booked(connection, entry_id):
            waiting.end(connection, store.clock, entry_id, State.TAKEN)
        elif entry is None or campaign is None or entry.offers > 1:
            waiting.end(connection, store.clock, entry_id, State.GONE)
        else:
            waiting.set_waiting(connection, store.clock, entry_id)
        _pass_on(connection, store, campaign, entry_id)
    return True


def _put_back(connection: Connection, store: Store, campaign: Campaign, entry: Entry) -> None:
    waiting.set_waiting(connection, store.clock, entry.id, behind=entry.offers > 1)
    _pass_on(connection, store, campaign, entry.id)


def _pass_on(
    connection: Connection,
    store: Store,
    campaign: Campaign | None,
    entry_id: str,
    also: Sequence[int] = (),
) -> None:
    """Give what an entry holds to those behind it; nobody sees it free in between."""
    freed = pass_on_holds(connection, waiting.holder_of(entry_id))
    if campaign is not None:
        offer_freed(connection, store, campaign, sorted({*freed, *also}), but_not=entry_id)


def _lock_live(connection: Connection, store: Store, entry_id: str) -> Entry | None:
    entry = waiting.load(connection, store.vault, entry_id, lock=True)
    return entry if entry and entry.state in (State.WAITING, State.OFFERED) else None
