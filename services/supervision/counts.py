"""What the supervisors' board counts of a span of time, by the store, in bites.

No statement counts more than some thousand rows: a span that may hold more is counted as several
shorter ones, one after the other, and their counts are added up.

Days are those of Paris.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from models.database import STORE_ERRORS, Connection
from models.supervision import board
from models.supervision.board import AnsweredEntry
from models.supervision.tallies import QUARTER

ZONE: Final = ZoneInfo("Europe/Paris")
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
# Nobody waits for longer: a call is promised for the next day that is open, or the one after.
LONGEST_PROMISE: Final = timedelta(days=7)
# Answered within so many seconds is answered in time.
IN_TIME: Final = timedelta(seconds=60)
# Places that were left for good reason: for the machine, for a promise of the same person, because
# an appointment was found; and callers in the menu that an agent wanted to take and did not.
NOT_ABANDONED: Final = frozenset({"machine", "merged", "booked", "not_taken", "typed"})
# Taken from the menu by an agent: they never waited.
TAKEN_OVER: Final = "taken"
GOODBYE: Final = "ended"
# Rows that one statement should count: some 50 ms of a PostgreSQL's processor.
BITE_ROWS: Final = 20_000
# A span that held less than this part of it may be so many times as long the next time.
LENGTHEN: Final = 4
FIRST_BITE: Final = timedelta(seconds=10)
SHORTEST_BITE: Final = timedelta(seconds=1)

# What is counted, by name; the label is a step, a channel or a queue.
Counts = Counter[tuple[str, str]]
_COUNTED_OUTCOMES = frozenset({"missed", "silent", "repeated", "back"})


def begins(day: date) -> datetime:
    """The midnight (UTC) with which a day of Paris begins."""
    return datetime.combine(day, time.min, tzinfo=ZONE).astimezone(UTC)


def day_begins(moment: datetime) -> datetime:
    """The midnight (UTC) with which a moment's day in Paris begins."""
    return begins(moment.astimezone(ZONE).date())


def day_before(moment: datetime) -> datetime:
    """The midnight (UTC) with which the day before a moment's day begins."""
    return begins(moment.astimezone(ZONE).date() - timedelta(days=1))


def same_time_yesterday(moment: datetime) -> datetime:
    """The moment (UTC) at which the clocks of the day before showed what they show now."""
    local = moment.astimezone(ZONE)
    day = local.date() - timedelta(days=1)
    return datetime.combine(day, local.time(), tzinfo=ZONE).astimezone(UTC)


def down(moment: datetime, to: timedelta) -> datetime:
    """A moment rounded down to whole minutes or quarters, which begin alike in every zone here."""
    return moment - (moment - datetime(2020, 1, 1, tzinfo=UTC)) % to


def quarter_of(moment: datetime) -> datetime:
    """When the quarter of a moment begins."""
    return down(moment, QUARTER)


# ---------------------------------------------------------------- what counts as what


def _count_move(counts: Counts, before: str, step: str, outcome: str, number: int) -> None:
    """Add turns that led from one step to another; `before` is empty for an answered ring."""
    if not before:
        counts["calls", ""] += number
    if step not in {before, GOODBYE, ""}:
        counts["entered", step] += number
    if outcome in _COUNTED_OUTCOMES and before:
        # What went wrong is the question's that was asked, wherever it led.
        counts[outcome, before] += number


def _count_answered(counts: Counts, one: AnsweredEntry) -> None:
    if one.reason == TAKEN_OVER:
        counts["taken_over", one.queue_id] += 1
        return
    if one.kind != "call":
        counts["called_back", one.queue_id] += 1
        return
    waited = one.answered_at - one.joined_at
    counts["answered", one.queue_id] += 1
    counts["waited", one.queue_id] += round(waited.total_seconds())
    if waited <= IN_TIME:
        counts["in_time", one.queue_id] += 1
    if one.called:
        counts["answered_to", one.called] += 1
        counts["in_time_to", one.called] += waited <= IN_TIME


def _how_left(outcome: str) -> str:
    return "turned_back" if outcome in NOT_ABANDONED else "abandoned"


def _error_of(one: AnsweredEntry) -> float | None:
    """How wrong the wait was that was told first, as a part of the one that it was."""
    if one.told_seconds is None or one.told_at is None or one.kind != "call":
        return None
    was = (one.answered_at - one.told_at).total_seconds()
    return abs(one.told_seconds - was) / max(was, 1.0)


@dataclass(frozen=True)
class SpanCounts:
    """What the store counts of a span of time, and those rows of which more than that is shown."""

    counts: Counts
    # When each was booked (UTC), and by which channel.
    booked: Sequence[tuple[datetime, str]]
    answered: Sequence[AnsweredEntry]
    # When each left the queue unanswered (UTC), which queue, the outcome, and the number called.
    left: Sequence[tuple[datetime, str, str, str | None]] = ()
    # Rows that were read for it, those that were only counted included.
    rows: int = 0

    def errors(self) -> Counter[int]:
        """How wrong each wait was that was told first, in thousandths of the one that it was."""
        found = (_error_of(row) for row in self.answered)
        return Counter(round(1000 * error) for error in found if error is not None)

    def minutes(self) -> dict[datetime, Counts]:
        """Of bookings, answers and those who gave up, each minute's (when it begins, UTC)."""
        found: dict[datetime, Counts] = {}
        for at, channel in self.booked:
            found.setdefault(down(at, MINUTE), Counter())["booked", channel] += 1
        for row in self.answered:
            _count_answered(found.setdefault(down(row.answered_at, MINUTE), Counter()), row)
        for at, queue, outcome, _called in self.left:
            found.setdefault(down(at, MINUTE), Counter())[_how_left(outcome), queue] += 1
        return found


def count_span(connection: Connection, since: datetime, until: datetime) -> SpanCounts:
    """Count a span by the store alone."""
    counts: Counts = Counter()
    rows = 0
    for move in board.moves_between(connection, since, until):
        _count_move(counts, *move)
        rows += move[-1]
    for step, number in board.ends_between(connection, since, until).items():
        counts[("finished", "") if step == GOODBYE else ("hung_up", step)] += number
    booked = board.bookings_between(connection, since, until)
    for _at, channel in booked:
        counts["booked", channel] += 1
    answered = board.answered_between(connection, since, until)
    for row in answered:
        _count_answered(counts, row)
    left = board.left_between(connection, since, until)
    for _at, queue, outcome, called in left:
        counts[_how_left(outcome), queue] += 1
        if called and _how_left(outcome) == "abandoned":
            counts["abandoned_to", called] += 1
    for called, number in board.calls_by_number(connection, since, until):
        counts["calls_to", called] += number
    for called, number in board.bookings_by_number(connection, since, until):
        counts["booked_to", called] += number
    undelivered = board.undelivered_between(connection, since, until)
    if undelivered:
        counts["undelivered", ""] += undelivered
    rows += len(booked) + len(answered) + len(left)
    return SpanCounts(counts, booked, answered, left, rows)


class Bites:
    """How long a span is that one statement can count: it adapts to how many rows there are.

    Not for several threads.
    """

    def __init__(self) -> None:
        self.length = FIRST_BITE

    def count(
        self, connection: Connection, since: datetime, until: datetime
    ) -> tuple[datetime, SpanCounts]:
        """Count a span, or as much of it as is one bite; gives its end as well.

        Where the store does not count it in time the next one is shorter.
        """
        end = min(since + self.length, until)
        # After quiet hours there may be far more than before.
        while end - since > FIRST_BITE and board.are_more(connection, since, end, BITE_ROWS):
            self.length = max((end - since) / 2, FIRST_BITE)
            end = since + self.length
        try:
            span = count_span(connection, since, end)
        except STORE_ERRORS:
            self.length = max(self.length / 2, SHORTEST_BITE)
            raise
        if span.rows > BITE_ROWS:
            self.length = max(self.length / 2, SHORTEST_BITE)
        elif span.rows * LENGTHEN <= BITE_ROWS:
            self.length = min(self.length * LENGTHEN, QUARTER)
        return end, span


def count_by_bites(connection: Connection, since: datetime, until: datetime) -> Counts:
    """Count a span of whatever length, bite by bite."""
    counts, bites, at = Counts(), Bites(), since
    while at < until:
        at, span = bites.count(connection, at, until)
        counts.update(span.counts)
    return counts


def lengths_after(connection: Connection, quarter: datetime) -> Counts:
    """How long each queue was at the end of a quarter that is over."""
    found = board.length_at(connection, quarter + QUARTER, LONGEST_PROMISE)
    return Counter({("length", queue): length for queue, length in found.items()})


def count_quarter(connection: Connection, quarter: datetime) -> Counts:
    """A quarter that is over, and how long each queue was at its end."""
    counts = count_by_bites(connection, quarter, quarter + QUARTER)
    counts.update(lengths_after(connection, quarter))
    return counts


# ---------------------------------------------------------------- what is shown


@dataclass(frozen=True)
class BoardFigures:
    """What is counted at one moment: the day so far, yesterday until the same time, and now."""

    today: Mapping[tuple[str, str], int]
    # None where yesterday was not counted.
    yesterday: Mapping[tuple[str, str], float] | None
    # The last hour, by whole quarters, and the same quarters of yesterday.
    hour: Mapping[tuple[str, str], int]
    hour_yesterday: Mapping[tuple[str, str], float] | None
    # Calls that go on, by the step where they are.
    live: Mapping[str, int]
    # Of the last hour by the minute (UTC, when it begins): bookings by channel, and who was
    # answered, called back or gave up by queue; named and counted as in `today`.
    minutes: Mapping[datetime, Mapping[tuple[str, str], int]]
    # How many told waits of today were wrong by so many thousandths of the wait that it was.
    errors: Mapping[int, int]
    # How many people waited for an agent at each full minute of the last hour (UTC).
    levels: Mapping[datetime, int] = field(default_factory=dict)
    # Up to when is counted (UTC), where that is not now: the rest is counted bite by bite.
    counted_to: datetime | None = None
    # Quarters whose stored counts were not what the rows say, and were put right a while ago.
    corrected: int = 0
