"""The queue for an agent: which callers are let in, and what becomes of a place.

A place is a row that only a change of state ends; it outlives its call. A caller who is cut off is
rung, or comes back to their place. A caller who rings before we ring them, or who takes up a call
that was cut, keeps it as well. Each function works in the given transaction and locks the entry
first.
"""

from __future__ import annotations

import time

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flows.agents import AfterQueue, NoPerson, Unavailable
from flows.session import CallerKind, Session
from models.database import Connection
from models.queue import call_queues, callbacks, handling, order, queues
from models.queue.call_queues import CallQueue, QueueStatus
from models.queue.order import QueuePosition
from models.queue.queues import CALL, CALLBACK, NewQueueEntry, QueueEntry
from services.campaign.campaign import Campaign
from services.campaign.opening_hours import OpeningHours
from services.messages.notices import Reason
from services.ports import Busy, CallControl, NoAnswer, ProviderRefused
from services.queue.promise_callback import BY_MACHINE, LOST_KEPT, due_from, pick, promised_for
from services.queue.wait_estimate import (
    Throughput,
    can_promise,
    read_throughput,
    wait_seconds,
    when,
)
from services.store import Store

__all__ = ["CallQueue"]

# No caller is asked to hold the line for longer than this; their place can wait for them.
LONGEST_WAIT = timedelta(hours=1)
# Outcomes of a place that was left.
TO_MACHINE, MERGED = "machine", "merged"
# The outcome of a place whose caller typed a number to be rung at (services.queue.typed_callback).
TYPED = "typed"
# The outcome of a kept place that waits for its caller to give a number.
_NUMBER = "number"
OUTLOOK_SECONDS = 1.0
# States that a supervisor sets, which hold at any hour.
_SHUT = {"closed": NoPerson.CLOSED, "callback_only": NoPerson.CALLBACK_ONLY}
# States in which a place can still become a callback or be left.
_STILL = ("waiting", "kept")


@dataclass(frozen=True)
class QueueCaller:
    """A caller who wants a place. `number` (E.164) is where to ring them; empty for nowhere.

    `earlier` is a place that this call, or one that it takes up, had. `known` is what they gave.
    """

    call_id: str
    number: str
    language: str
    departement: str | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    earlier: str = ""
    # The number of ours that they called; None: the default.
    called: str | None = None
    # The queue whose agents take them after so long, too; empty: as their queue says.
    overflow_queue: str = ""
    overflow: timedelta = timedelta()


def what_is_known(session: Session) -> dict[str, Any]:
    """What the caller gave, and where the conversation stopped: kept longer than the turns."""
    stopped = {
        "step": session.resume or session.step,
        "misses": session.misses,
        "speaks": "yes" if session.speaks else "",
        "slow": "yes" if session.slow else "",
    }
    return {**session.known, **{name: value for name, value in stopped.items() if value}}


# ------------------------------------------------------------------ wait estimates


@dataclass(frozen=True)
class WaitEstimate:
    """How fast the queue moves, and when a call that is promised now will be made (UTC).

    `later`: as in models.queue.handling.Owed.
    """

    pace: Throughput
    callback_at: datetime | None
    later: tuple[tuple[datetime, datetime], ...] = ()


class WaitEstimates:
    """The present estimate for a language, read once for all requests within a second.

    One for each process.

    `ticks` is a monotonic clock in seconds; with `fresh_seconds` 0 nothing is remembered.
    """

    def __init__(
        self,
        *,
        fresh_seconds: float = OUTLOOK_SECONDS,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fresh = fresh_seconds
        self._ticks = ticks
        self._known: dict[tuple[str, OpeningHours], tuple[float, WaitEstimate]] = {}

    def read(
        self, connection: Connection, store: Store, campaign: Campaign, language: str
    ) -> WaitEstimate:
        hours, ticks = campaign.hours, self._ticks()
        known = self._known.get((language, hours))
        if known and ticks - known[0] < self._fresh:
            return known[1]
        owed, now = handling.owed(connection, store.clock, language), store.clock.now()
        at = can_promise(connection, store, hours, now, language=language, owed=owed)
        found = WaitEstimate(read_throughput(connection, language), at, owed.later)
        self._known[language, hours] = (ticks, found)
        return found


# ------------------------------------------------------------------ queue status


def choose(
    doors: Sequence[QueueStatus], departement: str | None, *named: str
) -> QueueStatus | None:
    """The queue of a caller, as `pick`. `doors` are those of one language; None: it has none."""
    found = pick([door.queue for door in doors], departement, *named)
    return next((door for door in doors if found is not None and door.queue.id == found.id), None)


def why_closed(
    status: QueueStatus, hours: OpeningHours, now: datetime, pace: Throughput
) -> Unavailable | None:
    """Why no caller is let in now; None where they are."""
    queue = status.queue
    if queue.state in _SHUT:
        return Unavailable(_SHUT[queue.state])
    if queue.state == call_queues.HOURS and not hours.is_open(now):
        why = NoPerson.HOLIDAY if hours.is_holiday(now) else NoPerson.HOURS
        return Unavailable(why, opens_at=hours.next_opening(now))
    if not status.agents:
        return Unavailable(NoPerson.NOBODY)
    if status.on_the_line >= queue.max_size:
        return Unavailable(NoPerson.FULL)
    wait = wait_seconds(status.waiting, pace)
    if wait is not None and timedelta(seconds=wait) > _longest(queue.state, hours, now):
        return Unavailable(NoPerson.TOO_LONG, wait_seconds=wait)
    return None


def _longest(state: str, hours: OpeningHours, now: datetime) -> timedelta:
    """How long a caller may wait on the line: at most until the agents go home."""
    closes = hours.closes_at(now) if state == call_queues.HOURS else None
    return LONGEST_WAIT if closes is None else min(LONGEST_WAIT, closes - now)


def has_place(
    connection: Connection, store: Store, caller: QueueCaller, campaign: Campaign
) -> bool:
    """Whether a caller has a place already, so that no new one is needed."""
    mine = queues.of_call(connection, store.vault, caller.call_id)
    return bool(mine or _old_place(connection, store, caller, campaign))


# ------------------------------------------------------------------ joining


def _overflow_of(caller: QueueCaller, queue: CallQueue) -> timedelta | None:
    """After how long another queue takes them, too; None: none does."""
    if caller.overflow_queue:
        return caller.overflow
    return timedelta(minutes=queue.overflow_minutes) if queue.region else None


def join(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    caller: QueueCaller,
    status: QueueStatus,
) -> str:
    """A place in the queue, with the caller on the line; returns its id. An older place is kept."""
    clock, queue = store.clock, status.queue
    overflow = _overflow_of(caller, queue)
    overflow_at = None if overflow is None else clock.now() + overflow
    mine = queues.of_call(connection, store.vault, caller.call_id, lock=True)
    if mine is not None and mine.state not in _STILL:
        # An agent is about to talk with this caller.
        return mine.id
    old = mine or _old_place_locked(connection, store, caller, campaign)
    if old is not None:
        known, origin = dict(old.known), old.origin_call_id
        if caller.known.get("born") or not known.get("born"):
            known, origin = {**known, **caller.known}, caller.call_id
        taken = queues.move(
            connection,
            clock,
            old.id,
            (old.state,),
            "waiting",
            kind=CALL,
            call_id=caller.call_id,
            origin_call_id=origin,
            queue_id=queue.id,
            language=caller.language,
            departement=caller.departement or old.departement,
            overflow_at=min(filter(None, (old.overflow_at, overflow_at)), default=None),
            overflow_queue=caller.overflow_queue or None,
            called=caller.called,
            **queues.about_now(origin),
            due_at=clock.at(),
            expected_at=None,
            reason=caller.reason[:40],
            outcome="",
            **queues.sealed_known(store.vault, old.id, known),
            **queues.sealed_number(store.vault, old.id, caller.number or old.number),
        )
        if taken:
            return old.id
    # A caller who rings while we ring them has the place of that promise.
    being_rung = queues.promise_to(connection, store.vault, caller.number)
    has_place = (
        being_rung and being_rung.state == "reserved" and being_rung.reason not in BY_MACHINE
    )
    joined_at = being_rung.joined_at if being_rung and has_place else None
    lost = None
    if joined_at is None and mine is None:
        # A caller that we rang in vain has the place of that promise.
        lost = callbacks.take_lost_place(connection, clock, store.vault, caller.number, LOST_KEPT)
    known, origin = dict(caller.known), caller.call_id
    if lost is not None and not known.get("born") and lost.known.get("born"):
        known, origin = {**lost.known, **known}, lost.origin_call_id or origin
    new = NewQueueEntry(
        id=store.chance.identifier(),
        queue_id=queue.id,
        kind=CALL,
        language=caller.language,
        call_id=caller.call_id,
        origin_call_id=origin,
        departement=caller.departement,
        number=caller.number,
        known=known,
        reason=caller.reason[:40],
        joined_at=lost.joined_at if lost else joined_at,
        overflow_at=overflow_at,
        overflow_queue=caller.overflow_queue or None,
        outcome=callbacks.CAME_BACK if lost else "",
    )
    if queues.add(connection, clock, store.vault, new):
        return new.id
    mine = queues.of_call(connection, store.vault, caller.call_id)
    if mine is None:
        raise RuntimeError("a place is in the way of another and cannot be found")
    return mine.id


def _old_place(
    connection: Connection, store: Store, caller: QueueCaller, campaign: Campaign
) -> QueueEntry | None:
    """The place that a caller has already, from an earlier call or by a promise."""
    vault = store.vault
    earlier = queues.load(connection, vault, caller.earlier) if caller.earlier else None
    found = [earlier] if earlier and _may_come_back(earlier, store, campaign, named=True) else []
    of_number = queues.live_of_number(connection, vault, caller.number)
    found += (entry for entry in of_number if _may_come_back(entry, store, campaign))
    return min(found, key=lambda one: (one.joined_at, one.id), default=None)


def _old_place_locked(
    connection: Connection, store: Store, caller: QueueCaller, campaign: Campaign
) -> QueueEntry | None:
    """The same, locked against other transactions; a place taken meanwhile is not returned.

    No other place of that number is locked: the transaction that ends another call has its own
    place locked, and then waits for the promise to the number.
    """
    while found := _old_place(connection, store, caller, campaign):
        locked = queues.load(connection, store.vault, found.id, lock=True)
        named = found.id == caller.earlier
        if locked is not None and _may_come_back(locked, store, campaign, named=named):
            return locked
    return None


def _may_come_back(
    entry: QueueEntry, store: Store, campaign: Campaign, *, named: bool = False
) -> bool:
    """`named`: by the very call, or one that took it up, so that its line must be over."""
    if entry.state == "kept":
        return store.clock.now() - entry.updated_at <= campaign.resume_window
    if entry.state != "waiting" or entry.reason in BY_MACHINE:
        return False
    # Two callers who wait at once from one number are two people.
    return entry.kind == CALLBACK or named


# ------------------------------------------------------------------ leaving


def leave(connection: Connection, store: Store, entry_id: str, outcome: str = TO_MACHINE) -> bool:
    """Give a place up; False when an agent has it, or it is over."""
    clock = store.clock
    return queues.move(
        connection, clock, entry_id, _STILL, "left", outcome=outcome, ended_at=clock.at()
    )


def keep_for_number(connection: Connection, store: Store, entry_id: str) -> bool:
    """Keep a place while its caller types their number; False as for `leave`."""
    return queues.move(connection, store.clock, entry_id, _STILL, "kept", outcome=_NUMBER)


def promise(
    connection: Connection,
    store: Store,
    entry_id: str,
    *,
    number: str = "",
    reason: str = Reason.ASKED,
    at: datetime | None = None,
) -> bool:
    """Ring the caller when their turn comes; False when an agent has them, or the place is over.

    At `number` (E.164), or the one of the place. `at` (UTC) is the time the caller was told. Of two
    promises to one number one is left, with the better place.
    """
    clock, vault = store.clock, store.vault
    entry = queues.load(connection, vault, entry_id, lock=True)
    if entry is None or entry.state not in _STILL:
        return False
    number = number or entry.number
    if not number:
        return False
    if entry.kind == CALLBACK and entry.number == number:
        return True
    joined_at = entry.joined_at
    other = queues.promise_to(connection, vault, number, lock=True)
    if other is not None and other.id != entry.id:
        if other.message_id:
            # The message of that promise is read to the caller after they have talked to an agent.
            callbacks.displace(connection, clock, other.id)
        elif other.state == "talking":
            # Another person at that number talks to an agent: this place is not for them.
            return False
        elif other.state not in _STILL:
            # The other promise's caller is being rung at this moment.
            return leave(connection, store, entry_id, MERGED)
        else:
            if other.reason not in BY_MACHINE:
                joined_at = min(joined_at, other.joined_at)
            leave(connection, store, other.id, MERGED)
    return queues.move(
        connection,
        clock,
        entry_id,
        _STILL,
        "waiting",
        kind=CALLBACK,
        call_id=None,
        joined_at=joined_at,
        # The caller was on the line: earlier tries say nothing about this promise.
        tries=0,
        promised_at=clock.at(),
        due_at=due_from(at, clock.now(), read_throughput(connection, entry.language)),
        expected_at=at,
        reason=reason,
        outcome="",
        **queues.sealed_number(vault, entry_id, number),
    )


def cut(connection: Connection, store: Store, call_id: str) -> None:
    """The call of a place is over: ring its caller, or keep the place until they ring again.

    Does nothing for a call without a place, and for one that an agent talks on or rings for: that
    is the task of services.agents.connect_agent.
    """
    entry = queues.of_call(connection, store.vault, call_id, lock=True)
    if entry is None or entry.kind != CALL or entry.state not in _STILL:
        return
    if not promise(connection, store, entry.id, reason=Reason.CUT):
        queues.move(connection, store.clock, entry.id, _STILL, "kept")


# ------------------------------------------------------------------ in the provider's queue


@dataclass(frozen=True)
class WaitAnnouncement:
    """What a waiting caller may be told; `promise_at` (aware): when they could be rung."""

    place: QueuePosition
    wait_seconds: int | None
    promise_at: datetime | None


def listen(
    store: Store,
    campaign: Campaign,
    wait_estimates: WaitEstimates,
    call_id: str,
    *,
    renews: bool = False,
) -> WaitAnnouncement | None:
    """Where a call stands; None when it has no place. One statement, beside the wait estimate.

    `renews`: the slots held for the caller are kept as if they had answered a question.
    """
    lease = campaign.hold_lease if renews else None
    with store.database.statement() as connection:
        place = order.queue_position(connection, store.clock, call_id, by_call=True, lease=lease)
        if place is None:
            return None
        estimate = wait_estimates.read(connection, store, campaign, place.language)
    at = place_promise(place, estimate, campaign.hours, store.clock.now())
    return WaitAnnouncement(place, wait_seconds(place.ahead, estimate.pace), at)


def wish_callback(
    store: Store, campaign: Campaign, wait_estimates: WaitEstimates, call_id: str, place_id: str
) -> bool:
    """The caller chose to be rung: at their number, or at one that they are asked for now.

    False when an agent has them, or the promise could not be kept: they wait on. A place that the
    caller no longer has counts as done, so that a copy of this request has no second effect.
    """
    with store.database.transaction() as connection:
        place = order.queue_position(connection, store.clock, call_id, by_call=True)
        if place is None or place.entry_id != place_id:
            return True
        estimate = wait_estimates.read(connection, store, campaign, place.language)
        at = place_promise(place, estimate, campaign.hours, store.clock.now())
        if at is None:
            return False
        if place.rings:
            entry = queues.load(connection, store.vault, place_id)
            number = entry.number if entry else ""
            at = promised_for(campaign, number, at, store.clock.now())
            return promise(connection, store, place_id, at=at)
        return keep_for_number(connection, store, place_id)


def wish_machine(store: Store, call_id: str, place_id: str) -> bool:
    """The caller chose to go on with the machine; False, and a copy, as in `wish_callback`."""
    with store.database.transaction() as connection:
        place = order.queue_position(connection, store.clock, call_id, by_call=True)
        if place is None or place.entry_id != place_id:
            return True
        return leave(connection, store, place_id)


def expire_kept(store: Store, campaign: Campaign) -> int:
    """End places whose callers did not come back within the campaign's resume window."""
    with store.database.transaction() as connection:
        return queues.expire_kept(connection, store.clock, campaign.resume_window)


def make_queues(
    store: Store, control: CallControl, *, anew: bool = False
) -> tuple[list[str], list[str]]:
    """Make the provider's queues that are not made, with their size; gives (made, not made).

    By REST: a queue that a document names into being would hold a hundred or a thousand, as the
    provider likes. `anew`: set the size of all.

    Raises nothing for what a provider or a network can do: callers are held without it, too, for
    they are taken by their call where the queue's id is not known.
    """
    with store.database.statement() as connection:
        wanted = [
            queue
            for queue in call_queues.all_queues(connection)
            if anew or queue.provider_sid is None
        ]
    made, failed = [], []
    for call_queue in wanted:
        try:
            sid = control.make_queue(call_queue.id, call_queue.max_size)
        except (ProviderRefused, Busy, NoAnswer):
            failed.append(call_queue.id)
            continue
        with store.database.transaction() as connection:
            call_queues.set_queue(connection, store.clock, call_queue.id, provider_sid=sid)
        made.append(call_queue.id)
    return made, failed


# ------------------------------------------------------------------ a place as it is


def after_queue(connection: Connection, store: Store, entry_id: str, call_id: str) -> AfterQueue:
    """What has become of a place, for a caller who is not in the provider's queue any more."""
    entry = queues.load(connection, store.vault, entry_id) if entry_id else None
    entry = entry or queues.last_of_call(connection, store.vault, call_id)
    if entry is None:
        return AfterQueue.GONE
    if entry.state == "talking":
        return AfterQueue.TAKEN
    if entry.state in {"waiting", "reserved"}:
        return AfterQueue.PROMISED if entry.kind == CALLBACK else AfterQueue.WAITING
    if entry.state == "kept":
        return AfterQueue.NUMBER if entry.outcome == _NUMBER else AfterQueue.WAITING
    ends = {TO_MACHINE: AfterQueue.MACHINE, MERGED: AfterQueue.PROMISED}
    return ends.get(entry.outcome, AfterQueue.GONE) if entry.state == "left" else AfterQueue.GONE


def place_promise(
    place: QueuePosition, estimate: WaitEstimate, hours: OpeningHours, now: datetime
) -> datetime | None:
    """When a caller with this place is rung if they are promised it now (UTC or aware).

    The callers who are due and `ahead` come first, and so do those with an older place who are rung
    later. None: not until tomorrow evening, so that it must not be promised.
    """
    pace = estimate.pace
    usual = pace.usual or pace.agents
    if not usual:
        return estimate.callback_at
    later = [due for due, joined in estimate.later if joined < place.joined_at]
    return when(place.ahead, pace, hours, now, usual=usual, later=later)


def number_of(session: Session) -> str:
    """Where a caller can be rung (E.164); empty where they cannot."""
    return session.caller if session.caller_kind != CallerKind.NONE else ""
