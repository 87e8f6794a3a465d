"""Promise to ring back: a place in the line that nobody is on the line for.

One live promise for each number: a second one keeps the place and says what is known anew. An agent
calls whoever asked for a person, or waited for one when the line was cut. Where nobody was asked
for (silence, a call cut before its confirmation) the machine calls, and no agent waits for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.database import Connection
from models.queue import callbacks, queues
from models.queue.queues import CALLBACK, CallQueue, NewQueueEntry
from services.centres.towns import regions_of
from services.messages.notices import Reason
from services.store import Store

AGENT, MACHINE = "agent", "machine"
# Promises of these reasons are no place in the line: nobody had asked for a person.
OF_MESSAGES = frozenset({Reason.APPOINTMENT, Reason.OFFER, Reason.NEWS})
BY_MACHINE = OF_MESSAGES | {Reason.SILENT, Reason.UNFINISHED}
# Of no more use once the number has its booking.
UNLESS_BOOKED = (Reason.SILENT, Reason.UNFINISHED, Reason.CUT)
# Whoever is to be rung puts the receiver down first.
RING_AFTER = timedelta(seconds=20)
# Whoever was rung in vain and rings again has their old place for so long.
LOST_KEPT = timedelta(days=7)
# Old promises taken over in one transaction.
_AT_ONCE = 100


@dataclass(frozen=True)
class PromiseResult:
    """What became of a promise; `is_new` is False where the number had a live one."""

    is_new: bool
    entry_id: str | None


def promise_callback(
    connection: Connection, store: Store, number: str, call_id: str | None, known: dict[str, Any]
) -> bool:
    """Store the promise in the caller's transaction; False when one is already kept.

    `number` is E.164. `known` is what the person has given already, for nobody is asked twice; its
    `reason` is silent, unfinished, or where in the call a person was asked for.
    """
    return promise(connection, store, number, call_id, known).is_new


def promise(
    connection: Connection,
    store: Store,
    number: str,
    call_id: str | None,
    known: Mapping[str, Any],
    *,
    expected_at: datetime | None = None,
    departement: str | None = None,
) -> PromiseResult:
    """The same, and the entry that it is; `expected_at` (UTC) is when the caller was told.

    Whoever gave no sign of life is promised one call ever, as long as we remember them.
    """
    reason = _reason(known)
    index = store.vault.index("phone", number) or b""
    if reason is Reason.SILENT and callbacks.any_for(connection, index, reason):
        return PromiseResult(is_new=False, entry_id=callbacks.live_of(connection, index))
    language = str(known.get("language", "fr"))
    mode, due_at = _mode(reason), store.clock.now() + RING_AFTER
    # The machine rings from everywhere.
    queue = _queue_for(connection, language, departement if mode == AGENT else None)
    overflow = timedelta(minutes=queue.overflow_minutes)
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
        expected_at=expected_at,
        overflow_at=due_at + overflow if queue.region else None,
    )
    # Again, for the promise in the way may end just then.
    for _ in range(3):
        if queues.add(connection, store.clock, store.vault, new):
            if mode == AGENT:
                _give_old_place(connection, store, new)
            _note_told(connection, store, new.id, expected_at)
            return PromiseResult(is_new=True, entry_id=new.id)
        kept = callbacks.live_of(connection, index)
        if kept is not None and callbacks.message_of(connection, kept):
            # What is to be told there waits for whoever asks to be rung.
            callbacks.displace(connection, store.clock, kept)
        elif kept is not None:
            _say_anew(connection, store, kept, new)
            return PromiseResult(is_new=False, entry_id=kept)
    raise RuntimeError("a promise is in the way of another and cannot be found")


def _give_old_place(connection: Connection, store: Store, new: NewQueueEntry) -> None:
    """Whoever was rung in vain, and asks again, is where they were."""
    lost = callbacks.take_lost_place(connection, store.clock, store.vault, new.number, LOST_KEPT)
    if lost is None:
        return
    place: dict[str, Any] = {"joined_at": lost.joined_at}
    if lost.known.get("born") and not new.known.get("born"):
        place |= {"origin_call_id": lost.origin_call_id}
        place |= queues.sealed_known(store.vault, new.id, {**new.known, **lost.known})
    queues.change(connection, store.clock, new.id, ("waiting",), **place)


def _say_anew(connection: Connection, store: Store, kept: str, new: NewQueueEntry) -> None:
    # Whoever rings back has what was said last, unless it was nothing but silence this time.
    tells = bool(new.known.get("born"))
    # Who asks for a person is not called by the machine; who was silent asks for nothing.
    asks = new.reason in {Reason.ASKED, Reason.CASE}
    if not tells and not asks:
        return
    said: dict[str, Any] = {"reason": new.reason, "mode": new.mode} if asks else {}
    if tells:
        said |= queues.sealed_known(store.vault, kept, new.known)
        said |= {"origin_call_id": new.origin_call_id} if new.origin_call_id else {}
    callbacks.refresh(connection, store.clock, kept, expected_at=new.expected_at, **said)
    _note_told(connection, store, kept, new.expected_at)


def _note_told(
    connection: Connection, store: Store, entry_id: str, expected_at: datetime | None
) -> None:
    if expected_at is not None:
        seconds = max((expected_at - store.clock.now()).total_seconds(), 0.0)
        queues.mark_told(connection, store.clock, entry_id, round(seconds))


def _reason(known: Mapping[str, Any]) -> Reason:
    """Why, by what is known: whoever asked for a person did so at some step of the call."""
    asked_at = str(known.get("reason", ""))
    return Reason(asked_at) if asked_at in set(Reason) else Reason.ASKED


def _mode(reason: Reason) -> str:
    return MACHINE if reason in BY_MACHINE else AGENT


def _queue_for(connection: Connection, language: str, departement: str | None) -> CallQueue:
    """The queue of their region, if an operator made one that is not closed; else the national."""
    national, regions = national_queue(connection, language), regions_of(departement)
    if not regions:
        return national
    theirs = (
        one
        for one in queues.all_queues(connection)
        if one.language == national.language
        and one.region.casefold() in regions
        and one.state != "closed"
    )
    return next(theirs, national)


def national_queue(connection: Connection, language: str) -> CallQueue:
    """The national queue of a language; French where it has none."""
    national = {one.language: one for one in queues.all_queues(connection) if not one.region}
    return national.get(language) or national["fr"]


# ---------------------------------------------------------------- as they were kept before


def adopt_old_promises(store: Store) -> int:
    """Take over promises that an earlier version left in the outbox; gives how many.

    Their place is the one of the day on which they were made. Safe to repeat.
    """
    with store.database.transaction() as connection:
        found = callbacks.old_promises(connection, store.vault, limit=_AT_ONCE)
        for old in found:
            if not callbacks.old_promise_taken(connection, store.clock, old.id) or not old.number:
                continue
            language = str(old.known.get("language", "fr"))
            queue, reason = national_queue(connection, language), _reason(old.known)
            queues.add(
                connection,
                store.clock,
                store.vault,
                NewQueueEntry(
                    id=store.chance.identifier(),
                    queue_id=queue.id,
                    kind=CALLBACK,
                    number=old.number,
                    language=language,
                    reason=reason,
                    mode=_mode(reason),
                    origin_call_id=old.call_id,
                    known=old.known,
                    joined_at=old.created_at,
                    promised_at=old.created_at,
                ),
            )
    return len(found)


def end_where_needless(store: Store) -> int:
    """Let go what is booked meanwhile, and who spoke with a person meanwhile; gives how many."""
    reasons: Collection[str] = UNLESS_BOOKED
    with store.database.transaction() as connection:
        return callbacks.withdraw_booked(
            connection, store.clock, reasons
        ) + callbacks.withdraw_served(connection, store.clock)
