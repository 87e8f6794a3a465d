"""Time as the database sees it.

A statement that depends on time takes its `now` from here: the database's own clock in
production, so that web workers with drifting clocks agree; a bound value in tests.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import BindParameter, ColumnElement, Float, Integer, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from models.types import Instant


class Clock(Hashable, Protocol):
    """`now()` for Python, `at()` for SQL. Both are UTC."""

    def now(self) -> datetime: ...

    def at(self, after: timedelta = timedelta()) -> ColumnElement[datetime]:
        """An SQL expression: the moment `after` from now."""
        ...


class _DatabaseTime(ColumnElement[datetime]):
    inherit_cache = True
    type = Instant()

    def __init__(self, seconds: BindParameter[float]) -> None:
        self.seconds = seconds

    # The bound value belongs to the statement's cache key like any other child element.
    _traverse_internals = [("seconds", InternalTraversal.dp_clauseelement)]  # noqa: RUF012


@compiles(_DatabaseTime)
def _now(element: _DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.seconds, **kw)
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


class _LocalMidnight(ColumnElement[datetime]):
    inherit_cache = True
    type = Instant()

    def __init__(
        self,
        moment: ColumnElement[datetime],
        days: BindParameter[int],
        zone: ColumnElement[str],
    ) -> None:
        self.moment = moment
        self.days = days
        self.zone = zone

    _traverse_internals = [  # noqa: RUF012
        ("moment", InternalTraversal.dp_clauseelement),
        ("days", InternalTraversal.dp_clauseelement),
        ("zone", InternalTraversal.dp_clauseelement),
    ]


@compiles(_LocalMidnight)
def _midnight(element: _LocalMidnight, compiler: SQLCompiler, **kw: Any) -> str:
    moment, days, zone = (
        compiler.process(part, **kw) for part in (element.moment, element.days, element.zone)
    )
    day = f"date_trunc('day', {moment} AT TIME ZONE {zone}) + make_interval(days => {days})"
    return f"(({day}) AT TIME ZONE {zone})"


def local_midnight(
    moment: ColumnElement[datetime], days: int, zone: ColumnElement[str]
) -> ColumnElement[datetime]:
    """An SQL expression: when a day begins, so many days after that of a column's moment.

    Days are those of the calendar of `zone` (IANA), whatever the clocks do in between.
    """
    return _LocalMidnight(moment, bindparam(None, days, type_=Integer), zone)


class _Later(ColumnElement[datetime]):
    inherit_cache = True
    type = Instant()

    def __init__(self, moment: ColumnElement[datetime], seconds: BindParameter[int]) -> None:
        self.moment = moment
        self.seconds = seconds

    _traverse_internals = [  # noqa: RUF012
        ("moment", InternalTraversal.dp_clauseelement),
        ("seconds", InternalTraversal.dp_clauseelement),
    ]


@compiles(_Later)
def _after(element: _Later, compiler: SQLCompiler, **kw: Any) -> str:
    moment, seconds = (compiler.process(part, **kw) for part in (element.moment, element.seconds))
    return f"({moment} + make_interval(secs => {seconds}))"


def later_than(moment: ColumnElement[datetime], after: timedelta) -> ColumnElement[datetime]:
    """An SQL expression: so long (whole seconds) after a column's moment."""
    return _Later(moment, bindparam(None, int(after.total_seconds()), type_=Integer))


@dataclass(frozen=True)
class DatabaseClock:
    """The database's clock (production)."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def at(self, after: timedelta = timedelta()) -> ColumnElement[datetime]:
        return _DatabaseTime(bindparam(None, after.total_seconds(), type_=Float))


class _MomentAsked(BindParameter[datetime]):
    """A moment that is asked for when a statement runs.

    A class of its own, for SQLAlchemy keeps one compiled statement for one shape: what was compiled
    with a value never calls a callable, and would compare with NULL.
    """

    inherit_cache = True


class FixedClock:
    """A clock that tests move by hand."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def at(self, after: timedelta = timedelta()) -> ColumnElement[datetime]:
        # Evaluated when the statement runs: a statement may be built once and used for long.
        return _MomentAsked(
            None, callable_=lambda: self.moment + after, type_=Instant(), unique=True
        )

    def advance(self, by: timedelta) -> None:
        self.moment += by
