"""Work done after the answer: steps that fall due, run by threads or, in tests, on request."""

import heapq
import itertools
import logging
import threading

from collections.abc import Callable

from exchange.clock import Clock, WallClock

log = logging.getLogger(__name__)

Step = Callable[[], object]


class Background:
    """Steps in order of their due time. Without threads they wait for `run_pending`."""

    def __init__(self, threads: int, clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        # When it is due, its number, whether it is left alone until then, and what to do.
        self._steps: list[tuple[float, int, bool, Step]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def add(self, delay_s: float, step: Step, *, timed: bool = False) -> None:
        """Have `step` run `delay_s` seconds from now; a `timed` one never before."""
        due = self._clock.now().timestamp() + delay_s
        with self._changed:
            heapq.heappush(self._steps, (due, next(self._numbers), timed, step))
            self._changed.notify()

    def run_pending(self) -> int:
        """Run every step now, due or not, also those that these add; return how many.

        Timed steps run only when the clock says that they are due.
        """
        for done in itertools.count():
            with self._changed:
                now = self._clock.now().timestamp()
                ready = [item for item in self._steps if not item[2] or item[0] <= now]
                if not ready:
                    return done
                first = min(ready)
                self._steps.remove(first)
                heapq.heapify(self._steps)
            first[3]()
        raise AssertionError

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._due():
                    self._changed.wait(self._until_due())
                step = heapq.heappop(self._steps)[3]
            try:
                step()
            except Exception:
                # One message's trouble must not end the thread that serves all the others.
                log.exception("a background step failed")

    def _due(self) -> bool:
        return bool(self._steps) and self._steps[0][0] <= self._clock.now().timestamp()

    def _until_due(self) -> float | None:
        return self._steps[0][0] - self._clock.now().timestamp() if self._steps else None
