"""Callers in the menu who struggle: seen on the desk, so that an agent with time takes one.

It is read off steps and outcomes alone: what was said stays sealed. One process looks for them, and
writes down the callers it found for all desks: a look reads every turn of the last two minutes.
"""

from __future__ import annotations

import json

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Final

from models.agents import agents, trouble
from models.agents.trouble import REPEATED, WRONG, TroubledTurn
from models.database import Connection
from models.supervision import snapshots
from services.agents.presence import PAGE_GONE_AFTER
from services.store import Store

# The snapshot that has them, and how often it is written.
NAME: Final = "struggling"
WRITTEN_EVERY: Final = timedelta(seconds=2)

# A question of the menu takes less; a caller who said nothing for longer has hung up.
WITHIN = timedelta(minutes=2)
FAILURES, REPEATS = 2, 3
# A caller at one of these has an agent, waits for one, or is done.
_NOT_IN_MENU = (
    "",
    "ended",
    "queue",
    "with_agent",
    "callback_check",
    "person",
    "person_number",
    "person_number_check",
)


@dataclass(frozen=True)
class Struggling:
    """A struggling caller, without personal data.

    `why`: misses, repeats, silence. `since` and `at` are UTC.
    """

    call_id: str
    step: str
    outcome: str
    why: str
    since: datetime
    at: datetime


def struggling(connection: Connection, store: Store, limit: int = 20) -> list[Struggling]:
    """Struggling callers of the last two minutes, longest first. One statement; no sealed data."""
    turns = trouble.in_trouble(connection, store.clock, WITHIN, _NOT_IN_MENU)
    found = []
    for _call, theirs in groupby(turns, lambda one: one.call_id):
        one = _judged(list(theirs))
        if one is not None:
            found.append(one)
    return sorted(found, key=lambda one: (one.since, one.call_id))[:limit]


def struggles(connection: Connection, store: Store, call_id: str) -> bool:
    """Whether this call is one of them at this moment."""
    clock = store.clock
    turns = trouble.in_trouble(connection, clock, WITHIN, _NOT_IN_MENU, call_id=call_id)
    return bool(turns) and _judged(turns) is not None


class WriteStruggling:
    """The task of the process that writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self) -> int:
        """Write down who struggles, while the page of a desk is open; gives how many."""
        store = self._store
        with store.database.statement() as connection:
            if not agents.is_any_page_open(connection, store.clock, PAGE_GONE_AFTER):
                return 0
            found = struggling(connection, store)
        with store.database.transaction() as connection:
            snapshots.put(
                connection, store.clock, NAME, {"calls": [_written(caller) for caller in found]}
            )
        return len(found)


def _written(one: Struggling) -> dict[str, str]:
    return {**asdict(one), "since": one.since.isoformat(), "at": one.at.isoformat()}


def as_written(body: str) -> list[Struggling]:
    """Those of a snapshot."""
    return [
        Struggling(
            **{
                **row,
                "since": datetime.fromisoformat(row["since"]),
                "at": datetime.fromisoformat(row["at"]),
            }
        )
        for row in json.loads(body)["calls"]
    ]


def _judged(turns: list[TroubledTurn]) -> Struggling | None:
    """What the turns of one call say, newest first; None where it is nothing so far."""
    newest = turns[0]
    if not _alive(turns):
        # Nothing was ever pressed or said: there may be no person on the line.
        return None
    trouble = list(takewhile(lambda one: one.outcome in {*WRONG, REPEATED}, turns))
    wrong = sum(turn.outcome in WRONG for turn in trouble)
    repeats = sum(turn.outcome == REPEATED for turn in trouble)
    if wrong >= FAILURES:
        why = "misses"
    elif newest.outcome == "silent":
        why = "silence"
    elif repeats >= REPEATS:
        why = "repeats"
    else:
        return None
    return Struggling(newest.call_id, newest.step, newest.outcome, why, trouble[-1].at, newest.at)


def _alive(turns: Iterable[TroubledTurn]) -> bool:
    """Whether anything but silence came after the ring."""
    return any(turn.number and turn.outcome != "silent" for turn in turns)
