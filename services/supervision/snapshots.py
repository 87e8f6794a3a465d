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
from typing import Final

from models.supervision import snapshots
from models.supervision.snapshots import Snapshot
from services.store import Store

KEPT_SECONDS: Final = 0.2


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


class Snapshots:
    """One for each web worker. May be used by several threads."""

    def __init__(
        self,
        store: Store,
        *,
        seconds: float = KEPT_SECONDS,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ticks` is a monotonic clock in seconds."""
        self._store = store
        self._seconds = seconds
        self.ticks = ticks
        self._known: dict[str, SnapshotRead] = {}
        self._next: dict[str, float] = {}
        self._reading = threading.Lock()

    def get(self, name: str) -> SnapshotRead | None:
        """The newest of a name; None where none was ever written. Raises as the store does.

        A store that does not answer is asked again at the next one's turn; meanwhile what is known
        gets older, and says so.
        """
        if self.ticks() < self._next.get(name, 0.0):
            return self._known.get(name)
        known = self._known.get(name)
        if not self._reading.acquire(blocking=known is None):
            return known
        try:
            # Another thread may have read it while this one waited.
            if self.ticks() >= self._next.get(name, 0.0):
                self._next[name] = self.ticks() + self._seconds
                self._read(name)
        finally:
            self._reading.release()
        return self._known.get(name)

    def _read(self, name: str) -> None:
        known = self._known.get(name)
        with self._store.database.statement() as connection:
            found = snapshots.get(connection, name, known.snapshot.tag if known else "")
        if found is None:
            self._known.pop(name, None)
            return
        if found.body is None and known is not None:
            found = replace(found, body=known.snapshot.body)
        self._known[name] = SnapshotRead(found, self._store.clock.now(), self.ticks())
