"""Messages, what telephone lines can get, and reminders that were planned."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Date,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    exists,
    select,
    text,
)

from models.tables import index, key, may, metadata, must
from models.types import Instant, LookUp, LookUpWay, Sealed

message = Table(
    "message",
    metadata,
    key("id", String(32)),
    must("kind", String(20), "sms, callback, …: later issues add kinds, not tables"),
    must("dedupe_key", String(80), unique=True),
    may("booking_id", String(32)),
    may("call_id", String(40), personal=True),
    may("recipient_enc", Sealed),
    may("recipient_idx", LookUp("phone", "recipient_enc")),
    may("payload_enc", Sealed, "JSON: what the kind needs to be delivered"),
    must("state", String(12)),
    must("attempts", SmallInteger, default=0),
    must("due_at", Instant),
    may("lease_until", Instant),
    may("provider_sid", String(40)),
    may("error_code", String(12)),
    must("created_at", Instant),
    must("updated_at", Instant),
    may("sent_at", Instant),
    must(
        "topic",
        String(20),
        "what it tells of: confirmation, reminder, offer … (services.messages.topics)",
        default="",
    ),
    may("way", String(5), "text or call, once it went"),
    may("parts", SmallInteger, "of a text"),
    may("seconds", Integer, "of calls, as billed"),
    may("held_at", Instant, "held back since, because a budget of the day was spent"),
    may("held_why", String(12), "which one: number, client, prefix, day"),
    may("let_go_by", String(32), "the supervisor who sent it all the same"),
    may("called", String(16), "the number of ours that its call or booking came in by"),
    index("ix_message_unsent", "kind", "due_at", where="state IN ('pending', 'sending')"),
    index("ix_message_undelivered", "updated_at", where="state IN ('failed', 'undelivered')"),
    index("ix_message_provider_sid", "provider_sid"),
    # Erased, and to be deleted at the provider: none but for a moment.
    index(
        "ix_message_kept_at_provider",
        "id",
        where="recipient_enc IS NULL AND provider_sid IS NOT NULL",
    ),
    index("ix_message_recipient_idx", "recipient_idx"),
    index("ix_message_booking_id", "booking_id"),
    index("ix_message_sent_at", "sent_at"),
    index("ix_message_held", "held_at", where="held_at IS NOT NULL"),
)

# The phone capabilities of a number, as the provider or a person at that number has told.
phone_line = Table(
    "phone_line",
    metadata,
    key("phone_idx", LookUp(way=LookUpWay.FOLLOWS)),
    must("kind", String(10), "mobile, landline, voip, none; empty: as its number says"),
    must("source", String(8), "lookup, refusal, sms"),
    may("looked_up_at", Instant),
    may("refused_at", Instant, "a text was refused there last, as a landline"),
    must("refusals", SmallInteger, default="0"),
    may("stopped_at", Instant, "wants no texts since"),
    may("wrong_at", Instant, "said to be somebody else's"),
    must("updated_at", Instant),
    index("ix_phone_line_updated_at", "updated_at"),
)

# Reminders of a day that were written, so that each is once.
reminder_plan = Table(
    "reminder_plan",
    metadata,
    key("what", String(20)),
    key("campaign", String(40)),
    key("time_zone", String(40)),
    key("day", Date, "of those appointments, by that zone"),
    must("planned_at", Instant),
    must("messages", Integer),
)

# What is left to write of such a day: each row is taken and written by one process, and then gone.
reminder_part = Table(
    "reminder_part",
    metadata,
    key("what", String(20)),
    key("campaign", String(40)),
    key("time_zone", String(40)),
    key("day", Date, "as that of the plan"),
    key("number", Integer, "from 0, in the order of time"),
    must("begins_at", Instant, "of the first appointment, or when the first booking was made"),
    must("begins_id", BigInteger, "of the first appointment among those that start then"),
    must("ends_at", Instant, "like begins_at, of the first that is not in it"),
    must("ends_id", BigInteger),
)

# What texts and calls may cost in a day, and what they have cost.
budget = Table(
    "budget",
    metadata,
    key("day", Date, "by the calendar of Paris"),
    key("kind", String(12), "number, client, prefix, day; of calls: call_prefix, call_day"),
    key("subject", LargeBinary, "keyed hash of a number or client; a prefix; empty for all"),
    must("units", Integer, "parts of texts, or calls, that were counted"),
    must("millieuros", BigInteger, "thousandths of a euro"),
    must("most_units", Integer, "the limit when it was counted last"),
    must("most_millieuros", BigInteger),
    must("refused", Integer, "messages or calls that were held back", default=0),
    may("closed_at", Instant, "when the first was held back since one went last"),
    index("ix_budget_closed", "day", where="closed_at IS NOT NULL"),
)

# After a restore nothing leaves until what left before it is known: one row for each restore.
outbox_freeze = Table(
    "outbox_freeze",
    metadata,
    key("id", String(32)),
    must("state", String(6), "frozen, ended"),
    must("since_at", Instant, "from when on the provider is asked: before the back-up ended"),
    must("began_at", Instant),
    must("began_by", String(60), "operator and the account of the machine"),
    may("reconciled_at", Instant, "when all that the provider lists was last looked at"),
    must("counts", Text, "JSON: what came of it; nothing personal", default="{}"),
    may("ended_at", Instant),
    may("ended_by", String(60), "like began_by"),
    index("uq_outbox_freeze_frozen", "state", where="state = 'frozen'", unique=True),
)
# Whether a freeze lasts, as a condition of the statements that claim what is to leave. To the
# letter of the index, or it would not be used.
FROZEN = exists(select(outbox_freeze.c.id).where(text("outbox_freeze.state = 'frozen'")))
