"""Bring a database to the newest schema."""

from __future__ import annotations

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from models.database import Database, lacks_right
from models.migrations import schema

# A migration that waits for a lock makes every call behind it wait: give up and try again.
LOCK_TIMEOUT = "1s"

_BUSY = (
    f"others kept a table busy for {LOCK_TIMEOUT}, so the migration gave up before calls had to "
    "wait for it; what is done is kept: run it again, and if it gives up again, end the "
    "transaction that has been open for long (pg_stat_activity shows it)"
)
_NOT_ALLOWED = (
    "this role may not change the schema: run `flask migrate` with the MIGRATION_DATABASE_URL of "
    "the role that owns the tables, then `flask db grant ROLE`"
)
_THROUGH_POOLER = (
    "migrations need a connection of their own, and this address leads through a pooler: give the"
    " database's own address in MIGRATION_DATABASE_URL"
)


class NotMigrated(Exception):
    """One sentence: why the migration could not go on, and what to do."""


def scripts_config(connection: Connection | None = None) -> Config:
    """What Alembic needs to know of our migrations."""
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def upgrade(url: str, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate the database at `url`; gives the revisions before and after.

    Safe to repeat after it was cut off. Raises NotMigrated when a lock is not to be had, where the
    role owns nothing, and for an address that leads through a pooler; SchemaUnknown when another
    version of the code migrated the database, and SQLAlchemy's OperationalError when the database
    cannot be reached.
    """
    return _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> tuple[str | None, str | None]:
    """Take migrations back down to `revision`. Raises as upgrade() does.

    One for which a lock is not to be had is undone not at all.
    """
    return _run(url, lambda config: command.downgrade(config, revision))


def _run(url: str, action: Callable[[Config], None]) -> tuple[str | None, str | None]:
    database = Database(url)
    try:
        if database.is_pooled:
            raise NotMigrated(_THROUGH_POOLER)
        with database.engine.connect() as connection:
            before = schema.known_revision(connection)
            connection.commit()
            action(scripts_config(connection))
            return before, schema.revision(connection)
    except OperationalError as error:
        if _is_busy(error):
            raise NotMigrated(_BUSY) from error
        raise
    except ProgrammingError as error:
        if lacks_right(error):
            raise NotMigrated(_NOT_ALLOWED) from error
        raise
    finally:
        database.dispose()


def _is_busy(error: OperationalError) -> bool:
    """A lock was not to be had, or two waited for each other."""
    return getattr(error.orig, "sqlstate", None) in {"55P03", "40P01"}
