"""A call ended: what it held and did not book is free at once."""

from __future__ import annotations

from models import calls, places
from services.store import Store


def record_call_status(store: Store, call_id: str, status: str) -> bool:
    """Note a status of a call, in whatever order statuses arrive; True when it ended the call."""
    with store.database.statement() as connection, store.database.one_writer():
        moved = calls.move_status(connection, store.clock, call_id, status)
        if not calls.is_over(status):
            return False
        # Two statements that need not happen together: what a call holds runs out by itself. Giving
        # back is right for a call that is not known, too.
        places.release(connection, call_id)
    return moved
