"""What the provider reports about a message; a late or repeated report never moves it back.

What follows from a failure is not decided here: a row that is left with it looks at the message
again when all its reports are there (services.messages.delivery_failures).
"""

from __future__ import annotations

from models.database import Connection
from models.messages import outbox
from services.messages.sms_parts import parts
from services.store import Store


def record_delivery(
    store: Store,
    provider_sid: str,
    state: str,
    *,
    message_id: str | None = None,
    error_code: str | None = None,
) -> bool:
    """Advance a message to `state` (a key of outbox.STATE_RANK); False if nothing moved.

    `message_id` comes with the address that we gave when sending: a report may be quicker than the
    provider's answer to us, or stand in for an answer that was lost.
    """

    def record(connection: Connection) -> bool:
        found = message_id or outbox.find_by_sid(connection, provider_sid)
        if found is None:
            return False
        moved = outbox.move_state(
            connection,
            store.clock,
            found,
            state,
            provider_sid=provider_sid,
            error_code=error_code,
        )
        if moved:
            _count(connection, store, found)
        return moved

    # The provider does not tell it twice.
    return store.database.retried(record)


def _count(connection: Connection, store: Store, message_id: str) -> None:
    """Whose answer was lost has its parts counted by this report; of all others that is done."""
    stored = outbox.load(connection, store.vault, message_id)
    body = stored.claimed.payload.get("body") if stored and stored.way is None else None
    if body:
        outbox.note_parts(connection, message_id, parts(str(body)))
