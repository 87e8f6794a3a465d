"""Cases that agents look at."""

from __future__ import annotations

from sqlalchemy import String, Table

from models.tables import index, key, may, metadata, must
from models.types import Instant, LookUp, LookUpWay, Sealed

# What no process can settle by itself: an agent looks at it.
agent_case = Table(
    "agent_case",
    metadata,
    key("id", String(32)),
    must("kind", String(20)),
    may("booking_id", String(32)),
    may("operation_id", String(32)),
    must("why", String(80)),
    must("created_at", Instant),
    may("closed_at", Instant),
    may("message_id", String(32)),
    may("request_id", String(32), "the call that was asked for at a typed number"),
    index("ix_agent_case_open", "created_at", where="closed_at IS NULL"),
    index("ix_agent_case_booking_id", "booking_id"),
)

# What the provider says that a person was told, and no row of a restored store knows of.
lost_text = Table(
    "lost_text",
    metadata,
    key("id", String(32)),
    must("case_id", String(32), index=True),
    must("kind", String(4), "text, rang: we rang and somebody answered, came: a call to us"),
    must("provider_sid", String(40), unique=True),
    may("number_enc", Sealed),
    may("number_idx", LookUp("phone", "number_enc")),
    may("body_enc", Sealed, "what was written; null for a call"),
    must("at", Instant, "when it left, or the call began"),
    must("created_at", Instant),
    index("ix_lost_text_number_idx", "number_idx"),
    index("ix_lost_text_created_at", "created_at"),
)

# Names whose files raise an alert when they are opened; a row for each word of a name. Neither the
# name nor the birth date is kept.
watched_name = Table(
    "watched_name",
    metadata,
    key("watch_id", String(32)),
    key(
        "name_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of one word of a name and the birth date",
    ),
    must("who", String(32), "a staff id, or a word: operator"),
    must("at", Instant),
    index("ix_watched_name_name_idx", "name_idx"),
)
