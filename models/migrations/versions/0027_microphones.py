"""An agent's own microphone: since when it is off."""

import sqlalchemy as sa

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column that may be null: the service of the release before goes on without it."""
    op.add_column(
        "leg",
        sa.Column(
            "muted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when its own microphone is off; null: it is heard",
        ),
    )


def downgrade() -> None:
    """Who is muted at that moment stays so at the provider until their line ends."""
    with op.batch_alter_table("leg") as table:
        table.drop_column("muted_at")
