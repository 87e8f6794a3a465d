"""Snapshots as a web worker has them: read five times a second at most, however many screens ask.

A screen that asks in between gets what the one before it got. While one thread reads, the others
answer with what they have.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar

from models.supervision import snapshots
from models.supervision.snapshots import Snapshot
from services.store import Store

KEPT_SECONDS: Final = 0.2

Value = TypeVar("Value")
# A monotonic clock in seconds.
Ticks = Callable[[], float]


@dataclass(frozen=True)
class SnapshotRead:
    """A snapshot, and when it was read: UTC by the store, seconds by the worker."""

    snapshot: Snapshot
    read_at: datetime
    ticks: float

    def age(self, ticks: float) -> float:
        """Seconds since the snapshot was last known to be true."""
        when_read = (self.read_at - self.snapshot.at).total_seconds()
        return max(when_read, 0.0) + ticks - self.ticks


class Shared(Generic[Value]):
    """Something that is read at most every so often, by one thread while others take the last.

    `read` gets what was read before, None at first. A store that does not answer is asked again
    when the time has come again.
    """

    def __init__(
        self, read: Callable[[Value | None], Value | None], seconds: float, ticks: Ticks
    ) -> None:
        self._read, self._seconds, self._ticks = read, seconds, ticks
        self._value: Value | None = None
        self._next = 0.0
        self._reading = threading.Lock()

    def get(self) -> Value | None:
        """The newest. Raises as the store does."""
        if self._ticks() < self._next or not self._reading.acquire(blocking=self._value is None):
            return self._value
        try:
            # Another thread may have read it while this one waited.
            if self._ticks() >= self._next:
                self._next = self._ticks() + self._seconds
                self._value = self._read(self._value)
        finally:
            self._reading.release()
        return self._value


class Snapshots:
    """One for each web worker. May be used by several threads."""

    def __init__(
        self, store: Store, *, seconds: float = KEPT_SECONDS, ticks: Ticks = time.monotonic
    ) -> None:
        """`ticks` is a monotonic clock in seconds."""
        self._store = store
        self._seconds = seconds
        self.ticks = ticks
        self._known: dict[str, Shared[SnapshotRead]] = {}

    def get(self, name: str) -> SnapshotRead | None:
        """The newest of a name; None where none was ever written. Raises as the store does.

        While the store does not answer, what is known gets older, and says so.
        """
        if name not in self._known:
            self._known.setdefault(
                name, Shared(partial(self._read, name), self._seconds, self.ticks)
            )
        return self._known[name].get()

    def _read(self, name: str, known: SnapshotRead | None) -> SnapshotRead | None:
        with self._store.database.statement() as connection:
            found = snapshots.get(connection, name, known.snapshot.tag if known else "")
        if found is None:
            return None
        if found.body is None and known is not None:
            found = replace(found, body=known.snapshot.body)
        return SnapshotRead(found, self._store.clock.now(), self.ticks())
