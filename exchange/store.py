"""What the REST server remembers: records by SID, in memory, the oldest forgotten first."""

import threading

from collections import OrderedDict
from typing import Generic, TypeVar

from exchange.calls import CallRecord
from exchange.messages import Message

CAPACITY = 10_000


# A message or a call.
R = TypeVar("R", CallRecord, Message)


class Store(Generic[R]):
    """Records in the order they were made; safe between threads."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._records: OrderedDict[str, R] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, record: R) -> None:
        """Keep `record`, forgetting the oldest one when there are too many."""
        with self._lock:
            self._records[record.sid] = record
            while len(self._records) > self._capacity:
                self._records.popitem(last=False)

    def get(self, sid: str) -> R | None:
        with self._lock:
            return self._records.get(sid)

    def remove(self, sid: str) -> None:
        """Forget it; one that is gone already stays so."""
        with self._lock:
            self._records.pop(sid, None)

    def newest_first(self) -> list[R]:
        """Return all records, the last one made first."""
        with self._lock:
            return list(reversed(self._records.values()))
