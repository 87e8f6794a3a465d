"""Queues of agents, and the callers and call backs in them."""

from __future__ import annotations

from sqlalchemy import Integer, SmallInteger, String, Table, Text, text

from models.tables import index, key, may, metadata, must
from models.types import Instant, LookUp, Sealed

_IN_LINE = "state = 'waiting'"
_LIVE = "state IN ('waiting', 'kept', 'reserved', 'talking')"
_BUSY = "state IN ('reserved', 'talking', 'wrapup', 'kept')"
# Conditions to the letter of an index, or it would not be used.
IN_LINE, LIVE, BUSY = (text(f"queue_entry.{words}") for words in (_IN_LINE, _LIVE, _BUSY))
PROMISED = text(f"queue_entry.kind = 'callback' AND queue_entry.{_LIVE}")

agent_queue = Table(
    "agent_queue",
    metadata,
    key("id", String(40), "fr, en, fr-bretagne"),
    must("language", String(5)),
    must("region", String(60), "empty: national", default=""),
    must("state", String(14), "hours, open, callback_only, closed", default="hours"),
    must(
        "overflow_minutes",
        SmallInteger,
        "after these the national queue of the language takes its callers too",
        default=3,
    ),
    must("announcement", Text, "said to who waits", default=""),
    may("provider_sid", String(40), "the provider's queue; null: not made yet"),
    must("max_size", Integer, default=5000),
    must("created_at", Instant),
    must("updated_at", Instant),
    must(
        "translations", Text, "JSON: the announcement by the code of another language", default="{}"
    ),
)

agent_queue_member = Table(
    "agent_queue_member",
    metadata,
    key("staff_id", String(32), refers="staff.id"),
    key("queue_id", String(40), refers="agent_queue.id"),
    must("rank", SmallInteger, "0 is served first; equal ranks by who waits longest", default=0),
)

# One line for callers on the line and for callbacks that were promised: one order for both.
queue_entry = Table(
    "queue_entry",
    metadata,
    key("id", String(32)),
    must("queue_id", String(40), refers="agent_queue.id"),
    must("kind", String(8), "call: on the line; callback: promised"),
    must("state", String(10), "waiting, kept, reserved, talking, wrapup, done, left, lost"),
    may("call_id", String(40), "the caller's call of now; null: not rung yet"),
    may("origin_call_id", String(40), "the call that holds what was said and typed"),
    must("language", String(5)),
    may("departement", String(3)),
    may("phone_enc", Sealed),
    may("phone_idx", LookUp("phone", "phone_enc")),
    may("known_enc", Sealed, "JSON: what was given, beyond the life of turns"),
    must("reason", String(40), default=""),
    must(
        "mode",
        String(8),
        "agent; machine: a callback that goes on without anybody",
        default="agent",
    ),
    must("joined_at", Instant, "the place in the line"),
    may("overflow_at", Instant, "from then on the national queue takes it too"),
    must("due_at", Instant, "a callback is not made before"),
    may("expected_at", Instant, "a callback: when it was promised for, at the latest"),
    may("told_seconds", Integer, "the wait that was told first"),
    may("told_at", Instant),
    may("staff_id", String(32)),
    may("reserved_at", Instant),
    may("answered_at", Instant),
    may("held_at", Instant, "on hold since; null: not"),
    may("conference_sid", String(40)),
    may("ended_at", Instant),
    must("outcome", String(20), default=""),
    must("wrapup_code", String(24), default=""),
    may("note_enc", Sealed),
    must("tries", SmallInteger, default=0),
    may("last_try_at", Instant),
    must("version", Integer, default=1),
    must("created_at", Instant),
    must("updated_at", Instant),
    may("promised_at", Instant, "a callback: when it was promised, which may be after its place"),
    may("asked_at", Instant, "when the provider was last asked what became of its lines"),
    may("message_id", String(32), "the message that this call delivers"),
    may("called", String(16), "the number of ours that its call came in by; null: the default"),
    may("overflow_queue", String(40), "takes it too after overflow_at; null: the national one"),
    may("about", String(64), "services that it is about, as of a turn"),
    index("ix_queue_entry_line", "queue_id", "joined_at", "id", where=_IN_LINE),
    index(
        "uq_queue_entry_call",
        "call_id",
        where=_LIVE,
        unique=True,
    ),
    # One live promise for each number.
    index(
        "uq_queue_entry_promise",
        "phone_idx",
        where=f"kind = 'callback' AND {_LIVE}",
        unique=True,
    ),
    index("ix_queue_entry_phone", "phone_idx", "created_at"),
    index("ix_queue_entry_origin", "origin_call_id"),
    index("ix_queue_entry_created_at", "created_at"),
    index("ix_queue_entry_answered_at", "answered_at"),
    index("ix_queue_entry_ended_at", "ended_at"),
    index("ix_queue_entry_message_id", "message_id", where="message_id IS NOT NULL"),
    index(
        "ix_queue_entry_gave_way",
        "joined_at",
        where="message_id IS NOT NULL AND outcome IN ('displaced', 'merged')",
    ),
    # Asked each second: how many people a language's agents owe an answer, and those rung later.
    index(
        "ix_queue_entry_owed",
        "language",
        "due_at",
        "joined_at",
        where="state = 'waiting' AND mode = 'agent'",
    ),
    index(
        "ix_queue_entry_busy",
        "state",
        "staff_id",
        where=_BUSY,
    ),
)

# A call asked for at a number that was typed, and not yet by who owns it: it is in no queue.
callback_request = Table(
    "callback_request",
    metadata,
    key("id", String(32)),
    may("phone_enc", Sealed),
    may("phone_idx", LookUp("phone", "phone_enc")),
    may("known_enc", Sealed, "JSON: what was given, as of a queue entry"),
    must("language", String(5)),
    may("departement", String(3)),
    may("call_id", String(40), "the call in which it was asked for"),
    must("state", String(8), "asked: its owner may say yes by a text; case: an agent rings; over"),
    must("outcome", String(12), "yes, rung, closed; empty: none yet", default=""),
    must("joined_at", Instant, "the place in the line that it gets"),
    may("answer_until", Instant, "then it is an agent's case"),
    must("created_at", Instant),
    must("updated_at", Instant),
    index("ix_callback_request_phone", "phone_idx", "created_at"),
    index("ix_callback_request_asked", "answer_until", where="state = 'asked'"),
)
