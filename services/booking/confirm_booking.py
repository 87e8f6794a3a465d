"""Confirm: the place, the booking, its reference and its message, all in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from flows.session import Offer
from flows.world import Unbooked
from models.booking import bookings, changes, history
from models.booking.bookings import Added, NewBooking
from models.booking.history import Change
from models.booking.reach import Proof
from models.centres.centres import centre_states
from models.database import Connection
from models.rows import from_row
from prompts.catalogue import Catalogue
from services.booking import reach
from services.booking.reach import NOTHING_KNOWN, Asking, Reach, Verdict
from services.messages import texts
from services.messages.phone_capabilities import takes_texts
from services.messages.texts import MessagePlace, Writer, text_of_booking
from services.messages.topics import Topic
from services.messages.write_message import write_message
from services.slots.allocate import Allocate, Holder
from services.slots.give_back import give_back_holds, give_back_places
from services.slots.offer import chosen_of
from services.store import Store
from services.work import Work

# Two references are the same once in 10**10 bookings; three in a row is a broken source.
REFERENCE_TRIES = 3


class NoReference(Exception):
    """No unused reference could be found."""


@dataclass(frozen=True)
class Request:
    """What is to be booked: the places of an offer that `holder` holds, for one person.

    `number` (E.164) is where the person can be reached or None; `text_to` is where the
    confirmation goes as a text, or None for nowhere.
    """

    holder: Holder
    offer: Offer
    born: date
    postcode: str
    number: str | None
    text_to: str | None
    call_id: str | None = None
    # 2: a second person of this birth date on this phone, asked for as someone else.
    rank: int = 1
    # Whoever asks does so for somebody else, or for two: twins share a birth date and a line.
    for_other: bool = False
    # Groups of the campaign that the person certified to belong to.
    groups: tuple[str, ...] = ()
    name: str | None = None
    who: str = "caller"
    # Whether they want to be rung about it: the same evening, and before.
    calls: bool = False
    # A desk books many; which of the holder's bookings this is, so that a copy of it is none.
    idempotency_suffix: str = "1"
    reach: Reach = NOTHING_KNOWN

    @property
    def asking(self) -> Asking:
        """What the limits of bookings without a proof look at."""
        return Asking(self.holder, self.who, self.born, self.postcode, self.number, self.reach)


@dataclass(frozen=True)
class Booked:
    """`untexted`: no text went to the number, for it had one today and nobody proved it."""

    reference: str
    message_id: str | None
    untexted: bool = False


def confirm_booking(
    work: Work, request: Request, *, catalogue: Catalogue, national_number: str
) -> Booked | Unbooked:
    """Book all doses or none, in the caller's transaction; `catalogue` is of what they speak.

    A hold that ran out is never confirmed; where the same slot still has a place, it is taken anew.
    Beyond the limits of `services.booking.reach` nothing is booked, and the hold stays. Raises
    NoReference.
    """
    booking_id = work.store.chance.identifier()
    clock = work.store.clock
    if request.rank == 1:
        rank = rank_of(work, request.born, request.number, for_other=request.for_other)
        request = replace(request, rank=rank)

    def text_again() -> None:
        _text_again(work, request, catalogue=catalogue, number=national_number)

    asking = request.asking
    verdict = reach.verdict(work, asking)
    if verdict is Verdict.NOT_PROVED:
        # What was chosen is held on, until there is a proof.
        return Unbooked.NOT_PROVED
    if verdict is Verdict.TOO_MANY:
        # As for a repeat: what cannot be booked is not kept from others either.
        give_back_holds(work.connection, request.holder.id)
        text_again()
        return Unbooked.PERSON
    allocator = Allocate(work, request.holder)
    offer, chosen = request.offer, chosen_of(request.offer)
    place_ids = allocator.book(chosen, booking_id)
    if place_ids is None:
        return Unbooked.GONE
    starts = [one.start_at for one in chosen]
    new = from_row(
        NewBooking,
        request,
        id=booking_id,
        idempotency_key=f"{request.holder.id}:{request.idempotency_suffix}",
        channel=request.holder.channel,
        campaign=work.campaign.name,
        centre_id=offer.centre_id,
        doses=tuple(zip(place_ids, starts, strict=True)),
        language=catalogue.language,
        reach=asking.proof,
        place_idx=reach.place_idx(work, asking),
        **reach.resemblance(work, asking, request.name),
    )
    reference = _store(work.connection, work.store, new)
    if reference is None:
        give_back_places(work.connection, booking_id)
        text_again()
        return Unbooked.PERSON
    untexted = verdict is Verdict.NO_TEXT and request.text_to is not None
    text_to = None if untexted else request.text_to
    history.add(
        work.connection,
        clock,
        booking_id,
        Change(
            who=request.who,
            channel=request.holder.channel,
            what="booked",
            details={
                "places": list(place_ids),
                "starts": [start.isoformat() for start in starts],
                # `flask store verify` asks the outbox for it.
                "text": text_to is not None,
                **({"for": "other"} if request.for_other else {}),
                **({"groups": list(request.groups)} if request.groups else {}),
            },
        ),
    )
    if text_to is None:
        return Booked(reference, None, untexted=untexted)
    zone = ZoneInfo(offer.time_zone)
    link = work.store.link_of(reference, starts)
    body = texts.confirmation(
        Writer(catalogue, reference, national_number, link),
        starts=[start.astimezone(zone) for start in starts],
        where=MessagePlace.of(offer),
    )
    message_id = write_message(
        work.connection,
        work.store,
        "sms",
        text_to,
        {"body": body},
        key=f"confirmation:{booking_id}:1",
        topic=Topic.CONFIRMATION,
        booking_id=booking_id,
        call_id=request.call_id,
    )
    return Booked(reference, message_id)


def rank_of(work: Work, born: date, number: str | None, *, for_other: bool) -> int:
    """2 for somebody else of a birth date that is booked on this phone already; else 1."""
    person = (
        bookings.person_idx(work.store.vault, work.campaign.name, born, number, 1)
        if for_other
        else None
    )
    if person is None or bookings.find_person(work.connection, person) is None:
        return 1
    return 2


def _store(connection: Connection, store: Store, new: NewBooking) -> str | None:
    """Store it and give its reference; None for a person who is booked already."""
    for _ in range(REFERENCE_TRIES):
        reference = store.chance.reference()
        added = bookings.add(connection, store.clock, store.vault, new, reference)
        if added is Added.DONE:
            return reference
        if added is Added.REPEATED:
            return None
    raise NoReference


def _text_again(work: Work, request: Request, *, catalogue: Catalogue, number: str) -> None:
    """Remind a person of the booking that is there, once a day, at the number on its file.

    An honest caller who forgot learns so by text; whoever asks for somebody else learns nothing. A
    number that was only typed, for that booking and now, gets no text more.
    """
    person = bookings.person_idx(
        work.store.vault, work.campaign.name, request.born, request.number, request.rank
    )
    booking_id = bookings.find_person(work.connection, person) if person else None
    file = changes.load(work.connection, work.store.vault, booking_id) if booking_id else None
    if file is None or not file.live or not takes_texts(file.number):
        return
    if file.reach == Proof.NONE and request.asking.proof is Proof.NONE:
        return
    first = file.live[0]
    where = centre_states(work.connection, [first.centre_id])[first.centre_id]
    body = text_of_booking(
        work.store, catalogue, file.live, where, reference=file.reference, number=number
    )
    today = work.store.clock.now().astimezone(ZoneInfo(where.time_zone)).date()
    write_message(
        work.connection,
        work.store,
        "sms",
        file.number or "",
        {"body": body},
        key=f"again:{file.id}:{today.isoformat()}",
        topic=Topic.AGAIN,
        booking_id=file.id,
    )
