"""A held and confirmed booking through the one door, beside the same SQL on the raw driver."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from sqlalchemy import make_url

from bench import load, servers
from bench.floors import libpq
from bench.servers import CannotMeasure, store_of
from flows.world import NotMine
from models.booking import bookings
from models.booking.reach import Proof
from models.centres.centres import CentreState, insert_new
from models.database import Database
from models.messages.look_ups import any_since
from models.migrations.runner import upgrade
from models.slots.slots import SlotsToOpen, open_slots
from prompts.catalogue import load as load_words
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.find_booking import find_booking
from services.booking.reach import Reach
from services.booking.text_booking import ONE_IN, text_booking
from services.campaign.campaign import Campaign
from services.slots.allocate import Allocate, Channel, Holder
from services.slots.offer import offer_at
from services.store import Store
from services.work import Work

PARIS = ZoneInfo("Europe/Paris")
_WHERE = CentreState("1", "Salle", "1 rue Haute", "75011", "Paris", PARIS.key)
CENTRES = 40
SLICE, SLICES = 95, 10
CAMPAIGN = Campaign(
    name="bench",
    minimum_age=75,
    radius_kilometres=100,
    horizon_days=300,
    lead=timedelta(minutes=5),
    hold_lease=timedelta(minutes=4),
    hold_longest=timedelta(minutes=20),
    few_places=12,
)


def fill(url: str, centres: int, starts: int, capacity: int) -> list[str]:
    """Centres of the bench, with slots an hour apart from tomorrow on."""
    upgrade(url)
    database = Database(url, pool_size=2)
    ids = [f"bench{number}" for number in range(centres)]
    found_centres(database, ids)
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    hours = [first + timedelta(hours=number) for number in range(starts)]
    for id_ in ids:
        open_slots(database, [SlotsToOpen(id_, hours, capacity)])
    database.dispose()
    servers.settle(url)
    return ids


def found_centres(database: Database, ids: Sequence[str]) -> None:
    """Make halls of ours, on a grid over the country, some ten kilometres from one to the next."""
    now = datetime.now(UTC)
    rows = [
        {
            "id": gid,
            "name": f"Salle {number}",
            "postcode": "75011",
            "town": "Paris",
            "departement": "75",
            "territory": "metropole",
            "latitude": 44.0 + (number // 32) * 0.14,
            "longitude": -1.0 + (number % 32) * 0.2,
            "time_zone": PARIS.key,
            "booking_mode": "ours",
            "source": "bench",
            "fingerprint": "",
            "created_at": now,
            "updated_at": now,
        }
        for number, gid in enumerate(ids)
    ]
    insert_new(database, rows)


class ServiceBookings:
    """A held and confirmed booking by the service's own code."""

    def __init__(self, url: str) -> None:
        self.store = store_of(url)
        self._catalogue = load_words("fr")
        self._numbers = itertools.count()

    def close(self) -> None:
        self.store.database.dispose()

    def allocate(self, centre_id: str, call_id: str) -> bool:
        store = self.store
        holder = Holder(Channel.PHONE, call_id)
        now = datetime.now(UTC)
        with store.database.transaction() as connection:
            door = Allocate(Work(connection, store, CAMPAIGN), holder)
            wish = door.wish(((now, now + timedelta(days=400)),))
            held = door.hold([centre_id], wish, PARIS)
        if not held:
            return False
        first = held[0].first
        number = int(call_id[2:34], 16)
        request = Request(
            holder=holder,
            offer=offer_at(_WHERE, first),
            born=date(1942, 3, 12),
            postcode="75011",
            number=f"+336{number % 10**8:08d}",
            text_to=f"+336{number % 10**8:08d}",
            call_id=call_id,
            # As of a call that comes from this number.
            reach=Reach(Proof.LINE),
        )
        with store.database.transaction() as connection:
            booked = confirm_booking(
                Work(connection, store, CAMPAIGN),
                request,
                catalogue=self._catalogue,
                national_number="+33974750001",
            )
        return isinstance(booked, Booked)


def ratio(url: str) -> float:
    """Return bookings a second through the door, as a part of those by hand.

    Short slices one after the other, on a database of its own at `url`. Raises CannotMeasure.
    """
    centres = fill(url, CENTRES, 500, 1)
    names, turn = holders(), itertools.cycle(centres)

    def rate(allocate: Callable[[str, str], bool]) -> float:
        started = time.perf_counter()
        if not all(allocate(next(turn), next(names)) for _ in range(SLICE)):
            raise CannotMeasure(f"a booking of {allocate.__qualname__} was refused")
        return SLICE / (time.perf_counter() - started)

    with (
        contextlib.closing(ServiceBookings(url)) as service,
        contextlib.closing(ByHand(url)) as by_hand,
    ):
        found = load.ratio(SLICES, lambda: rate(service.allocate), lambda: rate(by_hand.allocate))
    return round(found, 3)


def holders() -> Iterator[str]:
    stamp = time.time_ns() & 0xFFFFFFFFFFFF
    return (f"CA{stamp:012x}{number:020x}" for number in itertools.count())


# ---------------------------------------------------------------- by hand

# The statements are those of the service, written by hand for the driver, in the same two
# transactions; what the service seals and hashes comes ready made. The service stores booking,
# appointment and line in one statement; here they are three.
SEALED = b"s" * 60
FREE = """{t}.booking_id IS NULL AND {t}.blocked = false
    AND ({t}.held_by IS NULL OR {t}.hold_expires_at <= clock_timestamp())
    AND ({t}.released_at IS NULL OR {t}.released_at <= clock_timestamp())"""
HOLD = f"""WITH taken AS (UPDATE place
    SET held_by = %(holder)s,
        hold_expires_at = clock_timestamp() + make_interval(secs => 240),
        hold_limit_at = clock_timestamp() + make_interval(secs => 1200)
    WHERE ctid = (SELECT pick.ctid FROM place AS pick WHERE pick.centre_id = %(centre)s
        AND {FREE.format(t="pick")}
        AND pick.start_at >= %(earliest)s AND pick.start_at < %(latest)s
        ORDER BY pick.start_at, pick.lot, pick.id LIMIT 1 FOR UPDATE SKIP LOCKED)
    AND {FREE.format(t="place")}
    AND NOT EXISTS (SELECT * FROM call WHERE call.id = %(holder)s AND call.ended_at IS NOT NULL)
    RETURNING id, slot_id, centre_id, start_at
    ), noted AS (INSERT INTO held_place (holder, place_id) SELECT %(holder)s, id FROM taken)
    SELECT * FROM taken"""  # noqa: S608
COUNT = """SELECT count(*) FROM booking
    WHERE phone_idx = %(phone)s AND campaign = 'bench' AND state = 'confirmed'"""
BOOK = """UPDATE place SET held_by = NULL, hold_expires_at = NULL, hold_limit_at = NULL,
    booking_id = CASE WHEN id IN (%(place)s) THEN %(booking)s END
    WHERE held_by = %(holder)s
    AND id IN (SELECT place_id FROM held_place WHERE holder = %(holder)s) AND booking_id IS NULL
    AND (id NOT IN (%(place)s) OR hold_expires_at > clock_timestamp())
    RETURNING id, booking_id"""
BOOKING = """INSERT INTO booking (id, idempotency_key, reference_enc, reference_idx, channel,
    campaign, centre_id, state, call_id, dob_enc, dob_idx, phone_enc, phone_idx, postcode, rank,
    name_enc, last_start_at, created_at) VALUES (%(booking)s, %(key)s, %(sealed)s, %(reference)s,
    'phone', 'bench', %(centre)s, 'confirmed', %(holder)s, %(sealed)s, %(phone)s, %(sealed)s,
    %(phone)s, '75011', 1, NULL, %(start)s, clock_timestamp()) ON CONFLICT DO NOTHING"""
APPOINTMENT = """INSERT INTO appointment (booking_id, dose, place_id, centre_id, start_at, state,
    person_idx) VALUES (%(booking)s, 1, %(place)s, %(centre)s, %(start)s, 'confirmed', %(phone)s)
    ON CONFLICT (person_idx, dose) WHERE state = 'confirmed' AND person_idx IS NOT NULL
    DO NOTHING"""
HISTORY = """INSERT INTO history (booking_id, at, who, channel, what, why, details)
    VALUES (%(booking)s, clock_timestamp(), 'caller', 'phone', 'booked', '',
    '{"places":[1],"starts":[]}')"""
MESSAGE = """INSERT INTO message (id, kind, dedupe_key, booking_id, call_id, recipient_enc,
    recipient_idx, payload_enc, state, due_at, created_at, updated_at) VALUES (%(booking)s, 'sms',
    %(message_key)s, %(booking)s, %(holder)s, %(sealed)s, %(phone)s, %(sealed)s, 'pending',
    clock_timestamp(), clock_timestamp(), clock_timestamp()) ON CONFLICT DO NOTHING"""


class ByHand:
    """Allocates places at a centre, one after the other, on one connection."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(libpq(make_url(url)))

    def close(self) -> None:
        self._connection.close()

    def allocate(self, centre_id: str, holder: str) -> bool:
        """Hold the earliest place, then book it; False when none is free."""
        execute = self._connection.execute
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "holder": holder,
            "centre": centre_id,
            "earliest": now,
            "latest": now + timedelta(days=400),
        }
        held = execute(HOLD, values).fetchone()
        self._connection.commit()
        if held is None:
            return False
        unique = holder[2:].ljust(32, "0").encode()[:32]
        values |= {
            "booking": unique.decode(),
            "place": held[0],
            "start": held[3],
            "phone": unique[:16][::-1] + unique[16:],
            "reference": unique,
            "key": f"{holder}:1",
            "message_key": f"confirmation:{holder}:1",
            "sealed": SEALED,
        }
        execute(COUNT, values).fetchone()
        is_booked = bool(execute(BOOK, values).fetchall())
        if is_booked:
            for insert in (BOOKING, APPOINTMENT, HISTORY, MESSAGE):
                execute(insert, values)
        self._connection.commit()
        return is_booked


# ---------------------------------------------------------------- what the time of a look-up tells

# Known and unknown in turn, each in a transaction of its own: by a reference that exists, with
# another birth date, and by one that does not; by a calling number with a booking, and without.
# Of each of the four kinds; each by a caller and in a call of its own, so that no limit is reached.
LOOK_UPS = 700
# How many come first, uncounted: statements are prepared, caches are filled.
WARM = 50
BORN, ANOTHER_DATE = date(1942, 3, 12), date(1931, 7, 14)
# Whether an answer, to what is known and in a call, is as all of its kind.
LookUp = Callable[[str, str], bool]


def gap_ms(url: str) -> float:
    """Return how far the medians of known and unknown are apart, in milliseconds: the larger gap.

    In a new database at `url`, which is filled with bookings first. Raises CannotMeasure.
    """
    wanted = WARM + LOOK_UPS
    centres = fill(url, CENTRES, -(-wanted // CENTRES), 1)
    with contextlib.closing(ServiceBookings(url)) as service:
        for number, holder in zip(range(wanted), holders(), strict=False):
            if not service.allocate(centres[number % CENTRES], holder):
                raise CannotMeasure("a booking was refused")
        kept = service.store
        with kept.database.transaction() as connection:
            rows = list(bookings.export(connection, kept.vault, with_people=True))
        references = [row.reference for row in rows]
        numbers = [row.person.number for row in rows if row.person is not None]
        others = (ref for ref in iter(kept.chance.reference, "") if ref not in set(references))
        gaps = (
            _gap(references, others, _by_reference(kept)),
            _gap(numbers, _numbers("+3374"), _by_number(kept)),
        )
        with kept.database.statement() as connection:
            known = (connection, kept.clock, kept.vault)
            if not all(any_since(*known, number, "appointment:", ONE_IN) for number in numbers):
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
    catalogue = load_words("fr")

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
    calls = holders()
    for number, pair in enumerate(zip(known, unknown, strict=False)):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            alike = look_up(pair[which], next(calls))
            times[which].append(1000 * (time.perf_counter() - started))
            if not alike:
                raise CannotMeasure("a look-up was answered otherwise than the others")
    known_ms, unknown_ms = (statistics.median(some[WARM:]) for some in times)
    return abs(known_ms - unknown_ms)
