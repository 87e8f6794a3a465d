"""A job delivers what is due, and stays for what is stored meanwhile: no text waits for a sweep.

Redis is real. What RQ's worker does between two jobs is done here by hand, in one process, so that
each moment between a look, a wake-up and the end of a job can be tried.
"""

from __future__ import annotations

import os
import signal
import threading

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import redis

from rq import Queue, Worker
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.timeouts import JobTimeoutException

from jobs import queues, relay, tasks, worker
from jobs.queues import DELIVER, AwayNotice, WaitingWakeUps, connect, outbox_queue, wake_worker
from jobs.relay import sweep
from models.clock import FixedClock
from models.messages import outbox as rows
from services.messages import deliver_message, take_messages
from services.messages.deliver_message import DeliveryDependencies
from services.messages.provider_pace import PaceSettings, ProviderPace
from tests.messages.test_shared import Takes
from tests.support.house import NOON, House, a_mobile, house
from tests.support.office import Office
from tests.support.rows import clock_of


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, clock=FixedClock(NOON)) as made:
        yield made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_ports", [])
    monkeypatch.setattr(tasks, "_ending", [])
    # Nobody waits for what does not come.
    monkeypatch.setattr(tasks, "LINGERS", 0.0)
    monkeypatch.setattr(queues, "GATHER_SECONDS", 0.0)


@dataclass
class Staying(WaitingWakeUps):
    """The real ones; before and after a job waits for one, something else happens."""

    url: str
    before: list[Callable[[], object]] = field(default_factory=list)
    after: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.url)

    def wait(self, seconds: float, goes_on: Callable[[], bool]) -> bool:
        if self.before:
            self.before.pop(0)()
            seconds = 600.0
        found = super().wait(seconds, goes_on)
        if not found and self.after:
            self.after.pop(0)()
        return found


class Post:
    """An outbox, its queue, and a worker that does one job after the other."""

    def __init__(self, made: House, redis_url: str) -> None:
        self.office = Office(made, Takes())
        self.queue: Queue = outbox_queue(connect(redis_url))
        self.wake_ups = Staying(redis_url)
        self.jobs = 0
        self.wakes: Callable[[Queue], object] = wake_worker
        self.opens(DeliveryDependencies())

    def opens(self, means: DeliveryDependencies) -> None:
        made = self.office
        tasks.give(
            tasks.Ports(made.house.store, made.messenger, means, wake_ups=lambda: self.wake_ups)
        )

    def stores(self, number: int = 1) -> str:
        """Commit a text, and wake a worker for it."""
        message_id = self.office.writes(a_mobile(number))
        self.wakes(self.queue)
        return message_id

    def empties(self) -> None:
        self.queue.connection.delete(self.queue.key)

    def takes(self) -> str:
        """Take a job from the queue, as a worker does that begins it; empty where none waits."""
        job_id: Any = self.queue.connection.lpop(self.queue.key)
        return job_id.decode() if job_id else ""

    def works(self) -> int:
        """Do all jobs that wait, as RQ does; gives how many texts were tried."""
        tried = 0
        while job_id := self.takes():
            self.jobs += 1
            try:
                tried += tasks.deliver()
            finally:
                self.queue.connection.delete(Job.key_for(job_id))
        return tried

    @property
    def sent(self) -> list[str]:
        return list(self.office.messenger.sent)

    def left(self) -> set[bytes]:
        """What of jobs is in Redis."""
        found: Any = self.queue.connection.keys("rq:job:*")
        return set(found) | ({b"a job waits"} if self.queue.count else set())


@pytest.fixture
def post(service: House, redis_url: str) -> Iterator[Post]:
    made = Post(service, redis_url)
    made.empties()
    yield made
    made.queue.connection.close()


# ---------------------------------------------------------------- one job for many texts


def test_one_job_waits_however_many_texts_are_stored_and_it_delivers_all(post: Post):
    ids = [post.stores(number) for number in range(60)]
    assert post.queue.count == 1
    assert post.works() == 60
    assert sorted(post.sent) == sorted(ids)
    assert (post.jobs, post.left()) == (1, set())


def test_what_is_stored_while_a_job_stays_leaves_by_it(post: Post):
    post.wake_ups.before = [lambda: post.stores(2), lambda: post.stores(3)]
    post.stores(1)
    post.works()
    assert (len(post.sent), post.jobs) == (3, 1)
    # Neither of the wake-ups that it took for itself lies about.
    assert post.left() == set()


def test_a_text_that_is_told_of_leaves_while_another_is_stuck_at_the_provider(post: Post):
    """The first is answered once the second, stored meanwhile, is there."""
    second_left, ids = threading.Event(), list[str]()

    def stuck(message_id: str) -> None:
        if not ids:
            ids.append(post.stores(2))
            assert second_left.wait(30)
        else:
            second_left.set()

    post.office.messenger.before = stuck
    first = post.stores(1)
    post.works()
    assert (post.sent, post.jobs) == ([*ids, first], 1)


# ---------------------------------------------------------------- nothing waits for a sweep


def one_at_a_time(queue: Queue) -> None:
    """The obvious way: no wake-up while there is a job, waiting or at work."""
    try:
        queue.enqueue(DELIVER, job_id="deliver", unique=True)
    except DuplicateJobError:
        return


@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_text_that_is_stored_between_a_jobs_last_look_and_its_end_leaves_by_the_next(
    post: Post, *, is_guarded: bool
):
    if not is_guarded:
        post.wakes = one_at_a_time
    late = list[str]()
    post.wake_ups.after = [lambda: late.append(post.stores(2))]
    post.stores(1)
    post.works()
    assert post.office.state(late[0]) == ("sent" if is_guarded else "pending")
    assert post.jobs == (2 if is_guarded else 1)


@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_wake_up_is_taken_before_the_look_and_not_after_it(
    post: Post, monkeypatch: pytest.MonkeyPatch, *, is_guarded: bool
):
    """A text that is stored between a look and what comes after it, where one waits already."""
    late = list[str]()
    take_due = take_messages.take_due

    def looks(*args: Any, **named: Any) -> Any:
        found = take_due(*args, **named)
        if len(post.sent) == 2 and not late:
            late.append(post.stores(3))
            if not is_guarded:
                # As one who looks first, and then clears what told of it.
                post.empties()
        return found

    monkeypatch.setattr(relay, "take_due", looks)
    post.wake_ups.before = [lambda: post.stores(2)]
    post.stores(1)
    post.works()
    assert post.office.state(late[0]) == ("sent" if is_guarded else "pending")


def test_a_job_that_has_stayed_for_long_enough_passes_on_what_it_leaves(
    post: Post, monkeypatch: pytest.MonkeyPatch
):
    """It ends between two texts, and puts back those that it has not begun."""
    now = [0.0]
    monkeypatch.setattr(tasks, "monotonic", lambda: now[0])
    monkeypatch.setattr(tasks, "SENDERS", 1)
    post.office.messenger.before = lambda _: now.__setitem__(0, now[0] + tasks.STAYS / 10)
    ids = [post.stores(number) for number in range(35)]
    post.works()
    assert sorted(post.sent) == sorted(ids)
    assert post.jobs == 4
    assert {row.attempts for row in post.office.house.messages("sms")} == {1}


@pytest.mark.parametrize("at", ["the beginning", "a text", "the end"])
def test_a_job_that_is_told_to_end_leaves_the_rest_to_another_worker(post: Post, at: str):
    if at == "the beginning":
        tasks.end_soon()
    if at == "a text":
        post.office.messenger.before = lambda _: tasks.end_soon()
    if at == "the end":
        post.wake_ups.before = [tasks.end_soon]
    ids = [post.stores(number) for number in range(60)]
    assert post.takes()
    tasks.deliver()
    assert len(post.sent) < 60 or at == "the end"
    # Another worker is asked; this one does nothing more.
    assert post.queue.count == (at != "the end")
    tasks._ending.clear()
    post.office.messenger.before = lambda _: None
    post.works()
    assert sorted(post.sent) == sorted(ids)


def test_a_job_that_runs_out_of_its_time_finishes_what_it_has_in_hand(
    post: Post, monkeypatch: pytest.MonkeyPatch
):
    """RQ raises in the midst of it. What it has not taken leaves by the sweep."""
    begun = threading.Event()
    post.office.messenger.before = lambda _: begun.set()

    def too_late() -> bool:
        assert begun.wait(30)
        raise JobTimeoutException

    monkeypatch.setattr(post.wake_ups, "take", too_late)
    ids = [post.stores(number) for number in range(60)]
    with pytest.raises(JobTimeoutException):
        post.works()
    in_hand = [row for row in post.office.house.messages("sms") if row.state != "pending"]
    assert {row.state for row in in_hand} == {"sent"}
    assert len(in_hand) == tasks.MOST_IN_HAND
    post.office.sweeps()
    assert sorted(post.sent) == sorted(ids)


def test_a_job_that_died_with_a_wake_up_in_its_hand_stops_no_later_one(post: Post):
    post.stores(1)
    # It took it, and was killed before it looked.
    assert post.takes()
    post.stores(2)
    assert post.works() == 2
    assert len(post.sent) == 2


def test_one_that_waited_too_long_is_passed_over_and_the_next_is_heard(post: Post):
    """No worker was there for an hour, and what is left of the job is its id in the queue."""
    post.stores(1)
    (waiting,) = post.queue.job_ids
    post.queue.connection.delete(Job.key_for(waiting))
    # As RQ does with such an id.
    assert Queue.dequeue_any([post.queue], None, connection=post.queue.connection) is None
    post.stores(2)
    assert post.works() == 2


# ---------------------------------------------------------------- several, and none


def test_jobs_of_several_workers_share_what_is_stored(post: Post):
    """All at once, with wake-ups that any of them takes: each text leaves once."""
    made, stored = post.office, threading.Event()
    numbers = iter(range(60))

    @dataclass
    class Waits(Staying):
        def wait(self, seconds: float, goes_on: Callable[[], bool]) -> bool:
            stored.wait(30)
            return super().wait(seconds, goes_on)

    tasks.give(
        tasks.Ports(made.house.store, made.messenger, wake_ups=lambda: Waits(post.wake_ups.url))
    )
    with ThreadPoolExecutor(3) as workers:
        jobs = [workers.submit(tasks.deliver) for _ in range(3)]
        ids = [post.stores(number) for number in numbers]
        stored.set()
        for job in jobs:
            job.result(60)
    post.works()
    assert sorted(post.sent) == sorted(ids)


def test_where_redis_is_gone_a_job_delivers_what_is_due_and_ends(post: Post, nowhere: str):
    ids = [post.office.writes(a_mobile(number)) for number in range(40)]
    post.wake_ups = Staying(nowhere)
    post.wake_ups.before = [lambda: None]
    tasks.deliver()
    assert sorted(post.sent) == sorted(ids)
    post.wake_ups.pass_on()


@pytest.fixture
def nowhere(tmp_path: Any) -> str:
    return f"unix://{tmp_path / 'no.sock'}"


def test_an_earlier_versions_job_has_ids_and_delivers_what_is_due(post: Post):
    ids = [post.office.writes(a_mobile(number)) for number in range(3)]
    assert tasks.deliver(ids[0]) == 3
    assert sorted(post.sent) == sorted(ids)


# ---------------------------------------------------------------- which, and how fast


def test_what_many_are_told_at_one_moment_is_the_schedulers(post: Post):
    """Whoever waits for a text stands behind none of a nation's reminders."""
    store = post.office.house.store
    for kind in ("reminder", "callback"):
        new = rows.NewMessage(kind.ljust(32, "0"), kind, f"{kind}:1", a_mobile(1), {})
        with store.database.transaction() as connection:
            rows.add(connection, store.clock, store.vault, new)
    post.stores(1)
    assert post.works() == 1
    assert {row.state for row in post.office.house.messages("reminder")} == {"pending"}
    assert sweep(store, post.office.messenger) == 2


def test_a_job_keeps_the_providers_pace_and_looks_again_for_what_had_no_permit(
    post: Post, monkeypatch: pytest.MonkeyPatch
):
    # What it does follows from the clock alone.
    monkeypatch.setattr(tasks, "SENDERS", 1)
    clock = clock_of(post.office.house)
    pace = ProviderPace(
        PaceSettings(parts_per_second=10.0),
        "AlloRDV",
        lambda seconds: clock.advance(timedelta(seconds=seconds)),
    )
    moments = list[Any]()
    post.office.messenger.before = lambda _: moments.append(post.office.house.clock.now())
    post.opens(deliver_message.DeliveryDependencies(pace=pace))
    ids = [post.stores(number) for number in range(50)]
    post.works()
    assert sorted(post.sent) == sorted(ids)
    assert post.jobs == 1
    # Fifty at ten a second.
    assert moments[-1] - moments[0] >= timedelta(seconds=4)


# ---------------------------------------------------------------- the worker and its work-horse


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    told = list[tuple[int, int]]()
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    return told


@pytest.fixture
def rq_worker(redis_url: str) -> Iterator[worker._Worker]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with redis.Redis.from_url(redis_url) as connection:
        yield worker._Worker(connection, AwayNotice(), threading.Event())
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_worker_that_is_told_to_end_tells_its_work_horse(
    rq_worker: worker._Worker, signals: list[tuple[int, int]]
):
    rq_worker.set_state("busy")
    rq_worker._horse_pid = 4242
    rq_worker.request_stop(signal.SIGTERM, None)
    assert signals == [(4242, signal.SIGTERM)]
    assert tasks._ending == []


def test_one_that_was_told_while_it_forked_tells_it_then(
    rq_worker: worker._Worker, signals: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
):
    rq_worker.set_state("busy")

    def forks(self: Any, *_: Any) -> None:
        self.request_stop(signal.SIGTERM, None)
        self._horse_pid = 4242

    monkeypatch.setattr(Worker, "fork_work_horse", forks)
    rq_worker.fork_work_horse(None, None)
    assert signals == [(4242, signal.SIGTERM)]


def test_a_work_horse_that_is_told_ends_its_job_soon(
    rq_worker: worker._Worker, monkeypatch: pytest.MonkeyPatch
):
    """Before it has handlers of its own, and with them."""
    rq_worker.pid = os.getpid() + 1
    rq_worker.request_stop(signal.SIGTERM, None)
    assert tasks._ending == [True]
    rq_worker.setup_work_horse_signals()
    signal.raise_signal(signal.SIGTERM)
    assert tasks._ending == [True, True]
