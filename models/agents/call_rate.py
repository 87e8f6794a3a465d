"""How many calls a second the account may begin: permits that fill up, shared by all processes."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from sqlalchemy import Connection, bindparam, select, update

from models.agents.tables import rate_bucket
from models.clock import Clock
from models.prepared import Prepared
from models.writes import insert_new

# Others may be quicker this often in a row before the next look is left to the caller.
_TRIES = 50


def take(
    connection: Connection, clock: Clock, name: str, *, per_second: float, most: float
) -> timedelta:
    """Take one permit; nothing is left to wait for when it was there, else so long until it is.

    An unknown bucket starts full. The write goes through only if the row is as it was read, so that
    two processes that read one permit do not both have it.
    """
    for _ in range(_TRIES):
        found = _read(clock).rows(connection, {"the_bucket": name})
        if not found:
            insert_new(connection, clock, rate_bucket, {"name": name, "tokens": most}, "at")
            continue
        row = found[0]
        since = max((row.moment - row.at).total_seconds(), 0.0)
        tokens = min(most, row.tokens + since * per_second)
        if tokens < 1:
            return timedelta(seconds=(1 - tokens) / per_second)
        values = {
            "the_bucket": name,
            "old_tokens": row.tokens,
            "old_at": row.at,
            "new_tokens": tokens - 1,
            # A clock that was set back must not be paid for twice when it goes on.
            "new_at": max(row.moment, row.at),
        }
        if _WRITE.count(connection, values) == 1:
            return timedelta()
    return timedelta(seconds=1 / per_second)


@lru_cache
def _read(clock: Clock) -> Prepared:
    return Prepared(
        select(rate_bucket.c.tokens, rate_bucket.c.at, clock.at().label("moment")).where(
            rate_bucket.c.name == bindparam("the_bucket")
        )
    )


_WRITE = Prepared(
    update(rate_bucket)
    .where(
        rate_bucket.c.name == bindparam("the_bucket"),
        rate_bucket.c.tokens == bindparam("old_tokens"),
        rate_bucket.c.at == bindparam("old_at"),
    )
    .values(tokens=bindparam("new_tokens"), at=bindparam("new_at"))
)
