"""One beat of 20 ms for all lines; a timer for each would cost more than its packets do."""

import asyncio
import logging
import threading

from collections.abc import Callable
from typing import Final

from exchange.sip.parts import FRAME_S

log = logging.getLogger(__name__)

Beat = Callable[[int], None]
# Within a beat lines first take in what has come, then conferences mix it, then lines send.
HEAR: Final = 0
MIX: Final = 1
SEND: Final = 2
# So many packets that are late go out at once: a telephone has room for about 100 ms. What is later
# than that would only be thrown away there, so it is given up here.
MOST_AT_ONCE: Final = 5


class Ticker:
    """Calls its members every 20 ms, at moments fixed beforehand, so that no lateness adds up.

    It rests while there is no line. `number` counts beats, those given up included, so that it is
    the time that lines go by.
    """

    def __init__(self, timers: asyncio.AbstractEventLoop) -> None:
        self.number = 0
        # Seconds after its moment that the latest wake-up came, and the worst one so far.
        self.lateness_s = 0.0
        self.worst_s = 0.0
        # Beats given up because too many were due at once.
        self.skipped = 0
        # Beats of one member that ended in an error.
        self.failures = 0
        self._kinds: set[str] = set()
        self._timers = timers
        self._lock = threading.Lock()
        self._members: tuple[tuple[Beat, ...], ...] = ((), (), ())
        self._started = 0.0
        self._started_at = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def late(self) -> bool:
        """Whether what is sent now should have been sent a packet earlier."""
        return self.lateness_s > FRAME_S

    def join(self, phase: int, beat: Beat) -> None:
        """Call `beat` with the number of each beat from now on.

        Any thread for MIX, which starts nothing; lines join on the loop's.
        """
        with self._lock:
            phases = list(self._members)
            phases[phase] = (*phases[phase], beat)
            self._members = tuple(phases)
        if phase != MIX and self._timer is None and not self._closed:
            self._started, self._started_at = self._timers.time(), self.number
            self._sleep()

    def leave(self, phase: int, beat: Beat) -> None:
        """Call `beat` no more; whoever has left already may leave again. Any thread."""
        with self._lock:
            phases = list(self._members)
            phases[phase] = tuple(member for member in phases[phase] if member != beat)
            self._members = tuple(phases)

    def close(self) -> None:
        """Give one beat more, for lines that were closed to let go of their ports, and stop."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._beat()

    @property
    def _due(self) -> float:
        return self._started + (self.number + 1 - self._started_at) * FRAME_S

    def _sleep(self) -> None:
        self._timer = self._timers.call_at(self._due, self._wake)

    def _wake(self) -> None:
        now = self._timers.time()
        self.lateness_s = max(0.0, now - self._due)
        self.worst_s = max(self.worst_s, self.lateness_s)
        at_once = 0
        while self._due <= now:
            if at_once == MOST_AT_ONCE:
                behind = int((now - self._due) / FRAME_S) + 1
                self.number += behind
                self.skipped += behind
                break
            self._beat()
            at_once += 1
            self.lateness_s = max(0.0, now - self._due)
        if self._closed:
            return
        if self._members[HEAR] or self._members[SEND]:
            self._sleep()
        else:
            self._timer = None

    def _beat(self) -> None:
        self.number += 1
        for phase in range(len(self._members)):
            for beat in self._members[phase]:
                try:
                    beat(self.number)
                except Exception as error:  # noqa: BLE001 - one line's mishap is not the others'
                    self._note(type(error).__name__)

    def _note(self, kind: str) -> None:
        self.failures += 1
        # Its kind only, as its text may be personal; and once, as it may happen in every beat.
        if kind not in self._kinds:
            self._kinds.add(kind)
            log.error("a beat failed: %s", kind)
