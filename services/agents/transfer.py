"""Hand a caller to a third person, after a word between agent and third: a warm transfer.

The caller is on hold while the third person is rung. Then either the agent leaves and the third
stays (`complete`), or the third leaves (`cancel`), or all three talk (`join_three`). No participant
ends the conference by leaving it. If one did, a caller who hangs up would cut off the agent and the
third, or the third would cut off the caller.
"""

from __future__ import annotations

from models.agents import conversations
from models.agents.legs import NewLeg
from models.database import Connection
from models.queue import queues
from models.queue.queues import QueueEntry
from services.accounts.staff import record_act
from services.agents import connect_agent, provider_commands
from services.agents.call_back import kind_of
from services.agents.command_store import ring
from services.agents.conversation import set_hold, talk_of, third_of
from services.agents.provider_commands import CommandResult, no
from services.agents.reserve import ring_agent
from services.ports import CallControl
from services.store import Store

# In the history: a transfer was begun, was completed, or was cancelled.
BEGUN, DONE, CANCELLED = "transfer_begun", "transfer_done", "transfer_cancelled"
THREE = "conference"


def to_colleague(
    store: Store, control: CallControl, staff_id: str, entry_id: str, colleague_id: str
) -> CommandResult:
    """Ring a colleague who is ready; `made` is the leg. The caller is put on hold.

    Why not: `not_talking`, `other_call`, `not_yet`, `not_free` (the colleague), `already` (there is
    a third).
    """
    if colleague_id == staff_id:
        return no("not_free")
    with store.database.transaction() as connection:
        entry = _may_ask(connection, store, staff_id, entry_id)
        if isinstance(entry, CommandResult):
            return entry
        rung = ring_agent(connection, store, colleague_id, entry.id, ("ready",), kind="third")
        if rung is None:
            return no("not_free")
        asked = [*set_hold(connection, store, entry, on=True), rung.intent_id]
        record_act(connection, store, staff_id, BEGUN, entry.id, details={"to": colleague_id})
    return provider_commands.carry_out_all(store, control, asked, made=rung.leg_id)


def to_number(
    store: Store, control: CallControl, staff_id: str, entry_id: str, number: str
) -> CommandResult:
    """Ring another centre or any ordinary French number (E.164); `made` is the leg.

    Why not: `not_talking`, `other_call`, `not_yet`, `already`, `number` (foreign, short or
    premium).
    """
    if kind_of(number) is None:
        return no("number")
    with store.database.transaction() as connection:
        entry = _may_ask(connection, store, staff_id, entry_id)
        if isinstance(entry, CommandResult):
            return entry
        leg_id = store.chance.identifier()
        rung = ring(connection, store, NewLeg(leg_id, "third", entry.id, number))
        asked = [*set_hold(connection, store, entry, on=True), rung]
        # Which number stays sealed with the leg.
        record_act(connection, store, staff_id, BEGUN, entry.id, details={"leg": leg_id})
    return provider_commands.carry_out_all(store, control, asked, made=leg_id)


def _may_ask(
    connection: Connection, store: Store, staff_id: str, entry_id: str
) -> QueueEntry | CommandResult:
    entry = talk_of(connection, store, staff_id, entry_id)
    if isinstance(entry, str):
        return no(entry)
    if entry.conference_sid is None:
        return no("not_yet")
    return no("already") if third_of(connection, store, entry) else entry


def complete(store: Store, control: CallControl, staff_id: str, entry_id: str) -> CommandResult:
    """The agent leaves; caller and third talk on.

    A colleague has the entry from then on, and the agent is free. A conversation with a person
    outside the call centre is over for us: the agent notes its outcome. Reasons of refusal:
    `not_talking`, `other_call`, `nobody` (no third person has joined).
    """
    with store.database.transaction() as connection:
        entry = talk_of(connection, store, staff_id, entry_id)
        if isinstance(entry, str):
            return no(entry)
        third = third_of(connection, store, entry)
        if third is None or third.state != "joined":
            return no("nobody")
        # The caller is unheld first, so that neither party is left alone with the music.
        asked = set_hold(connection, store, entry, on=False)
        clock = store.clock
        if third.staff_id is not None:
            queues.change(
                connection,
                clock,
                entry.id,
                ("talking",),
                if_staff=staff_id,
                staff_id=third.staff_id,
            )
            connect_agent.free_agent(connection, store, staff_id, entry.id)
        else:
            conversations.end_talk(connection, clock, entry.id, staff_id, connect_agent.TRANSFERRED)
        asked += connect_agent.hang_up_legs(connection, store, entry, but=third.id, at_once=False)
        to = {"to": third.staff_id} if third.staff_id else {"leg": third.id}
        record_act(connection, store, staff_id, DONE, entry.id, details=to)
    return provider_commands.carry_out_all(store, control, asked)


def cancel(store: Store, control: CallControl, staff_id: str, entry_id: str) -> CommandResult:
    """The third leaves, the caller is back. Why not: `not_talking`, `other_call`, `nobody`."""
    with store.database.transaction() as connection:
        entry = talk_of(connection, store, staff_id, entry_id)
        if isinstance(entry, str):
            return no(entry)
        third = third_of(connection, store, entry)
        if third is None:
            return no("nobody")
        asked = connect_agent.hang_up_legs(
            connection, store, entry, kinds=("third",), at_once=False
        )
        asked += set_hold(connection, store, entry, on=False)
        record_act(connection, store, staff_id, CANCELLED, entry.id)
    return provider_commands.carry_out_all(store, control, asked)


def join_three(store: Store, control: CallControl, staff_id: str, entry_id: str) -> CommandResult:
    """All three talk. Why not: `not_talking`, `other_call`, `nobody` (no third who is there)."""
    with store.database.transaction() as connection:
        entry = talk_of(connection, store, staff_id, entry_id)
        if isinstance(entry, str):
            return no(entry)
        third = third_of(connection, store, entry)
        if third is None or third.state != "joined":
            return no("nobody")
        asked = set_hold(connection, store, entry, on=False)
        record_act(connection, store, staff_id, THREE, entry.id)
    return provider_commands.carry_out_all(store, control, asked)
