"""What the provider reports about a message; a late or repeated report never moves it back."""

from __future__ import annotations

from models import outbox
from services.store import Store


def record_delivery(
    store: Store,
    provider_sid: str,
    state: str,
    *,
    message_id: str | None = None,
    error_code: str | None = None,
) -> bool:
    """Advance a message to `state` (a key of models.outbox.STATE_RANK); False if nothing moved.

    `message_id` comes with the address that we gave when sending: a report may be quicker than the
    provider's answer to us, or stand in for an answer that was lost.
    """
    with store.database.transaction() as connection:
        found = message_id or outbox.find_by_sid(connection, provider_sid)
        if found is None:
            return False
        return outbox.move_state(
            connection,
            store.clock,
            found,
            state,
            provider_sid=provider_sid,
            error_code=error_code,
        )
