"""One row a turn, or one row a call? The measurement behind docs/decisions/0001.

    python -m bench.turn_storage

Both ways read once and write once a turn, each statement committed by itself, by the raw driver,
with the sizes of a real turn, on a PostgreSQL that waits for the disk. `one row` keeps only the
last answer; `one row, all answers` keeps what the product must be able to repeat.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time

from collections.abc import Callable
from pathlib import Path

import psycopg

from launcher.environment import inherited
from tests.support.keeper import held, wait_for_keepers
from tests.support.postgres import shared_server

ANSWER = 2500  # bytes: session and document of a usual turn, sealed
TURNS = 12
CALLS = 150
RUNS = 5

SCHEMA = """
CREATE TABLE turn (call_id text, number smallint, at timestamptz, step text, body bytea,
                   PRIMARY KEY (call_id, number));
CREATE INDEX ON turn (at);
CREATE TABLE one (call_id text PRIMARY KEY, number smallint, at timestamptz, step text, body bytea);
CREATE INDEX ON one (at);
"""


def one_row_a_turn(connection: psycopg.Connection, call: str) -> None:
    for number in range(TURNS):
        connection.execute(
            "SELECT number, body FROM turn WHERE call_id = %s AND number <= %s"
            " ORDER BY number DESC LIMIT 1",
            (call, number),
        ).fetchone()
        connection.execute(
            "INSERT INTO turn VALUES (%s, %s, clock_timestamp(), 'step', %s)"
            " ON CONFLICT DO NOTHING",
            (call, number, os.urandom(ANSWER)),
        )


def one_row_a_call(connection: psycopg.Connection, call: str) -> None:
    _one_row(connection, call, keep=1)


def one_row_all_answers(connection: psycopg.Connection, call: str) -> None:
    _one_row(connection, call, keep=TURNS)


def _one_row(connection: psycopg.Connection, call: str, *, keep: int) -> None:
    body = b""
    connection.execute("INSERT INTO one VALUES (%s, -1, clock_timestamp(), 'step', '')", (call,))
    for number in range(TURNS):
        connection.execute("SELECT number, body FROM one WHERE call_id = %s", (call,)).fetchone()
        body = (body + os.urandom(ANSWER))[-keep * ANSWER :]
        connection.execute(
            "UPDATE one SET number = %s, at = clock_timestamp(), body = %s"
            " WHERE call_id = %s AND number = %s - 1",
            (number, body, call, number),
        )


def turns_per_second(
    connection: psycopg.Connection, way: Callable[[psycopg.Connection, str], None], run: int
) -> float:
    started = time.perf_counter()
    for call in range(CALLS):
        way(connection, f"{way.__name__}-{run}-{call}")
    return CALLS * TURNS / (time.perf_counter() - started)


def main() -> None:
    ways = (one_row_a_turn, one_row_a_call, one_row_all_answers)
    rates: dict[str, list[float]] = {way.__name__: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="allo-turns-", dir="/tmp") as name:
        folder = Path(name)
        with held(folder / "alive"):
            server = shared_server(folder, prefix="t", environment=inherited(), durable=True)
            with psycopg.connect(server.create(), autocommit=True) as connection:
                connection.execute(SCHEMA)
                for run in range(RUNS):
                    for way in ways:
                        rates[way.__name__].append(turns_per_second(connection, way, run))
        wait_for_keepers(folder / "alive")
    floor = statistics.median(rates["one_row_a_call"])
    for name, measured in rates.items():
        median = statistics.median(measured)
        print(f"{name:22} {median:7.0f} turns/s  {median / floor:.2f}")


if __name__ == "__main__":
    main()
