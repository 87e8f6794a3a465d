"""A known word, sealed with each data key that this database was ever written with.

A process whose keys do not open it would write what nobody can read, and find nobody who is booked.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Integer, LargeBinary, Table, inspect, select

from models.dialects import insert
from models.tables import key, metadata, must

key_canary = Table(
    "key_canary",
    metadata,
    key("number", Integer, "of the data key, oldest first, from 0", autoincrement=False),
    must("word_enc", LargeBinary),
    must("word_idx", LargeBinary, "by the index key"),
)


@dataclass(frozen=True)
class Canary:
    """What one data key made of the word."""

    number: int
    sealed: bytes
    index: bytes


def is_there(connection: Connection) -> bool:
    """Whether the table is: not before the database is migrated."""
    return inspect(connection).has_table(key_canary.name)


def read(connection: Connection) -> list[Canary]:
    """Those that are kept, in the order of their keys."""
    rows = connection.execute(select(key_canary).order_by(key_canary.c.number))
    return [Canary(row.number, row.word_enc, row.word_idx) for row in rows]


def add(connection: Connection, new: Canary) -> None:
    """Keep it, unless another process was quicker."""
    values = {"number": new.number, "word_enc": new.sealed, "word_idx": new.index}
    statement = insert(connection, key_canary).on_conflict_do_nothing()
    connection.execute(statement.values(values))
