"""Counts of the day for the supervisors' board, kept in one process and true to the store.

What is older than a minute is counted by the store once, and the newest minute each second. So what
is shown equals a recount, without one of all the day each second. A quarter of an hour is counted
again, whole, when it is over, and kept as tallies: from these a new process starts, and yesterday
is compared.

Days are those of Paris. `SETTLED_AFTER` is longer than any transaction may take: a row that is
older is there or will never be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from models.about import services_of
from models.database import Connection
from models.supervision import board, tallies
from models.supervision.board import AnsweredEntry
from models.supervision.tallies import QUARTER
from services.store import Store

ZONE: Final = ZoneInfo("Europe/Paris")
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
SETTLED_AFTER: Final = timedelta(minutes=1)
SETTLED_EVERY: Final = timedelta(seconds=10)
# A call of which nothing was heard for so long is over, whatever became of the news of its end.
SILENT_AFTER: Final = timedelta(minutes=10)
LONGEST_CALL: Final = timedelta(hours=6)
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

# What is counted, by name; the label is a step, a channel or a queue.
Counts = Counter[tuple[str, str]]
# What is about a service is counted a second time, by this name behind its own and with the
# services before the label: a number of all is never made of those by service.
FOR: Final = "_for"
_BETWEEN: Final = ":"
# Of everything, what is about no service that has a name, or was not said to be about one yet.
UNSAID: Final = "-"
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


def _down(moment: datetime, to: timedelta) -> datetime:
    """A moment rounded down to whole minutes or quarters, which begin alike in every zone here."""
    return moment - (moment - datetime(2020, 1, 1, tzinfo=UTC)) % to


def quarter_of(moment: datetime) -> datetime:
    """When the quarter of a moment begins."""
    return _down(moment, QUARTER)


# ---------------------------------------------------------------- what counts as what


def _count(counts: Counts, name: str, label: str, about: str | None, number: int = 1) -> None:
    """Count something of a label, and of the services that it is about (models.about)."""
    counts[name, label] += number
    if about:
        counts[f"{name}{FOR}", f"{about}{_BETWEEN}{label}"] += number


def by_services(
    counts: Mapping[tuple[str, str], float],
) -> dict[str, dict[tuple[str, str], float]]:
    """The counts of each choice of services that something was about; "" is about none.

    They add up to the counts of all: nothing is in two of them.
    """
    found: dict[str, dict[tuple[str, str], float]] = {"": {}}
    for (name, label), value in counts.items():
        if name.endswith(FOR):
            about, _, of = label.partition(_BETWEEN)
            found.setdefault(about, {})[name.removesuffix(FOR), of] = value
        else:
            found[""][name, label] = value
    rest = found[""]
    for about, some in found.items():
        for key, value in some.items() if about else ():
            rest[key] = rest.get(key, 0) - value
    return found


def is_of(about: str | None, service: str) -> bool:
    """Whether what is about these services is shown where only one of them is looked at."""
    return not about if service == UNSAID else service in services_of(about)


def of_service(counts: Mapping[tuple[str, str], float], service: str) -> Counter[tuple[str, str]]:
    """What is counted of one service; what was about several counts for each of them.

    Calls are those that are over, by what they were about at their end: at the ring nobody knows.
    """
    found: Counter[tuple[str, str]] = Counter()
    for about, some in by_services(counts).items():
        if is_of(about, service):
            found.update({key: value for key, value in some.items() if value})
    found["calls", ""] = _total(found, "finished") + _total(found, "hung_up")
    return found


def _total(counts: Mapping[tuple[str, str], float], name: str) -> Any:
    return sum(value for (one, _label), value in counts.items() if one == name)


def _count_move(  # noqa: PLR0917
    counts: Counts, before: str, step: str, outcome: str, about: str, number: int
) -> None:
    """Add turns that led from one step to another; `before` is empty for an answered ring."""
    if not before:
        counts["calls", ""] += number
    if step not in {before, GOODBYE, ""}:
        _count(counts, "entered", step, about, number)
    if outcome in _COUNTED_OUTCOMES and before:
        # What went wrong is the question's that was asked, wherever it led.
        _count(counts, outcome, before, about, number)


def _count_answered(counts: Counts, one: AnsweredEntry) -> None:
    if one.reason == TAKEN_OVER:
        _count(counts, "taken_over", one.queue_id, one.about)
        return
    if one.kind != "call":
        _count(counts, "called_back", one.queue_id, one.about)
        return
    waited = one.answered_at - one.joined_at
    _count(counts, "answered", one.queue_id, one.about)
    _count(counts, "waited", one.queue_id, one.about, round(waited.total_seconds()))
    if waited <= IN_TIME:
        _count(counts, "in_time", one.queue_id, one.about)
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
    # When each was booked (UTC), by which channel, and what it is about.
    booked: Sequence[tuple[datetime, str, str]]
    answered: Sequence[AnsweredEntry]
    # When each left the queue unanswered (UTC), which queue, the outcome, the number called, and
    # what it is about.
    left: Sequence[tuple[datetime, str, str, str | None, str]] = ()

    def errors(self) -> list[tuple[str, float]]:
        """How wrong each wait was that was told first, as a part of the one that it was.

        Each with what its caller called about.
        """
        found = ((row.about or "", _error_of(row)) for row in self.answered)
        return [(about, error) for about, error in found if error is not None]


def count_span(connection: Connection, since: datetime, until: datetime) -> SpanCounts:
    """Count a span by the store alone."""
    counts: Counts = Counter()
    for move in board.moves_between(connection, since, until):
        _count_move(counts, *move)
    for step, about, number in board.ends_between(connection, since, until):
        if step == GOODBYE:
            _count(counts, "finished", "", about, number)
        else:
            _count(counts, "hung_up", step, about, number)
    booked = board.bookings_between(connection, since, until)
    for _at, channel, about in booked:
        _count(counts, "booked", channel, about)
    answered = board.answered_between(connection, since, until)
    for row in answered:
        _count_answered(counts, row)
    left = board.left_between(connection, since, until)
    for _at, queue, outcome, called, about in left:
        _count(counts, _how_left(outcome), queue, about)
        if called and _how_left(outcome) == "abandoned":
            counts["abandoned_to", called] += 1
    _count_numbers(counts, connection, since, until)
    undelivered = board.undelivered_between(connection, since, until)
    if undelivered:
        counts["undelivered", ""] += undelivered
    return SpanCounts(counts, booked, answered, left)


def _count_numbers(
    counts: Counts, connection: Connection, since: datetime, until: datetime
) -> None:
    """Add calls and bookings by the number that was called."""
    for called, number in board.calls_by_number(connection, since, until):
        counts["calls_to", called] += number
    for called, number in board.bookings_by_number(connection, since, until):
        counts["booked_to", called] += number


def count_quarter(connection: Connection, quarter: datetime) -> Counts:
    """The same of a quarter that is over, and how long each queue was at its end."""
    end = quarter + QUARTER
    counts = count_span(connection, quarter, end).counts
    for (queue, about), length in board.length_at(connection, end, LONGEST_PROMISE).items():
        _count(counts, "length", queue, about, length)
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


# ---------------------------------------------------------------- the running counts


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
    # How wrong each told wait of today was, as a part of it.
    errors: tuple[float, ...]
    # How many people waited for an agent at each full minute of the last hour (UTC).
    levels: Mapping[datetime, int] = field(default_factory=dict)
    # The last three again, by what they are about: choices of services, as models.about has them.
    live_for: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    errors_for: tuple[tuple[str, float], ...] = ()
    levels_for: Mapping[datetime, Mapping[str, int]] = field(default_factory=dict)

    def of(self, service: str) -> BoardFigures:
        """The same of one service (see `of_service`), or UNSAID."""

        def part(counts: Mapping[tuple[str, str], float] | None) -> Any:
            return None if counts is None else of_service(counts, service)

        live: Counter[str] = Counter()
        for about, steps in self.live_for.items():
            if is_of(about, service):
                live.update(steps)
        return BoardFigures(
            today=part(self.today),
            yesterday=part(self.yesterday),
            hour=part(self.hour),
            hour_yesterday=part(self.hour_yesterday),
            live=live,
            minutes={at: part(counts) for at, counts in self.minutes.items()},
            errors=tuple(error for about, error in self.errors_for if is_of(about, service)),
            levels={
                at: sum(number for about, number in level.items() if is_of(about, service))
                for at, level in self.levels_for.items()
            },
        )


class Counting:
    """The running counts of one process. Not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._started = False
        # All before it is counted.
        self._cut = datetime.min.replace(tzinfo=UTC)
        self._day = self._cut
        self._quarters: dict[datetime, Counts] = {}
        self._minutes: dict[datetime, Counts] = {}
        self._levels: dict[datetime, Counter[str]] = {}
        self._errors: list[tuple[str, float]] = []
        self._yesterday: dict[tuple[str, str], float] | None = None
        self._hour_yesterday: dict[tuple[str, str], float] | None = None
        self._backlog: list[datetime] = []
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
        if day_begins(now) != self._day:
            self._day, self._errors = day_begins(now), []
            self._compare(now)
        target = _down(now - SETTLED_AFTER, SETTLED_EVERY)
        if target > self._cut:
            self._settle(now, target)
        if self._backlog:
            _write_quarter(self._store, self._backlog.pop())
            if not self._backlog:
                self._compare(now)
        return self._seen(now)

    # At the start

    def _start(self, now: datetime) -> None:
        self._cut = _down(now - SETTLED_AFTER, SETTLED_EVERY)
        self._day = day_begins(now)
        running = quarter_of(self._cut)
        yesterday = day_before(now)
        with self._store.database.statement() as connection:
            written = tallies.counted(connection, yesterday, running)
            oldest = min(self._day, running + QUARTER - HOUR)
            for one in tallies.between(connection, oldest, running):
                counts = self._quarters.setdefault(one.at, Counter())
                counts[one.name, one.label] += round(one.value)
            # Only by the minute: their quarters are counted, maybe those of the day before.
            lately = SpanCounts(
                Counter(),
                board.bookings_between(connection, self._cut - HOUR, running),
                board.answered_between(connection, self._cut - HOUR, running),
                board.left_between(connection, self._cut - HOUR, running),
            )
            _add_minutes(self._minutes, lately)
            answered = board.answered_between(connection, self._day, running)
            self._errors += SpanCounts(Counter(), (), answered).errors()
            self._keep(running, count_span(connection, running, self._cut))
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

    def _keep(self, quarter: datetime, span: SpanCounts) -> None:
        """Add a span that is settled to its quarter."""
        self._unwritten.add(quarter)
        self._quarters.setdefault(quarter, Counter()).update(span.counts)
        _add_minutes(self._minutes, span)
        if quarter >= self._day:
            self._errors += span.errors()

    # Each ten seconds

    def _settle(self, now: datetime, target: datetime) -> None:
        """Take the store's count of what came up to `target`."""
        with self._store.database.statement() as connection:
            while self._cut < target:
                quarter = quarter_of(self._cut)
                until = min(target, quarter + QUARTER)
                self._keep(quarter, count_span(connection, self._cut, until))
                self._cut = until
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
        # The store's clock may be ahead of ours.
        until = now + MINUTE
        with self._store.database.statement() as connection:
            newest = of_today = count_span(connection, self._cut, until)
            if self._cut < self._day:
                of_today = count_span(connection, self._day, until)
            live = board.live_by_step(connection, now - LONGEST_CALL, now - SILENT_AFTER)
        today, hour = of_today.counts.copy(), newest.counts.copy()
        for quarter, counts in self._quarters.items():
            if quarter >= self._day:
                today.update(counts)
            if quarter > quarter_of(now) - HOUR:
                hour.update(counts)
        minutes = {minute: counts.copy() for minute, counts in self._minutes.items()}
        _add_minutes(minutes, newest)
        self._count_levels(_down(now, MINUTE))
        errors = (*self._errors, *of_today.errors())
        live_for: dict[str, Counter[str]] = {}
        for step, about, number in live:
            live_for.setdefault(about, Counter())[step] += number
        return BoardFigures(
            today=today,
            yesterday=self._yesterday,
            hour=hour,
            hour_yesterday=self._hour_yesterday,
            live=sum(live_for.values(), Counter()),
            minutes=minutes,
            errors=tuple(error for _about, error in errors),
            levels={at: level.total() for at, level in self._levels.items()},
            live_for=live_for,
            errors_for=errors,
            levels_for=self._levels.copy(),
        )

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
            at: Counter(one.about for one in some if one.at(at)) for at in missing
        }


def _add_minutes(minutes: dict[datetime, Counts], span: SpanCounts) -> None:
    for at, channel, about in span.booked:
        _count(minutes.setdefault(_down(at, MINUTE), Counter()), "booked", channel, about)
    for row in span.answered:
        _count_answered(minutes.setdefault(_down(row.answered_at, MINUTE), Counter()), row)
    for at, queue, outcome, _called, about in span.left:
        minute = minutes.setdefault(_down(at, MINUTE), Counter())
        _count(minute, _how_left(outcome), queue, about)
