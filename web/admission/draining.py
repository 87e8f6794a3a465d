"""How a web worker goes: it says that it is not ready, answers what still comes, and ends.

SIGTERM comes from the server's main process, which got it from whoever replaces this version. A
proxy in front needs a moment to notice; until then it sends requests here. So `/readyz` answers 503
at once, each answer closes its connection, and the server is told to end only `seconds` later. Then
it finishes what it has begun.
"""

from __future__ import annotations

import asyncio
import os
import signal

from collections.abc import Callable

import structlog

log = structlog.get_logger()


def _end() -> None:
    """The server ends by this signal as by the other, which we have taken from it."""
    os.kill(os.getpid(), signal.SIGINT)


class Draining:
    """One for each web worker. With 0 `seconds` the server ends at once, as it does by itself."""

    def __init__(self, seconds: float, *, end: Callable[[], None] = _end) -> None:
        self._seconds, self._end = seconds, end
        self.has_begun = False

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of SIGTERM in the place of the server, which has begun to listen before."""
        if self._seconds > 0:
            loop.add_signal_handler(signal.SIGTERM, self.begin, loop)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """It is to go; a second signal changes nothing."""
        if self.has_begun:
            return
        self.has_begun = True
        log.info("not ready any more: this worker ends", seconds=self._seconds)
        loop.call_later(self._seconds, self._end)
