"""Which process works where several of a kind run, and files that every machine gives."""

import sqlalchemy as sa

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "process_lease",
        sa.Column("name", sa.String(20), nullable=False, comment="scheduler, dispatcher"),
        sa.Column("holder", sa.String(32), nullable=False, comment="made up by the process"),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False, comment="another may take it from then on"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_process_lease")),
        if_not_exists=True,
    )
    op.create_table(
        "shared_file",
        sa.Column("folder", sa.String(12), nullable=False, comment="feed, assets"),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column(
            "tag", sa.String(32), nullable=False, comment="the beginning of its SHA-256, in hex"
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("wanted_at", MOMENT, nullable=False, comment="when a machine said so last"),
        sa.PrimaryKeyConstraint("folder", "name", "tag", name=op.f("pk_shared_file")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """The feed is written again within a minute, and assets at the next installation."""
    op.drop_table("shared_file")
    op.drop_table("process_lease")
