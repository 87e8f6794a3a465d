"""The queues themselves, which agents take their callers, and whether a caller is let in."""

from __future__ import annotations

import json

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    update,
)

from models.accounts.tables import staff
from models.agents.tables import agent
from models.clock import Clock
from models.prepared import Prepared
from models.queue.queues import CALL
from models.queue.tables import IN_LINE, agent_queue, agent_queue_member, queue_entry
from models.rows import columns_of, from_row
from models.writes import insert_new

HOURS = "hours"
STATES = (HOURS, "open", "callback_only", "closed")
# Agents in these answer callers, now or as soon as they are done with one.
AT_WORK = ("ready", "reserved", "talking", "wrapup")
# An agent who should be ready and whose page is silent for so long has lost it.
PAGE_LOST = timedelta(seconds=20)


@dataclass(frozen=True)
class CallQueue:
    """A queue; `region` is empty for the national one of its language."""

    id: str
    language: str
    region: str
    state: str
    overflow_minutes: int
    announcement: str
    provider_sid: str | None
    max_size: int
    # The announcement by the code of another language ("en").
    translations: Mapping[str, str] = field(default_factory=dict)


QUEUE_COLUMNS = columns_of(CallQueue, agent_queue)


def from_queue(row: Any) -> CallQueue:
    return from_row(CallQueue, row, translations=json.loads(row.translations))


def all_queues(connection: Connection) -> list[CallQueue]:
    """Every queue, those of a language together and its national one first."""
    order = (agent_queue.c.language, agent_queue.c.region, agent_queue.c.id)
    return [from_queue(row) for row in connection.execute(select(*QUEUE_COLUMNS).order_by(*order))]


def find_queue(connection: Connection, queue_id: str) -> CallQueue | None:
    """One queue."""
    row = connection.execute(
        select(*QUEUE_COLUMNS).where(agent_queue.c.id == queue_id)
    ).one_or_none()
    return from_queue(row) if row else None


def add_queue(
    connection: Connection,
    clock: Clock,
    queue_id: str,
    language: str,
    region: str = "",
    *,
    overflow_minutes: int = 3,
    max_size: int = 5000,
) -> bool:
    """Make a queue; False when there is one of this id."""
    values = {
        "id": queue_id,
        "language": language,
        "region": region,
        "overflow_minutes": overflow_minutes,
        "max_size": max_size,
    }
    return insert_new(connection, clock, agent_queue, values, "created_at", "updated_at")


def set_queue(connection: Connection, clock: Clock, queue_id: str, **values: Any) -> bool:
    """Change columns of a queue: state, overflow_minutes, announcements, provider_sid, max_size."""
    unknown = values.keys() - {
        "state", "overflow_minutes", "announcement", "translations", "provider_sid", "max_size",
    }  # fmt: skip
    if unknown or values.get("state", HOURS) not in STATES:
        raise ValueError(f"no such setting of a queue: {unknown or values['state']}")
    if "translations" in values:
        values["translations"] = json.dumps(values["translations"], sort_keys=True)
    statement = update(agent_queue).where(agent_queue.c.id == queue_id)
    return connection.execute(statement.values(**values, updated_at=clock.at())).rowcount == 1


def memberships(connection: Connection) -> dict[str, list[str]]:
    """The queues of each member; other agents take the national ones of their languages."""
    found: dict[str, list[str]] = {}
    order = (agent_queue_member.c.staff_id, agent_queue_member.c.queue_id)
    for row in connection.execute(select(agent_queue_member).order_by(*order)):
        found.setdefault(row.staff_id, []).append(row.queue_id)
    return found


def of_member(connection: Connection, staff_id: str) -> list[str]:
    """The queues that an agent is a member of, by their ids."""
    return memberships(connection).get(staff_id, [])


def set_memberships(
    connection: Connection, staff_id: str, queue_ids: Sequence[str], *, in_order: bool = False
) -> None:
    """Make an agent a member of these queues and of no others; none: of their languages' own.

    `in_order`: a caller who waits in the first is taken before those of the next; else by who waits
    longest in any of them.
    """
    mine = agent_queue_member.c.staff_id == staff_id
    connection.execute(delete(agent_queue_member).where(mine))
    rows = [
        {"staff_id": staff_id, "queue_id": one, "rank": place if in_order else 0}
        for place, one in enumerate(dict.fromkeys(queue_ids))
    ]
    if rows:
        connection.execute(agent_queue_member.insert(), rows)


def staffed(connection: Connection) -> set[str]:
    """The queues that an agent answers who may work: as a member, or by their languages."""
    members = memberships(connection)
    nationals = {queue.language: queue.id for queue in all_queues(connection) if not queue.region}
    workers = select(staff.c.id, staff.c.languages).where(
        staff.c.disabled_at.is_(None), staff.c.role.in_(("agent", "supervisor"))
    )
    found = set[str]()
    for row in connection.execute(workers):
        spoken = (nationals[name] for name in row.languages.split() if name in nationals)
        found.update(members.get(row.id) or spoken)
    return found


@dataclass(frozen=True)
class QueueStatus:
    """A queue with what decides whether a caller is let in now.

    `agents` answer its callers, at once or after the caller they have. `on_the_line` callers wait
    in it. `waiting` counts those and the callbacks that are due and that agents make.
    """

    queue: CallQueue
    agents: int
    on_the_line: int
    waiting: int


def queue_statuses(connection: Connection, clock: Clock, language: str) -> list[QueueStatus]:
    """The queues of a language, the national one first; one statement."""
    rows = _queue_statuses(clock).rows(connection, {"the_language": language})
    return [from_row(QueueStatus, row, queue=from_queue(row)) for row in rows]


@lru_cache
def _queue_statuses(clock: Clock) -> Prepared:
    statement = (
        select(
            *QUEUE_COLUMNS,
            agents_of(clock).label("agents"),
            _in_line(queue_entry.c.kind == CALL).label("on_the_line"),
            _in_line(queue_entry.c.mode == "agent", queue_entry.c.due_at <= clock.at()).label(
                "waiting"
            ),
        )
        .where(agent_queue.c.language == bindparam("the_language"))
        .order_by(agent_queue.c.region, agent_queue.c.id)
    )
    return Prepared(statement)


def agents_of(clock: Clock, *, or_of: ColumnElement[Any] | None = None) -> Any:
    """How many agents are there for the callers of the `agent_queue` of the statement around.

    With the overflow: an agent of the national queue takes callers of its regions in the end, or,
    where the column `or_of` around names a queue, an agent of that one.
    """
    member, of_mine = agent_queue_member.alias("member"), agent_queue.alias("of_mine")
    no_member, spoken = member.c.staff_id.is_(None), " " + staff.c.languages + " "
    speaks = and_(no_member, spoken.contains(" " + agent_queue.c.language + " "))
    national: ColumnElement[bool] = of_mine.c.region == ""
    there: list[ColumnElement[bool]] = []
    around = [agent_queue]
    if or_of is not None:
        around.append(or_of.table)
        over = agent_queue.alias("over")
        language = select(over.c.language).where(over.c.id == or_of, over.c.region == "")
        language_of_it = language.correlate(or_of.table).scalar_subquery()
        speaks_it = and_(no_member, spoken.contains(" " + language_of_it + " "))
        there += [of_mine.c.id == or_of, speaks_it]
        has_part = or_(or_of.is_(None), agent_queue.c.region == "")
        national, speaks = and_(national, has_part), and_(speaks, has_part)
    # Joined: by EXISTS, PostgreSQL 18 counted a second queue with the answers for the first.
    at_home = and_(
        of_mine.c.language == agent_queue.c.language,
        or_(of_mine.c.id == agent_queue.c.id, national),
    )
    return (
        select(func.count(agent.c.staff_id.distinct()))
        .select_from(agent)
        .join(staff, staff.c.id == agent.c.staff_id)
        .outerjoin(member, member.c.staff_id == agent.c.staff_id)
        .outerjoin(of_mine, of_mine.c.id == member.c.queue_id)
        .where(staff.c.disabled_at.is_(None), at_work(clock), or_(at_home, speaks, *there))
        .correlate(*around)
        .scalar_subquery()
    )


def at_work(clock: Clock) -> ColumnElement[bool]:
    """In a state that answers callers; an agent whose page is silent does not count as ready."""
    lately = or_(agent.c.state != "ready", agent.c.seen_at > clock.at(-PAGE_LOST))
    # Written out: a list of unknown length could not be prepared.
    return and_(text(f"agent.state IN {AT_WORK}"), lately)


def _in_line(*which: ColumnElement[bool]) -> Any:
    return (
        select(func.count())
        .select_from(queue_entry)
        .where(IN_LINE, queue_entry.c.queue_id == agent_queue.c.id, *which)
        .correlate(agent_queue)
        .scalar_subquery()
    )
