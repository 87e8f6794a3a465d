"""A freeze of what leaves after a restore, and texts of which a restored store knows nothing."""

import sqlalchemy as sa

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; nothing is frozen by that."""
    op.create_table(
        "outbox_freeze",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(6), nullable=False, comment="frozen, ended"),
        sa.Column(
            "since_at",
            MOMENT,
            nullable=False,
            comment="from when on the provider is asked: before the back-up ended",
        ),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column(
            "began_by",
            sa.String(60),
            nullable=False,
            comment="operator and the account of the machine",
        ),
        sa.Column(
            "reconciled_at",
            MOMENT,
            nullable=True,
            comment="when all that the provider lists was last looked at",
        ),
        sa.Column(
            "counts",
            sa.Text(),
            server_default="{}",
            nullable=False,
            comment="JSON: what came of it; nothing personal",
        ),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(60), nullable=True, comment="like began_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_freeze")),
        if_not_exists=True,
    )
    frozen = sa.text("state = 'frozen'")
    op.create_index(
        "uq_outbox_freeze_frozen",
        "outbox_freeze",
        ["state"],
        unique=True,
        postgresql_where=frozen,
        if_not_exists=True,
    )
    op.create_table(
        "lost_text",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column(
            "kind",
            sa.String(4),
            nullable=False,
            comment="text, rang: we rang and somebody answered, came: a call to us",
        ),
        sa.Column("provider_sid", sa.String(40), nullable=False),
        sa.Column("number_enc", sa.LargeBinary(), nullable=True),
        sa.Column("number_idx", sa.LargeBinary(), nullable=True),
        sa.Column(
            "body_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="what was written; null for a call",
        ),
        sa.Column("at", MOMENT, nullable=False, comment="when it left, or the call began"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lost_text")),
        sa.UniqueConstraint("provider_sid", name=op.f("uq_lost_text_provider_sid")),
        if_not_exists=True,
    )
    for column in ("case_id", "number_idx", "created_at"):
        name = f"ix_lost_text_{column}"
        op.create_index(name, "lost_text", [column], if_not_exists=True)


def downgrade() -> None:
    """Forget which restores there were, and the texts of their cases."""
    op.drop_table("lost_text")
    op.drop_table("outbox_freeze")
