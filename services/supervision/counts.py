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
from typing import Any, Final
from zoneinfo import ZoneInfo

from models.about import services_of
from models.database import STORE_ERRORS, Connection
from models.supervision import board
from models.supervision.board import AnsweredEntry
from models.supervision.tallies import QUARTER

ZONE: Final = ZoneInfo("Europe/Paris")
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
# No caller waits for longer: a call is promised for the next day that is open, or the one after.
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
# By what they are about, and by thousandths of the wait that it was.
Errors = Counter[tuple[str, int]]
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


def down(moment: datetime, to: timedelta) -> datetime:
    """A moment rounded down to whole minutes or quarters, which begin alike in every zone here."""
    return moment - (moment - datetime(2020, 1, 1, tzinfo=UTC)) % to


def quarter_of(moment: datetime) -> datetime:
    """When the quarter of a moment begins."""
    return down(moment, QUARTER)


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

    Calls are those that are over, by what they were about at their end: the ring does not tell it.
    """
    found: Counter[tuple[str, str]] = Counter()
    for about, some in by_services(counts).items():
        if is_of(about, service):
            found.update({key: value for key, value in some.items() if value})
    found["calls", ""] = total(found, "finished") + total(found, "hung_up")
    return found


def total(counts: Mapping[tuple[str, str], float], name: str) -> Any:
    """How often this was counted, whatever its label."""
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
    # Rows that were read for it, those that were only counted included.
    rows: int = 0

    def errors(self) -> Errors:
        """How wrong each wait was that was told first, and what its caller called about."""
        found = ((row.about or "", _error_of(row)) for row in self.answered)
        return Counter((about, round(1000 * error)) for about, error in found if error is not None)

    def minutes(self) -> dict[datetime, Counts]:
        """Of bookings, answers and those who gave up, each minute's (when it begins, UTC)."""
        found: dict[datetime, Counts] = {}
        for at, channel, about in self.booked:
            _count(found.setdefault(down(at, MINUTE), Counter()), "booked", channel, about)
        for row in self.answered:
            _count_answered(found.setdefault(down(row.answered_at, MINUTE), Counter()), row)
        for at, queue, outcome, _called, about in self.left:
            minute = found.setdefault(down(at, MINUTE), Counter())
            _count(minute, _how_left(outcome), queue, about)
        return found


def count_span(connection: Connection, since: datetime, until: datetime) -> SpanCounts:
    """Count a span by the store alone."""
    counts: Counts = Counter()
    rows = 0
    for move in board.moves_between(connection, since, until):
        _count_move(counts, *move)
        rows += move[-1]
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
    counts: Counts = Counter()
    found = board.length_at(connection, quarter + QUARTER, LONGEST_PROMISE)
    for (queue, about), length in found.items():
        _count(counts, "length", queue, about, length)
    return counts


def _count_numbers(
    counts: Counts, connection: Connection, since: datetime, until: datetime
) -> None:
    """Add calls and bookings by the number that was called."""
    for called, number in board.calls_by_number(connection, since, until):
        counts["calls_to", called] += number
    for called, number in board.bookings_by_number(connection, since, until):
        counts["booked_to", called] += number


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
    # Calls that go on by what they are about (choices of services, as models.about has them), then
    # by the step where they are.
    live_for: Mapping[str, Mapping[str, int]]
    # Of the last hour by the minute (UTC, when it begins): bookings by channel, and who was
    # answered, called back or gave up by queue; named and counted as in `today`.
    minutes: Mapping[datetime, Mapping[tuple[str, str], int]]
    # How many told waits of today were about that, and wrong by so many thousandths of what it was.
    errors_for: Mapping[tuple[str, int], int]
    # How many people waited for an agent at each full minute of the last hour (UTC), by `about`.
    levels_for: Mapping[datetime, Mapping[str, int]] = field(default_factory=dict)
    # Up to when is counted (UTC), where that is not now: the rest is counted bite by bite.
    counted_to: datetime | None = None
    # Quarters whose stored counts were not what the rows say, and were put right a while ago.
    corrected: int = 0

    @property
    def live(self) -> Counter[str]:
        """Calls that go on, by the step where they are."""
        return sum(map(Counter, self.live_for.values()), Counter[str]())

    @property
    def errors(self) -> Counter[int]:
        """How many told waits of today were wrong by so many thousandths."""
        found: Counter[int] = Counter()
        for (_about, error), number in self.errors_for.items():
            found[error] += number
        return found

    @property
    def levels(self) -> dict[datetime, int]:
        """How many people waited for an agent at each full minute of the last hour (UTC)."""
        return {at: sum(level.values()) for at, level in self.levels_for.items()}

    def of(self, service: str) -> BoardFigures:
        """The same of one service (see `of_service`), or UNSAID."""

        def part(counts: Mapping[tuple[str, str], float] | None) -> Any:
            return None if counts is None else of_service(counts, service)

        return BoardFigures(
            today=part(self.today),
            yesterday=part(self.yesterday),
            hour=part(self.hour),
            hour_yesterday=part(self.hour_yesterday),
            live_for=_only(self.live_for, service),
            minutes={at: part(counts) for at, counts in self.minutes.items()},
            errors_for={
                key: many for key, many in self.errors_for.items() if is_of(key[0], service)
            },
            levels_for={at: _only(level, service) for at, level in self.levels_for.items()},
            counted_to=self.counted_to,
            corrected=self.corrected,
        )


def _only(by_about: Mapping[str, Any], service: str) -> dict[str, Any]:
    """What is about a service."""
    return {about: value for about, value in by_about.items() if is_of(about, service)}
