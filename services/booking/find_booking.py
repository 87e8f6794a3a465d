"""Find an appointment by its reference and the birth date; a stranger learns nothing by trying.

Whether a reference is unknown, or known with another birth date, is told by neither words nor time:
both take the same statements, the same decryptions and the same counted try.
"""

from __future__ import annotations

import hmac

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from flows.world import NotMine
from models.booking import changes, history
from models.booking.changes import BookingDetails
from models.booking.history import NewestChange
from models.centres.centres import CentreState, centre_states
from models.database import Connection
from services.attempts import Tries, before_look_up, count_try
from services.booking.change_booking import is_undoable
from services.slots.give_back import UNDO_WITHIN
from services.store import Store


@dataclass(frozen=True)
class FoundBooking:
    """A booking, where its appointments are, and whether a cancellation can be taken back now.

    `newest` is what was changed last.
    """

    file: BookingDetails
    centres: Mapping[str, CentreState]
    undo: bool
    newest: NewestChange


def find_booking(
    connection: Connection,
    store: Store,
    *,
    reference: str,
    born: date,
    caller: str,
    call_id: str,
) -> FoundBooking | NotMine:
    """Look up a booking for a caller, in their transaction, and count the try.

    `reference` is ten digits; `caller` is E.164 or empty. After three wrong tries in a call, or
    five in a day for a number or a reference, a right one finds nothing either; on the line that
    booked after twenty of the reference, whatever was tried from that line.
    """
    tries = before_look_up(connection, store, reference=reference, caller=caller, call_id=call_id)
    booking_id = changes.id_by_reference(connection, store.vault, reference)
    found = _read(connection, store, booking_id)
    return _answer(connection, store, tries, [found], born, caller)


def find_rung(  # noqa: PLR0917
    connection: Connection,
    store: Store,
    booking_id: str,
    others: Sequence[str],
    born: date,
    caller: str,
    call_id: str,
) -> FoundBooking | NotMine:
    """The booking that a number is rung about, by its birth date, and count the try.

    A line may be shared: of `others`, which are to be told of on the same line, the one of this
    birth date is found as well. Tries count with those of "my appointment".
    """
    own = _read(connection, store, booking_id)
    tries = before_look_up(
        connection, store, reference=own.file.reference, caller=caller, call_id=call_id
    )
    known = [own, *(_read(connection, store, other) for other in others)]
    return _answer(connection, store, tries, known, born, caller)


def _answer(  # noqa: PLR0917
    connection: Connection,
    store: Store,
    tries: Tries,
    known: Sequence[FoundBooking],
    born: date,
    caller: str,
) -> FoundBooking | NotMine:
    """The first of these bookings with this birth date, if a try is left; the try is counted."""
    right = [booking for booking in known if is_born(booking.file.born, born)]
    count_try(connection, store, tries, right=bool(right))
    is_owner = bool(right and caller) and right[0].file.number == caller
    if right and (tries.open or (is_owner and tries.open_to_owner)):
        return right[0]
    return NotMine.PERSON if right or not tries.again else NotMine.TRY_AGAIN


def is_born(known: date | None, born: date) -> bool:
    """Whether that is the birth date, in a time that tells nothing of it."""
    return hmac.compare_digest(known.isoformat() if known else "", born.isoformat())


def read_booking(connection: Connection, store: Store, booking_id: str) -> FoundBooking | None:
    """A booking as it is now, for a person who proved that it is theirs."""
    found = _read(connection, store, booking_id)
    return found if found.file.id == booking_id else None


def _read(connection: Connection, store: Store, booking_id: str | None) -> FoundBooking:
    asked = booking_id or changes.NO_FILE.id
    file = changes.load_as_any(connection, store.vault, booking_id)
    newest = history.newest_change(connection, store.clock, asked, UNDO_WITHIN)
    there = {appointment.centre_id for appointment in file.appointments} or {file.centre_id}
    centres = centre_states(connection, there)
    return FoundBooking(file, centres, is_undoable(store, file, newest), newest)
