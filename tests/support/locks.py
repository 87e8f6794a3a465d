"""Somebody else has a lock on the store, and does not let go of it; and what waits for a lock.

PostgreSQL shows the locks of the whole server. Tests that run beside this one have theirs on the
same server, so that each statement here looks at its own database alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from sqlalchemy import make_url, text

from models.database import POOLER

# How many connections wait for any lock.
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
# The connections, by the server's process, that wait for a table which another one keeps.
WAITING_FOR_A_TABLE = text(
    "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    " WHERE locktype = 'relation' AND NOT granted AND datname = current_database()"
)
# The same for an advisory lock.
WAITING_ADVISORY = text(
    "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
)


def driver_url(url: str) -> str:
    """A database's address for the driver, without what the service says there of a pooler."""
    parsed = make_url(url).set(drivername="postgresql").difference_update_query([POOLER])
    return parsed.render_as_string(hide_password=False)


@contextmanager
def locked(url: str, *tables: str) -> Iterator[None]:
    """Another session's lock on these tables, as of a back-up that hangs, for this block.

    Nobody reads or writes them meanwhile.
    """
    with psycopg.connect(driver_url(url)) as other:
        for table in tables:
            other.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE'.encode())
        yield
        other.rollback()
