"""Ask the provider about lines of which nothing was heard for a while, and end what is over.

The provider reports an end once. The report is lost if the database was away for longer than the
provider waits. Then an agent would stay engaged for ever, and the board would count a conversation
that is over. So the provider is asked, by id, about each line of an entry that an agent has; its
answer is treated as a late report. Without an answer, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from models.agents import conversations, legs
from models.agents.legs import Leg
from models.call import calls
from models.queue import queues
from models.queue.queues import QueueEntry
from services.agents import connect_agent
from services.agents.presence import TIMED_OUT
from services.agents.provider_commands import GONE
from services.ports import Busy, CallControl, NoAnswer, ProviderRefused
from services.store import Store

# So long nothing must have been heard; and so long it is, at the least, until the next question.
SILENT = timedelta(minutes=3)
# Entries of one round, each with two or three lines: with one round in ten seconds, three hundred
# conversations within three minutes are two questions a second.
AT_ONCE = 15
# For an unknown call the provider only answers "unknown"; with another account in the settings it
# would know none. After so long no conversation goes on, so an unknown call is over.
UNKNOWN_FOR = timedelta(hours=1)
_COMPLETED = "completed"

# Takes the id of a caller's call and how it ended: see services.call.end_call.
CallOver = Callable[[str, str], object]


def ask_after(store: Store, control: CallControl, call_over: CallOver) -> int:
    """One round; gives how many lines were over. Raises nothing for what a provider can do."""
    with store.database.statement() as connection:
        silent = conversations.silent_entries(connection, store.clock, SILENT, limit=AT_ONCE)
    over = 0
    for entry_id in silent:
        with store.database.transaction() as connection:
            if not conversations.note_asked(connection, store.clock, entry_id, SILENT):
                # Another process asks.
                continue
            entry = queues.load(connection, store.vault, entry_id)
            lines = legs.of_entry(
                connection, store.vault, entry_id, ("agent", "third", "supervisor")
            )
        if entry is None:
            continue
        try:
            over += _ask(store, control, call_over, entry, lines)
        except (Busy, NoAnswer):
            # It has other troubles; the next round asks after the next ones.
            break
    return over + _end_wrapups_without_agent(store)


def _ask(
    store: Store, control: CallControl, call_over: CallOver, entry: QueueEntry, lines: list[Leg]
) -> int:
    """Ask after the lines of one entry. Raises Busy, NoAnswer."""
    over = 0
    unknown = _COMPLETED if store.clock.now() - entry.updated_at > UNKNOWN_FOR else ""
    # The caller first: a caller who hung up has talked. Otherwise the end of the agent's line would
    # look like a break that left the caller alone.
    if entry.call_id and (ended := _end_of(control, entry.call_id, unknown)):
        call_over(entry.call_id, ended)
        over += 1
    for leg in lines:
        if leg.provider_sid and (ended := _end_of(control, leg.provider_sid, unknown)):
            told = connect_agent.leg_told(store, leg.id, leg.provider_sid, ended)
            over += told is not None
    return over


def _end_of(control: CallControl, call_sid: str, unknown: str) -> str:
    """How a call ended, in the provider's word; empty where it goes on. Raises Busy, NoAnswer.

    `unknown` is what it counts as when there is no such call. Any other refusal says nothing of it.
    """
    try:
        status = control.status_of(call_sid)
    except ProviderRefused as refused:
        return unknown if refused.code in GONE else ""
    return status if calls.is_over(status) else ""


def _end_wrapups_without_agent(store: Store) -> int:
    """End entries that are over and have no agent to wrap them up."""
    with store.database.statement() as connection:
        left = conversations.wrapups_without_agent(connection, store.clock, SILENT)
    ended = 0
    for entry_id in left:
        with store.database.transaction() as connection:
            ended += queues.move(
                connection, store.clock, entry_id, ("wrapup",), "done", wrapup_code=TIMED_OUT
            )
    return ended
