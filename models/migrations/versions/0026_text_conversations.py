"""Conversations by text: which one a number has."""

import sqlalchemy as sa

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of its own; no other is touched."""
    op.create_table(
        "text_conversation",
        sa.Column("phone_idx", sa.LargeBinary(), nullable=False),
        sa.Column(
            "call_id",
            sa.String(40),
            nullable=False,
            comment="what its turns are kept under; it is no call",
        ),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("phone_idx", name=op.f("pk_text_conversation")),
        sa.UniqueConstraint("call_id", name=op.f("uq_text_conversation_call_id")),
        if_not_exists=True,
    )
    op.create_index(
        "ix_text_conversation_began_at", "text_conversation", ["began_at"], if_not_exists=True
    )


def downgrade() -> None:
    """Conversations that go on are begun anew; what was booked stays booked."""
    op.drop_table("text_conversation")
