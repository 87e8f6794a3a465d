"""The slot store by itself: what the one door costs, and how it bears many slots.

`ratio` compares a held and confirmed booking with the same SQL on the raw driver, in turns on the
same database. `growth` times the search for a pair of appointments among 100,000 slots and among
10,000,000.
"""

from __future__ import annotations

import contextlib
import itertools
import time

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import text

from bench import bulk, messages, servers, timing
from bench.by_hand import ByHand
from bench.servers import CannotMeasure, migrate, opened, store_of
from bench.timing import Growth
from models.booking.reach import Proof
from models.centres.centres import CentreState, insert_new
from models.database import Database
from models.slots.slots import SlotsToOpen, open_slots
from prompts.catalogue import load
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.reach import Reach
from services.campaign.campaign import Campaign
from services.centres.directory import Directory
from services.slots.allocate import Allocate, Channel, Holder
from services.slots.give_back import give_back_holds
from services.slots.hold_slot import HoldRequest, hold_slots
from services.slots.offer import offer_at
from services.work import Work

PARIS = ZoneInfo("Europe/Paris")
_WHERE = CentreState("1", "Salle", "1 rue Haute", "75011", "Paris", PARIS.key)
CENTRES = 40
SLICE, SLICES = 95, 10
# The smaller and the larger number of slots, and how many searches are timed on each.
FEW, MANY = 100_000, 10_000_000
GROWTH_CENTRES = 1000
# Each goes to one of so many towns and days, the smallest number that all its remainders divide.
# Each of them was searched eight times before it counts: so often until what the large table has
# for them is in the server's memory. With eight that count two tables were 1.034 to 1.085.
QUESTIONS = 480
SEARCHES, WARM = 12 * QUESTIONS, 8 * QUESTIONS
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
    migrate(url)
    database = Database(url, pool_size=2)
    ids = [f"bench{number}" for number in range(centres)]
    _found_centres(database, ids)
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    hours = [first + timedelta(hours=number) for number in range(starts)]
    for one in ids:
        open_slots(database, [SlotsToOpen(one, hours, capacity)])
    database.dispose()
    servers.settle(url)
    return ids


def _found_centres(database: Database, ids: Sequence[str]) -> None:
    now = datetime.now(UTC)
    insert_new(database, [a_centre(one, number, now) for number, one in enumerate(ids)])


def a_centre(one: str, number: int, now: datetime) -> dict[str, object]:
    """A row of `centre`: a hall of ours, at its place on a grid over the country."""
    return {
        "id": one,
        "name": f"Salle {number}",
        "street": "1 rue Haute",
        "postcode": "75011",
        "insee": "75111",
        "town": "Paris",
        "departement": "75",
        "territory": "metropole",
        # A grid over the country, some ten kilometres from one to the next.
        "latitude": 44.0 + (number // 32) * 0.14,
        "longitude": -1.0 + (number % 32) * 0.2,
        "time_zone": "Europe/Paris",
        "phones": "[]",
        "booking_link": "",
        "booking_mode": "ours",
        "hours": "{}",
        "notes": "",
        "opens_on": None,
        "closes_on": None,
        "source": "bench",
        "fingerprint": "",
        "closed_at": None,
        "created_at": now,
        "updated_at": now,
    }


class ServiceBookings:
    """A held and confirmed booking by the service's own code."""

    def __init__(self, url: str) -> None:
        self.store = store_of(url)
        self._catalogue = load("fr")
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
        found = timing.ratio(SLICES, lambda: rate(service.allocate), lambda: rate(by_hand.allocate))
    return round(found, 3)


def holders() -> Iterator[str]:
    stamp = time.time_ns() & 0xFFFFFFFFFFFF
    return (f"CA{stamp:012x}{number:020x}" for number in itertools.count())


def grown(new: Callable[[str], str]) -> dict[str, float]:
    """What a search and a look at the outbox take among few and among many, under flat keys.

    `new` makes a database with that name and all tables. Raises CannotMeasure.
    """
    slots, texts = (new("few"), new("many")), (new("short"), new("long"))
    filling = [
        *((_fill_many, url, count) for url, count in zip(slots, (FEW, MANY), strict=True)),
        *((messages.fill, url, count) for url, count in zip(texts, messages.SIZES, strict=True)),
    ]
    # On two cores in little more than the time of one.
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: one[0](*one[1:]), filling))
    # A search among many is slower soon after the filling than a minute later, so it is last.
    outbox, search = messages.growth(*texts), growth(*slots)
    return {
        "bytes_a_place": round(_bytes_of_places(slots[1]) / MANY, 1),
        "search_growth_10m": round(search.ratio, 3),
        "search_p99_ms_100k": round(search.few_ms, 1),
        "search_p99_ms_10m": round(search.many_ms, 1),
        "outbox_growth_10m": round(outbox.ratio, 3),
        "outbox_p99_ms_10k": round(outbox.few_ms, 1),
        "outbox_p99_ms_10m": round(outbox.many_ms, 1),
    }


def _bytes_of_places(url: str) -> int:
    with opened(url) as database, database.statement() as connection:
        size = text("SELECT pg_total_relation_size('place') + pg_total_relation_size('slot')")
        return int(connection.execute(size).scalar_one())


def growth(few_url: str, many_url: str) -> Growth:
    """Search each of two databases that are filled, all questions of one in a row.

    A database has a processor's caches to itself then, as where it is the only one. Asked in turn
    for each question the small one keeps its place in them, and the large one does not.
    """
    with (
        contextlib.closing(_Searcher(few_url)) as few,
        contextlib.closing(_Searcher(many_url)) as many,
    ):
        return timing.growth(
            few.search, many.search, asked=SEARCHES, warm=WARM, each=QUESTIONS, questions=QUESTIONS
        )


# Of each centre, a hundred days of slots between eight and six.
DAYS: Final = 100
_STARTS: Final = """
WITH moments AS MATERIALIZED (
  SELECT date_trunc('day', now()) + (2 + day) * interval '1 day' + interval '8 hours'
    + n * (interval '10 hours' / {a_day}) AS start_at, day * {a_day} + n + 1 AS number
  FROM generate_series(0, {days} - 1) day, generate_series(0, {a_day} - 1) n
  ORDER BY start_at)
"""
# Each centre's in a row and in the order of their moments, as `flask slots open` writes them. The
# centres are in the order of their ids, so that indexes are soon sorted. Ids and moments are put
# together once, and not for each row. Moments are read for each centre, since they refer to one:
# PostgreSQL would else go through all centres for each moment, where those are more, and a centre's
# next place would be a thousand places away.
_OF_CENTRES: Final = """
(SELECT 'bench' || lpad(number::text, 4, '0') AS id, number
  FROM generate_series(0, {centres} - 1) number OFFSET 0) centres
CROSS JOIN LATERAL
  (SELECT start_at, number FROM moments WHERE centres.number IS NOT NULL OFFSET 0) starts
"""
_SLOTS: Final = """
INSERT INTO slot (id, centre_id, start_at, capacity)
{starts}
SELECT centres.number * {each} + starts.number, centres.id, start_at, 1
FROM {of_centres}
"""
_PLACES: Final = """
INSERT INTO place (id, slot_id, number, centre_id, start_at, lot)
{starts}
SELECT id, id, 1, centre_id, start_at, mod(id * 61 + 37, 100)
FROM (
  SELECT (centres.number * {each} + starts.number)::bigint AS id, centres.id AS centre_id, start_at
  FROM {of_centres} OFFSET 0
) one
"""


def _fill_many(url: str, count: int) -> None:
    """Slots of one place."""
    ids = [f"bench{number:04d}" for number in range(GROWTH_CENTRES)]
    with opened(url) as database:
        _found_centres(database, ids)
    each = max(count // GROWTH_CENTRES, DAYS)
    values: dict[str, object] = {"a_day": each // DAYS, "days": DAYS, "each": each}
    values["starts"] = _STARTS.format(**values)
    values["of_centres"] = _OF_CENTRES.format(centres=GROWTH_CENTRES)
    with bulk.filling(url, "slot", "place") as run:
        for statement in (_SLOTS, _PLACES):
            run(statement.format(**values))


class _Searcher:
    """Searches near a town, with two doses, and gives back what it held."""

    def __init__(self, url: str) -> None:
        self._store = store_of(url)
        self._directory = Directory(self._store.database, centres_fresh_seconds=3600)
        self._campaign = Campaign(**{**vars(CAMPAIGN), "doses": 2})

    def close(self) -> None:
        self._store.database.dispose()

    def search(self, number: int) -> float:
        """Return the seconds that it took."""
        database = self._store.database
        day = number % 60
        with database.statement() as connection:
            near = self._directory.nearest(
                connection,
                44.0 + (number * 7 % 30) * 0.14,
                -1.0 + (number * 11 % 32) * 0.2,
                "metropole",
                60,
            )
        wanted = HoldRequest(
            near=near,
            not_before=datetime.now(UTC) + timedelta(days=day, hours=1),
            holds=False,
        )
        holder = Holder(Channel.PHONE, f"CA{number + WARM:032x}")
        started = time.perf_counter()
        with database.transaction() as connection:
            held = hold_slots(Work(connection, self._store, self._campaign), holder, wanted)
        taken = time.perf_counter() - started
        if not held or any(one.second is None for one in held):
            raise CannotMeasure("a search among many slots found no pair")
        # Not undone: after a ROLLBACK the driver prepares all its statements anew.
        with database.transaction() as connection:
            give_back_holds(connection, holder.id)
        return taken
