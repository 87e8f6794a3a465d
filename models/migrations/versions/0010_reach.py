"""What proved that a booking's number is reached, and codes that are typed back to prove it."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ROW_ID = sa.BigInteger()


def upgrade() -> None:
    """Of bookings that are there it is not known: null, as an older version writes meanwhile."""
    for column in (
        sa.Column(
            "reach",
            sa.String(8),
            nullable=True,
            comment="what proved its number: line, code, agent; empty: nothing;"
            " null: of an earlier version",
        ),
        sa.Column(
            "place_idx",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of the client address or the line that booked on a number"
            " without a proof",
        ),
    ):
        steps.add_column("booking", column)
    op.create_table(
        "reach_code",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("visit_id", sa.String(40), nullable=False),
        sa.Column("phone_idx", sa.LargeBinary(), nullable=False),
        sa.Column(
            "phone_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="the number, as long as the code waits to be sent",
        ),
        sa.Column("language", sa.String(2), server_default="fr", nullable=False),
        sa.Column(
            "place_idx",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of the client address that asked for it",
        ),
        sa.Column(
            "code_idx",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of web session, number and code; null: not sent yet",
        ),
        sa.Column(
            "tries",
            sa.SmallInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="how often a code was typed back",
        ),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column(
            "sent_at",
            MOMENT,
            nullable=True,
            comment="null: others of its address are out and were not typed back",
        ),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("proved_at", MOMENT, nullable=True, comment="when it was typed back"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reach_code")),
        if_not_exists=True,
    )
    for name, columns, where in (
        ("ix_reach_code_visit_id", ["visit_id"], None),
        ("ix_reach_code_phone_idx", ["phone_idx", "asked_at"], None),
        ("ix_reach_code_place_idx", ["place_idx", "asked_at"], "place_idx IS NOT NULL"),
        ("ix_reach_code_asked_at", ["asked_at"], None),
    ):
        condition = None if where is None else sa.text(where)
        op.create_index(
            name,
            "reach_code",
            columns,
            postgresql_where=condition,
            if_not_exists=True,
        )
    steps.add_index(
        "ix_booking_unproved_dob", "booking", ["dob_idx", "created_at"], where="reach = ''"
    )
    steps.add_index(
        "ix_booking_place_idx",
        "booking",
        ["place_idx", "created_at"],
        where="place_idx IS NOT NULL",
    )


def downgrade() -> None:
    """Forget who proved to be there."""
    steps.drop_index("ix_booking_place_idx", "booking")
    steps.drop_index("ix_booking_unproved_dob", "booking")
    op.drop_table("reach_code")
    op.drop_column("booking", "place_idx")
    op.drop_column("booking", "reach")
