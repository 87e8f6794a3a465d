"""Redis is gone for a minute while calls come in: no caller hears an error, none waits for it."""

from __future__ import annotations

import itertools
import statistics
import sys
import threading
import time

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from sqlalchemy import func, select

from exchange.transport import HttpTransport, Outgoing, Reply
from models.messages.tables import message
from tests.crash.conftest import Caller, Town
from tests.ivr.line import goes_on_or_ends, read
from tests.support import parts
from tests.support.redis_server import OwnRedis
from tests.support.rows import rows_of, soon
from tests.support.until import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

# Seconds.
BEFORE, DOWN, AFTER = 10.0, 60.0, 10.0
# What a turn may take at p99 while Redis is away: the promise.
MOST = 0.3
# Callers at a time, and how often each rings: some hundred webhooks a second in all.
LINES, EVERY = 4, 0.33


@pytest.fixture
def own_redis(run_folder: Path, process_name: str) -> Iterator[OwnRedis]:
    parts.require(parts.REDIS)
    made = OwnRedis(run_folder, f"own-redis-{process_name}")
    made.starts()
    yield made
    made.close()


@pytest.fixture
def redis_url(own_redis: OwnRedis) -> str:
    """The town's Redis is this test's own."""
    return own_redis.url


@dataclass
class Timed:
    """HTTP that notes how long each answer took, and what was wrong with it."""

    http: HttpTransport
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def send(self, request: Outgoing) -> Reply:
        reply = self.http.send(request)
        self.seconds.append(reply.elapsed_s)
        if reply.status != 200:
            self.wrong.append(f"status {reply.status}")
        elif "/voice/" in request.url and "/status" not in request.url:
            document = read(reply.body)
            goes_on_or_ends(document)
            # Every answer of these calls asks or ends; only an apology waits and comes back.
            if document.names == ["Say", "Pause", "Redirect"]:
                self.wrong.append("an apology")
        return reply


def rings(town: Town, seconds: float, numbers: Iterator[int]) -> tuple[list[float], int]:
    """Let calls come in for so long; gives how long each answer took, and how many booked."""
    end = time.monotonic() + seconds
    taking = threading.Lock()

    failed = threading.Event()

    def line(offset: float) -> tuple[Timed, int]:
        try:
            return calls(offset)
        except BaseException:
            failed.set()
            raise

    def calls(offset: float) -> tuple[Timed, int]:
        timed, booked = Timed(HttpTransport(town.base, town.base)), 0
        due = time.monotonic() + offset
        # Each at its time, as long as no other line has failed.
        while due < end and not failed.wait(max(0.0, due - time.monotonic())):
            due += EVERY
            with taking:
                # Of many ranges: a range has a budget of texts a day.
                number = f"+336{next(numbers) * 7919 % 10**8:08d}"
            caller = Caller(town, number)
            caller.patience.send = timed.send  # type: ignore[method-assign]
            caller.goes_to("reference")
            caller.press("1")
            assert caller.ended_normally, caller.errors
            booked += 1
        timed.http.close()
        return timed, booked

    with ThreadPoolExecutor(LINES) as threads:
        ends = list(threads.map(line, [EVERY * n / LINES for n in range(LINES)]))
    wrong = [one for timed, _ in ends for one in timed.wrong]
    assert wrong == []
    return [one for timed, _ in ends for one in timed.seconds], sum(booked for _, booked in ends)


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_calls_go_on_while_redis_is_away_for_a_minute(town: Town, own_redis: OwnRedis):
    starts = soon(town.house, 40)
    for gid in ("1", "2", "3"):
        town.house.opens_slots(gid, starts, capacity=20)
    town.starts("simulator", "web", "scheduler")
    numbers = itertools.count(1)
    rings(town, 2.0, numbers)
    took: dict[str, list[float]] = {}
    booked: dict[str, int] = {}

    def phase(name: str, seconds: float) -> None:
        took[name], booked[name] = rings(town, seconds, numbers)

    phase("before", BEFORE)
    own_redis.stops()
    phase("down", DOWN)
    own_redis.starts()
    phase("after", AFTER)

    for name, seconds in took.items():
        print(  # noqa: T201 - the figures
            f"{name}: {booked[name]} booked, {len(seconds)} answers,"
            f" p50 {statistics.median(seconds) * 1000:.1f} ms, p99 {p99(seconds) * 1000:.1f} ms"
        )
    assert booked["down"] > DOWN / EVERY
    assert p99(took["down"]) < MOST + p99(took["before"])
    # Workers are woken up again, and whatever came meanwhile has left by the sweep.
    with redis.Redis.from_url(own_redis.url) as client:
        wait_for(lambda: client.llen("rq:queue:outbox"), "wake-ups")
    wait_for(lambda: unsent(town) == 0, "all texts have left", 120)
    assert len(town.house.bookings()) == len(town.house.messages("sms"))


def unsent(town: Town) -> int:
    statement = (
        select(func.count())
        .select_from(message)
        .where(message.c.kind == "sms", message.c.state.in_(("pending", "sending")))
    )
    return int(rows_of(town.house.database, statement)[0][0])
