"""An agent takes a call that is still in the menu.

The agent's line comes first; once it is in the conference, the call's next turn says that it is
taken, and the caller is brought. A webhook of the turn before gets that same answer. A confirmation
that is in flight has its turn: the call is taken after it, and it is shown.
"""

from __future__ import annotations

from flows.session import Session
from models.agents import agents, trouble
from models.call import turns
from models.database import Connection
from models.queue import queues
from models.queue.queues import NewQueueEntry, QueueEntry
from services.accounts.staff import record_act
from services.agents import provider_commands
from services.agents.connect_agent import TAKEN
from services.agents.provider_commands import CommandResult, no
from services.agents.reserve import Reserved, line_of, reserve_entry, ring_agent
from services.agents.struggling import struggles
from services.ports import CallControl
from services.queue.entries import number_of, what_is_known
from services.queue.promise_callback import queue_for
from services.store import Store

TAKEN_OVER = "taken_over"
_FREE = ("ready", "paused")


def take_over(
    store: Store, control: CallControl, staff_id: str, call_id: str, *, any_call: bool = False
) -> CommandResult:
    """Take a call of the menu; `made` is the entry. The agent has time: ready, or paused.

    Only a call that struggles at this moment, as all desks see. `any_call`: any call that goes on,
    for supervisors; a caller who waits in the queue is taken out of it. Either is in the history.
    Why not: `not_free` (the agent), `gone` (the call), `not_struggling` (it goes on by itself, or
    waits for its turn), `taken` (another agent has it), `no_phone`.
    """
    with store.database.transaction() as connection:
        listed = struggles(connection, store, call_id)
        if not (listed or any_call):
            return no(_why_not(connection, store, call_id))
        taken = _take(connection, store, staff_id, call_id)
        if isinstance(taken, str):
            # Nothing of it stays.
            connection.rollback()
            return no(taken)
        details = {"call": call_id, "struggling": listed}
        record_act(connection, store, staff_id, TAKEN_OVER, taken.entry_id, details=details)
    return provider_commands.carry_out_all(store, control, [taken.intent_id], made=taken.entry_id)


def _why_not(connection: Connection, store: Store, call_id: str) -> str:
    """What became of a call that does not struggle, or not any more."""
    if not trouble.goes_on(connection, call_id):
        return "gone"
    entry = queues.of_call(connection, store.vault, call_id)
    return "taken" if entry is not None and entry.state != "waiting" else "not_struggling"


def _take(connection: Connection, store: Store, staff_id: str, call_id: str) -> Reserved | str:
    """The agent's line that is rung for it; or why it cannot be."""
    if line_of(connection, store, staff_id) is None:
        return "no_phone"
    newest = turns.newest(connection, store.vault, call_id)
    if newest is None or newest.body is None or not trouble.goes_on(connection, call_id):
        return "gone"
    waits = queues.of_call(connection, store.vault, call_id, lock=True)
    if waits is not None:
        return _from_the_line(connection, store, staff_id, waits)
    session = Session.from_json(newest.body.session)
    entry_id = store.chance.identifier()
    new = NewQueueEntry(
        id=entry_id,
        queue_id=queue_for(connection, session.language).id,
        kind=queues.CALL,
        language=session.language,
        call_id=call_id,
        origin_call_id=call_id,
        number=number_of(session),
        known=what_is_known(session),
        reason=TAKEN,
        state="reserved",
        staff_id=staff_id,
    )
    if not queues.add(connection, store.clock, store.vault, new):
        return "taken"
    return ring_agent(connection, store, staff_id, entry_id, _FREE) or "not_free"


def _from_the_line(
    connection: Connection, store: Store, staff_id: str, entry: QueueEntry
) -> Reserved | str:
    if entry.state != "waiting":
        return "taken"
    agents.move(connection, store.clock, staff_id, ("paused",), "ready")
    return reserve_entry(connection, store, staff_id, entry.id) or "not_free"
