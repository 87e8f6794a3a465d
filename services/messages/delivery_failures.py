"""What the provider reports of a message, and what follows where it did not come to its person.

Once more, a call, or a case. A late or repeated report never moves a message back. A row that
follows one up is written with the failure (models.messages.outbox.move_state) and looks at it a
minute later, when reports that contradict each other have all come: what is done depends on where
they left the message, and not on which came first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from models.database import Connection
from models.messages import look_ups, outbox
from models.messages.outbox import FAILING, ClaimedMessage, StoredMessage
from services.messages import phone_capabilities
from services.messages.notices import Later, ReadyNotice
from services.messages.retry_plan import ONE_MORE_AFTER, ErrorMeaning, fate
from services.messages.sms_parts import parts
from services.messages.topics import Manner
from services.store import Store

# One text, one more, one call; and what an operator had sent again, and again.
_LONGEST_CHAIN = 12


@dataclass(frozen=True)
class ForSomebody:
    """No message can reach that person: a case for an agent. `why` is a code."""

    why: str


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
        found = message_id or look_ups.find_by_sid(connection, provider_sid)
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


Outcome = ReadyNotice | Later | ForSomebody | None
# What a message that is no follow-up has become by now.
Rendered = Callable[[Connection, Store, ClaimedMessage], ReadyNotice | Later | None]


def look(
    connection: Connection,
    store: Store,
    follow_up: ClaimedMessage,
    manner: Manner,
    render: Rendered,
) -> Outcome:
    """The next step for the message that `follow_up` follows; None: nothing, it did not fail.

    Remembers what its failure said about the line.
    """
    chain = _chain(connection, store, follow_up)
    if not chain or chain[0].state not in FAILING:
        return None
    failed, root = chain[0], chain[-1].claimed
    means = None if failed.way == "call" else fate(failed.error_code)
    became = render(connection, store, root)
    if became is None or isinstance(became, Later):
        return became
    _remember(connection, store, became.recipient, means, failed)
    if means is ErrorMeaning.STOPPED and not (manner.case or manner.wished):
        return None
    if means is ErrorMeaning.ONCE_LATER and len(chain) == 1:
        at = failed.updated_at + ONE_MORE_AFTER
        return Later(at) if at > store.clock.now() else replace(became, call=None)
    called = any(message.way == "call" for message in chain)
    if manner.by_call and became.call is not None and not called:
        return replace(became, text="")
    return ForSomebody(failed.error_code or failed.state) if manner.case else None


def root_of(connection: Connection, store: Store, claimed: ClaimedMessage) -> ClaimedMessage | None:
    """The message itself, where this one follows it up; None where it is gone."""
    if claimed.follows is None:
        return claimed
    chain = _chain(connection, store, claimed)
    return chain[-1].claimed if chain else None


def _chain(connection: Connection, store: Store, follow_up: ClaimedMessage) -> list[StoredMessage]:
    """The message followed up, the one before it, and so on: the original message last."""
    chain: list[StoredMessage] = []
    of = follow_up.follows
    while of is not None and len(chain) < _LONGEST_CHAIN:
        stored = outbox.load(connection, store.vault, of)
        if stored is None:
            break
        chain.append(stored)
        of = stored.claimed.follows
    return chain


def _remember(
    connection: Connection,
    store: Store,
    number: str,
    means: ErrorMeaning | None,
    failed: StoredMessage,
) -> None:
    if means is ErrorMeaning.LANDLINE:
        sent_at = failed.sent_at or failed.updated_at
        phone_capabilities.remember_refusal(connection, store, number, sent_at=sent_at)
    elif means is ErrorMeaning.STOPPED:
        phone_capabilities.stop_texts(connection, store, number)
