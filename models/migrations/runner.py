"""Bring a database to the newest schema, or say how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from models.database import Database


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def upgrade(url: str, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate the database at `url`; gives the revisions before and after.

    Raises SQLAlchemy's OperationalError when the database cannot be reached.
    """
    return _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> tuple[str | None, str | None]:
    """Take migrations back down to `revision` ("base" for an empty database)."""
    return _run(url, lambda config: command.downgrade(config, revision))


def newest() -> str | None:
    """The revision that this code expects."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _run(url: str, action: Callable[[Config], None]) -> tuple[str | None, str | None]:
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            before = _revision(connection)
            action(_config(connection))
            return before, _revision(connection)
    finally:
        database.dispose()


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return revision
