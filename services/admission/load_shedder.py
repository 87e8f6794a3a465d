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

from collections import deque
from collections.abc import Callable
from contextlib import suppress
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
# So many requests of agents and others who work here may wait for their turn at once, besides.
# Screens that ask by themselves have at most half of those places, so that a click finds one.
STAFF_PLACES: Final = 20
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


class _Line:
    """Requests that wait for the same reason, in their order. Of one lock, that of its LoadShedder.

    Two lines are a pair, for whose requests there are `places` in all. Those `behind` the other
    line of the pair begin after it, and have half of the places.
    """

    def __init__(self, places: int, behind: _Line | None = None, *, of_web: bool = False) -> None:
        self.places, self.behind, self.of_web = places, behind, of_web
        # A thread holds each, and hears here that it begins.
        self.requests: deque[SimpleQueue[bool]] = deque()


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
        """`threads` work at once; `queue` more may wait for their turn, `patience` seconds each.

        So may as many of those who work here, their screens included, and no more than
        `STAFF_PLACES`.
        """
        self._threads = threads
        self._patience = patience
        self.ticks = ticks
        self.level = Level.NONE
        # Requests of running web sessions at once, by level; the others have one less.
        self._most = (max(threads - 2, 1), max(threads // 3, 1), 1, 1)
        self._web = 0
        self._others = 0
        self._spare = max(threads - 2, 1)
        self._counting = threading.Lock()
        # Running web sessions, and visitors who begin; people who work here, and their screens.
        self._going_on = _Line(queue, of_web=True)
        self._new = _Line(queue, self._going_on, of_web=True)
        self._staff = _Line(min(queue, STAFF_PLACES))
        self._screens = _Line(min(queue, STAFF_PLACES), self._staff)
        # Those of a pair do not pass each other; each time the other pair is asked first.
        self._lines = deque((self._staff, self._screens, self._going_on, self._new))
        # So many work at once, however many of the server's threads others have.
        self.turn = threading.Semaphore(threads)
        # Of each step: when it ended, how long it took.
        self._steps: deque[tuple[float, float]] = deque(maxlen=STEPS)
        self._work: deque[tuple[float, bool]] = deque()
        self._looked = ticks()
        self._lower_at = 0.0
        self._late = 0.0
        self._full = 0.0
        self._of_phone = 0.0
        # Share of new calls that get the short answer, and the remainder carried to the next call.
        self._refused = 0.0
        self._owed = 0.0
        self._p95 = 0.0
        self._rate = self._behind = 0.0
        self._sums = [0, 0, 0.0]
        # Seconds of a processor that a web request takes, and web sessions that may begin now.
        self._web_cpu = ASSUMED_CPU
        self._may_begin = float(BEGIN_AT_ONCE)
        self._began_at = ticks()

    # What threads report

    def step_done(self, seconds: float, waited: float = 0.0) -> None:
        """A webhook of the telephone was answered, after it had `waited` for its turn."""
        self._steps.append((self.ticks(), seconds + waited))
        self._work.append((seconds, True))
        self._sums[0] += 1

    def refused(self, seconds: float) -> None:
        """A webhook was answered that the provider had not signed."""
        self._work.append((seconds, False))

    def web_begins(self, *, goes_on: bool) -> bool:
        """Whether a request of the web may go to the application now; then `web_done` follows.

        `goes_on`: of a running web session. It waits for its turn as long as there are places to
        wait, first come first served. All others wait behind those, in half of the places: a dozen
        people who begin in the same moment are no crowd. Where screens give way to the telephone
        they are refused at once.
        """
        return self._begins(self._going_on if goes_on else self._new)

    def _begins(self, line: _Line, *, may_wait: bool = True) -> bool:
        """Begin now, or wait in this line where it has a place; whether the request's turn came."""
        with self._counting:
            if not line.requests and self._may(line):
                self._count(line)
                return True
            if not (may_wait and self._has_place(line)):
                return False
            turn: SimpleQueue[bool] = SimpleQueue()
            line.requests.append(turn)
        with suppress(Empty):
            return turn.get(timeout=self._patience)
        with self._counting:
            if turn not in line.requests:
                # It was their turn in this moment.
                return True
            line.requests.remove(turn)
            # Others may have waited for this one alone.
            self._let_in()
        return False

    def _let_in(self) -> None:
        """A thread is free: those whose turn it is begin."""
        for line in self._lines:
            while line.requests and self._may(line):
                self._count(line)
                line.requests.popleft().put(True)  # noqa: FBT003 (the one thing that is told)
        self._lines.rotate(2)

    def _count(self, line: _Line) -> None:
        if line.of_web:
            self._web += 1
        else:
            self._others += 1

    def _has_place(self, line: _Line) -> bool:
        """Whether one more request may wait in a line."""
        if line.behind is None:
            other = self._new if line.of_web else self._screens
            return len(line.requests) + len(other.requests) < line.places
        if self.slows_screens or len(line.requests) >= line.places // 2:
            return False
        return self._has_place(line.behind)

    def _may(self, line: _Line) -> bool:
        """Whether the first of a line may begin: two threads are always left to the telephone."""
        if self._web + self._others >= self._spare or (line.behind and line.behind.requests):
            return False
        if not line.of_web:
            return True
        most = self._most[self.level]
        if line.behind and self.level in {Level.NONE, Level.CALLS}:
            # One less of visitors who begin than of running web sessions; where there are few
            # threads, at least one.
            most = max(most - 1, 1 if self.level is Level.NONE else 0)
        return self._web < most

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

    def other_begins(self, *, waits: bool = False) -> bool:
        """As `web_begins`, for what is neither the telephone nor the public web; then `other_done`.

        `waits`: a member of staff clicked. They wait for their turn as running web sessions do, in
        places of their own. Two threads are always left to the telephone.
        """
        return self._begins(self._staff, may_wait=waits)

    def screen_begins(self) -> bool:
        """As `other_begins`, for a screen that asks by itself; then `other_done`.

        Before it gives way to the telephone (`slows_screens`) it waits for its turn too, for 70
        screens meet by chance in a moment in which few of a worker's threads are free. It does not
        pass a member of staff who clicked.
        """
        return self._begins(self._screens)

    def other_done(self, seconds: float) -> None:
        with self._counting:
            self._others -= 1
            self._let_in()
        self._work.append((seconds, False))

    def web_done(self, seconds: float, cpu: float, *, requests: int = 1) -> None:
        """A web request was answered: after so many seconds, `cpu` of them on a processor.

        `requests`: how many of REQUESTS it stands for. An answer that has the next page with it
        stands for two.
        """
        with self._counting:
            self._web -= 1
            self._let_in()
        self._work.append((seconds, False))
        self._web_cpu += requests * _LEARNT * (max(cpu / requests, 1e-4) - self._web_cpu)
        self._sums[1] += requests
        self._sums[2] += cpu

    def woke(self, late: float) -> None:
        """A thread that slept woke up `late` seconds later than it should have."""
        self._late += 0.1 * (min(late, 1.0) - self._late)

    # What other code asks

    @property
    def threads(self) -> int:
        """How many work at once."""
        return self._threads

    @property
    def all_threads(self) -> int:
        """How many threads a worker has at the most; some of them wait for a turn."""
        return self._threads + self._going_on.places + self._staff.places

    @property
    def waiting(self) -> int:
        """How many requests of running web sessions wait for their turn."""
        return len(self._going_on.requests)

    @property
    def new_waiting(self) -> int:
        """How many requests of visitors who begin wait for their turn."""
        return len(self._new.requests)

    @property
    def staff_waiting(self) -> int:
        """How many requests of people who work here do, those of their screens included."""
        return len(self._staff.requests) + len(self._screens.requests)

    @property
    def slows_screens(self) -> bool:
        return self.level >= Level.SCREENS

    def refuses_call(self) -> bool:
        """Whether this new call gets the short answer, as the share needed at this load does."""
        if not self._refused:
            return False
        self._owed += self._refused
        if self._owed < 1:
            return False
        self._owed -= 1
        return True

    def look(self, under_way: int = 0, answers: int = 0) -> None:
        """Judge anew; to be called every `LOOK_EVERY` seconds.

        So many requests are `under_way` at the moment, and `answers` were given since the last
        look, whatever they cost.
        """
        now = self.ticks()
        since = max(now - self._looked, 1e-3)
        self._looked = now
        taken = of_phone = 0.0
        for _ in range(len(self._work)):
            seconds, is_phone = self._work.popleft()
            taken += seconds
            of_phone += seconds if is_phone else 0.0
        whole = since * self._threads
        self._full += _CALM * (taken / whole - self._full)
        self._of_phone += _CALM * (of_phone / whole - self._of_phone)
        self._p95 = self._step_p95(now)
        self._rate += _CALM * (answers / since - self._rate)
        self._behind = under_way / self._rate if self._rate > 1 else 0.0
        self._judge(now)

    def _judge(self, now: float) -> None:
        # Busy threads alone are no overload: it is one where requests wait for them.
        waits = self._full > FULL and self._behind > LONGEST_QUEUE
        if (waits and self._of_phone > OF_THE_PHONE * self._full) or self._p95 > VERY_SLOW_STEP:
            wanted = Level.CALLS
        elif waits or self._p95 > SLOW_STEP:
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
        seconds = sorted(one for _, one in self._steps.copy())
        return seconds[int(len(seconds) * _P95)] if seconds else 0.0

    def measured(self) -> dict[str, Any]:
        """What was measured since the last call of this: seconds, and shares of one.

        `queue` is how long it takes to answer the requests that are under way; `web` and `web_cpu`
        are of web requests that reached the application: how many they stand for, and the time of
        a processor for each of those.
        """
        (steps, web, cpu), self._sums = self._sums, [0, 0, 0.0]
        return {
            "level": int(self.level),
            "p95": self._p95,
            "full": self._full,
            "late": self._late,
            "queue": self._behind,
            "steps": steps,
            "web": web,
            "web_cpu": cpu / web if web else 0.0,
        }
