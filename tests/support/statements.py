"""What a database was asked while a block ran."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
