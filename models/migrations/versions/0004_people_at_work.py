"""people at work: staff, the queue, their desks, and what screens show."""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The national queues, without which nobody could wait for a person.
LANGUAGES = ("fr", "en")


def upgrade() -> None:
    op.create_table(
        "agent_queue",
        sa.Column("id", sa.String(length=40), nullable=False, comment="fr, en, fr-bretagne"),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column(
            "region",
            sa.String(length=60),
            server_default="",
            nullable=False,
            comment="empty: national",
        ),
        sa.Column(
            "state",
            sa.String(length=14),
            server_default="hours",
            nullable=False,
            comment="hours, open, callback_only, closed",
        ),
        sa.Column(
            "overflow_minutes",
            sa.SmallInteger(),
            server_default=sa.text("3"),
            nullable=False,
            comment="after these the national queue of the language takes its callers too",
        ),
        sa.Column(
            "announcement",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="said to who waits",
        ),
        sa.Column(
            "provider_sid",
            sa.String(length=40),
            nullable=True,
            comment="the provider's queue; null: not made yet",
        ),
        sa.Column("max_size", sa.Integer(), server_default=sa.text("5000"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_queue")),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="of which state ALERT_WEBHOOK_URL took the news",
        ),
        sa.Column("seen_by", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index(
        "uq_alert_raised",
        "alert",
        ["name"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "board_setting",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("who", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_board_setting")),
    )
    op.create_table(
        "intent",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False, comment="the same twice is one"),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("staff_id", sa.String(length=32), nullable=True),
        sa.Column("entry_id", sa.String(length=32), nullable=True),
        sa.Column("leg_id", sa.String(length=32), nullable=True),
        sa.Column("arguments_enc", sa.LargeBinary(), nullable=True, comment="JSON"),
        sa.Column(
            "state", sa.String(length=8), nullable=False, comment="pending, doing, done, failed"
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.String(length=12), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent")),
        sa.UniqueConstraint("key", name=op.f("uq_intent_key")),
    )
    op.create_index("ix_intent_entry_id", "intent", ["entry_id"], unique=False)
    op.create_index(
        "ix_intent_undone",
        "intent",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'doing')"),
        sqlite_where=sa.text("state IN ('pending', 'doing')"),
    )
    op.create_table(
        "leg",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=10),
            nullable=False,
            comment="agent, supervisor, callback, third",
        ),
        sa.Column("staff_id", sa.String(length=32), nullable=True),
        sa.Column("entry_id", sa.String(length=32), nullable=True),
        sa.Column("provider_sid", sa.String(length=40), nullable=True),
        sa.Column(
            "state",
            sa.String(length=10),
            nullable=False,
            comment="asked, ringing, answered, joined, ended",
        ),
        sa.Column(
            "mode",
            sa.String(length=10),
            server_default="",
            nullable=False,
            comment="listen, whisper, join",
        ),
        sa.Column("to_enc", sa.LargeBinary(), nullable=True),
        sa.Column("outcome", sa.String(length=20), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leg")),
        sa.UniqueConstraint("provider_sid", name=op.f("uq_leg_provider_sid")),
    )
    op.create_index(op.f("ix_leg_entry_id"), "leg", ["entry_id"], unique=False)
    op.create_index("ix_leg_ended_at", "leg", ["ended_at", "kind"], unique=False)
    op.create_table(
        "rate_bucket",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_bucket")),
    )
    op.create_table(
        "snapshot",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "tag",
            sa.String(length=40),
            nullable=False,
            comment="hash of the body: equal = unchanged",
        ),
        sa.Column(
            "body",
            sa.Text(),
            nullable=False,
            comment="JSON; ids, words and counts, nothing personal",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_snapshot")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("login", sa.String(length=60), nullable=False, comment="lower case"),
        sa.Column("name", sa.Text(), nullable=False, comment="as colleagues see it"),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False, comment="argon2id"),
        sa.Column(
            "password_temporary",
            sa.Boolean(),
            server_default=sa.text("(false)"),
            nullable=False,
            comment="given by somebody else, to be changed at the next sign-in",
        ),
        sa.Column(
            "demonstration",
            sa.Boolean(),
            server_default=sa.text("(false)"),
            nullable=False,
            comment="its password is in the README",
        ),
        sa.Column(
            "totp_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="secret of the second factor; null: none yet",
        ),
        sa.Column(
            "totp_step",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="last used",
        ),
        sa.Column(
            "phone_enc", sa.LargeBinary(), nullable=True, comment="their own telephone, E.164"
        ),
        sa.Column(
            "languages",
            sa.String(length=20),
            server_default="fr",
            nullable=False,
            comment="by spaces",
        ),
        sa.Column(
            "centre_id",
            sa.String(length=40),
            nullable=True,
            comment="of a secretary; null: all centres",
        ),
        sa.Column(
            "sessions_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="sessions that began before are over: sign-out everywhere moves it",
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "role IN ('agent', 'supervisor', 'secretary', 'operator')", name=op.f("ck_staff_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("login", name=op.f("uq_staff_login")),
    )
    op.create_table(
        "staff_act",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "staff_id", sa.String(length=32), nullable=False, comment="or a word: system, operator"
        ),
        sa.Column("what", sa.String(length=24), nullable=False),
        sa.Column(
            "subject",
            sa.String(length=60),
            nullable=False,
            comment="id of a call, booking, queue, staff",
        ),
        sa.Column("why", sa.String(length=120), nullable=False),
        sa.Column(
            "details", sa.Text(), nullable=False, comment="JSON of ids and words; nothing personal"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_act")),
    )
    op.create_index("ix_staff_act_at", "staff_act", ["at"], unique=False)
    op.create_index("ix_staff_act_subject", "staff_act", ["subject"], unique=False)
    op.create_table(
        "tally",
        sa.Column(
            "at", sa.DateTime(timezone=True), nullable=False, comment="when the quarter begins"
        ),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("at", "name", "label", name=op.f("pk_tally")),
    )
    op.create_table(
        "agent",
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.Column(
            "state",
            sa.String(length=10),
            nullable=False,
            comment="offline, ready, reserved, talking, wrapup, paused",
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "reason", sa.String(length=40), server_default="", nullable=False, comment="of a pause"
        ),
        sa.Column(
            "then_pause",
            sa.String(length=40),
            nullable=True,
            comment="a pause asked for while busy: after this call",
        ),
        sa.Column("entry_id", sa.String(length=32), nullable=True),
        sa.Column(
            "voice",
            sa.String(length=8),
            server_default="browser",
            nullable=False,
            comment="browser, phone",
        ),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the desk's page asked last",
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_agent_staff_id_staff")),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_agent")),
    )
    op.create_table(
        "agent_queue_member",
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.Column("queue_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["queue_id"],
            ["agent_queue.id"],
            name=op.f("fk_agent_queue_member_queue_id_agent_queue"),
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_agent_queue_member_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("staff_id", "queue_id", name=op.f("pk_agent_queue_member")),
    )
    op.create_table(
        "queue_entry",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("queue_id", sa.String(length=40), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=8),
            nullable=False,
            comment="call: on the line; callback: promised",
        ),
        sa.Column(
            "state",
            sa.String(length=10),
            nullable=False,
            comment="waiting, kept, reserved, talking, wrapup, done, left, lost",
        ),
        sa.Column(
            "call_id",
            sa.String(length=40),
            nullable=True,
            comment="the caller's call of now; null: not rung yet",
        ),
        sa.Column(
            "origin_call_id",
            sa.String(length=40),
            nullable=True,
            comment="the call that holds what was said and typed",
        ),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("departement", sa.String(length=3), nullable=True),
        sa.Column("phone_enc", sa.LargeBinary(), nullable=True),
        sa.Column("phone_idx", sa.LargeBinary(), nullable=True),
        sa.Column(
            "known_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="JSON: what was given, beyond the life of turns",
        ),
        sa.Column("reason", sa.String(length=40), server_default="", nullable=False),
        sa.Column(
            "mode",
            sa.String(length=8),
            server_default="agent",
            nullable=False,
            comment="agent; machine: a callback that goes on without anybody",
        ),
        sa.Column(
            "joined_at", sa.DateTime(timezone=True), nullable=False, comment="the place in the line"
        ),
        sa.Column(
            "overflow_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="from then on the national queue takes it too",
        ),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="a callback is not made before",
        ),
        sa.Column(
            "expected_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a callback: when it was promised for, at the latest",
        ),
        sa.Column(
            "told_seconds", sa.Integer(), nullable=True, comment="the wait that was told first"
        ),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_id", sa.String(length=32), nullable=True),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "held_at", sa.DateTime(timezone=True), nullable=True, comment="on hold since; null: not"
        ),
        sa.Column("conference_sid", sa.String(length=40), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=20), server_default="", nullable=False),
        sa.Column("wrapup_code", sa.String(length=24), server_default="", nullable=False),
        sa.Column("note_enc", sa.LargeBinary(), nullable=True),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["agent_queue.id"], name=op.f("fk_queue_entry_queue_id_agent_queue")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_entry")),
    )
    op.create_index(
        "ix_queue_entry_busy",
        "queue_entry",
        ["state", "staff_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('reserved', 'talking', 'wrapup', 'kept')"),
        sqlite_where=sa.text("state IN ('reserved', 'talking', 'wrapup', 'kept')"),
    )
    op.create_index("ix_queue_entry_created_at", "queue_entry", ["created_at"], unique=False)
    op.create_index(
        "ix_queue_entry_line",
        "queue_entry",
        ["queue_id", "joined_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_queue_entry_origin", "queue_entry", ["origin_call_id"], unique=False)
    op.create_index(
        "ix_queue_entry_phone", "queue_entry", ["phone_idx", "created_at"], unique=False
    )
    op.create_index(
        "uq_queue_entry_call",
        "queue_entry",
        ["call_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'kept', 'reserved', 'talking')"),
        sqlite_where=sa.text("state IN ('waiting', 'kept', 'reserved', 'talking')"),
    )
    op.create_index(
        "uq_queue_entry_promise",
        "queue_entry",
        ["phone_idx"],
        unique=True,
        postgresql_where=sa.text(
            "kind = 'callback' AND state IN ('waiting', 'kept', 'reserved', 'talking')"
        ),
        sqlite_where=sa.text(
            "kind = 'callback' AND state IN ('waiting', 'kept', 'reserved', 'talking')"
        ),
    )
    op.create_table(
        "staff_session",
        sa.Column(
            "token_idx", sa.LargeBinary(), nullable=False, comment="hash; the browser has the token"
        ),
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "strong_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the second factor was given; null: not yet",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_staff_session_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("token_idx", name=op.f("pk_staff_session")),
    )
    op.create_index(op.f("ix_staff_session_staff_id"), "staff_session", ["staff_id"], unique=False)
    op.create_index("ix_queue_entry_answered_at", "queue_entry", ["answered_at"], unique=False)
    op.create_index("ix_queue_entry_ended_at", "queue_entry", ["ended_at"], unique=False)
    op.create_index("ix_call_ended_at", "call", ["ended_at"], unique=False)
    op.create_index("ix_booking_created_at", "booking", ["created_at"], unique=False)
    op.create_index(
        "ix_message_undelivered",
        "message",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'undelivered')"),
        sqlite_where=sa.text("state IN ('failed', 'undelivered')"),
    )
    _append_only()
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'" if _is_sqlite() else "now()"
    for language in LANGUAGES:
        op.execute(
            "INSERT INTO agent_queue (id, language, created_at, updated_at)"  # noqa: S608
            f" VALUES ('{language}', '{language}', {now}, {now})"
        )


def downgrade() -> None:
    """What only this schema knows is lost: staff, who waits, what was promised, acts."""

    op.drop_index(
        "ix_message_undelivered",
        table_name="message",
        postgresql_where=sa.text("state IN ('failed', 'undelivered')"),
        sqlite_where=sa.text("state IN ('failed', 'undelivered')"),
    )
    op.drop_index("ix_booking_created_at", table_name="booking")
    op.drop_index("ix_call_ended_at", table_name="call")
    op.drop_index("ix_queue_entry_ended_at", table_name="queue_entry")
    op.drop_index("ix_queue_entry_answered_at", table_name="queue_entry")
    op.drop_index(op.f("ix_staff_session_staff_id"), table_name="staff_session")
    op.drop_table("staff_session")
    op.drop_index(
        "uq_queue_entry_promise",
        table_name="queue_entry",
        postgresql_where=sa.text(
            "kind = 'callback' AND state IN ('waiting', 'kept', 'reserved', 'talking')"
        ),
        sqlite_where=sa.text(
            "kind = 'callback' AND state IN ('waiting', 'kept', 'reserved', 'talking')"
        ),
    )
    op.drop_index(
        "uq_queue_entry_call",
        table_name="queue_entry",
        postgresql_where=sa.text("state IN ('waiting', 'kept', 'reserved', 'talking')"),
        sqlite_where=sa.text("state IN ('waiting', 'kept', 'reserved', 'talking')"),
    )
    op.drop_index("ix_queue_entry_phone", table_name="queue_entry")
    op.drop_index("ix_queue_entry_origin", table_name="queue_entry")
    op.drop_index(
        "ix_queue_entry_line",
        table_name="queue_entry",
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.drop_index("ix_queue_entry_created_at", table_name="queue_entry")
    op.drop_index(
        "ix_queue_entry_busy",
        table_name="queue_entry",
        postgresql_where=sa.text("state IN ('reserved', 'talking', 'wrapup', 'kept')"),
        sqlite_where=sa.text("state IN ('reserved', 'talking', 'wrapup', 'kept')"),
    )
    op.drop_table("queue_entry")
    op.drop_table("agent_queue_member")
    op.drop_table("agent")
    op.drop_table("tally")
    op.drop_index("ix_staff_act_subject", table_name="staff_act")
    op.drop_index("ix_staff_act_at", table_name="staff_act")
    op.drop_table("staff_act")
    op.drop_table("staff")
    op.drop_table("snapshot")
    op.drop_table("rate_bucket")
    op.drop_index("ix_leg_ended_at", table_name="leg")
    op.drop_index(op.f("ix_leg_entry_id"), table_name="leg")
    op.drop_table("leg")
    op.drop_index(
        "ix_intent_undone",
        table_name="intent",
        postgresql_where=sa.text("state IN ('pending', 'doing')"),
        sqlite_where=sa.text("state IN ('pending', 'doing')"),
    )
    op.drop_index("ix_intent_entry_id", table_name="intent")
    op.drop_table("intent")
    op.drop_table("board_setting")
    op.drop_index(
        "uq_alert_raised",
        table_name="alert",
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("alert")
    op.drop_table("agent_queue")
    if not _is_sqlite():
        op.execute("DROP FUNCTION staff_act_is_append_only()")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _append_only() -> None:
    """What staff did cannot be changed, by whatever code."""
    if _is_sqlite():
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER staff_act_no_{verb.lower()} BEFORE {verb} ON staff_act "
                "BEGIN SELECT RAISE(ABORT, 'staff_act is append only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION staff_act_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'staff_act is append only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER staff_act_no_change BEFORE UPDATE OR DELETE ON staff_act "
        "FOR EACH ROW EXECUTE FUNCTION staff_act_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER staff_act_no_truncate BEFORE TRUNCATE ON staff_act "
        "FOR EACH STATEMENT EXECUTE FUNCTION staff_act_is_append_only()"
    )
