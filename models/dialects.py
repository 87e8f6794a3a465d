"""The few places where PostgreSQL and SQLite are spoken to differently."""

from __future__ import annotations

import zlib

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Integer,
    Table,
    bindparam,
    case,
    func,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.clock import Clock
from models.prepared import Asked, Prepared, Values, ask

_OF_KEYS = 1
_NO: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class LookedUp:
    """A column that the database fills in from other rows, in the INSERT of its own.

    `expression` has binds; each of `binds` is one of them, and the column that has its value.
    """

    column: str
    expression: Any
    binds: tuple[tuple[str, str], ...]


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, for the database of this connection."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: Table) -> Any:
    """The same for a kind of database by name, where a statement is prepared once."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


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
    statement = _insert_new(
        connection.dialect.name, clock, table, moments, tuple(values), looked_up
    )
    if looked_up:
        values = dict(values)
        for column in looked_up:
            for bind, name in column.binds:
                values[bind] = values[name]
    return statement.count(connection, values) == 1


@lru_cache
def _insert_new(  # noqa: PLR0917
    dialect: str,
    clock: Clock,
    table: Table,
    moments: tuple[str, ...],
    columns: tuple[str, ...],
    looked_up: tuple[LookedUp, ...],
) -> Prepared:
    made: dict[str, Any] = {name: clock.at() for name in moments}
    made |= {column.column: column.expression for column in looked_up}
    statement = insert_for(dialect, table).on_conflict_do_nothing().values(made)
    # SQLAlchemy keeps the row count of an INSERT only when it is asked to.
    return Prepared(statement.execution_options(preserve_rowcount=True), columns)


def upsert(
    connection: Connection, table: Table, values: Mapping[str, Any], also: Mapping[str, Any] = _NO
) -> None:
    """Insert a row, or write all these values into the one that has its primary key.

    `also` are columns that are set only where the row was there.
    """
    new = insert(connection, table).values(**values)
    keys = [column.name for column in table.primary_key]
    changes = {name: new.excluded[name] for name in values if name not in keys}
    connection.execute(new.on_conflict_do_update(index_elements=keys, set_=changes | dict(also)))


def hasty(dialect: str, value: Any) -> Any:
    """An SQL expression: a value of a statement that commits by itself and may be lost in a crash.

    PostgreSQL then does not wait for the disk, nor for a second server. What is committed after it
    is never there without it. On SQLite, which says for each connection how it waits, it is only
    the value.
    """
    if dialect == "sqlite":
        return value
    # It lasts until the end of this statement's own transaction.
    set_off = func.set_config("synchronous_commit", "off", true())
    return case((set_off.is_not(None), value))


def one_after_another(connection: Connection, keys: Iterable[bytes]) -> None:
    """Until this transaction ends, others that name one of these keys wait here."""
    for statement, values in _locks_of(connection, keys):
        statement.rows(connection, values)


def alone(
    connection: Connection, keys: Iterable[bytes], statement: Prepared, values: Values
) -> list[Any]:
    """The rows of a statement that begins once no other transaction names one of these keys.

    Others that name one wait until this transaction ends. If the statement itself waited, it would
    not see what they wrote meanwhile.
    """
    return ask_alone(connection, keys, statement, values).rows()


def ask_alone(
    connection: Connection,
    keys: Iterable[bytes],
    statement: Prepared,
    values: Values,
    then: Callable[[list[Any]], None] | None = None,
) -> Asked:
    """The same, with what else the transaction asks (`models.prepared.ask`)."""
    for lock, numbers in _locks_of(connection, keys):
        ask(connection, lock, numbers)
    return ask(connection, statement, values, then)


def _locks_of(connection: Connection, keys: Iterable[bytes]) -> list[tuple[Prepared, Values]]:
    """The statements that take the locks of these keys; none where nobody is to wait."""
    if connection.dialect.name == "sqlite":
        # It has one writer at a time.
        return []
    # Locks are taken in one order, or two transactions would wait for each other; one statement
    # takes them from left to right.
    numbers = sorted({zlib.crc32(key) for key in keys})
    if not numbers:
        return []
    # The second number of a lock is a signed one.
    values = {f"key_{at}": number - 2**31 for at, number in enumerate(numbers)}
    return [(_locks(len(numbers)), values)]


@lru_cache
def _locks(count: int) -> Prepared:
    # Two numbers, as no other lock of ours has.
    keys: list[BindParameter[int]] = [bindparam(f"key_{at}", type_=Integer) for at in range(count)]
    locks = (func.pg_advisory_xact_lock(_OF_KEYS, key).label(key.key) for key in keys)
    return Prepared(select(*locks))
