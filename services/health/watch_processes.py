"""Whether all processes run, judged by another one: a dead process raises no alert of its own.

Scheduler and dispatcher look at each other and at all the rest. The dispatcher tells alerts to the
outside listener; while it gives no sign, the scheduler does.
"""

from __future__ import annotations

import time

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from models.operations import processes
from models.operations.processes import KindOfProcess
from models.supervision import alerts
from services.store import Store
from services.supervision.alerts import PROCESS_GONE

WEB: Final = processes.WEB
WORKER, SCHEDULER, DISPATCHER = "worker", "scheduler", "dispatcher"
KINDS: Final = (WEB, WORKER, SCHEDULER, DISPATCHER)
# A kind of which no process gave a sign for so long is gone: four signs did not come.
GONE: Final = timedelta(seconds=20)
# One of several that was killed is missed so long, unless another was started in its place.
MISSED_FOR: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=2)
# Seconds.
WATCH_EVERY: Final = 5

log = structlog.get_logger()


def all_kinds(store: Store) -> list[KindOfProcess]:
    """What is known of each kind."""
    with store.database.statement() as connection:
        return processes.kinds(connection, store.clock, KINDS, GONE, MISSED_FOR)


@dataclass
class WatchProcesses:
    """The task of a process that watches. It misses none before it has watched for GONE itself.

    So neither the start of all of them nor a store that was away for a while is an alert. `tell` is
    called while there is no dispatcher. `ticks` is a monotonic clock in seconds.
    """

    store: Store
    judge: str
    tell: Callable[[], object] | None = None
    ticks: Callable[[], float] = time.monotonic
    _since: float | None = None
    _looked: float = field(default=0.0)

    def __call__(self) -> int:
        """Raise and end what is to be; gives how many alerts changed. Raises as the store does."""
        now = self.ticks()
        if self._since is None or now - self._looked > GONE.total_seconds():
            self._since = now
        found, raised = self._look()
        self._looked = now
        changed = sum(self._judge(kind, now - self._since, raised) for kind in found)
        if self.tell and any(kind.kind == DISPATCHER and _is_gone(kind) for kind in found):
            self.tell()
        return changed

    def _look(self) -> tuple[list[KindOfProcess], set[str]]:
        """All kinds but that of the judge, and the names of the alerts that last."""
        try:
            found = all_kinds(self.store)
            with self.store.database.statement() as connection:
                raised = {alert.name for alert in alerts.raised(connection)}
        except Exception:
            self._since = None
            raise
        return [kind for kind in found if kind.kind != self.judge], raised

    def _judge(self, one: KindOfProcess, watched: float, raised: Collection[str]) -> bool:
        store, name = self.store, f"{PROCESS_GONE}_{one.kind}"
        limit = GONE.total_seconds()
        if _is_gone(one) == (name in raised):
            return False
        if not _is_gone(one):
            with store.database.transaction() as connection:
                return alerts.end(connection, store.clock, name)
        if watched < limit:
            return False
        age = round(one.age if one.age is not None else watched)
        with store.database.transaction() as connection:
            begun = alerts.begin(
                connection,
                store.clock,
                store.chance.identifier(),
                name=name,
                value=age,
                threshold=limit,
            )
        if begun:
            log.error("alert", alert=PROCESS_GONE, process=one.kind, seconds=age)
        return begun


def _is_gone(one: KindOfProcess) -> bool:
    return one.age is None or one.age > GONE.total_seconds()


def forget_old(store: Store) -> int:
    """Forget processes that ended or were killed long ago; gives how many."""
    with store.database.transaction() as connection:
        return processes.forget(connection, store.clock, KEPT)
