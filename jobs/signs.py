"""Signs of life of scheduler, dispatcher and worker, and what they counted, on their way."""

from __future__ import annotations

import os
import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from jobs.timed import Task
from models.database import Database
from services.health.process_counts import SIGN_EVERY, ProcessSigns

log = structlog.get_logger()

# The signs of a process of this kind.
MakeSigns = Callable[[str], ProcessSigns]


def sign_task(signs: ProcessSigns) -> Task:
    """For a process that does tasks: it gives signs as long as tasks are begun."""
    return Task("sign", SIGN_EVERY, signs)


@contextmanager
def until_the_end(signs: ProcessSigns) -> Iterator[None]:
    """Around the work of a process: it says so when it ends by itself."""
    try:
        yield
    finally:
        try:
            signs.end()
        except Exception as error:  # noqa: BLE001 (others will miss it, and it is gone)
            log.warning("end not told", error=type(error).__name__)


class WorkerSigns:
    """A thread of the worker that gives its signs while RQ has the main one.

    RQ forks for each job. So that no work-horse shares a connection, or a lock in somebody else's
    hands, the worker forks only while this thread does nothing, and nothing stays open in between.
    """

    def __init__(self, signs: ProcessSigns, database: Database) -> None:
        """`database` is that of `signs`, and of nobody else."""
        self._signs, self._database = signs, database
        self._ended = threading.Event()
        self._one = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="signs", daemon=True)

    def start(self) -> None:
        """Begin, in the worker itself and not in what it forks."""
        os.register_at_fork(
            before=self._one.acquire,
            after_in_parent=self._one.release,
            after_in_child=self._one.release,
        )
        self._thread.start()

    def end(self) -> None:
        """The worker ends by itself."""
        self._ended.set()
        self._thread.join()
        with self._one, until_the_end(self._signs):
            pass
        self._database.dispose()

    def give(self) -> None:
        """One sign; whatever goes wrong, the next one is tried."""
        with self._one:
            try:
                self._signs()
            except Exception as error:  # noqa: BLE001 (see above)
                log.warning("sign not given", error=type(error).__name__)
            finally:
                self._database.renew()

    def _run(self) -> None:
        while True:
            self.give()
            if self._ended.wait(SIGN_EVERY):
                return
