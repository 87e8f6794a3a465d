"""How many calls a second the account may begin: permits that fill up, shared by all processes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, select, update

from models.agents.tables import rate_bucket
from models.clock import Clock
from models.writes import insert_new


def take(
    connection: Connection, clock: Clock, name: str, *, per_second: float, most: float
) -> timedelta:
    """Take one permit; nothing is left to wait for when it was there, else so long until it is.

    In a transaction. An unknown bucket starts full. Its row is locked until the commit: two
    processes that read one permit would both have it.
    """
    insert_new(connection, clock, rate_bucket, {"name": name, "tokens": most}, "at")
    bucket = rate_bucket.c
    statement = select(bucket.tokens, bucket.at, clock.at().label("moment"))
    row = connection.execute(_locked(statement.where(bucket.name == name))).one()
    since = max((row.moment - row.at).total_seconds(), 0.0)
    tokens = min(most, row.tokens + since * per_second)
    if tokens < 1:
        return timedelta(seconds=(1 - tokens) / per_second)
    # A clock that was set back must not be paid for twice when it goes on.
    left = {"tokens": tokens - 1, "at": max(row.moment, row.at)}
    connection.execute(update(rate_bucket).where(bucket.name == name).values(left))
    return timedelta()


def _locked(statement: Select[Any]) -> Select[Any]:
    return statement.with_for_update()
