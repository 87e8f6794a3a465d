"""A day of reminders is written in parts that processes share; turns are erased in bites."""

import sqlalchemy as sa

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two tables of their own; a day that was written before has no parts left."""
    op.create_table(
        "reminder_part",
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("campaign", sa.String(40), nullable=False),
        sa.Column("time_zone", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="as that of the plan"),
        sa.Column("number", sa.Integer(), nullable=False, comment="from 0, in the order of time"),
        sa.Column(
            "begins_at",
            MOMENT,
            nullable=False,
            comment="of the first appointment, or when the first booking was made",
        ),
        sa.Column(
            "begins_id",
            sa.BigInteger(),
            nullable=False,
            comment="of the first appointment among those that start then",
        ),
        sa.Column(
            "ends_at",
            MOMENT,
            nullable=False,
            comment="like begins_at, of the first that is not in it",
        ),
        sa.Column("ends_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "what", "campaign", "time_zone", "day", "number", name=op.f("pk_reminder_part")
        ),
        if_not_exists=True,
    )
    op.create_table(
        "erasure",
        sa.Column("step", sa.String(24), nullable=False),
        sa.Column("reached", MOMENT, nullable=False, comment="what is older is erased"),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_erasure")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """What was not written of a day stays unwritten: an earlier version takes it for written."""
    op.drop_table("erasure")
    op.drop_table("reminder_part")
