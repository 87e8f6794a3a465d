"""From an agent's line to the conversation, and to all of its ends.

An agent's line is rung first. Once the agent is there, one transaction makes the conversation: the
entry talks, the caller's next turn says so, and a provider command brings the caller. Each later
request of the caller's line is answered with the conference: from the provider's own queue that
lets them go, from a late webhook of the menu, or from a copy.

The outcome of an entry says how a conversation ended: `finished` (the agent hung up), `hung_up`
(the caller did), `transferred`, `back:<step>` (to the machine). When an agent's line breaks, the
conversation is not over: the entry waits again, at its place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from flows.agents import AfterAgent, BackFromAgent
from flows.session import Session
from flows.steps.line import QUEUE
from models import turn_days
from models.agents import agents, conversations, legs, stored_commands
from models.agents.legs import Leg
from models.agents.stored_commands import NewCommand
from models.call import turns
from models.call.turns import Body
from models.database import Connection
from models.queue import queues
from models.queue.queues import QueueEntry
from services.agents.command_store import CommandKind, add
from services.queue import entries
from services.store import Store

# The reason of an entry made by an agent: its caller stays in the menu until they talk.
TAKEN = "taken"
BACK, FINISHED, HUNG_UP, TRANSFERRED = "back:", "finished", "hung_up", "transferred"
_TURN_PATH = "/voice/turn"
# A confirmation in flight has the next turn, and whatever comes after it the one after that.
_TRIES = 5


def after_agent(connection: Connection, store: Store, call_id: str) -> BackFromAgent:
    """Why a caller is back, by the newest entry of this call."""
    entry = queues.last_of_call(connection, store.vault, call_id)
    what, step = AfterAgent.FINISHED, ""
    if entry is None:
        return BackFromAgent(what)
    if entry.state == "talking":
        what = AfterAgent.STILL
    elif entry.state in queues.LIVE:
        # The agent's line broke.
        is_call = entry.kind == queues.CALL
        what = AfterAgent.LOST_AGENT if is_call else AfterAgent.PROMISED
    elif entry.outcome.startswith(BACK):
        what, step = AfterAgent.HANDED_BACK, entry.outcome.removeprefix(BACK)
    elif entry.state == "left" and entry.outcome == entries.TO_MACHINE:
        # They chose the machine while an agent was on the way who never came.
        what = AfterAgent.HANDED_BACK
    return BackFromAgent(what, step, conference=entry.id, queue=entry.queue_id)


# ------------------------------------------------------------------ a line was answered


@dataclass(frozen=True)
class Entering:
    """The answered call enters this conference; `coached_sid`: heard by that call alone."""

    conference: str
    language: str = "fr"
    muted: bool = False
    coached_sid: str = ""


@dataclass(frozen=True)
class Brought:
    """A caller's next turn, which takes them to their agent."""

    session: Session
    outcome: str
    document: str


# Made of the session before it, the name of the conference, whether the caller was in the menu
# (and is told), and the number of the turn after it.
Bring = Callable[[Session, str, bool, int], Brought]
# What rings the number of a callback, once its agent is there: see services.agents.call_back.
DialCallback = Callable[[Connection, Store, QueueEntry], None]


def picked_up(store: Store, leg_id: str, call_sid: str) -> Leg | None:
    """A called person picked up; None when the leg is not wanted any more."""
    with store.database.transaction() as connection:
        legs.move(connection, store.clock, leg_id, "answered", provider_sid=call_sid)
        leg = legs.get(connection, store.vault, leg_id)
    return leg if leg and leg.state != "ended" and leg.provider_sid == call_sid else None


# In which states of its entry a line may still enter the conversation.
_WANTED = {
    "agent": {"reserved", "talking"},
    "third": {"talking", "wrapup", "done"},
    "supervisor": {"talking"},
}


def enters(
    store: Store, leg_id: str, call_sid: str, bring: Bring, dial: DialCallback | None = None
) -> Entering | None:
    """An agent, a third person of a transfer or a supervisor is there, on the line that we rang.

    With an agent the conversation begins, or a callback is dialled. None when the line is not
    wanted any more, or the entry is another agent's. A copy of this gets the same answer.
    """
    with suppress(_NotTheirs), store.database.transaction() as connection:
        # The turn before the entry, as the caller's own turns do it: or two of them might wait for
        # each other.
        taken = _claim_turn(connection, store, leg_id)
        leg, entry = _leg_and_entry(connection, store, leg_id, call_sid)
        if entry.state not in _WANTED.get(leg.kind, ()):
            raise _NotTheirs
        if leg.kind == "agent" and (leg.staff_id is None or entry.staff_id != leg.staff_id):
            raise _NotTheirs
        coached, muted = "", False
        if leg.kind == "supervisor":
            coached, muted = heard_by_whom(connection, store, leg, entry)
        entering = Entering(entry.id, entry.language, muted=muted, coached_sid=coached)
        if not legs.move(connection, store.clock, leg.id, "joined", provider_sid=call_sid):
            return entering
        if leg.kind == "third" and leg.staff_id is not None:
            agents.talks(connection, store.clock, leg.staff_id, entry.id, of_entry=entry.id)
        # A person rung for an earlier agent may have picked up before this agent did.
        elif leg.kind == "agent" and entry.state == "reserved":
            if entry.kind == queues.CALLBACK:
                if dial is not None:
                    dial(connection, store, entry)
            elif taken is None or taken.call_id != entry.call_id:
                raise _NotTheirs
            else:
                _begin_talk(connection, store, entry, taken, bring)
        return entering
    return None


class _NotTheirs(Exception):
    """The entry belongs to another agent or to none; the transaction is rolled back."""


@dataclass(frozen=True)
class _Claimed:
    """The next turn of a caller's call, which this process may write."""

    call_id: str
    number: int
    day: date
    before: Session


def _claim_turn(connection: Connection, store: Store, leg_id: str) -> _Claimed | None:
    """The next turn of the call that this leg is rung for, if there is a call to be brought.

    A turn with an effect that is in flight has claimed that number: it is waited for, stays what
    it is, and the call is taken after it.
    """
    leg = legs.get(connection, store.vault, leg_id)
    if leg is None or leg.kind != "agent" or leg.entry_id is None:
        return None
    if leg.state in {"joined", "ended"}:
        return None
    entry = queues.load(connection, store.vault, leg.entry_id)
    if entry is None or entry.state != "reserved" or entry.kind != queues.CALL:
        return None
    call_id = entry.call_id or ""
    for _ in range(_TRIES):
        newest = turns.newest(connection, store.vault, call_id)
        number = newest.number + 1 if newest else 0
        known_day = newest.day if newest else turn_days.of_call(connection, call_id)
        day = known_day or turn_days.day_of(store.clock.now())
        if turns.claim(connection, store.clock, call_id, number, day):
            known = newest.body.session if newest and newest.body else "{}"
            return _Claimed(call_id, number, day, Session.from_json(known))
    raise RuntimeError("the call's turns are quicker than we")


def _begin_talk(
    connection: Connection, store: Store, entry: QueueEntry, taken: _Claimed, bring: Bring
) -> None:
    """The entry talks, its call's next turn says so, and a command brings the caller there."""
    staff_id = entry.staff_id or ""
    conversations.answered(connection, store.clock, entry.id, staff_id)
    agents.talks(connection, store.clock, staff_id, entry.id)
    in_menu = entry.reason == TAKEN and taken.before.step != QUEUE
    brought = bring(taken.before, entry.id, in_menu, taken.number + 1)
    turns.complete(
        connection,
        store.vault,
        taken.call_id,
        taken.number,
        taken.day,
        step=brought.session.step,
        outcome=brought.outcome,
        body=Body("", brought.session.to_json(), brought.document),
    )
    wish = NewCommand(
        CommandKind.BRING_CALLER,
        f"bring:{taken.call_id}:{taken.number}",
        staff_id=staff_id,
        entry_id=entry.id,
        arguments={
            "call_sid": taken.call_id,
            "path": f"{_TURN_PATH}?n={taken.number}&again=1",
            "menu": in_menu,
        },
        at_once=True,
    )
    add(connection, store, wish)


def heard_by_whom(
    connection: Connection, store: Store, leg: Leg, entry: QueueEntry
) -> tuple[str, bool]:
    """The call that alone hears a supervisor's line (empty: all hear it), and whether none does."""
    theirs = legs.of_entrys_agent(connection, store.vault, entry.id, entry.staff_id)
    coached = theirs.provider_sid if theirs and leg.mode == "whisper" else None
    return coached or "", leg.mode == "listen" or (leg.mode == "whisper" and not coached)


def _leg_and_entry(
    connection: Connection, store: Store, leg_id: str, call_sid: str
) -> tuple[Leg, QueueEntry]:
    """Both locked, the entry first. Raises _NotTheirs for a line that is over.

    A second call of one line, should the provider ever make one, is not theirs either.
    """
    known = legs.get(connection, store.vault, leg_id)
    if known is None or known.entry_id is None:
        raise _NotTheirs
    entry = queues.load(connection, store.vault, known.entry_id, lock=True)
    leg = legs.get(connection, store.vault, leg_id, lock=True)
    if entry is None or leg is None or leg.state == "ended":
        raise _NotTheirs
    if leg.provider_sid not in {None, call_sid}:
        raise _NotTheirs
    return leg, entry


def seen_in_conference(
    store: Store, entry_id: str, conference_sid: str, call_sid: str, *, joined: bool
) -> None:
    """The provider tells of a conference: its id, and which call joined or left."""
    if not joined and call_sid:
        # The end of an agent's or third's line is reported by itself, too: the first report counts.
        with store.database.statement() as connection:
            ours = legs.of_call(connection, store.vault, call_sid)
        if ours is not None and ours.kind != "callback" and ours.entry_id == entry_id:
            leg_told(store, ours.id, call_sid, "completed")
            return

    def seen(connection: Connection) -> None:
        entry = queues.load(connection, store.vault, entry_id, lock=True)
        if entry is None:
            return
        is_caller = bool(call_sid) and call_sid == entry.call_id
        if not joined:
            if is_caller and entry.outcome == TRANSFERRED:
                # Agent and third person have talked; no other party is told of the caller's end.
                hang_up_legs(connection, store, entry)
            return
        conversations.set_conference(connection, entry_id, conference_sid)
        if not is_caller:
            leg = legs.of_call(connection, store.vault, call_sid) if call_sid else None
            if leg is not None and leg.entry_id == entry_id:
                legs.move(connection, store.clock, leg.id, "joined")
            return
        stored_commands.settle(connection, store.clock, entry_id, (CommandKind.BRING_CALLER,))
        if entry.state != "talking" and not _with(connection, store, entry):
            # Brought into a conversation that was over by then: no agent will ever come.
            return_caller(connection, store, entry, again=True)

    store.database.retried(seen)


# ------------------------------------------------------------------ a line is over


def leg_told(store: Store, leg_id: str, call_sid: str, status: str) -> Leg | None:
    """Take the provider's report on one of our lines. Returns the leg where this ended it.

    `status` is the provider's word: initiated, ringing, in-progress, then how it ended.
    """
    states = {"queued": "asked", "initiated": "ringing", "ringing": "ringing"}
    going_on = {**states, "in-progress": "answered", "answered": "answered"}

    def tell(connection: Connection) -> Leg | None:
        clock = store.clock
        if status in going_on:
            legs.move(connection, clock, leg_id, going_on[status], provider_sid=call_sid)
            return None
        leg, entry = _leg_and_entry(connection, store, leg_id, call_sid)
        legs.move(connection, clock, leg_id, "ended", provider_sid=call_sid, outcome=status[:20])
        _left(connection, store, leg, entry)
        return leg

    with suppress(_NotTheirs):
        return store.database.retried(tell)
    return None


def _left(connection: Connection, store: Store, leg: Leg, entry: QueueEntry) -> None:
    """What the end of a line means for the conversation that it was in."""
    if leg.kind in {"supervisor", "callback"}:
        return
    if leg.staff_id is not None and leg.staff_id == entry.staff_id:
        if entry.state == "reserved":
            # An agent who was there and left during the ring is not one who did not answer.
            why = "line_lost" if leg.state == "joined" else "no_answer"
            give_back(connection, store, entry, leg.staff_id, why)
        elif entry.state == "talking":
            lose_agent(connection, store, entry, leg.staff_id)
        elif _with(connection, store, entry):
            # The caller had hung up, and agent and third person talked on.
            hang_up_legs(connection, store, entry)
        return
    if leg.kind != "third":
        return
    if leg.staff_id is not None:
        # Of a colleague who was asked in; one who did not answer pauses.
        if leg.state == "joined":
            free_agent(connection, store, leg.staff_id, entry.id)
        else:
            pause_for(connection, store, leg.staff_id, entry.id, "no_answer")
    if entry.state in {"wrapup", "done"} and not _with(connection, store, entry):
        # A transferred caller, who is alone now.
        return_caller(connection, store, entry)


def _with(connection: Connection, store: Store, entry: QueueEntry) -> list[Leg]:
    """The agents' and third persons' lines in a conversation or on their way there."""
    return legs.of_entry(connection, store.vault, entry.id, ("agent", "third"))


def lose_agent(connection: Connection, store: Store, entry: QueueEntry, staff_id: str) -> None:
    """The agent's line broke: the caller waits in front, the agent is asked if they are ready."""
    if not conversations.wait_again(connection, store.clock, entry.id, staff_id):
        return
    if entry.kind == queues.CALLBACK:
        # The caller was rung and is on the line, so the entry becomes a call.
        queues.change(connection, store.clock, entry.id, ("waiting",), kind=queues.CALL)
    pause_for(connection, store, staff_id, entry.id, "line_lost")
    hang_up_legs(connection, store, entry)
    return_caller(connection, store, entry)


def give_back(
    connection: Connection, store: Store, entry: QueueEntry, staff_id: str, why: str
) -> bool:
    """A reserved entry whose agent did not come waits on; they pause for `why` (empty: ready).

    A caller that the agent wanted to take from the menu is still in the menu and in no queue.
    Returns False where the entry is not reserved for this agent any more.
    """
    clock = store.clock
    if entry.reason == TAKEN and not _in_queue(connection, store, entry):
        given = queues.move(
            connection,
            clock,
            entry.id,
            ("reserved",),
            "left",
            if_staff=staff_id,
            outcome="not_taken",
            ended_at=clock.at(),
        )
    else:
        given = conversations.wait_again(connection, clock, entry.id, staff_id)
    if not given:
        return False
    stored_commands.settle(connection, clock, entry.id, (CommandKind.RING_AGENT,))
    hang_up_legs(connection, store, entry)
    if why:
        pause_for(connection, store, staff_id, entry.id, why)
    else:
        free_agent(connection, store, staff_id, entry.id)
    return True


def _in_queue(connection: Connection, store: Store, entry: QueueEntry) -> bool:
    """Whether its caller joined the queue themselves since the agent chose to take them."""
    newest = turns.newest(connection, store.vault, entry.call_id or "")
    return newest is not None and newest.step == QUEUE


def pause_for(connection: Connection, store: Store, staff_id: str, entry_id: str, why: str) -> None:
    busy = ("reserved", "talking")
    agents.move(
        connection,
        store.clock,
        staff_id,
        busy,
        "paused",
        of_entry=entry_id,
        reason=why,
        then_pause=None,
    )


def free_agent(connection: Connection, store: Store, staff_id: str, entry_id: str | None) -> bool:
    """End an agent's part in this entry: they are ready, or take the pause they asked for."""
    agent = agents.get(connection, staff_id, lock=True)
    if agent is None or agent.entry_id != entry_id:
        return False
    wished = agent.then_pause
    after = "ready" if wished is None else "offline" if wished == "offline" else "paused"
    return agents.move(
        connection,
        store.clock,
        staff_id,
        agents.BUSY,
        after,
        of_entry=entry_id,
        reason=wished if after == "paused" and wished else "",
        then_pause=None,
    )


def close_talk(
    connection: Connection, store: Store, entry: QueueEntry, staff_id: str, outcome: str
) -> list[str]:
    """The agent ends a conversation in some way: the caller returns to us, all others hang up.

    Returns the commands' ids, the caller's first; none when the conversation was over already.
    """
    if not conversations.end_talk(connection, store.clock, entry.id, staff_id, outcome):
        return []
    asked = return_caller(connection, store, entry, at_once=False)
    return [*asked, *hang_up_legs(connection, store, entry, at_once=False)]


def return_caller(
    connection: Connection,
    store: Store,
    entry: QueueEntry,
    *,
    at_once: bool = True,
    again: bool = False,
) -> list[str]:
    """Let the caller out of the conference: their next turn asks what comes after the agent.

    `again`: it was asked for before, and did not last.
    """
    if not entry.call_id:
        return []
    newest = turns.newest(connection, store.vault, entry.call_id)
    number = newest.number + 1 if newest else 0
    path = f"{_TURN_PATH}?n={number}&returned=1"
    new = NewCommand(
        CommandKind.REDIRECT,
        f"return:{entry.call_id}:{number}{':again' if again else ''}",
        entry_id=entry.id,
        arguments={"call_sid": entry.call_id, "path": path},
        at_once=at_once,
    )
    # A caller must not be brought into a conversation that is over.
    stored_commands.settle(connection, store.clock, entry.id, (CommandKind.BRING_CALLER,))
    return [add(connection, store, new)]


def hang_up_legs(
    connection: Connection,
    store: Store,
    entry: QueueEntry,
    *,
    kinds: tuple[str, ...] = ("agent", "third", "supervisor"),
    but: str = "",
    at_once: bool = True,
) -> list[str]:
    """End our lines of an entry (`but` one), and let go the colleagues who were asked in.

    Returns the commands' ids. The line of a callback belongs to its caller and is kept.
    """
    asked = []
    for leg in legs.of_entry(connection, store.vault, entry.id, kinds):
        if leg.id == but:
            continue
        if leg.kind == "third" and leg.staff_id is not None and leg.staff_id != entry.staff_id:
            free_agent(connection, store, leg.staff_id, entry.id)
        asked.append(hang_up_leg(connection, store, leg, at_once=at_once))
    return asked


def hang_up_leg(connection: Connection, store: Store, leg: Leg, *, at_once: bool = False) -> str:
    """End one line, and store the provider command that does; returns its id."""
    legs.move(connection, store.clock, leg.id, "ended", outcome="over")
    new = NewCommand(
        CommandKind.HANG_UP,
        f"hang_up:{leg.id}",
        entry_id=leg.entry_id,
        leg_id=leg.id,
        at_once=at_once,
    )
    return add(connection, store, new)


def caller_gone(connection: Connection, store: Store, call_id: str) -> bool:
    """The caller's line is over while an agent rings or talks; True when that was so.

    Talking becomes wrapup. Reserved becomes waiting again, for the queue's own rule of a cut line:
    call services.queue.entries.cut after this, in the same transaction.
    """
    entry = queues.of_call(connection, store.vault, call_id, lock=True)
    if entry is None:
        # An agent transferred the caller to a person outside: those two have talked.
        entry = queues.last_of_call(connection, store.vault, call_id)
        if entry is None or entry.call_id != call_id or entry.outcome != TRANSFERRED:
            return False
        hang_up_legs(connection, store, entry)
        return True
    if entry.staff_id is None:
        return False
    if entry.state == "reserved":
        return give_back(connection, store, entry, entry.staff_id, "")
    if entry.state != "talking":
        return False
    conversations.end_talk(connection, store.clock, entry.id, entry.staff_id, HUNG_UP)
    needless = (CommandKind.BRING_CALLER, CommandKind.HOLD, CommandKind.UNHOLD)
    stored_commands.settle(connection, store.clock, entry.id, needless)
    others = legs.of_entry(connection, store.vault, entry.id, ("third",))
    if not any(other.state == "joined" and other.staff_id != entry.staff_id for other in others):
        hang_up_legs(connection, store, entry)
    # Otherwise agent and third person finish their sentence; the first to leave ends it.
    return True
