"""A copy of the database that only reads: for what may be some seconds old.

It is asked only while it keeps up. That is told by the leases which the processes that work prolong
each second (models.operations.leases): whatever brings rows to the replica, and however it stops,
those grow old. Where there is no such process, the replica is taken to be late.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from sqlalchemy import Connection, Engine, create_engine, text

from models.addresses import read_url
from models.operations.tables import LEASE_SECONDS

# Seconds. Rows may be so old; it is looked at so often; one that failed is left alone so long.
MOST_LATE: Final = 10.0
LOOK_EVERY: Final = 5.0
LEFT_ALONE: Final = 30.0
# Few: copies of the feed, the board's history and lists are not asked for by many at once.
_POOL_SIZE: Final = 4
_KEEPS_UP: Final = text(
    "SELECT coalesce(max(until) > clock_timestamp() + make_interval(secs => :ahead), false)"
    " FROM process_lease"
)

log = structlog.get_logger()


class Replica:
    """Used by all threads of a process. `ticks` is a monotonic clock in seconds."""

    def __init__(self, url: str, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self.engine: Engine = create_engine(
            read_url(url),
            pool_size=_POOL_SIZE,
            max_overflow=0,
            pool_timeout=1,
            pool_use_lifo=True,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": 2,
                # Should the address name the primary by mistake, nothing is written there either.
                "options": "-c statement_timeout=4000 -c default_transaction_read_only=on",
                "tcp_user_timeout": 4000,
            },
        )
        self._lock = threading.Lock()
        self._next_look = float("-inf")
        self._keeps_up = False

    def keeps_up(self) -> bool:
        """Whether it may be asked now. One thread looks where that is due; the others go on."""
        if self._ticks() < self._next_look or not self._lock.acquire(blocking=False):
            return self._keeps_up
        try:
            before = self._keeps_up
            with self.engine.connect() as connection:
                ahead = {"ahead": LEASE_SECONDS - MOST_LATE}
                self._keeps_up = bool(connection.execute(_KEEPS_UP, ahead).scalar_one())
            self._next_look = self._ticks() + LOOK_EVERY
            if self._keeps_up != before:
                log.info("replica is read" if self._keeps_up else "replica is late")
        except Exception as error:  # noqa: BLE001 (whatever it is, the primary is asked)
            self.failed(error)
        finally:
            self._lock.release()
        return self._keeps_up

    def failed(self, error: Exception) -> None:
        """Leave it alone for a while."""
        log.warning("replica is not read", error=type(error).__name__)
        self._keeps_up, self._next_look = False, self._ticks() + LEFT_ALONE

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection to read with."""
        with self.engine.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()
