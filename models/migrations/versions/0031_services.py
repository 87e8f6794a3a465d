"""Several services: which of them slots serve, and which are done in an appointment."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_LIVE = "state = 'confirmed'"
_SERVES = (
    ("slot", "the bits of those it serves; 0: all"),
    ("place", "as those of its slot"),
)
_ROW_ID = sa.BigInteger()


def upgrade() -> None:
    """What is there serves all, and is of the one service that has no name: it needs no row."""
    op.create_table(
        "service",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column(
            "bit",
            sa.SmallInteger(),
            nullable=False,
            comment="a power of two; slot.services has it",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_service")),
        sa.UniqueConstraint("bit", name=op.f("uq_service_bit")),
        if_not_exists=True,
    )
    for table, comment in _SERVES:
        # A default of the catalogue: no row is written anew.
        column = sa.Column(
            "services", sa.SmallInteger(), nullable=False, server_default="0", comment=comment
        )
        steps.add_column(table, column)
    op.create_table(
        "appointment_for",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("appointment_id", _ROW_ID, nullable=False),
        sa.Column("booking_id", sa.String(32), nullable=False),
        sa.Column("service", sa.String(20), nullable=False),
        sa.Column("campaign", sa.String(40), nullable=False),
        sa.Column("dose", sa.SmallInteger(), nullable=False, comment="of the service"),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column(
            "person_idx",
            sa.LargeBinary(),
            nullable=True,
            comment="as that of an appointment, of this campaign; null without a phone",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_for")),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointment.id"],
            name=op.f("fk_appointment_for_appointment_id_appointment"),
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("fk_appointment_for_booking_id_booking")
        ),
        if_not_exists=True,
    )
    for name, columns, where, unique in (
        (
            "uq_appointment_for_person_dose",
            ["person_idx", "dose"],
            f"{_LIVE} AND person_idx IS NOT NULL",
            True,
        ),
        (
            "uq_appointment_for_booking_service",
            ["booking_id", "service", "dose"],
            _LIVE,
            True,
        ),
        ("ix_appointment_for_booking_id", ["booking_id"], None, False),
        ("ix_appointment_for_appointment_id", ["appointment_id"], None, False),
    ):
        condition = sa.text(where) if where else None
        op.create_index(
            name,
            "appointment_for",
            columns,
            unique=unique,
            postgresql_where=condition,
            if_not_exists=True,
        )


def downgrade() -> None:
    """What is booked stays; the keys of its people go back to their appointments.

    Of two services in one appointment the release before knows the booking's own.
    """
    op.execute(
        """
        UPDATE appointment SET person_idx = (
            SELECT f.person_idx FROM appointment_for f JOIN booking b ON b.id = f.booking_id
            WHERE f.appointment_id = appointment.id AND f.campaign = b.campaign
                AND f.state = appointment.state
            ORDER BY f.id LIMIT 1
        )
        WHERE person_idx IS NULL AND id IN (SELECT appointment_id FROM appointment_for)
        """
    )
    op.drop_table("appointment_for")
    for table, _ in reversed(_SERVES):
        op.drop_column(table, "services")
    op.drop_table("service")
