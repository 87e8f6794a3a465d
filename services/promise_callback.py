"""Promise to ring somebody back: a row in the outbox, one live promise for each number."""

from __future__ import annotations

from typing import Any

from models import outbox
from models.database import Connection
from models.outbox import NewMessage
from services.store import Store


def promise_callback(
    connection: Connection, store: Store, number: str, call_id: str | None, known: dict[str, Any]
) -> bool:
    """Store the promise in the caller's transaction; False when one is already kept.

    What is known replaces what was, unless it was nothing but silence this time.

    `number` is E.164. `known` is what the person has given already, for nobody is asked twice.
    """
    index = store.vault.index("phone", number) or b""
    message = NewMessage(
        id=store.chance.identifier(),
        kind="callback",
        dedupe_key=f"callback:{index.hex()}",
        recipient=number,
        payload=known,
        call_id=call_id,
    )
    if outbox.add(connection, store.clock, store.vault, message):
        return True
    # One promise a number: whoever rings back has what was said last.
    if known.get("born"):
        outbox.replace_payload(connection, store.clock, store.vault, message.dedupe_key, known)
    return False
