"""Three million turns in a quarter of an hour: what a restart and a look of the board cost."""

from __future__ import annotations

import json
import time

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import event, func, select, text

from models.call.tables import turn
from models.database import Database
from models.supervision import snapshots
from models.supervision.tables import alert, tally
from services.campaign.campaigns import Campaigns
from services.supervision.write_board import NAME, WriteBoard
from tests.support.house import CAMPAIGN, NOON, House, house
from tests.support.rows import clock_of

# It takes minutes.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

# Of ten turns each.
CALLS = 300_000
SECOND = timedelta(seconds=1)
FIRST = NOON - timedelta(minutes=15)
# Calls by number: one begins each 900 / CALLS seconds, the first of all FIRST; it has a turn each
# seven seconds, and lasts seventy. What happens after the second `since` from then on, and up to
# the second `until`.
_CALLS = """
INSERT INTO call (id, status, status_rank, started_at)
SELECT 'CA' || c, 'in-progress', 3, CAST(:first AS timestamptz) + c * interval '1 second' / :rate
FROM generate_series(greatest(0, floor(CAST(:since AS float) * :rate)::int + 1),
                     floor(CAST(:until AS float) * :rate)::int) c
"""
_ENDS = """
UPDATE call SET ended_at = started_at + interval '70 seconds', status = 'completed'
FROM generate_series(greatest(0, floor((CAST(:since AS float) - 70) * :rate)::int + 1),
                     floor((CAST(:until AS float) - 70) * :rate)::int) c
WHERE id = 'CA' || c
"""
_TURNS = """
INSERT INTO turn (call_id, number, at, step, outcome)
SELECT 'CA' || c, n,
    CAST(:first AS timestamptz) + c * interval '1 second' / :rate + n * interval '7 seconds',
    (ARRAY['welcome', 'for_whom', 'date_of_birth', 'postcode', 'offers', 'reach', 'confirm',
           'confirm', 'reach', 'ended'])[n + 1],
    CASE WHEN n = 8 THEN 'missed' ELSE 'asked' END
FROM generate_series(0, 9) n,
    LATERAL generate_series(greatest(0, floor((CAST(:since AS float) - 7 * n) * :rate)::int + 1),
                            floor((CAST(:until AS float) - 7 * n) * :rate)::int) c
ORDER BY 3
"""


@dataclass
class Looks:
    """Looks of the board: seconds of this process's processor, of the clock, and statements."""

    database: Database
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)

    def look(self, write: WriteBoard) -> None:
        seen: list[None] = []

        def counts(*_: object) -> None:
            seen.append(None)

        for engine in self.database.engines:
            event.listen(engine, "before_cursor_execute", counts)
        began, cpu = time.perf_counter(), time.process_time()
        write()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - began)
        self.statements.append(len(seen))
        for engine in self.database.engines:
            event.remove(engine, "before_cursor_execute", counts)

    def told(self, what: str) -> str:
        return (
            f"{what}: processor {max(self.cpu) * 1000:.0f} ms, clock {max(self.wall):.2f} s,"
            f" {max(self.statements)} statements, of {len(self.cpu)} looks the most"
        )


@pytest.fixture
def nation(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        yield made


def rings(made: House, since: datetime, until: datetime) -> None:
    """All that happens on the telephone after one moment and up to another."""
    values = {
        "first": FIRST,
        "rate": CALLS / 900,
        "since": (since - FIRST).total_seconds(),
        "until": (until - FIRST).total_seconds(),
    }
    with made.database.transaction() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in (_CALLS, _TURNS, _ENDS):
            connection.execute(text(statement), values)


def body_of(database: Database) -> dict[str, Any]:
    with database.statement() as connection:
        found = snapshots.get(connection, NAME)
    assert found is not None
    assert found.body is not None
    body: dict[str, Any] = json.loads(found.body)
    return body


def test_a_restart_and_each_look_with_three_million_turns_in_a_quarter(nation: House):
    clock, database = clock_of(nation), nation.database

    def passes(seconds: int) -> None:
        before = clock.now()
        clock.advance(seconds * SECOND)
        rings(nation, before, clock.now())

    def writer() -> WriteBoard:
        return WriteBoard(nation.store, Campaigns.fixed(CAMPAIGN, now=clock.now))

    clock.moment = FIRST + timedelta(minutes=13)
    rings(nation, FIRST - SECOND, clock.now())
    with database.statement() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE turn")
        connection.exec_driver_sql("VACUUM ANALYZE call")
        connection.exec_driver_sql("RESET statement_timeout")

    # Nobody counted any of them: they are, bite by bite, and the board is there from the first on.
    write, found = writer(), Looks(database)
    found.look(write)
    assert body_of(database)["counted_to"] is not None
    while body_of(database)["counted_to"]:
        found.look(write)
    print(found.told("from nothing"))  # noqa: T201 (what docs/scale.md says)
    passes(11)
    write()

    # The process is restarted and was away for twenty seconds.
    passes(20)
    write, found = writer(), Looks(database)
    while not found.cpu or body_of(database)["counted_to"]:
        found.look(write)
    print(found.told("a restart"))  # noqa: T201 (what docs/scale.md says)
    assert sum(found.cpu) < 0.5
    assert sum(found.wall) < 5
    started = select(func.count()).where(turn.c.number == 0)
    with database.statement() as connection:
        assert body_of(database)["calls"]["today"] == connection.execute(started).scalar_one()

    # The quarter ends, is written, and compared with its rows.
    found = Looks(database)
    for _ in range(300):
        passes(1)
        found.look(write)
    print(found.told("each second"))  # noqa: T201 (what docs/scale.md says)
    assert sorted(found.cpu)[len(found.cpu) * 95 // 100] < 0.1
    whole = select(tally.c.value).where(tally.c.at == FIRST, tally.c.name == "calls")
    with database.statement() as connection:
        assert connection.execute(whole).scalar_one() == CALLS
        wrong = select(func.count()).where(alert.c.name == "tallies_wrong")
        assert connection.execute(wrong).scalar_one() == 0
