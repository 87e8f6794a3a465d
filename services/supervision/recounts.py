"""Quarters that are counted anew from the rows, bite by bite, while no page waits for it.

Those that no process counted are written; those that were written as the sum of what was counted
meanwhile are compared with the rows. Where they differ the rows are right.
"""

from __future__ import annotations

import json

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from models.database import Connection
from models.supervision import snapshots, tallies
from models.supervision.tallies import QUARTER
from services.store import Store
from services.supervision.counts import (
    Bites,
    Counts,
    count_quarter,
    lengths_after,
    quarter_of,
)

# The snapshot that has what was put right, and how much of it; more is only counted.
NAME: Final = "corrections"
_MOST_TOLD: Final = 20
# What is counted of turns, which never change once they are written: where the rows say something
# else the tallies are wrong. Other rows may have changed since they were counted.
LASTING: Final = frozenset({"calls", "entered", "missed", "silent", "repeated", "back"})

log = structlog.get_logger()


@dataclass(frozen=True)
class Correction:
    """A quarter whose tallies were not what the rows say: when that was found (UTC), and how much.

    `stored` and `counted`: turns of calls, by the tallies that were stored and by the rows.
    """

    quarter: datetime
    found_at: datetime
    stored: int
    counted: int


def corrections(connection: Connection) -> list[Correction]:
    """What was put right, by this process or those before it; the newest is the last."""
    found = snapshots.get(connection, NAME)
    rows = json.loads(found.body)["rows"] if found and found.body else []
    return [
        Correction(datetime.fromisoformat(quarter), datetime.fromisoformat(at), *turns)
        for quarter, at, *turns in rows
    ]


def recount(store: Store, since: datetime, until: datetime) -> int:
    """Count all quarters of a time anew and store them; gives how many."""
    quarter, done = quarter_of(since), 0
    while quarter + QUARTER <= until:
        with store.database.statement() as connection:
            counts = count_quarter(connection, quarter)
        with store.database.transaction() as connection:
            tallies.write(connection, quarter, counts)
        quarter, done = quarter + QUARTER, done + 1
    return done


class Recounts:
    """The quarters that one process still has to count or to compare. Not for several threads."""

    def __init__(self, store: Store, bites: Bites) -> None:
        """`bites` are those of all that this process counts."""
        self._store = store
        self._bites = bites
        # The next one is the last.
        self._missing: list[datetime] = []
        self._written: list[datetime] = []
        # The one that is being counted, up to when, and what of it.
        self._quarter: datetime | None = None
        self._at = datetime.min.replace(tzinfo=UTC)
        self._counts: Counts = Counter()
        # Those of earlier processes are read with the first look: a store may be away at a start.
        self.corrections: list[Correction] = []

    @property
    def is_missing_some(self) -> bool:
        """Whether quarters are still to be counted for the first time."""
        return bool(self._missing)

    def missing(self, quarters: Iterable[datetime]) -> None:
        """No process counted these; the newest of them go first."""
        self._missing = sorted({*self._missing, *quarters})

    def written(self, quarters: Iterable[datetime]) -> None:
        """These are written, and are compared with the rows once."""
        self._written = sorted({*self._written, *quarters})

    def bite(self) -> dict[datetime, Counts]:
        """Count the next bite; gives a quarter's counts where it is whole now and was written.

        A bite that fails is counted again, and is a shorter one.
        """
        if self._quarter is None:
            some = self._missing or self._written
            if not some:
                return {}
            self._quarter = self._at = some[-1]
            self._counts = Counter()
        quarter = self._quarter
        with self._store.database.statement() as connection:
            end, span = self._bites.count(connection, self._at, quarter + QUARTER)
            self._counts.update(span.counts)
            self._at = end
            if end < quarter + QUARTER:
                return {}
            stored = tallies.sums(connection, quarter, quarter + QUARTER)
            is_stored = bool(tallies.counted(connection, quarter, quarter + QUARTER))
            self._counts.update(self._lengths(connection, quarter, stored if is_stored else None))
        # What came to nothing is not stored.
        self._quarter, self._counts = None, +self._counts
        for some in (self._missing, self._written):
            if quarter in some:
                some.remove(quarter)
        if is_stored and stored == self._counts:
            return {}
        with self._store.database.transaction() as connection:
            tallies.write(connection, quarter, self._counts)
            if is_stored:
                self._compare(connection, quarter, stored)
        return {quarter: self._counts}

    def _lengths(
        self, connection: Connection, quarter: datetime, stored: dict[tuple[str, str], float] | None
    ) -> Counts:
        """How long queues were at its end: as stored, for rows forget who waited long ago."""
        if stored is None:
            return lengths_after(connection, quarter)
        return Counter({key: round(value) for key, value in stored.items() if key[0] == "length"})

    def _compare(
        self, connection: Connection, quarter: datetime, stored: dict[tuple[str, str], float]
    ) -> None:
        """Say where tallies were not what the rows say, and note it."""
        before = {key: value for key, value in stored.items() if key[0] in LASTING}
        rows = {key: value for key, value in self._counts.items() if key[0] in LASTING and value}
        if before == rows:
            return
        was, found = round(sum(before.values())), sum(rows.values())
        log.warning(
            "tally was not what the rows say",
            quarter=quarter.isoformat(),
            stored=was,
            counted=found,
        )
        new = Correction(quarter, self._store.clock.now(), was, found)
        self.corrections = [*self.corrections, new][-_MOST_TOLD:]
        told = [
            [
                correction.quarter.isoformat(),
                correction.found_at.isoformat(),
                correction.stored,
                correction.counted,
            ]
            for correction in self.corrections
        ]
        snapshots.put(connection, self._store.clock, NAME, {"rows": told})
