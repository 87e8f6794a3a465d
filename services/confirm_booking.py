"""Confirm: the place, the booking, its reference and its message, all in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from models import bookings, outbox, places
from models.bookings import NewBooking
from models.database import Connection
from models.outbox import NewMessage
from prompts.catalogue import Catalogue
from services.campaign import Campaign
from services.confirmation_text import confirmation_text
from services.store import Store

# Two references are the same once in 10**10 bookings; three in a row is a broken source.
REFERENCE_TRIES = 3


class NoReference(Exception):
    """No unused reference could be found."""


@dataclass(frozen=True)
class Request:
    """What is to be booked: a place held by `holder`, for one person.

    `number` (E.164) is where the person can be reached or None; `text_to` is where the
    confirmation goes as a text, or None for nowhere. `start_at` is UTC.
    """

    holder: str
    channel: str
    place_id: int
    slot_id: int
    centre_id: str
    start_at: datetime
    local_start: datetime
    street: str
    centre_name: str
    town: str
    centre_postcode: str
    born: date
    postcode: str
    number: str | None
    text_to: str | None
    call_id: str | None = None


@dataclass(frozen=True)
class Booked:
    reference: str
    message_id: str | None


def confirm_booking(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    request: Request,
    *,
    catalogue: Catalogue,
    national_number: str,
) -> Booked | None:
    """Book in the caller's transaction; None when the place went meanwhile.

    A hold that ran out is never confirmed; where the same slot still has a place, it is taken anew.
    Raises NoReference.
    """
    booking_id = store.chance.identifier()
    clock = store.clock
    place_id = request.place_id
    if not places.book(connection, clock, request.holder, place_id, booking_id):
        again = places.hold_slot(
            connection,
            clock,
            request.holder,
            request.slot_id,
            lease=campaign.hold_lease,
            longest=campaign.hold_longest,
        )
        if not again:
            return None
        place_id = again[0].place_id
        if not places.book(connection, clock, request.holder, place_id, booking_id):
            return None
    places.release(connection, request.holder)
    new = NewBooking(
        id=booking_id,
        idempotency_key=f"{request.holder}:1",
        channel=request.channel,
        campaign=campaign.name,
        centre_id=request.centre_id,
        call_id=request.call_id,
        born=request.born,
        number=request.number,
        postcode=request.postcode,
        doses=((place_id, request.start_at),),
    )
    reference = _store(connection, store, new)
    if request.text_to is None:
        return Booked(reference, None)
    body = confirmation_text(
        catalogue,
        start=request.local_start,
        street=request.street,
        centre_name=request.centre_name,
        postcode=request.centre_postcode,
        town=request.town,
        reference=reference,
        number=national_number,
    )
    message = NewMessage(
        id=store.chance.identifier(),
        kind="sms",
        dedupe_key=f"confirmation:{booking_id}:1",
        recipient=request.text_to,
        payload={"body": body},
        booking_id=booking_id,
        call_id=request.call_id,
    )
    outbox.add(connection, clock, store.vault, message)
    return Booked(reference, message.id)


def _store(connection: Connection, store: Store, new: NewBooking) -> str:
    for _ in range(REFERENCE_TRIES):
        reference = store.chance.reference()
        if bookings.add(connection, store.clock, store.vault, new, reference):
            return reference
    raise NoReference
