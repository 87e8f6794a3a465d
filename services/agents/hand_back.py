"""Hand a caller back to the machine at a step that the agent chooses."""

from __future__ import annotations

from flows.session import Session
from flows.steps.my_appointment import MY_APPOINTMENT
from models.call import turns
from models.database import Connection
from services.accounts.staff import record_act
from services.agents import provider_commands
from services.agents.connect_agent import BACK, close_talk
from services.agents.conversation_of import talk_of
from services.agents.provider_commands import CommandResult, no
from services.ports import CallControl
from services.store import Store

# Where the machine can go on by itself. What they are called is in the words of the desk's page.
STEPS = ("welcome", "for_whom", "date_of_birth", "postcode", "offers", "my_appointment")
# Some have another name in the conversation.
_CALLED = {"my_appointment": MY_APPOINTMENT}
# What the caller must have given to the machine before.
_NEEDS = {"postcode": ("born",), "offers": ("born", "postcode")}


def possible(connection: Connection, store: Store, call_id: str) -> tuple[str, ...]:
    """The steps of STEPS at which the machine could go on with this call."""
    newest = turns.newest(connection, store.vault, call_id)
    known = newest.body.session if newest and newest.body else "{}"
    session = Session.from_json(known)
    return tuple(
        step for step in STEPS if all(getattr(session, one) for one in _NEEDS.get(step, ()))
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
