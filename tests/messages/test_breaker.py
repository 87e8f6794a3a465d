"""While Redis does not answer, it is asked now and then, by one thread, and nobody else waits."""

from __future__ import annotations

import logging
import threading

from collections.abc import Callable
from typing import Any, cast

import pytest
import redis
import structlog

from jobs import queues, worker
from jobs.queues import PAUSE, WAKE_UP_TIMEOUT, RedisWakeUp


class StandIn:
    """A clock moved by hand, and a Redis that answers or does not."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.error: Exception | None = None
        self.tries: list[float] = []

    def clock(self) -> float:
        return self.now

    def wake_worker(self, _outbox: Any) -> None:
        self.tries.append(self.now)
        if self.error:
            raise self.error


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setattr(queues, "wake_worker", made.wake_worker)
    return made


@pytest.fixture
def wake_up(stand_in: StandIn) -> RedisWakeUp:
    return RedisWakeUp("redis://127.0.0.1:1/0", clock=stand_in.clock)


def test_a_redis_that_is_down_for_a_minute_is_asked_every_few_seconds(
    stand_in: StandIn, wake_up: RedisWakeUp
):
    """A hundred messages a second, and one try for five hundred of them."""
    stand_in.error = redis.ConnectionError()
    for _ in range(6000):
        wake_up.tell()
        stand_in.now += 0.01
    assert len(stand_in.tries) == 60 / PAUSE


def test_when_it_answers_again_everything_goes_on(stand_in: StandIn, wake_up: RedisWakeUp):
    stand_in.error = redis.TimeoutError()
    wake_up.tell()
    stand_in.error = None
    wake_up.tell()
    stand_in.now += PAUSE
    wake_up.tell()
    wake_up.tell()
    assert stand_in.tries == [1000.0, 1000.0 + PAUSE, 1000.0 + PAUSE]


def test_meanwhile_a_webhook_leaves_nothing_to_be_done(stand_in: StandIn, wake_up: RedisWakeUp):
    stand_in.error = redis.ConnectionError()
    wake_up.tell()
    for number in range(100):
        wake_up.message(f"{number:032x}")
    # No thread was needed, and nothing is told late, when the sweep has done it all.
    assert not wake_up._started
    assert not wake_up._is_news.is_set()


@pytest.mark.parametrize(
    "make",
    [
        lambda: redis.ConnectionError("refused"),
        lambda: redis.TimeoutError("silent"),
        lambda: redis.exceptions.BusyLoadingError("reads its file"),
        lambda: redis.exceptions.OutOfMemoryError("full"),
        lambda: OSError("no such host"),
        lambda: ValueError("not an address"),
    ],
)
def test_whatever_goes_wrong_is_said_once_and_the_thread_lives(
    stand_in: StandIn, wake_up: RedisWakeUp, make: Callable[[], Exception]
):
    stand_in.error = make()
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            wake_up.tell()
            stand_in.now += PAUSE
        stand_in.error = None
        wake_up.tell()
    said = [(line["log_level"], line["event"]) for line in logs]
    assert said == [("warning", "redis does not answer"), ("info", "redis answers again")]
    assert logs[0]["error"] == type(make()).__name__


def test_an_address_that_is_none_stops_nobody():
    """REDIS_URL is wrong: calls and texts go on, by the sweep."""
    with structlog.testing.capture_logs() as logs:
        RedisWakeUp("nonsense").tell()
    assert [line["error"] for line in logs] == ["ValueError"]


def test_no_socket_waits_longer_than_a_caller_would_notice(stand_in: StandIn):
    connection = queues.connect("redis://127.0.0.1:1/0", timeout=WAKE_UP_TIMEOUT)
    options = connection.connection_pool.connection_kwargs
    assert WAKE_UP_TIMEOUT <= 0.2
    assert options["socket_timeout"] == options["socket_connect_timeout"] == WAKE_UP_TIMEOUT
    assert options["retry"].get_retries() == 0


class Hour:
    """A Redis that is away until `back`, and the time that passes between two tries (seconds)."""

    def __init__(self, back: float) -> None:
        self.now, self.back = 0.0, back
        self.stopped = False

    def ping(self) -> None:
        if self.now < self.back:
            raise redis.ConnectionError("a text that may hold a password")

    def clock(self) -> float:
        return self.now

    # The event that a signal sets.

    def is_set(self) -> bool:
        return self.stopped

    def wait(self, seconds: float) -> None:
        self.now += seconds


def waits(hour: Hour) -> tuple[bool, list[Any]]:
    notice = queues.AwayNotice(hour.clock)
    with structlog.testing.capture_logs() as logs:
        came = worker.wait_for_redis(hour.ping, cast(threading.Event, hour), notice)
    return came, logs


def test_a_worker_waits_an_hour_for_redis_and_says_so_once_a_minute():
    came, logs = waits(Hour(3600))
    assert came
    *away, back = logs
    assert {line["event"] for line in away} == {"redis does not answer"}
    assert len(away) == 60
    assert back["event"] == "redis answers again"
    assert "password" not in str(logs)


def test_a_worker_that_is_told_to_end_waits_no_longer():
    hour = Hour(3600)
    hour.stopped = True
    assert waits(hour) == (False, [])


def test_what_rq_says_of_a_redis_that_is_away_is_said_once_a_minute_too():
    hour = Hour(3600)
    filtered = worker._SaidByUs(queues.AwayNotice(hour.clock))
    with structlog.testing.capture_logs() as logs:
        for _ in range(1800):
            record = logging.makeLogRecord(
                {
                    "msg": "Worker %s: could not connect to Redis instance: %s retrying",
                    "args": ("w", redis.ConnectionError("x")),
                }
            )
            assert not filtered.filter(record)
            hour.now += 2.0
    assert [line["error"] for line in logs] == ["ConnectionError"] * 60
    assert filtered.filter(logging.makeLogRecord({"msg": "something else"}))


def test_the_web_says_once_a_minute_that_redis_is_away(stand_in: StandIn, wake_up: RedisWakeUp):
    stand_in.error = redis.ConnectionError()
    with structlog.testing.capture_logs() as logs:
        for _ in range(int(3600 / PAUSE)):
            wake_up.tell()
            stand_in.now += PAUSE
    assert [line["event"] for line in logs] == ["redis does not answer"] * 60
