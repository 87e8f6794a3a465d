"""Counts by the quarter of an hour: what was, long after the rows that it was counted from.

A quarter is written once, whole, some time after its end, and counted again only by hand: writing
it anew replaces all of it. `COUNTED` marks a quarter in which nothing happened as counted, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.supervision.tables import tally

QUARTER = timedelta(minutes=15)
# A moment with which a quarter begins, in every zone here.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
COUNTED = "counted"
# (name, label): what is counted, and of what.
Counts = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class TallyCount:
    """One number of one quarter; `at` is when the quarter begins (UTC)."""

    at: datetime
    name: str
    label: str
    value: float


def write(connection: Connection, quarter: datetime, counts: Counts) -> None:
    """Store a quarter, in place of what was stored of it. In the caller's transaction."""
    connection.execute(delete(tally).where(tally.c.at == quarter))
    rows = [
        {"at": quarter, "name": name, "label": label, "value": value}
        for (name, label), value in counts.items()
        if value
    ]
    rows.append({"at": quarter, "name": COUNTED, "label": "", "value": 1.0})
    connection.execute(insert(tally), rows)


def counted(connection: Connection, since: datetime, until: datetime) -> set[datetime]:
    """Which quarters of this time are written."""
    statement = select(tally.c.at).where(
        tally.c.at >= since, tally.c.at < until, tally.c.name == COUNTED
    )
    return set(connection.execute(statement).scalars())


def sums(connection: Connection, since: datetime, until: datetime) -> dict[tuple[str, str], float]:
    """Everything counted in the quarters that begin in this time, added up."""
    statement = (
        select(tally.c.name, tally.c.label, func.sum(tally.c.value))
        .where(tally.c.at >= since, tally.c.at < until, tally.c.name != COUNTED)
        .group_by(tally.c.name, tally.c.label)
    )
    return {(row[0], row[1]): float(row[2]) for row in connection.execute(statement)}


def between(
    connection: Connection, since: datetime, until: datetime, names: Sequence[str] = ()
) -> Iterator[TallyCount]:
    """What is stored of this time, in its order; `names`: of these only."""
    statement = (
        select(tally.c.at, tally.c.name, tally.c.label, tally.c.value)
        .where(tally.c.at >= since, tally.c.at < until, tally.c.name != COUNTED)
        .order_by(tally.c.at, tally.c.name, tally.c.label)
    )
    if names:
        statement = statement.where(tally.c.name.in_(names))
    for row in connection.execute(statement):
        yield TallyCount(*row)


def forget(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Delete quarters of long ago; gives how many numbers."""
    return connection.execute(delete(tally).where(tally.c.at < clock.at(-older_than))).rowcount
