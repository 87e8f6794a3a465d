"""Entries of the queue as agents have them: reserved, talking, wrapped up, or lost.

Every change is conditional on the state it leaves. A transaction that locks both an entry and an
agent locks the entry first.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from models.agents import agents
from models.agents.agents import BUSY
from models.agents.tables import agent, leg
from models.clock import Clock
from models.queue import queues, tables
from models.queue.tables import queue_entry

# An entry that no agent has.
_WITHOUT_AGENT = ("waiting", "done", "left", "lost")


def stranded(
    connection: Connection, clock: Clock, longer_than: timedelta
) -> list[tuple[str, str | None]]:
    """Agents who have been busy for so long with an entry that is over or in the queue again.

    With the entry, which may be gone altogether.
    """
    statement = (
        select(agent.c.staff_id, agent.c.entry_id)
        .outerjoin(queue_entry, queue_entry.c.id == agent.c.entry_id)
        .where(
            agent.c.state.in_(BUSY),
            agent.c.since <= clock.at(-longer_than),
            or_(
                queue_entry.c.id.is_(None),
                and_(
                    queue_entry.c.state.in_(_WITHOUT_AGENT),
                    queue_entry.c.updated_at <= clock.at(-longer_than),
                ),
            ),
        )
    )
    return [(row.staff_id, row.entry_id) for row in connection.execute(statement)]


def answered(connection: Connection, clock: Clock, entry_id: str, staff_id: str) -> bool:
    """The agent is there: the conversation begins."""
    return queues.move(
        connection,
        clock,
        entry_id,
        ("reserved",),
        "talking",
        if_staff=staff_id,
        answered_at=clock.at(),
        held_at=None,
        outcome="",
    )


def wait_again(connection: Connection, clock: Clock, entry_id: str, staff_id: str) -> bool:
    """Back into the queue at the same place: no answer, or the agent's line broke."""
    return queues.move(
        connection,
        clock,
        entry_id,
        ("reserved", "talking"),
        "waiting",
        if_staff=staff_id,
        staff_id=None,
        reserved_at=None,
        held_at=None,
        conference_sid=None,
    )


def end_talk(
    connection: Connection, clock: Clock, entry_id: str, staff_id: str, outcome: str
) -> bool:
    """A conversation is over, and its agent wraps it up; False when it was over already."""
    over = {"outcome": outcome, "ended_at": clock.at(), "held_at": None}
    if not queues.move(connection, clock, entry_id, ("talking",), "wrapup", **over):
        return False
    agents.move(connection, clock, staff_id, ("talking",), "wrapup", entry_id=entry_id)
    return True


def set_held(connection: Connection, clock: Clock, entry_id: str, *, on: bool) -> bool:
    """Mark a caller as on hold or not; False when nothing changed by it."""
    there = queue_entry.c.held_at.is_(None) if on else queue_entry.c.held_at.is_not(None)
    changed = connection.execute(
        update(queue_entry)
        .where(queue_entry.c.id == entry_id, queue_entry.c.state == "talking", there)
        .values(held_at=clock.at() if on else None, version=queue_entry.c.version + 1)
    )
    return changed.rowcount == 1


def set_conference(connection: Connection, entry_id: str, conference_sid: str) -> bool:
    """Note the provider's id of an entry's conference; False when it is known already."""
    changed = connection.execute(
        update(queue_entry)
        .where(
            queue_entry.c.id == entry_id,
            or_(
                queue_entry.c.conference_sid.is_(None),
                queue_entry.c.conference_sid != conference_sid,
            ),
        )
        .values(conference_sid=conference_sid)
    )
    return changed.rowcount == 1


def unanswered(
    connection: Connection, clock: Clock, *, asked: timedelta, rings: timedelta
) -> list[str]:
    """Reserved entries whose agent does not come.

    Their line was not even rung for `asked` (the account's rate of calls may hold it up), or it
    rings, or was picked up without a key, for `rings`, or there is none.
    """
    hope = exists().where(
        leg.c.entry_id == queue_entry.c.id,
        leg.c.staff_id == queue_entry.c.staff_id,
        leg.c.kind == "agent",
        or_(
            leg.c.state == "joined",
            and_(leg.c.state == "asked", leg.c.created_at > clock.at(-asked)),
            and_(leg.c.state.in_(("ringing", "answered")), leg.c.updated_at > clock.at(-rings)),
        ),
    )
    reserved = (queue_entry.c.state == "reserved", queue_entry.c.staff_id.is_not(None))
    return queues.ids_of(connection, *reserved, ~hope)


def silent_entries(
    connection: Connection, clock: Clock, than: timedelta, *, limit: int
) -> list[str]:
    """Entries that an agent has, or with open legs, of which nothing was heard for so long.

    The entry that was checked longest ago comes first. None is checked twice within that time.
    """
    long_ago = clock.at(-than)
    not_asked = or_(queue_entry.c.asked_at.is_(None), queue_entry.c.asked_at < long_ago)
    last = func.coalesce(queue_entry.c.asked_at, queue_entry.c.updated_at)
    wanted = select(queue_entry.c.id, last.label("last")).where(not_asked).order_by(last)
    engaged = wanted.where(
        tables.BUSY,
        queue_entry.c.state.in_(("reserved", "talking")),
        queue_entry.c.updated_at < long_ago,
    )
    # Legs of a third person who took the caller over, or that go on after the caller left.
    with_lines = wanted.where(
        queue_entry.c.id.in_(
            select(leg.c.entry_id).where(
                leg.c.ended_at.is_(None),
                leg.c.kind != "callback",
                leg.c.state != "ended",
                leg.c.updated_at < long_ago,
            )
        )
    )
    found: dict[str, datetime] = {}
    # Each has an index of its own.
    for statement in (engaged, with_lines):
        found.update((row.id, row.last) for row in connection.execute(statement.limit(limit)))
    return sorted(found, key=lambda one: (found[one], one))[:limit]


def note_asked(connection: Connection, clock: Clock, entry_id: str, than: timedelta) -> bool:
    """Its lines are asked after now; False where that was done within that time."""
    before = or_(queue_entry.c.asked_at.is_(None), queue_entry.c.asked_at < clock.at(-than))
    statement = update(queue_entry).where(queue_entry.c.id == entry_id, before)
    return connection.execute(statement.values(asked_at=clock.at())).rowcount == 1


def wrapups_without_agent(connection: Connection, clock: Clock, than: timedelta) -> list[str]:
    """Entries that wait to be wrapped up for so long, and that no agent has."""
    has_agent = exists().where(agent.c.entry_id == queue_entry.c.id, agent.c.state.in_(BUSY))
    old = (queue_entry.c.state == "wrapup", queue_entry.c.updated_at < clock.at(-than))
    return queues.ids_of(connection, tables.BUSY, *old, ~has_agent)
