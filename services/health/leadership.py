"""Which of several processes of a kind works: the one that has the lease.

Schedulers and dispatchers may run on every machine. One of each kind works, the others wait and
take over: at once where it ends as it should, within LEASE where it is killed or cut off. Each step
of their work is a condition in the database as well, so that a process which was held up for longer
than its lease does no harm when it goes on; the lease keeps two from doing the same work.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import structlog

from models.operations import leases
from models.operations.tables import LEASE_SECONDS
from services.store import Store

SCHEDULER: Final = "scheduler"
DISPATCHER: Final = "dispatcher"
# Seconds.
LEASE: Final = LEASE_SECONDS
ASK_EVERY: Final = 1.0

log = structlog.get_logger()


class Leadership:
    """One for each process. `is_ours` may be asked by any thread, and asks the store nothing.

    `ticks` is a monotonic clock in seconds.
    """

    def __init__(
        self, store: Store, name: str, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._name, self._ticks = store, name, ticks
        self._holder = store.chance.identifier()
        # By our own clock, counted from before the question: never later than the store's end.
        self._until = float("-inf")
        self._was_ours = False
        self._is_silent = False

    def is_ours(self) -> bool:
        """Whether this process works now."""
        return self._ticks() < self._until

    def lost_by_silence(self) -> bool:
        """Whether it was ours when the store answered last, which it does not do since."""
        return self._is_silent and self._was_ours and not self.is_ours()

    def ask(self) -> bool:
        """Take the lease, or prolong it; False where another process has it, or none answers."""
        began, database = self._ticks(), self._store.database
        try:
            with database.statement() as connection:
                ours = leases.take(
                    connection,
                    self._store.clock,
                    self._name,
                    self._holder,
                    timedelta(seconds=LEASE),
                )
        except Exception as error:  # noqa: BLE001 (it is asked again in a second)
            if not self._is_silent:
                log.warning("lease not asked for", name=self._name, error=type(error).__name__)
            self._is_silent = True
            return self.is_ours()
        self._is_silent = False
        if ours != self._was_ours:
            log.info("works now" if ours else "another one works", name=self._name)
        self._was_ours = ours
        self._until = began + LEASE if ours else float("-inf")
        return ours

    def give_up(self) -> None:
        """Let another process have it at once. Nothing of ours may be at work any more."""
        self._until = float("-inf")
        if not self._was_ours:
            return
        self._was_ours, database = False, self._store.database
        try:
            with database.statement() as connection:
                leases.give_up(connection, self._store.clock, self._name, self._holder)
        except Exception as error:  # noqa: BLE001 (then it ends by itself)
            log.warning("lease not given up", name=self._name, error=type(error).__name__)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Ask for it each second by a thread while the block runs; then give it up."""
        ended = threading.Event()

        def ask_again() -> None:
            while not ended.is_set():
                self.ask()
                ended.wait(ASK_EVERY)

        asking = threading.Thread(target=ask_again, name=f"lease {self._name}", daemon=True)
        asking.start()
        try:
            yield
        finally:
            ended.set()
            asking.join(LEASE)
            self.give_up()
