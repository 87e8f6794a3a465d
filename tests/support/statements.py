"""What a database was asked while a block ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from models.database import Database


@contextmanager
def transactions(database: Database) -> Iterator[list[Connection]]:
    """The transactions and snapshots that were begun; statements by themselves are none."""
    begun: list[Connection] = []
    note = begun.append
    event.listen(database.engine, "begin", note)
    try:
        yield begun
    finally:
        event.remove(database.engine, "begin", note)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that reach the database, in their order."""
    sent: list[str] = []

    def note(*given: Any) -> None:
        sent.append(str(given[2]))

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", note)


def plan_of(connection: Connection, ask: Callable[[], object], word: str = "") -> list[str]:
    """How PostgreSQL carries out the one statement of `ask` that has `word`, by lines."""
    sent: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        if word in given[2]:
            sent.append((str(given[2]), given[3]))

    event.listen(connection.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(connection.engine, "before_cursor_execute", note)
    ((asked, values),) = sent
    return [str(row) for row in connection.exec_driver_sql(f"EXPLAIN {asked}", values)]
