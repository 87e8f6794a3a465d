"""first tables."""

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call",
        sa.Column(
            "id", sa.String(length=40), nullable=False, comment="the provider's id of the call"
        ),
        sa.Column(
            "caller_enc", sa.LargeBinary(), nullable=True, comment="null: withheld, or erased"
        ),
        sa.Column("caller_idx", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_rank", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call")),
    )
    op.create_index("ix_call_caller_idx", "call", ["caller_idx"], unique=False)
    op.create_index(
        "ix_call_started_at", "call", ["started_at"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "centre",
        sa.Column("id", sa.String(length=40), nullable=False, comment="gid of the official file"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("street", sa.Text(), server_default="", nullable=False),
        sa.Column("postcode", sa.String(length=5), nullable=False),
        sa.Column("insee", sa.String(length=5), server_default="", nullable=False),
        sa.Column("town", sa.Text(), nullable=False),
        sa.Column("departement", sa.String(length=3), nullable=False),
        sa.Column(
            "territory",
            sa.String(length=16),
            nullable=False,
            comment="land that no sea cuts: see models.centres.geography",
        ),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("time_zone", sa.String(length=40), nullable=False),
        sa.Column(
            "phones",
            sa.Text(),
            server_default="[]",
            nullable=False,
            comment="JSON list, E.164 or short numbers",
        ),
        sa.Column("booking_link", sa.Text(), server_default="", nullable=False),
        sa.Column("booking_mode", sa.String(length=10), nullable=False),
        sa.Column(
            "hours",
            sa.Text(),
            server_default="{}",
            nullable=False,
            comment='JSON {"0": [["09:00","12:00"]]}, 0 = Monday',
        ),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("opens_on", sa.Date(), nullable=True),
        sa.Column("closes_on", sa.Date(), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column(
            "fingerprint",
            sa.String(length=64),
            nullable=False,
            comment="hash of what the source said; equal = unchanged",
        ),
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="gone from the source; never deleted, bookings point here",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "booking_mode IN ('ours', 'partner', 'own_phone', 'reserved')",
            name=op.f("ck_centre_booking_mode"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centre")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=20),
            nullable=False,
            comment="sms, callback, …: later issues add kinds, not tables",
        ),
        sa.Column("dedupe_key", sa.String(length=80), nullable=False),
        sa.Column("booking_id", sa.String(length=32), nullable=True),
        sa.Column("call_id", sa.String(length=40), nullable=True),
        sa.Column("recipient_enc", sa.LargeBinary(), nullable=True),
        sa.Column("recipient_idx", sa.LargeBinary(), nullable=True),
        sa.Column(
            "payload_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="JSON: what the kind needs to be delivered",
        ),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_sid", sa.String(length=40), nullable=True),
        sa.Column("error_code", sa.String(length=12), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_message_dedupe_key")),
    )
    op.create_index("ix_message_provider_sid", "message", ["provider_sid"], unique=False)
    op.create_index("ix_message_recipient_idx", "message", ["recipient_idx"], unique=False)
    op.create_index(
        "ix_message_unsent",
        "message",
        ["kind", "due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
        sqlite_where=sa.text("state IN ('pending', 'sending')"),
    )
    op.create_table(
        "postcode",
        sa.Column("code", sa.String(length=5), nullable=False),
        sa.Column("main_town", sa.Text(), nullable=False),
        sa.Column(
            "towns",
            sa.Text(),
            nullable=False,
            comment="JSON list of {insee, name, departement, latitude, longitude}",
        ),
        sa.Column("departement", sa.String(length=3), nullable=False, comment="of the main town"),
        sa.Column("territory", sa.String(length=16), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_postcode")),
    )
    op.create_table(
        "turn",
        sa.Column("call_id", sa.String(length=40), nullable=False),
        sa.Column(
            "number", sa.SmallInteger(), nullable=False, comment="0 is the answer to the ring"
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "step",
            sa.String(length=24),
            nullable=False,
            comment="where the call is after this turn",
        ),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column(
            "body_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="what was heard, the session after it, the answer; erased after 24 h",
        ),
        sa.PrimaryKeyConstraint("call_id", "number", name=op.f("pk_turn")),
    )
    op.create_index("ix_turn_at", "turn", ["at"], unique=False, postgresql_using="brin")
    op.create_table(
        "booking",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("reference_enc", sa.LargeBinary(), nullable=True),
        sa.Column("reference_idx", sa.LargeBinary(), nullable=True),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("centre_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("call_id", sa.String(length=40), nullable=True),
        sa.Column("dob_enc", sa.LargeBinary(), nullable=True),
        sa.Column("dob_idx", sa.LargeBinary(), nullable=True),
        sa.Column("phone_enc", sa.LargeBinary(), nullable=True),
        sa.Column("phone_idx", sa.LargeBinary(), nullable=True),
        sa.Column("postcode", sa.String(length=5), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "last_start_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="retention counts from here",
        ),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["centre_id"], ["centre.id"], name=op.f("fk_booking_centre_id_centre")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_booking_idempotency_key")),
        sa.UniqueConstraint("reference_idx", name=op.f("uq_booking_reference_idx")),
    )
    op.create_index("ix_booking_dob_idx", "booking", ["dob_idx"], unique=False)
    op.create_index("ix_booking_last_start_at", "booking", ["last_start_at"], unique=False)
    op.create_index("ix_booking_phone_idx", "booking", ["phone_idx"], unique=False)
    op.create_table(
        "slot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("centre_id", sa.String(length=40), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_slot_capacity")),
        sa.ForeignKeyConstraint(
            ["centre_id"], ["centre.id"], name=op.f("fk_slot_centre_id_centre")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot")),
        sa.UniqueConstraint("centre_id", "start_at", name=op.f("uq_slot_centre_id_start_at")),
    )
    op.create_table(
        "place",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "number", sa.SmallInteger(), nullable=False, comment="1 to the capacity of the slot"
        ),
        sa.Column("centre_id", sa.String(length=40), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column(
            "held_by",
            sa.String(length=40),
            nullable=True,
            comment="the call, web session or desk that holds it",
        ),
        sa.Column(
            "hold_expires_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="renewed by each turn of a live call",
        ),
        sa.Column(
            "hold_limit_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="no renewal goes beyond this",
        ),
        sa.Column("booking_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["booking_id"],
            ["booking.id"],
            name=op.f("fk_place_booking_id_booking"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name=op.f("fk_place_slot_id_slot")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_place")),
        sa.UniqueConstraint("slot_id", "number", name=op.f("uq_place_slot_id_number")),
    )
    op.create_index(
        "ix_place_booking_id",
        "place",
        ["booking_id"],
        unique=False,
        postgresql_where=sa.text("booking_id IS NOT NULL"),
        sqlite_where=sa.text("booking_id IS NOT NULL"),
    )
    op.create_index(
        "ix_place_held_by",
        "place",
        ["held_by"],
        unique=False,
        postgresql_where=sa.text("held_by IS NOT NULL"),
        sqlite_where=sa.text("held_by IS NOT NULL"),
    )
    op.create_index(
        "ix_place_open",
        "place",
        ["centre_id", "start_at", "id"],
        unique=False,
        postgresql_where=sa.text("booking_id IS NULL"),
        sqlite_where=sa.text("booking_id IS NULL"),
    )
    op.create_table(
        "appointment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("booking_id", sa.String(length=32), nullable=False),
        sa.Column("dose", sa.SmallInteger(), nullable=False),
        sa.Column("place_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("centre_id", sa.String(length=40), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("fk_appointment_booking_id_booking")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_appointment_place_id_place")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment")),
    )
    op.create_index(
        "uq_appointment_booking_dose",
        "appointment",
        ["booking_id", "dose"],
        unique=True,
        postgresql_where=sa.text("state = 'confirmed'"),
        sqlite_where=sa.text("state = 'confirmed'"),
    )
    op.create_index(
        "uq_appointment_place",
        "appointment",
        ["place_id"],
        unique=True,
        postgresql_where=sa.text("state = 'confirmed'"),
        sqlite_where=sa.text("state = 'confirmed'"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_appointment_place",
        table_name="appointment",
        postgresql_where=sa.text("state = 'confirmed'"),
        sqlite_where=sa.text("state = 'confirmed'"),
    )
    op.drop_index(
        "uq_appointment_booking_dose",
        table_name="appointment",
        postgresql_where=sa.text("state = 'confirmed'"),
        sqlite_where=sa.text("state = 'confirmed'"),
    )
    op.drop_table("appointment")
    op.drop_index(
        "ix_place_open",
        table_name="place",
        postgresql_where=sa.text("booking_id IS NULL"),
        sqlite_where=sa.text("booking_id IS NULL"),
    )
    op.drop_index(
        "ix_place_held_by",
        table_name="place",
        postgresql_where=sa.text("held_by IS NOT NULL"),
        sqlite_where=sa.text("held_by IS NOT NULL"),
    )
    op.drop_index(
        "ix_place_booking_id",
        table_name="place",
        postgresql_where=sa.text("booking_id IS NOT NULL"),
        sqlite_where=sa.text("booking_id IS NOT NULL"),
    )
    op.drop_table("place")
    op.drop_table("slot")
    op.drop_index("ix_booking_phone_idx", table_name="booking")
    op.drop_index("ix_booking_last_start_at", table_name="booking")
    op.drop_index("ix_booking_dob_idx", table_name="booking")
    op.drop_table("booking")
    op.drop_index("ix_turn_at", table_name="turn", postgresql_using="brin")
    op.drop_table("turn")
    op.drop_table("postcode")
    op.drop_index(
        "ix_message_unsent",
        table_name="message",
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
        sqlite_where=sa.text("state IN ('pending', 'sending')"),
    )
    op.drop_index("ix_message_recipient_idx", table_name="message")
    op.drop_index("ix_message_provider_sid", table_name="message")
    op.drop_table("message")
    op.drop_table("centre")
    op.drop_index("ix_call_started_at", table_name="call", postgresql_using="brin")
    op.drop_index("ix_call_caller_idx", table_name="call")
    op.drop_table("call")
