"""Time as the database sees it.

A statement that depends on time takes its `now` from here: the database's own clock in
production, so that web workers with drifting clocks agree; a bound value in tests.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

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


@compiles(_DatabaseTime, "postgresql")
def _postgresql(element: _DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.seconds, **kw)
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


@compiles(_DatabaseTime, "sqlite")
def _sqlite(element: _DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # Same text form as models.types.Instant writes; SQLite's clock knows milliseconds.
    seconds = compiler.process(element.seconds, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', ({seconds}) || ' seconds') || '000')"


class _LocalMidnight(ColumnElement[datetime]):
    inherit_cache = True
    type = Instant()

    def __init__(
        self,
        moment: ColumnElement[datetime],
        days: BindParameter[int],
        zone: ColumnElement[str],
        offset: BindParameter[int] | None,
    ) -> None:
        self.moment = moment
        self.days = days
        self.zone = zone
        self.offset = offset

    _traverse_internals = [  # noqa: RUF012
        ("moment", InternalTraversal.dp_clauseelement),
        ("days", InternalTraversal.dp_clauseelement),
        ("zone", InternalTraversal.dp_clauseelement),
        ("offset", InternalTraversal.dp_clauseelement),
    ]


@compiles(_LocalMidnight, "postgresql")
def _midnight_postgresql(element: _LocalMidnight, compiler: SQLCompiler, **kw: Any) -> str:
    moment, days, zone = (
        compiler.process(one, **kw) for one in (element.moment, element.days, element.zone)
    )
    day = f"date_trunc('day', {moment} AT TIME ZONE {zone}) + make_interval(days => {days})"
    return f"(({day}) AT TIME ZONE {zone})"


@compiles(_LocalMidnight, "sqlite")
def _midnight_sqlite(element: _LocalMidnight, compiler: SQLCompiler, **kw: Any) -> str:
    moment, days, zone = (
        compiler.process(one, **kw) for one in (element.moment, element.days, element.zone)
    )
    if element.offset is None:
        return f"{LOCAL_MIDNIGHT}({moment}, {days}, {zone})"
    # Without a step into Python, which other threads of a busy worker would hold up.
    offset = compiler.process(element.offset, **kw)
    second = f"CAST(strftime('%s', {moment}) AS INTEGER) + {offset}"
    midnight = f"(({second}) / 86400 + {days}) * 86400 - {offset}"
    return f"(strftime('%Y-%m-%d %H:%M:%f', {midnight}, 'unixepoch') || '000')"


def local_midnight(
    moment: ColumnElement[datetime],
    days: int,
    zone: ColumnElement[str],
    offset: BindParameter[int] | None = None,
) -> ColumnElement[datetime]:
    """An SQL expression: when a day begins, so many days after that of a column's moment.

    Days are those of the calendar of `zone` (IANA), whatever the clocks do in between. An `offset`
    (seconds east of UTC) says that they do nothing: see `steady_offset`.
    """
    return _LocalMidnight(moment, bindparam(None, days, type_=Integer), zone, offset)


@lru_cache(maxsize=1024)
def steady_offset(zone: str, first: date, last: date) -> int | None:
    """Seconds east of UTC of a zone (IANA) if it is the same from day to day; else None."""
    where = ZoneInfo(zone)
    offsets = {
        datetime.combine(first + timedelta(days=number), time.min, tzinfo=UTC)
        .astimezone(where)
        .utcoffset()
        for number in range(-1, (last - first).days + 2)
    }
    (offset, *others) = offsets
    return None if others or offset is None else int(offset.total_seconds())


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


@compiles(_Later, "postgresql")
def _later_postgresql(element: _Later, compiler: SQLCompiler, **kw: Any) -> str:
    moment, seconds = (compiler.process(one, **kw) for one in (element.moment, element.seconds))
    return f"({moment} + make_interval(secs => {seconds}))"


@compiles(_Later, "sqlite")
def _later_sqlite(element: _Later, compiler: SQLCompiler, **kw: Any) -> str:
    moment, seconds = (compiler.process(one, **kw) for one in (element.moment, element.seconds))
    return f"(strftime('%Y-%m-%d %H:%M:%f', {moment}, ({seconds}) || ' seconds') || '000')"


def later_than(moment: ColumnElement[datetime], after: timedelta) -> ColumnElement[datetime]:
    """An SQL expression: so long (whole seconds) after a column's moment."""
    return _Later(moment, bindparam(None, int(after.total_seconds()), type_=Integer))


# SQLite knows no time zones: models.database teaches it this function by this name.
LOCAL_MIDNIGHT = "local_midnight"


@lru_cache(maxsize=16_384)
def local_midnight_text(moment: str, days: int, zone: str) -> str:
    """What `local_midnight` is on SQLite, with moments as models.types.Instant writes them."""
    where = ZoneInfo(zone)
    local = datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(where)
    day = datetime.combine(local.date() + timedelta(days=days), time.min, tzinfo=where)
    return day.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


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
