"""What agents do at this moment, the lines we ring, and what the provider is to be asked."""

from __future__ import annotations

from sqlalchemy import Float, Integer, SmallInteger, String, Table

from models.tables import index, key, may, metadata, must
from models.types import Instant, Sealed

# What an agent does at this moment.
agent = Table(
    "agent",
    metadata,
    key("staff_id", String(32), refers="staff.id"),
    must("state", String(10), "offline, ready, reserved, talking, wrapup, paused"),
    must("since", Instant),
    must("reason", String(40), "of a pause", default=""),
    may("then_pause", String(40), "a pause asked for while busy: after this call"),
    may("entry_id", String(32)),
    must("voice", String(8), "browser, phone", default="browser"),
    must("seen_at", Instant, "when the desk's page asked last"),
    must("version", Integer, default=1),
)

# Lines that we ring: an agent's, a supervisor's, a callback's, a third person's.
leg = Table(
    "leg",
    metadata,
    key("id", String(32)),
    must("kind", String(10), "agent, supervisor, callback, third"),
    may("staff_id", String(32)),
    may("entry_id", String(32), index=True),
    may("provider_sid", String(40), unique=True, personal=True),
    must("state", String(10), "asked, ringing, answered, joined, ended"),
    must("mode", String(10), "listen, whisper, join", default=""),
    may("to_enc", Sealed),
    must("outcome", String(20), default=""),
    must("created_at", Instant),
    must("updated_at", Instant),
    may("ended_at", Instant),
    may("seconds", Integer, "how long it lasted, as billed; null: not told so far"),
    may("muted_at", Instant, "since when its own microphone is off; null: it is heard"),
    # Those that go on, which have none, and those that ended lately.
    index("ix_leg_ended_at", "ended_at", "kind"),
)

# What is to be asked of the provider, stored before it is asked: done once, swept if it is not.
intent = Table(
    "intent",
    metadata,
    key("id", String(32)),
    must("key", String(80), "the same twice is one", unique=True),
    must("kind", String(20)),
    may("staff_id", String(32)),
    may("entry_id", String(32)),
    may("leg_id", String(32)),
    may("arguments_enc", Sealed, "JSON"),
    must("state", String(8), "pending, doing, done, failed"),
    must("attempts", SmallInteger, default=0),
    may("lease_until", Instant),
    may("error_code", String(12)),
    must("created_at", Instant),
    must("updated_at", Instant),
    index("ix_intent_undone", "created_at", where="state IN ('pending', 'doing')"),
    index("ix_intent_entry_id", "entry_id"),
)

# Permits of an account's rate (calls a second), shared by all processes.
rate_bucket = Table(
    "rate_bucket",
    metadata,
    key("name", String(20)),
    must("tokens", Float),
    must("at", Instant),
)
