"""How far a database is migrated, for processes that do not migrate: without Alembic's memory."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

_VERSIONS = Path(__file__).parent / "versions"


def newest_known() -> str:
    """The revision that this code expects: files of migrations begin with theirs, in order."""
    return max(file.name.partition("_")[0] for file in _VERSIONS.glob("[0-9]*_*.py"))


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None where nothing was ever migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return max(found, default=None)
