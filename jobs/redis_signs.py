"""Whether Redis answers, for whoever looks after the service."""

from __future__ import annotations

from redis import Redis, RedisError

from jobs.queues import WAKE_UP_TIMEOUT, connect


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

    def _redis(self) -> Redis:
        if self._connection is None:
            self._connection = connect(self._url, timeout=self._timeout)
        return self._connection
