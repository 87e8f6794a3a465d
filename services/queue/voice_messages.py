"""A message that goes by telephone: a promise to ring that reserves no agent.

It is rung like every number that the machine rings, in the same hours and as often
(`services.agents.call_back`). The person who picks up proves not to be a machine first, and hears
what it is about only after the birth date. The result of the call is the result of the message:
delivered when it was heard, undelivered when it was rung in vain or refused, dropped when there is
nothing left to tell.

A number has one live promise. A person's own wish to be rung goes before a message: the message's
place in the queue ends, and is taken anew once that promise is over (`resume_displaced`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from models.agents import legs
from models.booking import bookings
from models.database import Connection
from models.messages import outbox
from models.messages.outbox import NOT_WANTED, ClaimedMessage
from models.queue import callbacks, queues, voice
from models.queue.queues import CALLBACK, NewQueueEntry, QueueEntry
from services.messages.notices import CallPlan, Reason
from services.messages.topics import Topic
from services.queue.promise_callback import MACHINE, RING_AFTER, queue_for
from services.store import Store

# The outcomes of an entry that delivers a message.
HEARD, UNHEARD, REFUSED, NEEDLESS = "heard", "unheard", "refused", "needless"
# Why a message did not reach its person, where the provider has no code for it.
RUNG_IN_VAIN = "rung in vain"
# Another promise to the number has just ended: its person puts the receiver down.
AFTER_ANOTHER = timedelta(minutes=15)
# At most so many people who share a number are looked for.
_LINE = 5
_AT_ONCE = 50

# Tells whether a message still needs to be told.
StillWanted = Callable[[Connection, Store, ClaimedMessage], bool]


def arrange(connection: Connection, store: Store, claimed: ClaimedMessage, plan: CallPlan) -> bool:
    """Store the promise to ring `claimed.recipient` for a message, in the transaction given.

    False while the number has another live promise: a number is not rung for two at once, and the
    delivery tries again later. The message itself is the caller's to move to `sent`.
    """
    soonest = store.clock.now() + RING_AFTER
    known = {**plan.known, "until": plan.until.isoformat() if plan.until else ""}
    new = NewQueueEntry(
        id=store.chance.identifier(),
        queue_id=queue_for(connection, plan.language).id,
        number=claimed.recipient,
        language=plan.language,
        reason=plan.reason,
        kind=CALLBACK,
        mode=MACHINE,
        known={name: value for name, value in known.items() if value},
        due_at=max(soonest, plan.due_at) if plan.due_at else soonest,
        message_id=claimed.id,
    )
    return queues.add(connection, store.clock, store.vault, new)


def rung(
    connection: Connection, store: Store, try_id: str, *, lock: bool = False
) -> QueueEntry | None:
    """The entry whose message this try is to tell; None for a call of another kind."""
    entry = callbacks.of_try(connection, store.vault, try_id, lock=lock)
    return entry if entry is not None and entry.message_id else None


def is_there(
    connection: Connection, store: Store, promise: QueueEntry, try_id: str, call_id: str
) -> bool:
    """A person proved to be there, in their call's transaction; False where it is over.

    News is told with the question itself. Any other message is not told at this point: the promise
    ends when it is, or another try is made.
    """
    if promise.state != "reserved":
        return False
    if not legs.move(connection, store.clock, try_id, "joined"):
        return False
    if promise.reason == Reason.NEWS:
        heard(connection, store, try_id, call_id)
    return True


def heard(connection: Connection, store: Store, try_id: str, call_id: str) -> None:
    """The message is told in this very turn, in its transaction: it has reached its person."""
    found = rung(connection, store, try_id, lock=True)
    if found is None or found.message_id is None:
        return
    clock = store.clock
    legs.move(connection, clock, try_id, "ended", outcome=HEARD)
    callbacks.answered(connection, clock, found.id, call_id, "done")
    outbox.move_state(connection, clock, found.message_id, "delivered")


# Topics about an appointment as such: a person who hears of it needs none of the others.
_TELL_OF_IT = (Topic.REMINDER, Topic.EVENING, Topic.VOICE)


def others_on_line(connection: Connection, store: Store, told: QueueEntry) -> list[str]:
    """Other bookings of the number that is rung, about which their people are to be rung, too."""
    index = store.vault.index("phone", told.number or None)
    own = str(told.known.get("booking_id", ""))
    if index is None:
        return []
    found = voice.to_be_rung_about(connection, index, tuple(map(str, _TELL_OF_IT)), limit=_LINE)
    return [booking_id for booking_id in found if booking_id != own]


def heard_beside(connection: Connection, store: Store, booking_id: str) -> None:
    """Mark a booking's messages as delivered: its person heard them in a call to a shared line.

    The call's own message is told to its own person by another call.
    """
    topics = tuple(map(str, _TELL_OF_IT))
    for message_id in voice.untold(connection, booking_id, topics):
        outbox.move_state(connection, store.clock, message_id, "delivered")
    for entry_id in voice.promised_for(connection, booking_id, topics):
        callbacks.end(connection, store.clock, entry_id, "left", HEARD, only=("waiting",))


def is_needless(
    connection: Connection, store: Store, promise: QueueEntry, wanted: StillWanted | None
) -> bool:
    """Whether the message is not needed any more, or it is too late; then the promise is over."""
    if promise.message_id is None:
        return False
    until = str(promise.known.get("until", ""))
    late = bool(until) and datetime.fromisoformat(until) <= store.clock.now()
    stored = outbox.load(connection, store.vault, promise.message_id)
    live = stored if stored is not None and stored.state == "sent" and not late else None
    if live and (wanted is None or wanted(connection, store, live.claimed)):
        return False
    callbacks.end(connection, store.clock, promise.id, "left", NEEDLESS)
    voice.drop(connection, store.clock, promise.message_id)
    return True


def in_vain(connection: Connection, store: Store, promise: QueueEntry) -> None:
    """The person could not be told: the promise is lost, and so is the message by this way."""
    if callbacks.end(connection, store.clock, promise.id, "lost", UNHEARD) and promise.message_id:
        _undelivered(connection, store, promise.message_id, RUNG_IN_VAIN)


def told_by_agent(connection: Connection, store: Store, promise: QueueEntry) -> None:
    """The person rung asked for an agent and spoke with one, who has the message on their page."""
    if callbacks.end(connection, store.clock, promise.id, "done", "agent") and promise.message_id:
        outbox.move_state(connection, store.clock, promise.message_id, "delivered")


def refused(connection: Connection, store: Store, promise: QueueEntry) -> bool:
    """The person rung wants no such call, and is not rung about that booking again."""
    if not callbacks.end(connection, store.clock, promise.id, "left", REFUSED):
        return False
    booking_id = promise.known.get("booking_id")
    if booking_id:
        bookings.wish_no_calls(connection, str(booking_id))
    if promise.message_id:
        _undelivered(connection, store, promise.message_id, NOT_WANTED)
    return True


def _undelivered(connection: Connection, store: Store, message_id: str, why: str) -> None:
    outbox.move_state(connection, store.clock, message_id, "undelivered", error_code=why)


def resume_displaced(store: Store) -> int:
    """Ring anew for messages that gave way to a person's own wish to be rung; returns how many."""
    done = 0
    with store.database.statement() as connection:
        found = voice.displaced(connection, limit=_AT_ONCE)
    for entry_id in found:
        with store.database.transaction() as connection:
            entry = callbacks.load(connection, store.vault, entry_id, lock=True)
            if entry is None or entry.outcome not in voice.DISPLACED or not entry.number:
                continue
            new = NewQueueEntry(
                id=store.chance.identifier(),
                queue_id=entry.queue_id,
                number=entry.number,
                language=entry.language,
                reason=entry.reason,
                kind=CALLBACK,
                mode=MACHINE,
                known=entry.known,
                due_at=store.clock.now() + AFTER_ANOTHER,
                message_id=entry.message_id,
                tries=entry.tries,
            )
            if queues.add(connection, store.clock, store.vault, new):
                # There is another place for the same message.
                queues.change(connection, store.clock, entry_id, ("left",), outcome=voice.ANEW)
                done += 1
    return done
