"""What calls have done on the loop's thread, and what is logged when that fails."""

import asyncio
import contextlib
import logging
import threading
import traceback

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Final

log = logging.getLogger(__name__)

# Seconds that a thread waits for the loop.
_ASK_S: Final = 10.0


def trouble(what: str, error: Exception) -> None:
    """Log where it was and what kind of trouble, without what somebody said."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    log.error("%s: %s in %s:%s", what, type(error).__name__, last.name, last.lineno)


class Loop:
    """Has things done on the loop's thread, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._thread = loop, threading.get_ident()

    def post(self, what: Callable[[], object]) -> None:
        """Do it soon; never raises."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and the call with it
            self._loop.call_soon_threadsafe(self._guarded, what)

    def _guarded(self, what: Callable[[], object]) -> None:
        try:
            what()
        except Exception as error:  # noqa: BLE001 - one call's trouble is not everybody's
            trouble("a step of a call failed", error)

    def ask(self, what: Callable[[], bool]) -> bool:
        """Do it, wait for it, and return what it returns; False where the loop is gone."""
        if threading.get_ident() == self._thread:
            return what()
        answer: Future[bool] = Future()

        def step() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(what())
                except Exception as error:  # noqa: BLE001 - see above; who waits is told
                    trouble("a step of a call failed", error)
                    answer.set_result(False)

        self.post(step)
        try:
            return answer.result(_ASK_S)
        except (TimeoutError, CancelledError):
            answer.cancel()
            return False
