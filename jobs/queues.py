"""Redis: the connection, the one queue, and the wake-up that web workers send after a commit."""

from __future__ import annotations

import queue
import threading
import time

from collections.abc import Callable

import structlog

from redis import Redis, RedisError
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

# One queue a worker: with more of them RQ cannot move a job safely (see the reliability notes in
# docs/decisions/0003).
OUTBOX = "outbox"
DELIVER = "jobs.tasks.deliver"
# Seconds. A job that no worker took in time is no use: the sweep has delivered its message.
JOB_TIMEOUT = 30
JOB_TTL = 120
FAILURE_TTL = 3600
WAKE_UP_TIMEOUT = 0.2
# The worker has JOB_TIMEOUT for all of them; what it leaves, the sweep delivers. Seconds in which a
# text may wait for others: at forty bookings a second a web worker makes five jobs, and not twenty.
GATHER_SECONDS = 0.2
MOST_IN_A_JOB = 20
_MOST_WAITING = 10_000
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


def redis_answers(url: str) -> bool:
    """Whether it does, within WAKE_UP_TIMEOUT."""
    return not redis_problem(url)


def outbox_queue(connection: Redis) -> Queue:
    return Queue(OUTBOX, connection=connection, serializer=JSONSerializer)


class RetryBreaker:
    """After a failure nothing is tried for a while; then one try decides what comes next."""

    def __init__(self, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`pause` and `clock` are in seconds."""
        self._pause = pause
        self._clock = clock
        # None while all is well, else the moment of the next try.
        self._next_try: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing should be tried now."""
        next_try = self._next_try
        return next_try is not None and self._clock() < next_try

    def failed(self) -> bool:
        """A try failed; True for the first failure in a row."""
        first = self._next_try is None
        self._next_try = self._clock() + self._pause
        return first

    def worked(self) -> bool:
        """A try went well; True when the one before had failed."""
        again, self._next_try = self._next_try is not None, None
        return again


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
    """The port services.ports.WakeUp: jobs leave from a thread, so that no call waits for Redis.

    While Redis does not answer, nothing is queued either: the sweep delivers without it.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._url = url
        self._breaker = RetryBreaker(PAUSE, clock)
        self._notice = AwayNotice(clock)
        self._outbox: Queue | None = None
        self._waiting: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self._started = False
        self._starting = threading.Lock()

    def message(self, message_id: str) -> None:
        if self._breaker.is_open:
            return
        if not self._started:
            self._start()
        try:
            self._waiting.put_nowait(message_id)
        except queue.Full:
            log.warning("wake-up dropped", reason="full")

    def _start(self) -> None:
        # At the first message, not before: a server may fork after it has made the application.
        with self._starting:
            if not self._started:
                threading.Thread(target=self._run, name="wake-up", daemon=True).start()
                self._started = True

    def _run(self) -> None:
        while True:
            message_ids = [self._waiting.get()]
            # Under load many messages share a job: making one costs more than a whole turn.
            time.sleep(GATHER_SECONDS)
            while len(message_ids) < MOST_IN_A_JOB and not self._waiting.empty():
                message_ids.append(self._waiting.get())
            self.tell(*message_ids)

    def tell(self, *message_ids: str) -> None:
        """Tell a worker now, from this thread, or give it up for the sweep to find."""
        if self._breaker.is_open:
            return
        try:
            if self._outbox is None:
                self._outbox = outbox_queue(connect(self._url, timeout=WAKE_UP_TIMEOUT))
            wake_worker(self._outbox, *message_ids)
        except Exception as error:  # noqa: BLE001 (without this thread no worker is woken again)
            self._breaker.failed()
            self._notice.failed(error)
        else:
            self._breaker.worked()
            self._notice.answered()


def wake_worker(outbox: Queue, *message_ids: str) -> None:
    """Ask a worker to deliver messages; only their ids travel. Raises RedisError."""
    outbox.enqueue(
        DELIVER,
        *message_ids,
        job_timeout=JOB_TIMEOUT,
        ttl=JOB_TTL,
        result_ttl=0,
        failure_ttl=FAILURE_TTL,
        description=DELIVER,
    )
