"""Bookings of one birth date and postcode, and what the limits of an hour count."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_OF_AN_HOUR = {
    "ix_booking_centre_reach": (["centre_id", "reach", "created_at"], None),
    "ix_booking_prefix_idx": (["prefix_idx", "created_at"], "reach = 'line'"),
    "ix_booking_alike_idx": (["alike_idx", "created_at"], "reach = 'line'"),
}


def upgrade() -> None:
    comment = "keyed hash of birth date and postcode; for 48 hours"
    steps.add_column("booking", sa.Column("alike_idx", sa.LargeBinary, comment=comment))
    for name, (columns, where) in _OF_AN_HOUR.items():
        steps.add_index(name, "booking", columns, where=where)


def downgrade() -> None:
    for name in _OF_AN_HOUR:
        steps.drop_index(name, "booking")
    op.drop_column("booking", "alike_idx")
