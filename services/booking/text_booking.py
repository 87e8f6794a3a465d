"""Write an appointment to the number it was booked with, for whoever rings from there.

Whoever rings may be anybody, for a calling number proves nothing: the answer goes by text to the
number on file and is the same to the ear whether there is an appointment or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from models.booking import changes
from models.booking.changes import NOBODY, Address, BookedAppointment, BookingDetails
from models.database import Connection
from models.messages import outbox
from models.messages.outbox import NewMessage
from prompts.catalogue import Catalogue
from services.attempts import count_text
from services.messages.texts import text_of_booking
from services.messages.topics import Topic
from services.store import Store

# One text for each number in so long, however often it is asked for.
ONE_IN = timedelta(minutes=10)
_KEY = "appointment:"
# Of none: the link to it takes as long to make.
_NO_REFERENCE = "0" * 10
_NOWHERE = Address(
    "nowhere", "Salle", "1 rue Haute", "75001", "Paris", "Europe/Paris", bookable=True
)
_NEVER = BookedAppointment(1, 0, 0, "nowhere", datetime(2100, 1, 1, tzinfo=UTC), "confirmed")


@dataclass(frozen=True)
class TextRequested:
    """`message_id` is of the text, or of none: to be told to whoever delivers, in any case."""

    message_id: str


def text_booking(
    connection: Connection,
    store: Store,
    *,
    born: date,
    caller: str,
    call_id: str,
    catalogue: Catalogue,
    national_number: str,
) -> TextRequested | None:
    """Put a text with the appointment, if there is one, into the outbox, in the transaction given.

    None when it was asked for too often; known or unknown, the same words and the same work, up to
    a text that is written and taken back. `caller` is E.164, of a mobile.
    """
    if not count_text(connection, store, caller=caller, call_id=call_id):
        return None
    booking_id = changes.id_by_number(connection, store.clock, store.vault, caller, born)
    file = changes.load_as_any(connection, store.vault, booking_id)
    now = store.clock.now()
    ahead = [one for one in file.live if one.start_at > now] or [_NEVER]
    centres = changes.addresses(connection, {one.centre_id for one in ahead})
    recent = outbox.any_since(connection, store.clock, store.vault, caller, _KEY, ONE_IN)
    message = NewMessage(
        id=store.chance.identifier(),
        kind="sms",
        dedupe_key=f"{_KEY}{store.chance.identifier()}",
        recipient=caller,
        payload={"body": _body(store, file, ahead, centres, catalogue, national_number)},
        booking_id=file.id,
        call_id=call_id,
        topic=Topic.AGAIN,
    )
    savepoint = connection.begin_nested()
    outbox.add(connection, store.clock, store.vault, message)
    if file.id == NOBODY.id or recent:
        savepoint.rollback()
    else:
        savepoint.commit()
    return TextRequested(message.id)


def _body(  # noqa: PLR0917
    store: Store,
    file: BookingDetails,
    ahead: Sequence[BookedAppointment],
    centres: Mapping[str, Address],
    catalogue: Catalogue,
    national_number: str,
) -> str:
    where = centres.get(ahead[0].centre_id, _NOWHERE)
    return text_of_booking(
        store,
        catalogue,
        ahead,
        where,
        reference=file.reference or _NO_REFERENCE,
        number=national_number,
    )
