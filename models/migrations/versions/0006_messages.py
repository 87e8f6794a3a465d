"""every promise reaches the person: how messages go, what lines can get, planned reminders."""

import sqlalchemy as sa

from alembic import op

from models.migrations.runner import LOCK_TIMEOUT

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_message_booking_id": ("message", ["booking_id"]),
    "ix_message_sent_at": ("message", ["sent_at"]),
    "ix_appointment_start_at": ("appointment", ["start_at"]),
}
_OF_CALLS = {
    "ix_queue_entry_message_id": ("message_id", "message_id IS NOT NULL"),
    "ix_queue_entry_gave_way": (
        "joined_at",
        "message_id IS NOT NULL AND outcome IN ('displaced', 'merged')",
    ),
}


def upgrade() -> None:
    # Outside the transaction on PostgreSQL, each by itself: run again, they look what is there.
    for name, (table, columns) in _INDEXES.items():
        _index(name, table, columns)
    op.add_column(
        "message",
        sa.Column(
            "topic",
            sa.String(length=20),
            server_default="",
            nullable=False,
            comment="what it tells of: confirmation, reminder, offer … (services.messages.topics)",
        ),
    )
    op.add_column(
        "message",
        sa.Column("way", sa.String(length=5), nullable=True, comment="text or call, once it went"),
    )
    op.add_column(
        "message", sa.Column("parts", sa.SmallInteger(), nullable=True, comment="of a text")
    )
    op.add_column(
        "message", sa.Column("seconds", sa.Integer(), nullable=True, comment="of calls, as billed")
    )
    op.add_column(
        "booking",
        sa.Column("language", sa.String(length=2), server_default="fr", nullable=False),
    )
    op.add_column(
        "booking",
        sa.Column(
            "calls",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="wants to be rung: the same evening, and before the appointment",
        ),
    )
    op.add_column(
        "queue_entry",
        sa.Column(
            "message_id",
            sa.String(length=32),
            nullable=True,
            comment="the message that this call delivers",
        ),
    )
    op.add_column("agent_case", sa.Column("message_id", sa.String(length=32), nullable=True))
    # Nothing is in them on the day on which they are made.
    for name, (column, which) in _OF_CALLS.items():
        predicate = sa.text(which)
        op.create_index(
            name,
            "queue_entry",
            [column],
            postgresql_where=predicate,
            sqlite_where=predicate,
        )
    op.add_column(
        "leg",
        sa.Column(
            "seconds",
            sa.Integer(),
            nullable=True,
            comment="how long it lasted, as billed; null: not told so far",
        ),
    )
    op.create_table(
        "phone_line",
        sa.Column("phone_idx", sa.LargeBinary(), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=10),
            nullable=False,
            comment="mobile, landline, voip, none; empty: as its number says",
        ),
        sa.Column("source", sa.String(length=8), nullable=False, comment="lookup, refusal, sms"),
        sa.Column("looked_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "stopped_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="wants no texts since",
        ),
        sa.Column(
            "wrong_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="said to be somebody else's",
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("phone_idx", name=op.f("pk_phone_line")),
    )
    op.create_index("ix_phone_line_updated_at", "phone_line", ["updated_at"], unique=False)
    op.create_table(
        "reminder_plan",
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("time_zone", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="of those appointments, by that zone"),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "what", "campaign", "time_zone", "day", name=op.f("pk_reminder_plan")
        ),
    )
    op.create_table(
        "waiting_offer",
        sa.Column(
            "id",
            sa.String(length=32),
            nullable=False,
            comment="of the message that tells of it",
        ),
        sa.Column("entry_id", sa.String(length=32), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("class_rank", sa.SmallInteger(), nullable=False),
        sa.Column(
            "waits_since",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="its place in the order, then",
        ),
        sa.Column("slot_id", sa.BigInteger(), nullable=False, comment="of the first appointment"),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "tells_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="its time counts from then",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.String(length=8),
            server_default="",
            nullable=False,
            comment="taken, refused, lapsed, untold, booked, left, gone",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_offer")),
    )
    op.create_index("ix_waiting_offer_entry_id", "waiting_offer", ["entry_id"], unique=False)
    op.create_index("ix_waiting_offer_ended_at", "waiting_offer", ["ended_at"], unique=False)
    _offered_phone()


def downgrade() -> None:
    """What only this schema knows is lost: languages, wishes to be rung, what lines can get."""
    op.drop_index("ix_waiting_entry_offered_phone", table_name="waiting_entry")
    op.drop_table("waiting_offer")
    op.drop_table("reminder_plan")
    op.drop_index("ix_phone_line_updated_at", table_name="phone_line")
    op.drop_table("phone_line")
    op.drop_column("leg", "seconds")
    for name in _OF_CALLS:
        op.drop_index(name, table_name="queue_entry")
    op.drop_column("agent_case", "message_id")
    op.drop_column("queue_entry", "message_id")
    op.drop_column("booking", "calls")
    op.drop_column("booking", "language")
    for column in ("seconds", "parts", "way", "topic"):
        op.drop_column("message", column)
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table_name=table)


def _offered_phone() -> None:
    # Few are offered something at a time, so that it is made at once.
    offered = sa.text("state = 'offered'")
    op.create_index(
        "ix_waiting_entry_offered_phone",
        "waiting_entry",
        ["phone_idx"],
        unique=False,
        postgresql_where=offered,
        sqlite_where=offered,
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _index(name: str, table: str, columns: list[str]) -> None:
    """Make an index without stopping those who write, where that is possible."""
    if _is_sqlite():
        op.create_index(name, table, columns)
        return
    with op.get_context().autocommit_block():
        # It waits for writers that it does not hold up: here, patience costs nobody anything.
        op.execute("SET lock_timeout = 0")
        if not _is_whole(name):
            # One that was cut off while it was made is there, and of no use.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, columns, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _is_whole(index: str) -> bool:
    found = op.get_bind().execute(
        sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"),
        {"name": index},
    )
    return bool(found.scalar())
