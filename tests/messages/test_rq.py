"""The worker and the scheduler as real processes, with a real Redis that may vanish."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import sys
import threading

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs import queues
from jobs.queues import DELIVER, RedisWakeUp, connect, outbox_queue, wake_worker
from jobs.relay import sweep
from tests.support import parts
from tests.support.house import ACCOUNT, BASE, MOBILE, TOKEN, House
from tests.support.keeper import ROOT
from tests.support.office import Office, Provider, messenger_to
from tests.support.redis_server import OwnRedis
from tests.support.until import wait_for
from tools.launcher.environment import inherited

SECRET_BODY = "Votre rendez-vous : jeudi à 10 h. Référence 04 52 17 88 03"


# Seconds. The limit of a test is 120; a machine that is slow or busy breaks no promise.
SLOW_MACHINE = 90.0


@pytest.fixture
def lasting_wake_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wake-up wait for a busy Redis.

    A wake-up that Redis does not take within 0.2 s is left to the scheduler's sweep, and no
    scheduler runs beside these workers: the text of the test would never leave.
    """
    monkeypatch.setattr(queues, "WAKE_UP_TIMEOUT", SLOW_MACHINE)


@pytest.fixture
def provider(real_provider: Provider) -> Provider:
    return real_provider


@pytest.fixture
def office(real_time: House, provider: Provider) -> Iterator[Office]:
    messenger = messenger_to(provider.url)
    yield Office(real_time, messenger)
    messenger._http.session.close()


@contextmanager
def running(command: str, office: Office, provider: Provider, redis_url: str, log: Path):
    """`flask worker` or `flask scheduler`, as the Procfile starts it; killed at the end."""
    env = inherited() | {
        "FLASK_APP": "app.web:create_app",
        "DATABASE_URL": office.house.database.url.render_as_string(hide_password=False),
        "REDIS_URL": redis_url,
        "DATA_KEYS": base64.b64encode(bytes(range(32))).decode(),
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_API_BASE_URL": provider.url,
        "PUBLIC_BASE_URL": BASE,
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "flask", command],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """The URL of a Redis that is not there."""
    return f"unix://{tmp_path / 'no.sock'}"


@pytest.mark.usefixtures("lasting_wake_ups")
def test_a_real_worker_delivers_what_it_is_told_of(
    office: Office, provider: Provider, redis_url: str, tmp_path: Path
):
    log = tmp_path / "worker.log"
    message_id = office.writes(body=SECRET_BODY)
    with running("worker", office, provider, redis_url, log):
        RedisWakeUp(redis_url).message(message_id)
        wait_for(lambda: office.state(message_id) == "sent", "the text leaves")
        # The worker says so after it was stored.
        wait_for(lambda: message_id in log.read_text("utf-8"), "it is said in the log")
    (text,) = provider.texts()
    assert text.body == SECRET_BODY
    written = log.read_text("utf-8")
    for personal in (MOBILE, MOBILE[1:], "612345678", "04 52", "jeudi"):
        assert personal not in written


@pytest.mark.usefixtures("lasting_wake_ups")
def test_a_worker_that_is_told_to_end_delivers_first_what_is_on_its_way(
    office: Office, provider: Provider, redis_url: str, tmp_path: Path
):
    asked, answers, app = threading.Event(), threading.Event(), provider.server.app

    def slow(environ: Any, start: Any) -> Any:
        asked.set()
        assert answers.wait(SLOW_MACHINE)
        return app(environ, start)

    provider.server.app = slow
    message_id = office.writes()
    with redis.Redis.from_url(redis_url) as client:
        others = set(client.scan_iter("rq:worker:*", _type="hash"))
        with running("worker", office, provider, redis_url, tmp_path / "log") as worker:
            RedisWakeUp(redis_url).message(message_id)
            assert asked.wait(SLOW_MACHINE)
            worker.send_signal(signal.SIGTERM)
            (key,) = set(client.scan_iter("rq:worker:*", _type="hash")) - others
            wait_for(lambda: client.hexists(key, "shutdown_requested_date"), "it has the signal")
            answers.set()
            assert worker.wait(timeout=SLOW_MACHINE) == 0
        done, failed = client.hmget(key, "successful_job_count", "failed_job_count")
    assert office.state(message_id) == "sent"
    assert len(provider.texts()) == 1
    assert int(done) == 1
    assert failed is None


def test_redis_is_told_that_something_is_there_and_nothing_of_it(office: Office, redis_url: str):
    message_id = office.writes(body=SECRET_BODY)
    wake_worker(outbox_queue(connect(redis_url)))
    with redis.Redis.from_url(redis_url) as client:
        stored = everything_in(client)
    assert DELIVER.encode() in stored
    for personal in (message_id, MOBILE, MOBILE[1:], "612345678", "rendez-vous", "jeudi", "04 52"):
        assert personal.encode() not in stored
    # JSON, not pickle: whoever can write to Redis must not be able to run code.
    assert b"\x80\x04" not in stored
    assert b"\x80\x05" not in stored


def everything_in(client: Any) -> bytes:
    import zlib  # noqa: PLC0415 (RQ packs what it stores)

    found: list[bytes] = []
    for key in client.keys("*"):
        found.append(key)
        kind = client.type(key)
        if kind == b"hash":
            for name, value in client.hgetall(key).items():
                found += [name, value]
                try:
                    found.append(zlib.decompress(value))
                except zlib.error:
                    continue
        elif kind == b"list":
            found += client.lrange(key, 0, -1)
        elif kind == b"set":
            found += client.smembers(key)
        elif kind == b"zset":
            found += [member for member, _ in client.zrange(key, 0, -1, withscores=True)]
        else:
            found.append(client.get(key) or b"")
    return b"\n".join(found)


def test_a_caller_does_not_wait_for_a_redis_that_is_silent(monkeypatch: pytest.MonkeyPatch):
    """A Redis that takes connections and never answers is worse than one that is gone."""
    # Nor would they if the thread that tells Redis waited for longer than this test.
    monkeypatch.setattr(queues, "WAKE_UP_TIMEOUT", 600.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        wake_up = RedisWakeUp(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        wake_up.message("0" * 32)
        wait_for(lambda: not wake_up._is_news.is_set(), "the thread tells Redis")
        for number in range(1, 10):
            wake_up.message(f"{number:032x}")
        # The calls have gone on while it still waits for its first answer.
        assert wake_up._is_news.is_set()
    wait_for(lambda: not wake_up._is_news.is_set(), "the wake-ups are given up")


@pytest.mark.usefixtures("lasting_wake_ups")
def test_wake_ups_go_on_when_redis_comes_back(office: Office, redis_url: str, nowhere: str):
    wake_up = RedisWakeUp(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
        for number in range(2):
            wake_up.message(f"{number:032x}")
            # As a worker would, that looks then.
            wait_for(lambda: client.lpop("rq:queue:outbox"), "the wake-up")
            client.client_kill_filter(_type="normal", skipme=True)


def test_what_redis_forgot_the_sweep_finds(office: Office, provider: Provider, redis_url: str):
    message_id = office.writes()
    wake_worker(outbox_queue(connect(redis_url)))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    assert sweep(office.house.store, office.messenger) == 1
    assert office.state(message_id) == "sent"
    assert len(provider.texts()) == 1


def test_the_scheduler_delivers_where_there_is_no_redis(
    office: Office, provider: Provider, nowhere: str, tmp_path: Path
):
    message_id = office.writes()
    with running("scheduler", office, provider, nowhere, tmp_path / "log") as scheduler:
        wait_for(lambda: office.state(message_id) == "sent", "the text leaves")
        scheduler.send_signal(signal.SIGTERM)
        assert scheduler.wait(timeout=SLOW_MACHINE) == 0
    assert len(provider.texts()) == 1


@pytest.fixture
def own_redis(run_folder: Path, process_name: str) -> Iterator[OwnRedis]:
    """A Redis that is not there yet."""
    parts.require(parts.REDIS)
    made = OwnRedis(run_folder, f"away-{process_name}")
    yield made
    made.close()


@pytest.mark.usefixtures("lasting_wake_ups")
def test_a_worker_lives_through_a_redis_that_is_away_at_its_start_and_later(
    office: Office, provider: Provider, own_redis: OwnRedis, tmp_path: Path
):
    log = tmp_path / "log"

    def said(event: str) -> int:
        return log.read_text("utf-8").count(event)

    def is_woken() -> None:
        message_id = office.writes()
        RedisWakeUp(own_redis.url).tell()
        wait_for(lambda: office.state(message_id) == "sent", "the text leaves")
        with redis.Redis.from_url(own_redis.url) as client:
            wait_for(lambda: not client.zcard("rq:wip:outbox"), "its job is done")

    with running("worker", office, provider, own_redis.url, log) as worker:
        wait_for(lambda: said("redis does not answer") or worker.poll() is not None, "a line")
        assert worker.poll() is None
        own_redis.starts()
        is_woken()
        before = said("redis does not answer")
        own_redis.stops()
        wait_for(lambda: said("redis does not answer") > before, "another line")
        own_redis.starts()
        is_woken()
        own_redis.stops()
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: worker.poll() is not None, "it ends")
        assert worker.returncode == 0
    written = log.read_text("utf-8")
    # The address may hold a password.
    assert own_redis.url not in written
    assert "Traceback" not in written
