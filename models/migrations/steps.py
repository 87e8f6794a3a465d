"""What a migration does to large tables while calls go on.

Each step commits by itself, so that no step holds a lock while it waits for another, and looks
whether it was made before: a run that gave up is simply run again.
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

from models.migrations.runner import LOCK_TIMEOUT


def add_column(table: str, column: sa.Column[object]) -> None:
    """Needs the table for itself for an instant, and gives up after LOCK_TIMEOUT."""
    # Asked beforehand, for IF NOT EXISTS needs the table as if it were not there.
    there = op.get_bind().execute(
        sa.text(
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(:table) "
            "AND attname = :name AND NOT attisdropped"
        ),
        {"table": table, "name": column.name},
    )
    if there.scalar():
        return
    with op.get_context().autocommit_block():
        op.add_column(table, column)


def add_index(
    name: str, table: str, columns: list[str], *, where: str | None = None, unique: bool = False
) -> None:
    """Make an index of a large table without stopping its writers, where that is possible."""
    condition = None if where is None else sa.text(where)
    with op.get_context().autocommit_block():
        # It waits for writers without blocking them, so a long wait does no harm here.
        op.execute("SET lock_timeout = 0")
        if not _is_whole(name):
            # One that was cut off while it was made is there, and of no use.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                columns,
                unique=unique,
                postgresql_where=condition,
                postgresql_concurrently=True,
            )
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def drop_index(name: str, table: str) -> None:
    """Remove an index without stopping the table's readers and writers, where that is possible."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _is_whole(index: str) -> bool:
    found = op.get_bind().execute(
        sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"),
        {"name": index},
    )
    return bool(found.scalar())
