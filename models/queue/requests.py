"""Calls that were asked for at a number that was typed: in no queue until its owner agrees.

A row keeps the place in the line that its caller would have had. It is over when the owner of the
number wrote yes, or an agent rang or closed its case.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.queue.tables import callback_request
from models.rows import from_row, values_of

ASKED, CASE, OVER = "asked", "case", "over"


@dataclass(frozen=True)
class CallbackRequest:
    """`number` is E.164; `known` is what its caller gave. Moments are UTC.

    `answer_until`: when it becomes an agent's case; None where no text was written.
    """

    id: str
    number: str
    known: Mapping[str, Any] = field(repr=False)
    language: str
    departement: str | None
    call_id: str | None
    state: str
    joined_at: datetime
    answer_until: datetime | None


def add(connection: Connection, clock: Clock, vault: Vault, new: CallbackRequest) -> None:
    """Store one, in the transaction of its caller's turn."""
    known = json.dumps(dict(new.known), ensure_ascii=False, separators=(",", ":"))
    values = values_of(new, callback_request) | {
        "phone_enc": vault.seal_text(new.number, _where("phone", new.id)),
        "phone_idx": vault.index("phone", new.number),
        "known_enc": vault.seal_text(known, _where("known", new.id)),
        "created_at": clock.at(),
        "updated_at": clock.at(),
    }
    connection.execute(callback_request.insert().values(values))


def load(
    connection: Connection, vault: Vault, request_id: str, *, lock: bool = False
) -> CallbackRequest | None:
    """One of them, whatever its state; None where it is erased or its number cannot be opened."""
    statement = select(callback_request).where(callback_request.c.id == request_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return _opened(vault, row) if row else None


def open_of_number(
    connection: Connection, clock: Clock, vault: Vault, number: str, within: timedelta
) -> CallbackRequest | None:
    """The newest request for a number (E.164) that is not over, made in that time; locked."""
    statement = (
        select(callback_request)
        .where(
            callback_request.c.phone_idx == vault.index("phone", number),
            callback_request.c.created_at > clock.at(-within),
            callback_request.c.state != OVER,
        )
        .order_by(callback_request.c.created_at.desc(), callback_request.c.id)
        .limit(1)
        .with_for_update()
    )
    row = connection.execute(statement).one_or_none()
    return _opened(vault, row) if row else None


def unanswered(connection: Connection, clock: Clock, *, limit: int) -> list[str]:
    """Requests whose text got no answer in time."""
    statement = (
        select(callback_request.c.id)
        .where(callback_request.c.state == ASKED, callback_request.c.answer_until <= clock.at())
        .order_by(callback_request.c.answer_until)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def move(
    connection: Connection, clock: Clock, request_id: str, state: str, outcome: str = ""
) -> bool:
    """Move one on; False where it is over, or there already."""
    statement = (
        update(callback_request)
        .where(
            callback_request.c.id == request_id,
            callback_request.c.state.not_in((OVER, state)),
        )
        .values(state=state, outcome=outcome, updated_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def erase(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete those that are so old; a case of one that is left can only be closed."""
    old = callback_request.c.created_at < clock.at(-after)
    return connection.execute(delete(callback_request).where(old)).rowcount


def _opened(vault: Vault, row: Any) -> CallbackRequest | None:
    try:
        number = vault.open_text(row.phone_enc, _where("phone", row.id)) or ""
        known = json.loads(vault.open_text(row.known_enc, _where("known", row.id)) or "{}")
    except CannotOpen:
        return None
    return from_row(CallbackRequest, row, number=number, known=known)


def _where(column: str, request_id: str) -> str:
    return f"callback_request.{column}:{request_id}"
