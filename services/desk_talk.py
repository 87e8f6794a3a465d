"""The conversation that somebody at a desk has, for whatever they do in it."""

from __future__ import annotations

from models import agents, queues
from models.agents import Leg
from models.database import Connection
from models.queues import Entry
from services.store import Store


def talk_of(connection: Connection, store: Store, staff_id: str) -> Entry | None:
    """The entry that this agent is talking with, locked; None when they talk with nobody.

    A colleague who was asked into a conversation has none of their own.
    """
    agent = agents.get(connection, staff_id)
    if agent is None or agent.state != "talking" or agent.entry_id is None:
        return None
    entry = queues.load(connection, store.vault, agent.entry_id, lock=True)
    if entry is None or entry.state != "talking" or entry.staff_id != staff_id:
        return None
    return entry


def third_of(connection: Connection, store: Store, entry: Entry) -> Leg | None:
    """The third person of a conversation, rung or there."""
    thirds = agents.legs_of(connection, store.vault, entry.id, ("third",))
    others = [one for one in thirds if one.staff_id is None or one.staff_id != entry.staff_id]
    return others[-1] if others else None
