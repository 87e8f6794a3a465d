"""Look-ups of all tables, made anew from the sealed values when the index key changes.

They are found by the type of their columns (`models.types.LookUp`). It is done while nothing else
writes: no unique index can hold between hashes of two keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    exists,
    literal,
    select,
    tuple_,
    update,
)

from models.booking.bookings import opened, person_idx
from models.booking.tables import appointment, appointment_for, booking
from models.crypto import CannotOpen, Vault
from models.operations.reseal import RowKey, SealedTable
from models.types import LookUp, LookUpWay
from models.waiting_list import waiting
from models.waiting_list.tables import waiting_entry

# Rows of a transaction.
AT_ONCE = 500
# Only numbers have tables that follow: what is known of a line, and how it is spoken to.
_FOLLOWED = "phone"

_PERSON_OF_BOOKING = [
    booking.c[name] for name in ("id", "campaign", "rank", "dob_enc", "phone_enc")
]


@dataclass(frozen=True)
class LookUpTable:
    """A table with look-ups that can be made from what it holds."""

    table: Table
    columns: Sequence[Column[Any]]

    @property
    def name(self) -> str:
        return self.table.name


@dataclass(frozen=True)
class Rewritten:
    """Rows that were read (0: the end), those that changed, and places that did not open."""

    last: RowKey | None
    rows: int
    changed: int
    not_opened: Sequence[str] = field(default=())


def look_up_tables(metadata: MetaData) -> list[LookUpTable]:
    """The tables with a look-up of a value or a person, by name."""
    found = []
    for _, table in sorted(metadata.tables.items()):
        made = {LookUpWay.VALUE, LookUpWay.PERSON}
        columns = tuple(column for column in _look_ups(table) if _type_of(column).way in made)
        if columns:
            found.append(LookUpTable(table, columns))
    return found


def rewrite(
    connection: Connection, vault: Vault, one: LookUpTable, after: RowKey | None
) -> Rewritten:
    """Make the look-ups of the next rows anew with the vault's index key.

    What follows a number changes with it, in the same transaction. A look-up whose value is erased
    stays as it is.
    """
    sealed = SealedTable(one.table)
    rows = connection.execute(_page(one, sealed, after)).all()
    changes: list[dict[str, Any]] = []
    followed: dict[bytes, bytes] = {}
    not_opened: list[str] = []
    for row in rows:
        key = _key_of(row, sealed)
        old = [getattr(row, f"look_up_{number}") for number in range(len(one.columns))]
        new = [
            _made_anew(vault, sealed, (column, key, row), not_opened) if hashed else None
            for column, hashed in zip(one.columns, old, strict=True)
        ]
        new = [made or hashed for made, hashed in zip(new, old, strict=True)]
        if new == old:
            continue
        changes.append(
            {f"key_{number}": part for number, part in enumerate(key)}
            | {f"new_{number}": hashed for number, hashed in enumerate(new)}
        )
        followed |= {
            old[number]: new[number]
            for number, column in enumerate(one.columns)
            if _type_of(column).kind == _FOLLOWED and old[number] != new[number]
        }
    if changes:
        connection.execute(_write(one, sealed), changes)
    if followed:
        values = [{"old_hash": hashed, "new_hash": made} for hashed, made in followed.items()]
        for statement in _followers(one.table.metadata):
            connection.execute(statement, values)
    return Rewritten(
        _key_of(rows[-1], sealed) if rows else None, len(rows), len(changes), not_opened
    )


def _key_of(row: Any, sealed: SealedTable) -> RowKey:
    return tuple(getattr(row, f"key_{number}") for number in range(len(sealed.keys)))


def _made_anew(
    vault: Vault,
    sealed: SealedTable,
    found: tuple[Column[Any], RowKey, Any],
    not_opened: list[str],
) -> bytes | None:
    """None where the value is erased or does not open; the latter is put down in `not_opened`."""
    try:
        return _made(vault, sealed, *found)
    except CannotOpen as error:
        not_opened.append(str(error))
        return None


def _page(one: LookUpTable, sealed: SealedTable, after: RowKey | None) -> Any:
    keys = [column.label(f"key_{number}") for number, column in enumerate(sealed.keys)]
    hashes = [column.label(f"look_up_{number}") for number, column in enumerate(one.columns)]
    if one.table is appointment:
        statement = select(*keys, *hashes, *_PERSON_OF_BOOKING).join(booking)
    elif one.table is appointment_for:
        of_its_own = (each for each in _PERSON_OF_BOOKING if each.name != "campaign")
        statement = select(*keys, *hashes, *of_its_own, appointment_for.c.campaign).join(
            booking, booking.c.id == appointment_for.c.booking_id
        )
    elif one.table is waiting_entry:
        statement = select(*keys, *hashes, *waiting_entry.c)
    else:
        statement = select(*keys, *hashes, *sealed.columns)
    statement = statement.select_from(one.table).order_by(*sealed.keys).limit(AT_ONCE)
    if after is None:
        return statement
    return statement.where(tuple_(*sealed.keys) > tuple_(*map(literal, after)))


def _made(
    vault: Vault, sealed: SealedTable, column: Column[Any], key: RowKey, row: Any
) -> bytes | None:
    """None where the value is erased. Raises CannotOpen."""
    kind = _type_of(column)
    if kind.way is LookUpWay.PERSON:
        return PERSONS[sealed.name](vault, row)
    source = sealed.table.c[str(kind.of)]
    value = vault.open_text(getattr(row, source.name), sealed.place(source, key))
    return vault.index(str(kind.kind), value)


def _person_of_booking(vault: Vault, row: Any) -> bytes | None:
    born, number = opened(vault, row, "dob"), opened(vault, row, "phone")
    if born is None or number is None:
        return None
    return person_idx(vault, row.campaign, date.fromisoformat(born), number, row.rank)


def _person_who_waits(vault: Vault, row: Any) -> bytes | None:
    if row.person_enc is None:
        return None
    entry = waiting.of_row(row, vault)
    return person_idx(vault, row.campaign, entry.born, entry.number, entry.rank)


# By table: from a row of it, and of its booking, the key of its person.
PERSONS: Mapping[str, Callable[[Vault, Any], bytes | None]] = {
    appointment.name: _person_of_booking,
    appointment_for.name: _person_of_booking,
    waiting_entry.name: _person_who_waits,
}


def _write(one: LookUpTable, sealed: SealedTable) -> Any:
    found = [
        column == bindparam(f"key_{number}", type_=column.type)
        for number, column in enumerate(sealed.keys)
    ]
    new = {
        column.name: bindparam(f"new_{number}", type_=LargeBinary)
        for number, column in enumerate(one.columns)
    }
    return update(one.table).where(*found).values(new)


def _followers(metadata: MetaData) -> Iterator[Any]:
    """Statements that bring what is known of a number to its new hash."""
    old, new = (bindparam(name, type_=LargeBinary) for name in ("old_hash", "new_hash"))
    for table in metadata.tables.values():
        for column in _look_ups(table):
            if _type_of(column).way is LookUpWay.FOLLOWS:
                other = table.alias()
                there = exists().where(other.c[column.name] == new)
                yield update(table).where(column == old, ~there).values({column.name: new})


def _look_ups(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if isinstance(column.type, LookUp)]


def _type_of(column: Column[Any]) -> LookUp:
    found: LookUp = column.type  # type: ignore[assignment]
    return found
