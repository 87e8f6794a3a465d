"""One row a place, or a count on the slot? The measurement behind docs/decisions/0002.

    python -m bench.place_storage

Sixteen callers, each on a connection of its own, hold a place in one transaction and book it in the
next, by the raw driver, on a PostgreSQL that waits for the disk: all at one slot, and each at one
of sixteen. The count needs a row for each hold as well, for a hold runs out by itself.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time

from collections.abc import Callable
from pathlib import Path

import psycopg

from launcher.environment import inherited
from tests.support.keeper import held, wait_for_keepers
from tests.support.postgres import shared_server

CALLERS = 16
CAPACITY = 640
RUNS = 5

SCHEMA = """
CREATE TABLE place (id bigserial PRIMARY KEY, slot_id bigint, held_by text,
                    hold_expires_at timestamptz, booking_id bigint);
CREATE INDEX ON place (slot_id, id) WHERE booking_id IS NULL;
CREATE UNIQUE INDEX ON place (booking_id);
CREATE TABLE slot (id bigint PRIMARY KEY, capacity int, taken int CHECK (taken <= capacity));
CREATE TABLE hold (id bigserial PRIMARY KEY, slot_id bigint, held_by text,
                   hold_expires_at timestamptz);
CREATE INDEX ON hold (held_by);
CREATE TABLE booked (id bigint PRIMARY KEY, slot_id bigint);
"""
Way = Callable[[psycopg.Connection, int, int], bool]


def a_row_a_place(connection: psycopg.Connection, slot: int, caller: int) -> bool:
    with connection.transaction():
        row = connection.execute(
            "UPDATE place SET held_by = %s, hold_expires_at = clock_timestamp() + interval '4 min'"
            " WHERE id = (SELECT id FROM place WHERE slot_id = %s AND booking_id IS NULL"
            " AND (held_by IS NULL OR hold_expires_at <= clock_timestamp())"
            " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id",
            (str(caller), slot),
        ).fetchone()
    if row is None:
        return False
    with connection.transaction():
        connection.execute(
            "UPDATE place SET booking_id = %s, held_by = NULL, hold_expires_at = NULL"
            " WHERE id = %s AND held_by = %s AND hold_expires_at > clock_timestamp()",
            (caller, row[0], str(caller)),
        )
    return True


def a_count_on_the_slot(connection: psycopg.Connection, slot: int, caller: int) -> bool:
    with connection.transaction():
        taken = connection.execute(
            "UPDATE slot SET taken = taken + 1 WHERE id = %s AND taken < capacity RETURNING id",
            (slot,),
        ).fetchone()
        if taken is None:
            return False
        connection.execute(
            "INSERT INTO hold (slot_id, held_by, hold_expires_at)"
            " VALUES (%s, %s, clock_timestamp() + interval '4 min')",
            (slot, str(caller)),
        )
    with connection.transaction():
        connection.execute(
            "DELETE FROM hold WHERE held_by = %s AND hold_expires_at > clock_timestamp()",
            (str(caller),),
        )
        connection.execute("INSERT INTO booked VALUES (%s, %s)", (caller, slot))
    return True


def rate(address: str, way: Way, slots: int) -> float:
    """Bookings a second until nothing is left."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("TRUNCATE place, slot, hold, booked")
        for slot in range(slots):
            each = CAPACITY // slots
            connection.execute("INSERT INTO slot VALUES (%s, %s, 0)", (slot, each))
            connection.execute(
                "INSERT INTO place (slot_id) SELECT %s FROM generate_series(1, %s)", (slot, each)
            )
        connection.execute("VACUUM ANALYZE place, slot, hold, booked")
    booked = [0] * CALLERS
    ready = threading.Barrier(CALLERS + 1)

    def call(number: int) -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            ready.wait()
            while way(connection, number % slots, number * 1_000_000 + booked[number]):
                booked[number] += 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if sum(booked) != CAPACITY:
        raise AssertionError(f"{way.__name__} booked {sum(booked)} of {CAPACITY}")
    return CAPACITY / seconds


def main() -> None:
    ways: tuple[Way, ...] = (a_row_a_place, a_count_on_the_slot)
    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="allo-places-", dir="/tmp") as name:
        folder = Path(name)
        with held(folder / "alive"):
            server = shared_server(folder, prefix="p", environment=inherited(), durable=True)
            address = server.create().replace("postgresql+psycopg://", "postgresql://")
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(SCHEMA)
            for _ in range(RUNS):
                for slots in (1, CALLERS):
                    for way in ways:
                        seen = rates.setdefault((way.__name__, slots), [])
                        seen.append(rate(address, way, slots))
        wait_for_keepers(folder / "alive")
    for (way_name, slots), measured in sorted(rates.items()):
        print(f"{way_name:22} {slots:3} slots {statistics.median(measured):7.0f} bookings/s")


if __name__ == "__main__":
    main()
