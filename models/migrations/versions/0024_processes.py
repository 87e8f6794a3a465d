"""Which processes run, and what those beside the web have counted."""

import sqlalchemy as sa

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two tables of their own; no other is touched."""
    op.create_table(
        "process",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False, comment="worker, scheduler, dispatcher"),
        sa.Column("machine", sa.String(60), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False, comment="its last sign of life"),
        sa.Column(
            "ended_at",
            MOMENT,
            nullable=True,
            comment="when it ended by itself; null: it runs, or was killed",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process")),
        if_not_exists=True,
    )
    op.create_index("ix_process_kind", "process", ["kind", "seen_at"], if_not_exists=True)
    op.create_table(
        "measure",
        sa.Column(
            "process", sa.String(12), nullable=False, comment="the kind of those that counted it"
        ),
        sa.Column(
            "series",
            sa.String(300),
            nullable=False,
            comment="JSON: name and labels; nothing personal",
        ),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("at", MOMENT, nullable=False, comment="when it changed last"),
        sa.PrimaryKeyConstraint("process", "series", name=op.f("pk_measure")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Counters begin at nothing again."""
    op.drop_table("measure")
    op.drop_table("process")
