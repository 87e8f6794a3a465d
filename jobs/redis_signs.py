"""What Redis tells of itself and of its workers, for whoever looks after the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from redis import Redis, RedisError
from rq import Worker

from jobs.queues import WAKE_UP_TIMEOUT, connect, outbox_queue


class RedisSigns:
    """Asks with little patience: nobody waits long for a Redis that is away."""

    def __init__(self, url: str, *, timeout: float = WAKE_UP_TIMEOUT) -> None:
        """`timeout` is in seconds. It connects when it is asked first."""
        self._url, self._timeout = url, timeout
        self._connection: Redis | None = None

    def problem(self) -> str:
        """Why Redis is of no use now; empty where it is."""
        try:
            self._redis().ping()
        except (RedisError, OSError) as error:
            return type(error).__name__
        return ""

    def worker(self) -> timedelta | None:
        """Since a worker of the outbox gave its last sign; None: no worker is known."""
        try:
            connection = self._redis()
            workers = Worker.all(queue=outbox_queue(connection))
        except (RedisError, OSError):
            return None
        beats = [one.last_heartbeat for one in workers if one.last_heartbeat is not None]
        if not beats:
            return None
        newest = max(one if one.tzinfo else one.replace(tzinfo=UTC) for one in beats)
        return datetime.now(UTC) - newest

    def _redis(self) -> Redis:
        if self._connection is None:
            self._connection = connect(self._url, timeout=self._timeout)
        return self._connection
