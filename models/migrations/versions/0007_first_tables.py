"""all tables, as they were before anything was released.

Frozen: `models/` says what the tables are now. Its id is the last of the seven steps that led here,
so that a database that has gone through them is where it should be.
"""

import sqlalchemy as sa

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Float,
    ForeignKey,
    Integer,
    SmallInteger,
    String,
    Text,
)
from sqlalchemy import LargeBinary as Bytes

revision = "0007"
down_revision = None
branch_labels = None
depends_on = None

_metadata = sa.MetaData(
    naming_convention={
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Moment = sa.DateTime(timezone=True)
RowId = BigInteger()

# The national queues, without which no caller could wait for a person.
_LANGUAGES = ("fr", "en")
# A line of `staff_act` is deleted after so long, and not before, by the database's own clock.
_ACTS_KEPT = "365 days"

_ON_THE_LIST = "state IN ('waiting', 'offered')"
_LIVE_ENTRY = "state IN ('waiting', 'kept', 'reserved', 'talking')"


def upgrade() -> None:
    _metadata.create_all(op.get_bind(), checkfirst=False)
    for statement in _TRIGGERS:
        op.execute(statement)
    for language in _LANGUAGES:
        op.execute(
            "INSERT INTO agent_queue (id, language, created_at, updated_at)"  # noqa: S608
            f" VALUES ('{language}', '{language}', now(), now())"
        )


def downgrade() -> None:
    """Everything is lost."""
    # Triggers go with their tables; functions do not.
    _metadata.drop_all(op.get_bind(), checkfirst=False)
    for table in ("history", "staff_act"):
        op.execute(f"DROP FUNCTION {table}_is_append_only()")


# The history of a booking is only added to, by whatever code; of staff's acts, old ones may go.
_OLD_ACTS_MAY_GO = (
    "IF TG_OP = 'DELETE' THEN "
    f"IF OLD.at < clock_timestamp() - interval '{_ACTS_KEPT}' THEN RETURN OLD; END IF; "
    "END IF; "
)
_TRIGGERS = [
    statement
    for table, unless, rights in (
        ("history", "", "UPDATE, DELETE, TRUNCATE"),
        # DELETE stays, for what the trigger lets go.
        ("staff_act", _OLD_ACTS_MAY_GO, "UPDATE, TRUNCATE"),
    )
    for statement in (
        (
            f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {unless}RAISE EXCEPTION '{table} is append only'; END $$"
        ),
        (
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only()"
        ),
        (
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only()"
        ),
        # The owner of a table may do without a right, too: an error in the code meets both walls.
        f"REVOKE {rights} ON {table} FROM PUBLIC, CURRENT_USER",
    )
]


def _must(
    name: str, kind: object, comment: str | None = None, *, default: object = None, **options: bool
) -> sa.Column:
    """A column that always has a value. `kind` is its type, or a foreign key."""
    if default is not None and not isinstance(default, str):
        default = sa.text(str(default).lower())
    options = {"nullable": False, **options}
    return sa.Column(name, kind, comment=comment, server_default=default, **options)


def _key(name: str, kind: object, comment: str | None = None) -> sa.Column:
    """One of the columns of the primary key."""
    return _must(name, kind, comment, primary_key=True)


def _may(name: str, kind: object, comment: str | None = None, **options: bool) -> sa.Column:
    """A column that may be null."""
    return _must(name, kind, comment, nullable=True, **options)


def _index(name: str, *columns: str, where: str | None = None, **options: object) -> sa.Index:
    condition = None if where is None else sa.text(where)
    return sa.Index(name, *columns, postgresql_where=condition, **options)


sa.Table(
    "centre",
    _metadata,
    _key("id", String(40), "gid of the official file"),
    _must("name", Text),
    _must("street", Text, default=""),
    _must("postcode", String(5)),
    _must("insee", String(5), default=""),
    _must("town", Text),
    _must("departement", String(3)),
    _must("territory", String(16), "land that no sea cuts: see models.centres.geography"),
    _may("latitude", Float),
    _may("longitude", Float),
    _must("time_zone", String(40)),
    _must("phones", Text, "JSON list, E.164 or short numbers", default="[]"),
    _must("booking_link", Text, default=""),
    _must("booking_mode", String(10)),
    _must("hours", Text, 'JSON {"0": [["09:00","12:00"]]}, 0 = Monday', default="{}"),
    _must("notes", Text, default=""),
    _may("opens_on", Date),
    _may("closes_on", Date),
    _must("source", String(20)),
    _must("fingerprint", String(64), "hash of what the source said; equal = unchanged"),
    _may("closed_at", Moment, "gone from the source; never deleted, bookings point here"),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    sa.CheckConstraint(
        "booking_mode IN ('ours', 'partner', 'own_phone', 'reserved')", name="booking_mode"
    ),
)
sa.Table(
    "postcode",
    _metadata,
    _key("code", String(5)),
    _must("main_town", Text),
    _must(
        "towns", Text, "JSON list of {insee, name, departement, latitude, longitude, inhabitants}"
    ),
    _must("departement", String(3), "of the main town"),
    _must("territory", String(16)),
    _may("latitude", Float),
    _may("longitude", Float),
    _must("fingerprint", String(64)),
)
sa.Table(
    "slot",
    _metadata,
    _key("id", RowId),
    _must("centre_id", ForeignKey("centre.id")),
    _must("start_at", Moment),
    _must("capacity", SmallInteger),
    sa.CheckConstraint("capacity > 0", name="capacity"),
    sa.UniqueConstraint("centre_id", "start_at"),
)
sa.Table(
    "place",
    _metadata,
    _key("id", RowId),
    _must("slot_id", ForeignKey("slot.id")),
    _must("number", SmallInteger, "1 to the capacity of the slot"),
    _must("centre_id", String(40)),
    _must("start_at", Moment),
    _must("blocked", Boolean, default=False),
    _may("held_by", String(40), "the call, web session or desk that holds it"),
    _may("hold_expires_at", Moment, "renewed by each turn of a live call"),
    _may("hold_limit_at", Moment, "no renewal goes beyond this"),
    _may("booking_id", ForeignKey("booking.id", deferrable=True, initially="DEFERRED")),
    _must(
        "lot",
        SmallInteger,
        "0 to 99, spread over a centre: the phone's below the campaign's share",
        default="99",
    ),
    _may("released_at", Moment, "nobody gets it before; null: from the start"),
    sa.UniqueConstraint("slot_id", "number"),
    _index("ix_place_booking_id", "booking_id", where="booking_id IS NOT NULL"),
    _index("ix_place_free", "centre_id", "start_at", "lot", "id", where="booking_id IS NULL"),
    _index("ix_place_held_by", "held_by", where="held_by IS NOT NULL"),
)
sa.Table(
    "call",
    _metadata,
    _key("id", String(40), "the provider's id of the call"),
    _may("caller_enc", Bytes, "null: withheld, or erased"),
    _may("caller_idx", Bytes),
    _must("status", String(16)),
    _must("status_rank", SmallInteger),
    _must("started_at", Moment),
    _may("ended_at", Moment),
    _index("ix_call_caller_started", "caller_idx", "started_at"),
    _index("ix_call_ended_at", "ended_at"),
    _index("ix_call_started_at", "started_at", postgresql_using="brin"),
)
sa.Table(
    "turn",
    _metadata,
    _key("call_id", String(40)),
    _key("number", SmallInteger, "0 is the answer to the ring"),
    _must("at", Moment),
    _must("step", String(24), "where the call is after this turn"),
    _must("outcome", String(16)),
    _may("body_enc", Bytes, "what was heard, the session after it, the answer; erased after 24 h"),
    _index("ix_turn_at", "at", postgresql_using="brin"),
)
sa.Table(
    "booking",
    _metadata,
    _key("id", String(32)),
    _must("idempotency_key", String(64), unique=True),
    _may("reference_enc", Bytes),
    _may("reference_idx", Bytes, unique=True),
    _must("channel", String(8)),
    _must("campaign", String(40)),
    _must("centre_id", ForeignKey("centre.id")),
    _must("state", String(10)),
    _may("call_id", String(40)),
    _may("dob_enc", Bytes),
    _may("dob_idx", Bytes),
    _may("phone_enc", Bytes),
    _may("phone_idx", Bytes),
    _may("postcode", String(5)),
    _must("created_at", Moment),
    _must("last_start_at", Moment, "retention counts from here"),
    _may("erased_at", Moment),
    _must("rank", SmallInteger, "2: a second person of one birth date on one phone", default="1"),
    _may("cancelled_at", Moment),
    _must("version", SmallInteger, "counts changes; each has one message of its own", default="1"),
    _may("name_enc", Bytes, "taken by agents and the web only"),
    _must("language", String(2), default="fr"),
    _must(
        "calls",
        Boolean,
        "wants to be rung: the same evening, and before the appointment",
        default=False,
    ),
    _index("ix_booking_created_at", "created_at"),
    _index("ix_booking_dob_idx", "dob_idx"),
    _index("ix_booking_last_start_at", "last_start_at"),
    _index("ix_booking_phone_idx", "phone_idx"),
)
sa.Table(
    "appointment",
    _metadata,
    _key("id", RowId),
    _must("booking_id", ForeignKey("booking.id")),
    _must("dose", SmallInteger),
    _must("place_id", ForeignKey("place.id")),
    _must("centre_id", String(40)),
    _must("start_at", Moment),
    _must("state", String(10)),
    _may(
        "person_idx",
        Bytes,
        "keyed hash of campaign, birth date, phone and rank; null without a phone",
    ),
    _index("ix_appointment_booking_id", "booking_id"),
    _index("ix_appointment_centre_start", "centre_id", "start_at"),
    _index("ix_appointment_start_at", "start_at"),
    _index(
        "uq_appointment_booking_dose",
        "booking_id",
        "dose",
        where="state = 'confirmed'",
        unique=True,
    ),
    _index(
        "uq_appointment_person_dose",
        "person_idx",
        "dose",
        where="state = 'confirmed' AND person_idx IS NOT NULL",
        unique=True,
    ),
    _index("uq_appointment_place", "place_id", where="state = 'confirmed'", unique=True),
)
sa.Table(
    "history",
    _metadata,
    _key("id", RowId),
    _must("booking_id", String(32)),
    _must("at", Moment),
    _must("who", String(60), "caller, system, or a staff id"),
    _must("channel", String(10)),
    _must("what", String(20)),
    _must("why", String(80)),
    _must("details", Text, "JSON of ids and moments; nothing personal"),
    _index("ix_history_booking_id", "booking_id"),
)
sa.Table(
    "waiting_entry",
    _metadata,
    _key("id", String(32)),
    _must("campaign", String(40)),
    _must("state", String(10), "waiting, offered, taken, gone"),
    _must("class_rank", SmallInteger, default="0"),
    _may("centre_id", String(40), "null: anywhere within `kilometres`"),
    _may("latitude", Float),
    _may("longitude", Float),
    _may("band", SmallInteger, "latitude in tenths of a degree, rounded down"),
    _may("territory", String(16)),
    _may("kilometres", Float),
    _must("doses", SmallInteger, default="1"),
    _may("not_before", Moment),
    _may("person_enc", Bytes, "JSON: birth date, rank, language"),
    _may("person_idx", Bytes),
    _may("phone_enc", Bytes),
    _may("phone_idx", Bytes),
    _must("offers", SmallInteger, default="0"),
    _may("offered_until", Moment),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    _index("ix_waiting_entry_centre", "centre_id", "class_rank", "created_at", where=_ON_THE_LIST),
    _index("ix_waiting_entry_near", "territory", "band", "longitude", where=_ON_THE_LIST),
    _index("ix_waiting_entry_offered_phone", "phone_idx", where="state = 'offered'"),
    _index("ix_waiting_entry_offered_until", "offered_until", where="state = 'offered'"),
    _index(
        "ix_waiting_entry_order", "territory", "class_rank", "created_at", "id", where=_ON_THE_LIST
    ),
    _index("uq_waiting_entry_person", "person_idx", where=_ON_THE_LIST, unique=True),
)
sa.Table(
    "waiting_offer",
    _metadata,
    _key("id", String(32), "of the message that tells of it"),
    _must("entry_id", String(32)),
    _must("campaign", String(40)),
    _must("class_rank", SmallInteger),
    _must("waits_since", Moment, "its place in the order, then"),
    _must("slot_id", BigInteger, "of the first appointment"),
    _must("offered_at", Moment),
    _must("tells_at", Moment, "its time counts from then"),
    _may("ended_at", Moment),
    _must("outcome", String(8), "taken, refused, lapsed, untold, booked, left, gone", default=""),
    _index("ix_waiting_offer_ended_at", "ended_at"),
    _index("ix_waiting_offer_entry_id", "entry_id"),
)
sa.Table(
    "agent_case",
    _metadata,
    _key("id", String(32)),
    _must("kind", String(20)),
    _may("booking_id", String(32)),
    _may("operation_id", String(32)),
    _must("why", String(80)),
    _must("created_at", Moment),
    _may("closed_at", Moment),
    _may("message_id", String(32)),
    _index("ix_agent_case_booking_id", "booking_id"),
    _index("ix_agent_case_open", "created_at", where="closed_at IS NULL"),
)
sa.Table(
    "operation",
    _metadata,
    _key("id", String(32)),
    _must("kind", String(20)),
    _must("centre_id", String(40)),
    _must("who", String(60)),
    _must("why", String(80)),
    _must("at", Moment),
    _may("undone_at", Moment),
    _must("details", Text, "JSON: what was done, as undoing needs it"),
    _index("ix_operation_centre_id", "centre_id", "at"),
)
sa.Table(
    "message",
    _metadata,
    _key("id", String(32)),
    _must("kind", String(20), "sms, callback, …: later issues add kinds, not tables"),
    _must("dedupe_key", String(80), unique=True),
    _may("booking_id", String(32)),
    _may("call_id", String(40)),
    _may("recipient_enc", Bytes),
    _may("recipient_idx", Bytes),
    _may("payload_enc", Bytes, "JSON: what the kind needs to be delivered"),
    _must("state", String(12)),
    _must("attempts", SmallInteger, default=0),
    _must("due_at", Moment),
    _may("lease_until", Moment),
    _may("provider_sid", String(40)),
    _may("error_code", String(12)),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    _may("sent_at", Moment),
    _must(
        "topic",
        String(20),
        "what it tells of: confirmation, reminder, offer … (services.messages.topics)",
        default="",
    ),
    _may("way", String(5), "text or call, once it went"),
    _may("parts", SmallInteger, "of a text"),
    _may("seconds", Integer, "of calls, as billed"),
    _index("ix_message_booking_id", "booking_id"),
    _index("ix_message_provider_sid", "provider_sid"),
    _index("ix_message_recipient_idx", "recipient_idx"),
    _index("ix_message_sent_at", "sent_at"),
    _index("ix_message_undelivered", "updated_at", where="state IN ('failed', 'undelivered')"),
    _index("ix_message_unsent", "kind", "due_at", where="state IN ('pending', 'sending')"),
)
sa.Table(
    "phone_line",
    _metadata,
    _key("phone_idx", Bytes),
    _must("kind", String(10), "mobile, landline, voip, none; empty: as its number says"),
    _must("source", String(8), "lookup, refusal, sms"),
    _may("looked_up_at", Moment),
    _may("stopped_at", Moment, "wants no texts since"),
    _may("wrong_at", Moment, "said to be somebody else's"),
    _must("updated_at", Moment),
    _may("refused_at", Moment, "a text was refused there last, as a landline"),
    _must("refusals", SmallInteger, default="0"),
    _index("ix_phone_line_updated_at", "updated_at"),
)
sa.Table(
    "reminder_plan",
    _metadata,
    _key("what", String(20)),
    _key("campaign", String(40)),
    _key("time_zone", String(40)),
    _key("day", Date, "of those appointments, by that zone"),
    _must("planned_at", Moment),
    _must("messages", Integer),
)
sa.Table(
    "caller_pace",
    _metadata,
    _key("caller_idx", Bytes),
    _must("slow", Boolean),
    _must("at", Moment, "of the last call that said so"),
)
sa.Table(
    "resume_code",
    _metadata,
    _key("code_idx", Bytes),
    _must("call_id", ForeignKey("call.id")),
    _must("expires_at", Moment),
    _index("ix_resume_code_call_id", "call_id"),
)
sa.Table(
    "attempt",
    _metadata,
    _key("id", RowId),
    _must("kind", String(16)),
    _must("subject_idx", Bytes, "keyed hash of whom it counts for; empty: for everybody together"),
    _must("at", Moment),
    _must("good", Boolean),
    _index("ix_attempt_subject", "kind", "subject_idx", "at"),
)
sa.Table(
    "staff",
    _metadata,
    _key("id", String(32)),
    _must("login", String(60), "lower case", unique=True),
    _must("name", Text, "as colleagues see it"),
    _must("role", String(12)),
    _must("password_hash", Text, "argon2id"),
    _must(
        "password_temporary",
        Boolean,
        "given by somebody else, to be changed at the next sign-in",
        default=False,
    ),
    _must("demonstration", Boolean, "its password is in the README", default=False),
    _may("totp_enc", Bytes, "secret of the second factor; null: none yet"),
    _must("totp_step", BigInteger, "last used", default=0),
    _may("phone_enc", Bytes, "their own telephone, E.164"),
    _must("languages", String(20), "by spaces", default="fr"),
    _may("centre_id", String(40), "of a secretary; null: all centres"),
    _must(
        "sessions_from", Moment, "sessions that began before are over: sign-out everywhere moves it"
    ),
    _may("disabled_at", Moment),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    sa.CheckConstraint("role IN ('agent', 'supervisor', 'secretary', 'operator')", name="role"),
)
sa.Table(
    "staff_session",
    _metadata,
    _key("token_idx", Bytes, "hash; the browser has the token"),
    _must("staff_id", ForeignKey("staff.id")),
    _must("created_at", Moment),
    _must("seen_at", Moment),
    _may("strong_at", Moment, "when the second factor was given; null: not yet"),
    _may("ended_at", Moment),
    _must(
        "wall",
        Boolean,
        "of a screen on a wall: it reads the board, and opens nothing else",
        default=False,
    ),
    _may("proved_at", Moment, "when the password was given again; null: when it began"),
    _index("ix_staff_session_staff_id", "staff_id"),
)
sa.Table(
    "staff_act",
    _metadata,
    _key("id", RowId),
    _must("at", Moment),
    _must("staff_id", String(32), "or a word: system, operator"),
    _must("what", String(24)),
    _must("subject", String(60), "id of a call, booking, queue, staff"),
    _must("why", String(120)),
    _must("details", Text, "JSON of ids and words; nothing personal"),
    _index("ix_staff_act_at", "at"),
    _index("ix_staff_act_subject", "subject"),
)
sa.Table(
    "agent_queue",
    _metadata,
    _key("id", String(40), "fr, en, fr-bretagne"),
    _must("language", String(5)),
    _must("region", String(60), "empty: national", default=""),
    _must("state", String(14), "hours, open, callback_only, closed", default="hours"),
    _must(
        "overflow_minutes",
        SmallInteger,
        "after these the national queue of the language takes its callers too",
        default=3,
    ),
    _must("announcement", Text, "said to who waits", default=""),
    _may("provider_sid", String(40), "the provider's queue; null: not made yet"),
    _must("max_size", Integer, default=5000),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    _must("announcement_en", Text, "the same for who speaks English", default=""),
)
sa.Table(
    "agent_queue_member",
    _metadata,
    _key("staff_id", ForeignKey("staff.id")),
    _key("queue_id", ForeignKey("agent_queue.id")),
)
sa.Table(
    "queue_entry",
    _metadata,
    _key("id", String(32)),
    _must("queue_id", ForeignKey("agent_queue.id")),
    _must("kind", String(8), "call: on the line; callback: promised"),
    _must("state", String(10), "waiting, kept, reserved, talking, wrapup, done, left, lost"),
    _may("call_id", String(40), "the caller's call of now; null: not rung yet"),
    _may("origin_call_id", String(40), "the call that holds what was said and typed"),
    _must("language", String(5)),
    _may("departement", String(3)),
    _may("phone_enc", Bytes),
    _may("phone_idx", Bytes),
    _may("known_enc", Bytes, "JSON: what was given, beyond the life of turns"),
    _must("reason", String(40), default=""),
    _must(
        "mode",
        String(8),
        "agent; machine: a callback that goes on without anybody",
        default="agent",
    ),
    _must("joined_at", Moment, "the place in the line"),
    _may("overflow_at", Moment, "from then on the national queue takes it too"),
    _must("due_at", Moment, "a callback is not made before"),
    _may("expected_at", Moment, "a callback: when it was promised for, at the latest"),
    _may("told_seconds", Integer, "the wait that was told first"),
    _may("told_at", Moment),
    _may("staff_id", String(32)),
    _may("reserved_at", Moment),
    _may("answered_at", Moment),
    _may("held_at", Moment, "on hold since; null: not"),
    _may("conference_sid", String(40)),
    _may("ended_at", Moment),
    _must("outcome", String(20), default=""),
    _must("wrapup_code", String(24), default=""),
    _may("note_enc", Bytes),
    _must("tries", SmallInteger, default=0),
    _may("last_try_at", Moment),
    _must("version", Integer, default=1),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    _may("promised_at", Moment, "a callback: when it was promised, which may be after its place"),
    _may("asked_at", Moment, "when the provider was last asked what became of its lines"),
    _may("message_id", String(32), "the message that this call delivers"),
    _index("ix_queue_entry_answered_at", "answered_at"),
    _index(
        "ix_queue_entry_busy",
        "state",
        "staff_id",
        where="state IN ('reserved', 'talking', 'wrapup', 'kept')",
    ),
    _index("ix_queue_entry_created_at", "created_at"),
    _index("ix_queue_entry_ended_at", "ended_at"),
    _index(
        "ix_queue_entry_gave_way",
        "joined_at",
        where="message_id IS NOT NULL AND outcome IN ('displaced', 'merged')",
    ),
    _index("ix_queue_entry_line", "queue_id", "joined_at", "id", where="state = 'waiting'"),
    _index("ix_queue_entry_message_id", "message_id", where="message_id IS NOT NULL"),
    _index("ix_queue_entry_origin", "origin_call_id"),
    _index(
        "ix_queue_entry_owed",
        "language",
        "due_at",
        "joined_at",
        where="state = 'waiting' AND mode = 'agent'",
    ),
    _index("ix_queue_entry_phone", "phone_idx", "created_at"),
    _index("uq_queue_entry_call", "call_id", where=_LIVE_ENTRY, unique=True),
    _index(
        "uq_queue_entry_promise",
        "phone_idx",
        where=f"kind = 'callback' AND {_LIVE_ENTRY}",
        unique=True,
    ),
)
sa.Table(
    "agent",
    _metadata,
    _key("staff_id", ForeignKey("staff.id")),
    _must("state", String(10), "offline, ready, reserved, talking, wrapup, paused"),
    _must("since", Moment),
    _must("reason", String(40), "of a pause", default=""),
    _may("then_pause", String(40), "a pause asked for while busy: after this call"),
    _may("entry_id", String(32)),
    _must("voice", String(8), "browser, phone", default="browser"),
    _must("seen_at", Moment, "when the desk's page asked last"),
    _must("version", Integer, default=1),
)
sa.Table(
    "leg",
    _metadata,
    _key("id", String(32)),
    _must("kind", String(10), "agent, supervisor, callback, third"),
    _may("staff_id", String(32)),
    _may("entry_id", String(32)),
    _may("provider_sid", String(40), unique=True),
    _must("state", String(10), "asked, ringing, answered, joined, ended"),
    _must("mode", String(10), "listen, whisper, join", default=""),
    _may("to_enc", Bytes),
    _must("outcome", String(20), default=""),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    _may("ended_at", Moment),
    _may("seconds", Integer, "how long it lasted, as billed; null: not told so far"),
    _index("ix_leg_ended_at", "ended_at", "kind"),
    _index("ix_leg_entry_id", "entry_id"),
)
sa.Table(
    "intent",
    _metadata,
    _key("id", String(32)),
    _must("key", String(80), "the same twice is one", unique=True),
    _must("kind", String(20)),
    _may("staff_id", String(32)),
    _may("entry_id", String(32)),
    _may("leg_id", String(32)),
    _may("arguments_enc", Bytes, "JSON"),
    _must("state", String(8), "pending, doing, done, failed"),
    _must("attempts", SmallInteger, default=0),
    _may("lease_until", Moment),
    _may("error_code", String(12)),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    _index("ix_intent_entry_id", "entry_id"),
    _index("ix_intent_undone", "created_at", where="state IN ('pending', 'doing')"),
)
sa.Table(
    "rate_bucket",
    _metadata,
    _key("name", String(20)),
    _must("tokens", Float),
    _must("at", Moment),
)
sa.Table(
    "snapshot",
    _metadata,
    _key("name", String(40)),
    _must("at", Moment),
    _must("tag", String(40), "hash of the body: equal = unchanged"),
    _must("body", Text, "JSON; ids, words and counts, nothing personal"),
)
sa.Table(
    "tally",
    _metadata,
    _key("at", Moment, "when the quarter begins"),
    _key("name", String(40)),
    _key("label", String(60)),
    _must("value", Float),
)
sa.Table(
    "alert",
    _metadata,
    _key("id", String(32)),
    _must("name", String(40)),
    _must("value", Float),
    _must("threshold", Float),
    _must("began_at", Moment),
    _may("ended_at", Moment),
    _may("told_at", Moment, "of which state ALERT_WEBHOOK_URL took the news"),
    _may("seen_by", String(32)),
    _index("uq_alert_raised", "name", where="ended_at IS NULL", unique=True),
)
sa.Table(
    "board_setting",
    _metadata,
    _key("name", String(60)),
    _must("value", Text, "JSON"),
    _must("who", String(32)),
    _must("at", Moment),
)
sa.Table(
    "visit",
    _metadata,
    _key("id", String(40), "W and 32 hexadecimal digits"),
    _must("number", Integer, "counts answers; a copy of one is none"),
    _must("step", String(24), "the question that is asked now"),
    _must("outcome", String(16), "booked, waiting, taken_up, ended; empty: goes on", default=""),
    _must("language", String(2), default="fr"),
    _may("body_enc", Bytes, "the session and what was typed; erased after 24 h"),
    _may("code_idx", Bytes, "to finish it by telephone", unique=True),
    _may("code_until", Moment),
    _may("place_idx", Bytes, "where it was begun (services.online.attempts.place_of)"),
    _must("created_at", Moment),
    _must("seen_at", Moment),
    _index("ix_visit_place_idx", "place_idx", "created_at", where="place_idx IS NOT NULL"),
    _index("ix_visit_seen_at", "seen_at"),
)
sa.Table(
    "arrival",
    _metadata,
    _key("opening", String(40)),
    _key("bucket", Integer, "of the draw below 1024, then seconds"),
    _must("people", Integer),
)
sa.Table(
    "web_load",
    _metadata,
    _key("worker", String(40)),
    _must("at", Moment),
    _must("body", Text, "JSON of counts and seconds"),
)
sa.Table(
    "incident",
    _metadata,
    _key("id", String(32)),
    _must("kind", String(20), "store, overload, partner, told"),
    _must("text_fr", Text, default=""),
    _must("text_en", Text, default=""),
    _must("began_at", Moment),
    _may("ended_at", Moment),
    _must("who", String(60), "system, or who told it"),
    _index("ix_incident_began_at", "began_at"),
)
sa.Table(
    "attendance",
    _metadata,
    _key("booking_id", ForeignKey("booking.id")),
    _key("dose", SmallInteger),
    _must("start_at", Moment, "of the appointment that is meant"),
    _must("state", String(8), "present, absent; empty: taken back"),
    _must("who", String(60)),
    _must("at", Moment),
    _may("given_place", RowId, "made for somebody else, who has what an absent left"),
    _index("ix_attendance_at", "at"),
)
sa.Table(
    "partner_feed",
    _metadata,
    _key("platform", String(20)),
    _may("tried_at", Moment),
    _may("read_at", Moment, "when everything was read last"),
    _must("error", String(80), default=""),
    _may("pause_until", Moment, "not asked again before"),
    _must("details", Text, "JSON of counts", default="{}"),
)
sa.Table(
    "partner_centre",
    _metadata,
    _key("id", String(80), "doctolib:practice-165752"),
    _must("platform", String(20)),
    _must("name", Text),
    _must("street", Text, default=""),
    _must("postcode", String(5), default=""),
    _must("town", Text, default=""),
    _must("territory", String(16), default=""),
    _may("latitude", Float),
    _may("longitude", Float),
    _must("time_zone", String(40), default="Europe/Paris"),
    _must("phone", String(20), "E.164 or short", default=""),
    _must("link", Text, default=""),
    _must("phone_only", Boolean, default=False),
    _may("centre_id", String(40), "ours; null: not known to be one"),
    _must("matched", String(8), "link, id, likeness, person, unsure, none", default="none"),
    _must("candidates", Text, "JSON: [[id, score]]", default="[]"),
    _may("next_at", Moment, "first free slot known, for the public"),
    _must("free", Integer, default=0),
    _must("read_at", Moment, "the age of what is known of it"),
    _may("gone_at", Moment),
    _index("ix_partner_centre_centre_id", "centre_id"),
)
sa.Table(
    "partner_slot",
    _metadata,
    _key("id", RowId),
    _must("partner_centre_id", ForeignKey("partner_centre.id")),
    _must("start_at", Moment),
    _must("dose", SmallInteger, "1, 2, 3; 0: not told"),
    _must("motive", Text, default=""),
    _must("bookable_for", String(20), "public, age, professionals"),
    _may("seconds_at", Moment, "of the second appointment that comes with it"),
    _must("read_at", Moment),
    _index("uq_partner_slot", "partner_centre_id", "start_at", "dose", "motive", unique=True),
)
sa.Table(
    "partner_booking",
    _metadata,
    _key("id", String(32)),
    _must("key", String(80), "the same form twice is one", unique=True),
    _must("platform", String(20)),
    _must("centre_id", String(40)),
    _must("state", String(10), "asked, booked, refused, unsure, undoing, undone"),
    _must("channel", String(8)),
    _must("holder", String(40), "the name that its places are held under"),
    _may("booking_id", String(32), "ours, once both sides have it"),
    _may("order_enc", Bytes, "JSON: who comes, and how to reach them"),
    _must("patient_ref", String(40), default=""),
    _must("appointment_refs", Text, "JSON, by dose", default="[]"),
    _must("error", String(20), default=""),
    _must("created_at", Moment),
    _must("updated_at", Moment),
    _index("ix_partner_booking_booking_id", "booking_id"),
    _index("ix_partner_booking_state", "state", "updated_at"),
)
