"""Statements made once and run often: SQLAlchemy compiles them once, psycopg prepares them.

Errors are SQLAlchemy's own, without the values (`models.database`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

Values = Mapping[str, Any]
_NONE: Values = {}


class Prepared:
    """One statement with names in it for its values."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement

    def rows(self, connection: Connection, values: Values = _NONE) -> list[Any]:
        """Run it and give its rows as named tuples. Raises sqlalchemy.exc.DBAPIError."""
        return list(connection.execute(self._statement, values))

    def count(self, connection: Connection, values: Values = _NONE) -> int:
        """Run it and give the number of rows it wrote. Raises sqlalchemy.exc.DBAPIError."""
        return connection.execute(self._statement, values).rowcount
