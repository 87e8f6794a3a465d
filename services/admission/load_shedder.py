"""How hard-pressed a web worker is, and what gives way: the web, then screens, then new calls.

A step of a call in progress is never refused. Each worker judges for itself, by how long the
telephone's steps take, how much of its threads' time is taken, how late a thread of its own wakes
up, and how many requests are under way: read whole, and not answered yet. A connection that is open
and asks nothing is no load: a screen has one all day.

A request that waits for its turn holds a thread of the server, of which there are enough for all
that may wait (`all_threads`).

The level rises at once and falls by one a second, so that it does not swing. From the highest level
a worker is back within four seconds once the load has fallen.
"""

from __future__ import annotations

import threading
import time

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from queue import Empty, SimpleQueue
from typing import Any, Final

# Seconds between two looks.
LOOK_EVERY: Final = 0.25
# A step longer than this (95 of 100 are shorter) is slow, longer than that far too slow.
SLOW_STEP: Final = 0.15
VERY_SLOW_STEP: Final = 0.5
# Shares of the threads' time: above the first a worker has nothing to spare, below the second it
# has. A worker that answers all it can has 0.9 and more.
FULL: Final = 0.8
ROOM_LEFT: Final = 0.6
# Requests under way that it would take longer than this (seconds) to answer are too many.
LONGEST_QUEUE: Final = 0.7
# A thread that wakes up so late (seconds, on average) competes with the others all the time.
LATE: Final = 0.012
# From this share of the work on, the telephone is what overloads the worker.
OF_THE_PHONE: Final = 0.5
# How fast the share of new calls that get the short answer rises and falls, for each look.
MORE_CALLS: Final = 0.2
FEWER_CALLS: Final = 0.1
# The 95th percentile is taken of the steps of the last five seconds, and of no more than this.
STEPS: Final = 512
STEPS_SECONDS: Final = 5.0
# Requests of one web session that reach the application, where no script sends its forms, and the
# part of a worker's processor for them; seconds of a processor that one takes, until some were
# measured.
REQUESTS: Final = 12
OF_A_WORKER: Final = 0.6
ASSUMED_CPU: Final = 0.005
# How long (seconds) a request of a running web session waits for its turn at the most.
PATIENCE: Final = 1.0
# Web sessions that may begin at once, beyond what is carried; how slowly their cost is learnt.
BEGIN_AT_ONCE: Final = 20
_LEARNT: Final = 0.02
_P95: Final = 0.95
_CALM: Final = 0.5


class Level(IntEnum):
    """What gives way, besides all of the levels before."""

    NONE = 0
    WEB = 1
    SCREENS = 2
    CALLS = 3


@dataclass
class UnderWay:
    """What a worker's event loop counts; others read.

    Requests that were read whole and are not answered yet, and answers since the last look.
    """

    requests: int = 0
    answers: int = 0


class _Lines:
    """Two lines of requests that wait for a thread; `places` are for both together.

    Those of the second line begin after the first, and have half of the places. All is counted
    under the lock of the LoadShedder.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        # Requests that have begun and were not answered yet.
        self.begun = 0
        # A thread holds each request, and hears here that it begins.
        self.first: deque[SimpleQueue[bool]] = deque()
        self.second: deque[SimpleQueue[bool]] = deque()

    @property
    def waiting(self) -> int:
        return len(self.first) + len(self.second)


class LoadShedder:
    """One for each web worker; used by all of its threads. `ticks` is a monotonic clock."""

    def __init__(
        self,
        threads: int,
        *,
        queue: int = 0,
        patience: float = PATIENCE,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`threads` work at once; `queue` visitors may wait for their turn, `patience` seconds.

        So may as many requests of those who work here. Screens that ask by themselves have at most
        half of those places, so that a click finds one.
        """
        self.threads = threads
        self._patience = patience
        self.ticks = ticks
        self.level = Level.NONE
        self.under_way = UnderWay()
        # Requests of running web sessions at once, by level; the others have one less.
        self._most = (max(threads - 2, 1), max(threads // 3, 1), 1, 1)
        self._spare = max(threads - 2, 1)
        self._counting = threading.Lock()
        # Running web sessions, and visitors who begin; people who work here, and their screens.
        self._web, self._staff = _Lines(queue), _Lines(queue)
        # Each time the other one is asked first.
        self._turns = deque((self._staff, self._web))
        # How many threads a worker has at the most; some of them wait for a turn.
        self.all_threads = threads + self._web.places + self._staff.places
        # So many work at once, however many of the server's threads others have.
        self.turn = threading.Semaphore(threads)
        # Of each step: when it ended, how long it took.
        self._steps: deque[tuple[float, float]] = deque(maxlen=STEPS)
        # Of each request since the last look: how long it took, whether it was the telephone's.
        self._work: deque[tuple[float, bool]] = deque()
        self._looked = ticks()
        self._lower_at = 0.0
        # Averages: how late a thread wakes up, shares of the threads' time, answers a second.
        self._late = self._full = self._of_phone = self._rate = 0.0
        # Share of new calls that get the short answer, and the remainder carried to the next call.
        self._refused = self._owed = 0.0
        # Requests that were turned away, of visitors who begin ("start") and of running web
        # sessions ("lost"). Threads add without a lock: one that is lost changes nothing.
        self.turned_away: Counter[str] = Counter()
        # Since the last `measured`: steps, requests of the web, and their seconds of a processor.
        self._sums = [0, 0, 0.0]
        self._measured_at: float | None = None
        # Seconds of a processor that a web request takes, and web sessions that may begin now.
        self._web_cpu = ASSUMED_CPU
        self._may_begin = float(BEGIN_AT_ONCE)
        self._began_at = ticks()

    # ------------------------------------------------------------ turns

    def web_begins(self, *, goes_on: bool) -> bool:
        """Whether a request of the web may go to the application now; then `web_done` follows.

        `goes_on`: of a running web session. It waits for its turn as long as there are places to
        wait, first come first served. All others wait behind those, in half of the places: a dozen
        people who begin in the same moment are no crowd. Where screens give way to the telephone
        they are refused at once.
        """
        return self._begins(self._web, is_second=not goes_on)

    def other_begins(self, *, waits: bool = False) -> bool:
        """As `web_begins`, for what is neither the telephone nor the public web; then `other_done`.

        `waits`: a member of staff clicked. They wait for their turn as running web sessions do, in
        places of their own.
        """
        return self._begins(self._staff, is_second=False, may_wait=waits)

    def screen_begins(self) -> bool:
        """As `other_begins`, for a screen that asks by itself; then `other_done`.

        Before it gives way to the telephone (`slows_screens`) it waits for its turn too, for 70
        screens meet by chance in a moment in which few of a worker's threads are free. It does not
        pass a member of staff who clicked.
        """
        return self._begins(self._staff, is_second=True)

    def _begins(self, lines: _Lines, *, is_second: bool, may_wait: bool = True) -> bool:
        """Begin now, or wait where there is a place; whether the request's turn came."""
        line = lines.second if is_second else lines.first
        with self._counting:
            if not line and self._may(lines, is_second=is_second):
                lines.begun += 1
                return True
            if is_second and (self.slows_screens or len(line) >= lines.places // 2):
                may_wait = False
            if not may_wait or lines.waiting >= lines.places:
                return False
            turn: SimpleQueue[bool] = SimpleQueue()
            line.append(turn)
        with suppress(Empty):
            return turn.get(timeout=self._patience)
        with self._counting:
            if turn not in line:
                # It was their turn in this moment.
                return True
            line.remove(turn)
            # Others may have waited for this one alone.
            self._let_in()
        return False

    def _may(self, lines: _Lines, *, is_second: bool) -> bool:
        """Whether the first of a line may begin: two threads are always left to the telephone."""
        if self._web.begun + self._staff.begun >= self._spare or (is_second and lines.first):
            return False
        if lines is self._staff:
            return True
        most = self._most[self.level]
        if is_second and self.level in {Level.NONE, Level.CALLS}:
            # One less of visitors who begin than of running web sessions; where there are few
            # threads, at least one.
            most = max(most - 1, 1 if self.level is Level.NONE else 0)
        return self._web.begun < most

    def _let_in(self) -> None:
        """A thread is free: those whose turn it is begin."""
        for lines in self._turns:
            for line, is_second in ((lines.first, False), (lines.second, True)):
                while line and self._may(lines, is_second=is_second):
                    lines.begun += 1
                    line.popleft().put(True)  # noqa: FBT003 (the one thing that is told)
        self._turns.rotate()

    def _done(self, lines: _Lines, seconds: float) -> None:
        with self._counting:
            lines.begun -= 1
            self._let_in()
        self._work.append((seconds, False))

    def other_done(self, seconds: float) -> None:
        """It was answered, in so many seconds."""
        self._done(self._staff, seconds)

    def web_done(self, seconds: float, cpu: float, *, requests: int = 1) -> None:
        """A web request was answered: after so many seconds, `cpu` of them on a processor.

        `requests`: how many of REQUESTS it stands for. An answer that has the next page with it
        stands for two.
        """
        self._done(self._web, seconds)
        self._web_cpu += requests * _LEARNT * (max(cpu / requests, 1e-4) - self._web_cpu)
        self._sums[1] += requests
        self._sums[2] += cpu

    def visit_begins(self) -> bool:
        """Whether another web session may begin, by the requests that those begun will still send.

        It is asked where no visitor waits: a sudden crowd must not be let in before it was
        recognised as one.
        """
        now = self.ticks()
        with self._counting:
            carried = OF_A_WORKER / (REQUESTS * self._web_cpu)
            earned = (now - self._began_at) * carried
            self._began_at = now
            self._may_begin = min(self._may_begin + earned, float(BEGIN_AT_ONCE))
            if self._may_begin < 1:
                return False
            self._may_begin -= 1
        return True

    # ------------------------------------------------------------ the telephone

    def step_done(self, seconds: float, waited: float = 0.0) -> None:
        """A webhook of the telephone was answered, after it had `waited` for its turn."""
        self._steps.append((self.ticks(), seconds + waited))
        self._work.append((seconds, True))
        self._sums[0] += 1

    def refused(self, seconds: float) -> None:
        """A webhook was answered that the provider had not signed."""
        self._work.append((seconds, False))

    def refuses_call(self) -> bool:
        """Whether this new call gets the short answer, as the share needed at this load does."""
        if not self._refused:
            return False
        self._owed += self._refused
        if self._owed < 1:
            return False
        self._owed -= 1
        return True

    # ------------------------------------------------------------ how hard-pressed it is

    @property
    def slows_screens(self) -> bool:
        return self.level >= Level.SCREENS

    def woke(self, late: float) -> None:
        """A thread that slept woke up `late` seconds later than it should have."""
        self._late += 0.1 * (min(late, 1.0) - self._late)

    def look(self) -> None:
        """Judge anew; to be called every `LOOK_EVERY` seconds."""
        now = self.ticks()
        since = max(now - self._looked, 1e-3)
        self._looked = now
        work = [self._work.popleft() for _ in range(len(self._work))]
        taken = sum(seconds for seconds, _ in work)
        of_phone = sum(seconds for seconds, is_phone in work if is_phone)
        self._full += _CALM * (taken / (since * self.threads) - self._full)
        self._of_phone += _CALM * (of_phone / (since * self.threads) - self._of_phone)
        answers, self.under_way.answers = self.under_way.answers, 0
        self._rate += _CALM * (answers / since - self._rate)
        queue = self.under_way.requests / self._rate if self._rate > 1 else 0.0
        # Busy threads alone are no overload: it is one where requests wait for them.
        self._judge(now, self._step_p95(now), waits=self._full > FULL and queue > LONGEST_QUEUE)

    def _judge(self, now: float, p95: float, *, waits: bool) -> None:
        if (waits and self._of_phone > OF_THE_PHONE * self._full) or p95 > VERY_SLOW_STEP:
            wanted = Level.CALLS
        elif waits or p95 > SLOW_STEP:
            wanted = Level.SCREENS
        else:
            wanted = Level.WEB if self._full > FULL or self._late > LATE else Level.NONE
        if wanted > self.level:
            self.level = Level(self.level + 1)
            self._lower_at = now + 1.0
        elif wanted == self.level and wanted:
            self._lower_at = now + 1.0
        elif self._full < ROOM_LEFT and now >= self._lower_at and self.level:
            self.level = Level(self.level - 1)
            self._lower_at = now + 1.0
            with self._counting:
                self._let_in()
        if wanted == self.level == Level.CALLS:
            self._refused = min(self._refused + MORE_CALLS, 1.0)
        elif self._refused:
            self._refused = max(self._refused - FEWER_CALLS, 0.0)

    def _step_p95(self, now: float) -> float:
        while self._steps and self._steps[0][0] < now - STEPS_SECONDS:
            self._steps.popleft()
        # A copy, because other threads append meanwhile.
        seconds = sorted(took for _, took in self._steps.copy())
        return seconds[int(len(seconds) * _P95)] if seconds else 0.0

    def measured(self) -> dict[str, Any]:
        """What was measured since the last call, for the process that lets visitors in.

        A second: steps of calls, requests of the web that reached the application (how many they
        stand for), and those that were turned away. `web_cpu`: seconds of a processor that one
        takes. `full`: the share of the threads' time that is taken.
        """
        now = self.ticks()
        since = 1.0 if self._measured_at is None else max(now - self._measured_at, 1e-3)
        self._measured_at = now
        (steps, web, cpu), self._sums = self._sums, [0, 0, 0.0]
        away, self.turned_away = self.turned_away, Counter()
        return {
            "level": int(self.level),
            "full": round(self._full, 5),
            "steps": round(steps / since, 5),
            "web": round(web / since, 5),
            "web_cpu": round(cpu / web, 5) if web else 0.0,
            "away": round(away["start"] / since, 5),
            "lost": round(away["lost"] / since, 5),
        }
