"""Let a caller wait with music, and come back to them."""

from __future__ import annotations

from models.agents import agents
from models.database import Connection
from models.queue.queues import QueueEntry
from services.accounts.staff import record_act
from services.agents import provider_commands
from services.agents.conversation_of import talk_of
from services.agents.provider_commands import CommandKind, CommandResult, NewCommand, no
from services.ports import CallControl
from services.store import Store


def hold(
    store: Store, control: CallControl, staff_id: str, entry_id: str, *, on: bool
) -> CommandResult:
    """Put the agent's caller on hold, or bring them back; what is so already is done.

    Why not: `not_talking`, `other_call`, `not_yet` (the caller is being brought).
    """
    with store.database.transaction() as connection:
        entry = talk_of(connection, store, staff_id, entry_id)
        if isinstance(entry, str):
            return no(entry)
        if entry.conference_sid is None:
            return no("not_yet")
        asked = set_hold(connection, store, entry, on=on)
        if asked:
            record_act(connection, store, staff_id, "hold" if on else "unhold", entry.id)
    return provider_commands.carry_out_all(store, control, asked)


def set_hold(connection: Connection, store: Store, entry: QueueEntry, *, on: bool) -> list[str]:
    """The same in a transaction that has locked the entry; gives the intent, if there is any."""
    if not agents.set_held(connection, store.clock, entry.id, on=on):
        return []
    kind = CommandKind.HOLD if on else CommandKind.UNHOLD
    key = f"{kind}:{entry.id}:{store.chance.identifier()[:12]}"
    new = NewCommand(kind, key, staff_id=entry.staff_id, entry_id=entry.id)
    return [provider_commands.add(connection, store, new)]
