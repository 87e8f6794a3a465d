"""Ways to write: rows that may be there already, and commits that do not wait for the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, case, func, true
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.prepared import Prepared

_NO: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class LookedUp:
    """A column that the database fills in from other rows, in the INSERT of its own.

    `expression` has binds; each of `binds` is one of them, and the column that has its value.
    """

    column: str
    expression: Any
    binds: tuple[tuple[str, str], ...]


def insert_new(
    connection: Connection,
    clock: Clock,
    table: Table,
    values: Mapping[str, Any],
    *moments: str,
    looked_up: tuple[LookedUp, ...] = (),
) -> bool:
    """Insert one row unless a key of it is there already; True when it went in.

    The columns named in `moments` get the moment of the clock, and others what is `looked_up`.
    """
    statement = _insert_new(clock, table, moments, looked_up)
    if looked_up:
        values = dict(values)
        for column in looked_up:
            for bind, name in column.binds:
                values[bind] = values[name]
    return statement.count(connection, values) == 1


@lru_cache
def _insert_new(
    clock: Clock,
    table: Table,
    moments: tuple[str, ...],
    looked_up: tuple[LookedUp, ...],
) -> Prepared:
    made: dict[str, Any] = {name: clock.at() for name in moments}
    made |= {column.column: column.expression for column in looked_up}
    statement = insert(table).on_conflict_do_nothing().values(made)
    # SQLAlchemy keeps the row count of an INSERT only when it is asked to.
    return Prepared(statement.execution_options(preserve_rowcount=True))


def upsert(
    connection: Connection, table: Table, values: Mapping[str, Any], also: Mapping[str, Any] = _NO
) -> None:
    """Insert a row, or write all these values into the one that has its primary key.

    `also` are columns that are set only where the row was there.
    """
    new = insert(table).values(**values)
    keys = [column.name for column in table.primary_key]
    changes = {name: new.excluded[name] for name in values if name not in keys}
    connection.execute(new.on_conflict_do_update(index_elements=keys, set_=changes | dict(also)))


def hasty(value: Any) -> Any:
    """An SQL expression: a value of a statement that commits by itself and may be lost in a crash.

    PostgreSQL then does not wait for the disk, nor for a second server. What is committed after it
    is never there without it.
    """
    # It lasts until the end of this statement's own transaction.
    set_off = func.set_config("synchronous_commit", "off", true())
    return case((set_off.is_not(None), value))
