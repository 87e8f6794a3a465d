"""What texts and calls may cost in a day, counted in the database.

A row for each day and subject: a number, a client, a prefix, or all together. The condition of the
write is the limit itself, so that two relays at once never go beyond it. Rows are written in the
order in which they are given, from the narrowest subject to the widest, so that no two transactions
wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Date,
    Exists,
    Integer,
    LargeBinary,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.messages.tables import budget
from models.prepared import Prepared
from models.rows import columns_of

ALL = b""


@dataclass(frozen=True)
class Limit:
    """What one subject may have in a day; `kind` as in the table."""

    kind: str
    subject: bytes
    most_units: int
    most_millieuros: int


@dataclass(frozen=True)
class SpentBudget:
    """How much of a subject's budget of a day is spent."""

    kind: str
    subject: bytes
    units: int
    millieuros: int
    most_units: int
    most_millieuros: int
    refused: int
    closed_at: datetime | None

    @property
    def over(self) -> bool:
        """Whether something is held back now."""
        return self.closed_at is not None


_SPENT = columns_of(SpentBudget, budget)


def take(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    day: date,
    limits: Sequence[Limit],
    units: int,
    millieuros: int,
    *,
    whatever: bool = False,
) -> list[Limit]:
    """Count for each of these; gives the limits that would be passed, and then nothing is counted.

    `whatever`: it is counted beyond every limit. One statement where nothing is passed.
    """
    if not limits:
        return []
    over: list[Limit] = []
    if not whatever:
        over = [cap for cap in limits if cap.most_units < units or cap.most_millieuros < millieuros]
    within = [limit for limit in limits if limit not in over]
    taken: list[Limit] = []
    if within:
        values: dict[str, Any] = {"the_day": day, "some_units": units, "some_milli": millieuros}
        for number, one in enumerate(within):
            values |= {
                f"kind_{number}": one.kind,
                f"subject_{number}": one.subject,
                f"most_units_{number}": one.most_units,
                f"most_milli_{number}": one.most_millieuros,
            }
        statement = _taking(len(within), whatever)
        counted = {row.kind for row in statement.rows(connection, values)}
        taken = [limit for limit in within if limit.kind in counted]
        over += [limit for limit in within if limit.kind not in counted]
    if over:
        give_back(connection, day, taken, units, millieuros)
        for limit in over:
            _close(connection, clock, day, limit)
    return over


@lru_cache
def _taking(number: int, whatever: bool) -> Prepared:  # noqa: FBT001
    rows = [
        {
            "day": bindparam("the_day", type_=Date),
            "kind": bindparam(f"kind_{place}", type_=String),
            "subject": bindparam(f"subject_{place}", type_=LargeBinary),
            "units": bindparam("some_units", type_=Integer),
            "millieuros": bindparam("some_milli", type_=BigInteger),
            "most_units": bindparam(f"most_units_{place}", type_=Integer),
            "most_millieuros": bindparam(f"most_milli_{place}", type_=BigInteger),
        }
        for place in range(number)
    ]
    new = insert(budget).values(rows)
    has_room = and_(
        budget.c.units + new.excluded.units <= new.excluded.most_units,
        budget.c.millieuros + new.excluded.millieuros <= new.excluded.most_millieuros,
    )
    statement = new.on_conflict_do_update(
        index_elements=[budget.c.day, budget.c.kind, budget.c.subject],
        set_={
            "units": budget.c.units + new.excluded.units,
            "millieuros": budget.c.millieuros + new.excluded.millieuros,
            "most_units": new.excluded.most_units,
            "most_millieuros": new.excluded.most_millieuros,
            # What goes beyond the limit because a person asked for it opens nothing.
            "closed_at": case((has_room, null()), else_=budget.c.closed_at),
        },
        where=true() if whatever else has_room,
    )
    return Prepared(statement.returning(budget.c.kind))


def give_back(
    connection: Connection, day: date, limits: Sequence[Limit], units: int, millieuros: int
) -> None:
    """What was counted for each of these did not go."""
    for limit in limits:
        statement = (
            update(budget)
            .where(*_is(day, limit))
            .values(
                units=budget.c.units - literal(units),
                millieuros=budget.c.millieuros - literal(millieuros),
            )
        )
        connection.execute(statement)


def add_cost(connection: Connection, day: date, limits: Sequence[Limit], millieuros: int) -> None:
    """It cost so much more than was counted when it began."""
    give_back(connection, day, limits, 0, -millieuros)


def _close(connection: Connection, clock: Clock, day: date, one: Limit) -> None:
    statement = (
        update(budget)
        .where(*_is(day, one))
        .values(
            refused=budget.c.refused + 1,
            closed_at=func.coalesce(budget.c.closed_at, clock.at()),
            most_units=one.most_units,
            most_millieuros=one.most_millieuros,
        )
    )
    if connection.execute(statement).rowcount:
        return
    # A limit below the very first of the day.
    values = {
        "day": day, "kind": one.kind, "subject": one.subject, "units": 0, "millieuros": 0,
        "most_units": one.most_units, "most_millieuros": one.most_millieuros, "refused": 1,
    }  # fmt: skip
    new = insert(budget).values(**values, closed_at=clock.at())
    connection.execute(new.on_conflict_do_nothing())


def close(connection: Connection, clock: Clock, day: date, one: Limit) -> None:
    """From now on nothing of this kind is promised; nothing is counted, nor held back."""
    values = {
        "day": day, "kind": one.kind, "subject": one.subject, "units": 0, "millieuros": 0,
        "most_units": one.most_units, "most_millieuros": one.most_millieuros, "refused": 0,
    }  # fmt: skip
    new = insert(budget).values(**values, closed_at=clock.at())
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[budget.c.day, budget.c.kind, budget.c.subject],
            set_={
                "most_units": new.excluded.most_units,
                "closed_at": func.coalesce(budget.c.closed_at, new.excluded.closed_at),
            },
        )
    )


def open_again(connection: Connection, day: date, kind: str) -> bool:
    """What `close` closed for all; False where it was open."""
    statement = (
        update(budget)
        .where(
            budget.c.day == day,
            budget.c.kind == kind,
            budget.c.subject == ALL,
            budget.c.closed_at.is_not(None),
        )
        .values(closed_at=None)
    )
    return connection.execute(statement).rowcount == 1


def _is(day: date, one: Limit) -> tuple[Any, ...]:
    return (budget.c.day == day, budget.c.kind == one.kind, budget.c.subject == one.subject)


# To the letter what the index says, or it would not be used.
_CLOSED = (budget.c.day == bindparam("the_day"), budget.c.closed_at.is_not(None))
_CLOSED_OF_DAY = Prepared(select(budget.c.kind, budget.c.subject).where(*_CLOSED))


def closed(connection: Connection, day: date) -> frozenset[tuple[str, bytes]]:
    """Of which subjects texts or calls are held back now, each by its kind and itself."""
    rows = _CLOSED_OF_DAY.rows(connection, {"the_day": day})
    return frozenset((row.kind, bytes(row.subject)) for row in rows)


@dataclass(frozen=True)
class Subjects:
    """The budgets of a day that one text counts for, by kind and subject."""

    day: date
    of: tuple[tuple[str, bytes], ...]


NO_BUDGETS = Subjects(date.min, ())


def any_closed(subjects: Subjects) -> Exists:
    """An SQL expression: whether something is held back for any of these."""
    which = [and_(budget.c.kind == kind, budget.c.subject == one) for kind, one in subjects.of]
    return exists().where(
        budget.c.day == subjects.day, budget.c.closed_at.is_not(None), or_(false(), *which)
    )


def units_of(connection: Connection, day: date, kind: str) -> int:
    """What was counted for all together of a kind."""
    statement = select(budget.c.units).where(
        budget.c.day == day, budget.c.kind == kind, budget.c.subject == ALL
    )
    return connection.execute(statement).scalar_one_or_none() or 0


def close_if_full(connection: Connection, clock: Clock, day: date, one: Limit) -> bool:
    """Hold back from now on what goes beyond this limit; False where there is room."""
    full = or_(budget.c.units >= one.most_units, budget.c.millieuros >= one.most_millieuros)
    statement = (
        update(budget)
        .where(*_is(day, one), full, budget.c.closed_at.is_(None))
        .values(closed_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def of_day(connection: Connection, day: date, *, most: int) -> list[SpentBudget]:
    """What is spent for all together, and of every subject of which something is held back."""
    wide = select(*_SPENT).where(budget.c.day == day, budget.c.subject == ALL)
    shut = select(*_SPENT).where(
        budget.c.day == day, budget.c.closed_at.is_not(None), budget.c.subject != ALL
    )
    found = [*connection.execute(wide.order_by(budget.c.kind))]
    found += connection.execute(
        shut.order_by(budget.c.refused.desc(), budget.c.kind, budget.c.subject).limit(most)
    )
    return [SpentBudget(row[0], bytes(row[1]), *row[2:]) for row in found]


def forget(connection: Connection, before: date) -> int:
    """Delete the counts of days before that one."""
    return connection.execute(delete(budget).where(budget.c.day < before)).rowcount
