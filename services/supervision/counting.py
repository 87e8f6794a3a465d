"""The running counts of the process that writes the board: added to, and true to the store.

What is older than a minute is counted by the store once and added to what was: `SETTLED_AFTER` is
longer than any transaction may take, so a row that is older is there or will never be. The minute
before that is counted in pieces of some seconds, once each; only the newest seconds are counted
each time. So what is shown equals a recount, whatever the day has had.

A quarter of an hour that is over is kept as tallies, with which yesterday is compared, and counted
again from the rows while no page waits for it (`services.supervision.recounts`). The next process
goes on after the last of them, bite by bite where much has come since, and says up to when it has
counted.
"""

from __future__ import annotations

import itertools

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from models.database import Connection
from models.supervision import board, tallies
from models.supervision.tallies import QUARTER
from services.store import Store
from services.supervision.counts import (
    HOUR,
    MINUTE,
    Bites,
    BoardFigures,
    Counts,
    Errors,
    SpanCounts,
    count_span,
    day_before,
    day_begins,
    down,
    lengths_after,
    quarter_of,
    same_time_yesterday,
)
from services.supervision.recounts import Recounts, corrections

SETTLED_AFTER: Final = timedelta(minutes=1)
SETTLED_EVERY: Final = timedelta(seconds=10)
# The pieces of the minute that is not settled. Few transactions take longer than so long to show.
PIECE: Final = timedelta(seconds=5)
SHOWN_AFTER: Final = timedelta(seconds=5)
# Rows that one look counts at the most, where much is to be counted: some tenths of a second.
ROWS_AT_ONCE: Final = 100_000
# A call of which nothing was heard for so long is over, whatever became of the news of its end.
SILENT_AFTER: Final = timedelta(minutes=10)
LONGEST_CALL: Final = timedelta(hours=6)
# With more calls at once they are counted only every so often.
MANY_CALLS: Final = 2000
MANY_CALLS_EVERY: Final = timedelta(seconds=5)
# For so long after the last one was found, tallies that were put right are told.
CORRECTED_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Piece:
    """Some seconds that were counted, and may be counted again when they are settled."""

    since: datetime
    until: datetime
    span: SpanCounts
    minutes: dict[datetime, Counts]

    @classmethod
    def count(cls, connection: Connection, since: datetime, until: datetime) -> Piece:
        span = count_span(connection, since, until)
        return cls(since, until, span, span.minutes())


class Counting:
    """The running counts of one process. Not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._started = False
        self._bites = Bites()
        self._recounts = Recounts(store, self._bites)
        # All before it is counted.
        self._cut = datetime.min.replace(tzinfo=UTC)
        self._day = self._cut
        self._quarters: dict[datetime, Counts] = {}
        # Those of them that are no tallies yet.
        self._unwritten: set[datetime] = set()
        # Of all quarters that count: of this day, and of the last hour.
        self._of_day: Counts = Counter()
        self._of_hour: Counts = Counter()
        self._pieces: list[Piece] = []
        self._minutes: dict[datetime, Counts] = {}
        self._levels: dict[datetime, Counter[str]] = {}
        self._errors: Errors = Counter()
        self._live: tuple[datetime, dict[str, Counter[str]]] | None = None
        self._yesterday: dict[tuple[str, str], float] | None = None
        self._hour_yesterday: dict[tuple[str, str], float] | None = None

    @property
    def day(self) -> datetime:
        """The midnight (UTC) from which is counted."""
        return self._day

    def refresh(self, now: datetime) -> BoardFigures:
        """Count what has come. `now` is the store's (UTC). Raises as the store does.

        What was counted before it raised is not counted again.
        """
        if not self._started:
            self._start(now)
        if day_begins(now) != self._day:
            self._day, self._errors = day_begins(now), Counter()
            self._compare(now)
        target = _settled(now)
        if self._cut < target:
            self._settle(now, target)
        if self._cut >= target:
            self._recount(now)
        return self._seen(now)

    # At the start

    def _start(self, now: datetime) -> None:
        target, yesterday = _settled(now), day_before(now)
        running = quarter_of(target)
        self._day = day_begins(now)
        with self._store.database.statement() as connection:
            self._recounts.corrections = corrections(connection)
            written = tallies.counted(connection, yesterday, running)
            self._begin(connection, written, target)
            oldest, here = min(self._day, running + QUARTER - HOUR), quarter_of(self._cut)
            for tally in tallies.between(connection, oldest, here):
                counts = self._quarters.setdefault(tally.at, Counter())
                counts[tally.name, tally.label] += round(tally.value)
        before = list(_quarters(yesterday, here))
        self._recounts.missing(start for start in before if start not in written)
        self._recounts.written(start for start in before if start in written and start >= self._day)
        self._started = True
        self._sum(now)
        self._compare(now)

    def _begin(self, connection: Connection, written: set[datetime], target: datetime) -> None:
        """Go on after the tallies of this day."""
        cut = self._day
        while cut in written:
            cut += QUARTER
        self._cut = min(cut, quarter_of(target))
        # Their quarters are counted, so they are wanted by the minute only.
        at = down(target, MINUTE) - HOUR
        while at < self._cut:
            end = min(at + QUARTER, self._cut)
            lately = SpanCounts(
                Counter(),
                board.bookings_between(connection, at, end),
                board.answered_between(connection, at, end),
                board.left_between(connection, at, end),
            )
            _add(self._minutes, lately.minutes())
            at = end
        if self._cut > self._day:
            answered = board.answered_between(connection, self._day, self._cut)
            self._errors += SpanCounts(Counter(), (), answered).errors()

    # Each ten seconds

    def _settle(self, now: datetime, target: datetime) -> None:
        """Take the store's count of what came up to `target`, or of as much as is fit at once."""
        rows = 0
        with self._store.database.statement() as connection:
            while self._cut < target and rows < ROWS_AT_ONCE:
                quarter = quarter_of(self._cut)
                until = min(target, quarter + QUARTER)
                end, span = self._bites.count(connection, self._cut, until)
                self._keep(quarter, span)
                self._cut, rows = end, rows + span.rows
        running = quarter_of(self._cut)
        for quarter in sorted(unwritten for unwritten in self._unwritten if unwritten < running):
            self._write(quarter)
        oldest = min(day_begins(now), running + QUARTER - HOUR)
        self._quarters = {at: kept for at, kept in self._quarters.items() if at >= oldest}
        self._minutes = {
            at: kept for at, kept in self._minutes.items() if at >= now - HOUR - MINUTE
        }
        self._pieces = [piece for piece in self._pieces if piece.since >= self._cut]
        self._sum(now)
        self._compare(now)

    def _keep(self, quarter: datetime, span: SpanCounts) -> None:
        """Add a span that is settled to its quarter."""
        self._unwritten.add(quarter)
        self._quarters.setdefault(quarter, Counter()).update(span.counts)
        _add(self._minutes, span.minutes())
        if quarter >= self._day:
            self._errors += span.errors()

    def _write(self, quarter: datetime) -> None:
        """Keep a quarter that is over as tallies, to be compared with the rows later."""
        with self._store.database.statement() as connection:
            lengths = lengths_after(connection, quarter)
        counts = self._quarters[quarter] + lengths
        with self._store.database.transaction() as connection:
            tallies.write(connection, quarter, counts)
        self._quarters[quarter] = counts
        self._unwritten.discard(quarter)
        self._recounts.written([quarter])

    def _recount(self, now: datetime) -> None:
        was_missing = self._recounts.is_missing_some
        found = self._recounts.bite()
        for quarter, counts in found.items():
            if quarter in self._quarters or quarter >= self._day:
                self._quarters[quarter] = counts
        if found:
            self._sum(now)
        if was_missing and not self._recounts.is_missing_some:
            self._compare(now)

    def _sum(self, now: datetime) -> None:
        self._of_day, self._of_hour = Counter(), Counter()
        for quarter, counts in self._quarters.items():
            if quarter >= day_begins(now):
                self._of_day.update(counts)
            if quarter > quarter_of(now) - HOUR:
                self._of_hour.update(counts)

    def _compare(self, now: datetime) -> None:
        """Read yesterday until the same time by the clock; the running quarter in proportion."""
        since, until = day_before(now), same_time_yesterday(now)
        running = quarter_of(until)
        with self._store.database.statement() as connection:
            if not tallies.counted(connection, since, until):
                self._yesterday = self._hour_yesterday = None
                return
            hour = tallies.sums(connection, running + QUARTER - HOUR, running + QUARTER)
            found = tallies.sums(connection, since, running)
            part = (until - running) / QUARTER
            for key, value in tallies.sums(connection, running, running + QUARTER).items():
                found[key] = found.get(key, 0.0) + value * part
        self._yesterday, self._hour_yesterday = found, hour

    # What is shown

    def _seen(self, now: datetime) -> BoardFigures:
        newest: list[Piece] = []
        is_behind = self._cut < _settled(now)
        with self._store.database.statement() as connection:
            if not is_behind:
                newest = self._newest(connection, now)
            live = self._count_live(connection, now)
        today, hour, errors = self._of_day.copy(), self._of_hour.copy(), self._errors.copy()
        minutes = {minute: counts.copy() for minute, counts in self._minutes.items()}
        for piece in newest:
            hour.update(piece.span.counts)
            _add(minutes, piece.minutes)
            if piece.since >= self._day:
                today.update(piece.span.counts)
                errors.update(piece.span.errors())
        self._count_levels(down(now, MINUTE))
        found = [
            correction
            for correction in self._recounts.corrections
            if now - correction.found_at < CORRECTED_FOR
        ]
        return BoardFigures(
            today=today,
            yesterday=self._yesterday,
            hour=hour,
            hour_yesterday=self._hour_yesterday,
            live_for=live,
            minutes=minutes,
            errors_for=errors,
            levels_for=self._levels.copy(),
            counted_to=self._cut if is_behind else None,
            corrected=len(found),
        )

    def _newest(self, connection: Connection, now: datetime) -> list[Piece]:
        """What came since the cut: pieces that were counted before, and those counted now."""
        at = self._pieces[-1].until if self._pieces else self._cut
        end = down(now - SHOWN_AFTER, PIECE)
        while at < end:
            # No piece has parts of two quarters or days.
            until = min(end, down(at, SETTLED_EVERY) + SETTLED_EVERY)
            self._pieces.append(Piece.count(connection, at, until))
            at = until
        # The store's clock may be ahead of ours.
        until = now + MINUTE
        edges = [at, self._day, until] if at < self._day else [at, until]
        last = [Piece.count(connection, *edge) for edge in itertools.pairwise(edges)]
        return [*self._pieces, *last]

    def _count_live(self, connection: Connection, now: datetime) -> dict[str, Counter[str]]:
        """Calls that go on by `about` and step: each time, or now and then where they are many."""
        known = self._live
        if (
            known is not None
            and sum(steps.total() for steps in known[1].values()) > MANY_CALLS
            and timedelta() <= now - known[0] < MANY_CALLS_EVERY
        ):
            return known[1]
        found: dict[str, Counter[str]] = {}
        some = board.live_by_step(connection, now - LONGEST_CALL, now - SILENT_AFTER)
        for step, about, number in some:
            found.setdefault(about, Counter())[step] += number
        self._live = now, found
        return found

    def _count_levels(self, newest: datetime) -> None:
        """Count who waited at each full minute up to the newest, once a minute.

        The last one but one is counted again: rows may be seen some seconds late.
        """
        if newest in self._levels:
            return
        oldest = newest - HOUR
        kept = {at: level for at, level in self._levels.items() if oldest <= at < newest - MINUTE}
        missing = [at for number in range(61) if (at := oldest + number * MINUTE) not in kept]
        with self._store.database.statement() as connection:
            some = board.unserved(connection, missing[0], newest + HOUR)
        self._levels = kept | {
            at: Counter(caller.about for caller in some if caller.at(at)) for at in missing
        }


def _settled(now: datetime) -> datetime:
    """Up to when everything is in the store that ever will be."""
    return down(now - SETTLED_AFTER, SETTLED_EVERY)


def _quarters(since: datetime, until: datetime) -> Iterator[datetime]:
    while since < until:
        yield since
        since += QUARTER


def _add(minutes: dict[datetime, Counts], more: dict[datetime, Counts]) -> None:
    for at, counts in more.items():
        minutes.setdefault(at, Counter()).update(counts)
