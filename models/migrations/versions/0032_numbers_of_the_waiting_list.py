"""Which of our numbers people of the waiting list called: offers leave from it."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_COMMENT = "the number of ours that it came in by; null: the default"


def upgrade() -> None:
    """Nothing is filled in: who waits already is told by the default."""
    steps.add_column("waiting_entry", sa.Column("called", sa.String(16), comment=_COMMENT))


def downgrade() -> None:
    """Offers leave from the one number again."""
    op.drop_column("waiting_entry", "called")
