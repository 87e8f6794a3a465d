"""What leaves for a partner: messages of the outbox that name an order, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from models.database import Connection
from models.partners import bookings
from services.messages.notices import PARTNER
from services.messages.write_message import write_message
from services.slots.give_back import UNDO_GRACE
from services.store import Store

_AT_ONCE: Final = timedelta()


def send(
    connection: Connection,
    store: Store,
    order_id: str,
    *,
    key: str = "",
    after: timedelta = _AT_ONCE,
) -> str:
    """Have an order attended to, in the transaction that changed something about it.

    Gives the message's id, empty where the same (by `key`) is there already.
    """
    due_at = store.clock.now() + after if after else None
    key = f"{PARTNER}:{order_id}{key}"
    payload = {"order": order_id}
    return write_message(connection, store, PARTNER, "", payload, key=key, due_at=due_at) or ""


def follow(
    connection: Connection,
    store: Store,
    booking_id: str,
    version: int,
    *,
    undo_within: timedelta | None,
) -> None:
    """A booking was changed: what its partner has and it has not any more goes there, too.

    What can be taken back (`undo_within`; None: it cannot) goes when it cannot be any more: until
    then our place is kept, and theirs with it.
    """
    after = undo_within + UNDO_GRACE if undo_within is not None else _AT_ONCE
    for order_id in bookings.of_booking(connection, booking_id):
        send(connection, store, order_id, key=f":{version}", after=after)
