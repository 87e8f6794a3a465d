"""The conversation that somebody at a desk has, for whatever they do in it."""

from __future__ import annotations

from models.agents import agents
from models.agents.agents import Leg
from models.database import Connection
from models.queue import queues
from models.queue.queues import QueueEntry
from services.store import Store

OTHER_CALL = "other_call"


def talk_of(connection: Connection, store: Store, staff_id: str, entry_id: str) -> QueueEntry | str:
    """The entry, locked until the transaction ends, that this agent is talking with.

    Else why there is none: `not_talking`, or `other_call` where it is somebody else by now. A page
    is up to a second late; what it wants is decided here, with the lock, and not before. A
    colleague who was asked into a conversation has none of their own.
    """
    entry = queues.load(connection, store.vault, entry_id, lock=True) if entry_id else None
    if entry is not None and entry.state == "talking" and entry.staff_id == staff_id:
        return entry
    return OTHER_CALL if has_another(connection, staff_id, entry_id) else "not_talking"


def has_another(connection: Connection, staff_id: str, entry_id: str) -> bool:
    """Whether the caller whom this agent has is not this one."""
    agent = agents.get(connection, staff_id)
    return agent is not None and agent.entry_id not in {None, entry_id}


def third_of(connection: Connection, store: Store, entry: QueueEntry) -> Leg | None:
    """The third person of a conversation, rung or there."""
    thirds = agents.legs_of(connection, store.vault, entry.id, ("third",))
    others = [
        third for third in thirds if third.staff_id is None or third.staff_id != entry.staff_id
    ]
    return others[-1] if others else None
