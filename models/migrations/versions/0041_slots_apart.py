"""Slots that were opened for hours told apart from their centre's."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "opened for hours told apart from the centre's own"
    apart = sa.Column(
        "apart", sa.Boolean, nullable=False, server_default=sa.text("false"), comment=comment
    )
    steps.add_column("slot", apart)


def downgrade() -> None:
    op.drop_column("slot", "apart")
