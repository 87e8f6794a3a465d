"""Tries to look something up, counted in the database: no limit is lost with Redis or a restart.

One row for each subject that a try counts for. A subject is a keyed hash, or empty for all
together; no row says what was tried or what came of it, beyond whether it was right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Boolean, Connection, String, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from models.advisory_locks import alone, one_after_another
from models.clock import Clock
from models.prepared import Prepared
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
# Later than any try, whatever the clocks of two servers do.
_NEVER_YET: Final = timedelta(days=1)


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
    one_after_another(connection, _keys(subjects))


def _keys(subjects: Sequence[Subject]) -> list[bytes]:
    return [subject.kind.encode() + subject.idx for subject in subjects]


def counts(
    connection: Connection, clock: Clock, asked: Sequence[AttemptCountQuery], *also: Any
) -> list[int]:
    """How many tries there were, in the order asked, and the values `also` asked; one statement."""
    values, shape = _read_as(asked)
    if also:
        return list(connection.execute(select(*_counts(clock, shape), *also), values).one())
    return list(_count(clock, shape).rows(connection, values)[0])


def counts_alone(
    connection: Connection,
    clock: Clock,
    subjects: Sequence[Subject],
    asked: Sequence[AttemptCountQuery],
) -> list[int]:
    """The same, with all tries for these subjects: until this transaction ends no other tries."""
    values, shape = _read_as(asked)
    return list(alone(connection, _keys(subjects), _count(clock, shape), values)[0])


def _read_as(asked: Sequence[AttemptCountQuery]) -> tuple[dict[str, Any], _Shape]:
    values: dict[str, Any] = {}
    shape: list[_Counted] = []
    last = None
    for at, one in enumerate(asked):
        rows = one.subject, one.within
        shape.append(_Counted(one.within, one.failed, of_last=rows == last))
        if rows != last:
            values |= {f"kind_{at}": one.subject.kind, f"subject_{at}": one.subject.idx}
        last = rows
    return values, tuple(shape)


class _Counted(NamedTuple):
    """What a count depends on; `of_last`: it is of the same rows as the count before it."""

    within: timedelta
    failed: bool
    of_last: bool


_Shape = tuple[_Counted, ...]


@lru_cache
def _count(clock: Clock, shape: _Shape) -> Prepared:
    return Prepared(select(*_counts(clock, shape)))


def _counts(clock: Clock, shape: _Shape) -> list[Any]:
    """A column for each count; all counts of the same rows come from one look at these."""
    counted: list[Any] = []
    for at, one in enumerate(shape):
        if one.of_last:
            continue
        end = at + 1
        while end < len(shape) and shape[end].of_last:
            end += 1
        counted += _counts_of(clock, one.within, at, [each.failed for each in shape[at:end]])
    return counted


def _counts_of(clock: Clock, within: timedelta, at: int, failed: Sequence[bool]) -> list[Any]:
    """Counts of one subject's tries: of the wrong ones alone where it says `failed`."""
    kinds = attempt.c
    # Each end of the time by itself: as a value of its own it is a place to begin in the index, and
    # with both ends the planner expects few rows. All tries together are many, and kept for days.
    until = select(clock.at(_NEVER_YET)).scalar_subquery()
    rows = (
        kinds.kind == bindparam(f"kind_{at}", type_=kinds.kind.type),
        kinds.subject_idx == bindparam(f"subject_{at}", type_=kinds.subject_idx.type),
        kinds.at > select(clock.at(-within)).scalar_subquery(),
        kinds.at < until,
    )
    wrong = kinds.good.is_(False)
    if len(failed) == 1:
        one = (
            select(func.count()).select_from(attempt).where(*rows, *([wrong] if failed[0] else ()))
        )
        return [one.scalar_subquery().label(f"count_{at}")]
    counts = [
        (func.count().filter(wrong) if one else func.count()).label(f"count_{at + number}")
        for number, one in enumerate(failed)
    ]
    return list(select(*counts).select_from(attempt).where(*rows).subquery(f"of_{at}").c)


def add(connection: Connection, clock: Clock, subjects: Sequence[Subject], *, good: bool) -> None:
    """Count one try for each of these; one statement."""
    add_each(connection, clock, [(subject, good) for subject in subjects])


def add_each(connection: Connection, clock: Clock, tries: Sequence[tuple[Subject, bool]]) -> None:
    """Count tries, each with whether it was right; one statement."""
    values: dict[str, Any] = {}
    for at, (one, good) in enumerate(tries):
        values |= {f"kind_{at}": one.kind, f"subject_{at}": one.idx, f"good_{at}": good}
    _add(clock, len(tries)).count(connection, values)


@lru_cache
def _add(clock: Clock, count: int) -> Prepared:
    kinds = attempt.c
    rows = [
        {
            "kind": bindparam(f"kind_{at}", type_=kinds.kind.type),
            "subject_idx": bindparam(f"subject_{at}", type_=kinds.subject_idx.type),
            "at": clock.at(),
            "good": bindparam(f"good_{at}", type_=kinds.good.type),
        }
        for at in range(count)
    ]
    return Prepared(insert(attempt).values(rows).inline())


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
    return insert(attempt).values(rows)


def succeed(connection: Connection, ids: Sequence[int]) -> None:
    """The try was right after all."""
    connection.execute(update(attempt).where(attempt.c.id.in_(ids)).values(good=True))


def erase_old(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Forget tries that no limit counts any more; gives how many."""
    return connection.execute(delete(attempt).where(attempt.c.at < clock.at(-after))).rowcount
