"""Commands to the provider as they are stored, with their cause: see `provider_commands`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from models.agents import agents
from models.database import Connection
from services.store import Store

# Whoever stored it does it within this time, or the sweep does.
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
    MUTE = "mute"
    COACH = "coach"
    END_CONFERENCE = "end_conference"


RING_PATHS = {
    CommandKind.RING_AGENT: "/voice/agent",
    CommandKind.RING_THIRD: "/voice/third",
    CommandKind.RING_SUPERVISOR: "/voice/supervisor",
    CommandKind.DIAL_CALLBACK: "/voice/callback",
}


@dataclass(frozen=True)
class NewCommand:
    """Something to ask. The same `key` (80 letters) twice is one intent.

    `at_once`: nobody carries it out after the commit, so the dispatcher need not wait.
    """

    kind: CommandKind
    key: str
    staff_id: str | None = None
    entry_id: str | None = None
    leg_id: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    at_once: bool = False


def add(connection: Connection, store: Store, new: NewCommand) -> str:
    """Store an intent in the caller's transaction; gives its id, or that of its key."""
    made = store.chance.identifier()
    values = {
        "id": made,
        "key": new.key,
        "kind": new.kind,
        "staff_id": new.staff_id,
        "entry_id": new.entry_id,
        "leg_id": new.leg_id,
    }
    stored = agents.add_command(
        connection,
        store.clock,
        store.vault,
        values,
        new.arguments,
        not_before=timedelta() if new.at_once else DESKS_TURN,
    )
    return made if stored else agents.command_id(connection, new.key)
