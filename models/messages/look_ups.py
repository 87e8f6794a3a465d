"""What is known of messages without claiming them: how many to a number, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import Connection, bindparam, func, select

from models.clock import Clock
from models.crypto import Vault
from models.messages.outbox import UNSENT
from models.messages.tables import message
from models.prepared import Prepared


def any_since(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    recipient: str,
    key: str,
    within: timedelta,
) -> bool:
    """Whether a message to this number, whose dedupe key begins so, was stored in that time."""
    values = {"the_recipient": vault.index("phone", recipient)}
    return bool(_any_since(clock, key, within).rows(connection, values))


@lru_cache
def _any_since(clock: Clock, key: str, within: timedelta) -> Prepared:
    return Prepared(
        select(message.c.id)
        .where(
            message.c.recipient_idx == bindparam("the_recipient"),
            message.c.dedupe_key.startswith(key),
            message.c.created_at > clock.at(-within),
        )
        .limit(1)
    )


def count_pending(connection: Connection, vault: Vault, kind: str, recipient: str) -> int:
    """How many messages of a kind wait for this number (E.164)."""
    statement = select(func.count()).where(
        message.c.recipient_idx == vault.index("phone", recipient),
        message.c.kind == kind,
        message.c.state == "pending",
    )
    return connection.execute(statement).scalar_one()


def texts_since(
    connection: Connection, clock: Clock, phone_idx: bytes, within: timedelta, but: Sequence[str]
) -> int:
    """How many texts went to a number in that time, those about the topics `but` left out."""
    statement = select(func.count()).where(
        message.c.recipient_idx == phone_idx,
        message.c.way == "text",
        message.c.sent_at > clock.at(-within),
        message.c.topic.not_in(but),
    )
    return connection.execute(statement).scalar_one()


def find_by_sid(connection: Connection, provider_sid: str) -> str | None:
    statement = select(message.c.id).where(message.c.provider_sid == provider_sid)
    return connection.execute(statement).scalars().first()


def oldest_unsent(
    connection: Connection, clock: Clock, kinds: Sequence[str]
) -> tuple[int, datetime | None]:
    """How many messages of these kinds wait, and since when the oldest does (UTC).

    What is promised for a later moment does not wait before it.
    """
    statement = select(func.count(), func.min(message.c.created_at)).where(
        message.c.kind.in_(kinds),
        message.c.state.in_(UNSENT),
        message.c.created_at <= clock.at(),
    )
    row = connection.execute(statement).one()
    return row[0], row[1]
