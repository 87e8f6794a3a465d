"""the web channel and partners: visits, the waiting room, incidents, what partners have."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "arrival",
        sa.Column("opening", sa.String(length=40), nullable=False),
        sa.Column(
            "bucket", sa.Integer(), nullable=False, comment="of the draw below 1024, then seconds"
        ),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("opening", "bucket", name=op.f("pk_arrival")),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "kind", sa.String(length=20), nullable=False, comment="store, overload, partner, told"
        ),
        sa.Column("text_fr", sa.Text(), server_default="", nullable=False),
        sa.Column("text_en", sa.Text(), server_default="", nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("who", sa.String(length=60), nullable=False, comment="system, or who told it"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index("ix_incident_began_at", "incident", ["began_at"], unique=False)
    op.create_table(
        "partner_booking",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "key", sa.String(length=80), nullable=False, comment="the same form twice is one"
        ),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("centre_id", sa.String(length=40), nullable=False),
        sa.Column(
            "state",
            sa.String(length=10),
            nullable=False,
            comment="asked, booked, refused, unsure, undoing, undone",
        ),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column(
            "holder",
            sa.String(length=40),
            nullable=False,
            comment="the name that its places are held under",
        ),
        sa.Column(
            "booking_id",
            sa.String(length=32),
            nullable=True,
            comment="ours, once both sides have it",
        ),
        sa.Column(
            "order_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="JSON: who comes, and how to reach them",
        ),
        sa.Column("patient_ref", sa.String(length=40), server_default="", nullable=False),
        sa.Column(
            "appointment_refs",
            sa.Text(),
            server_default="[]",
            nullable=False,
            comment="JSON, by dose",
        ),
        sa.Column("error", sa.String(length=20), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_booking")),
        sa.UniqueConstraint("key", name=op.f("uq_partner_booking_key")),
    )
    op.create_index(
        "ix_partner_booking_booking_id", "partner_booking", ["booking_id"], unique=False
    )
    op.create_index(
        "ix_partner_booking_state", "partner_booking", ["state", "updated_at"], unique=False
    )
    op.create_table(
        "partner_centre",
        sa.Column("id", sa.String(length=80), nullable=False, comment="doctolib:practice-165752"),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("street", sa.Text(), server_default="", nullable=False),
        sa.Column("postcode", sa.String(length=5), server_default="", nullable=False),
        sa.Column("town", sa.Text(), server_default="", nullable=False),
        sa.Column("territory", sa.String(length=16), server_default="", nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("time_zone", sa.String(length=40), server_default="Europe/Paris", nullable=False),
        sa.Column(
            "phone",
            sa.String(length=20),
            server_default="",
            nullable=False,
            comment="E.164 or short",
        ),
        sa.Column("link", sa.Text(), server_default="", nullable=False),
        sa.Column("phone_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "centre_id",
            sa.String(length=40),
            nullable=True,
            comment="ours; null: not known to be one",
        ),
        sa.Column(
            "matched",
            sa.String(length=8),
            server_default="none",
            nullable=False,
            comment="link, id, likeness, person, unsure, none",
        ),
        sa.Column(
            "candidates",
            sa.Text(),
            server_default="[]",
            nullable=False,
            comment="JSON: [[id, score]]",
        ),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="first free slot known, for the public",
        ),
        sa.Column("free", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "read_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the age of what is known of it",
        ),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_centre")),
    )
    op.create_index("ix_partner_centre_centre_id", "partner_centre", ["centre_id"], unique=False)
    op.create_table(
        "partner_feed",
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "read_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when everything was read last",
        ),
        sa.Column("error", sa.String(length=80), server_default="", nullable=False),
        sa.Column(
            "pause_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="not asked again before",
        ),
        sa.Column(
            "details", sa.Text(), server_default="{}", nullable=False, comment="JSON of counts"
        ),
        sa.PrimaryKeyConstraint("platform", name=op.f("pk_partner_feed")),
    )
    op.create_table(
        "visit",
        sa.Column(
            "id", sa.String(length=40), nullable=False, comment="W and 32 hexadecimal digits"
        ),
        sa.Column(
            "number", sa.Integer(), nullable=False, comment="counts answers; a copy of one is none"
        ),
        sa.Column(
            "step", sa.String(length=24), nullable=False, comment="the question that is asked now"
        ),
        sa.Column(
            "outcome",
            sa.String(length=16),
            server_default="",
            nullable=False,
            comment="booked, waiting, taken_up, ended; empty: goes on",
        ),
        sa.Column("language", sa.String(length=2), server_default="fr", nullable=False),
        sa.Column(
            "body_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="the session and what was typed; erased after 24 h",
        ),
        sa.Column("code_idx", sa.LargeBinary(), nullable=True, comment="to finish it by telephone"),
        sa.Column("code_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "place_idx",
            sa.LargeBinary(),
            nullable=True,
            comment="where it was begun (services.online.attempts.place_of)",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
        sa.UniqueConstraint("code_idx", name=op.f("uq_visit_code_idx")),
    )
    op.create_index(
        "ix_visit_place_idx",
        "visit",
        ["place_idx", "created_at"],
        unique=False,
        postgresql_where=sa.text("place_idx IS NOT NULL"),
        sqlite_where=sa.text("place_idx IS NOT NULL"),
    )
    op.create_index("ix_visit_seen_at", "visit", ["seen_at"], unique=False)
    op.create_table(
        "web_load",
        sa.Column("worker", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="JSON of counts and seconds"),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_web_load")),
    )
    op.create_table(
        "partner_slot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner_centre_id", sa.String(length=80), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dose", sa.SmallInteger(), nullable=False, comment="1, 2, 3; 0: not told"),
        sa.Column("motive", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "bookable_for",
            sa.String(length=20),
            nullable=False,
            comment="public, age, professionals",
        ),
        sa.Column(
            "seconds_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="of the second appointment that comes with it",
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_centre_id"],
            ["partner_centre.id"],
            name=op.f("fk_partner_slot_partner_centre_id_partner_centre"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_slot")),
    )
    op.create_index(
        "uq_partner_slot",
        "partner_slot",
        ["partner_centre_id", "start_at", "dose", "motive"],
        unique=True,
    )
    op.create_table(
        "attendance",
        sa.Column("booking_id", sa.String(length=32), nullable=False),
        sa.Column("dose", sa.SmallInteger(), nullable=False),
        sa.Column(
            "start_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="of the appointment that is meant",
        ),
        sa.Column(
            "state",
            sa.String(length=8),
            nullable=False,
            comment="present, absent; empty: taken back",
        ),
        sa.Column("who", sa.String(length=60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "given_place",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="made for somebody else, who has what an absent left",
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("fk_attendance_booking_id_booking")
        ),
        sa.PrimaryKeyConstraint("booking_id", "dose", name=op.f("pk_attendance")),
    )
    op.create_index("ix_attendance_at", "attendance", ["at"], unique=False)
    op.add_column(
        "phone_line",
        sa.Column(
            "refused_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a text was refused there last, as a landline",
        ),
    )
    op.add_column(
        "phone_line", sa.Column("refusals", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.create_index(
        "ix_queue_entry_owed",
        "queue_entry",
        ["language", "due_at", "joined_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting' AND mode = 'agent'"),
        sqlite_where=sa.text("state = 'waiting' AND mode = 'agent'"),
    )


def downgrade() -> None:
    """Bookings stay; visits that go on, what partners have and who came are lost."""
    op.drop_index(
        "ix_queue_entry_owed",
        table_name="queue_entry",
        postgresql_where=sa.text("state = 'waiting' AND mode = 'agent'"),
        sqlite_where=sa.text("state = 'waiting' AND mode = 'agent'"),
    )
    op.drop_column("phone_line", "refusals")
    op.drop_column("phone_line", "refused_at")
    op.drop_index("ix_attendance_at", table_name="attendance")
    op.drop_table("attendance")
    op.drop_index("uq_partner_slot", table_name="partner_slot")
    op.drop_table("partner_slot")
    op.drop_table("web_load")
    op.drop_index("ix_visit_seen_at", table_name="visit")
    op.drop_index(
        "ix_visit_place_idx",
        table_name="visit",
        postgresql_where=sa.text("place_idx IS NOT NULL"),
        sqlite_where=sa.text("place_idx IS NOT NULL"),
    )
    op.drop_table("visit")
    op.drop_table("partner_feed")
    op.drop_index("ix_partner_centre_centre_id", table_name="partner_centre")
    op.drop_table("partner_centre")
    op.drop_index("ix_partner_booking_state", table_name="partner_booking")
    op.drop_index("ix_partner_booking_booking_id", table_name="partner_booking")
    op.drop_table("partner_booking")
    op.drop_index("ix_incident_began_at", table_name="incident")
    op.drop_table("incident")
    op.drop_table("arrival")
