"""Stand-ins for bookings that were asked for twice, and the freeze of cancelling by machine."""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)
# Each index, its table, and the rows that it has.
INDEXES = (
    ("ix_booking_stand_in", "booking", "created_at", "state = 'stand_in'"),
    ("ix_history_cancelled", "history", "at", "what = 'cancelled'"),
)


def upgrade() -> None:
    """Make the table, and the indexes without stopping those who book meanwhile."""
    op.create_table(
        "cancel_freeze",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("began_at", Moment, nullable=False),
        sa.Column("until_at", Moment, nullable=False, comment="put off while the spike goes on"),
        sa.Column(
            "cancelled", sa.Integer(), nullable=False, comment="in the ten minutes before it"
        ),
        sa.Column("lifted_at", Moment, nullable=True),
        sa.Column("lifted_by", sa.String(32), nullable=True, comment="a staff id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cancel_freeze")),
    )
    op.create_index("ix_cancel_freeze_until_at", "cancel_freeze", ["until_at"])
    for name, table, column, where in INDEXES:
        add_index(name, table, [column], where=where)


def downgrade() -> None:
    """Forget freezes, and make a cancelled booking of each stand-in: the release before knows that.

    It has no place in either case.
    """
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    op.drop_table("cancel_freeze")
    stands_in = "state IN ('stand_in', 'stood_down')"
    then = "state = 'cancelled', cancelled_at = coalesce(cancelled_at, created_at)"
    op.execute(f"UPDATE appointment SET state = 'cancelled' WHERE {stands_in}")  # noqa: S608
    op.execute(f"UPDATE booking SET {then} WHERE {stands_in}")  # noqa: S608
