"""Confirm: the place, the booking, its reference and its message, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from flows.session import Offer
from flows.world import Unbooked
from models.booking import bookings, changes, hourly, look_up
from models.booking.bookings import STAND_IN, Added, NewBooking, NewService
from models.booking.history import Change
from models.booking.look_up import Known, OnOneNumber
from models.rows import record
from prompts.catalogue import Catalogue
from services.booking import reach, stand_in
from services.booking.reach import NOTHING_KNOWN, Asking, Reach, Verdict, alike_of, row_of
from services.messages import texts
from services.messages.mails import write_mail
from services.messages.phone_capabilities import takes_texts
from services.messages.spend import day_of, prefix_of
from services.messages.texts import MessagePlace, Writer
from services.messages.topics import Topic
from services.messages.whose import Whose
from services.messages.write_message import open_case, write_message
from services.slots.allocate import STAFF, Allocate, Channel, Holder
from services.slots.give_back import give_back_holds, give_back_places
from services.slots.offer import chosen_of
from services.work import Work

# Two references are the same once in 9 * 10**9 bookings; three in a row is a broken source.
REFERENCE_TRIES = 3


# The kind of a case: its line has more bookings than the campaign lets a number have.
CROWDED_NUMBER = "crowded_number"


class NoReference(Exception):
    """No unused reference could be found."""


@record(frozen=True)
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
    # The caller asks for another person, or for two: twins share a birth date and a line.
    for_other: bool = False
    # One of two who are booked together: their texts say whose each is.
    of_two: bool = False
    # Groups of the campaign that the person certified to belong to.
    groups: tuple[str, ...] = ()
    name: str | None = None
    # An address of e-mail (`services.messages.mails.address`).
    mail: str | None = None
    who: str = "caller"
    # Whether they want to be rung about it: the same evening, and before.
    calls: bool = False
    # A desk books many; which of the holder's bookings this is, so that a copy of it is none.
    idempotency_suffix: str = "1"
    reach: Reach = NOTHING_KNOWN
    # The number of ours that they called, where this is no call; None: that of the call.
    called: str | None = None

    @cached_property
    def asking(self) -> Asking:
        """What the limits of bookings without a proof look at."""
        return Asking(
            self.holder,
            self.who,
            self.born,
            self.postcode,
            self.number,
            self.reach,
            self.offer.centre_id,
            datetime.fromisoformat(self.offer.start_at),
        )


@record(frozen=True)
class Booked:
    """What was booked. `message_id`: of what was written to the number; None for nothing.

    `stand_in`: nothing was, for the person has a booking; the caller is told as if it were.
    `text_leaves`: no budget of texts is spent that holds it back today.
    """

    reference: str
    message_id: str | None
    stand_in: bool = False
    text_leaves: bool = True


def confirm_booking(
    work: Work, request: Request, *, catalogue: Catalogue, national_number: str
) -> Booked | Unbooked:
    """Book all doses or none, in the caller's transaction; `catalogue` is of what they speak.

    A hold that ran out is never confirmed; where the same slot still has a place, it is taken anew.
    A person who is booked already gets a stand-in (services.booking.stand_in), by as many
    statements of the same kinds. Beyond the limits of `services.booking.reach` nothing is booked,
    and the hold stays. Raises NoReference.
    """
    booking_id = work.store.chance.identifier()
    if request.rank == 1 and request.for_other:
        rank = rank_of(work, request.born, request.number, for_other=True)
        request = replace(request, rank=rank)
    there = _known(work, request)
    verdict = reach.verdict(work, request.asking, there)
    if verdict is Verdict.NOT_PROVED:
        # What was chosen is held on, until there is a proof.
        hourly.proof_asked(work.connection, work.store.clock, request.offer.centre_id)
        return Unbooked.NOT_PROVED
    if verdict is Verdict.TOO_MANY:
        # As for a repeat: what cannot be booked is not kept from others either.
        give_back_holds(work.connection, request.holder.id)
        _tell_if_known(work, request, there.booking_id)
        return Unbooked.PERSON
    if there.booking_id is not None and request.holder.channel in STAFF:
        give_back_holds(work.connection, request.holder.id)
        return _known_at_a_desk(work, request, there)
    made = _make(work, request, there, booking_id, language=catalogue.language)
    if isinstance(made, Unbooked):
        return made
    if verdict is Verdict.CROWDED and not made.stand_in:
        open_case(work.connection, work.store, CROWDED_NUMBER, "", booking_id=made.id)
    told = _write(
        work,
        request,
        there,
        made,
        catalogue=catalogue,
        national_number=national_number,
        leaves=verdict is not Verdict.NO_TEXT,
    )
    mailed = None
    if request.mail is not None:
        # A stand-in is told like a booking: a mail that does not come would tell who is booked.
        mailed = write_mail(
            work.connection,
            work.store,
            request.mail,
            made.id,
            call_id=_caused_by(request),
            of_two=request.of_two,
        )
    return Booked(made.reference, told or mailed, made.stand_in, text_leaves=not there.spent)


@record(frozen=True)
class _Made:
    """A booking, or a stand-in for the one that is there (`known`)."""

    id: str
    reference: str
    starts: list[datetime]
    stand_in: bool
    known: str | None


def _make(
    work: Work, request: Request, there: Known, booking_id: str, *, language: str
) -> _Made | Unbooked:
    """Take the places and store it, with its line of history."""
    offer, chosen, asking = request.offer, chosen_of(request.offer), request.asking
    stands_in = there.booking_id is not None
    allocator = Allocate(work, request.holder)
    place_ids = allocator.book(chosen, booking_id, stand_in=stands_in)
    if place_ids is None:
        return Unbooked.GONE
    starts = [place.start_at for place in chosen]
    new = NewBooking(
        id=booking_id,
        idempotency_key=f"{request.holder.id}:{request.idempotency_suffix}",
        channel=request.holder.channel,
        campaign=work.campaign.name,
        centre_id=offer.centre_id,
        call_id=request.call_id,
        born=request.born,
        number=request.number,
        postcode=request.postcode,
        doses=tuple(zip(place_ids, starts, strict=True)),
        rank=request.rank,
        name=request.name,
        mail=request.mail,
        language=language,
        calls=request.calls,
        reach=asking.proof,
        place_idx=reach.place_idx(work, asking),
        stand_in=stands_in,
        services=_services(work, len(chosen)),
        called=request.called,
        hashes=there.hashes,
        **asking.resembles(work.store.vault, request.name),
    )
    reference = _store(work, new, _line(work, request, place_ids, starts, stand_in=stands_in))
    if reference is None:
        # The person was booked by another transaction since it was looked.
        give_back_places(work.connection, booking_id)
        there, stands_in = _known(work, request), True
        if request.holder.channel in STAFF:
            return _known_at_a_desk(work, request, there)
        line = _line(work, request, place_ids, starts, stand_in=True)
        reference = _store(work, replace(new, stand_in=True), line)
        if reference is None:
            raise NoReference
    return _Made(booking_id, reference, starts, stands_in, there.booking_id)


def _line(
    work: Work,
    request: Request,
    place_ids: Sequence[int],
    starts: Sequence[datetime],
    *,
    stand_in: bool,
) -> Change:
    """The line of its history."""
    details: dict[str, Any] = {
        "places": list(place_ids),
        "starts": [start.isoformat() for start in starts],
        # `flask store verify` asks the outbox for it.
        "text": request.text_to is not None,
    }
    if request.for_other:
        details["for"] = "other"
    if request.groups:
        details["groups"] = list(request.groups)
    if work.services:
        details["services"] = list(work.services)
    what = STAND_IN if stand_in else "booked"
    return Change(request.who, request.holder.channel, what, details=details)


def _services(work: Work, appointments: int) -> tuple[NewService, ...]:
    """What is done in so many appointments; nothing where the campaign is of no named service."""
    if not work.services:
        return ()
    if not work.beside:
        one = work.campaign
        return tuple(
            NewService(one.service, one.name, dose, dose) for dose in range(1, appointments + 1)
        )
    # Several in one place, or the first of them in the first place and the others beside.
    return tuple(
        NewService(one.service, one.name, min(number, appointments))
        for number, one in enumerate(work.campaigns, start=1)
    )


def _write(
    work: Work,
    request: Request,
    there: Known,
    made: _Made,
    *,
    catalogue: Catalogue,
    national_number: str,
    leaves: bool,
) -> str | None:
    """Put its text into the outbox; gives the message's id, None where none was wished.

    One that does not leave is written like the others: its time would tell a visitor that a person
    else typed that number today.
    """
    if request.text_to is None:
        return None
    offer, hashes = request.offer, there.hashes
    zone = ZoneInfo(offer.time_zone)
    link = work.store.link_of(made.reference, made.starts)
    # Written for a stand-in, too, where it is thrown away: it takes as long.
    body = texts.confirmation(
        Writer(catalogue, made.reference, national_number, link, _whose(work, request, there)),
        starts=[start.astimezone(zone) for start in made.starts],
        where=MessagePlace.of(offer),
    )
    if made.stand_in and leaves:
        number = request.number or request.text_to
        return stand_in.tell(
            work.connection, work.store, number, made.known, call_id=_caused_by(request)
        )
    return write_message(
        work.connection,
        work.store,
        "sms",
        request.text_to,
        {"body": body},
        key=f"confirmation:{made.id}:1",
        topic=Topic.CONFIRMATION,
        booking_id=made.id,
        call_id=_caused_by(request),
        leaves=leaves,
        recipient_idx=hashes.phone if hashes and request.text_to == request.number else None,
    )


def _whose(work: Work, request: Request, there: Known) -> Whose | None:
    """Whose its text is, where the number has another's or is about to have one."""
    people: Sequence[OnOneNumber] = there.people
    if request.number is None:
        # Nothing was known of a number that its text alone goes to.
        people = changes.people_at(
            work.connection,
            work.store.clock,
            work.store.vault,
            "phone",
            request.text_to or "",
            work.campaign.name,
        )
    among = Whose.among(request.born, request.rank, people) if people else None
    return among or (Whose(request.born) if request.of_two else None)


def _caused_by(request: Request) -> str | None:
    """The call or web session whose client the text counts for."""
    on_the_web = request.holder.channel is Channel.WEB
    return request.holder.id if on_the_web else request.call_id


def rank_of(work: Work, born: date, number: str | None, *, for_other: bool) -> int:
    """2 for another person of a birth date that is booked on this phone already; else 1."""
    keys = (
        bookings.person_idx(work.store.vault, campaign.name, born, number, 1)
        for campaign in (work.campaigns if for_other else ())
    )
    persons = [key for key in keys if key is not None]
    if not persons or look_up.find_person(work.connection, *persons) is None:
        return 1
    return 2


def _known(work: Work, request: Request) -> Known:
    """What is booked on the number already, and for the person; nothing where there is none."""
    if request.number is None:
        return Known()
    vault = work.store.vault
    return look_up.known(
        work.connection,
        work.store.clock,
        vault,
        [campaign.name for campaign in work.campaigns],
        request.number,
        request.born,
        [
            bookings.person_idx(vault, campaign.name, request.born, request.number, request.rank)
            for campaign in work.campaigns
        ],
        day=day_of(work.store),
        prefix=prefix_of(request.number).encode(),
        in_a_row=row_of(vault, request.number),
        alike=alike_of(vault, request.born, request.postcode),
        of_services=bool(work.services),
    )


def _known_at_a_desk(work: Work, request: Request, there: Known) -> Unbooked:
    """Staff see who is booked; the person has it in writing once more."""
    if request.number is not None and takes_texts(request.number):
        stand_in.tell(
            work.connection,
            work.store,
            request.number,
            there.booking_id,
            call_id=_caused_by(request),
        )
    return Unbooked.PERSON


def _tell_if_known(work: Work, request: Request, booking_id: str | None) -> None:
    """Write to a person who is booked already; for another person the same, and take it back."""
    if request.number is None or not takes_texts(request.number):
        return
    savepoint = work.connection.begin_nested()
    stand_in.tell(
        work.connection, work.store, request.number, booking_id, call_id=_caused_by(request)
    )
    if booking_id is None:
        savepoint.rollback()
    else:
        savepoint.commit()


def _store(work: Work, new: NewBooking, line: Change) -> str | None:
    """Store it and give its reference; None for a person who is booked already."""
    store = work.store
    for _ in range(REFERENCE_TRIES):
        reference = store.chance.reference()
        added = bookings.add(work.connection, store.clock, store.vault, new, reference, line)
        if added is Added.DONE:
            return reference
        if added is Added.REPEATED:
            return None
    raise NoReference
