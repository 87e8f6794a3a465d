"""Find a person's booking: three things known of them, or the person on the line; then a reason.

What is found is masked until a reason of a list is chosen; who searched for what, and each file
that was opened, is in the history of what staff did. A file counts, so that no person reads the
neighbours: beyond MOST_FILES in an hour a search without a caller is refused, and a supervisor is
told. An agent who has a caller on the line is never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from models import attempts
from models.accounts.staff import Staff
from models.booking import changes
from models.database import Connection
from models.desk import desk as rows
from models.desk.desk import BookingSeen
from models.supervision import alerts
from services.accounts.staff import read_file, record_act
from services.attempts import subject, tried
from services.booking.find_booking import (
    FoundBooking,
    read_booking,
)
from services.booking.stand_in import behind
from services.desk.watched import note_opened, words_of
from services.store import Store

REFERENCE_DIGITS = 10
SEARCHED = "searched"
# Without the person on the line, so much must be known of the person looked for.
LEAST_CRITERIA = 3
# Why a file is opened; words for each are below desk.search.why.
REASONS = ("asked", "rings_back", "message", "centre", "mistake", "complaint")
# What was found may be opened so long; then it is searched for anew.
FOUND_FOR = timedelta(hours=1)
# Files that a person may open in this time without their caller's own call as the reason. Enough
# for work, and no way to read the neighbours.
MOST_FILES = 60
FILES_WITHIN = timedelta(hours=1)
# The act of a person who reached it, and the board's alert.
TOO_MANY = ALERT = "search_limit"
_FILES = "desk_file"
_SHOWN_DIGITS = 2


class NoReason(Exception):
    """No file is opened without a reason of REASONS."""


class TooFewCriteria(Exception):
    """Too little is known of the person who is looked for."""


class TooManyProfiles(Exception):
    """MOST_FILES were searched for within FILES_WITHIN; that this was one more is written down."""


@dataclass(frozen=True)
class Criteria:
    """What is known of a person; empty is not known. `number` is E.164."""

    reference: str = ""
    number: str = ""
    born: date | None = None
    postcode: str = ""
    name: str = ""

    @property
    def given(self) -> tuple[str, ...]:
        """The names of those that are known."""
        named = ("reference", "number", "born", "postcode", "name")
        return tuple(name for name in named if getattr(self, name))

    def are_enough(self, *, on_line: bool) -> bool:
        """Whether so much may be searched by; `on_line`: the agent has a caller."""
        if on_line and (self.reference or (self.number and self.born)):
            return True
        return len(self.given) >= LEAST_CRITERIA

    def fit(self, name: str | None) -> bool:
        """Whether the name is this one of a booking, in any order and without accents."""
        return not self.name or words_of(self.name) <= words_of(name or "")


@dataclass(frozen=True)
class Masked:
    """What tells bookings apart that were found, and nothing more: the ends of their numbers."""

    id: str
    reference_end: str
    number_end: str
    channel: str
    live: bool


def search(
    connection: Connection,
    store: Store,
    staff: Staff,
    by: Criteria,
    *,
    on_line: bool,
) -> tuple[Masked, ...]:
    """The bookings that everything known fits, masked, in the caller's transaction.

    A search that finds nothing counts as one file: else guessing would cost nothing. Raises
    TooFewCriteria, TooManyProfiles.
    """
    if not by.are_enough(on_line=on_line):
        raise TooFewCriteria
    way = "+".join(by.given)
    if not _is_below_limit(connection, store, staff):
        _look_at_limit(connection, store, staff, why=way, stops=not on_line)
    fitting = rows.bookings_that_fit(
        connection,
        store.vault,
        reference=by.reference,
        number=by.number,
        born=by.born,
        postcode=by.postcode,
    )
    found = [booking for booking in _real(connection, store, fitting) if by.fit(booking.name)]
    if not found:
        count(connection, store, staff, 1, why=way, stops=not on_line)
    for booking_id in [booking.id for booking in found] or [""]:
        details = {"by": way, "found": len(found)}
        record_act(connection, store, staff.id, SEARCHED, booking_id, details=details)
    return tuple(_masked(booking) for booking in found)


def _real(
    connection: Connection, store: Store, fitting: Sequence[BookingSeen]
) -> Iterator[BookingSeen]:
    """These bookings, each once; for a stand-in the booking that there is."""
    seen = set[str]()
    for booking in fitting:
        found = _behind(connection, store, booking) if booking.is_stand_in else booking
        if found is not None and found.id not in seen:
            seen.add(found.id)
            yield found


def _behind(connection: Connection, store: Store, stand_in: BookingSeen) -> BookingSeen | None:
    file = changes.load(connection, store.vault, stand_in.id)
    real = behind(connection, store, file) if file else None
    return rows.booking_seen(connection, store.vault, real) if real else None


def open_found(
    connection: Connection,
    store: Store,
    staff: Staff,
    booking_id: str,
    *,
    reason: str,
    on_line: bool,
) -> FoundBooking | None:
    """A file that this agent found within FOUND_FOR, for a reason, which is written down.

    None where they did not find it. Raises NoReason, TooManyProfiles.
    """
    if reason not in REASONS:
        raise NoReason
    # After those who wait for each other, so that acts are numbered in the order of their writing.
    attempts.wait_for_others(connection, [_counted_for(store, staff)])
    if not rows.has_acted(connection, store.clock, staff.id, SEARCHED, booking_id, FOUND_FOR):
        return None
    count(connection, store, staff, 1, why=reason, stops=not on_line)
    read_file(connection, store, staff, booking_id, why=reason)
    found = read_booking(connection, store, booking_id)
    note_opened(connection, store, staff.id, found.file if found else None)
    return found


def count(
    connection: Connection,
    store: Store,
    staff: Staff,
    files: int,
    *,
    why: str,
    stops: bool = True,
) -> None:
    """Count files before they are read; one too many tells a supervisor.

    Raises TooManyProfiles where it `stops`: not
    while a caller is on the line.
    """
    who = _look_at_limit(connection, store, staff, why=why, stops=stops, more=files)
    attempts.add(connection, store.clock, [who] * files, good=True)


def _counted_for(store: Store, staff: Staff) -> attempts.Subject:
    return subject(store, _FILES, "staff", staff.id)


def _is_below_limit(connection: Connection, store: Store, staff: Staff) -> bool:
    """Whether one more file would be allowed, as far as transactions have ended that counted one.

    It waited for none that was under way. A search which finds a person counts nothing, so it may
    come before that one.
    """
    files = attempts.AttemptCountQuery(_counted_for(store, staff), FILES_WITHIN, failed=False)
    (before,) = attempts.counts(connection, store.clock, [files])
    return before < MOST_FILES


def _look_at_limit(
    connection: Connection,
    store: Store,
    staff: Staff,
    *,
    why: str,
    stops: bool,
    more: int = 1,
) -> attempts.Subject:
    """Who a file counts for. Raises TooManyProfiles."""
    who = _counted_for(store, staff)
    # No other transaction counts a file of this agent until this one ends.
    (before,) = tried(connection, store, [who], within=FILES_WITHIN, failed=False)
    if before + more <= MOST_FILES:
        return who
    told = rows.has_acted(connection, store.clock, staff.id, TOO_MANY, staff.id, FILES_WITHIN)
    if not told:
        record_act(connection, store, staff.id, TOO_MANY, staff.id, why, {"files": before})
        alert_id = store.chance.identifier()
        alerts.happened(
            connection, store.clock, alert_id, name=ALERT, value=before, threshold=MOST_FILES
        )
    if stops:
        raise TooManyProfiles
    return who


def _masked(found: BookingSeen) -> Masked:
    return Masked(
        found.id,
        found.reference[-_SHOWN_DIGITS:],
        (found.number or "")[-_SHOWN_DIGITS:],
        found.channel,
        found.live,
    )
