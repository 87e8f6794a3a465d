"""What a back-up asks of a database: how large it is, and whether one may be restored to it."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from models.database import Database


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
