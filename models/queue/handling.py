"""How fast the queue moves: what agents did lately, what they do now, and how many people wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, text, true

from models.accounts.tables import staff
from models.agents.tables import agent, leg
from models.clock import Clock
from models.prepared import Prepared
from models.queue import call_queues
from models.queue.tables import IN_LINE, agent_queue, agent_queue_member, queue_entry


@dataclass(frozen=True)
class AtWork:
    """An agent who serves the queue; `busy_since` is None for a ready one. Moments are UTC."""

    staff_id: str
    languages: tuple[str, ...]
    busy_since: datetime | None


def handled(connection: Connection, clock: Clock, within: timedelta) -> dict[str, list[float]]:
    """Seconds that agents took for each person they served in the last `within`, by language.

    From when the agent was reserved until all was noted.
    """
    statement = select(
        queue_entry.c.language, queue_entry.c.reserved_at, queue_entry.c.updated_at
    ).where(
        # Its index is on this column: no caller waits for longer than two days.
        queue_entry.c.created_at > clock.at(-within - timedelta(days=2)),
        queue_entry.c.state == "done",
        queue_entry.c.updated_at > clock.at(-within),
        queue_entry.c.answered_at.is_not(None),
        queue_entry.c.reserved_at.is_not(None),
        queue_entry.c.staff_id.is_not(None),
    )
    return _seconds(connection, statement)


def in_vain(connection: Connection, clock: Clock, within: timedelta) -> dict[str, list[float]]:
    """Seconds that agents waited lately for each number that did not answer, by language."""
    statement = (
        select(queue_entry.c.language, leg.c.created_at, leg.c.ended_at)
        .join(queue_entry, queue_entry.c.id == leg.c.entry_id)
        .where(
            leg.c.kind == "callback",
            leg.c.ended_at > clock.at(-within),
            leg.c.staff_id.is_not(None),
            leg.c.outcome != "reached",
        )
    )
    return _seconds(connection, statement)


def _seconds(connection: Connection, spans: Select[Any]) -> dict[str, list[float]]:
    """How long each took of rows of a language, a beginning and an end."""
    seconds: dict[str, list[float]] = {}
    for language, began_at, ended_at in connection.execute(spans):
        seconds.setdefault(language, []).append((ended_at - began_at).total_seconds())
    return seconds


def at_work(connection: Connection, clock: Clock) -> list[AtWork]:
    """Agents who answer callers, now or when they are done with one."""
    memberships = select(agent_queue_member.c.staff_id, agent_queue.c.language).join(
        agent_queue, agent_queue.c.id == agent_queue_member.c.queue_id
    )
    members: dict[str, set[str]] = {}
    for staff_id, language in connection.execute(memberships):
        members.setdefault(staff_id, set()).add(language)
    statement = (
        select(
            agent.c.staff_id,
            agent.c.state,
            agent.c.since,
            staff.c.languages,
            queue_entry.c.reserved_at,
        )
        .join(staff, staff.c.id == agent.c.staff_id)
        .outerjoin(queue_entry, queue_entry.c.id == agent.c.entry_id)
        .where(staff.c.disabled_at.is_(None), call_queues.at_work(clock))
    )
    found = []
    for row in connection.execute(statement):
        spoken = members.get(row.staff_id) or set(row.languages.split())
        busy = None if row.state == "ready" else row.reserved_at or row.since
        found.append(AtWork(row.staff_id, tuple(sorted(spoken)), busy))
    return found


def agents_known(connection: Connection, language: str) -> int:
    """How many agents of a language there are at all, at work or not."""
    speaks = (" " + staff.c.languages + " ").contains(f" {language} ", autoescape=True)
    statement = select(func.count()).where(
        staff.c.role == "agent", staff.c.disabled_at.is_(None), speaks
    )
    return connection.execute(statement).scalar_one()


def waiting(connection: Connection) -> dict[str, int]:
    """How many wait for an agent, on the line or for a call, by language."""
    statement = (
        select(queue_entry.c.language, func.count())
        .where(IN_LINE, queue_entry.c.mode == "agent")
        .group_by(queue_entry.c.language)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


@dataclass(frozen=True)
class Owed:
    """The people that a language's agents owe an answer, on the line or by a call.

    `due` people by now; `later` are those who may be rung from a moment on: that moment and their
    place (UTC), in the order of the moments. The next caller comes behind the `due` people. The
    `later` people have older places, too, but take no agent's time before their moment.
    """

    due: int = 0
    later: tuple[tuple[datetime, datetime], ...] = ()


def owed(connection: Connection, clock: Clock, language: str) -> Owed:
    """The same at this moment; one statement."""
    rows = _owed(clock).rows(connection, {"the_language": language})
    later = sorted((row.due_at, row.joined_at) for row in rows if row.due_at is not None)
    return Owed(rows[0].due, tuple(later))


# A caller who was just promised a call is not rung at once, but counts as waiting.
PUTS_DOWN = timedelta(minutes=1)


@lru_cache
def _owed(clock: Clock) -> Prepared:
    """One row at least, each with how many are due; with it, one of those who are later."""
    theirs = (
        # To the letter what the index says, or it would not be used.
        text("queue_entry.state = 'waiting' AND queue_entry.mode = 'agent'"),
        queue_entry.c.language == bindparam("the_language"),
    )
    soon = clock.at(PUTS_DOWN)
    due = select(func.count().label("due")).where(*theirs, queue_entry.c.due_at <= soon)
    counted = due.select_from(queue_entry).subquery("counted")
    later = (
        select(queue_entry.c.due_at, queue_entry.c.joined_at)
        .where(*theirs, queue_entry.c.due_at > soon)
        .subquery("later")
    )
    return Prepared(
        select(counted.c.due, later.c.due_at, later.c.joined_at).select_from(
            counted.outerjoin(later, true())
        )
    )
