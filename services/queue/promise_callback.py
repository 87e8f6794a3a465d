"""Promise to ring back: a place in the queue without a caller on the line.

Each number has one live promise: a second one keeps the place and updates what is known. An agent
calls people who asked for an agent, or waited for one when the line was cut. Where no agent was
asked for (silence, a call cut before its confirmation) the machine calls, and no agent is reserved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from flows.steps.line import is_later_day, told_at
from models.database import Connection
from models.queue import call_queues, callbacks, queues
from models.queue.call_queues import CallQueue
from models.queue.queues import CALLBACK, NewQueueEntry, QueueEntry
from services.campaign.call_hours import next_call_at, zone_of
from services.campaign.campaign import Campaign
from services.centres.towns import regions_of
from services.messages.notices import Reason
from services.numbers.numbers import CalledNumber
from services.queue.wait_estimate import Throughput, read_throughput
from services.store import Store

AGENT, MACHINE = "agent", "machine"
# Promises of these reasons are no place in the queue: their caller had not asked for an agent.
OF_MESSAGES = frozenset({Reason.APPOINTMENT, Reason.OFFER, Reason.NEWS})
BY_MACHINE = OF_MESSAGES | {Reason.SILENT, Reason.UNFINISHED}
# Of no more use once the number has its booking.
UNLESS_BOOKED = (Reason.SILENT, Reason.UNFINISHED, Reason.CUT, Reason.QUIET, Reason.UNCLEAR)
# Of callers who are to have an agent, and not the machine.
_FOR_AGENT = frozenset({
    Reason.ASKED, Reason.INTERPRETER, Reason.CASE, Reason.QUIET, Reason.UNCLEAR,
})  # fmt: skip
# A caller who is to be rung puts the receiver down first.
RING_AFTER = timedelta(seconds=20)
# A caller who was rung in vain and rings again has their old place for so long.
LOST_KEPT = timedelta(days=7)


@dataclass(frozen=True)
class PromiseResult:
    """What became of a promise; `is_new` is False where the number had a live one."""

    is_new: bool
    entry_id: str | None


def promise(
    connection: Connection,
    store: Store,
    number: str,
    call_id: str | None,
    known: Mapping[str, Any],
    *,
    expected_at: datetime | None = None,
    departement: str | None = None,
    joined_at: datetime | None = None,
    called: CalledNumber | None = None,
) -> PromiseResult:
    """Store a promise to ring `number` (E.164) in the caller's transaction.

    `known` is what the caller has given already, so that it is not asked again; its `reason` is
    silent, unfinished, or where in the call an agent was asked for. `expected_at` (UTC) is the time
    that the caller was told, `joined_at` (UTC) the place in the line (None: the last). A caller who
    gave no sign of life is promised one call ever, as long as we remember them.
    """
    reason = _reason(known)
    index = store.vault.index("phone", number) or b""
    if reason is Reason.SILENT and callbacks.any_for(connection, index, reason):
        kept = queues.promise_to(connection, store.vault, number)
        return PromiseResult(is_new=False, entry_id=kept.id if kept else None)
    language = str(known.get("language", "fr"))
    mode = _mode(reason)
    told = expected_at if mode == AGENT else None
    due_at = due_from(told, store.clock.now(), read_throughput(connection, language))
    # The machine rings in all regions, so it needs no regional queue.
    queue = queue_for(connection, language, departement if mode == AGENT else None, called)
    overflow = timedelta(minutes=queue.overflow_minutes)
    overflow_queue = None
    if called is not None and called.queue == queue.id and called.overflow_queue:
        overflow, overflow_queue = called.overflow, called.overflow_queue
    new = NewQueueEntry(
        id=store.chance.identifier(),
        queue_id=queue.id,
        kind=CALLBACK,
        number=number,
        language=language,
        reason=reason,
        mode=mode,
        origin_call_id=call_id,
        known=known,
        due_at=due_at,
        departement=departement,
        joined_at=joined_at,
        expected_at=expected_at,
        overflow_at=due_at + overflow if queue.region or overflow_queue else None,
        overflow_queue=overflow_queue,
        # Of a call it is found where its row is written.
        called=called.number if called is not None and call_id is None else None,
    )
    # Tried again, because the promise in the way may end just then.
    for _ in range(3):
        if queues.add(connection, store.clock, store.vault, new):
            if mode == AGENT:
                _give_old_place(connection, store, new)
            _note_told(connection, store, new.id, expected_at)
            return PromiseResult(is_new=True, entry_id=new.id)
        kept = queues.promise_to(connection, store.vault, number, lock=True)
        if kept is not None and kept.message_id:
            # The message that was to be told there waits until this caller has been rung.
            callbacks.displace(connection, store.clock, kept.id)
        elif kept is not None:
            _say_anew(connection, store, kept, new)
            return PromiseResult(is_new=False, entry_id=kept.id)
    raise RuntimeError("a promise is in the way of another and cannot be found")


def promised_for(
    campaign: Campaign, number: str, at: datetime | None, now: datetime
) -> datetime | None:
    """The hour that is told to a number (E.164) whose turn comes at `at`, by its own clock.

    In the hours in which it may be rung. None where `at` is.
    """
    if at is None:
        return None
    return told_at(next_call_at(campaign, number, at), now).astimezone(zone_of(number))


def due_from(expected_at: datetime | None, now: datetime, pace: Throughput) -> datetime:
    """From when a promise is offered to agents (UTC): from a later day's hour that was told.

    Where agents are at work, and of today, as soon as its turn comes: they take the next caller.
    """
    if expected_at is not None and not pace.agents and is_later_day(expected_at, now):
        return expected_at
    return now + RING_AFTER


def _give_old_place(connection: Connection, store: Store, new: NewQueueEntry) -> None:
    """Give a caller who was rung in vain, and asks again, their old place."""
    lost = callbacks.take_lost_place(connection, store.clock, store.vault, new.number, LOST_KEPT)
    if lost is None:
        return
    place: dict[str, Any] = {"joined_at": lost.joined_at}
    if lost.known.get("born") and not new.known.get("born"):
        place |= {"origin_call_id": lost.origin_call_id}
        place |= queues.sealed_known(store.vault, new.id, {**new.known, **lost.known})
    queues.change(connection, store.clock, new.id, ("waiting",), **place)


def _say_anew(connection: Connection, store: Store, kept: QueueEntry, new: NewQueueEntry) -> None:
    # What the caller said last replaces the earlier data, unless this time they were silent.
    tells = bool(new.known.get("born"))
    # A caller who asks for an agent is not called by the machine; a silent one asked for nothing.
    asks = new.reason in _FOR_AGENT
    if not tells and not asks:
        return
    said: dict[str, Any] = {"reason": new.reason, "mode": new.mode} if asks else {}
    if tells:
        said |= queues.sealed_known(store.vault, kept.id, new.known)
        if new.origin_call_id:
            said |= {"origin_call_id": new.origin_call_id}
            said |= queues.about_now(new.origin_call_id)
    # Its place stays, and when it was promised for first.
    said |= {"promised_at": store.clock.at(), "expected_at": kept.expected_at or new.expected_at}
    callbacks.change(connection, store.clock, kept.id, ("waiting",), **said)
    _note_told(connection, store, kept.id, new.expected_at)


def _note_told(
    connection: Connection, store: Store, entry_id: str, expected_at: datetime | None
) -> None:
    if expected_at is not None:
        seconds = max((expected_at - store.clock.now()).total_seconds(), 0.0)
        queues.mark_told(connection, store.clock, entry_id, round(seconds))


def _reason(known: Mapping[str, Any]) -> Reason:
    """The reason, from what is known; any other word is the step where an agent was asked for."""
    asked_at = str(known.get("reason", ""))
    return Reason(asked_at) if asked_at in set(Reason) else Reason.ASKED


def _mode(reason: Reason) -> str:
    return MACHINE if reason in BY_MACHINE else AGENT


def queue_for(
    connection: Connection,
    language: str,
    departement: str | None = None,
    called: CalledNumber | None = None,
) -> CallQueue:
    """The queue of the number that was called, or of the caller's region; else the national.

    That of French where the language has no national queue.
    """
    known = call_queues.all_queues(connection)
    nationals = {queue.language for queue in known if not queue.region}
    spoken = language if language in nationals else "fr"
    named = called.queue if called is not None else ""
    found = pick([queue for queue in known if queue.language == spoken], departement, named)
    if found is None:
        raise RuntimeError("there is no national queue of French")
    return found


def pick(queues: Sequence[CallQueue], departement: str | None, *named: str) -> CallQueue | None:
    """Of one language's queues the first one `named`, or that of the region; else the national.

    One that is closed is none, but for the national.
    """
    open_queues = {queue.id: queue for queue in queues if queue.state != "closed"}
    regions = regions_of(departement)
    wanted = (open_queues[name] for name in named if name in open_queues)
    of_region = (queue for queue in open_queues.values() if queue.region.casefold() in regions)
    national = (queue for queue in queues if not queue.region)
    return next(chain(wanted, of_region, national), None)


def end_where_needless(store: Store) -> int:
    """End promises to people who have booked or talked to an agent meanwhile; gives how many."""
    with store.database.transaction() as connection:
        return callbacks.withdraw(connection, store.clock, UNLESS_BOOKED)
