"""Whether the time of a look-up tells a stranger that somebody is booked.

Known and unknown in turn, each in a transaction of its own, as a caller's would be: by a reference
that exists, with another birth date, and by one that does not; and by a calling number with a
booking, and by one without. Each pair is answered alike.
"""

from __future__ import annotations

import contextlib
import statistics
import time

from collections.abc import Callable, Iterable, Iterator
from datetime import date

from bench import store
from bench.servers import CannotMeasure
from flows.world import NotMine
from models.booking import bookings
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
BORN, ANOTHER_DATE = date(1942, 3, 12), date(1931, 7, 14)
# Whether an answer, to what is known and in a call, is as all of its kind.
LookUp = Callable[[str, str], bool]


def gap_ms(url: str) -> float:
    """Return how far the medians of known and unknown are apart, in milliseconds: the larger gap.

    In a new database at `url`, which is filled with bookings first. Raises CannotMeasure.
    """
    wanted = WARM + LOOK_UPS
    centres = store.fill(url, CENTRES, wanted // CENTRES, 1)
    with contextlib.closing(store.ServiceBookings(url)) as service:
        for number, holder in zip(range(wanted), store.holders(), strict=False):
            if not service.allocate(centres[number % CENTRES], holder):
                raise CannotMeasure("a booking was refused")
        kept = service.store
        with kept.database.transaction() as connection:
            rows = list(bookings.export(connection, kept.vault, with_people=True))
        references = [row.reference for row in rows]
        numbers = [row.person.number for row in rows if row.person is not None]
        others = (one for one in iter(kept.chance.reference, "") if one not in set(references))
        gaps = (
            _gap(references, others, _by_reference(kept)),
            _gap(numbers, _numbers("+3374"), _by_number(kept)),
        )
        with kept.database.statement() as connection:
            known = (connection, kept.clock, kept.vault)
            if not all(any_since(*known, one, "appointment:", ONE_IN) for one in numbers):
                raise CannotMeasure("an appointment was not written to its number")
    return round(max(gaps), 2)


def _by_reference(kept: Store) -> LookUp:
    numbers = _numbers("+3373")

    def look_up(reference: str, call_id: str) -> bool:
        with kept.database.transaction() as connection:
            found = find_booking(
                connection,
                kept,
                reference=reference,
                born=ANOTHER_DATE,
                caller=next(numbers),
                call_id=call_id,
            )
        return found is NotMine.TRY_AGAIN

    return look_up


def _by_number(kept: Store) -> LookUp:
    catalogue = load("fr")

    def look_up(number: str, call_id: str) -> bool:
        with kept.database.transaction() as connection:
            asked = text_booking(
                connection,
                kept,
                born=BORN,
                caller=number,
                call_id=call_id,
                catalogue=catalogue,
                national_number="+33974750001",
            )
        return asked is not None

    return look_up


def _numbers(begin: str) -> Iterator[str]:
    """Mobiles without a booking: those of the bookings begin otherwise."""
    return (f"{begin}{number:07d}" for number in range(10**7))


def _gap(known: Iterable[str], unknown: Iterable[str], look_up: LookUp) -> float:
    """Milliseconds between medians; the one of a pair that is first is second in the next."""
    times: tuple[list[float], list[float]] = ([], [])
    calls = store.holders()
    for number, pair in enumerate(zip(known, unknown, strict=False)):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            alike = look_up(pair[which], next(calls))
            times[which].append(1000 * (time.perf_counter() - started))
            if not alike:
                raise CannotMeasure("a look-up was answered otherwise than the others")
    known_ms, unknown_ms = (statistics.median(some[WARM:]) for some in times)
    return abs(known_ms - unknown_ms)
