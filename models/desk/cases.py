"""Cases: what no machine could settle, for an agent to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, text, update

from models.clock import Clock
from models.desk.tables import agent_case
from models.rows import values_of


@dataclass(frozen=True)
class NewCase:
    """`kind` says what happened (centre_closed …), `why` in an operator's words, 80 letters."""

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
    """A case as it is kept; moments are UTC. `closed_at` None: an agent must look at it."""

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
    statement = (
        update(agent_case)
        .where(agent_case.c.id == case_id, agent_case.c.closed_at.is_(None))
        .values(closed_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def close_of_request(connection: Connection, clock: Clock, request_id: str) -> None:
    """Close the case of a call that was asked for at a typed number: its owner agreed."""
    statement = (
        update(agent_case)
        .where(agent_case.c.request_id == request_id, agent_case.c.closed_at.is_(None))
        .values(closed_at=clock.at())
    )
    connection.execute(statement)


def get(connection: Connection, case_id: str, *, lock: bool = False) -> Case | None:
    """One case, open or closed."""
    statement = select(agent_case).where(agent_case.c.id == case_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return Case(*row) if row else None


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


def waiting(connection: Connection, *, limit: int) -> Sequence[Case]:
    """Open cases, oldest first."""
    return _cases(connection, agent_case.c.closed_at.is_(None), limit)


def _cases(
    connection: Connection, which: ColumnElement[bool], limit: int | None = None
) -> list[Case]:
    statement = select(agent_case).where(which).order_by(agent_case.c.created_at, agent_case.c.id)
    return [Case(*row) for row in connection.execute(statement.limit(limit))]
