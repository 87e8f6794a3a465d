"""A crowd that runs for some minutes: guests ring by and by, agents come, serve and go home.

It lives in the simulator's server, for the queues and conferences are there. `act` does what is
due and says when to ask again; `run` is the thread that asks. Time is given.
"""

import threading
import time

from collections.abc import Callable, Sequence
from typing import Any

from tools.simulator.agents import Agent
from tools.simulator.guests import ENDS, Fate, Guest, Plan, counted, guests

# After the time is over, so many seconds are left to end calls as people do.
GRACE_S = 15.0
# The longest that a thread sleeps, so that a stop is heard.
LOOK_S = 0.25
# Agents come one after another, so many seconds apart: a password takes the service a while.
APART_S = 0.5


class CrowdRun:
    """One crowd.

    `ring` has a guest ring the service and returns at once; `put_down` ends all that guests still
    have on the line.
    """

    def __init__(
        self,
        plan: Plan,
        agents: Sequence[Agent],
        *,
        ring: Callable[[Guest], None],
        put_down: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.plan, self.agents = plan, agents
        self._ring, self._put_down = ring, put_down
        self._now, self._sleep = now, sleep
        self._began = now()
        self._stopped_at: float | None = None
        self.guests = guests(plan, now, lambda: self.is_over)
        self._by_number = {guest.number: guest for guest in self.guests}
        self._to_come = list(zip(plan.arrivals(), self.guests, strict=True))[::-1]
        self.ended = threading.Event()

    def seconds(self) -> float:
        """Return how long the crowd has lasted, on the clock on the wall."""
        return self._now() - self._began

    @property
    def is_over(self) -> bool:
        """Whether everybody goes home."""
        return self._stopped_at is not None or self.seconds() >= self.plan.seconds

    def stop(self) -> None:
        """Let everybody go home now."""
        if self._stopped_at is None:
            self._stopped_at = min(self.seconds(), self.plan.seconds)
        for agent in self.agents:
            agent.leave()

    def guest(self, number: str) -> Guest | None:
        """Return who answers at `number`, or None for a number of no one here."""
        return self._by_number.get(number)

    def act(self) -> float:
        """Do what is due; return in how many seconds to be asked again, 0 when all is over."""
        if self.ended.is_set():
            return 0.0
        while not self.is_over and self._to_come and self._to_come[-1][0] <= self.seconds():
            guest = self._to_come.pop()[1]
            guest.rings()
            self._ring(guest)
        if not self.is_over and not all(guest.fate in ENDS for guest in self.guests):
            next_at = self._to_come[-1][0] if self._to_come else self.plan.seconds
            return min(max(next_at - self.seconds(), 0.01), LOOK_S)
        self.stop()
        late = self.seconds() - (self._stopped_at or 0.0) >= GRACE_S
        if late or all(agent.gone for agent in self.agents):
            # A device that is taken away ends the line of a caller who would not go.
            for agent in self.agents:
                agent.drop()
            self._put_down()
            self.ended.set()
            return 0.0
        return LOOK_S

    def run(self) -> None:
        """Begin, in threads of its own: one for the guests' arrivals, one for each agent."""
        for number, agent in enumerate(self.agents):
            threading.Thread(target=self._drive, args=(agent, number), daemon=True).start()
        threading.Thread(target=self._lead, daemon=True).start()

    def _lead(self) -> None:
        try:
            while not self.ended.is_set():
                self._sleep(self.act())
        finally:
            self.ended.set()

    def _drive(self, agent: Agent, number: int) -> None:
        self._sleep(number * APART_S)
        while not agent.gone and not self.ended.is_set():
            self._sleep(agent.act())

    def state(self) -> dict[str, Any]:
        """Return all that a progress bar, or a page, shows of it."""
        count = counted(self.guests)
        troubles = sorted({agent.work.trouble for agent in self.agents if agent.work.trouble})
        return {
            "running": not self.ended.is_set(),
            "over": self.is_over,
            "seconds": round(min(self.seconds(), self.plan.seconds), 1),
            "of_seconds": self.plan.seconds,
            "callers": self.plan.callers,
            "rang": self.plan.callers - count[Fate.TO_COME],
            "count": count,
            "agents": {agent.login: agent.state for agent in self.agents},
            "served": sum(agent.work.served for agent in self.agents),
            "troubles": troubles,
        }
