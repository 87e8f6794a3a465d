"""A job delivers what is due, and what is stored meanwhile: no text waits for a sweep.

Redis is real. What RQ's worker does between two jobs is done here by hand, in one process, so that
each moment between a look, a wake-up and the end of a job can be tried.
"""

from __future__ import annotations

import signal
import threading

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis

from rq import Queue
from rq.exceptions import DuplicateJobError, StopRequested
from rq.job import Job
from rq.timeouts import JobTimeoutException
from rq.worker import WorkerStatus

from jobs import relay, tasks, worker
from jobs.queues import DELIVER, AwayNotice, connect, outbox_queue, pass_on, wake_worker
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
from tests.support.until import wait_for


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, clock=FixedClock(NOON)) as made:
        yield made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_ports", [])
    monkeypatch.setattr(tasks, "_ending", [])


class Post:
    """An outbox, its queue, and a worker that does one job after the other."""

    def __init__(self, made: House, redis_url: str) -> None:
        self.office = Office(made, Takes())
        self.queue: Queue = outbox_queue(connect(redis_url))
        self.jobs = 0
        self.wakes: Callable[[Queue], object] = wake_worker
        self.opens(DeliveryDependencies())

    def opens(self, means: DeliveryDependencies) -> None:
        made = self.office
        tasks.give(
            tasks.Ports(made.house.store, made.messenger, means, lambda: pass_on(self.queue))
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


def test_what_is_stored_while_a_job_delivers_leaves_by_it(post: Post):
    numbers = [3, 2]

    def stores(_: str) -> None:
        if numbers:
            post.stores(numbers.pop())

    post.office.messenger.before = stores
    post.stores(1)
    assert post.takes()
    assert tasks.deliver() == 3
    assert len(post.sent) == 3
    # The wake-up that was sent meanwhile finds nothing to do.
    assert (post.works(), post.jobs) == (0, 1)


def test_a_text_that_is_stored_leaves_while_another_is_stuck_at_the_provider(post: Post):
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
    assert post.takes()
    tasks.deliver()
    assert post.sent == [*ids, first]


# ---------------------------------------------------------------- nothing waits for a sweep


def one_at_a_time(queue: Queue) -> None:
    """The obvious way: no wake-up while there is a job, waiting or at work."""
    try:
        queue.enqueue(DELIVER, job_id="deliver", unique=True)
    except DuplicateJobError:
        return


@pytest.fixture
def after_all(post: Post, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Acts, done one each time that a job looks and finds nothing, and all texts have left."""
    acts, take_due = list[Callable[[], object]](), take_messages.take_due

    def looks(*args: Any, **named: Any) -> Any:
        found = take_due(*args, **named)
        states = {row.state for row in post.office.house.messages("sms")}
        if not found and states == {"sent"} and acts:
            acts.pop()()
        return found

    monkeypatch.setattr(relay, "take_due", looks)
    monkeypatch.setattr(relay, "_LOOK_AGAIN", 600.0)
    return acts


@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_text_that_is_stored_between_a_jobs_last_look_and_its_end_leaves_by_the_next(
    post: Post, after_all: list[Callable[[], object]], *, is_guarded: bool
):
    if not is_guarded:
        post.wakes = one_at_a_time
    late = list[str]()
    after_all.append(lambda: late.append(post.stores(2)))
    post.stores(1)
    post.works()
    assert post.office.state(late[0]) == ("sent" if is_guarded else "pending")
    assert post.jobs == (2 if is_guarded else 1)


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
def test_a_job_that_is_told_to_end_leaves_the_rest_to_another_worker(
    post: Post, after_all: list[Callable[[], object]], at: str
):
    if at == "the beginning":
        tasks.end_soon()
    if at == "a text":
        post.office.messenger.before = lambda _: tasks.end_soon()
    if at == "the end":
        after_all.append(tasks.end_soon)
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

    def too_late(*_: Any, **_named: Any) -> Any:
        assert begun.wait(30)
        raise JobTimeoutException

    ids = [post.stores(number) for number in range(60)]
    with monkeypatch.context() as patched:
        patched.setattr(relay, "wait", too_late)
        with pytest.raises(JobTimeoutException):
            post.works()

    def in_hand() -> list[str]:
        return [row.state for row in post.office.house.messages("sms") if row.state != "pending"]

    wait_for(lambda: set(in_hand()) == {"sent"}, "those in hand leave")
    assert len(in_hand()) == tasks.MOST_IN_HAND
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
    """All at once: each text leaves once."""
    ids = [post.stores(number) for number in range(60)]
    with ThreadPoolExecutor(3) as workers:
        jobs = [workers.submit(tasks.deliver) for _ in range(3)]
        assert sum(job.result(60) for job in jobs) == 60
    post.works()
    assert sorted(post.sent) == sorted(ids)


def test_where_redis_is_gone_what_a_job_leaves_waits_for_the_sweep(post: Post, nowhere: str):
    ids = [post.office.writes(a_mobile(number)) for number in range(40)]
    post.queue = outbox_queue(connect(nowhere, timeout=1))
    tasks.end_soon()
    assert tasks.deliver() == 0
    post.office.sweeps()
    assert sorted(post.sent) == sorted(ids)


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


# ---------------------------------------------------------------- the worker is told to end


@pytest.fixture
def rq_worker(redis_url: str) -> Iterator[worker._Worker]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with redis.Redis.from_url(redis_url) as connection:
        yield worker._Worker(connection, AwayNotice(), threading.Event())
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("is_redis_there", [True, False])
def test_a_worker_that_is_told_to_end_finishes_its_job_soon(
    rq_worker: worker._Worker, nowhere: str, *, is_redis_there: bool
):
    rq_worker.set_state(WorkerStatus.BUSY)
    if not is_redis_there:
        rq_worker.connection = connect(nowhere, timeout=1)
    rq_worker.request_stop(signal.SIGTERM, None)
    assert tasks._ending == [True]
    assert rq_worker.told_to_stop
    assert rq_worker._stop_requested


def test_an_idle_worker_that_is_told_to_end_ends_at_once(rq_worker: worker._Worker):
    rq_worker.set_state(WorkerStatus.IDLE)
    with pytest.raises(StopRequested):
        rq_worker.request_stop(signal.SIGTERM, None)
    # A library may have swallowed it; RQ looks after the worker again before it waits.
    with pytest.raises(StopRequested):
        rq_worker.heartbeat()
