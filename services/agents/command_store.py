"""Commands to the provider as they are stored, with their cause: see `provider_commands`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from models.agents import agents
from models.agents.agents import NewCommand
from models.database import Connection
from services.store import Store

# The process that stored a command carries it out within this time; after it the sweep does.
DESKS_TURN = timedelta(seconds=1)


class CommandKind(StrEnum):
    """What can be asked; see above for the arguments."""

    RING_AGENT = "ring_agent"
    RING_THIRD = "ring_third"
    RING_SUPERVISOR = "ring_supervisor"
    DIAL_CALLBACK = "dial_callback"
    BRING_CALLER = "bring_caller"
    REDIRECT = "redirect"
    HANG_UP = "hang_up"
    HOLD = "hold"
    UNHOLD = "unhold"
    COACH = "coach"


RING_PATHS = {
    CommandKind.RING_AGENT: "/voice/agent",
    CommandKind.RING_THIRD: "/voice/third",
    CommandKind.RING_SUPERVISOR: "/voice/supervisor",
    CommandKind.DIAL_CALLBACK: "/voice/callback",
}


def add(connection: Connection, store: Store, new: NewCommand) -> str:
    """Store a provider command in the given transaction; returns its id, or that of its key."""
    made = store.chance.identifier()
    return agents.add_command(connection, store.clock, store.vault, made, new, DESKS_TURN)
