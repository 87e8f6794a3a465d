"""What became of a call back, as its agent says it: one action, and it leaves their page.

Reached, wrong number and not wanted end the promise. No answer and voicemail are one try, by the
rules of every other (`services.agents.call_back`): the number is rung again, or the promise is
lost and the person is told. Before a person is on the line the promise itself is ended or tried
again; afterwards the conversation ends and is wrapped up with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.agents import legs
from models.database import Connection
from models.queue import callbacks, queues
from models.queue.queues import QueueEntry
from services.accounts.staff import record_act
from services.agents import connect_agent, presence, provider_commands
from services.agents.call_back import CallBack
from services.agents.conversation import NOTE_LETTERS, OTHER_CALL, has_another
from services.agents.provider_commands import CommandResult, no
from services.ports import CallControl
from services.queue import voice_messages
from services.store import Store
from services.telemetry import CALLBACKS

REACHED, BOOKED, NO_ANSWER, VOICEMAIL = "reached", "booked", "no_answer", "voicemail"
WRONG_NUMBER, NOT_WANTED = "wrong_number", "not_wanted"
# In the order of the page's buttons; of the first two it has the one that is true.
OUTCOMES = (REACHED, BOOKED, NO_ANSWER, VOICEMAIL, WRONG_NUMBER, NOT_WANTED)
# What an agent may say before a person is on the line.
BEFORE_TALK = (WRONG_NUMBER, NOT_WANTED)
# And while the number rings.
WHILE_RINGING = (NO_ANSWER, VOICEMAIL, *BEFORE_TALK)
CLOSED: Final = "callback_closed"
# The outcome of a try for each that is one.
_TRY: Mapping[str, str] = {NO_ANSWER: "no_answer", VOICEMAIL: "machine"}
# The code of a wrapped-up conversation, where it has another name.
_CODE: Mapping[str, str] = {NO_ANSWER: "nobody"}


@dataclass(frozen=True)
class _Closed:
    """`why` it was refused, else the commands to carry out and the text that was written."""

    why: str = ""
    commands: tuple[str, ...] = ()
    message_id: str | None = None


def close(  # noqa: PLR0917 (a sentence: agent, entry, outcome)
    store: Store,
    control: CallControl,
    call_back: CallBack,
    staff_id: str,
    entry_id: str,
    outcome: str,
    note: str = "",
) -> CommandResult:
    """Close the agent's call back with an outcome; the agent is free again.

    `note` is cut after NOTE_LETTERS. Call services.agents.reserve.reserve_for after it. Why not:
    `outcome`, `no_callback`, `other_call`, `not_rung` (no person was rung so far).
    """
    if outcome not in OUTCOMES:
        return no("outcome")

    def settle(connection: Connection) -> _Closed:
        entry = queues.load(connection, store.vault, entry_id, lock=True) if entry_id else None
        if entry is None or entry.kind != queues.CALLBACK or entry.staff_id != staff_id:
            other = has_another(connection, staff_id, entry_id)
            return _Closed(OTHER_CALL if other else "no_callback")
        if entry.state == "reserved":
            closed = _before_talk(connection, store, call_back, entry, outcome)
        elif entry.state in {"talking", "wrapup"}:
            said = " ".join(note.split())[:NOTE_LETTERS]
            closed = _after_talk(connection, store, call_back, entry, outcome, said)
        else:
            closed = _Closed("no_callback")
        if not closed.why:
            details = {"outcome": outcome}
            record_act(connection, store, staff_id, CLOSED, entry.id, details=details)
        return closed

    closed = store.database.retried(settle)
    if closed.why:
        return no(closed.why)
    CALLBACKS.labels(_TRY.get(outcome, outcome)).inc()
    if closed.message_id and call_back.wake_up:
        call_back.wake_up.message(closed.message_id)
    return provider_commands.carry_out_all(store, control, closed.commands)


def _before_talk(
    connection: Connection, store: Store, call_back: CallBack, entry: QueueEntry, outcome: str
) -> _Closed:
    """No person proved to be there: what rings is hung up, and the promise goes on or ends."""
    tries = legs.of_entry(connection, store.vault, entry.id, ("callback",))
    if outcome not in BEFORE_TALK and (outcome not in _TRY or not tries):
        return _Closed("not_rung")
    commands = []
    for leg in tries:
        legs.move(connection, store.clock, leg.id, "ended", outcome=_TRY.get(outcome, outcome))
        commands.append(connect_agent.hang_up_leg(connection, store, leg))
    if outcome in _TRY:
        message = call_back.missed(connection, store, entry, _TRY[outcome])
        return _Closed(commands=tuple(commands), message_id=message)
    if outcome == NOT_WANTED:
        voice_messages.refused(connection, store, entry)
    elif entry.message_id:
        voice_messages.in_vain(connection, store, entry)
    # What stands after one of these two is left as it is; the agent is freed.
    call_back.end(connection, store, entry, "left", outcome)
    return _Closed(commands=tuple(commands))


def _after_talk(  # noqa: PLR0917 (a sentence: entry, outcome, note)
    connection: Connection,
    store: Store,
    call_back: CallBack,
    entry: QueueEntry,
    outcome: str,
    note: str,
) -> _Closed:
    """The line was answered: it is hung up, and the entry wrapped up or tried again."""
    staff_id = entry.staff_id or ""
    commands: list[str] = []
    if entry.state == "talking":
        finished = connect_agent.FINISHED
        commands += connect_agent.close_talk(connection, store, entry, staff_id, finished)
    if outcome in _TRY and _may_wait_again(connection, store, entry):
        # The caller's line goes on to its end by itself: it is not this promise's any more.
        callbacks.reached_in_vain(connection, store.clock, entry.id, _TRY[outcome])
        callbacks.reserve_again(connection, store.clock, entry.id)
        promise = callbacks.load(connection, store.vault, entry.id, lock=True)
        message = call_back.missed(connection, store, promise or entry, _TRY[outcome])
        if note:
            said = queues.sealed_note(store.vault, entry.id, note)
            callbacks.change(connection, store.clock, entry.id, ("waiting", "lost"), **said)
        return _Closed(commands=tuple(commands), message_id=message)
    code = _CODE.get(outcome, outcome)
    commands += presence.end_wrapup(connection, store, staff_id, entry.id, code=code, note=note)
    return _Closed(commands=tuple(commands))


def _may_wait_again(connection: Connection, store: Store, entry: QueueEntry) -> bool:
    """One live promise for each number: while it was wrapped up another may have been made."""
    return not entry.number or queues.promise_to(connection, store.vault, entry.number) is None
