"""How long a thread may still wait for the store, in all that it asks for one request.

A time limit of each statement bounds no page: a page asks several times. So a request says once how
long it has, and every wait ends with it.
"""

from __future__ import annotations

import math
import threading
import time

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class NotInTime(Exception):
    """The request's time for the store was over before the store answered."""


class TimeLeft:
    """Of the threads of one process. `ticks` is a monotonic clock in seconds."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self.ticks = ticks
        # By thread: until when it may wait.
        self._until: dict[int, float] = {}

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let this thread wait for the store no longer than this in all.

        Inside another one the earlier end counts.
        """
        thread = threading.get_ident()
        before = self._until.get(thread)
        until = self.ticks() + seconds
        self._until[thread] = until if before is None else min(before, until)
        try:
            yield
        finally:
            if before is None:
                del self._until[thread]
            else:
                self._until[thread] = before

    @property
    def left(self) -> float:
        """Seconds; infinite where the thread has no limit. Raises NotInTime where none are left."""
        until = self._until.get(threading.get_ident())
        if until is None:
            return math.inf
        left = until - self.ticks()
        if left <= 0:
            raise NotInTime("the time for the store is over")
        return left

    def check(self) -> None:
        """Raises NotInTime where this thread has no time left."""
        _ = self.left
