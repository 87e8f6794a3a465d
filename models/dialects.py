"""The few places where PostgreSQL and SQLite are spoken to differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, for the database of this connection."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def inserted(connection: Connection, statement: Any, values: Any = None) -> bool:
    """Execute an INSERT … ON CONFLICT DO NOTHING of one row; True when the row went in.

    SQLAlchemy keeps the row count of an INSERT only when it is asked to.
    """
    if not statement.get_execution_options().get("preserve_rowcount"):
        statement = statement.execution_options(preserve_rowcount=True)
    return bool(connection.execute(statement, values).rowcount == 1)
