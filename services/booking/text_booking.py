"""Write an appointment to the number it was booked with, for a caller from there.

Any person may ring, for a calling number proves nothing: the answer goes by text to the
number on file and is the same to the ear whether there is an appointment or not.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from models.booking import changes
from models.booking.changes import NO_FILE, BookedAppointment, BookingDetails
from models.centres.centres import CentreState, centre_state
from models.database import Connection
from models.messages import freezes, look_ups, outbox
from prompts.catalogue import Catalogue
from services.attempts import count_text
from services.messages.texts import text_of_booking
from services.messages.topics import Topic
from services.messages.whose import of_booking
from services.messages.write_message import write_message
from services.store import Store

# One text for each number in so long, however often it is asked for.
ONE_IN = timedelta(minutes=10)
_KEY = "appointment:"
# Of none: the link to it takes as long to make.
_NO_REFERENCE = "0" * 10
_NOWHERE = CentreState("nowhere", "Salle", "1 rue Haute", "75001", "Paris", "Europe/Paris")
_NEVER = BookedAppointment(1, 0, 0, "nowhere", datetime(2100, 1, 1, tzinfo=UTC), "confirmed")


def text_booking(
    connection: Connection,
    store: Store,
    *,
    born: date,
    caller: str,
    call_id: str,
    catalogue: Catalogue,
    national_number: str,
) -> str | None:
    """Put a text with the appointment, if there is one, into the outbox, in the transaction given.

    Gives the id of the text, or of none: the worker that delivers is told in any case. None when it
    was asked for too often, or nothing leaves after a restore. Known or unknown, the same words and
    the same work, up to a text that is written and taken back. `caller` is E.164, of a mobile.
    """
    # After a restore no text leaves, and silence would say that there is no appointment.
    if freezes.is_on(connection):
        return None
    if not count_text(connection, store, caller=caller, call_id=call_id):
        return None
    booking_id = changes.id_by_number(connection, store.clock, store.vault, caller, born)
    file = changes.load_as_any(connection, store.vault, booking_id)
    leaves = file.id != NO_FILE.id
    return text_or_not(
        connection,
        store,
        file,
        caller,
        leaves=leaves,
        key=_KEY,
        catalogue=catalogue,
        national_number=national_number,
        call_id=call_id,
    )


def text_or_not(
    connection: Connection,
    store: Store,
    file: BookingDetails,
    to: str,
    *,
    leaves: bool,
    key: str,
    catalogue: Catalogue,
    national_number: str,
    call_id: str | None = None,
) -> str:
    """Write what a booking has ahead to a number (E.164), and take it back unless it `leaves`.

    The same statements and the same text for any booking and for none. Taken back, too, is a text
    of a booking with nothing ahead, and the second of a `key` within ONE_IN. Gives the message's
    id, of none where it was taken back.
    """
    ahead = file.ahead(store.clock.now())
    shown = ahead or [_NEVER]
    where = centre_state(connection, shown[0].centre_id) or _NOWHERE
    recent = look_ups.any_since(connection, store.clock, store.vault, to, key, ONE_IN)
    body = text_of_booking(
        store,
        catalogue,
        shown,
        where,
        reference=file.reference or _NO_REFERENCE,
        number=national_number,
        whose=of_booking(connection, store, file),
    )
    message_id = write_message(
        connection,
        store,
        "sms",
        to,
        {"body": body},
        key=f"{key}{store.chance.identifier()}",
        topic=Topic.AGAIN,
        booking_id=file.id,
        call_id=call_id,
    )
    outbox.take_back(connection, message_id or "", leaves=bool(leaves and ahead and not recent))
    return message_id or ""
