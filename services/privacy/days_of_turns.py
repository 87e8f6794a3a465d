"""The partitions of turns: made some days ahead, and dropped whole when they are due.

To make or drop one waits for no lock: where others have a lock on it, the next run tries again. A
day without a partition loses nothing, for its turns lie in `turn_other`. See docs/decisions/0001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import structlog

from models import turn_days
from models.database import unhurried
from models.operations import erasures
from models.supervision import tallies
from models.supervision.tallies import QUARTER
from models.turn_days import Partition, Said
from services.store import Store

# So many days behind today have a partition. At fewer than LEAST_AHEAD an alert is raised.
AHEAD: Final = 7
LEAST_AHEAD: Final = 3
# A turn that was counted and lies in a day which cannot go whole goes in bites after so long more:
# a day is due when its last turn is, and a call that began on it may end on the next.
BITES_LATER: Final = timedelta(days=2)
# So many turns in no day's partition are counted when they are looked at.
_MOST_STRAY: Final = 1000
# The step that erases counted turns in bites, by the name of its mark.
OLD_TURNS: Final = "old turns"
# Before this no turn was, where nothing says how far that step has come.
_LONG_AGO: Final = timedelta(days=400)
_DAY = timedelta(days=1)

log = structlog.get_logger()


def make_ahead(store: Store) -> int:
    """Make the partitions of today and of the days after it; gives how many were made.

    A day that cannot be made now is tried again the next time, and said.
    """
    today = turn_days.day_of(store.clock.now())
    with store.database.statement() as connection:
        kept = turn_days.kept(connection)
    made = 0
    for number in range(AHEAD + 1):
        day = today + number * _DAY
        if _is_there(kept, day):
            continue
        with store.database.transaction() as connection:
            said = turn_days.make(connection, day)
        made += said is Said.MADE
        if said in {Said.BUSY, Said.FULL}:
            log.warning("no partition was made", day=day.isoformat(), why=str(said))
    return made


@dataclass(frozen=True)
class DaysAhead:
    """How far the partitions reach. `ahead`: days after today, without a gap; -1: not even today.

    `stray`: so many turns, or at least so many, lie in no day's partition.
    """

    ahead: int
    stray: int

    @property
    def too_few(self) -> bool:
        """True where an alert is due."""
        return self.ahead < LEAST_AHEAD


def look(store: Store) -> DaysAhead:
    """How far the partitions reach now."""
    with store.database.statement() as connection:
        kept = turn_days.kept(connection)
        stray = turn_days.stray(connection, _MOST_STRAY)
    today = turn_days.day_of(store.clock.now())
    ahead = -1
    while _is_there(kept, today + (ahead + 1) * _DAY):
        ahead += 1
    return DaysAhead(ahead, stray)


def _is_there(kept: Sequence[Partition], day: date) -> bool:
    return any(part.first <= day <= part.day for part in kept)


@dataclass(frozen=True)
class WholeDays:
    """Drop the days of which every turn is due. What is left of others goes in bites.

    A turn is due after the store's `turns_kept` where it was counted, and else after `after`.
    """

    def run(self, store: Store, step: str, after: timedelta) -> int:
        """Drop what is due; gives how many days. Safe to be cut off anywhere."""
        del step
        now = store.clock.now()
        counted_until, until = now - store.turns_kept, now - after
        with store.database.statement() as connection:
            kept = turn_days.kept(connection)
        dropped = 0
        for part in kept:
            if part.day >= turn_days.day_of(counted_until):
                break
            if part.day < turn_days.day_of(until) and self._drop(store, part, until):
                dropped += 1
            elif not _has_uncounted(store, part, counted_until):
                dropped += self._drop(store, part, _begin(counted_until))
        return dropped

    def _drop(self, store: Store, one: Partition, until: datetime) -> bool:
        with store.database.transaction() as connection:
            unhurried(connection)
            said = turn_days.drop(connection, one.day, until)
        log.info("days of turns", day=one.day.isoformat(), said=str(said))
        return said is Said.DROPPED


def bites_later(store: Store) -> timedelta:
    """How much later than they are due counted turns go in bites: whole days go before."""
    due = turn_days.day_of(store.clock.now() - store.turns_kept)
    with store.database.statement() as connection:
        days = [part.day for part in turn_days.kept(connection) if not part.is_before]
    return BITES_LATER if any(day <= due for day in days) else timedelta()


def _has_uncounted(store: Store, one: Partition, until: datetime) -> bool:
    """Whether a turn of a day lies in a quarter of an hour that was not counted."""
    ends = _begin(until)
    with store.database.transaction() as connection:
        unhurried(connection)
        if one.is_before:
            # Whatever lies behind the mark was not counted, or it would be gone.
            reached = erasures.reached(connection, OLD_TURNS)
            begins = ends - _LONG_AGO if reached is None else _begin(min(reached, ends))
        else:
            begins = datetime.combine(one.first, datetime.min.time(), tallies.EPOCH.tzinfo)
        known = tallies.counted(connection, begins, ends)
        spans: list[tuple[datetime | None, datetime]] = [(None, begins)]
        quarter = begins
        while quarter < ends:
            end = quarter + QUARTER
            if quarter not in known:
                last = spans[-1]
                if last[1] == quarter:
                    spans[-1] = (last[0], end)
                else:
                    spans.append((quarter, end))
            quarter = end
        return turn_days.has_turns(connection, one, spans)


def _begin(moment: datetime) -> datetime:
    """When the quarter of an hour of this moment began."""
    return moment - (moment - tallies.EPOCH) % QUARTER
