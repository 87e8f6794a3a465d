"""Deliver one message of the outbox: claim it for a while, send it, note what came of it."""

from __future__ import annotations

from datetime import timedelta

from models import outbox
from models.outbox import Claimed
from services.ports import Busy, Messenger, NoAnswer, Refused
from services.store import Store
from services.telemetry import MESSAGES

KINDS = ("sms",)
# Longer than the provider's client waits (8 s to connect, 8 s for an answer), short enough for a
# lost worker's message to be sent by another within a minute.
LEASE = timedelta(seconds=25)
# A message whose fate is unknown is looked up after this long.
LOOK_UP_AFTER = timedelta(seconds=5)
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=5)
# About a day of retries; then it is a case for a person.
MOST_ATTEMPTS = 300


def deliver_message(store: Store, messenger: Messenger, message_id: str) -> str:
    """Deliver a message if it is due; gives a word for the log: what came of it.

    Raises nothing for what a provider or a network can do.
    """
    with store.database.transaction() as connection:
        claimed = outbox.claim(connection, store.clock, store.vault, message_id, LEASE)
    if claimed is None:
        return "not due"
    result = _deliver(store, messenger, claimed)
    MESSAGES.labels(claimed.kind, result).inc()
    return result


def _deliver(store: Store, messenger: Messenger, claimed: Claimed) -> str:
    body = str(claimed.payload["body"])
    try:
        sid = None
        if claimed.ambiguous:
            sid = messenger.find(claimed.recipient, body, claimed.created_at)
            if sid is None and not _keep(store, claimed):
                return "taken over"
        found = sid is not None
        sid = sid or messenger.send(claimed.id, claimed.recipient, body)
    except Refused as refused:
        with store.database.transaction() as connection:
            outbox.move_state(
                connection, store.clock, claimed.id, "failed", error_code=refused.code
            )
        return "refused"
    except (Busy, NoAnswer) as error:
        return _again(store, claimed, error)
    with store.database.transaction() as connection:
        outbox.sent(connection, store.clock, claimed.id, sid)
    return "found" if found else "sent"


def _keep(store: Store, claimed: Claimed) -> bool:
    # Looking up may have taken most of the lease.
    with store.database.transaction() as connection:
        return outbox.keep(connection, store.clock, claimed, LEASE)


def _again(store: Store, claimed: Claimed, error: Busy | NoAnswer) -> str:
    # What was ambiguous stays so: a busy provider at the look-up has not told anything.
    ambiguous = claimed.ambiguous or isinstance(error, NoAnswer)
    code = error.code if isinstance(error, Busy) else "no answer"
    wait = min(FIRST_RETRY * 2 ** min(claimed.attempts - 1, 10), LONGEST_RETRY)
    if isinstance(error, Busy) and error.after:
        wait = max(error.after, timedelta(seconds=1))
    elif ambiguous:
        wait = max(LOOK_UP_AFTER, wait if claimed.attempts > 1 else LOOK_UP_AFTER)
    with store.database.transaction() as connection:
        if claimed.attempts >= MOST_ATTEMPTS:
            outbox.move_state(connection, store.clock, claimed.id, "failed", error_code=code)
            return "given up"
        outbox.put_back(
            connection,
            store.clock,
            claimed,
            after=wait,
            error_code=code,
            ambiguous=ambiguous,
        )
    return "no answer" if ambiguous else "busy"
