"""What an agent does at this moment, and what their page shows after it was closed or reloaded.

States: offline, ready, reserved (a line of theirs rings), talking, wrapup, paused. While an agent
is busy, a pause is a wish for afterwards. A page that has not asked for a while counts as closed,
but only an agent who waits is sent offline by it: a conversation does not need the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from models.agents import agents, conversations, legs, stored_commands
from models.agents.agents import Agent
from models.agents.legs import Leg
from models.agents.stored_commands import Pending
from models.database import Connection
from models.queue import queues
from models.queue.queues import QueueEntry
from models.supervision import settings
from services.agents import connect_agent
from services.agents.provider_commands import CommandResult, no
from services.agents.reserve import BROWSER, PHONE, line_of
from services.store import Store

__all__ = ["Leg"]

# Reasons for a pause that an agent may give; the system itself gives no_answer (they did not come),
# no_line (they could not be rung) and line_lost.
PAUSES = ("break", "lunch", "training", "meeting", "technical", "other")
# A page asks every second.
PAGE_GONE_AFTER = timedelta(seconds=20)
# A transaction that ends an entry frees its agent; this is for cases in which that was lost.
STRANDED_AFTER = timedelta(seconds=10)
# Unless a supervisor set another.
WRAPUP = timedelta(seconds=60)
WRAPUP_SETTING = "wrapup_seconds"
# The code of a conversation for which the agent gave none in time.
TIMED_OUT = "timeout"
OFFLINE = "offline"
_FREE = ("offline", "ready", "paused")

log = structlog.get_logger()


@dataclass(frozen=True)
class Current:
    """All that a page needs to come back to where its agent is. Moments are UTC."""

    # None for an account that was never ready.
    agent: Agent | None
    # The entry that rings, is talked with or is wrapped up; the page reads its file itself.
    entry: QueueEntry | None = None
    wrapup_until: datetime | None = None
    # Every line of this entry that is not over: ours, a third person's, a supervisor's.
    legs: tuple[Leg, ...] = ()
    # What was asked of the provider and is not done, or could not be (with the provider's code).
    pending: tuple[Pending, ...] = ()

    @property
    def is_mine(self) -> bool:
        """Whether the entry is this agent's own: a colleague who was asked in is there, too."""
        return bool(self.agent and self.entry and self.entry.staff_id == self.agent.staff_id)

    @property
    def muted_at(self) -> datetime | None:
        """Since when this agent's own microphone is off (UTC); None: they are heard."""
        who = self.agent.staff_id if self.agent else ""
        mine = [leg for leg in self.legs if leg.staff_id == who and leg.kind in {"agent", "third"}]
        return mine[-1].muted_at if mine else None

    @property
    def is_dialled(self) -> bool:
        """Whether the number of a call back rings at this moment."""
        return any(leg.kind == queues.CALLBACK for leg in self.legs)

    @property
    def third(self) -> Leg | None:
        """The third person of a transfer, rung or there."""
        return next((leg for leg in self.legs if leg.kind == "third"), None)

    @property
    def heard_by(self) -> tuple[tuple[str, str], ...]:
        """Supervisors in the conversation: their id, and listen, whisper or join."""
        there = (leg for leg in self.legs if leg.kind == "supervisor" and leg.state == "joined")
        return tuple((agent.staff_id or "", agent.mode) for agent in there)


def ready(store: Store, staff_id: str, *, voice: str = "") -> CommandResult:
    """From offline, paused or wrapup (its code given) to ready. `voice`: browser or phone.

    Call services.agents.reserve.reserve_for after it. Why not: `busy`, `wrapup_code` (it is
    missing), `no_phone`.
    """
    with store.database.transaction() as connection:
        agents.begin(connection, store.clock, staff_id)
        if voice in {BROWSER, PHONE}:
            agents.set_voice(connection, staff_id, voice)
        if line_of(connection, store, staff_id) is None:
            return no("no_phone")
        agents.seen(connection, store.clock, staff_id)
        if agents.move(connection, store.clock, staff_id, ("offline", "paused"), "ready"):
            return CommandResult(done=True)
        agent = agents.get(connection, staff_id)
        if agent is None or agent.state == "ready":
            return CommandResult(done=True)
        agents.set_later(connection, staff_id, None)
        return no("wrapup_code" if agent.state == "wrapup" else "busy")


def set_voice(store: Store, staff_id: str, voice: str) -> CommandResult:
    """Where the agent is rung from now on: browser or phone. Why not: `voice`, `no_phone`."""
    if voice not in {BROWSER, PHONE}:
        return no("voice")
    with store.database.transaction() as connection:
        if voice == PHONE and not agents.telephone(connection, store.vault, staff_id):
            return no("no_phone")
        agents.begin(connection, store.clock, staff_id)
        agents.set_voice(connection, staff_id, voice)
    return CommandResult(done=True)


def pause(store: Store, staff_id: str, reason: str) -> CommandResult:
    """Pause at once, or after this call (`later`). Why not: `reason`."""
    return stop(store, staff_id, reason) if reason in PAUSES else no("reason")


def stop(store: Store, staff_id: str, wished: str) -> CommandResult:
    """Pause for a reason, or go home (OFFLINE): at once, or after this call (`later`)."""
    state, reason = (OFFLINE, "") if wished == OFFLINE else ("paused", wished)
    with store.database.transaction() as connection:
        agents.begin(connection, store.clock, staff_id)
        if agents.move(connection, store.clock, staff_id, _FREE, state, reason=reason):
            return CommandResult(done=True)
        agents.set_later(connection, staff_id, wished)
        return CommandResult(done=True, later=True)


def heartbeat(store: Store, *staff_ids: str) -> None:
    """The pages of these agents are there; one write for all of them."""
    with store.database.statement() as connection:
        agents.seen_together(connection, store.clock, staff_ids)


def current(store: Store, staff_id: str) -> Current:
    """Where this agent is; one statement for an agent without a caller, four for one with."""
    with store.database.statement() as connection:
        agent = agents.get(connection, staff_id)
        entry = None
        if agent is not None and agent.entry_id is not None:
            entry = queues.load(connection, store.vault, agent.entry_id)
        if agent is None or entry is None:
            return Current(agent)
        until = None
        if agent.state == "wrapup":
            until = agent.since + wrapup_time(connection)
        lines = legs.of_entry(connection, store.vault, entry.id)
        pending = stored_commands.pending_of(connection, entry.id)
        return Current(agent, entry, until, tuple(lines), tuple(pending))


def wrapup_time(connection: Connection) -> timedelta:
    """How long an agent may take for wrapping up."""
    seconds = settings.value(connection, WRAPUP_SETTING)
    return timedelta(seconds=seconds) if isinstance(seconds, int | float) else WRAPUP


def forget_closed_pages(store: Store) -> int:
    """Send agents offline who are ready and whose page is gone; gives how many."""
    with store.database.statement() as connection:
        return len(agents.send_home(connection, store.clock, PAGE_GONE_AFTER))


def end_wrapups(store: Store) -> int:
    """Make agents ready whose time for wrapping up is over; gives how many."""
    with store.database.statement() as connection:
        late = agents.wrapping_up_since(connection, store.clock, wrapup_time(connection))
    ended = 0
    for staff_id in late:
        with store.database.transaction() as connection:
            agent = agents.get(connection, staff_id)
            if agent is None or agent.state != "wrapup" or agent.entry_id is None:
                continue
            end_wrapup(connection, store, staff_id, agent.entry_id, code=TIMED_OUT)
            ended += 1
    return ended


def free_stranded(store: Store) -> int:
    """Free agents whose entry is over, back in the queue, or gone; returns how many.

    A transaction that ends an entry frees its agent with it. Where that was lost (a process that
    died, an operator's change by hand, rows that were erased), only this finds the agent.
    """
    with store.database.statement() as connection:
        found = conversations.stranded(connection, store.clock, STRANDED_AFTER)
    freed = 0
    for staff_id, entry_id in found:
        with store.database.transaction() as connection:
            freed += _free_stranded(connection, store, staff_id, entry_id)
    return freed


def _free_stranded(
    connection: Connection, store: Store, staff_id: str, entry_id: str | None
) -> bool:
    entry = queues.load(connection, store.vault, entry_id, lock=True) if entry_id else None
    # With both locked: the agent may have been freed meanwhile, and have another caller.
    agents.get(connection, staff_id, lock=True)
    still = conversations.stranded(connection, store.clock, STRANDED_AFTER)
    if (staff_id, entry_id) not in still:
        return False
    if entry is not None:
        for leg in legs.of_entry(connection, store.vault, entry.id, ("agent", "third")):
            if leg.staff_id == staff_id:
                connect_agent.hang_up_leg(connection, store, leg)
    log.warning("agent freed of an entry that is over", staff=staff_id, entry=entry_id)
    return connect_agent.free_agent(connection, store, staff_id, entry_id)


def end_wrapup(
    connection: Connection, store: Store, staff_id: str, entry_id: str, *, code: str, note: str = ""
) -> list[str]:
    """Free the agent of a wrapped-up conversation; returns the commands that end their lines."""
    entry = queues.load(connection, store.vault, entry_id, lock=True)
    asked: list[str] = []
    # A transferred entry belongs to another agent.
    if entry is not None and entry.staff_id == staff_id:
        said = {"wrapup_code": code, **queues.sealed_note(store.vault, entry_id, note)}
        queues.move(connection, store.clock, entry_id, ("wrapup",), "done", **said)
        handed_on = entry.outcome == connect_agent.TRANSFERRED
        kinds = ("agent", "supervisor") if handed_on else ("agent", "third", "supervisor")
        asked = connect_agent.hang_up_legs(connection, store, entry, kinds=kinds, at_once=False)
    connect_agent.free_agent(connection, store, staff_id, entry_id)
    return asked
