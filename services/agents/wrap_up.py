"""The end of a conversation: the agent hangs up, then says in a word what it was."""

from __future__ import annotations

from models.agents import agents
from models.queue import queues
from services.agents import provider_commands
from services.agents.connect_agent import FINISHED, close_talk, hang_up_legs
from services.agents.conversation_of import OTHER_CALL, talk_of
from services.agents.presence import end_wrapup
from services.agents.provider_commands import CommandResult, no
from services.ports import CallControl
from services.store import Store

# What they are called is in the words of the desk's page.
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


def wrap_up(  # noqa: PLR0917 (a sentence: who, whom, what it was)
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
