"""Past figures, by the quarter of an hour and by the day, from the counts that were kept.

Days are those of Paris: one has 92, 96 or 100 quarters. A quarter that was not counted is None, and
not zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from models.accounts import staff as staff_rows
from models.accounts.staff import RecordedAct
from models.database import Connection
from models.supervision import tallies
from models.supervision.tallies import QUARTER, TallyCount
from services.store import Store
from services.supervision.board import sums
from services.supervision.board_facts import iso
from services.supervision.counts import (
    ZONE,
    begins,
    by_services,
    count_by_bites,
    count_quarter,
    day_begins,
    of_service,
)

DAYS_SHOWN: Final = 14
# What the charts of a day show: the sum over all labels.
_SERIES: Final = ("calls", "booked", "answered", "waited", "abandoned", "length")


def ends(day: date) -> datetime:
    """The midnight (UTC) with which it ends."""
    return begins(day + timedelta(days=1))


def of_day(connection: Connection, day: date, service: str = "") -> dict[str, Any]:
    """A day's quarters, in order: when each begins by the clock of Paris, and its sums.

    `service`: of this one alone, as `services.supervision.counts.of_service` has it.
    """
    since, until = begins(day), ends(day)
    known = tallies.counted(connection, since, until)
    quarters = [since + number * QUARTER for number in range((until - since) // QUARTER)]
    place = {quarter: number for number, quarter in enumerate(quarters)}
    series: dict[str, list[float | None]] = {
        name: [0.0 if quarter in known else None for quarter in quarters] for name in _SERIES
    }
    for quarter, counts in _by_quarter(connection, since, until, service).items():
        for (name, _label), value in counts.items():
            if name in series:
                series[name][place[quarter]] = (series[name][place[quarter]] or 0.0) + value
    wait = [
        round(waited / answered / 60, 2) if answered and waited is not None else None
        for waited, answered in zip(series["waited"], series["answered"], strict=True)
    ]
    return {
        "day": day.isoformat(),
        "times": [f"{quarter.astimezone(ZONE):%H:%M}" for quarter in quarters],
        "begins": [iso(quarter) for quarter in quarters],
        **series,
        "wait": wait,
    }


def _by_quarter(
    connection: Connection, since: datetime, until: datetime, service: str
) -> dict[datetime, Mapping[tuple[str, str], float]]:
    """What was counted in each quarter, of all or of one service."""
    found: dict[datetime, dict[tuple[str, str], float]] = {}
    names = () if service else _SERIES
    for tally in tallies.between(connection, since, until, names):
        found.setdefault(tally.at, {})[tally.name, tally.label] = tally.value
    if not service:
        return dict(found)
    return {at: of_service(counts, service) for at, counts in found.items()}


def days(
    connection: Connection, last: date, count: int = DAYS_SHOWN, *, service: str = ""
) -> list[dict[str, Any]]:
    """Sums of the days up to the last one, newest first; those that were not counted are left out.

    Of the day that runs, the quarters that are over: a screen shows what the board says of it.
    """
    found = []
    for number in range(count):
        day = last - timedelta(days=number)
        counts = tallies.sums(connection, begins(day), ends(day))
        if not counts and not tallies.counted(connection, begins(day), ends(day)):
            continue
        told = sums(of_service(counts, service) if service else counts)
        if service:
            # Texts name no service.
            del told["undelivered"]
        found.append({"day": day.isoformat(), **told})
    return found


def page(day: date, service: str, connection: Connection) -> dict[str, Any]:
    """What the board shows beside now: this day, the day before, and the days up to it.

    `service`: of this one alone; empty: of all.
    """
    return {
        "today": of_day(connection, day, service),
        "yesterday": of_day(connection, day - timedelta(days=1), service),
        "days": days(connection, day, service=service),
    }


@dataclass(frozen=True)
class Export:
    """What a file has: quarters, or acts, from one day to another, both included."""

    first: date
    last: date

    @property
    def days(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day += timedelta(days=1)


@dataclass(frozen=True)
class CountAbout:
    """One number of one quarter (UTC), and the services that it is about; empty: none, or all."""

    at: datetime
    name: str
    label: str
    value: float
    about: str


def apart(counted: Iterable[TallyCount]) -> list[CountAbout]:
    """Everything once, by what it is about: numbers of one name still add up to the whole."""
    by_quarter: dict[datetime, dict[tuple[str, str], float]] = {}
    for tally in counted:
        by_quarter.setdefault(tally.at, {})[tally.name, tally.label] = tally.value
    return [
        CountAbout(at, name, label, value, about)
        for at, counts in sorted(by_quarter.items())
        for about, some in sorted(by_services(counts).items())
        for (name, label), value in sorted(some.items())
        if value
    ]


def quarters(connection: Connection, day: date) -> list[TallyCount]:
    """Everything that was counted in a day."""
    return list(tallies.between(connection, begins(day), ends(day)))


def so_far(connection: Connection, now: datetime) -> list[TallyCount]:
    """The same of the day that runs, up to `now` (UTC): what the board's tiles say at that moment.

    Quarters that are not kept yet are counted here. The last one still runs.
    """
    found = quarters(connection, now.astimezone(ZONE).date())
    at = max((tally.at + QUARTER for tally in found), default=day_begins(now))
    while at <= now:
        if is_over(at, now):
            counts = count_quarter(connection, at)
        else:
            counts = count_by_bites(connection, at, now)
        found += [
            TallyCount(at, name, label, float(value))
            for (name, label), value in sorted(counts.items())
            if value
        ]
        at += QUARTER
    return found


def is_over(quarter: datetime, now: datetime) -> bool:
    """Whether a quarter that begins at a moment is over at another (UTC)."""
    return quarter + QUARTER <= now


def acts_of(
    connection: Connection, store: Store, export: Export, *, page: int = 500
) -> Iterator[RecordedAct]:
    """Every act of these days, newest first, read in portions."""
    since, until, before = begins(export.first), ends(export.last), None
    while True:
        some = staff_rows.acts(connection, store.vault, limit=page, before=before)
        for act in some:
            if act.at < since:
                return
            if act.at < until:
                yield act
        if len(some) < page:
            return
        before = some[-1].number
