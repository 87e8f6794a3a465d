"""All processes of a service in one test: each can be killed, and time goes by for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from models.admission import arrivals
from models.supervision import alerts
from services.health.process_counts import ProcessSigns
from services.health.watch_processes import (
    DISPATCHER,
    SCHEDULER,
    WATCH_EVERY,
    WEB,
    WatchProcesses,
)
from services.supervision.alerts import tell_alerts
from tests.support.house import House
from tests.support.rows import clock_of

BOARD = "https://allo.example/supervision"
SECOND = timedelta(seconds=1)


@dataclass
class Ears:
    """An outside listener that takes all news."""

    heard: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, news: dict[str, Any]) -> bool:
        self.heard.append(news)
        return True


@dataclass
class Machines:
    """The processes of a service, each of which can be killed; time goes by for all of them."""

    made: House
    seconds: float = 0.0
    running: dict[str, ProcessSigns] = field(default_factory=dict)
    watches: dict[str, WatchProcesses] = field(default_factory=dict)
    ears: Ears = field(default_factory=Ears)
    web: bool = True

    def starts(self, *kinds: str) -> Machines:
        for kind in kinds:
            self.running[kind] = ProcessSigns(self.made.store, kind, "m1", CollectorRegistry())
            if kind in {SCHEDULER, DISPATCHER}:
                tell = self.tells if kind == SCHEDULER else None
                self.watches[kind] = WatchProcesses(
                    self.made.store, kind, tell, ticks=lambda: self.seconds
                )
        return self

    def kills(self, kind: str) -> None:
        if kind == WEB:
            self.web = False
        else:
            del self.running[kind]
            self.watches.pop(kind, None)

    def tells(self) -> bool:
        return tell_alerts(self.made.store, self.ears, BOARD)

    def pass_by(self, seconds: int) -> None:
        """So many seconds, in which each does what is due every five."""
        for _ in range(seconds // WATCH_EVERY):
            self.seconds += WATCH_EVERY
            clock_of(self.made).advance(WATCH_EVERY * SECOND)
            for signs in self.running.values():
                signs()
            if self.web:
                with self.made.database.transaction() as connection:
                    arrivals.tell_load(connection, self.made.clock, "w1", {})
            for watch in self.watches.values():
                watch()

    @property
    def raised(self) -> set[str]:
        with self.made.database.statement() as connection:
            return {one.name for one in alerts.raised(connection)}
