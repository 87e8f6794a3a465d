"""Whether one comes into a centre with a wheelchair: what its source says, or an operator."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The next import of a file of centres fills the first; until then nothing is told."""
    steps.add_column(
        "centre",
        sa.Column(
            "wheelchair",
            sa.String(3),
            server_default="",
            nullable=False,
            comment="access with one: yes, no, or empty: not told",
        ),
    )
    steps.add_column(
        "centre",
        sa.Column(
            "our_wheelchair",
            sa.String(3),
            nullable=True,
            comment="an operator's word over the source's; null: none",
        ),
    )


def downgrade() -> None:
    """What an operator said goes with the column."""
    op.drop_column("centre", "our_wheelchair")
    op.drop_column("centre", "wheelchair")
