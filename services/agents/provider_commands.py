"""Provider commands: what is to be asked of the provider, stored with its cause, then done once.

A command is added in the transaction of the change that wants it. After the commit, the process
that added it carries it out (a desk's request has three seconds for that). The dispatcher sweeps
commands that are older than a second or were left half done. A webhook carries out none itself:
what it adds is `at_once` for the dispatcher.

Every kind may be done twice without harm, but for a ring: one whose answer was lost is looked up
before it is tried again. A command that is not wanted any more when its turn comes is marked done
without asking the provider.

Kinds, with their arguments:
  ring_agent, ring_third, ring_supervisor, dial_callback      a leg; caller_id, where not ours
  bring_caller                                                 an entry; call_sid, path
  redirect                                                     call_sid, path
  hang_up                                                      a leg, or call_sid
  hold, unhold                                                 an entry
  coach                                                        a leg of a supervisor
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from models.agents import call_rate, legs, stored_commands
from models.agents.legs import Leg
from models.agents.stored_commands import ClaimedCommand, NewCommand
from models.database import Connection
from models.queue import call_queues, callbacks, queues
from models.queue.queues import QueueEntry
from services import tracing
from services.agents import connect_agent, failed_commands
from services.agents.command_store import RING_PATHS, CommandKind, add
from services.ports import Busy, CallControl, NoAnswer, ProviderRefused
from services.store import Store
from services.telemetry import INTENTS

# Longer than one question to the provider; prolonged before the next.
LEASE = timedelta(seconds=4)
AGAIN_AFTER = timedelta(milliseconds=500)
# The provider's codes for what is over or never existed: 404, and a call that is not in progress.
GONE = frozenset({"20404", "21220"})
HOLD_PATH = "/voice/hold"
BUCKET = "calls"
# Permits that pile up while no call is begun; the provider takes a handful at once.
LEAST_BURST, MOST_BURST = 1.0, 5.0

# After so long a command is of no use. A ring may be held up by the account's rate of calls.
TOO_LATE = {
    **dict.fromkeys((*RING_PATHS, CommandKind.BRING_CALLER), timedelta(seconds=60)),
    **dict.fromkeys(
        (CommandKind.HOLD, CommandKind.COACH, CommandKind.MUTE, CommandKind.UNMUTE),
        timedelta(seconds=15),
    ),
}
# Why such a command failed: a word among the provider's codes.
TOO_OLD = "too_late"
# A command that ends something is carried out even if late.
_AT_LAST = timedelta(minutes=10)
# Four or five rings, before most answering machines begin.
RING_SECONDS = 25


class Result(StrEnum):
    """The result of carrying out one command."""

    DONE = "done"
    FAILED = "failed"  # and what it had reserved is free again
    LATER = "later"  # still to be done: the dispatcher tries again
    NOT_OURS = "not_ours"  # another process does it, or has done it


@dataclass(frozen=True)
class CommandResult:
    """What became of an agent's or supervisor's request at a desk.

    `why`: a word where it was refused (`not_talking`, `gone`, `taken`, …), or the provider's code.
    `later`: it is stored, and done within seconds. `intents`: ids of the stored commands. `made`:
    the id of what was made by it, if anything (a leg, an entry).
    """

    done: bool
    why: str = ""
    later: bool = False
    intents: tuple[str, ...] = ()
    made: str = ""


def no(why: str) -> CommandResult:
    """The request was refused."""
    return CommandResult(done=False, why=why)


def carry_out_all(
    store: Store, control: CallControl, ids: Iterable[str], made: str = ""
) -> CommandResult:
    """Do several commands, in order, right after the commit that stored them."""
    asked = tuple(ids)
    results = [carry_out(store, control, command) for command in asked]
    if Result.FAILED in results:
        with store.database.statement() as connection:
            codes = stored_commands.error_codes(connection, asked)
        return CommandResult(done=False, why=next(iter(codes), "failed"), intents=asked, made=made)
    later = any(result is not Result.DONE for result in results)
    return CommandResult(done=True, later=later, intents=asked, made=made)


def sweep(store: Store, control: CallControl, workers: Executor | None = None) -> int:
    """Do the commands that were left undone; returns how many were tried.

    Commands of one conversation are done in order; several conversations run in parallel where
    there are `workers`.
    """
    with store.database.statement() as connection:
        left = stored_commands.undone(connection, store.clock)
    together: dict[str, list[str]] = {}
    for intent_id, entry_id in left:
        together.setdefault(entry_id or intent_id, []).append(intent_id)

    def in_order(ids: list[str]) -> None:
        for command_id in ids:
            carry_out(store, control, command_id)

    if workers is None:
        for ids in together.values():
            in_order(ids)
    else:
        # Errors are raised here, and the next round tries again.
        list(workers.map(in_order, together.values()))
    return len(left)


def carry_out(store: Store, control: CallControl, intent_id: str) -> Result:
    """Do one command, unless another process does. Provider and network errors raise nothing."""
    with store.database.transaction() as connection:
        claimed = stored_commands.claim(connection, store.clock, store.vault, intent_id, LEASE)
    if claimed is None:
        return Result.NOT_OURS
    kind = CommandKind(claimed.kind)
    with tracing.span(f"provider {kind}"):
        result = _carry_out(_Task(store, control, claimed, kind))
    INTENTS.labels(kind, result).inc()
    return result


@dataclass(frozen=True)
class _Task:
    store: Store
    control: CallControl
    claimed: ClaimedCommand
    kind: CommandKind

    def entry(self) -> QueueEntry:
        """The command's entry. Raises _Moot."""
        found = None
        if self.claimed.entry_id:
            with self.store.database.statement() as connection:
                found = queues.load(connection, self.store.vault, self.claimed.entry_id)
        if found is None:
            raise _Moot
        return found

    def leg(self) -> Leg:
        """The command's leg. Raises _Moot."""
        found = None
        if self.claimed.leg_id:
            with self.store.database.statement() as connection:
                found = legs.get(connection, self.store.vault, self.claimed.leg_id)
        if found is None:
            raise _Moot
        return found

    def keep(self) -> None:
        """Before a second question: prolong the lease. Raises _TakenOver."""
        with self.store.database.transaction() as connection:
            if not self.write(connection, lease_until=self.store.clock.at(LEASE)):
                raise _TakenOver

    def write(self, connection: Connection, **values: Any) -> bool:
        """Change the command's row; False when another process has taken it over."""
        return stored_commands.change_claimed(connection, self.store.clock, self.claimed, **values)


class _Moot(Exception):
    """The command is not wanted any more, or its effect was seen to have happened."""


class _TakenOver(Exception):
    """Another process carries it out by now."""


def _carry_out(task: _Task) -> Result:
    store, claimed = task.store, task.claimed
    age = store.clock.now() - claimed.created_at
    if age > TOO_LATE.get(task.kind, _AT_LAST):
        return _fail(task, TOO_OLD)
    try:
        _DO[task.kind](task)
    except _Moot:
        result = _end(task, "moot")
    except _TakenOver:
        result = Result.NOT_OURS
    except ProviderRefused as refused:
        result = _fail(task, refused.code)
    except Busy as busy:
        result = _again(task, busy.after or AGAIN_AFTER, busy.code)
    except NoAnswer:
        result = _again(task, AGAIN_AFTER, "no_answer", ambiguous=True)
    else:
        result = _end(task, None)
    return result


def _end(task: _Task, code: str | None) -> Result:
    with task.store.database.transaction() as connection:
        ended = task.write(connection, state="done", error_code=code, lease_until=None)
    return Result.DONE if ended else Result.NOT_OURS


def _again(task: _Task, after: timedelta, code: str, *, ambiguous: bool = False) -> Result:
    """Try again after a while; an ambiguous command stays in `doing`, so that it is looked up.

    It stays ambiguous, too: a provider that is busy at the look-up tells nothing.
    """
    state = "doing" if ambiguous or task.claimed.ambiguous else "pending"
    again_at = task.store.clock.at(after)
    with task.store.database.transaction() as connection:
        task.write(connection, state=state, error_code=code[:12], lease_until=again_at)
    return Result.LATER


def _fail(task: _Task, code: str) -> Result:
    """The command failed: what it had reserved is free again, in the same transaction."""
    store = task.store
    with store.database.transaction() as connection:
        if task.claimed.entry_id:
            # The entry first: transactions that settle its commands lock it first, too.
            queues.load(connection, store.vault, task.claimed.entry_id, lock=True)
        if not task.write(connection, state="failed", error_code=code[:12], lease_until=None):
            return Result.NOT_OURS
        gone = code in GONE
        asked = code != TOO_OLD or task.claimed.ambiguous
        failed_commands.release(connection, store, task.kind, task.claimed, gone=gone, asked=asked)
    return Result.FAILED


# ------------------------------------------------------------------ one function a kind


def _ring(task: _Task) -> None:
    store, control = task.store, task.control
    leg = task.leg()
    if leg.state == "ended" or leg.provider_sid:
        raise _Moot
    if not _is_wanted(task, leg):
        with store.database.transaction() as connection:
            # The entry first, as all transactions lock it.
            if leg.entry_id:
                queues.load(connection, store.vault, leg.entry_id, lock=True)
            over = legs.move(connection, store.clock, leg.id, "ended", outcome="moot")
            if over and leg.entry_id and leg.kind == "callback" and not task.claimed.ambiguous:
                callbacks.take_try_back(connection, store.clock, leg.entry_id)
        raise _Moot
    sid = None
    if task.claimed.ambiguous:
        sid = _rung_already(task, leg)
        task.keep()
    if sid is None:
        wait = timedelta()
        if control.calls_per_second:
            wait = take_permit(store, control.calls_per_second)
        if wait:
            raise Busy("rate", wait)
        path, status_path = (f"{route}?leg={leg.id}" for route in RING_PATHS[task.kind])
        sid = control.ring(
            leg.to,
            path,
            status_path=status_path,
            ring_seconds=RING_SECONDS,
            caller_id=str(task.claimed.arguments.get("caller_id", "")),
        )
    with store.database.transaction() as connection:
        # Given up while it was being rung: the transaction that ended the leg had no call id yet.
        now = legs.get(connection, store.vault, leg.id, lock=True)
        legs.move(connection, store.clock, leg.id, "ringing", provider_sid=sid)
        if now is not None and now.state == "ended" and not now.provider_sid:
            given_up = NewCommand(
                CommandKind.HANG_UP,
                f"hang_up:{sid}",
                leg_id=leg.id,
                arguments={"call_sid": sid},
                at_once=True,
            )
            add(connection, store, given_up)


def take_permit(store: Store, calls_per_second: float) -> timedelta:
    """Take the permit for one call; zero when it may begin, else how long to wait and ask again.

    The provider begins one call a second for an account unless it agreed to more, and queues the
    others out of our sight. Ours wait in the database, shared by all processes. This is a
    transaction of its own, before the provider is asked.
    """
    burst = min(max(calls_per_second, LEAST_BURST), MOST_BURST)
    with store.database.transaction() as connection:
        return call_rate.take(
            connection, store.clock, BUCKET, per_second=calls_per_second, most=burst
        )


def _is_wanted(task: _Task, leg: Leg) -> bool:
    """Tell whether the agent or caller of a line that was to be rung is still there."""
    entry = task.entry()
    if task.kind in {CommandKind.RING_AGENT, CommandKind.DIAL_CALLBACK}:
        return entry.state == "reserved" and entry.staff_id == leg.staff_id
    return entry.state == "talking"


def _rung_already(task: _Task, leg: Leg) -> str | None:
    """The call of a ring whose answer was lost, if there was one."""
    sid = task.control.find_call(leg.to, task.claimed.created_at)
    if sid is None:
        return None
    with task.store.database.statement() as connection:
        whose = legs.of_call(connection, task.store.vault, sid)
    # If the newest call to them is of an earlier leg, this one was never made.
    return sid if whose is None or whose.id == leg.id else None


def _bring(task: _Task) -> None:
    entry, arguments = task.entry(), task.claimed.arguments
    call_sid, path = arguments["call_sid"], arguments["path"]
    if entry.state != "talking" or entry.call_id != call_sid:
        raise _Moot
    with task.store.database.statement() as connection:
        queue = call_queues.find_queue(connection, entry.queue_id)
    # A caller taken over from the menu, or back from a broken line, is in no queue.
    if queue and queue.provider_sid and not arguments.get("menu"):
        try:
            task.control.take_from_queue(queue.provider_sid, call_sid, path)
        except ProviderRefused as refused:
            if refused.code not in GONE:
                raise
        else:
            return
        task.keep()
    task.control.redirect(call_sid, path)


def _redirect(task: _Task) -> None:
    arguments = task.claimed.arguments
    _unless_gone(lambda: task.control.redirect(arguments["call_sid"], arguments["path"]))


def _hang_up(task: _Task) -> None:
    call_sid = task.claimed.arguments.get("call_sid") or task.leg().provider_sid
    if not call_sid:
        # Not rung so far: the process that is about to ring finds the leg ended.
        raise _Moot
    _unless_gone(lambda: task.control.hang_up(call_sid))


def _hold(task: _Task) -> None:
    entry, on = task.entry(), task.kind is CommandKind.HOLD
    # What the agent wants now counts, in whatever order the commands are carried out.
    if not entry.conference_sid or not entry.call_id or (entry.held_at is not None) != on:
        raise _Moot
    path = f"{HOLD_PATH}?language={entry.language}" if on else ""
    ask = task.control.hold
    if on:
        ask(entry.conference_sid, entry.call_id, on=True, path=path)
    else:
        conference, call = entry.conference_sid, entry.call_id
        _unless_gone(lambda: ask(conference, call, on=False))


def _coach(task: _Task) -> None:
    leg, entry = task.leg(), task.entry()
    if leg.state == "ended" or not leg.provider_sid or not entry.conference_sid:
        raise _Moot
    with task.store.database.statement() as connection:
        coached, muted = connect_agent.heard_by_whom(connection, task.store, leg, entry)
    task.control.coach(entry.conference_sid, leg.provider_sid, coached_sid=coached, muted=muted)


def _mute(task: _Task) -> None:
    leg, entry, on = task.leg(), task.entry(), task.kind is CommandKind.MUTE
    # What the agent wants now counts, in whatever order the commands are carried out.
    is_so = (leg.muted_at is not None) == on
    if leg.state == "ended" or not leg.provider_sid or not entry.conference_sid or not is_so:
        raise _Moot
    task.control.mute(entry.conference_sid, leg.provider_sid, on=on)


def _unless_gone(ask: Callable[[], None]) -> None:
    """Ask the provider; that the call is over already is no failure."""
    try:
        ask()
    except ProviderRefused as refused:
        if refused.code in GONE:
            raise _Moot from refused
        raise


_DO: dict[CommandKind, Callable[[_Task], None]] = {
    **dict.fromkeys(RING_PATHS, _ring),
    CommandKind.BRING_CALLER: _bring,
    CommandKind.REDIRECT: _redirect,
    CommandKind.HANG_UP: _hang_up,
    CommandKind.HOLD: _hold,
    CommandKind.UNHOLD: _hold,
    CommandKind.COACH: _coach,
    CommandKind.MUTE: _mute,
    CommandKind.UNMUTE: _mute,
}
