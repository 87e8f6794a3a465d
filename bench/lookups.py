"""Whether the time of a look-up tells a stranger that somebody is booked.

Known and unknown in turn, in one process, each in a transaction of its own, as a caller's would be:
by a reference that exists, with another birth date, and by one that does not; and by a calling
number with a booking, and by one without. Each pair is answered alike.
"""

from __future__ import annotations

import contextlib
import statistics
import time

from collections.abc import Callable, Iterator
from datetime import date

from bench import store
from bench.servers import CannotMeasure
from flows.world import NotMine
from models.booking import bookings
from models.booking.bookings import BookedPerson, BookingRow
from models.messages.outbox import any_since
from prompts.catalogue import load
from services.booking.find_booking import find_booking
from services.booking.text_booking import ONE_IN, text_booking
from services.store import Store

# Of each of the four kinds; each by a caller and in a call of its own, so that no limit is reached.
LOOK_UPS = 700
# How many come first, uncounted: statements are prepared, caches are filled.
WARM = 50
CENTRES = 5
ANOTHER_DATE = date(1931, 7, 14)
# Milliseconds, of known ones and of unknown ones.
Times = tuple[list[float], list[float]]


def gap_ms(url: str) -> float:
    """Return how far the medians of known and unknown are apart, in milliseconds: the larger gap.

    In a new database at `url`, which is filled with bookings first. Raises CannotMeasure.
    """
    booked = _booked(url)
    with contextlib.closing(store.ServiceBookings(url)) as service:
        gaps = [_gap(times(service.store, booked)) for times in (_by_reference, _by_number)]
    return round(max(gaps), 2)


def _gap(times: Times) -> float:
    known, unknown = (statistics.median(some[WARM:]) for some in times)
    return abs(known - unknown)


def _booked(url: str) -> list[tuple[str, BookedPerson]]:
    """Fill the database; the reference and the person of each booking."""
    wanted = WARM + LOOK_UPS
    centres = store.fill(url, CENTRES, wanted // CENTRES, 1)
    with contextlib.closing(store.ServiceBookings(url)) as service:
        for number, holder in zip(range(wanted), store.holders(), strict=False):
            if not service.allocate(centres[number % CENTRES], holder):
                raise CannotMeasure("a booking was refused")
        with service.store.database.transaction() as connection:
            rows = bookings.export(connection, service.store.vault, with_people=True)
            return list(_people(rows))


def _people(rows: Iterator[BookingRow]) -> Iterator[tuple[str, BookedPerson]]:
    for row in rows:
        assert row.person is not None  # noqa: S101 - asked for
        yield row.reference, row.person


def _by_reference(store_: Store, booked: list[tuple[str, BookedPerson]]) -> Times:
    numbers = _numbers("+3373")

    def look_up(reference: str, call_id: str) -> bool:
        with store_.database.transaction() as connection:
            found = find_booking(
                connection,
                store_,
                reference=reference,
                born=ANOTHER_DATE,
                caller=next(numbers),
                call_id=call_id,
            )
        return found is NotMine.TRY_AGAIN

    known = {reference for reference, _ in booked}
    others = (one for one in iter(store_.chance.reference, "") if one not in known)
    return _in_turns([reference for reference, _ in booked], others, look_up)


def _by_number(store_: Store, booked: list[tuple[str, BookedPerson]]) -> Times:
    catalogue = load("fr")
    born = date.fromisoformat(booked[0][1].born)

    def look_up(number: str, call_id: str) -> bool:
        with store_.database.transaction() as connection:
            asked = text_booking(
                connection,
                store_,
                born=born,
                caller=number,
                call_id=call_id,
                catalogue=catalogue,
                national_number="+33974750001",
            )
        return asked is not None

    numbers = [person.number for _, person in booked]
    times = _in_turns(numbers, _numbers("+3374"), look_up)
    with store_.database.statement() as connection:
        written = [
            any_since(connection, store_.clock, store_.vault, number, "appointment:", ONE_IN)
            for number in numbers
        ]
    if not all(written):
        raise CannotMeasure("an appointment that there is was not written to its number")
    return times


def _numbers(begin: str) -> Iterator[str]:
    """Mobiles without a booking: those of the bookings begin otherwise."""
    return (f"{begin}{number:07d}" for number in range(10**7))


def _in_turns(
    known: list[str], unknown: Iterator[str], look_up: Callable[[str, str], bool]
) -> Times:
    """Milliseconds of each; the one of a pair that is first is second in the next."""
    times: Times = ([], [])
    calls = store.holders()
    for number, pair in enumerate(zip(known, unknown, strict=False)):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            alike = look_up(pair[which], next(calls))
            times[which].append(1000 * (time.perf_counter() - started))
            if not alike:
                raise CannotMeasure("a look-up was answered otherwise than the others")
    return times
