"""Requests that wait a moment for what comes: few at a time, for all paths share a few threads."""

import threading

from collections.abc import Iterator
from contextlib import contextmanager

# A request may wait this long (seconds); so many of one kind at a time.
PATIENCE_S = 1.0
MOST_PATIENT = 3


class Patience:
    """Who may wait, `most` at a time, and for how many `seconds`."""

    def __init__(self, seconds: float = PATIENCE_S, most: int = MOST_PATIENT) -> None:
        self._seconds, self._places = seconds, threading.BoundedSemaphore(most)

    @contextmanager
    def of(self, *, wanted: bool) -> Iterator[float]:
        """Have a request wait, if that is `wanted` and there is room; gives the seconds, or 0."""
        waits = wanted and self._places.acquire(blocking=False)
        try:
            yield self._seconds if waits else 0.0
        finally:
            if waits:
                self._places.release()
