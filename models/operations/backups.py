"""What a back-up needs of the database: one state of it, what is in it, how large it is."""

from __future__ import annotations

import sqlite3

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, inspect, select, table, text

from models.database import Database, unhurried
from models.operations.key_canary import key_canary
from models.turn_days import is_partition

_VERSIONS = 10_000
# The table of Alembic.
_REVISION = "alembic_version"


@dataclass(frozen=True)
class Contents:
    """What is in a database: its revision, rows by table, and the data keys that it needs.

    Keys are numbered from 1, as in DATA_KEYS.
    """

    revision: str
    rows: dict[str, int]
    keys: tuple[int, ...]


@contextmanager
def exported(database: Database) -> Iterator[tuple[str, Contents]]:
    """One state of PostgreSQL that another program may read, by its name, while this lasts."""
    with database.snapshot() as connection:
        name = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        yield name, contents(connection)


def contents(connection: Connection) -> Contents:
    """Count everything, in the snapshot of the connection."""
    unhurried(connection)
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    # Those that are there, whatever version of the code made them.
    there = set(inspect(connection).get_table_names()) - {_REVISION}
    # The partitions of a table are counted in it.
    names = sorted(name for name in there if not is_partition(name))
    rows = {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in names
    }
    needed = select(key_canary.c.number).where(key_canary.c.gone_at.is_(None))
    numbers = connection.execute(needed.order_by(key_canary.c.number)).scalars()
    return Contents(str(revision), rows, tuple(number + 1 for number in numbers))


def is_empty(connection: Connection) -> bool:
    """Whether a database has no table at all."""
    return not inspect(connection).get_table_names()


def may_make_tables(connection: Connection) -> bool:
    """Whether PostgreSQL lets this role make tables there, as a restore does."""
    allowed = text("SELECT has_schema_privilege('public', 'CREATE')")
    return bool(connection.execute(allowed).scalar_one())


def size(database: Database) -> int:
    """Bytes of the database."""
    if database.is_sqlite:
        return Path(database.url.database or "").stat().st_size
    with database.statement() as connection:
        found = text("SELECT pg_database_size(current_database())")
        return int(connection.execute(found).scalar_one())


def server_version(database: Database) -> int:
    """The major version of PostgreSQL's server."""
    with database.statement() as connection:
        number = connection.execute(text("SHOW server_version_num")).scalar_one()
    return int(number) // _VERSIONS


def copy_sqlite(database: Database, file: Path) -> None:
    """Copy a SQLite database while others write (SQLite's online back-up)."""
    with database.statement() as connection, closing(sqlite3.connect(file)) as copy:
        source: Any = connection.connection.driver_connection
        # In one step: it reads one state, and nobody who writes has to wait for it.
        source.backup(copy)
        # The copy is one file: what is in it needs no log beside it.
        copy.execute("PRAGMA journal_mode=DELETE")


def is_whole(connection: Connection) -> bool:
    """Whether SQLite finds its file in order; PostgreSQL looks when it restores."""
    if connection.dialect.name != "sqlite":
        return True
    return bool(connection.execute(text("PRAGMA integrity_check")).scalars().first() == "ok")
