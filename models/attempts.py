"""Tries to look something up, counted in the database: no limit is lost with Redis or a restart.

One row for each subject that a try counts for. A subject is a keyed hash, or empty for all
together; no row says what was tried or what came of it, beyond whether it was right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Boolean, Connection, String, Table, delete, func, select, update

from models.clock import Clock
from models.dialects import insert, one_after_another
from models.tables import RowId, index, key, metadata, must
from models.types import Instant, LookUp, LookUpWay

# Look-ups that were tried, for limits that count without Redis as well.
attempt = Table(
    "attempt",
    metadata,
    key("id", RowId),
    must("kind", String(16)),
    must(
        "subject_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of whom it counts for; empty: for everybody together",
    ),
    must("at", Instant),
    must("good", Boolean),
    index("ix_attempt_subject", "kind", "subject_idx", "at"),
)

EVERYBODY = b""


@dataclass(frozen=True)
class Subject:
    """What a try counts for: a call, a number, a reference."""

    kind: str
    idx: bytes


@dataclass(frozen=True)
class AttemptCountQuery:
    """How many tries of a subject in the last `within`; `failed`: only those that were wrong."""

    subject: Subject
    within: timedelta
    failed: bool = True


def wait_for_others(connection: Connection, subjects: Sequence[Subject]) -> None:
    """Let no other transaction try for these until this one ends: each sees all counts before."""
    one_after_another(connection, [subject.kind.encode() + subject.idx for subject in subjects])


def counts(
    connection: Connection, clock: Clock, asked: Sequence[AttemptCountQuery], *also: Any
) -> list[int]:
    """How many tries there were, in the order asked, and the values `also` asked; one statement."""
    columns: list[Any] = [
        select(func.count())
        .select_from(attempt)
        .where(
            attempt.c.kind == one.subject.kind,
            attempt.c.subject_idx == one.subject.idx,
            attempt.c.at > clock.at(-one.within),
            *([attempt.c.good.is_(False)] if one.failed else ()),
        )
        .scalar_subquery()
        for one in asked
    ]
    return list(connection.execute(select(*columns, *also)).one())


def add(connection: Connection, clock: Clock, subjects: Sequence[Subject], *, good: bool) -> None:
    """Count one try for each of these; one statement."""
    connection.execute(_new(connection, clock, subjects, good=good))


def begin(connection: Connection, clock: Clock, subjects: Sequence[Subject]) -> list[int]:
    """Count one try as wrong for each of these, before it is known; gives the rows for `succeed`.

    A slow check then runs outside the transaction, and no other try can slip in uncounted.
    """
    statement = _new(connection, clock, subjects, good=False).returning(attempt.c.id)
    return list(connection.execute(statement).scalars())


def _new(connection: Connection, clock: Clock, subjects: Sequence[Subject], *, good: bool) -> Any:
    rows = [
        {"kind": subject.kind, "subject_idx": subject.idx, "at": clock.at(), "good": good}
        for subject in subjects
    ]
    return insert(connection, attempt).values(rows)


def succeed(connection: Connection, ids: Sequence[int]) -> None:
    """The try was right after all."""
    connection.execute(update(attempt).where(attempt.c.id.in_(ids)).values(good=True))


def erase_old(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Forget tries that no limit counts any more; gives how many."""
    return connection.execute(delete(attempt).where(attempt.c.at < clock.at(-after))).rowcount
