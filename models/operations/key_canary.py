"""A known word, sealed with each data key that this database was ever written with.

A process whose keys do not open it would write what no other can read, and find no one booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Integer, LargeBinary, Table, inspect, null, select, update
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.tables import key, may, metadata, must
from models.types import Instant

key_canary = Table(
    "key_canary",
    metadata,
    key("number", Integer, "of the data key, oldest first, from 0", autoincrement=False),
    # No column of the type Sealed: each word stays sealed with the key that it is there for.
    must("word_enc", LargeBinary),
    must("word_idx", LargeBinary, "by the index key"),
    may("used_at", Instant, "when a process first started that seals with it; null: none has"),
    may("retired_at", Instant, "from then on the key may be missing"),
    may("gone_at", Instant, "when a process first started without it, and no row needed it"),
    may("next_idx", LargeBinary, "by the index key that look-ups are being rewritten for"),
)


@dataclass(frozen=True)
class Canary:
    """What one data key made of the word, and how far its life is (moments in UTC).

    `index` is what the index key made of it, the same for all; `next_index` is that of the next
    index key while look-ups are being rewritten.
    """

    number: int
    sealed: bytes
    index: bytes
    used_at: datetime | None = None
    retired_at: datetime | None = None
    gone_at: datetime | None = None
    next_index: bytes | None = None


def is_there(connection: Connection) -> bool:
    """Whether the table is, with all of its columns: not before the database is migrated."""
    found = inspect(connection)
    if not found.has_table(key_canary.name):
        return False
    names = {column["name"] for column in found.get_columns(key_canary.name)}
    return names >= set(key_canary.c.keys())


def read(connection: Connection) -> list[Canary]:
    """Those that are kept, in the order of their keys."""
    rows = connection.execute(select(key_canary).order_by(key_canary.c.number))
    return [
        Canary(
            row.number,
            row.word_enc,
            row.word_idx,
            row.used_at,
            row.retired_at,
            row.gone_at,
            row.next_idx,
        )
        for row in rows
    ]


def add(connection: Connection, new: Canary) -> None:
    """Keep it, unless another process was quicker. A key that is new was never used."""
    values = {"number": new.number, "word_enc": new.sealed, "word_idx": new.index}
    statement = insert(key_canary).on_conflict_do_nothing()
    connection.execute(statement.values(values))


def mark(connection: Connection, clock: Clock, number: int, column: str) -> bool:
    """Write this moment into `used_at`, `retired_at` or `gone_at`; False where one was there."""
    marked = key_canary.c[column]
    statement = update(key_canary).where(key_canary.c.number == number, marked.is_(None))
    return bool(connection.execute(statement.values({column: clock.at()})).rowcount)


def begin_index(connection: Connection, next_index: bytes) -> None:
    """Look-ups are being rewritten for the index key that made this of the word."""
    connection.execute(update(key_canary).values(next_idx=next_index))


def end_index(connection: Connection, index: bytes) -> None:
    """Every look-up is by the index key that made this of the word."""
    connection.execute(update(key_canary).values(word_idx=index, next_idx=null()))
