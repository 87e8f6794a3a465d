"""Sealed columns of all tables: which data keys they were sealed with, and sealing them anew.

What is sealed is found by the type of its column (`models.types.Sealed`), never by a list.
"""

from __future__ import annotations

import hashlib

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)

from models.advisory_locks import one_after_another
from models.crypto import CannotOpen, Vault
from models.database import unhurried
from models.tables import APPEND_ONLY
from models.types import Sealed

# The value of each column of a primary key.
RowKey = tuple[Any, ...]

ENDING = "_enc"
# Rows of a table that are looked at in one statement.
LOOKED_AT = 2000


@dataclass(frozen=True)
class SealedTable:
    """A table with sealed columns."""

    table: Table

    @property
    def name(self) -> str:
        return self.table.name

    @cached_property
    def columns(self) -> tuple[Column[Any], ...]:
        return tuple(column for column in self.table.c if isinstance(column.type, Sealed))

    @cached_property
    def keys(self) -> tuple[Column[Any], ...]:
        return tuple(self.table.primary_key)

    @property
    def is_append_only(self) -> bool:
        return bool(self.table.info.get(APPEND_ONLY))

    def place(self, column: Column[Any], key: RowKey) -> str:
        """Where the value lives, as it was said when it was sealed."""
        row = ":".join(str(part) for part in key)
        return f"{self.name}.{column.name.removesuffix(ENDING)}:{row}"

    def after(self, key: RowKey) -> ColumnElement[bool]:
        return tuple_(*self.keys) > tuple_(*map(literal, key))

    def between(self, first: RowKey, last: RowKey) -> ColumnElement[bool]:
        """Both included."""
        keys = tuple_(*self.keys)
        return and_(keys >= tuple_(*map(literal, first)), keys <= tuple_(*map(literal, last)))

    def is_old(self, number: int) -> ColumnElement[bool]:
        """Whether a value of the row was sealed with another key than that of this number."""
        new = literal(bytes([number]), LargeBinary)
        return or_(*(func.coalesce(_key_byte(column) != new, False) for column in self.columns))


@dataclass(frozen=True)
class Change:
    """Sealed values of a row as they were read, and sealed anew; both in the order of columns."""

    key: RowKey
    old: Sequence[bytes | None]
    new: Sequence[bytes | None]


@dataclass(frozen=True)
class Batch:
    """Rows to write, and the places of values that did not open."""

    changes: Sequence[Change]
    not_opened: Sequence[str]


def sealed_tables(metadata: MetaData) -> list[SealedTable]:
    """The tables with a sealed column, by name."""
    found = (SealedTable(table) for _, table in sorted(metadata.tables.items()))
    return [table for table in found if table.columns]


def count_by_key(connection: Connection, one: SealedTable) -> Counter[int]:
    """How many values of a table each data key has sealed. Reads the whole table."""
    unhurried(connection)
    counted: Counter[int] = Counter()
    for column in one.columns:
        byte = _key_byte(column)
        statement = select(byte, func.count()).where(column.is_not(None)).group_by(byte)
        for first, number in connection.execute(statement):
            # An empty value has no key; nothing of ours writes one.
            counted[bytes(first)[0] if first else -1] += number
    return counted


def count_rows(connection: Connection, table: Table) -> int:
    unhurried(connection)
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def look(
    connection: Connection, one: SealedTable, number: int, after: RowKey | None
) -> list[tuple[RowKey, bool]]:
    """The next rows of a table by their keys, and whether an older key sealed a value of each."""
    statement = select(*one.keys, one.is_old(number)).order_by(*one.keys).limit(LOOKED_AT)
    if after is not None:
        statement = statement.where(one.after(after))
    return [(tuple(row[:-1]), bool(row[-1])) for row in connection.execute(statement)]


def seal_anew(
    connection: Connection, vault: Vault, one: SealedTable, first: RowKey, last: RowKey
) -> Batch:
    """Read the rows from `first` to `last`, both included, and seal their old values anew.

    It writes nothing and keeps no one waiting.
    """
    newest = bytes([vault.seals_with])
    statement = (
        select(*one.keys, *one.columns)
        .where(one.between(first, last), one.is_old(vault.seals_with))
        .order_by(*one.keys)
    )
    changes: list[Change] = []
    not_opened: list[str] = []
    for row in connection.execute(statement):
        key, old = tuple(row[: len(one.keys)]), tuple(row[len(one.keys) :])
        new: list[bytes | None] = []
        for column, sealed in zip(one.columns, old, strict=True):
            where = one.place(column, key)
            new.append(sealed)
            if sealed is None or sealed[:1] == newest:
                continue
            try:
                new[-1] = vault.seal(vault.open(sealed, where), where)
            except CannotOpen:
                not_opened.append(where)
        if tuple(new) != old:
            changes.append(Change(key, old, new))
    return Batch(changes, not_opened)


def write(connection: Connection, one: SealedTable, changes: Sequence[Change]) -> int:
    """Write rows that were sealed anew, unless another has changed or is changing them; how many.

    In a transaction of its own, and a short one. What is locked by another is left alone: so this
    waits for no lock while it keeps rows itself, and no booking is in a deadlock with it.
    """
    with _may_change(connection, one):
        first, last = changes[0].key, changes[-1].key
        statement = select(*one.keys).where(one.between(first, last)).order_by(*one.keys)
        statement = statement.with_for_update(key_share=True, skip_locked=True)
        free = {tuple(row) for row in connection.execute(statement)}
        values = [_values_of(change) for change in changes if change.key in free]
        return connection.execute(_write(one), values).rowcount if values else 0


def _values_of(change: Change) -> dict[str, Any]:
    named = {"key": change.key, "old": change.old, "new": change.new}
    return {
        f"{name}_{number}": value
        for name, values in named.items()
        for number, value in enumerate(values)
    }


def _write(one: SealedTable) -> Any:
    """One row, if its sealed values are what was read."""
    same = [
        column.is_not_distinct_from(bindparam(f"old_{number}", type_=LargeBinary))
        for number, column in enumerate(one.columns)
    ]
    found = [
        column == bindparam(f"key_{number}", type_=column.type)
        for number, column in enumerate(one.keys)
    ]
    new = {
        column.name: bindparam(f"new_{number}", type_=LargeBinary)
        for number, column in enumerate(one.columns)
    }
    return update(one.table).where(*found, *same).values(new)


def _key_byte(column: Column[Any]) -> ColumnElement[bytes]:
    return func.substr(column, 1, 1, type_=LargeBinary)


# ---------------------------------------------------------------- append-only tables


@contextmanager
def _may_change(connection: Connection, one: SealedTable) -> Iterator[None]:
    """Let this transaction, and no other, change sealed columns of an append-only table.

    The owner of the table takes the right for as long as the transaction lasts, and the trigger
    lets pass what changes sealed columns alone. The service's role is not the owner.
    """
    if not one.is_append_only:
        yield
        return
    # Two that change rights of one table at once would fail.
    one_after_another(connection, [hashlib.sha256(f"reseal {one.name}".encode()).digest()])
    columns = ", ".join(f'"{column.name}"' for column in one.columns)
    rights = f'UPDATE ({columns}) ON "{one.name}"'
    connection.execute(text(f"GRANT {rights} TO CURRENT_USER"))
    connection.execute(
        text("SELECT set_config('allo.resealing', :table, true)"), {"table": one.name}
    )
    yield
    connection.execute(text("SELECT set_config('allo.resealing', '', true)"))
    connection.execute(text(f"REVOKE {rights} FROM CURRENT_USER"))
