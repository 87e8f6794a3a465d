"""What an agent does for a caller: book, move, cancel, restore, text, put on the waiting list.

All of it goes through the same services as a call; what is an agent's own stands here: two people
are booked together or not at all, a name may be taken, no number has too many bookings, and every
action carries the key of its form (a nonce), so that a form sent twice is one action.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.session import Moving, Offer
from flows.understanding import birthday
from flows.world import Town, Unbooked, WaitingListRequest
from models.booking import bookings, changes, history, look_up
from models.centres.centres import centre_states
from models.database import Connection
from models.desk import desk as rows
from prompts.catalogue import load
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import By, Cancelled, Moved, Restored, Unchanged, WhyNot
from services.booking.confirm_booking import Request, confirm_booking
from services.booking.find_booking import FoundBooking, read_booking
from services.booking.my_bookings import doses_of
from services.campaign.campaign import Campaign
from services.campaign.eligibility import eligibility
from services.desk.offers import Desk, DeskWork, places_needed, second_within
from services.messages.phone_capabilities import takes_texts
from services.messages.texts import text_of_booking
from services.messages.topics import Topic
from services.messages.whose import of_booking
from services.messages.write_message import write_message
from services.slots.allocate import Channel, Chosen
from services.slots.offer import offer_at
from services.work import Work

MOST_PEOPLE = 2
# The same text again, so often a day for a booking.
TEXTS_A_DAY = 3
DAY = timedelta(hours=24)
LONGEST_NAME = 80
_NONCE_LETTERS = 24


class Refusal(StrEnum):
    """Why nothing was booked, put on the list or sent; words for each are below desk.refused."""

    # The place went, and its slot has no other.
    GONE = "gone"
    # The person has an appointment already.
    KNOWN = "known"
    TOO_YOUNG = "too_young"
    # One of the services gives no appointments any more.
    CLOSED = "closed"
    # The centre takes no person through us; or two appointments that do not belong together.
    NOT_OFFERED = "not_offered"
    NO_NUMBER = "no_number"
    NO_MOBILE = "no_mobile"
    # No machine of ours rings that number: whose it is, what it is, or none is on file.
    NO_CALLS = "no_calls"
    TOO_OFTEN = "too_often"
    NO_POSITION = "no_position"
    UNKNOWN = "unknown"
    # A case is closed with a word.
    NO_WORD = "no_word"


@dataclass(frozen=True)
class BookingRefused:
    """Nothing was done. `person` counts from 0; `booking_id` is what that person has already."""

    why: Refusal
    person: int = 0
    booking_id: str = ""


@dataclass(frozen=True)
class PersonToBook:
    """Who comes. `places` are the ids of the place of each appointment, the first one first.

    `someone_else`: another person of this birth date is booked on the same number (twins).
    """

    born: date
    places: tuple[int, ...]
    name: str = ""
    someone_else: bool = False


@dataclass(frozen=True)
class DeskOrder:
    """One or two people of one call. `number` is E.164 or empty; a text goes there if it can.

    `calls`: they want to be rung about it there, the same evening and before.
    """

    people: tuple[PersonToBook, ...]
    postcode: str
    number: str
    nonce: str
    groups: tuple[str, ...] = ()
    text: bool = True
    calls: bool = False
    # An address of e-mail (`services.messages.mails.address`), or empty.
    mail: str = ""


@dataclass(frozen=True)
class Made:
    """What was booked, in the order of the people; `repeated`: by an earlier copy of the form."""

    booking_ids: tuple[str, ...]
    message_ids: tuple[str, ...] = ()
    repeated: bool = False


@dataclass(frozen=True)
class Texted:
    """A text or call is on its way, or was by an earlier copy of the form (no message then).

    `at` of a call: the hours in which a machine may ring that number begin then, None for now.
    """

    message_id: str = ""
    at: datetime | None = None


class _NotMade(Exception):
    def __init__(self, refused: BookingRefused) -> None:
        super().__init__(refused.why)
        self.refused = refused


def book(at: DeskWork, order: DeskOrder) -> Made | BookingRefused:
    """Book everybody or no person, in the caller's transaction.

    Raises ValueError for an order that no page of ours sends.
    """
    if not 1 <= len(order.people) <= MOST_PEOPLE or not is_nonce(order.nonce):
        raise ValueError("not an order of this desk")
    at.alone()
    idempotency_suffixes = [f"{order.nonce}{number}" for number in range(1, len(order.people) + 1)]
    keys = [f"{at.desk.holder_id}:{suffix}" for suffix in idempotency_suffixes]
    made = rows.bookings_of_keys(at.connection, keys)
    if made:
        return Made(tuple(made[key] for key in keys if key in made), repeated=True)
    try:
        with at.connection.begin_nested():
            messages = [
                _book_one(at, order, number, idempotency_suffix)
                for number, idempotency_suffix in enumerate(idempotency_suffixes)
            ]
    except _NotMade as not_made:
        return not_made.refused
    made = rows.bookings_of_keys(at.connection, keys)
    sent = tuple(message for message in messages if message)
    return Made(tuple(made[key] for key in keys), sent)


def _book_one(at: DeskWork, order: DeskOrder, number: int, idempotency_suffix: str) -> str | None:
    """Book one of them; gives the message. Raises _NotMade."""
    person, now = order.people[number], at.store.clock.now()
    if not all(campaign.is_open(now) for campaign in at.campaigns):
        # It closed since this form was opened: no person is too young for that.
        raise _NotMade(BookingRefused(Refusal.CLOSED, number))
    offer = _chosen(at.connection, at.campaigns, person, number)
    days = [
        eligibility(campaign, person.born, order.groups, now).first_day for campaign in at.campaigns
    ]
    if any(first is None or offer.local_start.date() < first for first in days):
        raise _NotMade(BookingRefused(Refusal.TOO_YOUNG, number))
    twin = number > 0 and person.born == order.people[0].born
    request = Request(
        holder=at.desk.holder,
        offer=offer,
        born=person.born,
        postcode=order.postcode,
        number=order.number or None,
        text_to=order.number if order.text and takes_texts(order.number) else None,
        call_id=at.desk.call_id or None,
        for_other=person.someone_else or twin,
        of_two=len(order.people) > 1,
        groups=order.groups,
        name=person.name.strip()[:LONGEST_NAME] or None,
        mail=order.mail or None,
        calls=order.calls and bool(order.number),
        who=at.desk.staff_id,
        idempotency_suffix=idempotency_suffix,
    )
    # The first person's booking gives back what else this desk holds; the second's place is still
    # this transaction's, and is taken anew.
    booked = confirm_booking(
        at.work,
        request,
        catalogue=load(at.desk.language),
        national_number=at.number_told(),
    )
    if isinstance(booked, Unbooked):
        if booked is Unbooked.GONE:
            raise _NotMade(BookingRefused(Refusal.GONE, number))
        known = known_booking(at.work, person.born, order.number)
        raise _NotMade(BookingRefused(Refusal.KNOWN, number, known or ""))
    return booked.message_id


def _chosen(
    connection: Connection, campaigns: Sequence[Campaign], person: PersonToBook, number: int
) -> Offer:
    """Where and when these places are. Raises _NotMade where they are not one appointment."""
    places = rows.places_of(connection, person.places)
    not_offered = _NotMade(BookingRefused(Refusal.NOT_OFFERED, number))
    if len(places) != len(person.places) or len(places) != places_needed(campaigns):
        raise not_offered
    found = [places[place] for place in person.places]
    where = centre_states(connection, [found[0].centre_id]).get(found[0].centre_id)
    if where is None or not where.bookable or any(hold.centre_id != where.id for hold in found):
        raise not_offered
    if len(found) > 1:
        zone = ZoneInfo(where.time_zone)
        opens, closes = second_within(campaigns, found[0].start_at, zone)
        if not opens <= found[1].start_at < closes:
            raise not_offered
    return offer_at(where, *found)


def known_booking(work: Work, born: date, number: str) -> str | None:
    """The live booking of a person on this number (E.164), of any of the work's campaigns."""
    for rank in (1, 2):
        keys = (
            bookings.person_idx(work.store.vault, campaign.name, born, number or None, rank)
            for campaign in work.campaigns
        )
        persons = [key for key in keys if key is not None]
        found = look_up.find_person(work.connection, *persons) if persons else None
        if found:
            return found
    return None


def move_booking(
    at: DeskWork,
    booking_id: str,
    places: Sequence[int],
    *,
    moving: Moving,
    nonce: str,
    seen: int,
    service: str = "",
) -> Moved | Unchanged:
    """Put appointments on these places; what they had is given back. Raises ValueError.

    With a `service` of the booking only what is done for it moves.
    """
    at.alone()
    by = _by(at.desk, nonce, seen, history.MOVED_FOR)
    found = rows.places_of(at.connection, places)
    if not found or len(found) != len(places):
        return Unchanged(WhyNot.NOT_OFFERED)
    chosen = [Chosen(place, found[place].slot_id, found[place].start_at) for place in places]
    to = _dose_of(at, booking_id, chosen, service) if service else doses_of(chosen, moving)
    first, *beside = at.campaigns
    return move(
        at.connection,
        at.store,
        first,
        at.desk.holder,
        booking_id,
        to=to,
        by=by,
        beside=tuple(beside),
        service=service,
    )


def _dose_of(
    at: DeskWork, booking_id: str, chosen: Sequence[Chosen], service: str
) -> dict[int, Chosen]:
    """The appointment of a booking in which a service is done, with where it goes."""
    found = read_booking(at.connection, at.store, booking_id)
    live = found.file.live if found else ()
    doses = [
        appointment.dose
        for appointment in live
        if any(s.service == service for s in appointment.live_services)
    ]
    return dict.fromkeys(doses[:1], chosen[0])


def cancel_booking(
    at: DeskWork,
    booking_id: str,
    doses: Sequence[int] | None = None,
    *,
    nonce: str,
    seen: int,
    service: str = "",
) -> Cancelled | Unchanged:
    """Cancel these appointments, or all; the second goes with the first. Raises ValueError.

    With a `service` of the booking only what is done for it: the others stay as they are.
    """
    by = _by(at.desk, nonce, seen, history.CANCELLED_FOR)
    return cancel(at.connection, at.store, booking_id, doses, by=by, service=service)


def restore_booking(
    at: DeskWork, booking_id: str, *, nonce: str, seen: int
) -> Restored | Unchanged:
    """Take back a cancellation of less than ten minutes ago. Raises ValueError."""
    by = _by(at.desk, nonce, seen, history.RESTORED_FOR)
    campaign = _campaign_of(at, booking_id) or at.service.campaign
    return undo_cancel(at.connection, at.store, campaign, at.desk.holder, booking_id, by=by)


def _campaign_of(at: DeskWork, booking_id: str) -> Campaign | None:
    """The booking's own, which need not be the one of now."""
    names = changes.campaigns_of(at.connection, [booking_id])
    return at.service.campaigns.by_name(names.get(booking_id, ""))


def _by(desk: Desk, nonce: str, seen: int, why: str) -> By:
    if not is_nonce(nonce):
        raise ValueError("not a form of this desk")
    return By(desk.staff_id, Channel.AGENT, why, f"{desk.holder_id}:{nonce}", seen)


def is_nonce(nonce: str) -> bool:
    """Whether it is what a form of ours carries to be one action."""
    return len(nonce) == _NONCE_LETTERS and nonce.isascii() and nonce.isalnum()


def wait_for_place(
    at: DeskWork,
    *,
    born: date,
    number: str,
    town: Town,
    groups: tuple[str, ...] = (),
    for_other: bool = False,
) -> int | BookingRefused:
    """Put a person on the waiting list; gives how many come before them. `number` is E.164."""
    if not number:
        return BookingRefused(Refusal.NO_NUMBER)
    at.alone()
    campaign = at.campaign
    eligible = eligibility(campaign, born, groups, at.store.clock.now())
    wait = WaitingListRequest(
        born=born,
        number=number,
        postcode=town.postcode,
        language=at.desk.language,
        latitude=town.latitude,
        longitude=town.longitude,
        territory=town.territory,
        first_day=eligible.first_day or eligible.day_from or birthday(born, campaign.minimum_age),
        # A desk says so of the person with the birth date of the first of those who come together.
        for_other=for_other,
        twin=for_other,
        wanted=at.wanted,
    )
    ahead = at.world().join_waiting_list(wait)
    return BookingRefused(Refusal.NO_POSITION) if ahead is None else ahead


def text_again(at: DeskWork, booking_id: str, *, nonce: str) -> Texted | BookingRefused:
    """Send the confirmation once more, to the number on file and no other. Raises ValueError."""
    if not is_nonce(nonce):
        raise ValueError("not a form of this desk")
    rows.alone(at.connection, booking_id)
    found = read_booking(at.connection, at.store, booking_id)
    if found is None or not found.file.live:
        return BookingRefused(Refusal.UNKNOWN)
    file = found.file
    if not takes_texts(file.number):
        return BookingRefused(Refusal.NO_MOBILE)
    key = f"agent:{booking_id}:"
    told_before = was_told(at, file.number, key, nonce)
    if told_before is not None:
        return told_before
    whose = of_booking(at.connection, at.store, file)
    body = text_of_booking(
        at.store,
        load(at.desk.language),
        file.live,
        found.centres[file.live[0].centre_id],
        reference=file.reference,
        number=at.number_told(file.called),
        whose=whose,
    )
    message_id = write_message(
        at.connection,
        at.store,
        "sms",
        file.number or "",
        {"body": body},
        key=key + nonce,
        topic=Topic.AGAIN,
        booking_id=booking_id,
        call_id=at.desk.call_id or None,
        called=file.called or at.desk.called,
    )
    return Texted(message_id or "")


def was_told(
    at: DeskWork, number: str | None, key: str, nonce: str
) -> Texted | BookingRefused | None:
    """Whether a form was sent before, or the number told too often of this; None: neither.

    `key` is how the dedupe keys of all messages about it begin.
    """
    if rows.has_message(at.connection, key + nonce):
        return Texted()
    line = at.store.vault.index("phone", number)
    if rows.count_texts(at.connection, at.store.clock, line, key, DAY) >= TEXTS_A_DAY:
        return BookingRefused(Refusal.TOO_OFTEN)
    return None


def begun(found: FoundBooking, now: datetime) -> bool:
    """Whether everything that a booking has left lies behind."""
    return bool(found.file.live) and all(
        appointment.start_at <= now for appointment in found.file.live
    )
