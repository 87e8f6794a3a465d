"""A migration that is made up and comes after the project's own: what the next one can do."""

from __future__ import annotations

import shutil

from pathlib import Path

import pytest

from models.migrations import schema
from models.migrations.schema import newest

# The newest of the project's own migrations, and the one after it.
TODAY = newest()
NEXT = "9999"
NEXT_MIGRATION = """
import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_column, add_index, drop_index

def upgrade():
    add_column(
        "place", sa.Column("share", sa.SmallInteger(), server_default="99", nullable=False)
    )
    add_column("place", sa.Column("shown_at", sa.DateTime(timezone=True)))
    add_column("booking", sa.Column("note_enc", sa.LargeBinary()))
    add_index("ix_place_share", "place", ["centre_id", "share"], where="booking_id IS NULL")
    drop_index("ix_place_booking_id", "place")
    op.create_table(
        "booking_line",
        sa.Column("booking_id", sa.String(32), sa.ForeignKey("booking.id"), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute("INSERT INTO booking_line (booking_id, at) SELECT id, created_at FROM booking")


def downgrade():
    add_index("ix_place_booking_id", "place", ["booking_id"], where="booking_id IS NOT NULL")
    op.drop_table("booking_line")
    op.drop_index("ix_place_share", table_name="place")
    op.drop_column("place", "shown_at")
    op.drop_column("place", "share")
    op.drop_column("booking", "note_enc")
"""


def add_next_migration(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give the project one migration more, for this test; its files are copied into `folder`."""
    copied = folder / "migrations"
    shutil.copytree(schema.FOLDER, copied, ignore=shutil.ignore_patterns("__pycache__"))
    source = f'"""A line for each booking."""\nrevision = "{NEXT}"\ndown_revision = "{TODAY}"\n'
    (copied / "versions" / f"{NEXT}_next.py").write_text(source + NEXT_MIGRATION, "utf-8")
    monkeypatch.setattr(schema, "FOLDER", copied)
    assert newest() == NEXT
