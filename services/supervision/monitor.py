"""A supervisor in a conversation: listens, whispers to the agent, or joins. The agent sees it."""

from __future__ import annotations

from models.agents import legs
from models.agents.legs import NewLeg
from models.agents.stored_commands import NewCommand
from models.queue import queues
from services.accounts.staff import record_act
from services.agents import provider_commands
from services.agents.command_store import CommandKind, add, ring
from services.agents.connect_agent import hang_up_leg
from services.agents.provider_commands import CommandResult, no
from services.agents.reserve import line_of
from services.ports import CallControl
from services.store import Store

MODES = ("listen", "whisper", "join")


def listen_in(
    store: Store, control: CallControl, staff_id: str, entry_id: str, mode: str = "listen"
) -> CommandResult:
    """Ring the supervisor and put them into the conversation; or change how, if they are in it.

    Every one is in the history. Why not: `gone` (the conversation is over), `mode`, `no_phone`,
    `busy` (in another one, or in one of their own).
    """
    if mode not in MODES:
        return no("mode")
    with store.database.transaction() as connection:
        entry = queues.load(connection, store.vault, entry_id, lock=True)
        if entry is None or entry.state != "talking":
            return no("gone")
        to = line_of(connection, store, staff_id)
        if to is None:
            return no("no_phone")
        there = legs.of_staff(connection, store.vault, staff_id, "supervisor")
        if entry.staff_id == staff_id or (there and there.entry_id != entry_id):
            return no("busy")
        record_act(connection, store, staff_id, mode, entry_id, "", {"agent": entry.staff_id})
        leg_id = there.id if there else store.chance.identifier()
        if there:
            legs.set_mode(connection, store.clock, leg_id, mode)
            key = f"coach:{leg_id}:{store.chance.identifier()[:12]}"
            new = NewCommand(
                CommandKind.COACH, key, staff_id=staff_id, entry_id=entry_id, leg_id=leg_id
            )
            asked = add(connection, store, new)
        else:
            leg = NewLeg(leg_id, "supervisor", entry_id, to, staff_id, mode)
            asked = ring(connection, store, leg)
    return provider_commands.carry_out_all(store, control, [asked], made=leg_id)


def leave(store: Store, control: CallControl, staff_id: str) -> CommandResult:
    """The supervisor hangs up. Why not: `nobody`."""
    with store.database.transaction() as connection:
        leg = legs.of_staff(connection, store.vault, staff_id, "supervisor")
        if leg is None:
            return no("nobody")
        asked = hang_up_leg(connection, store, leg)
        record_act(connection, store, staff_id, "left", leg.entry_id or "")
    return provider_commands.carry_out_all(store, control, [asked])
