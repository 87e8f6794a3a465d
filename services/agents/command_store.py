"""Commands to the provider as they are stored, with their cause: see `provider_commands`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from models.agents import legs, stored_commands
from models.agents.legs import NewLeg
from models.agents.stored_commands import NewCommand
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
    MUTE = "mute"
    UNMUTE = "unmute"


# What rings a leg, by the leg's kind.
_RINGS = {
    "agent": CommandKind.RING_AGENT,
    "third": CommandKind.RING_THIRD,
    "supervisor": CommandKind.RING_SUPERVISOR,
    "callback": CommandKind.DIAL_CALLBACK,
}
# Where the provider asks what a person hears who picked up, and where it tells of the line.
RING_PATHS = {
    CommandKind.RING_AGENT: ("/voice/agent", "/voice/leg"),
    CommandKind.RING_THIRD: ("/voice/third", "/voice/leg"),
    CommandKind.RING_SUPERVISOR: ("/voice/supervisor", "/voice/leg"),
    CommandKind.DIAL_CALLBACK: ("/voice/callback", "/voice/callback-status"),
}


def add(connection: Connection, store: Store, new: NewCommand) -> str:
    """Store a provider command in the given transaction; returns its id, or that of its key."""
    made = store.chance.identifier()
    return stored_commands.add(connection, store.clock, store.vault, made, new, DESKS_TURN)


def ring(
    connection: Connection,
    store: Store,
    new: NewLeg,
    *,
    at_once: bool = False,
    caller_id: str = "",
) -> str:
    """Store a line and the command that rings it, as `add` does; returns the command's id.

    `caller_id` is what is seen there; empty: the account's own.
    """
    legs.add(connection, store.clock, store.vault, new)
    rings = NewCommand(
        _RINGS[new.kind],
        f"ring:{new.id}",
        staff_id=new.staff_id,
        entry_id=new.entry_id,
        leg_id=new.id,
        arguments={"caller_id": caller_id} if caller_id else {},
        at_once=at_once,
    )
    return add(connection, store, rings)
