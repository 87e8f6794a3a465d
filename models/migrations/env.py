"""Alembic's entry: one transaction a migration, and never a long wait for a lock."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from models.tables import metadata

# A migration that waits for a lock makes every call behind it wait: give up and try again.
LOCK_TIMEOUT = "1s"
# Any number, the same for all who migrate this database.
ADVISORY_LOCK = 3974750001


def run() -> None:
    connection: Connection = context.config.attributes["connection"]
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
