"""How one comes to a centre without an appointment; and whether its position is its town's."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The next import of a file of centres fills both."""
    steps.add_column(
        "centre",
        sa.Column(
            "roughly",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="the position is its town's, for the source has none",
        ),
    )
    steps.add_column(
        "centre",
        sa.Column(
            "walk_in",
            sa.String(4),
            server_default="",
            nullable=False,
            comment="without an appointment: only, also, or empty for not",
        ),
    )


def downgrade() -> None:
    """A position that was its town's is none: where it came from is forgotten with the column."""
    op.execute(sa.text("UPDATE centre SET latitude = NULL, longitude = NULL WHERE roughly"))
    op.drop_column("centre", "walk_in")
    op.drop_column("centre", "roughly")
