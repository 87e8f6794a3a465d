"""What all tables have in common: the MetaData they are on, and short words for their columns.

The tables are in `models/<domain>/tables.py`. Personal columns end in `_enc` (AES-256-GCM, key
outside the database; of the type Sealed) and are found by their neighbour in `_idx` (keyed hash; of
the type LookUp); their type marks them, and other columns that lead to a person say `personal`.
Erasing follows these marks. Moments are UTC.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    FetchedValue,
    ForeignKey,
    Index,
    MetaData,
    Table,
    text,
)
from sqlalchemy.types import TypeEngine

from models.types import LookUp, Sealed

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The type of a number that the database gives each new row.
RowId = BigInteger

# In a table's `info`: triggers of the migrations refuse to change its rows.
APPEND_ONLY = "append_only"
# In a column's `info`: see must().
_PERSONAL = "personal"

_Kind = TypeEngine[Any] | type[TypeEngine[Any]]


def key(name: str, kind: _Kind, comment: str | None = None, **more: Any) -> Column[Any]:
    """One of the columns of the primary key; `more` as for must()."""
    return must(name, kind, comment, primary_key=True, **more)


def may(name: str, kind: _Kind, comment: str | None = None, **more: Any) -> Column[Any]:
    """A column that may be null; `more` as for must()."""
    return must(name, kind, comment, nullable=True, **more)


def must(
    name: str,
    kind: _Kind,
    comment: str | None = None,
    *,
    default: str | int | FetchedValue | None = None,
    refers: str | ForeignKey | None = None,
    nullable: bool = False,
    personal: bool = False,
    **options: Any,
) -> Column[Any]:
    """A column that always has a value.

    `default` is what the database fills in; FetchedValue: what the migrations say. `refers` is the
    column of another table that it points to, "centre.id". `personal`: it tells of a person or
    leads to one, and is neither sealed nor a hash. `options` are those of Column, as `unique`.
    """
    return Column(
        name,
        kind,
        *([ForeignKey(refers)] if isinstance(refers, str) else [refers] if refers else []),
        comment=comment,
        # Numbers and booleans are no texts in the database.
        server_default=(
            default
            if isinstance(default, str | FetchedValue | None)
            else text(str(default).lower())
        ),
        nullable=nullable,
        info={_PERSONAL: personal},
        **options,
    )


def is_personal(column: Column[Any]) -> bool:
    """A column that must say nothing any more once its person is erased."""
    return isinstance(column.type, Sealed | LookUp) or bool(column.info.get(_PERSONAL))


def nothing_personal(table: Table) -> dict[str, None]:
    """The values of an UPDATE that erases the person of a row."""
    return {column.name: None for column in table.columns if is_personal(column)}


def index(
    name: str, *columns: str, where: str | None = None, unique: bool = False, **options: Any
) -> Index:
    """An index, of those rows only for which `where` is true."""
    return Index(
        name,
        *columns,
        unique=unique,
        postgresql_where=None if where is None else text(where),
        **options,
    )
