"""Every table of the slot store.

Personal columns end in `_enc` (AES-256-GCM, key outside the database) and are found by their
neighbour in `_idx` (keyed hash). Moments are UTC. One row of `place` is one place that one
person can take: see docs/decisions/0002.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from models.types import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for INTEGER PRIMARY KEY.
RowId = BigInteger().with_variant(Integer, "sqlite")

BOOKING_MODES = ("ours", "partner", "own_phone", "reserved")

centre = Table(
    "centre",
    metadata,
    Column("id", String(40), primary_key=True, comment="gid of the official file"),
    Column("name", Text, nullable=False),
    Column("street", Text, nullable=False, server_default=""),
    Column("postcode", String(5), nullable=False),
    Column("insee", String(5), nullable=False, server_default=""),
    Column("town", Text, nullable=False),
    Column("departement", String(3), nullable=False),
    Column(
        "territory",
        String(16),
        nullable=False,
        comment="land that no sea cuts: see models.centres.geography",
    ),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("time_zone", String(40), nullable=False),
    Column(
        "phones",
        Text,
        nullable=False,
        server_default="[]",
        comment="JSON list, E.164 or short numbers",
    ),
    Column("booking_link", Text, nullable=False, server_default=""),
    Column("booking_mode", String(10), nullable=False),
    Column(
        "hours",
        Text,
        nullable=False,
        server_default="{}",
        comment='JSON {"0": [["09:00","12:00"]]}, 0 = Monday',
    ),
    Column("notes", Text, nullable=False, server_default=""),
    Column("opens_on", Date),
    Column("closes_on", Date),
    Column("source", String(20), nullable=False),
    Column(
        "fingerprint",
        String(64),
        nullable=False,
        comment="hash of what the source said; equal = unchanged",
    ),
    Column(
        "closed_at", Instant, comment="gone from the source; never deleted, bookings point here"
    ),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint(f"booking_mode IN {BOOKING_MODES}", name="booking_mode"),
)

postcode = Table(
    "postcode",
    metadata,
    Column("code", String(5), primary_key=True),
    Column("main_town", Text, nullable=False),
    Column(
        "towns",
        Text,
        nullable=False,
        comment="JSON list of {insee, name, departement, latitude, longitude, inhabitants}",
    ),
    Column("departement", String(3), nullable=False, comment="of the main town"),
    Column("territory", String(16), nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("fingerprint", String(64), nullable=False),
)

slot = Table(
    "slot",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("centre_id", ForeignKey("centre.id"), nullable=False),
    Column("start_at", Instant, nullable=False),
    Column("capacity", SmallInteger, nullable=False),
    UniqueConstraint("centre_id", "start_at"),
    CheckConstraint("capacity > 0", name="capacity"),
)

place = Table(
    "place",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("slot_id", ForeignKey("slot.id"), nullable=False),
    Column("number", SmallInteger, nullable=False, comment="1 to the capacity of the slot"),
    # Copied from the slot, which never moves, so that one index finds the nearest free place.
    Column("centre_id", String(40), nullable=False),
    Column("start_at", Instant, nullable=False),
    Column(
        "lot",
        SmallInteger,
        nullable=False,
        server_default=text("99"),
        comment="0 to 99, spread over a centre: the phone's below the campaign's share",
    ),
    Column("released_at", Instant, comment="nobody gets it before; null: from the start"),
    Column("blocked", Boolean, nullable=False, server_default=text("false")),
    Column("held_by", String(40), comment="the call, web session or desk that holds it"),
    Column("hold_expires_at", Instant, comment="renewed by each turn of a live call"),
    Column("hold_limit_at", Instant, comment="no renewal goes beyond this"),
    # Checked at commit: the conditional write on the place comes first, the booking after it.
    Column("booking_id", ForeignKey("booking.id", deferrable=True, initially="DEFERRED")),
    UniqueConstraint("slot_id", "number"),
)
# Only what every query can repeat to the letter, or SQLite would not use the index.
_OPEN = text("booking_id IS NULL")
Index(
    "ix_place_free",
    place.c.centre_id,
    place.c.start_at,
    place.c.lot,
    place.c.id,
    postgresql_where=_OPEN,
    sqlite_where=_OPEN,
)
_HELD = text("held_by IS NOT NULL")
Index("ix_place_held_by", place.c.held_by, postgresql_where=_HELD, sqlite_where=_HELD)

# Without it SQLite reads every place to check the foreign key of a new booking.
_BOOKED = text("booking_id IS NOT NULL")
Index("ix_place_booking_id", place.c.booking_id, postgresql_where=_BOOKED, sqlite_where=_BOOKED)

call = Table(
    "call",
    metadata,
    Column("id", String(40), primary_key=True, comment="the provider's id of the call"),
    Column("caller_enc", LargeBinary, comment="null: withheld, or erased"),
    Column("caller_idx", LargeBinary),
    Column("status", String(16), nullable=False),
    Column("status_rank", SmallInteger, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
Index("ix_call_caller_started", call.c.caller_idx, call.c.started_at)
Index("ix_call_started_at", call.c.started_at, postgresql_using="brin")
# The board asks each second which calls have just ended.
Index("ix_call_ended_at", call.c.ended_at)

turn = Table(
    "turn",
    metadata,
    Column("call_id", String(40), primary_key=True),
    Column("number", SmallInteger, primary_key=True, comment="0 is the answer to the ring"),
    Column("at", Instant, nullable=False),
    Column("step", String(24), nullable=False, comment="where the call is after this turn"),
    Column("outcome", String(16), nullable=False),
    Column(
        "body_enc",
        LargeBinary,
        comment="what was heard, the session after it, the answer; erased after 24 h",
    ),
)
# Rows come in the order of time and are looked up by it once an hour: a summary of pages will do.
Index("ix_turn_at", turn.c.at, postgresql_using="brin")

booking = Table(
    "booking",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("idempotency_key", String(64), nullable=False, unique=True),
    Column("reference_enc", LargeBinary),
    Column("reference_idx", LargeBinary, unique=True),
    Column("channel", String(8), nullable=False),
    Column("campaign", String(40), nullable=False),
    Column("centre_id", ForeignKey("centre.id"), nullable=False),
    Column("state", String(10), nullable=False),
    Column("call_id", String(40)),
    Column("dob_enc", LargeBinary),
    Column("dob_idx", LargeBinary),
    Column("phone_enc", LargeBinary),
    Column("phone_idx", LargeBinary),
    Column("postcode", String(5)),
    Column(
        "rank",
        SmallInteger,
        nullable=False,
        server_default=text("1"),
        comment="2: a second person of one birth date on one phone",
    ),
    Column(
        "version",
        SmallInteger,
        nullable=False,
        server_default=text("1"),
        comment="counts changes; each has one message of its own",
    ),
    Column("name_enc", LargeBinary, comment="taken by agents and the web only"),
    Column("created_at", Instant, nullable=False),
    Column("cancelled_at", Instant),
    Column("last_start_at", Instant, nullable=False, comment="retention counts from here"),
    Column("erased_at", Instant),
    Column("language", String(2), nullable=False, server_default="fr"),
    Column(
        "calls",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="wants to be rung: the same evening, and before the appointment",
    ),
)
Index("ix_booking_dob_idx", booking.c.dob_idx)
Index("ix_booking_phone_idx", booking.c.phone_idx)
Index("ix_booking_last_start_at", booking.c.last_start_at)
Index("ix_booking_created_at", booking.c.created_at)

appointment = Table(
    "appointment",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("booking_id", ForeignKey("booking.id"), nullable=False),
    Column("dose", SmallInteger, nullable=False),
    Column("place_id", ForeignKey("place.id"), nullable=False),
    Column("centre_id", String(40), nullable=False),
    Column("start_at", Instant, nullable=False),
    Column("state", String(10), nullable=False),
    Column(
        "person_idx",
        LargeBinary,
        comment="keyed hash of campaign, birth date, phone and rank; null without a phone",
    ),
)
_LIVE = text("state = 'confirmed'")
# Law 1: whatever the code does, one place never carries two live appointments.
Index(
    "uq_appointment_place",
    appointment.c.place_id,
    unique=True,
    postgresql_where=_LIVE,
    sqlite_where=_LIVE,
)
Index(
    "uq_appointment_booking_dose",
    appointment.c.booking_id,
    appointment.c.dose,
    unique=True,
    postgresql_where=_LIVE,
    sqlite_where=_LIVE,
)

_PERSON = text("state = 'confirmed' AND person_idx IS NOT NULL")
# One person, one appointment for each dose.
Index(
    "uq_appointment_person_dose",
    appointment.c.person_idx,
    appointment.c.dose,
    unique=True,
    postgresql_where=_PERSON,
    sqlite_where=_PERSON,
)
Index("ix_appointment_booking_id", appointment.c.booking_id)
Index("ix_appointment_centre_start", appointment.c.centre_id, appointment.c.start_at)
Index("ix_appointment_start_at", appointment.c.start_at)

# Append only: triggers of the migrations refuse every UPDATE and DELETE.
history = Table(
    "history",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("booking_id", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", String(60), nullable=False, comment="caller, system, or a staff id"),
    Column("channel", String(10), nullable=False),
    Column("what", String(20), nullable=False),
    Column("why", String(80), nullable=False),
    Column("details", Text, nullable=False, comment="JSON of ids and moments; nothing personal"),
)
Index("ix_history_booking_id", history.c.booking_id)

waiting_entry = Table(
    "waiting_entry",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("campaign", String(40), nullable=False),
    Column("state", String(10), nullable=False, comment="waiting, offered, taken, gone"),
    Column("class_rank", SmallInteger, nullable=False, server_default=text("0")),
    Column("centre_id", String(40), comment="null: anywhere within `kilometres`"),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("band", SmallInteger, comment="latitude in tenths of a degree, rounded down"),
    Column("territory", String(16)),
    Column("kilometres", Float),
    Column("doses", SmallInteger, nullable=False, server_default=text("1")),
    Column("not_before", Instant),
    Column("person_enc", LargeBinary, comment="JSON: birth date, rank, language"),
    Column("person_idx", LargeBinary),
    Column("phone_enc", LargeBinary),
    Column("phone_idx", LargeBinary),
    Column("offers", SmallInteger, nullable=False, server_default=text("0")),
    Column("offered_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
_WAITS = text("state IN ('waiting', 'offered')")
Index(
    "ix_waiting_entry_centre",
    waiting_entry.c.centre_id,
    waiting_entry.c.class_rank,
    waiting_entry.c.created_at,
    postgresql_where=_WAITS,
    sqlite_where=_WAITS,
)
# Where many wait, the first of them all are looked at in order; where few do, those who are near.
Index(
    "ix_waiting_entry_order",
    waiting_entry.c.territory,
    waiting_entry.c.class_rank,
    waiting_entry.c.created_at,
    waiting_entry.c.id,
    postgresql_where=_WAITS,
    sqlite_where=_WAITS,
)
Index(
    "ix_waiting_entry_near",
    waiting_entry.c.territory,
    waiting_entry.c.band,
    waiting_entry.c.longitude,
    postgresql_where=_WAITS,
    sqlite_where=_WAITS,
)
_OFFERED = text("state = 'offered'")
Index(
    "ix_waiting_entry_offered_until",
    waiting_entry.c.offered_until,
    postgresql_where=_OFFERED,
    sqlite_where=_OFFERED,
)
Index(
    "uq_waiting_entry_person",
    waiting_entry.c.person_idx,
    unique=True,
    postgresql_where=_WAITS,
    sqlite_where=_WAITS,
)

# A ring asks whether something is kept for somebody of its line: there are few of these.
Index(
    "ix_waiting_entry_offered_phone",
    waiting_entry.c.phone_idx,
    postgresql_where=_OFFERED,
    sqlite_where=_OFFERED,
)

# Every offer of a freed place, and what became of it: who was first, and how long people take.
waiting_offer = Table(
    "waiting_offer",
    metadata,
    Column("id", String(32), primary_key=True, comment="of the message that tells of it"),
    Column("entry_id", String(32), nullable=False),
    Column("campaign", String(40), nullable=False),
    Column("class_rank", SmallInteger, nullable=False),
    Column("waits_since", Instant, nullable=False, comment="its place in the order, then"),
    Column("slot_id", BigInteger, nullable=False, comment="of the first appointment"),
    Column("offered_at", Instant, nullable=False),
    Column("tells_at", Instant, nullable=False, comment="its time counts from then"),
    Column("ended_at", Instant),
    Column(
        "outcome",
        String(8),
        nullable=False,
        server_default="",
        comment="taken, refused, lapsed, untold, booked, left, gone",
    ),
)
Index("ix_waiting_offer_entry_id", waiting_offer.c.entry_id)
Index("ix_waiting_offer_ended_at", waiting_offer.c.ended_at)

# What no machine can settle: somebody looks at it.
agent_case = Table(
    "agent_case",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("booking_id", String(32)),
    Column("operation_id", String(32)),
    Column("why", String(80), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("message_id", String(32)),
)
_OPEN_CASE = text("closed_at IS NULL")
Index(
    "ix_agent_case_open",
    agent_case.c.created_at,
    postgresql_where=_OPEN_CASE,
    sqlite_where=_OPEN_CASE,
)
Index("ix_agent_case_booking_id", agent_case.c.booking_id)

# Changes to many bookings at once: closing a centre or a day, cutting capacity, moving an hour.
operation = Table(
    "operation",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("centre_id", String(40), nullable=False),
    Column("who", String(60), nullable=False),
    Column("why", String(80), nullable=False),
    Column("at", Instant, nullable=False),
    Column("undone_at", Instant),
    Column("details", Text, nullable=False, comment="JSON: what was done, as undoing needs it"),
)
Index("ix_operation_centre_id", operation.c.centre_id, operation.c.at)

message = Table(
    "message",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "kind",
        String(20),
        nullable=False,
        comment="sms, callback, …: later issues add kinds, not tables",
    ),
    Column("dedupe_key", String(80), nullable=False, unique=True),
    Column("booking_id", String(32)),
    Column("call_id", String(40)),
    Column("recipient_enc", LargeBinary),
    Column("recipient_idx", LargeBinary),
    Column("payload_enc", LargeBinary, comment="JSON: what the kind needs to be delivered"),
    Column("state", String(12), nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("due_at", Instant, nullable=False),
    Column("lease_until", Instant),
    Column("provider_sid", String(40)),
    Column("error_code", String(12)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column(
        "topic",
        String(20),
        nullable=False,
        server_default="",
        comment="what it tells of: confirmation, reminder, offer … (services.messages.topics)",
    ),
    Column("way", String(5), comment="text or call, once it went"),
    Column("parts", SmallInteger, comment="of a text"),
    Column("seconds", Integer, comment="of calls, as billed"),
)
_UNSENT = text("state IN ('pending', 'sending')")
Index(
    "ix_message_unsent",
    message.c.kind,
    message.c.due_at,
    postgresql_where=_UNSENT,
    sqlite_where=_UNSENT,
)
_UNDELIVERED = text("state IN ('failed', 'undelivered')")
Index(
    "ix_message_undelivered",
    message.c.updated_at,
    postgresql_where=_UNDELIVERED,
    sqlite_where=_UNDELIVERED,
)
Index("ix_message_provider_sid", message.c.provider_sid)
Index("ix_message_recipient_idx", message.c.recipient_idx)
Index("ix_message_booking_id", message.c.booking_id)
Index("ix_message_sent_at", message.c.sent_at)

# What a number can get, as the provider or somebody at it has told.
phone_line = Table(
    "phone_line",
    metadata,
    Column("phone_idx", LargeBinary, primary_key=True),
    Column(
        "kind",
        String(10),
        nullable=False,
        comment="mobile, landline, voip, none; empty: as its number says",
    ),
    Column("source", String(8), nullable=False, comment="lookup, refusal, sms"),
    Column("looked_up_at", Instant),
    Column("refused_at", Instant, comment="a text was refused there last, as a landline"),
    Column("refusals", SmallInteger, nullable=False, server_default="0"),
    Column("stopped_at", Instant, comment="wants no texts since"),
    Column("wrong_at", Instant, comment="said to be somebody else's"),
    Column("updated_at", Instant, nullable=False),
)
Index("ix_phone_line_updated_at", phone_line.c.updated_at)

# Reminders of a day that were written, so that each is once.
reminder_plan = Table(
    "reminder_plan",
    metadata,
    Column("what", String(20), primary_key=True),
    Column("campaign", String(40), primary_key=True),
    Column("time_zone", String(40), primary_key=True),
    Column("day", Date, primary_key=True, comment="of those appointments, by that zone"),
    Column("planned_at", Instant, nullable=False),
    Column("messages", Integer, nullable=False),
)

# A line that asked for the slower pace is spoken to slowly from the start.
caller_pace = Table(
    "caller_pace",
    metadata,
    Column("caller_idx", LargeBinary, primary_key=True),
    Column("slow", Boolean, nullable=False),
    Column("at", Instant, nullable=False, comment="of the last call that said so"),
)

# What a withheld number is told, so that a line that is cut loses nothing.
resume_code = Table(
    "resume_code",
    metadata,
    Column("code_idx", LargeBinary, primary_key=True),
    Column("call_id", ForeignKey("call.id"), nullable=False, index=True),
    Column("expires_at", Instant, nullable=False),
)

# Look-ups that were tried, for limits that count without Redis as well.
attempt = Table(
    "attempt",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column(
        "subject_idx",
        LargeBinary,
        nullable=False,
        comment="keyed hash of whom it counts for; empty: for everybody together",
    ),
    Column("at", Instant, nullable=False),
    Column("good", Boolean, nullable=False),
)
Index("ix_attempt_subject", attempt.c.kind, attempt.c.subject_idx, attempt.c.at)

# ------------------------------------------------------------------ those who work here

ROLES = ("agent", "supervisor", "secretary", "operator")

staff = Table(
    "staff",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("login", String(60), nullable=False, unique=True, comment="lower case"),
    Column("name", Text, nullable=False, comment="as colleagues see it"),
    Column("role", String(12), nullable=False),
    Column("password_hash", Text, nullable=False, comment="argon2id"),
    Column(
        "password_temporary",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="given by somebody else, to be changed at the next sign-in",
    ),
    Column(
        "demonstration",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="its password is in the README",
    ),
    Column("totp_enc", LargeBinary, comment="secret of the second factor; null: none yet"),
    Column("totp_step", BigInteger, nullable=False, server_default=text("0"), comment="last used"),
    Column("phone_enc", LargeBinary, comment="their own telephone, E.164"),
    Column("languages", String(20), nullable=False, server_default="fr", comment="by spaces"),
    Column("centre_id", String(40), comment="of a secretary; null: all centres"),
    Column(
        "sessions_from",
        Instant,
        nullable=False,
        comment="sessions that began before are over: sign-out everywhere moves it",
    ),
    Column("disabled_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint(f"role IN {ROLES}", name="role"),
)

staff_session = Table(
    "staff_session",
    metadata,
    Column("token_idx", LargeBinary, primary_key=True, comment="hash; the browser has the token"),
    Column("staff_id", ForeignKey("staff.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("strong_at", Instant, comment="when the second factor was given; null: not yet"),
    Column("ended_at", Instant),
    Column(
        "wall",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="of a screen on a wall: it reads the board, and opens nothing else",
    ),
    Column("proved_at", Instant, comment="when the password was given again; null: when it began"),
)

# Append only, like `history`: what staff did and whose file they read. A line that is a year old
# may be deleted, and no other: the trigger looks.
staff_act = Table(
    "staff_act",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("staff_id", String(32), nullable=False, comment="or a word: system, operator"),
    Column("what", String(24), nullable=False),
    Column("subject", String(60), nullable=False, comment="id of a call, booking, queue, staff"),
    Column("why", String(120), nullable=False),
    Column("details", Text, nullable=False, comment="JSON of ids and words; nothing personal"),
)
Index("ix_staff_act_at", staff_act.c.at)
Index("ix_staff_act_subject", staff_act.c.subject)

# ------------------------------------------------------------------ the queue

agent_queue = Table(
    "agent_queue",
    metadata,
    Column("id", String(40), primary_key=True, comment="fr, en, fr-bretagne"),
    Column("language", String(5), nullable=False),
    Column("region", String(60), nullable=False, server_default="", comment="empty: national"),
    Column(
        "state",
        String(14),
        nullable=False,
        server_default="hours",
        comment="hours, open, callback_only, closed",
    ),
    Column(
        "overflow_minutes",
        SmallInteger,
        nullable=False,
        server_default=text("3"),
        comment="after these the national queue of the language takes its callers too",
    ),
    Column("announcement", Text, nullable=False, server_default="", comment="said to who waits"),
    Column("provider_sid", String(40), comment="the provider's queue; null: not made yet"),
    Column("max_size", Integer, nullable=False, server_default=text("5000")),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column(
        "translations",
        Text,
        nullable=False,
        server_default="{}",
        comment="JSON: the announcement by the code of another language",
    ),
)

agent_queue_member = Table(
    "agent_queue_member",
    metadata,
    Column("staff_id", ForeignKey("staff.id"), primary_key=True),
    Column("queue_id", ForeignKey("agent_queue.id"), primary_key=True),
)

# One line for callers on the line and for callbacks that were promised: one order for both.
queue_entry = Table(
    "queue_entry",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("queue_id", ForeignKey("agent_queue.id"), nullable=False),
    Column("kind", String(8), nullable=False, comment="call: on the line; callback: promised"),
    Column(
        "state",
        String(10),
        nullable=False,
        comment="waiting, kept, reserved, talking, wrapup, done, left, lost",
    ),
    Column("call_id", String(40), comment="the caller's call of now; null: not rung yet"),
    Column("origin_call_id", String(40), comment="the call that holds what was said and typed"),
    Column("language", String(5), nullable=False),
    Column("departement", String(3)),
    Column("phone_enc", LargeBinary),
    Column("phone_idx", LargeBinary),
    Column("known_enc", LargeBinary, comment="JSON: what was given, beyond the life of turns"),
    Column("reason", String(40), nullable=False, server_default=""),
    Column(
        "mode",
        String(8),
        nullable=False,
        server_default="agent",
        comment="agent; machine: a callback that goes on without anybody",
    ),
    Column("joined_at", Instant, nullable=False, comment="the place in the line"),
    Column("overflow_at", Instant, comment="from then on the national queue takes it too"),
    Column("due_at", Instant, nullable=False, comment="a callback is not made before"),
    Column("expected_at", Instant, comment="a callback: when it was promised for, at the latest"),
    Column("told_seconds", Integer, comment="the wait that was told first"),
    Column("told_at", Instant),
    Column("staff_id", String(32)),
    Column("reserved_at", Instant),
    Column("answered_at", Instant),
    Column("held_at", Instant, comment="on hold since; null: not"),
    Column("conference_sid", String(40)),
    Column("ended_at", Instant),
    Column("outcome", String(20), nullable=False, server_default=""),
    Column("wrapup_code", String(24), nullable=False, server_default=""),
    Column("note_enc", LargeBinary),
    Column("tries", SmallInteger, nullable=False, server_default=text("0")),
    Column("last_try_at", Instant),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column(
        "promised_at",
        Instant,
        comment="a callback: when it was promised, which may be after its place",
    ),
    Column(
        "asked_at", Instant, comment="when the provider was last asked what became of its lines"
    ),
    Column("message_id", String(32), comment="the message that this call delivers"),
)
_IN_LINE = text("state = 'waiting'")
Index(
    "ix_queue_entry_line",
    queue_entry.c.queue_id,
    queue_entry.c.joined_at,
    queue_entry.c.id,
    postgresql_where=_IN_LINE,
    sqlite_where=_IN_LINE,
)
_LIVE_ENTRY = text("state IN ('waiting', 'kept', 'reserved', 'talking')")
Index(
    "uq_queue_entry_call",
    queue_entry.c.call_id,
    unique=True,
    postgresql_where=_LIVE_ENTRY,
    sqlite_where=_LIVE_ENTRY,
)
_PROMISED = text("kind = 'callback' AND state IN ('waiting', 'kept', 'reserved', 'talking')")
# One live promise for each number.
Index(
    "uq_queue_entry_promise",
    queue_entry.c.phone_idx,
    unique=True,
    postgresql_where=_PROMISED,
    sqlite_where=_PROMISED,
)
Index("ix_queue_entry_phone", queue_entry.c.phone_idx, queue_entry.c.created_at)
Index("ix_queue_entry_origin", queue_entry.c.origin_call_id)
Index("ix_queue_entry_created_at", queue_entry.c.created_at)
Index("ix_queue_entry_answered_at", queue_entry.c.answered_at)
Index("ix_queue_entry_ended_at", queue_entry.c.ended_at)
_TELLS = text("message_id IS NOT NULL")
Index(
    "ix_queue_entry_message_id",
    queue_entry.c.message_id,
    postgresql_where=_TELLS,
    sqlite_where=_TELLS,
)
_GAVE_WAY = text("message_id IS NOT NULL AND outcome IN ('displaced', 'merged')")
Index(
    "ix_queue_entry_gave_way",
    queue_entry.c.joined_at,
    postgresql_where=_GAVE_WAY,
    sqlite_where=_GAVE_WAY,
)
# Asked each second: how many a language's agents owe an answer, and who is rung later.
_OWED_ENTRY = text("state = 'waiting' AND mode = 'agent'")
Index(
    "ix_queue_entry_owed",
    queue_entry.c.language,
    queue_entry.c.due_at,
    queue_entry.c.joined_at,
    postgresql_where=_OWED_ENTRY,
    sqlite_where=_OWED_ENTRY,
)
_BUSY_ENTRY = text("state IN ('reserved', 'talking', 'wrapup', 'kept')")
Index(
    "ix_queue_entry_busy",
    queue_entry.c.state,
    queue_entry.c.staff_id,
    postgresql_where=_BUSY_ENTRY,
    sqlite_where=_BUSY_ENTRY,
)

# What an agent does at this moment.
agent = Table(
    "agent",
    metadata,
    Column("staff_id", ForeignKey("staff.id"), primary_key=True),
    Column(
        "state",
        String(10),
        nullable=False,
        comment="offline, ready, reserved, talking, wrapup, paused",
    ),
    Column("since", Instant, nullable=False),
    Column("reason", String(40), nullable=False, server_default="", comment="of a pause"),
    Column("then_pause", String(40), comment="a pause asked for while busy: after this call"),
    Column("entry_id", String(32)),
    Column("voice", String(8), nullable=False, server_default="browser", comment="browser, phone"),
    Column("seen_at", Instant, nullable=False, comment="when the desk's page asked last"),
    Column("version", Integer, nullable=False, server_default=text("1")),
)

# Lines that we ring: an agent's, a supervisor's, a callback's, a third person's.
leg = Table(
    "leg",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(10), nullable=False, comment="agent, supervisor, callback, third"),
    Column("staff_id", String(32)),
    Column("entry_id", String(32), index=True),
    Column("provider_sid", String(40), unique=True),
    Column("state", String(10), nullable=False, comment="asked, ringing, answered, joined, ended"),
    Column("mode", String(10), nullable=False, server_default="", comment="listen, whisper, join"),
    Column("to_enc", LargeBinary),
    Column("outcome", String(20), nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("seconds", Integer, comment="how long it lasted, as billed; null: not told so far"),
)
# Those that go on, which have none, and those that ended lately.
Index("ix_leg_ended_at", leg.c.ended_at, leg.c.kind)

# What is to be asked of the provider, stored before it is asked: done once, swept if it is not.
intent = Table(
    "intent",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key", String(80), nullable=False, unique=True, comment="the same twice is one"),
    Column("kind", String(20), nullable=False),
    Column("staff_id", String(32)),
    Column("entry_id", String(32)),
    Column("leg_id", String(32)),
    Column("arguments_enc", LargeBinary, comment="JSON"),
    Column("state", String(8), nullable=False, comment="pending, doing, done, failed"),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("lease_until", Instant),
    Column("error_code", String(12)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
_UNDONE = text("state IN ('pending', 'doing')")
Index(
    "ix_intent_undone",
    intent.c.created_at,
    postgresql_where=_UNDONE,
    sqlite_where=_UNDONE,
)
Index("ix_intent_entry_id", intent.c.entry_id)

# Permits of an account's rate (calls a second), shared by all processes.
rate_bucket = Table(
    "rate_bucket",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("at", Instant, nullable=False),
)

# What screens show: written by one process each second, read by all.
snapshot = Table(
    "snapshot",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("tag", String(40), nullable=False, comment="hash of the body: equal = unchanged"),
    Column("body", Text, nullable=False, comment="JSON; ids, words and counts, nothing personal"),
)

# Counts by the quarter of an hour, for yesterday and the days before.
tally = Table(
    "tally",
    metadata,
    Column("at", Instant, primary_key=True, comment="when the quarter begins"),
    Column("name", String(40), primary_key=True),
    Column("label", String(60), primary_key=True),
    Column("value", Float, nullable=False),
)

alert = Table(
    "alert",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("told_at", Instant, comment="of which state ALERT_WEBHOOK_URL took the news"),
    Column("seen_by", String(32)),
)
_RAISED = text("ended_at IS NULL")
Index(
    "uq_alert_raised",
    alert.c.name,
    unique=True,
    postgresql_where=_RAISED,
    sqlite_where=_RAISED,
)

# What a supervisor set, over the settings and the campaign: thresholds, the telephone's floor.
board_setting = Table(
    "board_setting",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", Text, nullable=False, comment="JSON"),
    Column("who", String(32), nullable=False),
    Column("at", Instant, nullable=False),
)

# ------------------------------------------------------------------ the web channel

# A visit to the public site: where somebody is in its questions, and what they have given. Its id
# is the name that its places are held under; the number is the duplicate check, as in `turn`.
visit = Table(
    "visit",
    metadata,
    Column("id", String(40), primary_key=True, comment="W and 32 hexadecimal digits"),
    Column("number", Integer, nullable=False, comment="counts answers; a copy of one is none"),
    Column("step", String(24), nullable=False, comment="the question that is asked now"),
    Column(
        "outcome",
        String(16),
        nullable=False,
        server_default="",
        comment="booked, waiting, taken_up, ended; empty: goes on",
    ),
    Column("language", String(2), nullable=False, server_default="fr"),
    Column("body_enc", LargeBinary, comment="the session and what was typed; erased after 24 h"),
    Column("code_idx", LargeBinary, unique=True, comment="to finish it by telephone"),
    Column("code_until", Instant),
    Column(
        "place_idx", LargeBinary, comment="where it was begun (services.online.attempts.place_of)"
    ),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)
Index("ix_visit_seen_at", visit.c.seen_at)
_FROM_A_PLACE = text("place_idx IS NOT NULL")
Index(
    "ix_visit_place_idx",
    visit.c.place_idx,
    visit.c.created_at,
    postgresql_where=_FROM_A_PLACE,
    sqlite_where=_FROM_A_PLACE,
)

# How many came to the waiting room in front of the web, for each opening and bucket of ranks.
arrival = Table(
    "arrival",
    metadata,
    Column("opening", String(40), primary_key=True),
    Column("bucket", Integer, primary_key=True, comment="of the draw below 1024, then seconds"),
    Column("people", Integer, nullable=False),
)

# What each web worker measured last: the rate at which people are let in follows it.
web_load = Table(
    "web_load",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False, comment="JSON of counts and seconds"),
)

# What the public page about the service tells went wrong, and since when.
incident = Table(
    "incident",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(20), nullable=False, comment="store, overload, partner, told"),
    Column("text", Text, nullable=False, server_default="", comment="in French, or a platform"),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("who", String(60), nullable=False, comment="system, or who told it"),
    Column(
        "translations",
        Text,
        nullable=False,
        server_default="{}",
        comment="JSON: the text by the code of another language",
    ),
)
Index("ix_incident_began_at", incident.c.began_at)

# Who came to an appointment, as the centre's secretary says.
attendance = Table(
    "attendance",
    metadata,
    Column("booking_id", ForeignKey("booking.id"), primary_key=True),
    Column("dose", SmallInteger, primary_key=True),
    Column("start_at", Instant, nullable=False, comment="of the appointment that is meant"),
    Column("state", String(8), nullable=False, comment="present, absent; empty: taken back"),
    Column("who", String(60), nullable=False),
    Column("at", Instant, nullable=False),
    Column("given_place", RowId, comment="made for somebody else, who has what an absent left"),
)
Index("ix_attendance_at", attendance.c.at)

# ------------------------------------------------------------------ partners

# How reading a partner goes: a failure changes nothing but the age of its data.
partner_feed = Table(
    "partner_feed",
    metadata,
    Column("platform", String(20), primary_key=True),
    Column("tried_at", Instant),
    Column("read_at", Instant, comment="when everything was read last"),
    Column("error", String(80), nullable=False, server_default=""),
    Column("pause_until", Instant, comment="not asked again before"),
    Column("details", Text, nullable=False, server_default="{}", comment="JSON of counts"),
)

# A centre as a partner has it. `centre_id` is ours that it was found to be.
partner_centre = Table(
    "partner_centre",
    metadata,
    Column("id", String(80), primary_key=True, comment="doctolib:practice-165752"),
    Column("platform", String(20), nullable=False),
    Column("name", Text, nullable=False),
    Column("street", Text, nullable=False, server_default=""),
    Column("postcode", String(5), nullable=False, server_default=""),
    Column("town", Text, nullable=False, server_default=""),
    Column("territory", String(16), nullable=False, server_default=""),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("time_zone", String(40), nullable=False, server_default="Europe/Paris"),
    Column("phone", String(20), nullable=False, server_default="", comment="E.164 or short"),
    Column("link", Text, nullable=False, server_default=""),
    Column("phone_only", Boolean, nullable=False, server_default=text("false")),
    Column("centre_id", String(40), comment="ours; null: not known to be one"),
    Column(
        "matched",
        String(8),
        nullable=False,
        server_default="none",
        comment="link, id, likeness, person, unsure, none",
    ),
    Column("candidates", Text, nullable=False, server_default="[]", comment="JSON: [[id, score]]"),
    Column("next_at", Instant, comment="first free slot known, for the public"),
    Column("free", Integer, nullable=False, server_default=text("0")),
    Column("read_at", Instant, nullable=False, comment="the age of what is known of it"),
    Column("gone_at", Instant),
)
Index("ix_partner_centre_centre_id", partner_centre.c.centre_id)

partner_slot = Table(
    "partner_slot",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("partner_centre_id", ForeignKey("partner_centre.id"), nullable=False),
    Column("start_at", Instant, nullable=False),
    Column("dose", SmallInteger, nullable=False, comment="1, 2, 3; 0: not told"),
    Column("motive", Text, nullable=False, server_default=""),
    Column("bookable_for", String(20), nullable=False, comment="public, age, professionals"),
    Column("seconds_at", Instant, comment="of the second appointment that comes with it"),
    Column("read_at", Instant, nullable=False),
)
Index(
    "uq_partner_slot",
    partner_slot.c.partner_centre_id,
    partner_slot.c.start_at,
    partner_slot.c.dose,
    partner_slot.c.motive,
    unique=True,
)

# An appointment that is to be booked at a partner for somebody: asked there by the outbox.
partner_booking = Table(
    "partner_booking",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key", String(80), nullable=False, unique=True, comment="the same form twice is one"),
    Column("platform", String(20), nullable=False),
    Column("centre_id", String(40), nullable=False),
    Column(
        "state",
        String(10),
        nullable=False,
        comment="asked, booked, refused, unsure, undoing, undone",
    ),
    Column("channel", String(8), nullable=False),
    Column("holder", String(40), nullable=False, comment="the name that its places are held under"),
    Column("booking_id", String(32), comment="ours, once both sides have it"),
    Column("order_enc", LargeBinary, comment="JSON: who comes, and how to reach them"),
    Column("patient_ref", String(40), nullable=False, server_default=""),
    Column("appointment_refs", Text, nullable=False, server_default="[]", comment="JSON, by dose"),
    Column("error", String(20), nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
Index("ix_partner_booking_booking_id", partner_booking.c.booking_id)
Index("ix_partner_booking_state", partner_booking.c.state, partner_booking.c.updated_at)
