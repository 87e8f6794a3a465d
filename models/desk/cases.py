"""Cases: what no machine could settle, for an agent to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, text, update

from models.centre_day.operations import reason_place
from models.centre_day.tables import operation
from models.clock import Clock
from models.crypto import Vault
from models.desk.tables import agent_case
from models.rows import values_of


@dataclass(frozen=True)
class NewCase:
    """`kind` says what happened (centre_closed …), `why` is a word or code of ours, 80 letters.

    What was typed is the operation's (`operation_id`), which has it sealed.
    """

    id: str
    kind: str
    why: str
    booking_id: str | None = None
    operation_id: str | None = None
    # The message that could not be delivered.
    message_id: str | None = None
    # The call that was asked for at a typed number.
    request_id: str | None = None


@dataclass(frozen=True)
class Case:
    """A case as it is kept; moments are UTC. `closed_at` None: an agent must look at it.

    `why` of a case that an operation left is what was typed then; empty without a vault.
    """

    id: str
    kind: str
    booking_id: str | None
    operation_id: str | None
    why: str
    created_at: datetime
    closed_at: datetime | None
    message_id: str | None = None
    request_id: str | None = None


def add(connection: Connection, clock: Clock, new: NewCase) -> None:
    """Open a case, in the transaction of what caused it."""
    connection.execute(
        agent_case.insert().values(values_of(new, agent_case) | {"created_at": clock.at()})
    )


def close(connection: Connection, clock: Clock, case_id: str) -> bool:
    """Close a case; False when it is closed already, or unknown."""
    return _close(connection, clock, agent_case.c.id == case_id)


def close_of_booking(connection: Connection, clock: Clock, booking_id: str, kind: str) -> None:
    """Close the cases of this kind that a booking has."""
    _close(connection, clock, agent_case.c.booking_id == booking_id, agent_case.c.kind == kind)


def close_of_request(connection: Connection, clock: Clock, request_id: str) -> None:
    """Close the case of a call that was asked for at a typed number: its owner agreed."""
    _close(connection, clock, agent_case.c.request_id == request_id)


def _close(connection: Connection, clock: Clock, *which: ColumnElement[bool]) -> bool:
    statement = update(agent_case).where(*which, agent_case.c.closed_at.is_(None))
    return connection.execute(statement.values(closed_at=clock.at())).rowcount > 0


def get(
    connection: Connection, case_id: str, *, lock: bool = False, vault: Vault | None = None
) -> Case | None:
    """One case, open or closed."""
    statement = _with_reasons().where(agent_case.c.id == case_id)
    if lock:
        statement = statement.with_for_update(of=agent_case)
    row = connection.execute(statement).one_or_none()
    return _case(row, vault) if row else None


def count_open(connection: Connection) -> dict[str, int]:
    """How many wait for an agent, by kind."""
    statement = (
        select(agent_case.c.kind, func.count())
        .where(text("agent_case.closed_at IS NULL"))
        .group_by(agent_case.c.kind)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def of_booking(connection: Connection, booking_id: str) -> Sequence[Case]:
    """Every case of a booking, oldest first."""
    return _cases(connection, agent_case.c.booking_id == booking_id)


def of_message(connection: Connection, message_id: str) -> Sequence[Case]:
    """Every case that a message left, oldest first."""
    return _cases(connection, agent_case.c.message_id == message_id)


def waiting(connection: Connection, *, limit: int, vault: Vault | None = None) -> Sequence[Case]:
    """Open cases, oldest first."""
    return _cases(connection, agent_case.c.closed_at.is_(None), limit, vault)


def _cases(
    connection: Connection,
    which: ColumnElement[bool],
    limit: int | None = None,
    vault: Vault | None = None,
) -> list[Case]:
    statement = _with_reasons().where(which).order_by(agent_case.c.created_at, agent_case.c.id)
    return [_case(row, vault) for row in connection.execute(statement.limit(limit))]


def _with_reasons() -> Select[Any]:
    typed = operation.c.id == agent_case.c.operation_id
    return select(agent_case, operation.c.why_enc).outerjoin(operation, typed)


def _case(row: Any, vault: Vault | None) -> Case:
    *own, sealed = row
    case = Case(*own)
    if sealed is None or vault is None or case.operation_id is None:
        return case
    return replace(case, why=vault.open_text(sealed, reason_place(case.operation_id)) or "")
