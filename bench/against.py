"""Looking up and booking beside a usual form handler, among few slots and among many.

The same sixteen clients go to the service and to bench/peers/form_handler.py in turns: on the web
they look for an appointment by its reference and birth date, agents look for the same at their
desks, and visitors book. Five servers wait at the same time, one of them works: the service and the
form handler, each on 1,000 slots and on 100,000, and the form handler on 100,000 once more, driven
as the service is (bench/driven.py): what our way of reading requests adds to it is in figures of
its own (decision 0082). At the end sixteen visitors want the same few places, and it is counted how
many places were given twice.

How look-ups grow is a ratio of processor time, of workers and PostgreSQL: what else the machine
does is in a rate, and not in that.
"""

from __future__ import annotations

import statistics
import time

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import text

from bench import screens, servers, store
from bench.finders import DESK, FINDERS, WEB, Finders, FindersPlan, Wanted, ready
from bench.peers import form_handler
from bench.servers import CannotMeasure, House, Web, opened
from bench.timing import Say
from bench.visitors import VisitorFigures, VisitorsPlan
from models.booking import bookings
from models.booking.bookings import Added, NewBooking
from models.booking.reach import Proof
from models.centres.tables import postcode
from models.crypto import Vault
from models.database import Database
from services.store import Store

# By the ends of the figures' names.
SIZES: Final = {"1k": 1_000, "100k": 100_000}
# Among so many slots the form handler is driven as the service is, too.
DRIVEN_AMONG: Final = "100k"
CENTRES: Final = 250
# Of a hundred slots so many are booked: the telephone's part, so that the web's is free.
BOOKED: Final = 40
# Whose appointments are looked for; all others are there to be among them.
KNOWN: Final = 400
AGENTS: Final = 3 * FINDERS
ROUNDS, SECONDS = 3, 0.8
# A worker that has just begun takes twice as long for a booking as a minute later: Python learns
# which way the code goes, each connection has its statements prepared, and PostgreSQL plans anew.
# Sixteen visitors are through with that after three seconds.
WARM_SECONDS, BOOKING_SECONDS = 3.0, 2.0
# What sixteen want at once, and for how long they come.
RACE_PLACES, RACE_SECONDS = 24, 1.0
POSTCODES: Final = 190
BORN: Final = date(1942, 3, 12)


@dataclass(frozen=True)
class AgainstHouse(House):
    """A house behind a proxy: each visitor comes from an address of their own."""

    def environment(self, name: str) -> dict[str, str]:
        return super().environment(name) | {"PROXY_HOPS": "1"}


@dataclass
class Size:
    """The service and the form handler on as many slots, and what was seen of them.

    `costs` are seconds of processor for a look-up of the service.
    """

    slots: int
    ours: AgainstHouse
    theirs: AgainstHouse
    wanted: Sequence[Wanted] = ()
    agents: Sequence[str] = ()
    service: Web | None = None
    peer: Web | None = None
    driven: Web | None = None
    looked: int = 0
    rates: dict[str, list[float]] = field(default_factory=dict)
    costs: dict[str, list[float]] = field(default_factory=dict)

    def rate(self, name: str) -> float:
        """Raises CannotMeasure where no run of it counts."""
        return _median(self.rates, name)

    def cost(self, name: str) -> float:
        """The same of seconds of processor."""
        return _median(self.costs, name)


def _median(seen: dict[str, list[float]], name: str) -> float:
    if name not in seen:
        raise CannotMeasure(f"no run of {name} counts")
    return statistics.median(seen[name])


def measure(
    new: Callable[[str, str], str], folder: Path, redis_url: str, say: Say
) -> tuple[dict[str, float], list[str]]:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure.

    `new` makes a database of PostgreSQL with that name, as a copy of the other one where it is
    named.
    """
    sizes = prepared(new, folder, redis_url)
    void: list[str] = []
    with ExitStack() as stack:
        _start(stack, sizes)
        finders = stack.enter_context(ready())
        away = [0, 0]
        for number in range(ROUNDS + 1):
            for size in sizes.values():
                # The first round is to warm up.
                void += _look_ups(size, finders, away, counts=number > 0)
        for size in sizes.values():
            void += _bookings(size, finders)
        before = {name: given_twice(size) for name, size in sizes.items()}
        few = sizes["1k"]
        postcode_of_all = leave_few_places(few)
        for web in (few.service, few.peer):
            assert web is not None  # noqa: S101 - started
            _visit(finders, web, [postcode_of_all], RACE_SECONDS)
    ours, theirs = (sum(one[side] for one in before.values()) for side in (0, 1))
    after = given_twice(few)
    found = figures(sizes) | {
        "peers_turned_away_percent": round(100 * away[0] / max(away[1], 1), 1),
        "peers_doubles": float(ours + after[0] - before["1k"][0]),
        "peers_handler_doubles": float(theirs),
        "peers_race_handler_doubles": float(after[1] - before["1k"][1]),
    }
    void += [
        f"{name}: {texts} texts were written to {size.looked} who were looked for"
        for name, size in sizes.items()
        if (texts := _texts(size)) < min(KNOWN, size.looked) // 2
    ]
    for name, size in sizes.items():
        each = ", ".join(f"{what} {1000 * size.cost(what):.1f}" for what in size.costs)
        say(f"{name} slots, ms of processor time for each: {each}")
    say(
        f"places given twice: {found['peers_doubles']:.0f} of ours,"
        f" {found['peers_handler_doubles']:.0f} of the form handler and"
        f" {found['peers_race_handler_doubles']:.0f} of {RACE_PLACES} that all wanted"
    )
    return found, void


def figures(sizes: dict[str, Size]) -> dict[str, float]:
    """The figures of look-ups and bookings. Raises CannotMeasure."""
    found: dict[str, float] = {}
    for name, size in sizes.items():
        theirs = size.rate("handler")
        found |= {
            f"peers_handler_rate_{name}": round(theirs, 1),
            f"peers_look_up_rate_{name}": round(size.rate(WEB), 1),
            f"peers_desk_rate_{name}": round(size.rate(DESK), 1),
            f"peers_look_up_ratio_{name}": round(size.rate(WEB) / theirs, 3),
            f"peers_desk_ratio_{name}": round(size.rate(DESK) / theirs, 3),
            f"peers_booking_ratio_{name}": round(
                size.rate("bookings") / size.rate("handler bookings"), 3
            ),
        }
    driven = sizes[DRIVEN_AMONG]
    found |= {
        "peers_driven_rate": round(driven.rate("driven handler"), 1),
        "peers_driven_look_up_ratio": round(driven.rate(WEB) / driven.rate("driven handler"), 3),
        "peers_driven_booking_ratio": round(
            driven.rate("bookings") / driven.rate("driven handler bookings"), 3
        ),
    }
    few, many = sizes["1k"], sizes["100k"]
    for name, where in (("look_up", WEB), ("desk", DESK)):
        found[f"peers_{name}_ms_1k"] = round(1000 * few.cost(where), 2)
        found[f"peers_{name}_growth"] = round(many.cost(where) / few.cost(where), 3)
    return found


# ---------------------------------------------------------------- runs


def _start(stack: ExitStack, sizes: dict[str, Size]) -> None:
    """Start all servers, at the same time; they end with the stack."""
    ours, peer = "wiring:create_server", "bench.peers.form_handler"
    with ThreadPoolExecutor() as pool:
        starting = [
            (size, what, pool.submit(stack.enter_context, server))
            for end, size in sizes.items()
            for what, server in (
                ("service", servers.web(size.ours, f"service-{end}", ours)),
                ("peer", servers.usual(size.theirs, f"peer-{end}", f"{peer}:create_app")),
                ("driven", servers.web(size.theirs, f"driven-{end}", f"{peer}:create_server")),
            )
            if what != "driven" or end == DRIVEN_AMONG
        ]
        for size, what, one in starting:
            setattr(size, what, one.result())


def _look_ups(size: Size, finders: Finders, away: list[int], *, counts: bool) -> list[str]:
    """Each way once; sentences about what does not count."""
    void = []
    assert size.service is not None and size.peer is not None  # noqa: S101, PT018 - started
    for name, web, where in (
        (WEB, size.service, WEB),
        ("handler", size.peer, WEB),
        ("driven handler", size.driven, WEB),
        (DESK, size.service, DESK),
    ):
        if web is None:
            continue
        plan = FindersPlan(
            web.port, where, size.wanted, SECONDS, first=size.looked, agents=size.agents
        )
        before = _worked(size, web)
        seen = finders.look(plan)
        spent = _worked(size, web) - before
        if name == WEB:
            size.looked += seen.found
        if not counts:
            continue
        if faults := seen.faults():
            void += [f"look-ups: {name}: {fault}" for fault in faults]
            continue
        if name == WEB:
            away[0] += seen.turned_away
            away[1] += seen.answers
        size.rates.setdefault(name, []).append(seen.rate)
        size.costs.setdefault(name, []).append(spent / seen.found)
    return void


def _worked(size: Size, web: Web) -> float:
    """Seconds that the workers and PostgreSQL had of a processor so far."""
    workers = sum(map(servers.processor_seconds, web.workers()))
    return workers + servers.server_seconds(size.ours.database_url)


def _bookings(size: Size, finders: Finders) -> list[str]:
    void = []
    # The first round is to warm up.
    for seconds, counts in ((WARM_SECONDS, False), (BOOKING_SECONDS, True)):
        for name, web in (
            ("bookings", size.service),
            ("handler bookings", size.peer),
            ("driven handler bookings", size.driven),
        ):
            if web is None:
                continue
            before = _worked(size, web)
            seen = _visit(finders, web, codes(), seconds)
            spent = _worked(size, web) - before
            if not counts:
                continue
            if seen.broken or not seen.bookings:
                void.append(f"{name}: {'; '.join(seen.faults())}")
            else:
                size.rates.setdefault(name, []).append(seen.bookings)
                size.costs.setdefault(name, []).append(spent / (seen.bookings * seen.seconds))
    return void


def _visit(finders: Finders, web: Web, postcodes: list[str], seconds: float) -> VisitorFigures:
    seed = time.time_ns() % 2**32
    return finders.book(VisitorsPlan(web.port, FINDERS, seconds, seed, postcodes))


# ---------------------------------------------------------------- what is there


def prepared(new: Callable[[str, str], str], folder: Path, redis_url: str) -> dict[str, Size]:
    """Fill the four databases."""
    empty = new("peers", "")
    store.fill(empty, CENTRES, 1, 1)
    with opened(empty) as database, database.transaction() as connection:
        connection.execute(postcode.insert(), list(_postcodes()))
    sizes = {}
    for name, slots in SIZES.items():
        ours, theirs = (
            AgainstHouse(folder, servers.POSTGRES, url, redis_url)
            for url in (new(f"peers_{name}", "peers"), new(f"peers_handler_{name}", ""))
        )
        sizes[name] = Size(slots, ours, theirs)
    with ThreadPoolExecutor() as pool:
        filling = [pool.submit(_fill, size) for size in sizes.values()]
        for one in filling:
            one.result()
    return sizes


def codes() -> list[str]:
    """Postcodes in many départements: the form handler has slots in each of them."""
    return [str(one["code"]) for one in _postcodes()]


def _postcodes() -> Iterator[dict[str, str | float]]:
    for number in range(POSTCODES):
        # The centres of bench/store.py stand on a grid; there is no département 20.
        departement = number % 95 + 1
        if departement == 20:  # noqa: PLR2004
            continue
        yield {
            "code": f"{departement:02d}{number:03d}",
            "main_town": "Ville",
            "towns": '[{"name": "Ville", "departement": "75"}]',
            "departement": f"{departement:02d}",
            "territory": "metropole",
            "latitude": 44.0 + (number * 3 % 8) * 0.14,
            "longitude": -1.0 + (number * 11 % 32) * 0.2,
            "fingerprint": "",
        }


def _fill(size: Size) -> None:
    """Slots, and bookings of four in ten of them, in both databases of a size."""
    _fill_slots(size)
    size.wanted = _book(size)
    _fill_bookings(size)
    fill_handler(size)
    hired = screens.hire(size.ours, 0, AGENTS)
    size.agents = [one.cookie for one in hired]
    for house in (size.ours, size.theirs):
        servers.settle(house.database_url)


_SLOTS = (
    "DELETE FROM place",
    "DELETE FROM slot",
    """
    INSERT INTO slot (centre_id, start_at, capacity)
    SELECT 'bench' || n % :centres, date_trunc('day', now()) + interval '2 days 8 hours'
      + (n / :centres / 20) * interval '1 day' + (n / :centres % 20) * interval '30 minutes', 1
    FROM generate_series(0, :slots - 1) n
    """,
    """
    INSERT INTO place (slot_id, number, centre_id, start_at, lot)
    SELECT id, 1, centre_id, start_at, mod(id * 61 + 37, 100) FROM slot ORDER BY start_at
    """,
)
_BOOKINGS = (
    """
    INSERT INTO booking (id, idempotency_key, channel, campaign, centre_id, state, reference_enc,
      reference_idx, dob_enc, dob_idx, phone_enc, phone_idx, postcode, created_at, last_start_at)
    SELECT md5('b' || id), md5('k' || id), 'phone', 'demonstration', centre_id, 'confirmed',
      s, decode(md5('r' || id) || md5('s' || id), 'hex'), s, decode(md5('d' || id % 20000), 'hex'),
      s, decode(md5('p' || id), 'hex'), '75011', now(), start_at
    FROM place, (SELECT decode(repeat('00', 60), 'hex') s) sealed
    WHERE lot < :booked AND NOT EXISTS (SELECT FROM appointment WHERE place_id = place.id)
    """,
    """
    INSERT INTO appointment (booking_id, dose, place_id, centre_id, start_at, state, person_idx)
    SELECT md5('b' || id), 1, id, centre_id, start_at, 'confirmed', decode(md5('q' || id), 'hex')
    FROM place
    WHERE lot < :booked AND NOT EXISTS (SELECT FROM appointment WHERE place_id = place.id)
    """,
    """
    UPDATE place SET booking_id = appointment.booking_id FROM appointment
    WHERE appointment.place_id = place.id
    """,
    # As many look-ups as bookings, in the two days for which they are kept.
    """
    INSERT INTO attempt (kind, subject_idx, at, good)
    SELECT 'web_all', '', now() - n * interval '2 days' / :tries, true
    FROM generate_series(1, :tries) n
    """,
)
_HANDLER = (
    """
    INSERT INTO peer_slot (centre, departement, start_at, free)
    SELECT 'Centre ' || n, lpad((n % 98 + 1)::text, 2, '0'),
      timestamp '2030-01-01 08:00' + n * interval '10 minutes',
      (mod(n * 61 + 37, 100) >= :booked)::int
    FROM generate_series(0, :slots - 1) n
    """,
    """
    INSERT INTO peer_visit (id, whom, born, postcode, slot_id, number, reference)
    SELECT md5('v' || id), 'self', date '1920-01-01' + (id * 7 % 20000)::int, '75011', id,
      '0612345678', lpad((id::bigint * 2654435761 % 10000000000)::text, 10, '0')
    FROM peer_slot WHERE free = 0
    """,
)


def _run(url: str, statements: Sequence[str], **values: int) -> None:
    with opened(url) as database, database.statement() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SET synchronous_commit = off")
        connection.exec_driver_sql("SET session_replication_role = replica")
        for one in statements:
            given = {name: value for name, value in values.items() if f":{name}" in one}
            connection.execute(text(one), given)


def _fill_slots(size: Size) -> None:
    _run(size.ours.database_url, _SLOTS, slots=size.slots, centres=CENTRES)


def _fill_bookings(size: Size) -> None:
    tries = size.slots * BOOKED // 100
    _run(size.ours.database_url, _BOOKINGS, booked=BOOKED, tries=tries)


def _book(size: Size) -> list[Wanted]:
    """Book for those who will be looked for, sealed as the service seals; who they are."""
    made = servers.settings(size.ours.database_url, size.ours.redis_url)
    vault = Vault(made.vault_keys(), index_key=made.look_up_key())
    store_ = Store(Database(size.ours.database_url, pool_size=1), vault)
    wanted = []
    with store_.database.transaction() as connection:
        free = connection.execute(
            text(
                "SELECT id, centre_id, start_at FROM place WHERE lot < :booked"
                " ORDER BY lot, id LIMIT :known"
            ),
            {"booked": BOOKED, "known": KNOWN},
        ).all()
        for number, place in enumerate(free):
            one = Wanted(
                f"{10**9 + 7 * number:010d}", (BORN + timedelta(days=number)).isoformat(), "75011"
            )
            booking_id = store_.chance.identifier()
            new = NewBooking(
                id=booking_id,
                idempotency_key=booking_id,
                channel="web",
                campaign="demonstration",
                centre_id=place.centre_id,
                call_id=None,
                born=date.fromisoformat(one.born),
                number=f"+3361{number:07d}",
                postcode=one.postcode,
                doses=((place.id, place.start_at),),
                reach=Proof.CODE,
            )
            added = bookings.add(connection, store_.clock, vault, new, one.reference)
            if added is not Added.DONE:
                raise CannotMeasure("a booking that will be looked for could not be stored")
            wanted.append(one)
    store_.database.dispose()
    return wanted


def fill_handler(size: Size) -> None:
    url = size.theirs.database_url
    form_handler.make_tables(url)
    _run(url, _HANDLER, slots=size.slots, booked=BOOKED)
    with opened(url) as database, database.transaction() as connection:
        # Some of those who are there are the people who will be looked for.
        there = connection.execute(
            text("SELECT id FROM peer_visit ORDER BY slot_id LIMIT :known"), {"known": KNOWN}
        ).scalars()
        connection.execute(
            text("UPDATE peer_visit SET reference = :reference, born = :born WHERE id = :visit"),
            [
                {"reference": one.reference, "born": date.fromisoformat(one.born), "visit": visit}
                for one, visit in zip(size.wanted, there, strict=True)
            ],
        )


# ---------------------------------------------------------------- what came of it


_TWICE = """
SELECT count(*) FROM (SELECT FROM appointment WHERE state = 'confirmed'
  GROUP BY place_id HAVING count(*) > 1) twice
"""
_HANDLER_TWICE = """
SELECT count(*) FROM (SELECT FROM peer_visit WHERE reference IS NOT NULL
  GROUP BY slot_id HAVING count(*) > 1) twice
"""
_WRITTEN = "SELECT count(*) FROM message WHERE dedupe_key LIKE 'web-appointment%'"


def given_twice(size: Size) -> tuple[int, int]:
    """How many places have two bookings: of the service, and of the form handler."""
    return _count(size.ours.database_url, _TWICE), _count(size.theirs.database_url, _HANDLER_TWICE)


def _texts(size: Size) -> int:
    """How many of those who were looked for were written to."""
    return _count(size.ours.database_url, _WRITTEN)


def _count(url: str, statement: str) -> int:
    with opened(url) as database, database.statement() as connection:
        return int(connection.execute(text(statement)).scalar_one())


_FEW = (
    "UPDATE place SET blocked = true WHERE booking_id IS NULL",
    """
    INSERT INTO slot (centre_id, start_at, capacity)
    SELECT 'bench0', date_trunc('day', now()) + interval '4 days 8 hours 7 minutes'
      + n * interval '15 minutes', 1 FROM generate_series(1, :places) n
    """,
    """
    INSERT INTO place (slot_id, number, centre_id, start_at, lot)
    SELECT id, 1, centre_id, start_at, 99 FROM slot
    WHERE NOT EXISTS (SELECT FROM place WHERE slot_id = slot.id)
    """,
)
_HANDLER_FEW = (
    "UPDATE peer_slot SET free = 0",
    """
    INSERT INTO peer_slot (centre, departement, start_at, free)
    SELECT 'Centre', '01', timestamp '2029-01-01 08:00' + n * interval '10 minutes', 1
    FROM generate_series(1, :places) n
    """,
)


def leave_few_places(size: Size) -> str:
    """Take all places but a few, in both databases; the postcode of whom they are near."""
    _run(size.ours.database_url, _FEW, places=RACE_PLACES)
    _run(size.theirs.database_url, _HANDLER_FEW, places=RACE_PLACES)
    return codes()[0]
