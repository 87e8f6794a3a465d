"""What grows with the rows there are: a search among slots, and a look at what is due to leave.

Each is asked of two databases of the bench's own, of which one has a hundred or a thousand times as
many rows. They are written into bare tables: to keep an index up row by row takes several times as
long as to write all rows.
"""

from __future__ import annotations

import statistics
import time

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from bench.load import p99
from bench.servers import CannotMeasure, opened, store_of
from bench.store import CAMPAIGN, found_centres
from models.messages import claims, outbox
from services.centres.directory import Directory
from services.messages.deliver_message import KINDS, LEASE
from services.slots.allocate import Channel, Holder
from services.slots.give_back import give_back_holds
from services.slots.hold_slot import HoldRequest, hold_slots
from services.store import Store
from services.work import Work

FEW_SLOTS, MANY_SLOTS = 100_000, 10_000_000
FEW_TEXTS, MANY_TEXTS = 10_000, 10_000_000
# Of each centre, a hundred days of slots between eight and six.
CENTRES, DAYS = 1000, 100
# A search goes to one of so many towns and days, the smallest number that all its remainders
# divide; rounds of all of them that count, and rounds that come before, until what the large table
# has for them is in the server's memory.
SEARCHES, ROUNDS, WARM_ROUNDS = 480, 12, 8
# Due at once in both, as after a minute without a relay; looks of a round.
DUE, LOOKS = 2000, 50
# A question: it gets its number and gives its seconds.
Ask = Callable[[int], float]
Run = Callable[[str], object]


def measure(new: Callable[[str], str]) -> dict[str, float]:
    """Return flat results. Raises CannotMeasure.

    `new` makes a database with that name and all tables.
    """
    slots, texts = (new("few"), new("many")), (new("short"), new("long"))
    # Two at a time: on two cores in little more than the time of one.
    with ThreadPoolExecutor() as pool:
        list(pool.map(fill_slots, slots, (FEW_SLOTS, MANY_SLOTS)))
        list(pool.map(fill_texts, texts, (FEW_TEXTS, MANY_TEXTS)))
    with opened(slots[1]) as database, database.statement() as connection:
        size = text("SELECT pg_total_relation_size('place') + pg_total_relation_size('slot')")
        places = int(connection.execute(size).scalar_one())
    # A search among many is slower soon after the filling than a minute later, so it is last.
    due = compared([looks(url) for url in texts], LOOKS)
    search = compared([searches(url) for url in slots], SEARCHES)
    return {
        "bytes_a_place": round(places / MANY_SLOTS, 1),
        "search_growth_10m": round(search[1] / search[0], 3),
        "search_p99_ms_100k": round(search[0], 1),
        "search_p99_ms_10m": round(search[1], 1),
        "outbox_growth_10m": round(due[1] / due[0], 3),
        "outbox_p99_ms_10k": round(due[0], 1),
        "outbox_p99_ms_10m": round(due[1], 1),
    }


def compared(asks: Sequence[Ask], questions: int) -> list[float]:
    """Return the slowest of a hundred questions of each, in milliseconds.

    All questions are asked of one and then of the other, again and again: a database has a
    processor's caches to itself then, as where it is the only one. Of each question the mean of the
    quicker half of its times counts: what makes one slow in a large table does so each time, and
    what else the machine did meanwhile is chance.
    """
    seen: list[list[list[float]]] = [[[] for _ in range(questions)] for _ in asks]
    for number in range(-WARM_ROUNDS, ROUNDS):
        for ask, times in zip(asks, seen, strict=True):
            for question in range(questions):
                taken = ask(question)
                if number >= 0:
                    times[question].append(taken)
    return [1000 * p99([_quicker_half(round_) for round_ in times], "questions") for times in seen]


def _quicker_half(times: Sequence[float]) -> float:
    return statistics.fmean(sorted(times)[: (len(times) + 1) // 2])


# ---------------------------------------------------------------- what is asked


def searches(url: str) -> Ask:
    """Return searches near a town, with two doses, each of which gives back what it held."""
    store, campaign = store_of(url), replace(CAMPAIGN, doses=2)
    directory = Directory(store.database, centres_fresh_seconds=3600)

    def search(number: int) -> float:
        latitude, longitude = 44.0 + (number * 7 % 30) * 0.14, -1.0 + (number * 11 % 32) * 0.2
        with store.database.statement() as connection:
            near = directory.nearest(connection, latitude, longitude, "metropole", 60)
        wanted = HoldRequest(
            near=near,
            not_before=datetime.now(UTC) + timedelta(days=number % 60, hours=1),
            holds=False,
        )
        holder = Holder(Channel.PHONE, f"CA{number:032x}")
        started = time.perf_counter()
        with store.database.transaction() as connection:
            held = hold_slots(Work(connection, store, campaign), holder, wanted)
        taken = time.perf_counter() - started
        if not held or any(pair.second is None for pair in held):
            raise CannotMeasure("a search among many slots found no pair")
        # Not undone: after a ROLLBACK the driver prepares all its statements anew.
        with store.database.transaction() as connection:
            give_back_holds(connection, holder.id)
        return taken

    return search


def looks(url: str) -> Ask:
    """Return looks at what is due, each with a claim of one of it, which is due again at once."""
    store: Store = store_of(url)

    def look(_number: int) -> float:
        started = time.perf_counter()
        with store.database.statement() as connection:
            due = claims.due(connection, store.clock, KINDS, limit=200)
        with store.database.transaction() as connection:
            claimed = claims.claim(connection, store.clock, store.vault, due[0], LEASE)
        taken = time.perf_counter() - started
        if claimed is None:
            raise CannotMeasure("a message that was due could not be claimed")
        with store.database.transaction() as connection:
            now = store.clock.now() - timedelta(minutes=1)
            outbox.put_off(connection, store.clock, claimed, now, "bench")
        return taken

    return look


# ---------------------------------------------------------------- rows

# No statement of the service has so long, or so much; no key is looked up, and no commit is waited
# for.
_HASTE = (
    "SET statement_timeout = 0",
    "SET maintenance_work_mem = '512MB'",
    "SET session_replication_role = replica",
    "SET synchronous_commit = off",
)
# What points to the tables, by which they could have no rows without a log; their keys; all else.
_POINTING = """
SELECT conname, conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confrelid = ANY(ARRAY[{tables}]::regclass[])
"""
_KEYS = """
SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype IN ('p', 'u') AND conrelid = ANY(ARRAY[{tables}]::regclass[])
"""
_INDEXES = """
SELECT relname, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = ANY(ARRAY[{tables}]::regclass[])
"""


@contextmanager
def filling(url: str, *tables: str, only: Collection[str] | None = None) -> Iterator[Run]:
    """Give what runs a statement; the empty tables are bare and without a log in the block.

    Afterwards they have their indexes and keys again (`only` those, where they are named) and are
    as a server leaves tables that it looks after. What points to them is gone.
    """
    named = ", ".join(f"'{table}'" for table in tables)
    with opened(url) as database, database.statement() as connection:
        run = connection.exec_driver_sql
        for haste in _HASTE:
            run(haste)
        for name, of in run(_POINTING.format(tables=named)).all():
            run(f"ALTER TABLE {of} DROP CONSTRAINT {name}")
        made = {}
        for name, of, definition in run(_KEYS.format(tables=named)).all():
            made[name] = f"ALTER TABLE {of} ADD CONSTRAINT {name} {definition}"
            run(f"ALTER TABLE {of} DROP CONSTRAINT {name}")
        for name, definition in run(_INDEXES.format(tables=named)).all():
            made[name] = definition
            run(f"DROP INDEX {name}")
        for table in tables:
            run(f"ALTER TABLE {table} SET UNLOGGED")
        yield run
        for name, statement in made.items():
            if only is None or name in only:
                run(statement)
        run("VACUUM ANALYZE")
        run("CHECKPOINT")


# Each centre's in a row and in the order of their moments, as `flask slots open` writes them.
_SLOTS: Final = """
INSERT INTO slot (id, centre_id, start_at, capacity)
SELECT n + 1, 'bench' || lpad((n / {each})::text, 4, '0'),
  date_trunc('day', now()) + (2 + mod(n, {each}) / {a_day}) * interval '1 day'
    + interval '8 hours' + mod(n, {a_day}) * (interval '10 hours' / {a_day}), 1
FROM generate_series(0, {each} * {centres} - 1) n
"""
_PLACES: Final = """
INSERT INTO place (id, slot_id, number, centre_id, start_at, lot)
SELECT id, id, 1, centre_id, start_at, mod(id * 61 + 37, 100) FROM slot
"""


def fill_slots(url: str, count: int) -> None:
    """Slots of one place, at all centres as many."""
    with opened(url) as database:
        found_centres(database, [f"bench{number:04d}" for number in range(CENTRES)])
    a_day = max(count // CENTRES // DAYS, 1)
    with filling(url, "slot", "place") as run:
        run(_SLOTS.format(a_day=a_day, each=a_day * DAYS, centres=CENTRES))
        run(_PLACES)


# Long ago delivered, and erased, also at the provider. Their ids are as long as real ones; they are
# even numbers in a row, so that the index is soon sorted.
_ERASED: Final = """
INSERT INTO message (id, kind, dedupe_key, booking_id, state, attempts, due_at, created_at,
  updated_at, sent_at, topic, way, parts)
SELECT lpad((2 * n::bigint)::text, 32, '0'), 'sms', 'erased:' || n, repeat('b', 32), 'delivered', 1,
  at, at, at, at, 'confirmation', 'text', 1
FROM (SELECT n, now() - n * interval '777 milliseconds' AS at
  FROM generate_series(1, {erased}) n OFFSET 0) erased
"""
# Their ids are odd numbers, spread among all others as random ones are.
_DUE: Final = """
INSERT INTO message (id, kind, dedupe_key, state, due_at, created_at, updated_at, topic)
SELECT lpad((2 * (n::bigint * {erased} / {due}) + 1)::text, 32, '0'),
  (ARRAY['sms', 'reminder', 'booking_changed'])[1 + mod(n, 3)], 'due:' || n, 'pending', at, at, at,
  'reminder'
FROM (SELECT n, now() - interval '1 hour' + n * interval '1 second' AS at
  FROM generate_series(1, {due}) n OFFSET 0) due
"""
# What is asked reads no other.
ASKED: Final = frozenset({"pk_message", "ix_message_unsent"})


def fill_texts(url: str, count: int) -> None:
    """So many rows, all but a few of them done with."""
    with filling(url, "message", only=ASKED) as run:
        for statement in (_ERASED, _DUE):
            run(statement.format(erased=count - DUE, due=DUE))
