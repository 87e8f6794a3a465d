"""The worker process: real RQ, one queue, quiet about personal data.

It outlives its Redis: away at the start or for an hour, it is asked again until it answers. What
waits in the outbox leaves by the scheduler's sweep meanwhile.
"""

from __future__ import annotations

import logging
import threading

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from redis import Redis, RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from jobs import tasks, timed
from jobs.closed_jobs import ClosedJob
from jobs.queues import OUTBOX, AwayNotice, connect, outbox_queue, pass_on
from jobs.tasks import Ports, give

# Seconds. RQ looks after lost jobs only between two dequeues, and an idle dequeue lasts the
# worker's time to live less fifteen.
WORKER_TTL = 45
MAINTENANCE_INTERVAL = 15
# Between two looks whether Redis is there.
LOOK_AGAIN = 1.0
# What a look waits for an answer.
PATIENCE = 2.0
# How RQ's own log calls a Redis that does not answer.
_RQS_LOG = "rq.worker"
_RQS_WORDS = ("could not connect to Redis", "Redis connection timeout")

log = structlog.get_logger()


class _Worker(SimpleWorker):
    """RQ's worker; it tells whether it ended because it was told to, and ends then for certain."""

    # Seconds between RQ's own tries, at the most: a minute would be late for a caller's text.
    max_connection_wait_time = 2.0

    def __init__(self, connection: Redis, notice: AwayNotice, stop: threading.Event) -> None:
        super().__init__(
            [outbox_queue(connection, ClosedJob)],
            connection=connection,
            job_class=ClosedJob,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            maintenance_interval=MAINTENANCE_INTERVAL,
            log_job_description=False,
        )
        self.told_to_stop = False
        self._notice, self._stop = notice, stop

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        # A signal that came while it began.
        self.told_to_stop = self._stop.is_set()

    def subscribe(self) -> None:
        """Hear no commands by Redis: a person who can write there must not end a worker."""

    def request_stop(self, signum: Any, frame: Any) -> None:
        self.told_to_stop = True
        # What is on its way is delivered first.
        tasks.end_soon()
        # RQ notes in Redis that a busy worker is to stop. A job at work must not fail of that.
        with suppress(RedisError):
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def heartbeat(self, *arguments: Any, **named: Any) -> None:
        # RQ ends an idle worker by an exception from the signal's handler, which a library that was
        # at work at that moment may have swallowed.
        if self.told_to_stop and self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        super().heartbeat(*arguments, **named)
        self._notice.answered()


class _SaidByUs(logging.Filter):
    """RQ's lines about a Redis that is away, one a try: instead one is said each minute."""

    def __init__(self, notice: AwayNotice) -> None:
        super().__init__()
        self._notice = notice

    def filter(self, record: logging.LogRecord) -> bool:
        failed = record.exc_info[1] if record.exc_info else None
        if isinstance(failed, RedisError):
            self._notice.failed(failed)
            return False
        if any(words in str(record.msg) for words in _RQS_WORDS):
            found = [arg for arg in record.args or () if isinstance(arg, Exception)]
            self._notice.failed(found[0] if found else TimeoutError())
            return False
        return True


def run(redis_url: str, ports: Ports) -> None:
    """Work until SIGTERM or SIGINT. A Redis that goes, or was never there, is waited for."""
    stop = timed.stopped_by_signal()
    notice = AwayNotice()
    said_by_us = _SaidByUs(notice)
    logging.getLogger(_RQS_LOG).addFilter(said_by_us)
    log.info("worker starts", queue=OUTBOX)
    try:
        with connect(redis_url, timeout=PATIENCE) as asked:
            give(replace(ports, pass_on=partial(pass_on, outbox_queue(asked))))
            while wait_for_redis(asked.ping, stop, notice):
                _work(redis_url, notice, stop)
                stop.wait(LOOK_AGAIN)
    finally:
        logging.getLogger(_RQS_LOG).removeFilter(said_by_us)


def make_worker(
    connection: Redis, notice: AwayNotice | None = None, stop: threading.Event | None = None
) -> _Worker:
    """RQ's worker, with the jobs of a closed list alone; `stop` is set when it is told to end."""
    return _Worker(connection, notice or AwayNotice(), stop or threading.Event())


def _work(redis_url: str, notice: AwayNotice, stop: threading.Event) -> None:
    """Work as long as Redis answers, or until told to stop, which sets `stop`."""
    connection = connect(redis_url)
    worker = make_worker(connection, notice, stop)
    try:
        worker.work(logging_level="WARNING")
    except StopRequested:
        pass
    except RedisError as error:
        if not worker.told_to_stop:
            notice.failed(error)
    finally:
        # RQ has put its own handlers of signals there.
        timed.stops_by_signal(stop)
        if worker.told_to_stop:
            stop.set()
        connection.close()


def wait_for_redis(
    ping: Callable[[], object], stop: threading.Event, notice: AwayNotice, every: float = LOOK_AGAIN
) -> bool:
    """Ask every so many seconds until Redis answers; False when told to stop."""
    while not stop.is_set():
        try:
            ping()
        except RedisError as error:
            notice.failed(error)
            stop.wait(every)
        else:
            notice.answered()
            return True
    return False
