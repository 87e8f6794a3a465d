"""Alembic's entry: never a long wait for a lock, and a transaction for each migration."""

from __future__ import annotations

import time

from contextlib import suppress

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from models.all_tables import metadata
from models.migrations.runner import LOCK_TIMEOUT, NotMigrated

# Any number, the same for all processes that migrate this database.
ADVISORY_LOCK = 3974750001
# Another that migrates may be making indexes of millions of rows.
PATIENCE_SECONDS = 15 * 60
LOOK_EVERY_SECONDS = 0.2


def run() -> None:
    connection: Connection = context.config.attributes["connection"]
    _be_the_only_one(connection)
    try:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        # The four seconds of a webhook's statement do not make an index of millions of rows.
        connection.execute(text("SET statement_timeout = 0"))
        connection.commit()
        _migrate(connection)
    finally:
        _let_others(connection)


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _be_the_only_one(connection: Connection) -> None:
    """Wait until no other process migrates. Raises NotMigrated.

    It polls. A process that waited inside a statement would block the index that the other process
    is making, because making an index waits for open statements.
    """
    for _ in range(int(PATIENCE_SECONDS / LOOK_EVERY_SECONDS)):
        ours = connection.execute(text(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})")).scalar()
        connection.commit()
        if ours:
            return
        time.sleep(LOOK_EVERY_SECONDS)
    raise NotMigrated("another process is still migrating this database: look what keeps it")


def _let_others(connection: Connection) -> None:
    """Give the lock back: the connection goes on behind us and need not have it."""
    # A connection that broke has given it back.
    with suppress(DBAPIError):
        connection.rollback()
        connection.execute(text(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})"))
        connection.execute(text("RESET lock_timeout"))
        connection.commit()


run()
