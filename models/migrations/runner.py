"""Bring a database to the newest schema, or say how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from models.crypto import Vault
from models.database import Database, lacks_right

# A migration that waits for a lock makes every call behind it wait: give up and try again.
LOCK_TIMEOUT = "1s"

_BUSY = (
    f"others kept a table busy for {LOCK_TIMEOUT}, so the migration gave up before calls had to "
    "wait for it; what is done is kept: run it again, and if it gives up again, end the "
    "transaction that has been open for long (pg_stat_activity shows it)"
)


# Where env.py and the migrations are.
FOLDER = Path(__file__).parent


class SchemaBusy(Exception):
    """One sentence: why the migration could not go on, and what to do."""


class NoKeys(Exception):
    """One sentence: a migration seals or opens personal values, and was given no data keys."""


class NotAllowed(Exception):
    """One sentence: the role does not own the tables, and what to do."""


_NOT_ALLOWED = (
    "this role may not change the schema: run `flask migrate` with the MIGRATION_DATABASE_URL of "
    "the role that owns the tables, then `flask db grant ROLE`"
)


class ThroughPooler(Exception):
    """One sentence: a migration needs a connection of its own, and the address names a pooler."""


class SchemaUnknown(Exception):
    """One sentence: the database is where none of our migrations begins or ends, and what to do."""


def scripts_config(connection: Connection | None = None, vault: Vault | None = None) -> Config:
    """What Alembic needs to know of our migrations."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    config.attributes["vault"] = vault
    return config


def upgrade(
    url: str, revision: str = "head", *, vault: Vault | None = None
) -> tuple[str | None, str | None]:
    """Migrate the database at `url`; gives the revisions before and after.

    `vault` seals what lay in clear; an empty database needs none. Safe to repeat after it was cut
    off. Raises SchemaBusy when a lock is not to be had, SchemaUnknown when another version of the
    code migrated the database, NoKeys where there is something to seal and no vault, NotAllowed
    where the role owns nothing, ThroughPooler for an address that leads through one, and
    SQLAlchemy's OperationalError when the database cannot be reached.
    """
    return _run(url, lambda config: command.upgrade(config, revision), vault)


def downgrade(
    url: str, revision: str, *, vault: Vault | None = None
) -> tuple[str | None, str | None]:
    """Take migrations back down to `revision` ("base" for an empty database).

    `vault` opens what must lie in clear again. Raises SchemaBusy when a lock is not to be had; that
    migration is undone not at all, then. Raises SchemaUnknown and NoKeys as upgrade() does.
    """
    return _run(url, lambda config: command.downgrade(config, revision), vault)


def newest() -> str | None:
    """The revision that this code expects."""
    return ScriptDirectory.from_config(scripts_config()).get_current_head()


def revision_of(database: Database) -> str | None:
    """How far a database is migrated; None before the first migration. Raises as the store does."""
    with database.engine.connect() as connection:
        return _revision(connection)


def _run(
    url: str, action: Callable[[Config], None], vault: Vault | None
) -> tuple[str | None, str | None]:
    database = Database(url)
    try:
        if database.is_pooled:
            raise ThroughPooler(
                "migrations need a connection of their own, and this address leads through a"
                " pooler: give the database's own address in MIGRATION_DATABASE_URL"
            )
        with database.engine.connect() as connection:
            before = _revision(connection)
            must_be_known(before)
            action(scripts_config(connection, vault))
            return before, _revision(connection)
    except OperationalError as error:
        if _is_busy(error):
            raise SchemaBusy(_BUSY) from error
        raise
    except ProgrammingError as error:
        if lacks_right(error):
            raise NotAllowed(_NOT_ALLOWED) from error
        raise
    finally:
        database.dispose()


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return revision


def must_be_known(revision: str | None) -> None:
    """Raises SchemaUnknown for a revision that is none of our migrations'."""
    scripts = ScriptDirectory.from_config(scripts_config())
    known = [script.revision for script in scripts.walk_revisions("base", "heads")]
    if revision is None or revision in known:
        return
    # Revisions are numbers of four digits.
    newest, first = known[0], known[-1]
    if revision < first:
        raise SchemaUnknown(
            f"the database is at {revision}, and migrations of this version begin at {first}: "
            f"bring it to {first} with the version that it ran with until now, then run this again"
        )
    raise SchemaUnknown(
        f"the database is at {revision}, and this version knows migrations up to {newest} only: "
        f"run the newer version that brought it there"
    )


def _is_busy(error: OperationalError) -> bool:
    """A lock was not to be had, or two waited for each other."""
    return getattr(error.orig, "sqlstate", None) in {"55P03", "40P01"}
