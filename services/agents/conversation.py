"""What an agent does in the conversation that they have: hold, hand back, hang up, wrap up.

A warm transfer is in `services.agents.transfer`.
"""

from __future__ import annotations

from flows.session import Session
from flows.steps.my_appointment import MY_APPOINTMENT
from models.agents import agents, conversations, legs
from models.agents.legs import Leg
from models.agents.stored_commands import NewCommand
from models.call import turns
from models.database import Connection
from models.queue import queues
from models.queue.queues import QueueEntry
from services.accounts.staff import record_act
from services.agents import provider_commands
from services.agents.command_store import CommandKind, add
from services.agents.connect_agent import BACK, FINISHED, close_talk, hang_up_legs
from services.agents.presence import end_wrapup
from services.agents.provider_commands import CommandResult, no
from services.ports import CallControl
from services.store import Store

OTHER_CALL = "other_call"
# Where the machine can go on by itself. What they are called is in the words of the desk's page.
STEPS = ("welcome", "for_whom", "date_of_birth", "postcode", "offers", "my_appointment")
# Some have another name in the conversation.
_CALLED = {"my_appointment": MY_APPOINTMENT}
# What the caller must have given to the machine before.
_NEEDS = {"postcode": ("born",), "offers": ("born", "postcode")}
# What a conversation was. What these are called is in the words of the desk's page.
CODES = (
    "booked",
    "moved",
    "cancelled",
    "waiting_list",
    "information",
    "not_eligible",
    "no_place",
    "callback_later",
    "other_service",
    "wrong_number",
    "nobody",
    "other",
)
NOTE_LETTERS = 500


# ------------------------------------------------------------------ the agent's caller


def talk_of(connection: Connection, store: Store, staff_id: str, entry_id: str) -> QueueEntry | str:
    """The entry, locked until the transaction ends, that this agent is talking with.

    Else why there is none: `not_talking`, or `other_call` where the agent has another caller by
    now. A page is up to a second late, so the entry is checked here under the lock. A colleague who
    was asked into a conversation has no entry of their own.
    """
    entry = queues.load(connection, store.vault, entry_id, lock=True) if entry_id else None
    if entry is not None and entry.state == "talking" and entry.staff_id == staff_id:
        return entry
    return OTHER_CALL if has_another(connection, staff_id, entry_id) else "not_talking"


def has_another(connection: Connection, staff_id: str, entry_id: str) -> bool:
    """Whether this agent has a caller other than this one."""
    agent = agents.get(connection, staff_id)
    return agent is not None and agent.entry_id not in {None, entry_id}


def third_of(connection: Connection, store: Store, entry: QueueEntry) -> Leg | None:
    """The third person of a conversation, rung or there."""
    thirds = legs.of_entry(connection, store.vault, entry.id, ("third",))
    others = [
        third for third in thirds if third.staff_id is None or third.staff_id != entry.staff_id
    ]
    return others[-1] if others else None


# ------------------------------------------------------------------ on hold


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
    """The same in a transaction that has locked the entry; returns the ids of its commands."""
    if not conversations.set_held(connection, store.clock, entry.id, on=on):
        return []
    kind = CommandKind.HOLD if on else CommandKind.UNHOLD
    key = f"{kind}:{entry.id}:{store.chance.identifier()[:12]}"
    new = NewCommand(kind, key, staff_id=entry.staff_id, entry_id=entry.id)
    return [add(connection, store, new)]


# ------------------------------------------------------------------ the agent's own microphone


def mute(
    store: Store, control: CallControl, staff_id: str, entry_id: str, *, on: bool
) -> CommandResult:
    """Switch the agent's own microphone off or on; what is so already is done.

    It is done to their line in the conference, so that it is the same for a browser and for a
    telephone. A colleague who was asked in has a microphone, too. Why not: `not_talking`,
    `other_call`, `not_yet` (their line is not in the conversation so far).
    """
    with store.database.transaction() as connection:
        # The entry first, as all transactions lock it.
        entry = queues.load(connection, store.vault, entry_id, lock=True) if entry_id else None
        if has_another(connection, staff_id, entry_id):
            return no(OTHER_CALL)
        agent = agents.get(connection, staff_id)
        if entry is None or agent is None or agent.state != "talking":
            return no("not_talking")
        mine = legs.of_entrys_agent(connection, store.vault, entry.id, staff_id)
        if mine is None or mine.state != "joined" or entry.conference_sid is None:
            return no("not_yet")
        if not legs.set_muted(connection, store.clock, mine.id, on=on):
            return CommandResult(done=True)
        kind = CommandKind.MUTE if on else CommandKind.UNMUTE
        key = f"{kind}:{mine.id}:{store.chance.identifier()[:12]}"
        new = NewCommand(kind, key, staff_id=staff_id, entry_id=entry.id, leg_id=mine.id)
        asked = [add(connection, store, new)]
    return provider_commands.carry_out_all(store, control, asked)


# ------------------------------------------------------------------ back to the machine


def possible(connection: Connection, store: Store, call_id: str) -> tuple[str, ...]:
    """The steps of STEPS at which the machine could go on with this call."""
    newest = turns.newest(connection, store.vault, call_id)
    known = newest.body.session if newest and newest.body else "{}"
    session = Session.from_json(known)
    return tuple(
        step for step in STEPS if all(getattr(session, need) for need in _NEEDS.get(step, ()))
    )


def hand_back(
    store: Store, control: CallControl, staff_id: str, entry_id: str, step: str
) -> CommandResult:
    """The caller goes on with the machine at `step`.

    Why not: `not_talking`, `other_call`, `step`.
    """
    if step not in STEPS:
        return no("step")
    with store.database.transaction() as connection:
        entry = talk_of(connection, store, staff_id, entry_id)
        if isinstance(entry, str):
            return no(entry)
        if step not in possible(connection, store, entry.call_id or ""):
            return no("step")
        asked = close_talk(connection, store, entry, staff_id, f"{BACK}{_CALLED.get(step, step)}")
        record_act(connection, store, staff_id, "handed_back", entry.id, details={"step": step})
    return provider_commands.carry_out_all(store, control, asked)


# ------------------------------------------------------------------ its end


def hang_up(store: Store, control: CallControl, staff_id: str, entry_id: str) -> CommandResult:
    """The agent ends the conversation: the caller hears goodbye.

    Why not: `not_talking`, `other_call`.

    After a caller who hung up, it ends what agent and third person go on with. A colleague who was
    asked into a conversation leaves it.
    """
    with store.database.transaction() as connection:
        entry = talk_of(connection, store, staff_id, entry_id)
        if not isinstance(entry, str):
            asked = close_talk(connection, store, entry, staff_id, FINISHED)
        elif entry == OTHER_CALL:
            return no(entry)
        else:
            agent = agents.get(connection, staff_id)
            left = None
            if agent is not None and agent.state in {"wrapup", "talking"} and agent.entry_id:
                left = queues.load(connection, store.vault, agent.entry_id)
            if agent is None or left is None:
                return no("not_talking")
            kinds = ("agent", "third", "supervisor") if agent.state == "wrapup" else ("third",)
            asked = hang_up_legs(connection, store, left, kinds=kinds, at_once=False)
    return provider_commands.carry_out_all(store, control, asked)


def wrap_up(  # noqa: PLR0917 (a sentence: agent, entry, outcome)
    store: Store,
    control: CallControl,
    staff_id: str,
    entry_id: str,
    code: str,
    note: str = "",
) -> CommandResult:
    """Say what it was; the agent is ready again, or pauses as they wished.

    `note` is cut after NOTE_LETTERS. Call services.agents.reserve.reserve_for after it. Why not:
    `not_wrapup`, `other_call`, `code`.
    """
    if code not in CODES:
        return no("code")
    with store.database.transaction() as connection:
        # Locked first: whose it is cannot change any more.
        queues.load(connection, store.vault, entry_id, lock=True)
        agent = agents.get(connection, staff_id)
        if agent is None or agent.entry_id not in {None, entry_id}:
            return no(OTHER_CALL if agent else "not_wrapup")
        if agent.state != "wrapup" or agent.entry_id is None:
            return no("not_wrapup")
        said = " ".join(note.split())[:NOTE_LETTERS]
        asked = end_wrapup(connection, store, staff_id, entry_id, code=code, note=said)
    return provider_commands.carry_out_all(store, control, asked)
