"""Bring together the next caller and a ready agent: one entry, one agent, one transaction.

An agent takes the oldest waiting entry that is due among the queues they are a member of (no
membership: the national queues of their languages), and of any queue whose caller has waited for
the overflow to one of these. Where their queues have an order, those of the first come before. The
agent who is idle longest comes first. Two processes that reserve at once never take one entry, nor
one agent, twice: both rows are read under a lock, and changed only if their state is still the
same.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

from models.agents import agents, conversations
from models.agents.agents import FreeAgent, Level
from models.agents.legs import NewLeg
from models.database import Connection
from models.queue import order, queues
from models.queue.order import QueueCandidate
from services.agents import connect_agent, provider_commands
from services.agents.command_store import CommandKind, ring
from services.ports import CallControl
from services.queue.promise_callback import BY_MACHINE
from services.store import Store

# A ring of 25 seconds, and time for its news to come: without any it is over.
RINGS = timedelta(seconds=provider_commands.RING_SECONDS + 10)
# The account's rate of calls may hold up a ring for as long as its command is kept.
ASKED = provider_commands.TOO_LATE[CommandKind.RING_AGENT] + timedelta(seconds=5)
BROWSER, PHONE = "browser", "phone"


@dataclass(frozen=True)
class Reserved:
    """An agent and their next caller; `intent_id` is the provider command that rings them."""

    staff_id: str
    entry_id: str
    leg_id: str
    intent_id: str


def reserve_all(store: Store, control: CallControl, workers: Executor | None = None) -> int:
    """Reserve and ring until no agent is ready or no caller waits; returns the number."""
    # Twice a second, and most looks find no agent ready: they are one statement and no snapshot.
    with store.database.statement() as connection:
        if not agents.is_anybody_ready(connection):
            return 0
    made = _match(store, None)
    if made:
        # All are reserved before the first is rung, so that a slow provider delays no reservation.
        provider_commands.sweep(store, control, workers)
    return len(made)


def reserve_for(store: Store, control: CallControl, staff_id: str) -> Reserved | None:
    """The next one for this agent, at once: when they say ready."""
    for reserved in _match(store, staff_id):
        provider_commands.carry_out(store, control, reserved.intent_id)
        return reserved
    return None


def _match(store: Store, staff_id: str | None) -> list[Reserved]:
    # Read agents and callers in one snapshot. With two reads, a concurrent reservation could give
    # an agent to a caller further back in the queue.
    with store.database.snapshot() as connection:
        free = agents.free_agents(connection, staff_id)
        waiting = _waiting(connection, store, free)
    made = []
    for entry, one in pairs(free, waiting):
        with store.database.transaction() as connection:
            reserved = reserve_entry(connection, store, one.staff_id, entry.id)
        if reserved is not None:
            made.append(reserved)
    return made


# The queues whose entries an agent may take, by what they are members of, in their order.
_Group = tuple[Level, ...]


def _waiting(
    connection: Connection, store: Store, free: Sequence[FreeAgent]
) -> dict[_Group, list[list[QueueCandidate]]]:
    """For each kind of agent who is ready, by level, as many who wait as agents are ready."""
    return {
        group: [
            order.candidates(
                connection,
                store.clock,
                sorted(level.queues),
                sorted(level.overflow_languages),
                limit=len(free),
            )
            for level in group
        ]
        for group in {agent.levels for agent in free}
        if group
    }


def pairs(
    free: Sequence[FreeAgent], waiting: dict[_Group, list[list[QueueCandidate]]]
) -> list[tuple[QueueCandidate, FreeAgent]]:
    """Each entry, in order, gets the agent who is idle longest of those who may take it.

    Of those first whose first queues it waits in, then of those who take it second, and so on: so
    of one queue the oldest is always first. `free` is in the order of idleness.
    """
    line = {
        entry.id: entry for levels in waiting.values() for entries in levels for entry in entries
    }
    theirs = {
        (group, place): {entry.id for entry in entries}
        for group, levels in waiting.items()
        for place, entries in enumerate(levels)
    }
    left, found = list(free), []
    for place in range(max(map(len, waiting), default=0)):
        for entry in sorted(line.values(), key=lambda one: (one.joined_at, one.id)):
            for agent in left:
                if entry.id in theirs.get((agent.levels, place), ()):
                    found.append((entry, agent))
                    left.remove(agent)
                    del line[entry.id]
                    break
    return found


def reserve_entry(
    connection: Connection, store: Store, staff_id: str, entry_id: str
) -> Reserved | None:
    """One waiting entry for one ready agent, in the caller's transaction; None if one is not free.

    For a supervisor who reassigns, too. Carry the command out after the commit.
    """
    entry = queues.load(connection, store.vault, entry_id, lock=True)
    agent = agents.get(connection, staff_id, lock=True)
    if entry is None or agent is None:
        return None
    if entry.state != "waiting" or agent.state != "ready":
        return None
    if entry.reason in BY_MACHINE:
        # These entries are called by the machine: no agent is ever connected to them.
        return None
    if line_of(connection, store, staff_id) is None:
        # Otherwise the next caller would be reserved for an agent who cannot be rung.
        agents.move(connection, store.clock, staff_id, ("ready",), "paused", reason="no_line")
        return None
    given = {"staff_id": staff_id, "reserved_at": store.clock.at()}
    if not queues.move(connection, store.clock, entry_id, ("waiting",), "reserved", **given):
        return None
    return ring_agent(connection, store, staff_id, entry_id, ("ready",))


def ring_agent(
    connection: Connection,
    store: Store,
    staff_id: str,
    entry_id: str,
    before: Sequence[str],
    *,
    kind: str = "agent",
) -> Reserved | None:
    """An agent in one of the states `before` is reserved for an entry, and to be rung.

    `kind`: agent, or third for a colleague who is asked into a conversation. None when the agent is
    in none of these states, or has no telephone: then nothing was changed.
    """
    to = line_of(connection, store, staff_id)
    if to is None:
        return None
    if not agents.move(connection, store.clock, staff_id, before, "reserved", entry_id=entry_id):
        return None
    leg_id = store.chance.identifier()
    new = NewLeg(leg_id, kind, entry_id, to, staff_id)
    return Reserved(
        staff_id, entry_id, leg_id, ring(connection, store, new, at_once=kind == "agent")
    )


def line_of(connection: Connection, store: Store, staff_id: str) -> str | None:
    """The address at which an agent is rung: browser or telephone; None where they have none."""
    agent = agents.get(connection, staff_id)
    if agent is not None and agent.voice == PHONE:
        return agents.telephone(connection, store.vault, staff_id)
    return f"client:{staff_id}"


def give_up_unanswered(store: Store) -> int:
    """Pause agents who did not answer in time; their entries wait on with their places."""
    with store.database.statement() as connection:
        left = conversations.unanswered(connection, store.clock, asked=ASKED, rings=RINGS)
    given = 0
    for entry_id in left:
        with store.database.transaction() as connection:
            entry = queues.load(connection, store.vault, entry_id, lock=True)
            if entry is None or entry.staff_id is None or entry.state != "reserved":
                continue
            given += connect_agent.give_back(connection, store, entry, entry.staff_id, "no_answer")
    return given
