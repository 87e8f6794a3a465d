"""The days of turns: `turn` has a partition for each day on which calls rang.

A turn lies in the day (UTC) of its call, however long the call lasts, so that a copy of a webhook
finds the first one beyond midnight. Each partition has the key (call, number) for itself. What was
before the partitions, and the two days after, are one: its day is the last of them, which
`turn_day` of the database says. Where no partition is, a turn lies in `turn_other`.
See docs/decisions/0001.
"""

from __future__ import annotations

import re

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    and_,
    bindparam,
    cast,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from models.call.tables import call, turn
from models.types import Instant

# The partitions that are no day of their own.
BEFORE, OTHER = "turn_before", "turn_other"
# No call lasts longer: the provider ends it before.
LONGEST = timedelta(days=1)
_BOUND = re.compile(r"\d{4}-\d\d-\d\d")
_DAY = timedelta(days=1)


def day_of(moment: datetime) -> date:
    """The day of a call that rang at this moment (UTC)."""
    return moment.astimezone(UTC).date()


def given(name: str) -> BindParameter[date]:
    """The day of a statement's call, given when it runs; `stored` and `lies_on` take it."""
    return bindparam(name, type_=Date)


def stored(day: ColumnElement[date]) -> ColumnElement[date]:
    """The day as a row has it."""
    return func.turn_day(day, type_=Date)


def rang_on(calls: FromClause = call) -> ColumnElement[date]:
    """The day of a row of `call`, for `lies_on`."""
    return cast(func.timezone("UTC", calls.c.started_at), Date)


class _Lies(FunctionElement[bool]):
    """A condition on a row's day, a column."""

    type = Boolean()
    inherit_cache = True
    operator: str


class lies_on(_Lies):  # noqa: N801 (as a function of SQL)
    """A row's day is this one: one partition is looked into."""

    name = "lies_on"
    inherit_cache = True
    operator = "="


class lies_since(_Lies):  # noqa: N801 (as a function of SQL)
    """A row's day is this one or a later one.

    It says nothing that is not so anyway: PostgreSQL then plans without the days before.
    """

    name = "lies_since"
    inherit_cache = True
    operator = ">="


@compiles(_Lies)
def _in_partitions(element: _Lies, compiler: SQLCompiler, **kw: Any) -> str:
    column, day = (compiler.process(part, **kw) for part in element.clauses)
    return f"{column} {element.operator} turn_day({day})"


def is_of_call(turns: FromClause = turn, calls: FromClause = call) -> ColumnElement[bool]:
    """A condition: a turn is of a call. It is looked for in the partition of the call's day."""
    return and_(turns.c.call_id == calls.c.id, lies_on(turns.c.rang_on, rang_on(calls)))


def called_since(column: ColumnElement[date], since: datetime) -> ColumnElement[bool]:
    """`lies_since` of turns whose calls were not over before this moment (UTC)."""
    return lies_since(column, literal(day_of(since - LONGEST), Date))


def of_call(connection: Connection, call_id: str) -> date | None:
    """The day on which a call rang; None for one that is not known."""
    started = connection.execute(
        select(call.c.started_at).where(call.c.id == call_id)
    ).scalar_one_or_none()
    return None if started is None else day_of(started)


# ---------------------------------------------------------------- partitions


class Said(StrEnum):
    """What came of making or dropping a day."""

    MADE = "made"
    THERE = "there"
    # It is one with what was before the partitions.
    BEFORE = "before"
    # Too much lies in `turn_other`: all others would wait while it is looked through.
    FULL = "full"
    DROPPED = "dropped"
    GONE = "gone"
    # Not all of it is due.
    YOUNG = "young"
    # Others have a lock on it; no transaction waited for us.
    BUSY = "busy"


@dataclass(frozen=True)
class Partition:
    """A day that has a partition; by hand one is made for several, from `first` on, up to `day`.

    What was before the partitions `is_before`.
    """

    day: date
    first: date
    is_before: bool = False

    @property
    def table(self) -> str:
        """Its own name."""
        return BEFORE if self.is_before else f"turn_{self.day:%Y%m%d}"


def kept(connection: Connection) -> list[Partition]:
    """The days that have a partition, the oldest first."""
    found = []
    for name, bounds in connection.execute(_KEPT).all():
        days = [date.fromisoformat(day) for day in _BOUND.findall(bounds)]
        if name == BEFORE:
            found.append(Partition(days[-1] - _DAY, date.min, is_before=True))
        elif name != OTHER:
            found.append(Partition(days[-1] - _DAY, days[0]))
    return sorted(found, key=lambda one: one.day)


def make(connection: Connection, day: date) -> Said:
    """Make the partition of a day, in a transaction that is short and waits for no lock."""
    return Said(connection.execute(select(func.make_turn_day(literal(day, Date)))).scalar_one())


def drop(connection: Connection, day: date, until: datetime) -> Said:
    """Drop the partition of a day where every turn in it was before `until` (UTC), in the same way.

    What was counted of it is for the caller to know.
    """
    asked = func.drop_turn_day(literal(day, Date), literal(until, Instant()))
    return Said(connection.execute(select(asked)).scalar_one())


def has_turns(
    connection: Connection, one: Partition, spans: Sequence[tuple[datetime | None, datetime]]
) -> bool:
    """Whether a turn of that day was within one of these spans (UTC); None: from the first on."""
    for since, until in spans:
        statement = select(turn.c.call_id).where(turn.c.at < until).limit(1)
        # The plain column: in one with what was before are rows of its last day.
        first = one.day if one.is_before else one.first
        statement = statement.where(turn.c.rang_on.between(first, one.day))
        if since is not None:
            statement = statement.where(turn.c.at >= since)
        if connection.execute(statement).first() is not None:
            return True
    return False


def stray(connection: Connection, most: int) -> int:
    """How many turns lie in no day's partition; no more than `most` are counted."""
    return int(connection.execute(_STRAY, {"most": most}).scalar_one())


_KEPT = text(
    "SELECT relname, pg_get_expr(relpartbound, inhrelid) FROM pg_inherits"
    " JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'turn'::regclass"
)
_STRAY = text("SELECT count(*) FROM (SELECT FROM turn_other LIMIT :most) AS few")
