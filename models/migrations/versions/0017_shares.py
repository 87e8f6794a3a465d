"""By what the holds of a web session count, beside its address: its browser and its number."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0017"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of web sessions that are there it is not known: they hold nothing for long."""
    for name, comment in (
        ("browser_idx", "keyed hash of the browser's own cookie"),
        ("phone_idx", "keyed hash of the number that was typed last"),
    ):
        column = sa.Column(name, sa.LargeBinary(), nullable=True, comment=comment)
        steps.add_column("visit", column)
        steps.add_index(f"ix_visit_{name}", "visit", [name, "seen_at"], where=f"{name} IS NOT NULL")


def downgrade() -> None:
    """Forget by what they counted."""
    for name in ("phone_idx", "browser_idx"):
        steps.drop_index(f"ix_visit_{name}", "visit")
        op.drop_column("visit", name)
