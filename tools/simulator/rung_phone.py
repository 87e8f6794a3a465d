"""Calls of the service's to numbers that are open in a page: its telephone rings.

An idle page asks every other second whether its number is rung; that is also how it is
known that the number is open in a page at all. Two pages of one number ring both, and one takes it.
"""

import secrets
import threading
import time

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exchange.subscribers import Rung

# A page that asked for nothing for so long (seconds) is not there to be rung. A browser lets pages
# that no one looks at ask less often.
OPEN_S = 8.0


@dataclass
class Open:
    """A number that is open in a page."""

    seen: float
    busy: bool = False


class RungPages:
    """Numbers that are open in pages, and the calls that ring them; see `Subscriber`.

    `now` is a clock in seconds that never goes back. Safe between threads.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, open_s: float = OPEN_S) -> None:
        self._now, self._open_s = now, open_s
        self._open: dict[str, Open] = {}
        self._rung: dict[str, Rung] = {}
        self._lock = threading.Lock()

    # The exchange's side

    def knows(self, number: str) -> bool:
        with self._lock:
            return self._open_at(number) is not None

    def rings(self, rung: Rung) -> None:
        with self._lock:
            at = self._open_at(rung.record.recipient)
            if at is not None and not at.busy:
                self._rung[secrets.token_urlsafe(12)] = rung
                return
        rung.refuse("busy" if at is not None else "no-answer")

    def stops(self, rung: Rung) -> None:
        with self._lock:
            self._rung = {key: one for key, one in self._rung.items() if one is not rung}

    # The page's requests

    def look(self, number: str, *, busy: bool = False) -> dict[str, Any] | None:
        """Return the call that rings `number` (E.164), or None; the number is open from now on."""
        with self._lock:
            self._open[number] = Open(self._now(), busy)
            for key, rung in self._rung.items():
                if rung.record.recipient == number and rung.still_rings:
                    return {"id": key, "from": rung.record.sender}
            return None

    def take(self, key: str) -> Rung | None:
        """Return a call that rings, which is the caller's own now; None when it rings no more."""
        with self._lock:
            rung = self._rung.pop(key, None)
            return rung if rung is not None and rung.still_rings else None

    def refuse(self, key: str) -> bool:
        """Refuse a call that rings; False when it rings no more."""
        rung = self.take(key)
        if rung is not None:
            rung.refuse("busy")
        return rung is not None

    def _open_at(self, number: str) -> Open | None:
        found = self._open.get(number)
        if found is not None and self._now() - found.seen > self._open_s:
            del self._open[number]
            return None
        return found
