"""The outbox: everything that must leave this house, stored with what caused it.

States: pending → sending → sent → delivered | undelivered | failed. A row in `sending` whose lease
ran out is ambiguous: the relay died, or the answer of the provider was lost.
"""

from __future__ import annotations

import json

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    update,
)

from models.clock import Clock
from models.crypto import Vault
from models.dialects import insert_new
from models.tables import message

# Totally ordered, the last ones too: what is kept must not depend on the order of arrival.
# Ids in one statement.
_AT_ONCE = 1000
_UNSENT = ("pending", "sending")
STATE_RANK = {
    "pending": 0,
    "sending": 1,
    "sent": 2,
    "failed": 3,
    "undelivered": 4,
    "delivered": 5,
}


@dataclass(frozen=True)
class NewMessage:
    """Something to deliver. `payload` is what its kind needs; it is encrypted at rest.

    `due_at` (UTC): not before that moment; None for at once.
    """

    id: str
    kind: str
    dedupe_key: str
    recipient: str
    payload: dict[str, Any]
    booking_id: str | None = None
    call_id: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class Claimed:
    """A message that this relay may deliver until its lease runs out.

    `ambiguous` says that an earlier try may have reached the provider.
    """

    id: str
    kind: str
    recipient: str
    payload: dict[str, Any]
    attempts: int
    ambiguous: bool
    created_at: datetime


def add(connection: Connection, clock: Clock, vault: Vault, new: NewMessage) -> bool:
    """Store a message; False when one with its dedupe key is there already."""
    payload = json.dumps(new.payload, ensure_ascii=False)
    values = {
        "id": new.id,
        "kind": new.kind,
        "dedupe_key": new.dedupe_key,
        "booking_id": new.booking_id,
        "call_id": new.call_id,
        "recipient_enc": vault.seal_text(new.recipient, _where("recipient", new.id)),
        "recipient_idx": vault.index("phone", new.recipient),
        "payload_enc": vault.seal_text(payload, _where("payload", new.id)),
        "state": "pending",
    }
    if new.due_at is None:
        moments = ("due_at", "created_at", "updated_at")
        return insert_new(connection, clock, message, values, *moments)
    # Its age, by which alerts are raised and rows are erased, counts from when it may leave.
    later = {"due_at": new.due_at, "created_at": new.due_at}
    return insert_new(connection, clock, message, values | later, "updated_at")


def replace_payload(
    connection: Connection, clock: Clock, vault: Vault, dedupe_key: str, payload: dict[str, Any]
) -> bool:
    """Write what a message that waits is to carry anew; False when it has left or is not there."""
    statement = select(message.c.id).where(
        message.c.dedupe_key == dedupe_key, message.c.state == "pending"
    )
    message_id = connection.execute(statement.with_for_update()).scalar_one_or_none()
    if message_id is None:
        return False
    sealed = vault.seal_text(json.dumps(payload, ensure_ascii=False), _where("payload", message_id))
    connection.execute(
        update(message)
        .where(message.c.id == message_id)
        .values(payload_enc=sealed, updated_at=clock.at())
    )
    return True


def any_since(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    recipient: str,
    key: str,
    within: timedelta,
) -> bool:
    """Whether a message to this number, whose dedupe key begins so, was stored in that time."""
    there = (
        select(message.c.id)
        .where(
            message.c.recipient_idx == vault.index("phone", recipient),
            message.c.dedupe_key.startswith(key),
            message.c.created_at > clock.at(-within),
        )
        .limit(1)
    )
    return connection.execute(there).one_or_none() is not None


def due(connection: Connection, clock: Clock, kinds: Sequence[str], *, limit: int) -> list[str]:
    """Ids of messages to deliver now, oldest first."""
    statement = (
        select(message.c.id)
        .where(message.c.kind.in_(kinds), _is_due(clock))
        .order_by(message.c.due_at)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def claim(
    connection: Connection, clock: Clock, vault: Vault, message_id: str, lease: timedelta
) -> Claimed | None:
    """Take a message that is due, for `lease`; None when another relay has it or it is done."""
    before = (
        select(message.c.id, message.c.state)
        .where(message.c.id == message_id, _is_due(clock))
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(before).one_or_none()
    if found is None:
        return None
    row = connection.execute(
        update(message)
        .where(message.c.id == message_id, _is_due(clock))
        .values(
            state="sending",
            attempts=message.c.attempts + 1,
            lease_until=clock.at(lease),
            updated_at=clock.at(),
        )
        .returning(message)
    ).one_or_none()
    if row is None:
        return None
    return Claimed(
        id=row.id,
        kind=row.kind,
        recipient=vault.open_text(row.recipient_enc, _where("recipient", row.id)) or "",
        payload=json.loads(vault.open_text(row.payload_enc, _where("payload", row.id)) or "{}"),
        attempts=row.attempts,
        ambiguous=found.state == "sending",
        created_at=row.created_at,
    )


def sent(connection: Connection, clock: Clock, message_id: str, provider_sid: str) -> None:
    """The provider has it. A status that came back quicker than this is not undone."""
    values = {"provider_sid": provider_sid, "updated_at": clock.at(), "lease_until": None}
    connection.execute(update(message).where(message.c.id == message_id).values(**values))
    move_state(connection, clock, message_id, "sent")


def keep(connection: Connection, clock: Clock, claimed: Claimed, lease: timedelta) -> bool:
    """Prolong a claim before sending; False when another relay has taken it over meanwhile."""
    statement = (
        update(message)
        .where(message.c.id == claimed.id, _is_ours(claimed))
        .values(lease_until=clock.at(lease), updated_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def put_back(
    connection: Connection,
    clock: Clock,
    claimed: Claimed,
    *,
    after: timedelta,
    error_code: str,
    ambiguous: bool,
) -> None:
    """Try again `after` a while; an ambiguous one stays in `sending` so that it is looked up."""
    values: dict[str, Any] = {"error_code": error_code, "updated_at": clock.at()}
    if ambiguous:
        values["lease_until"] = clock.at(after)
    else:
        values |= {"state": "pending", "due_at": clock.at(after), "lease_until": None}
    connection.execute(
        update(message).where(message.c.id == claimed.id, _is_ours(claimed)).values(**values)
    )


def move_state(
    connection: Connection,
    clock: Clock,
    message_id: str,
    state: str,
    *,
    provider_sid: str | None = None,
    error_code: str | None = None,
) -> bool:
    """Advance a state; False for an unknown message or a state that is not later."""
    earlier = [name for name, rank in STATE_RANK.items() if rank < STATE_RANK[state]]
    values: dict[str, Any] = {"state": state, "updated_at": clock.at(), "lease_until": None}
    if state in ("sent", "delivered"):
        values["sent_at"] = func.coalesce(message.c.sent_at, clock.at())
    if provider_sid:
        values["provider_sid"] = provider_sid
    if state == "delivered":
        # What went wrong on the way is no news any more.
        values["error_code"] = None
    elif error_code:
        values["error_code"] = error_code
    statement = (
        update(message)
        .where(message.c.id == message_id, message.c.state.in_(earlier))
        .values(**values)
    )
    return connection.execute(statement).rowcount == 1


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
        message.c.state.in_(_UNSENT),
        message.c.created_at <= clock.at(),
    )
    row = connection.execute(statement).one()
    return row[0], row[1]


def erase_due(
    connection: Connection, clock: Clock, booking_ids: Sequence[str], after: timedelta
) -> int:
    """Erase recipients and texts of erased bookings, and of other messages older than `after`."""
    old = and_(message.c.booking_id.is_(None), message.c.created_at < clock.at(-after))
    erased = connection.execute(_erasing(old)).rowcount
    # A statement has only so many parameters.
    for start in range(0, len(booking_ids), _AT_ONCE):
        some = booking_ids[start : start + _AT_ONCE]
        erased += connection.execute(_erasing(message.c.booking_id.in_(some))).rowcount
    return erased


def _erasing(which: ColumnElement[bool]) -> Update:
    return (
        update(message)
        .where(which, message.c.recipient_enc.is_not(None))
        .values(
            recipient_enc=None,
            recipient_idx=None,
            payload_enc=None,
            # What was not delivered by now cannot be any more, and no longer stands in the way of
            # a new message to the same person.
            dedupe_key=literal("erased:") + message.c.id,
            state=case((message.c.state.in_(_UNSENT), "failed"), else_=message.c.state),
        )
    )


def _is_ours(claimed: Claimed) -> Any:
    return and_(message.c.state == "sending", message.c.attempts == claimed.attempts)


def _is_due(clock: Clock) -> Any:
    return or_(
        and_(message.c.state == "pending", message.c.due_at <= clock.at()),
        and_(message.c.state == "sending", message.c.lease_until <= clock.at()),
    )


def _where(column: str, message_id: str) -> str:
    return f"message.{column}:{message_id}"
