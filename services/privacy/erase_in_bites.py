"""Erase long stretches of time in many small transactions, the oldest first.

An hour of a national day is ten million turns: one statement for them would keep its rows, and the
space of all older versions, for minutes. Each bite has `MOST` rows at most and is a transaction of
its own that notes how far it came, so that what is cut off goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.database import Connection, unhurried
from models.operations import erasures
from models.supervision import tallies
from models.supervision.tallies import QUARTER
from services.store import Store

# Rows of one bite: less than a tenth of a second on a usual disk.
MOST = 2000
# What is looked at first; then as much time as has so many rows.
_FIRST, _LEAST, _LONGEST = timedelta(minutes=15), timedelta(seconds=1), timedelta(days=1)

# Erases between two moments so many at the most, and gives how many; fewer: nothing is left there.
Erase = Callable[[Connection, datetime, datetime, int], int]


@dataclass(frozen=True)
class InBites:
    """What is erased so. `oldest` says where to begin the first time.

    `counted`: only in quarters of an hour of which the board's tallies are written. `kept`: for how
    long, where an operator says it; None: as the step does. `later`: how much later than that it
    begins, where most goes another way before.
    """

    erase: Erase
    oldest: Callable[[Connection], datetime | None]
    counted: bool = False
    kept: Callable[[Store], timedelta] | None = None
    later: Callable[[Store], timedelta] | None = None

    def run(self, store: Store, step: str, after: timedelta) -> int:
        """Erase what is older than `after`; gives how many rows. Safe to be cut off anywhere."""
        due = store.clock.now() - (after if self.kept is None else self.kept(store))
        until = due if self.later is None else due - self.later(store)
        with store.database.transaction() as connection:
            unhurried(connection)
            since = erasures.reached(connection, step)
            # A clock that was ahead for a while must not keep what is written since.
            if since is None or since > due:
                since = self.oldest(connection)
            if since is None or since >= until:
                return 0
            spans = list(self._spans(connection, since, until))
        return sum(self._erase(store, step, *span) for span in spans)

    def _spans(
        self, connection: Connection, since: datetime, until: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        """What may be erased of a time, in order."""
        if not self.counted:
            if since < until:
                yield since, until
            return
        # Whole quarters: one of which a part is gone could not be counted any more.
        begins = since - (since - tallies.EPOCH) % QUARTER
        ends = until - (until - tallies.EPOCH) % QUARTER
        quarters = tallies.counted(connection, begins, ends)
        first = sorted(quarter for quarter in quarters if quarter - QUARTER not in quarters)
        last = sorted(quarter for quarter in quarters if quarter + QUARTER not in quarters)
        for begin, end in zip(first, last, strict=True):
            yield begin, end + QUARTER

    def _erase(self, store: Store, step: str, since: datetime, until: datetime) -> int:
        erased, span = 0, _FIRST
        while since < until:
            end = min(since + span, until)
            with store.database.transaction() as connection:
                unhurried(connection)
                found = self.erase(connection, since, end, MOST)
                is_over = found < MOST
                if is_over:
                    erasures.note(connection, step, end)
            erased += found
            if not is_over:
                # There are more: looked for in less time, for each look passes what is gone.
                span = max(span / 2, _LEAST)
                continue
            since = end
            if found < MOST // 4:
                span = min(span * 2, _LONGEST)
        return erased
