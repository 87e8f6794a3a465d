"""Files that are read again when they change, while what they said before is in use."""

from __future__ import annotations

import threading

from collections.abc import Callable
from typing import Final, Generic, TypeVar

LOOK_SECONDS: Final = 2.0

# What the files look like, compared with what they looked like before.
Stamps = TypeVar("Stamps")
Read = TypeVar("Read")


class WatchedFiles(Generic[Stamps]):
    """Files looked at every LOOK_SECONDS, by one thread at a time.

    A change is read when two looks in a row saw it: an editor that is in the middle of saving, or
    takes the file away for a moment, changes nothing yet.
    """

    def __init__(
        self, first: Stamps, look: Callable[[], Stamps], ticks: Callable[[], float]
    ) -> None:
        """`first` is what they looked like when they were read; `ticks` a monotonic clock (s)."""
        # What they looked like when they were read last; what is faulty is not read again.
        self.read_as = self._seen = first
        self._look = look
        self._ticks = ticks
        self._next_look = ticks() + LOOK_SECONDS
        self._looking = threading.Lock()

    def when_changed(self, read: Callable[[Stamps], Read]) -> Read | None:
        """What `read` makes of them, where they have changed; None where there is nothing new.

        What `read` raises goes through, and they are read again at the next look.
        """
        if self._ticks() < self._next_look or not self._looking.acquire(blocking=False):
            return None
        try:
            # Another thread may have looked since.
            if self._ticks() < self._next_look:
                return None
            self._next_look = self._ticks() + LOOK_SECONDS
            stamps = self._look()
            settled, self._seen = stamps == self._seen, stamps
            if stamps == self.read_as or not settled:
                return None
            found = read(stamps)
            self.read_as = stamps
            return found
        finally:
            self._looking.release()
