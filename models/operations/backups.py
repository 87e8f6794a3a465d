"""What a back-up needs of the database: one state of it, what is in it, how large it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
    with database.statement() as connection:
        found = text("SELECT pg_database_size(current_database())")
        return int(connection.execute(found).scalar_one())


def server_version(database: Database) -> int:
    """The major version of PostgreSQL's server."""
    with database.statement() as connection:
        number = connection.execute(text("SHOW server_version_num")).scalar_one()
    return int(number) // _VERSIONS
