"""Messages that a relay takes some at a time, in their order, and delivers one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from models.messages import claims, outbox
from models.messages.outbox import MAIL, ClaimedMessage
from services.messages.deliver_message import (
    FIRST_KINDS,
    KINDS,
    LEASE,
    NO_MEANS,
    VOICE,
    DeliveryDependencies,
    deliver_claimed,
)
from services.messages.notices import PARTNER
from services.messages.retry_plan import LONGEST_RETRY
from services.ports import Messenger
from services.store import Store

# One that was claimed among others and is begun later than this claims anew for as long.
BEGUN_WITHIN = timedelta(seconds=5)
# Delivered last of all: what many people are told at one moment, and what is about another day.
LAST_KINDS = ("reminder", "callback")
# What never goes by text waits for no permit.
UNPACED_KINDS = ("evening", VOICE, PARTNER, MAIL)
NEXT_KINDS = tuple(
    kind for kind in KINDS if kind not in {*FIRST_KINDS, *LAST_KINDS, *UNPACED_KINDS}
)

log = structlog.get_logger()


@dataclass(frozen=True)
class InHand:
    """A message that a sweep took, and when (UTC)."""

    message: ClaimedMessage
    at: datetime


def take_due(
    store: Store,
    kinds: Sequence[str],
    *,
    limit: int,
    latest: bool = True,
    unreadable: list[str] | None = None,
) -> list[InHand]:
    """Claim about so many messages that are due, for LEASE; no other relay has any of them.

    The ids of those that cannot be opened, and are put aside, are added to `unreadable`.
    """
    with store.database.transaction() as connection:
        taken = claims.take(
            connection,
            store.clock,
            store.vault,
            kinds,
            LEASE,
            LONGEST_RETRY,
            limit=limit,
            latest=latest,
        )
    for message_id in taken.unreadable:
        log.error("message cannot be opened", message=message_id)
    if unreadable is not None:
        unreadable += taken.unreadable
    now = store.clock.now()
    return [InHand(message, now) for message in taken.claimed]


def leave(store: Store, taken: Sequence[InHand]) -> None:
    """Put back what was taken and not begun, so that another relay need not wait for its lease."""
    if taken:
        with store.database.transaction() as connection:
            claims.leave(connection, store.clock, [hand.message for hand in taken])


def deliver_taken(
    store: Store, messenger: Messenger, taken: InHand, means: DeliveryDependencies = NO_MEANS
) -> str:
    """Deliver a message that `take_due` gave; as `deliver_message`."""
    # Behind others that took long, its lease may be over before it is sent.
    if not timedelta() <= store.clock.now() - taken.at < BEGUN_WITHIN:
        with store.database.transaction() as connection:
            if not outbox.keep(connection, store.clock, taken.message, LEASE):
                return "taken over"
    return deliver_claimed(store, messenger, taken.message, means)
