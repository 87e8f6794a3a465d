"""Signs of life of the processes beside the web, as they are found where they work.

The dispatcher writes the board, the scheduler says so itself, and RQ keeps those of the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from models.operations import health
from models.supervision import snapshots
from services.store import Store
from services.supervision.write_board import NAME as BOARD

DISPATCHER: Final = "dispatcher"
SCHEDULER: Final = "scheduler"
WORKER: Final = "worker"
# A morning's reminders, or what is erased in an hour, hold up the scheduler's tasks for a while;
# RQ's worker says something when it has waited for half a minute in vain.
LIMITS: Final[Mapping[str, timedelta]] = {
    DISPATCHER: timedelta(seconds=30),
    SCHEDULER: timedelta(minutes=2),
    WORKER: timedelta(minutes=2),
}
# Seconds.
SIGN_EVERY: Final = 5


def give_sign(store: Store, name: str) -> int:
    """Say that a process works: a task of its own, beside the others."""
    with store.database.transaction() as connection:
        snapshots.put(connection, store.clock, _of(name), {})
    return 1


def read_age(store: Store, name: str, worker: Callable[[], timedelta | None]) -> timedelta | None:
    """How old the newest sign of a kind of process is; None: there never was one.

    By the database's clock. `worker` asks Redis, and gives None where it knows of none or does not
    answer.
    """
    if name == WORKER:
        return worker()
    with store.database.statement() as connection:
        found = snapshots.get(connection, BOARD if name == DISPATCHER else _of(name))
        return None if found is None else health.now(connection, store.clock) - found.at


def _of(name: str) -> str:
    return f"sign {name}"
