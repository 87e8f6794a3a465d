"""PostgreSQL is stopped in the middle of confirmations, and workers are killed: nothing is lost.

Each worker writes down what it has acknowledged once the commit returned, and waits for the disk.
Afterwards every line must be in the store with its place, its text and its line of history. With
`synchronous_commit` off the same story loses some, or it would prove nothing.
"""

from __future__ import annotations

import random
import subprocess
import sys

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sqlalchemy import select

from models.booking.tables import appointment, booking, history
from models.clock import DatabaseClock
from models.database import Database
from models.messages.tables import message
from models.migrations.runner import upgrade
from models.slots.tables import place
from services.store import CryptographicChance
from tests.crash.confirmations import Acknowledged, Plan, journal_of, read_journal
from tests.support.house import House, house
from tests.support.keeper import ROOT
from tests.support.postgres import OwnServer
from tests.support.rows import doubles, rows_of, soon
from tests.support.until import wait_for
from tools.launcher.environment import inherited

CENTRES = 10
# What happens at a chosen moment, beside a worker's end.
STOP, CAUGHT = -1, -2
# A run in which no answer was lost shows nothing about lost answers.
MOST_RUNS = 3


@dataclass(frozen=True)
class Size:
    """`stops` come as they may; one more, if `caught`, comes while a COMMIT is known to wait."""

    workers: int
    each: int
    stops: int
    kills: int
    caught: bool = True

    @property
    def bookings(self) -> int:
        return self.workers * self.each


SMALL = Size(workers=4, each=90, stops=0, kills=1)
FULL = Size(workers=12, each=1000, stops=3, kills=6)
SIZES = [
    # By day test_commit_answer_lost.py loses the answer to a COMMIT, and ends the server in one.
    pytest.param(SMALL, id="360", marks=pytest.mark.long),
    pytest.param(FULL, id="12000", marks=[pytest.mark.long, pytest.mark.timeout(1500)]),
]


@dataclass
class Run:
    """What the journals say afterwards: acknowledgements by key, and how many answers were lost."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    indeterminate: int = 0

    @property
    def found(self) -> int:
        """How many of the lost answers were those of commits that had been done."""
        return sum(one.how == "found" for one in self.acknowledged.values())


@pytest.fixture
def empty(own_postgres: OwnServer) -> Iterator[Callable[[], str]]:
    """Gives a migrated database of its own each time it is called."""
    made: list[str] = []

    def another() -> str:
        url = own_postgres.create()
        upgrade(url)
        made.append(url)
        return url

    yield another
    # A confirmation that still waits for the second server would keep its database.
    own_postgres.sets()
    for url in made:
        own_postgres.drop(url)


def opens(made: House, size: Size) -> None:
    """A tenth more places than bookings, for a killed worker's place is held for some minutes."""
    starts = soon(made, 24, minutes=20)
    capacity = (size.bookings * 11 // 10 + 200) // (CENTRES * len(starts)) + 1
    for number in range(CENTRES):
        made.opens_centre(str(number + 1), kilometres=number + 1, starts=starts, capacity=capacity)
    made.database.analyze()


def run(server: OwnServer, url: str, size: Size, folder: Path, seed: int) -> Run:
    """Let all be booked while the server is stopped and workers are killed at chosen moments."""
    with house(url, clock=DatabaseClock(), chance=CryptographicChance()) as made:
        opens(made, size)
    folder.mkdir()
    plan = Plan(url, str(folder), size.workers, size.each, aside=size.caught)
    journals = [journal_of(folder, number) for number in range(size.workers)]

    def lines() -> int:
        return sum(file.stat().st_size // 100 for file in journals if file.exists())

    # A line has some 170 bytes, so this counts a little fast; moments lie in the first two thirds.
    chance = random.Random(seed)  # noqa: S311 (must repeat itself)
    last = size.bookings
    stops = size.stops + size.caught
    events = [(n * last * 4 // 3 // (stops + 1), STOP) for n in range(1, stops + 1)]
    if size.caught:
        events[-1] = (events[-1][0], CAUGHT)
    events += [
        (chance.randrange(last // 10, last * 4 // 3), chance.randrange(size.workers))
        for _ in range(size.kills)
    ]
    log = (folder / "foreman.log").open("w+")
    with (
        log,
        subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tests.crash.confirmations", str(plan.write(folder / "plan"))],
            cwd=ROOT,
            env=inherited(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        ) as foreman,
    ):
        assert foreman.stdin
        try:

            def is_due(due: int) -> bool:
                return lines() >= due or foreman.poll() is not None

            for due, victim in sorted(events):
                wait_for(partial(is_due, due), "so many are booked", 600)
                if foreman.poll() is not None:
                    break
                if victim < 0:
                    if victim == CAUGHT:
                        a_commit_waits(server, url)
                    server.stops_hard()
                    server.starts()
                else:
                    foreman.stdin.write(f"{victim}\n".encode())
                    foreman.stdin.flush()
            assert foreman.wait(timeout=600) == 0, Path(log.name).read_text("utf-8")
        finally:
            foreman.kill()
    made_run = Run()
    for line in (line for file in journals for line in read_journal(file)):
        if line.how == "lost":
            made_run.indeterminate += 1
        else:
            assert line.key not in made_run.acknowledged, "acknowledged twice"
            made_run.acknowledged[line.key] = line
    assert len(made_run.acknowledged) == size.bookings
    return made_run


def a_commit_waits(server: OwnServer, url: str) -> None:
    """Confirmations are on the disk and wait for a second server that is not there."""
    server.sets(synchronous_standby_names="nobody")
    sql = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'SyncRep'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        wait_for(lambda: connection.execute(sql).fetchone(), "a COMMIT waits")
        # Forgotten by the time it starts again; until then it goes on waiting.
        connection.execute("ALTER SYSTEM RESET ALL")


def missing(url: str, run: Run) -> list[str]:
    """What was acknowledged and is not in the store as it was acknowledged, by key and by what."""
    database = Database(url)
    try:
        found: dict[str, Any] = {
            row.idempotency_key.removesuffix(":1"): row
            for row in rows_of(
                database,
                select(
                    booking.c.id,
                    booking.c.idempotency_key,
                    booking.c.reference_idx,
                    appointment.c.place_id,
                    appointment.c.start_at,
                    place.c.booking_id.label("of_place"),
                    place.c.slot_id,
                    place.c.start_at.label("place_start"),
                )
                .join(appointment, appointment.c.booking_id == booking.c.id)
                .join(place, place.c.id == appointment.c.place_id)
                .where(booking.c.state == "confirmed", appointment.c.state == "confirmed"),
            )
        }
        texts = {row.dedupe_key for row in rows_of(database, select(message.c.dedupe_key))}
        told = {row.booking_id for row in rows_of(database, select(history.c.booking_id))}
    finally:
        database.dispose()
    wrong = []
    for key, line in run.acknowledged.items():
        row = found.get(key)
        if row is None:
            wrong.append(f"{key}: no booking")
            continue
        checks = {
            "reference": row.reference_idx.hex() == line.reference_idx,
            "place": row.place_id == line.place_id,
            "slot": line.slot_id in {0, row.slot_id},
            "place is the booking's": row.of_place == row.id,
            "start": row.start_at == row.place_start,
            "text": f"confirmation:{row.id}:1" in texts,
            "history": row.id in told,
        }
        wrong += [f"{key}: {what}" for what, right in checks.items() if not right]
    return wrong


def is_whole(url: str, size: Size) -> None:
    """Nobody is booked twice, and each booking has one place, one text and one line of history."""
    database = Database(url)
    try:
        assert doubles(database) == 0
        counts = {
            "bookings": rows_of(database, select(booking.c.id)),
            "appointments": rows_of(database, select(appointment.c.id)),
            "places": rows_of(database, select(place.c.id).where(place.c.booking_id.is_not(None))),
            "texts": rows_of(database, select(message.c.id)),
            "history": rows_of(database, select(history.c.id)),
        }
    finally:
        database.dispose()
    assert {name: len(rows) for name, rows in counts.items()} == dict.fromkeys(
        counts, size.bookings
    )


@pytest.mark.parametrize("size", SIZES)
def test_every_acknowledged_booking_is_there_whatever_was_stopped_and_killed(
    own_postgres: OwnServer, empty: Callable[[], str], size: Size, tmp_path: Path
):
    for number in range(MOST_RUNS):
        url = empty()
        done = run(own_postgres, url, size, tmp_path / str(number), seed=20210114 + number)
        print(  # noqa: T201 - the figures
            f"{size.bookings} booked, {size.stops + size.caught} stops, {size.kills} kills:"
            f" {done.indeterminate} answers lost, {done.found} found done"
        )
        assert missing(url, done) == []
        is_whole(url, size)
        if done.indeterminate:
            return
    pytest.fail(f"in {MOST_RUNS} runs no answer to a COMMIT was lost: they show nothing")


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_with_synchronous_commit_off_the_same_story_loses_some(
    own_postgres: OwnServer, empty: Callable[[], str], tmp_path: Path
):
    """The negative control. Where a stop falls is chance, so a lucky run is repeated."""
    size = Size(workers=12, each=250, stops=3, kills=0, caught=False)
    for number in range(MOST_RUNS):
        url = empty()
        with psycopg.connect(url, autocommit=True) as connection:
            name = psycopg.sql.Identifier(connection.info.dbname)
            statement = psycopg.sql.SQL("ALTER DATABASE {} SET synchronous_commit = off")
            connection.execute(statement.format(name))
        done = run(own_postgres, url, size, tmp_path / str(number), seed=number)
        lost = Counter(line.split(": ")[1] for line in missing(url, done))
        print(f"of {size.bookings} acknowledged: {dict(lost)}")  # noqa: T201 - the figures
        if lost["no booking"]:
            return
    pytest.fail(f"{MOST_RUNS} runs with synchronous_commit off lost nothing")
