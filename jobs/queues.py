"""Redis: the connection, the one queue, and the wake-up that web workers send after a commit.

A wake-up is a job that waits, and one is enough however much was stored: it has not looked into the
store yet. So a text that was committed is seen by the job that was sent for it, or by the one that
waited then; nothing else need be remembered.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable

import structlog

from redis import Redis, RedisError
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

# One queue a worker: with more of them RQ cannot move a job safely (see the reliability notes in
# docs/decisions/0003).
OUTBOX = "outbox"
DELIVER = "jobs.tasks.deliver"
# Seconds. Longer than a job stays (jobs.tasks.STAYS) and what it has in hand then may take.
JOB_TIMEOUT = 90
# What a job that died leaves in Redis is gone after this. A worker that was away for longer may
# pass one wake-up over, and the sweep delivers that text.
JOB_TTL = 3600
FAILURE_TTL = 3600
WAKE_UP_TIMEOUT = 0.2
# Seconds between two wake-ups of one web worker: what is stored meanwhile shares the next.
BETWEEN_WAKE_UPS = 0.2
# Seconds without a try after one that failed; the sweep comes round every 15 anyway.
PAUSE = 5.0
# Between two lines of the log about a Redis that is still away.
SAID_EVERY = 60.0
# Of a connection that is to be kept: to be made, and the tries after one that failed.
CONNECT_TIMEOUT = 5.0
TRIES = 3

log = structlog.get_logger()


def connect(url: str, *, timeout: float | None = None) -> Redis:
    """A connection pool. With a `timeout` (seconds) nothing is tried twice."""
    if timeout is None:
        return Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_TIMEOUT,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), TRIES),
        )
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


def redis_problem(url: str) -> str:
    """Why Redis is of no use now, within WAKE_UP_TIMEOUT; empty where it answers."""
    connection = connect(url, timeout=WAKE_UP_TIMEOUT)
    try:
        connection.ping()
    except (RedisError, OSError) as error:
        return type(error).__name__
    finally:
        connection.close()
    return ""


def outbox_queue(connection: Redis, job_class: type[Job] | None = None) -> Queue:
    """The queue; `job_class` reads its jobs (a worker's: jobs.closed_jobs.ClosedJob)."""
    return Queue(OUTBOX, connection=connection, serializer=JSONSerializer, job_class=job_class)


class AwayNotice:
    """Says in the log that Redis does not answer, once a minute; and once that it answers again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        # None while all is well, else the moment of the next line.
        self._next_line: float | None = None
        self._saying = threading.Lock()

    def failed(self, error: Exception) -> None:
        """A try failed. Of the error only its kind is said: its text may hold a password."""
        with self._saying:
            now = self._clock()
            if self._next_line is not None and now < self._next_line:
                return
            self._next_line = now + SAID_EVERY
        log.warning("redis does not answer", setting="REDIS_URL", error=type(error).__name__)

    def answered(self) -> None:
        """A try went well."""
        with self._saying:
            away, self._next_line = self._next_line is not None, None
        if away:
            log.info("redis answers again")


class RedisWakeUp:
    """The port services.ports.WakeUp: a thread tells workers, so that no call waits for Redis.

    While Redis does not answer, no worker is told: the sweep delivers without it.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._url, self._clock = url, clock
        self._notice = AwayNotice(clock)
        # Until then nothing is tried: it has just failed.
        self._pause_ends = float("-inf")
        self._outbox: Queue | None = None
        # Something was stored of which no worker was told yet.
        self._is_news = threading.Event()
        self._started = False
        self._starting = threading.Lock()

    def message(self, message_id: str) -> None:
        """Redis need not know which: a worker looks what is due."""
        if self._is_pausing():
            return
        self._is_news.set()
        if not self._started:
            self._start()

    def _start(self) -> None:
        # At the first message, not before: a server may fork after it has made the application.
        with self._starting:
            if not self._started:
                threading.Thread(target=self._run, name="wake-up", daemon=True).start()
                self._started = True

    def _run(self) -> None:
        while True:
            self._is_news.wait()
            # Before a worker is told: what is stored from now on is told next time.
            self._is_news.clear()
            self.tell()
            # Under load many messages share a wake-up: one costs more than a whole turn.
            time.sleep(BETWEEN_WAKE_UPS)

    def tell(self) -> None:
        """Tell a worker now, from this thread, or give it up for the sweep to find."""
        if self._is_pausing():
            return
        try:
            if self._outbox is None:
                self._outbox = outbox_queue(connect(self._url, timeout=WAKE_UP_TIMEOUT))
            wake_worker(self._outbox)
        except Exception as error:  # noqa: BLE001 (without this thread no worker is woken again)
            self._pause_ends = self._clock() + PAUSE
            self._notice.failed(error)
        else:
            self._notice.answered()

    def _is_pausing(self) -> bool:
        return self._clock() < self._pause_ends


def wake_worker(outbox: Queue) -> None:
    """Ask a worker to look what is due, where none is asked already. Raises RedisError.

    Two who ask at once may both find that no job waits: the second job finds nothing to do.
    """
    if outbox.count:
        return
    outbox.enqueue(
        DELIVER,
        job_timeout=JOB_TIMEOUT,
        ttl=JOB_TTL,
        result_ttl=0,
        failure_ttl=FAILURE_TTL,
        description=DELIVER,
    )


def pass_on(outbox: Queue) -> None:
    """Let another job go on: something may be due that this one did not take."""
    try:
        wake_worker(outbox)
    except (RedisError, OSError) as error:
        log.warning("wake-up lost", error=type(error).__name__)
