"""A call ended: what it held and did not book is free at once."""

from __future__ import annotations

from models import calls, places
from services.store import Store


def record_call_status(store: Store, call_id: str, status: str) -> bool:
    """Note a status of a call, in whatever order statuses arrive; True when it ended the call."""
    if not calls.is_over(status):
        with store.database.statement() as connection:
            calls.move_status(connection, store.clock, call_id, status)
        return False
    with store.database.transaction() as connection:
        moved = calls.move_status(connection, store.clock, call_id, status)
        # Even for a call that is not known: giving back is never wrong after the end.
        places.release(connection, call_id)
    return moved
