"""Find somebody's bookings without their call as the reason: a reason is typed, and kept.

Whoever searches is no caller who might guess: nothing is hidden from them, and everything they
looked at is in the history of what staff did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from models import attempts
from models.accounts.staff import Staff
from models.booking import changes
from models.database import Connection
from models.desk import desk as rows
from services.accounts.staff import read_file, record_act
from services.attempts import subject, tried
from services.booking.find_booking import FoundBooking, read_booking
from services.booking.stand_in import behind
from services.store import Store

SHORTEST_REASON = 5
REFERENCE_DIGITS = 10
SEARCHED = "searched"
# Files that somebody may open in this time without their caller's own call as the reason. Enough
# for work, and no way to read the neighbours.
MOST_FILES = 60
FILES_WITHIN = timedelta(hours=1)
TOO_MANY = "search_limit"
_FILES = "desk_file"


class NoReason(Exception):
    """Nothing is looked up without a reason of at least SHORTEST_REASON letters."""


class TooManyProfiles(Exception):
    """MOST_FILES were searched for within FILES_WITHIN; that this was one more is written down."""


@dataclass(frozen=True)
class ByReference:
    """Ten digits."""

    reference: str


@dataclass(frozen=True)
class ByPerson:
    """A number (E.164) and a birth date."""

    number: str
    born: date


def search(
    connection: Connection,
    store: Store,
    staff: Staff,
    by: ByReference | ByPerson,
    *,
    reason: str,
) -> tuple[FoundBooking, ...]:
    """The bookings that are meant, in the caller's transaction. Raises NoReason, TooManyFiles.

    A search that finds nothing counts as one file: else guessing would cost nothing.
    """
    reason = " ".join(reason.split())
    if sum(letter.isalpha() for letter in reason) < SHORTEST_REASON:
        raise NoReason
    if isinstance(by, ByReference):
        found = changes.find_by_reference(connection, store.vault, by.reference)
        ids = [found.id] if found else []
        if found is not None and found.is_stand_in:
            # Staff see the booking that there is.
            real = behind(connection, store, found)
            ids = [real] if real else []
        way = "reference"
    else:
        ids = rows.bookings_of_person(connection, store.vault, by.number, by.born)
        way = "person"
    count(connection, store, staff, max(len(ids), 1), why=reason)
    if not ids:
        details = {"by": way, "found": 0}
        record_act(connection, store, staff.id, SEARCHED, "", reason, details)
    for one in ids:
        read_file(connection, store, staff, one, why=reason, by=way)
    read = (read_booking(connection, store, one) for one in ids)
    return tuple(one for one in read if one is not None)


def count(connection: Connection, store: Store, staff: Staff, files: int, *, why: str) -> None:
    """Count files that are searched for, before they are read. Raises TooManyFiles."""
    who = subject(store, _FILES, "staff", staff.id)
    (before,) = tried(connection, store, [who], within=FILES_WITHIN, failed=False)
    if before + files > MOST_FILES:
        record_act(connection, store, staff.id, TOO_MANY, "", why, {"files": before})
        raise TooManyProfiles
    attempts.add(connection, store.clock, [who] * files, good=True)
