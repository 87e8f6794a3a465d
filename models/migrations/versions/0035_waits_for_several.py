"""An entry of the waiting list may be for several services; what a partner's slots are for.

Nothing is filled in: who waits already waits for the one that the row names, and what is known of a
partner is for whatever its operator gives, as before.
"""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_BESIDE = "other campaigns of the same appointment, each between commas; null: none"
_SERVICE = "what its slots are for; empty: for the one service without a name"


def upgrade() -> None:
    """Two columns that may be empty: an earlier release writes rows beside this one."""
    steps.add_column("waiting_entry", sa.Column("beside", sa.String(200), comment=_BESIDE))
    steps.add_column(
        "partner_centre",
        sa.Column("service", sa.String(20), nullable=False, server_default="", comment=_SERVICE),
    )


def downgrade() -> None:
    """Who waits for several waits for the first of them again."""
    op.drop_column("partner_centre", "service")
    op.drop_column("waiting_entry", "beside")
