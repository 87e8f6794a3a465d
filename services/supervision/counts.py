"""Counts of the day for the supervisors' board, kept in one process and true to the store.

What is older than a minute is counted by the store itself, minute by minute, once; only the newest
minute or two are added up here, row by row as they come. So what is shown equals a recount, without
one each second. A quarter of an hour is counted again, whole, when it is over, and kept as tallies:
from these a new process starts, and yesterday is compared.

Days are those of Paris. `SETTLED_AFTER` is longer than any transaction may take: a row that is
older is there or will never be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from models.database import Connection
from models.supervision import board, tallies
from models.supervision.board import AbandonedEntry, AnsweredEntry, TurnSeen
from models.supervision.tallies import QUARTER
from services.store import Store

ZONE: Final = ZoneInfo("Europe/Paris")
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
SETTLED_AFTER: Final = timedelta(minutes=1)
# Rows are stamped before they are committed: most within the second, all within a few. So most
# reads look back a little, and each fifth one far enough for all.
OVERLAP: Final = timedelta(seconds=2)
WIDE_OVERLAP: Final = timedelta(seconds=10)
WIDE_EVERY: Final = 5
# A call of which nothing was heard for so long is over, whatever became of the news of its end.
SILENT_AFTER: Final = timedelta(minutes=10)
LONGEST_CALL: Final = timedelta(hours=6)
LONGEST_PROMISE: Final = timedelta(days=2)
# Answered within so many seconds is answered in time.
IN_TIME: Final = timedelta(seconds=60)
# Places that were left for good reason: for the machine, for a promise of the same person, because
# an appointment was found; and callers in the menu whom an agent wanted to take and did not.
NOT_ABANDONED: Final = frozenset({"machine", "merged", "booked", "not_taken"})
# Taken from the menu by an agent: they never waited.
TAKEN_OVER: Final = "taken"
GOODBYE: Final = "ended"

# What is counted, by name; the label is a step, a channel or a queue.
Counts = Counter[tuple[str, str]]
_COUNTED_OUTCOMES = frozenset({"missed", "silent", "repeated", "back"})


def day_begins(moment: datetime) -> datetime:
    """The midnight (UTC) with which a moment's day in Paris begins."""
    return _midnight(moment, 0)


def day_before(moment: datetime) -> datetime:
    """The midnight (UTC) with which the day before a moment's day begins."""
    return _midnight(moment, -1)


def same_time_yesterday(moment: datetime) -> datetime:
    """The moment (UTC) at which the clocks of the day before showed what they show now."""
    local = moment.astimezone(ZONE)
    day = local.date() - timedelta(days=1)
    return datetime.combine(day, local.time(), tzinfo=ZONE).astimezone(UTC)


def _midnight(moment: datetime, days: int) -> datetime:
    day = moment.astimezone(ZONE).date() + timedelta(days=days)
    return datetime.combine(day, time.min, tzinfo=ZONE).astimezone(UTC)


def _down(moment: datetime, to: timedelta) -> datetime:
    """A moment rounded down to whole minutes or quarters, which begin alike in every zone here."""
    return moment - (moment - datetime(2020, 1, 1, tzinfo=UTC)) % to


def quarter_of(moment: datetime) -> datetime:
    """When the quarter of a moment begins."""
    return _down(moment, QUARTER)


# ---------------------------------------------------------------- what counts as what


def _count_move(counts: Counts, before: str, step: str, outcome: str, number: int = 1) -> None:
    """Add turns that led from one step to another; `before` is empty for an answered ring."""
    if not before:
        counts["calls", ""] += number
    if step not in {before, GOODBYE, ""}:
        counts["entered", step] += number
    if outcome in _COUNTED_OUTCOMES and before:
        # What went wrong is the question's that was asked, wherever it led.
        counts[outcome, before] += number


def _count_end(counts: Counts, step: str, number: int = 1) -> None:
    """Add calls that ended at a step."""
    if step == GOODBYE:
        counts["finished", ""] += number
    else:
        counts["hung_up", step] += number


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


def _count_left(counts: Counts, one: AbandonedEntry) -> None:
    name = "turned_back" if one.outcome in NOT_ABANDONED else "abandoned"
    counts[name, one.queue_id] += 1


def _error_of(one: AnsweredEntry) -> float | None:
    """How wrong the wait was that was told first, as a part of the one that it was."""
    if one.told_seconds is None or one.told_at is None or one.kind != "call":
        return None
    was = (one.answered_at - one.told_at).total_seconds()
    return abs(one.told_seconds - was) / max(was, 1.0)


def count_span(connection: Connection, since: datetime, until: datetime) -> Counts:
    """Count a span by the store alone."""
    counts: Counts = Counter()
    for move in board.moves_between(connection, since, until):
        _count_move(counts, *move)
    for step, number in board.ends_between(connection, since, until).items():
        _count_end(counts, step, number)
    for channel, number in board.bookings_between(connection, since, until).items():
        counts["booked", channel] += number
    for answered in board.answered_between(connection, since, until):
        _count_answered(counts, answered)
    for left in board.left_between(connection, since, until):
        _count_left(counts, left)
    undelivered = board.undelivered_between(connection, since, until)
    if undelivered:
        counts["undelivered", ""] += undelivered
    return counts


def count_quarter(connection: Connection, quarter: datetime) -> Counts:
    """The same of a quarter that is over, and how long each queue was at its end."""
    end = quarter + QUARTER
    counts = count_span(connection, quarter, end)
    for queue, length in board.length_at(connection, end, LONGEST_PROMISE).items():
        counts["length", queue] += length
    return counts


def recount(store: Store, since: datetime, until: datetime) -> int:
    """Count all quarters of a time anew and store them; gives how many."""
    quarter, done = quarter_of(since), 0
    while quarter + QUARTER <= until:
        _write_quarter(store, quarter)
        quarter, done = quarter + QUARTER, done + 1
    return done


def _write_quarter(store: Store, quarter: datetime) -> Counts:
    with store.database.statement() as connection:
        counts = count_quarter(connection, quarter)
    with store.database.transaction() as connection:
        tallies.write(connection, quarter, counts)
    return counts


# ---------------------------------------------------------------- the newest minutes


@dataclass
class _Newest:
    """Rows that are not settled yet."""

    turns: dict[tuple[str, int], tuple[datetime, str, str, str]] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)
    booked: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    answered: dict[str, AnsweredEntry] = field(default_factory=dict)
    left: dict[str, AbandonedEntry] = field(default_factory=dict)

    def drop_before(self, moment: datetime) -> None:
        self.turns = {key: row for key, row in self.turns.items() if row[0] >= moment}
        self.ends = {key: at for key, at in self.ends.items() if at >= moment}
        self.booked = {key: row for key, row in self.booked.items() if row[0] >= moment}
        self.answered = {
            key: row for key, row in self.answered.items() if row.answered_at >= moment
        }
        self.left = {key: row for key, row in self.left.items() if row.ended_at >= moment}


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
    # Bookings by the minute they were made in, and channel.
    minutes: Mapping[datetime, Mapping[str, int]]
    # How wrong each told wait of today was, as a part of it.
    errors: tuple[float, ...]


class Counting:
    """The running counts of one process. Not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._started = False
        self._cut = datetime.min.replace(tzinfo=UTC)
        self._day = self._cut
        self._last_at = self._cut
        self._quarters: dict[datetime, Counts] = {}
        self._settled: Counts = Counter()
        self._newest = _Newest()
        # Of the newest turns of today.
        self._turned: Counts = Counter()
        self._steps: dict[str, TurnSeen] = {}
        self._minutes: dict[datetime, Counter[str]] = {}
        self._errors: dict[str, tuple[datetime, float]] = {}
        self._yesterday: dict[tuple[str, str], float] | None = None
        self._hour_yesterday: dict[tuple[str, str], float] | None = None
        self._backlog: list[datetime] = []
        self._reads = 0
        # Quarters that began while this process ran, and are not kept yet.
        self._unwritten: set[datetime] = set()

    @property
    def day(self) -> datetime:
        """The midnight (UTC) from which is counted."""
        return self._day

    def refresh(self, now: datetime) -> BoardFigures:
        """Count what has come. `now` is the store's (UTC)."""
        if not self._started:
            self._start(now)
        target = _down(now - SETTLED_AFTER, MINUTE)
        self._read(now)
        if target > self._cut:
            self._settle(now, target)
        if day_begins(now) != self._day:
            self._day = day_begins(now)
            self._compare(now)
            self._errors = {key: row for key, row in self._errors.items() if row[0] >= self._day}
            self._add_up()
        if self._backlog:
            _write_quarter(self._store, self._backlog.pop())
            if not self._backlog:
                self._compare(now)
        return self._seen(now)

    # At the start

    def _start(self, now: datetime) -> None:
        self._cut = self._last_at = _down(now - SETTLED_AFTER, MINUTE)
        self._day = day_begins(now)
        running = quarter_of(self._cut)
        yesterday = day_before(now)
        with self._store.database.statement() as connection:
            written = tallies.counted(connection, yesterday, running)
            oldest = min(self._day, running + QUARTER - HOUR)
            for one in tallies.between(connection, oldest, running):
                counts = self._quarters.setdefault(one.at, Counter())
                counts[one.name, one.label] += round(one.value)
            self._quarters[running] = count_span(connection, running, self._cut)
            self._unwritten.add(running)
            booked = board.bookings_since(connection, self._cut - HOUR)
            answered = board.answered_between(connection, self._day)
            self._sync(connection, now)
        for at, channel in booked.values():
            if at < self._cut:
                self._minutes.setdefault(_down(at, MINUTE), Counter())[channel] += 1
        for row in answered:
            if row.answered_at < self._cut:
                self._judge(row)
        quarter = yesterday
        while quarter < running:
            if quarter not in written:
                if quarter >= self._day:
                    self._quarters[quarter] = _write_quarter(self._store, quarter)
                else:
                    # Of yesterday one at a time: the board need not wait for it.
                    self._backlog.append(quarter)
            quarter += QUARTER
        self._started = True
        self._compare(now)
        self._add_up()

    def _sync(self, connection: Connection, now: datetime) -> None:
        """Which calls go on, by the store."""
        live = board.live_calls(connection, now - LONGEST_CALL, now - SILENT_AFTER)
        kept = {
            call_id: self._steps[call_id] for call_id in self._newest.ends if call_id in self._steps
        }
        self._steps = kept | {one.call_id: one for one in live}

    # Each second

    def _read(self, now: datetime) -> None:
        self._reads += 1
        overlap = OVERLAP if self._reads % WIDE_EVERY else WIDE_OVERLAP
        since = max(self._cut, self._last_at - overlap)
        newest = self._newest
        with self._store.database.statement() as connection:
            turns = board.turns_since(connection, since)
            self._take_turns(connection, turns)
            ends = board.ends_since(connection, since)
            unknown = [
                call_id
                for call_id in ends
                if call_id not in newest.ends and call_id not in self._steps
            ]
            if unknown:
                self._steps |= board.newest_of(connection, unknown)
            newest.ends |= ends
            newest.booked |= board.bookings_since(connection, since)
            newest.answered |= {row.id: row for row in board.answered_between(connection, since)}
            newest.left |= {row.id: row for row in board.left_between(connection, since)}
        moments = [self._last_at, *(turn.at for turn in turns), *ends.values()]
        self._last_at = min(max(moments), now)

    def _take_turns(self, connection: Connection, turns: list[TurnSeen]) -> None:
        known = self._newest.turns
        fresh = [turn for turn in turns if (turn.call_id, turn.number) not in known]
        lacking = [
            (one.call_id, one.number - 1)
            for one in fresh
            if one.number and not self._knows(one.call_id, one.number - 1)
        ]
        among = {(one.call_id, one.number) for one in fresh}
        looked_up = board.steps_of(connection, [key for key in lacking if key not in among])
        for one in fresh:
            before = ""
            if one.number:
                before = self._step_of(one.call_id, one.number - 1) or looked_up.get(
                    one.call_id, ""
                )
            known[one.call_id, one.number] = (one.at, before, one.step, one.outcome)
            if one.at >= self._day:
                _count_move(self._turned, before, one.step, one.outcome)
            last = self._steps.get(one.call_id)
            if last is None or last.number <= one.number:
                self._steps[one.call_id] = one

    def _knows(self, call_id: str, number: int) -> bool:
        return bool(self._step_of(call_id, number))

    def _step_of(self, call_id: str, number: int) -> str:
        row = self._newest.turns.get((call_id, number))
        if row is not None:
            return row[2]
        last = self._steps.get(call_id)
        return last.step if last is not None and last.number == number else ""

    # Each minute

    def _settle(self, now: datetime, target: datetime) -> None:
        """Take the store's own count of all minutes up to `target`, and forget their rows."""
        with self._store.database.statement() as connection:
            while self._cut < target:
                minute, self._cut = self._cut, self._cut + MINUTE
                counts = count_span(connection, minute, self._cut)
                quarter = quarter_of(minute)
                self._unwritten.add(quarter)
                self._quarters.setdefault(quarter, Counter()).update(counts)
                booked = {
                    label: number for (name, label), number in counts.items() if name == "booked"
                }
                if booked:
                    self._minutes[minute] = Counter(booked)
                for row in board.answered_between(connection, minute, self._cut):
                    self._judge(row)
            self._newest.drop_before(self._cut)
            self._sync(connection, now)
        running = quarter_of(self._cut)
        for quarter in sorted(one for one in self._unwritten if one < running):
            self._quarters[quarter] = _write_quarter(self._store, quarter)
            self._unwritten.discard(quarter)
        oldest = min(day_begins(now), running + QUARTER - HOUR)
        self._quarters = {one: kept for one, kept in self._quarters.items() if one >= oldest}
        self._minutes = {
            one: counts for one, counts in self._minutes.items() if one >= self._cut - HOUR
        }
        self._compare(now)
        self._add_up()

    def _judge(self, row: AnsweredEntry) -> None:
        error = _error_of(row)
        if error is not None:
            self._errors[row.id] = (row.answered_at, error)

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

    def _add_up(self) -> None:
        self._settled = Counter()
        for quarter, counts in self._quarters.items():
            if quarter >= self._day:
                self._settled.update(counts)
        self._turned = Counter()
        for at, before, step, outcome in self._newest.turns.values():
            if at >= self._day:
                _count_move(self._turned, before, step, outcome)

    # What is shown

    def _seen(self, now: datetime) -> BoardFigures:
        today = self._settled + self._turned
        minutes = {minute: Counter(counts) for minute, counts in self._minutes.items()}
        for at, channel in self._newest.booked.values():
            minutes.setdefault(_down(at, MINUTE), Counter())[channel] += 1
        self._add_newest(today)
        hour = self._turned.copy()
        for quarter, counts in self._quarters.items():
            if quarter > quarter_of(now) - HOUR:
                hour.update(counts)
        return BoardFigures(
            today=today,
            yesterday=self._yesterday,
            hour=hour,
            hour_yesterday=self._hour_yesterday,
            live=Counter(one.step for one in self._live(now)),
            minutes=minutes,
            errors=tuple(self._errors_of_today()),
        )

    def _add_newest(self, today: Counts) -> None:
        """Add what is not settled, but for turns, which are added up as they come."""
        newest, day = self._newest, self._day
        for call_id, at in newest.ends.items():
            last = self._steps.get(call_id)
            if at >= day and last is not None:
                _count_end(today, last.step)
        for at, channel in newest.booked.values():
            if at >= day:
                today["booked", channel] += 1
        for answered in newest.answered.values():
            if answered.answered_at >= day:
                _count_answered(today, answered)
        for left in newest.left.values():
            if left.ended_at >= day:
                _count_left(today, left)

    def _live(self, now: datetime) -> Iterator[TurnSeen]:
        heard = now - SILENT_AFTER
        ended = self._newest.ends
        for call_id, one in self._steps.items():
            if call_id not in ended and one.at >= heard:
                yield one

    def _errors_of_today(self) -> Iterator[float]:
        for _at, error in self._errors.values():
            yield error
        for row in self._newest.answered.values():
            newest = _error_of(row) if row.answered_at >= self._day else None
            if newest is not None:
                yield newest
