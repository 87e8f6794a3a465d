"""The order of a queue: which entries an agent may take next, and where a caller stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
)

from models.clock import Clock
from models.messages.tables import FROZEN
from models.prepared import Prepared
from models.queue import call_queues, tables
from models.queue.call_queues import QUEUE_COLUMNS, CallQueue
from models.queue.queues import CALL
from models.queue.tables import IN_LINE, agent_queue, queue_entry
from models.rows import columns_of, from_row
from models.slots.places import renewal
from models.slots.tables import place


@dataclass(frozen=True)
class QueueCandidate:
    """A person that an agent may take, in the order of the queue."""

    id: str
    kind: str
    joined_at: datetime


def candidates(
    connection: Connection,
    clock: Clock,
    queue_ids: Sequence[str],
    overflow_languages: Collection[str] = (),
    *,
    limit: int = 10,
) -> list[QueueCandidate]:
    """The entries that wait and are due for a member of these queues, oldest place first.

    With those of other queues that wait for the overflow: to one of these, or, where it is to none
    by name, to a national queue, for `overflow_languages` (those whose national is among them).
    """
    whose: ColumnElement[bool] = queue_entry.c.overflow_queue.in_(queue_ids)
    if overflow_languages:
        to_national = and_(
            queue_entry.c.language.in_(overflow_languages), queue_entry.c.overflow_queue.is_(None)
        )
        whose = or_(whose, to_national)
    overflown = and_(queue_entry.c.overflow_at <= clock.at(), whose)
    mine = or_(queue_entry.c.queue_id.in_(queue_ids), overflown)
    statement = (
        select(*columns_of(QueueCandidate, queue_entry))
        .where(IN_LINE, mine, queue_entry.c.due_at <= clock.at())
        # Some promises are kept by the machine, and none while nothing leaves after a restore.
        .where(queue_entry.c.mode == "agent", or_(queue_entry.c.kind == CALL, ~FROZEN))
        .order_by(queue_entry.c.joined_at, queue_entry.c.id)
        .limit(limit)
    )
    return [QueueCandidate(*row) for row in connection.execute(statement)]


@dataclass(frozen=True)
class QueuePosition:
    """A place in the queue as its caller sees it, and their queue.

    `ahead` wait and are due, have older places, and may be taken by the same agents; `agents` are
    there for them. `rings`: there is a number to ring them at.
    """

    entry_id: str
    kind: str
    state: str
    joined_at: datetime
    language: str
    outcome: str
    rings: bool
    queue: CallQueue
    ahead: int
    agents: int


def queue_position(
    connection: Connection,
    clock: Clock,
    which: str,
    *,
    by_call: bool = False,
    lease: timedelta | None = None,
) -> QueuePosition | None:
    """Where an entry stands, by its id, or by the call whose live one it is; one statement.

    With a `lease` it renews what the call holds, too.
    """
    statement = _queue_position(clock, by_call=by_call, lease=lease)
    rows = statement.rows(connection, {"which": which, "the_holder": which})
    if not rows:
        return None
    row = rows[0]
    return from_row(
        QueuePosition,
        row,
        state=row.entry_state,
        language=row.entry_language,
        rings=row.phone_idx is not None,
        queue=call_queues.from_queue(row),
    )


@lru_cache
def _queue_position(clock: Clock, *, by_call: bool, lease: timedelta | None) -> Prepared:
    before, national = queue_entry.alias("before"), agent_queue.alias("national")
    older = tuple_(before.c.joined_at, before.c.id) < tuple_(
        queue_entry.c.joined_at, queue_entry.c.id
    )
    # Agents of the national queue take these entries, too: they are its own, or have overflowed.
    overflown = queue_entry.c.overflow_at <= clock.at()
    shared = or_(
        agent_queue.c.region == "", and_(overflown, queue_entry.c.overflow_queue.is_(None))
    )
    ahead = (
        select(func.count())
        .select_from(before)
        .where(
            text("before.state = 'waiting'"),
            before.c.mode == "agent",
            before.c.due_at <= clock.at(),
            older,
            or_(
                before.c.queue_id == queue_entry.c.queue_id,
                # And the same where the overflow is to a queue by name, theirs or this one's.
                and_(overflown, before.c.queue_id == queue_entry.c.overflow_queue),
                and_(
                    before.c.overflow_at <= clock.at(),
                    before.c.overflow_queue == queue_entry.c.queue_id,
                ),
                and_(
                    shared,
                    before.c.language == queue_entry.c.language,
                    or_(
                        and_(before.c.overflow_at <= clock.at(), before.c.overflow_queue.is_(None)),
                        exists().where(national.c.id == before.c.queue_id, national.c.region == ""),
                    ),
                ),
            ),
        )
        .correlate(queue_entry, agent_queue)
        .scalar_subquery()
    )
    statement = (
        select(
            queue_entry.c.id.label("entry_id"),
            queue_entry.c.kind,
            queue_entry.c.state.label("entry_state"),
            queue_entry.c.joined_at,
            queue_entry.c.language.label("entry_language"),
            queue_entry.c.outcome,
            queue_entry.c.phone_idx,
            *QUEUE_COLUMNS,
            ahead.label("ahead"),
            call_queues.agents_of(clock, or_of=queue_entry.c.overflow_queue).label("agents"),
        )
        .select_from(queue_entry)
        .join(agent_queue, agent_queue.c.id == queue_entry.c.queue_id)
    )
    which: ColumnElement[str] = bindparam("which")
    if lease:
        statement = statement.add_cte(renewal(clock, lease).returning(place.c.id).cte("renewed"))
    if by_call:
        return Prepared(statement.where(tables.LIVE, queue_entry.c.call_id == which))
    return Prepared(statement.where(queue_entry.c.id == which))
