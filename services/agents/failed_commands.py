"""What failed commands had reserved is freed, in the transaction that marks the failure."""

from __future__ import annotations

from datetime import timedelta

from models.agents import conversations, legs
from models.agents.legs import Leg
from models.agents.stored_commands import ClaimedCommand
from models.database import Connection
from models.queue import callbacks, queues
from models.queue.queues import QueueEntry
from services.agents import connect_agent
from services.agents.command_store import RING_PATHS, CommandKind
from services.agents.connect_agent import TAKEN
from services.queue import entries
from services.store import Store

DIAL_AGAIN_AFTER = timedelta(minutes=15)
# Whether a command switches a microphone off.
_MICROPHONE = {CommandKind.MUTE: True, CommandKind.UNMUTE: False}
# Why an agent whose line could not be rung pauses: no pause if the provider was never asked for it.
_NO_LINE = {True: "no_line", False: ""}


def release(
    connection: Connection,
    store: Store,
    kind: CommandKind,
    failed: ClaimedCommand,
    *,
    gone: bool,
    asked: bool = True,
) -> None:
    """Free what a failed provider command had reserved, in the transaction that marks its failure.

    `gone`: it failed because the person or call it was about is no longer there. `asked`: the
    provider may have begun it; without that, it does not count as a try.
    """
    entry = leg = None
    if failed.entry_id:
        entry = queues.load(connection, store.vault, failed.entry_id, lock=True)
    if failed.leg_id:
        leg = legs.get(connection, store.vault, failed.leg_id, lock=True)
    if leg is not None and kind in RING_PATHS:
        legs.move(connection, store.clock, leg.id, "ended", outcome="failed")
    if entry is None:
        return
    staff_id = leg.staff_id if leg is not None else entry.staff_id
    if kind is CommandKind.RING_AGENT and staff_id is not None:
        connect_agent.give_back(connection, store, entry, staff_id, _NO_LINE[asked])
    elif kind is CommandKind.RING_THIRD and staff_id is not None:
        connect_agent.pause_for(connection, store, staff_id, entry.id, "no_line")
    elif kind is CommandKind.DIAL_CALLBACK:
        not_dialled(connection, store, entry, staff_id, tried=asked)
    elif kind in {CommandKind.HOLD, *_MICROPHONE}:
        _unset(connection, store, kind, entry, leg)
    elif kind is CommandKind.BRING_CALLER:
        missed(connection, store, entry, gone=gone)


def _unset(
    connection: Connection, store: Store, kind: CommandKind, entry: QueueEntry, leg: Leg | None
) -> None:
    """A hold that failed is none, and a microphone is as it was.

    An agent must not be told that they are unheard when they are heard.
    """
    if kind is CommandKind.HOLD:
        conversations.set_held(connection, store.clock, entry.id, on=False)
    elif leg is not None:
        legs.set_muted(connection, store.clock, leg.id, on=not _MICROPHONE[kind])


def not_dialled(
    connection: Connection, store: Store, entry: QueueEntry, staff_id: str | None, *, tried: bool
) -> None:
    """The number of a promise was not dialled for this agent: tried later, and the agent is free.

    `tried`: the provider was asked, so that it counts.
    """
    if not tried:
        callbacks.take_try_back(connection, store.clock, entry.id)
    if entry.staff_id != staff_id:
        # Another agent has it by now.
        return
    due = store.clock.now() + DIAL_AGAIN_AFTER
    if entry.staff_id is None:
        queues.move(connection, store.clock, entry.id, ("reserved",), "waiting", due_at=due)
    elif connect_agent.give_back(connection, store, entry, entry.staff_id, ""):
        queues.change(connection, store.clock, entry.id, ("waiting",), due_at=due)


def missed(connection: Connection, store: Store, entry: QueueEntry, *, gone: bool) -> None:
    """The caller could not be brought: their place is kept, the agent is freed.

    A caller who is `gone` is treated as one whose call was cut off. A caller that an agent took out
    of the menu had asked for no agent, and gets no place.
    """
    staff_id, clock = entry.staff_id, store.clock
    if staff_id is None or not conversations.wait_again(connection, clock, entry.id, staff_id):
        return
    connect_agent.hang_up_legs(connection, store, entry)
    connect_agent.free_agent(connection, store, staff_id, entry.id)
    if not gone or entry.call_id is None:
        return
    if entry.reason == TAKEN:
        over = {"outcome": "not_taken", "ended_at": clock.at()}
        queues.move(connection, clock, entry.id, ("waiting",), "left", **over)
    else:
        entries.cut(connection, store, entry.call_id)
