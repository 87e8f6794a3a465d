"""What all tables have in common: the MetaData they are on, and short words for their columns.

The tables are in `models/<domain>/tables.py`. Personal columns end in `_enc` (AES-256-GCM, key
outside the database; of the type Sealed) and are found by their neighbour in `_idx` (keyed hash; of
the type LookUp). Moments are UTC.
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
    text,
)
from sqlalchemy.types import TypeEngine

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
    **options: Any,
) -> Column[Any]:
    """A column that always has a value.

    `default` is what the database fills in; FetchedValue: what the migrations say. `refers` is the
    column of another table that it points to, "centre.id". `options` are those of Column, as
    `unique` or `index`.
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
        **options,
    )


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
