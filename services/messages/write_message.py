"""Put a message into the outbox, or a case before an agent, in the transaction of what it is of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from models.database import Connection
from models.desk import cases
from models.desk.cases import NewCase
from models.messages import outbox
from models.messages.outbox import NewMessage
from services.store import Store


def write_message(
    connection: Connection,
    store: Store,
    kind: str,
    recipient: str,
    payload: dict[str, Any],
    *,
    key: str,
    topic: str = "",
    booking_id: str | None = None,
    call_id: str | None = None,
    due_at: datetime | None = None,
    called: str | None = None,
    leaves: bool = True,
    recipient_idx: bytes | None = None,
) -> str | None:
    """A message of models.messages.outbox.NewMessage; None where its `key` is there already.

    `called` is the number of ours that it is of; None: that of its booking or call. One that does
    not leave is written all the same, where the time that it takes must tell nothing.
    `recipient_idx` is the keyed hash of the recipient's number, where it is there already.
    """
    message_id = store.chance.identifier()
    new = NewMessage(
        message_id,
        kind,
        key,
        recipient,
        payload,
        booking_id,
        call_id,
        due_at,
        topic,
        called,
        state="pending" if leaves else "dropped",
        recipient_idx=recipient_idx,
    )
    return message_id if outbox.add(connection, store.clock, store.vault, new) else None


def open_case(
    connection: Connection, store: Store, kind: str, why: str, **about: str | None
) -> str:
    """A case of models.desk.cases.NewCase; `about` are its other ids. Gives its own."""
    new = NewCase(store.chance.identifier(), kind, why, **about)
    cases.add(connection, store.clock, new)
    return new.id
