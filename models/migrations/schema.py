"""How far a database is migrated, and how far this code goes: without Alembic's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

# Where env.py and the migrations are.
FOLDER = Path(__file__).parent
# The last commit with the steps before the first migration; it brings any database up to that.
LAST_WITH_STEPS: Final = "24282002"


class SchemaUnknown(Exception):
    """One sentence: the database is where none of our migrations begins or ends, and what to do."""


def newest() -> str:
    """The revision that this code expects."""
    return _known()[-1]


def _known() -> list[str]:
    """Files of migrations begin with their revision, a number of four digits."""
    return sorted(file.name.partition("_")[0] for file in FOLDER.glob("versions/[0-9]*_*.py"))


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None where nothing was ever migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return max(found, default=None)


def known_revision(connection: Connection) -> str | None:
    """The same. Raises SchemaUnknown for a revision that is none of our migrations'."""
    found, known = revision(connection), _known()
    if found is None or found in known:
        return found
    if found < known[0]:
        raise SchemaUnknown(
            f"the database is at {found}, and migrations of this version begin at {known[0]}: run"
            f" `flask migrate` of commit {LAST_WITH_STEPS} first, the last version that leads"
            " there, then run this again"
        )
    raise SchemaUnknown(
        f"the database is at {found}, and this version knows migrations up to {known[-1]} only: "
        f"run the newer version that brought it there"
    )
