"""The worker process: real RQ, one queue, quiet about personal data."""

from __future__ import annotations

import time

import structlog

from redis import Redis, RedisError
from rq import Worker
from rq.serializers import JSONSerializer

from jobs.queues import OUTBOX, connect, outbox_queue
from jobs.tasks import Ports, give

# Seconds. RQ looks after lost jobs only between two dequeues, and an idle dequeue lasts the
# worker's time to live less fifteen.
WORKER_TTL = 45
MAINTENANCE_INTERVAL = 15
REDIS_PATIENCE = 10

log = structlog.get_logger()


class NoRedis(Exception):
    """Redis did not answer; the sentence says where and for how long."""


def run(redis_url: str, ports: Ports) -> None:
    """Work until SIGTERM or SIGINT. Raises NoRedis when Redis goes, or was never there."""
    give(ports)
    connection = connect(redis_url)
    _wait_for(connection, redis_url)
    worker = Worker(
        [outbox_queue(connection)],
        connection=connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL,
        maintenance_interval=MAINTENANCE_INTERVAL,
        log_job_description=False,
    )
    log.info("worker starts", queue=OUTBOX)
    try:
        worker.work(logging_level="WARNING")
    except RedisError as error:
        raise NoRedis(
            f"Redis went away ({type(error).__name__}); messages wait for the sweep"
        ) from None


def _wait_for(connection: Redis, url: str) -> None:
    deadline = time.monotonic() + REDIS_PATIENCE
    while True:
        try:
            connection.ping()
        except RedisError:
            if time.monotonic() > deadline:
                raise NoRedis(f"no Redis answers at {url} (REDIS_URL)") from None
            time.sleep(0.2)
        else:
            return
