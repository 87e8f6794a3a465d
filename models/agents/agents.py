"""What agents do at this moment, and which of them take which callers.

Every change is conditional on the state it leaves: of two processes that want the same, one gets it
and the other gets False.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from models.accounts.tables import staff
from models.agents.tables import agent
from models.clock import Clock
from models.crypto import Vault
from models.queue.tables import agent_queue, agent_queue_member
from models.rows import from_row
from models.writes import insert_new

BUSY = ("reserved", "talking", "wrapup")


@dataclass(frozen=True)
class Agent:
    """One agent; moments are UTC. `then_pause` is a pause (or `offline`) wished for afterwards."""

    staff_id: str
    state: str
    since: datetime
    reason: str
    then_pause: str | None
    entry_id: str | None
    voice: str
    seen_at: datetime
    version: int


def get(connection: Connection, staff_id: str, *, lock: bool = False) -> Agent | None:
    """An agent as stored; None for an account that was never an agent."""
    statement = select(agent).where(agent.c.staff_id == staff_id)
    found = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if found is None else from_row(Agent, found)


def begin(connection: Connection, clock: Clock, staff_id: str) -> None:
    """Store an agent who has none of these rows yet, as offline."""
    values = {"staff_id": staff_id, "state": "offline"}
    insert_new(connection, clock, agent, values, "since", "seen_at")


def move(
    connection: Connection,
    clock: Clock,
    staff_id: str,
    before: Collection[str],
    after: str,
    *,
    entry_id: str | None = None,
    of_entry: str | None = None,
    **values: Any,
) -> bool:
    """From one of the states `before` to `after`; False when the agent is in none of them.

    The agent has `entry_id` from then on (None: no entry). `of_entry`: only if the agent has it
    now.
    """
    conditions = [agent.c.staff_id == staff_id, agent.c.state.in_(before)]
    if of_entry is not None:
        conditions.append(agent.c.entry_id == of_entry)
    moved = connection.execute(
        update(agent)
        .where(*conditions)
        .values(
            {
                "state": after,
                "since": clock.at(),
                "entry_id": entry_id,
                "reason": "",
                "version": agent.c.version + 1,
                **values,
            }
        )
    )
    return moved.rowcount == 1


def talks(
    connection: Connection,
    clock: Clock,
    staff_id: str,
    entry_id: str,
    *,
    of_entry: str | None = None,
) -> bool:
    """An agent who is engaged talks with `entry_id` from now on; `of_entry` as for `move`."""
    busy = ("reserved", "talking")
    return move(connection, clock, staff_id, busy, "talking", entry_id=entry_id, of_entry=of_entry)


def set_later(connection: Connection, staff_id: str, then_pause: str | None) -> bool:
    """Remember a pause for after this call; False unless the agent is busy."""
    wished = connection.execute(
        update(agent)
        .where(agent.c.staff_id == staff_id, agent.c.state.in_(BUSY))
        .values(then_pause=then_pause, version=agent.c.version + 1)
    )
    return wished.rowcount == 1


def set_voice(connection: Connection, staff_id: str, voice: str) -> None:
    connection.execute(update(agent).where(agent.c.staff_id == staff_id).values(voice=voice))


def seen(connection: Connection, clock: Clock, staff_id: str) -> None:
    """The agent's page is there."""
    mine = update(agent).where(agent.c.staff_id == staff_id)
    connection.execute(mine.values(seen_at=clock.at()))


def seen_together(connection: Connection, clock: Clock, staff_ids: Collection[str]) -> None:
    """The pages of these agents are there; one that another transaction works on is left out.

    It waits for no transaction, so it can be in no circle of those who wait for one another.
    """
    free = (
        select(agent.c.staff_id)
        .where(agent.c.staff_id.in_(staff_ids))
        .with_for_update(skip_locked=True)
    )
    connection.execute(update(agent).where(agent.c.staff_id.in_(free)).values(seen_at=clock.at()))


def is_any_page_open(connection: Connection, clock: Clock, within: timedelta) -> bool:
    """Whether the page of any agent was there in that time."""
    lately = select(agent.c.staff_id).where(agent.c.seen_at > clock.at(-within)).limit(1)
    return connection.execute(lately).first() is not None


def send_home(connection: Connection, clock: Clock, gone_for: timedelta) -> list[str]:
    """Set agents offline who are ready but whose page was silent for so long; gives their ids."""
    sent = connection.execute(
        update(agent)
        .where(agent.c.state == "ready", agent.c.seen_at < clock.at(-gone_for))
        .values(state="offline", since=clock.at(), reason="", version=agent.c.version + 1)
        .returning(agent.c.staff_id)
    )
    return list(sent.scalars())


def wrapping_up_since(connection: Connection, clock: Clock, longer_than: timedelta) -> list[str]:
    """Agents who have been wrapping up for longer than that."""
    statement = select(agent.c.staff_id).where(
        agent.c.state == "wrapup", agent.c.since < clock.at(-longer_than)
    )
    return list(connection.execute(statement).scalars())


def telephone(connection: Connection, vault: Vault, staff_id: str) -> str | None:
    """The agent's own telephone (E.164); None where they have given none, or may not work."""
    statement = select(staff.c.phone_enc).where(
        staff.c.id == staff_id, staff.c.disabled_at.is_(None)
    )
    sealed = connection.execute(statement).scalar_one_or_none()
    return vault.open_text(sealed, f"staff.phone:{staff_id}")


# ------------------------------------------------------------------ which agent takes which caller


@dataclass(frozen=True)
class Level:
    """Queues whose callers an agent takes alike.

    `overflow_languages` are those whose national queue is among them: their overflow is taken, too.
    """

    queues: frozenset[str]
    overflow_languages: frozenset[str]


@dataclass(frozen=True)
class FreeAgent:
    """An agent who is ready, idle since `since`, and the queues that are theirs.

    No agent of a level is taken while another waits in the one before it.
    """

    staff_id: str
    since: datetime
    levels: tuple[Level, ...]


def is_anybody_ready(connection: Connection) -> bool:
    """Whether any agent is ready, their account not looked at."""
    statement = select(agent.c.staff_id).where(agent.c.state == "ready").limit(1)
    return connection.execute(statement).first() is not None


def free_agents(connection: Connection, staff_id: str | None = None) -> list[FreeAgent]:
    """Agents who are ready, idle longest first; `staff_id`: that one alone."""
    statement = (
        select(agent.c.staff_id, agent.c.since, staff.c.languages)
        .join(staff, staff.c.id == agent.c.staff_id)
        .where(agent.c.state == "ready", staff.c.disabled_at.is_(None))
        .order_by(agent.c.since, agent.c.staff_id)
    )
    if staff_id is not None:
        statement = statement.where(agent.c.staff_id == staff_id)
    ready = connection.execute(statement).all()
    if not ready:
        return []
    ids = [row.staff_id for row in ready]
    theirs: dict[str, dict[str, int]] = {}
    members = select(agent_queue_member).where(agent_queue_member.c.staff_id.in_(ids))
    for member in connection.execute(members):
        theirs.setdefault(member.staff_id, {})[member.queue_id] = member.rank
    nationals = _nationals(connection)
    found = []
    for row in ready:
        spoken = {nationals[name]: 0 for name in row.languages.split() if name in nationals}
        mine = theirs.get(row.staff_id) or spoken
        found.append(FreeAgent(row.staff_id, row.since, _levels(mine, nationals)))
    return found


def _levels(ranks: Mapping[str, int], nationals: Mapping[str, str]) -> tuple[Level, ...]:
    made = []
    for rank in sorted(set(ranks.values())):
        alike = frozenset(queue for queue, of in ranks.items() if of == rank)
        overflow = frozenset(name for name, queue in nationals.items() if queue in alike)
        made.append(Level(alike, overflow))
    return tuple(made)


def _nationals(connection: Connection) -> dict[str, str]:
    """The national queue of each language."""
    statement = select(agent_queue.c.language, agent_queue.c.id).where(agent_queue.c.region == "")
    return {row.language: row.id for row in connection.execute(statement)}
