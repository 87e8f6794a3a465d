"""A web worker knows if the store answers, so that few requests wait for it in vain.

A thread that waits for a store is one less for the telephone. So once it has failed, one request at
a time asks whether it is back, and all others of the web are told at once that it is not. A thread
stuck in a question that is never answered is set free: time limits that a server keeps are of no
use where that server hangs.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import structlog

from models.database import Database

# Seconds between two questions whether it is back.
AGAIN: Final = 1.0
# A request that takes longer (seconds) is stuck: a statement may take four, to connect three.
STUCK: Final = 6.0
# A page for people has its answer, or the truth, within eight seconds: it may wait a second for its
# thread, half a second passes until a stuck one is seen, and the browser has to be reached.
PAGE_SECONDS: Final = 5.5
# The store hangs where a request has waited so long (seconds) for it, and for so long after one
# failed.
SLOW: Final = 3.0
LATELY: Final = 10.0

log = structlog.get_logger()


class StoreAnswers:
    """Of one worker. May be used by several threads."""

    def __init__(self, database: Database, *, ticks: Callable[[], float] = time.monotonic) -> None:
        """`ticks` is a monotonic clock in seconds."""
        self._database = database
        self._ticks = ticks
        self._is_down = False
        self._next = 0.0
        self._failed_at = float("-inf")
        self._asking = threading.Lock()
        # When the request of each thread began, and how long (seconds) it may take.
        self._watched: dict[int, tuple[float, float]] = {}

    def failed(self) -> None:
        """The store did not answer a request."""
        if not self._is_down:
            log.warning("the store does not answer")
        self._is_down, self._failed_at = True, self._ticks()
        self._next = self._failed_at + AGAIN

    def hangs(self) -> bool:
        """Requests wait for it in vain at this moment, or did just now.

        Who finds no thread meanwhile finds none because of that, and not because of a crowd.
        """
        now = self._ticks()
        if now - self._failed_at < LATELY:
            return True
        return any(
            now - began > SLOW and self._database.is_asked_by(thread)
            for thread, (began, _) in list(self._watched.items())
        )

    def answers(self) -> bool:
        """Whether to ask it for anything now; looks whether it is back when that is due."""
        if not self._is_down:
            return True
        if self._ticks() < self._next or not self._asking.acquire(blocking=False):
            return False
        try:
            # Connections from before the failure are of no use.
            self._database.renew()
            self._database.ping()
        except Exception:  # noqa: BLE001 (whatever it is, it is not back)
            self._failed_at = self._ticks()
            return False
        else:
            log.info("the store answers again")
            self._is_down = False
            return True
        finally:
            self._next = self._ticks() + AGAIN
            self._asking.release()

    # ------------------------------------------------------------ stuck in it

    @contextmanager
    def under_watch(self, seconds: float | None = None) -> Iterator[None]:
        """Around a request whose thread must not be stuck.

        With `seconds` all its waits for the store together end after that; else it is set free
        after `STUCK`, and nothing else is asked of it.
        """
        thread = threading.get_ident()
        self._watched[thread] = self._ticks(), seconds or STUCK
        try:
            with self._database.within(seconds) if seconds else nullcontext():
                yield
        finally:
            self._watched.pop(thread, None)

    def look(self) -> None:
        """Set stuck threads free; to be called twice a second, or more often."""
        now = self._ticks()
        for thread, (began, seconds) in list(self._watched.items()):
            if now - began > seconds:
                log.warning("set free from the store")
                try:
                    self._database.set_free(thread)
                except Exception as error:  # noqa: BLE001 (the next look may go better)
                    log.warning("no thread set free", error=type(error).__name__)
