"""Signs of life of scheduler, dispatcher and worker, and what they counted, on their way."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from jobs.timed import Task
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


@contextmanager
def given_beside(signs: ProcessSigns) -> Iterator[None]:
    """Around the work of a process whose main thread is another's (RQ's): a thread gives signs."""
    ended = threading.Event()

    def give_signs() -> None:
        while True:
            _give(signs)
            if ended.wait(SIGN_EVERY):
                return

    thread = threading.Thread(target=give_signs, name="signs", daemon=True)
    thread.start()
    with until_the_end(signs):
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _give(signs: ProcessSigns) -> None:
    """One sign; whatever goes wrong, the next one is tried."""
    try:
        signs()
    except Exception as error:  # noqa: BLE001 (see above)
        log.warning("sign not given", error=type(error).__name__)
