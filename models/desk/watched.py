"""Names whose files are watched, as keyed hashes: who added each, and whether one is meant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from models.clock import Clock
from models.desk.tables import watched_name


@dataclass(frozen=True)
class Watched:
    """A watched name, which cannot be told any more; `at` is UTC, `who` a staff id or a word."""

    id: str
    who: str
    at: datetime


def add(
    connection: Connection, clock: Clock, watch_id: str, words: Collection[bytes], who: str
) -> None:
    """`words` are keyed hashes, one for each word of the name."""
    for word in words:
        connection.execute(
            watched_name.insert().values(watch_id=watch_id, name_idx=word, who=who, at=clock.at())
        )


def remove(connection: Connection, watch_id: str) -> bool:
    """False where there is none."""
    statement = delete(watched_name).where(watched_name.c.watch_id == watch_id)
    return connection.execute(statement).rowcount > 0


def sharing(connection: Connection, words: Collection[bytes]) -> dict[str, set[bytes]]:
    """Watched names that have one of these words (keyed hashes): all words of each, by its id."""
    table = watched_name.c
    meant = select(table.watch_id).where(table.name_idx.in_(words))
    found: dict[str, set[bytes]] = {}
    for row in connection.execute(select(watched_name).where(table.watch_id.in_(meant))):
        found.setdefault(row.watch_id, set()).add(row.name_idx)
    return found


def everyone(connection: Connection) -> list[Watched]:
    """All watched names, the newest first."""
    table = watched_name.c
    statement = (
        select(table.watch_id, func.min(table.who).label("who"), func.min(table.at).label("at"))
        .group_by(table.watch_id)
        .order_by(func.min(table.at).desc(), table.watch_id)
    )
    return [Watched(*row) for row in connection.execute(statement)]


def is_watched(connection: Connection, words: Collection[bytes]) -> bool:
    """Whether one of these words of a name (keyed hashes) is watched."""
    if not words:
        return False
    statement = select(watched_name.c.watch_id).where(watched_name.c.name_idx.in_(words)).limit(1)
    return connection.execute(statement).first() is not None
