"""Acts that wait for a second person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from models.accounts.tables import approval
from models.clock import Clock
from models.rows import columns_of


@dataclass(frozen=True)
class Approval:
    """What one person wants to do; moments are UTC. `given_by` is the second, a staff id."""

    id: str
    kind: str
    subject: str
    people: int
    asked_by: str
    asked_at: datetime
    until: datetime
    given_by: str | None
    given_at: datetime | None


_COLUMNS = columns_of(Approval, approval)
_ROW = approval.c


def add(  # noqa: PLR0917 (a sentence: what of which kind, how many people, by which, how long)
    connection: Connection,
    clock: Clock,
    approval_id: str,
    kind: str,
    subject: str,
    people: int,
    asked_by: str,
    within: timedelta,
) -> Approval:
    """A new one, which is not confirmed yet."""
    connection.execute(
        approval.insert().values(
            id=approval_id,
            kind=kind,
            subject=subject,
            people=people,
            asked_by=asked_by,
            asked_at=clock.at(),
            until=clock.at(within),
        )
    )
    statement = select(*_COLUMNS).where(_ROW.id == approval_id)
    return Approval(*connection.execute(statement).one())


def live(
    connection: Connection, clock: Clock, kind: str, subject: str, asked_by: str
) -> Approval | None:
    """The newest that this person asked for, whose time is not over and that was not used."""
    statement = (
        select(*_COLUMNS)
        .where(
            _ROW.kind == kind,
            _ROW.subject == subject,
            _ROW.asked_by == asked_by,
            _ROW.used_at.is_(None),
            _ROW.until > clock.at(),
        )
        .order_by(_ROW.asked_at.desc(), _ROW.id)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return Approval(*row) if row else None


def find(connection: Connection, clock: Clock, approval_id: str) -> Approval | None:
    """One whose time is not over."""
    statement = select(*_COLUMNS).where(_ROW.id == approval_id, _ROW.until > clock.at())
    row = connection.execute(statement).one_or_none()
    return Approval(*row) if row else None


def waiting(connection: Connection, clock: Clock) -> list[Approval]:
    """Those that are not confirmed and whose time is not over, oldest first."""
    statement = (
        select(*_COLUMNS)
        .where(_ROW.given_at.is_(None), _ROW.used_at.is_(None), _ROW.until > clock.at())
        .order_by(_ROW.asked_at, _ROW.id)
    )
    return [Approval(*row) for row in connection.execute(statement)]


def give(connection: Connection, clock: Clock, approval_id: str, by: str) -> bool:
    """Confirm one; False where that was done, where its time is over, or where there is none."""
    statement = update(approval).where(
        _ROW.id == approval_id,
        _ROW.given_at.is_(None),
        _ROW.until > clock.at(),
        _ROW.asked_by != by,
    )
    values = {"given_by": by, "given_at": clock.at()}
    return connection.execute(statement.values(values)).rowcount == 1


def use(connection: Connection, clock: Clock, approval_id: str) -> bool:
    """Take a confirmed one, once; False where another took it or its time is over."""
    statement = update(approval).where(
        _ROW.id == approval_id,
        _ROW.given_at.is_not(None),
        _ROW.used_at.is_(None),
        _ROW.until > clock.at(),
    )
    return connection.execute(statement.values(used_at=clock.at())).rowcount == 1


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete those whose time was over so long ago: the history of acts has them."""
    old = _ROW.until < clock.at(-after)
    return connection.execute(delete(approval).where(old)).rowcount
