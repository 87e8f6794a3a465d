"""A person who can write to Redis runs nothing: a worker does jobs of a closed list alone."""

from __future__ import annotations

import json
import pickle
import sys
import zlib

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from redis import Redis
from rq import Callback, Queue
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from jobs import tasks
from jobs.closed_jobs import FUNCTIONS, MOST_WAITING, StrangeJob, called
from jobs.queues import DELIVER, connect, outbox_queue, wake_worker
from jobs.tasks import Ports
from jobs.worker import make_worker
from models.supervision import alerts
from services.telemetry import JOBS
from tests.support.office import Office, Provider

RAN: list[object] = []
HERE = __name__


def strangers_code(*told: object, **_named: object) -> None:
    """What a stranger would like to be called: in this very process."""
    RAN.append(told)


@pytest.fixture(autouse=True)
def code() -> Iterator[str]:
    """The stranger's function, by a name that any process here can import."""
    RAN.clear()
    sys.modules["strangers"] = sys.modules[HERE]
    yield "strangers.strangers_code"
    del sys.modules["strangers"]


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url) as made:
        yield made


@pytest.fixture
def works(office: Office, redis: Redis) -> Iterator[BaseWorker]:
    """The worker's own class, in this process."""
    tasks.give(Ports(office.house.store, office.messenger))
    yield make_worker(redis)
    tasks._ports.clear()


def raised(office: Office) -> dict[str, float]:
    with office.house.database.statement() as connection:
        return {alert.name: alert.value for alert in alerts.raised(connection)}


def refused() -> float:
    value: float = JOBS.labels("refused")._value.get()
    return value


def strange(code: str) -> Iterator[dict[str, Any]]:
    """What a stranger may give RQ's own enqueue_call."""
    yield {"func": code}
    yield {"func": code, "args": ("x",)}
    yield {"func": "os.system", "args": ("true",)}
    yield {"func": "builtins.eval", "args": ("1",)}
    yield {"func": "jobs.tasks.give", "args": (None,)}
    yield {"func": "jobs.tasks.end_soon"}
    yield {"func": DELIVER, "args": ({"a": 1},)}
    yield {"func": DELIVER, "args": (["x"],)}
    yield {"func": DELIVER, "args": ("x" * 65,)}
    yield {"func": DELIVER, "args": ("../etc",)}
    yield {"func": DELIVER, "args": tuple("a" * 101)}
    yield {"func": DELIVER, "kwargs": {"ports": "x"}}


def test_no_job_of_a_stranger_is_run_whatever_it_says(
    office: Office, provider: Provider, redis: Redis, works: BaseWorker, code: str
):
    queue, before = outbox_queue(redis), refused()
    given = list(strange(code))
    for one in given:
        queue.enqueue_call(**one)
    message_id = office.writes()
    queue.enqueue(DELIVER)
    works.work(burst=True)
    assert RAN == []
    assert office.state(message_id) == "sent"
    assert refused() - before == len(given)
    assert raised(office) == {"strange_jobs": len(given)}
    assert redis.keys("rq:job:*") == []


def test_what_follows_a_job_is_not_read_from_redis(
    office: Office, redis: Redis, works: BaseWorker, code: str
):
    """A job of ours with a stranger's callbacks, repeats and hooks delivers, and nothing more."""
    ours = outbox_queue(redis).enqueue(
        DELIVER,
        on_success=Callback(code),
        on_failure=Callback(code),
        on_stopped=Callback(code),
        result_ttl=0,
    )
    redis.hset(ours.key, "repeats_left", "1000")
    redis.hset(ours.key, "webhooks", json.dumps([{"url": "http://127.0.0.1:9", "events": "all"}]))
    message_id = office.writes()
    works.work(burst=True)
    assert office.state(message_id) == "sent"
    assert RAN == []
    assert raised(office) == {}


def test_a_job_that_fails_calls_nothing_of_a_strangers(
    office: Office, redis: Redis, works: BaseWorker, code: str
):
    outbox_queue(redis).enqueue(DELIVER, on_failure=Callback(code), result_ttl=0)
    tasks._ports.clear()
    works.work(burst=True)
    assert RAN == []


def test_what_a_dead_worker_seems_to_have_left_calls_nothing(
    office: Office, redis: Redis, works: BaseWorker, code: str
):
    """RQ calls the failure's callback of a job whose worker is gone, when it tidies up."""
    queue = outbox_queue(redis)
    left = queue.enqueue(code, on_failure=Callback(code))
    redis.delete(queue.key)
    redis.zadd(queue.started_job_registry.key, {f"{left.id}:execution": 1})
    redis.lpush(queue.intermediate_queue_key, left.id)
    works.work(burst=True)
    works.clean_registries()  # type: ignore[no-untyped-call]
    assert RAN == []
    assert raised(office).keys() == {"strange_jobs"}


def test_a_thousand_jobs_of_strangers_are_one_alert(
    office: Office, redis: Redis, works: BaseWorker, code: str
):
    queue, before = outbox_queue(redis), refused()
    for number in range(1000):
        queue.enqueue(code, number)
    message_id = office.writes()
    wake_worker(queue)
    works.work(burst=True)
    assert RAN == []
    assert refused() - before == 1000
    assert raised(office) == {"strange_jobs": 1000}
    # The list was theirs, and is gone; the worker asked itself once more whether something is due.
    assert office.state(message_id) == "sent"
    assert MOST_WAITING < 1000


def packed(data: bytes) -> dict[bytes, bytes]:
    return {b"data": zlib.compress(data)}


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {b"data": b""},
        {b"data": b"\x00"},
        {b"data": zlib.compress(b'["jobs.tasks.deliver", null, [], {}]')[:-9]},
        {b"data": b"x" * 20_000},
        packed(b"[" * 100_000),
        packed(b" " * 10_000_000),
        packed(b"[" * 5_000 + b"]" * 5_000),
        packed(b"\xff\xfe"),
        packed(b"{}"),
        packed(b'["jobs.tasks.deliver", null, []]'),
        packed(b'["jobs.tasks.deliver", "jobs", [], {}]'),
        packed(b'[["jobs.tasks.deliver"], null, [], {}]'),
        packed(b'["jobs.tasks.deliver", null, {}, {}]'),
        packed(b'["jobs.tasks.deliver", null, [1], {}]'),
        packed(pickle.dumps((DELIVER, None, (), {}))),
    ],
)
def test_what_is_cut_in_half_packed_otherwise_or_too_long_is_no_job(stored: dict[bytes, bytes]):
    with pytest.raises(StrangeJob):
        called(stored)


def test_jobs_of_today_and_of_an_earlier_version_are_ours(redis_url: str, redis: Redis):
    queue = Queue("elsewhere", connection=redis, serializer=JSONSerializer)
    for arguments in ([], ["0f" * 16]):
        job = queue.enqueue(DELIVER, *arguments)
        assert called(cast("dict[bytes, bytes]", redis.hgetall(job.key))) == (DELIVER, arguments)
    assert {DELIVER: tasks.deliver} == FUNCTIONS


def test_a_worker_hears_no_command_by_redis(redis: Redis, works: BaseWorker, tmp_path: Path):
    """RQ would end at a word on its channel."""
    works.subscribe()  # type: ignore[no-untyped-call]
    assert redis.pubsub_channels("rq:pubsub:*") == []
