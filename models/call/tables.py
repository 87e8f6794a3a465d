"""Calls and their turns, conversations by text, paces of lines, and codes to go on with."""

from __future__ import annotations

from sqlalchemy import Boolean, Date, FetchedValue, SmallInteger, String, Table

from models.tables import index, key, may, metadata, must
from models.types import Instant, LookUp, LookUpWay, Sealed

call = Table(
    "call",
    metadata,
    key("id", String(40), "the provider's id of the call"),
    may("caller_enc", Sealed, "null: withheld, or erased"),
    may("caller_idx", LookUp("phone", "caller_enc")),
    must("status", String(16)),
    must("status_rank", SmallInteger),
    must("started_at", Instant),
    may("ended_at", Instant),
    may("called", String(16), "one of ours, as it was dialled; null: the default"),
    index("ix_call_caller_started", "caller_idx", "started_at"),
    index("ix_call_started_at", "started_at", postgresql_using="brin"),
    # The board asks each second which calls have just ended.
    index("ix_call_ended_at", "ended_at"),
)

# On PostgreSQL in partitions, one for each day, whose own keys are these: models/turn_days.py.
turn = Table(
    "turn",
    metadata,
    key("call_id", String(40)),
    key("number", SmallInteger, "0 is the answer to the ring"),
    must("at", Instant),
    must("step", String(24), "where the call is after this turn"),
    must("outcome", String(16)),
    may(
        "body_enc",
        Sealed,
        "what was heard, the session after it, the answer; erased after 24 h",
    ),
    may(
        "about",
        String(64),
        "services that it was about, as grippe+covid; null: of no name, or not said yet",
    ),
    # What the version before does not give is the day of now, and never one before the migration.
    must(
        "rang_on",
        Date,
        "the day (UTC) on which its call rang: the partition that it lies in",
        default=FetchedValue(),
    ),
    # Rows come in the order of time and are looked up by it once an hour: a summary of pages will
    # do.
    index("ix_turn_at", "at", postgresql_using="brin"),
)

# A line that asked for the slower pace is spoken to slowly from the start.
caller_pace = Table(
    "caller_pace",
    metadata,
    key("caller_idx", LookUp(way=LookUpWay.FOLLOWS)),
    must("slow", Boolean),
    must("at", Instant, "of the last call that said so"),
)

# Booking by texts: the conversation of a number, one at a time. Its turns are rows of `turn`.
text_conversation = Table(
    "text_conversation",
    metadata,
    key("phone_idx", LookUp(way=LookUpWay.LAPSES)),
    must("call_id", String(40), "what its turns are kept under; it is no call", unique=True),
    must("began_at", Instant),
    index("ix_text_conversation_began_at", "began_at"),
)

# What a withheld number is told, so that a line that is cut loses nothing.
resume_code = Table(
    "resume_code",
    metadata,
    key("code_idx", LookUp(way=LookUpWay.LAPSES)),
    must("call_id", String(40), refers="call.id", index=True),
    must("expires_at", Instant),
)
