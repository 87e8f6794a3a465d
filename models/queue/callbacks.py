"""Promised callbacks: queue entries without a caller on the line, and the tries to ring.

A unique index allows one live promise for each number; no check beforehand is needed. A try is a
row of `leg` of its own, so that a late report about one try says nothing about the next. A
transaction that changes both locks the entry first, then the agent, then the leg.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)

from models.agents.tables import leg
from models.booking.tables import booking
from models.call.calls import FIRST_FINAL_RANK
from models.call.tables import call
from models.clock import Clock
from models.crypto import Vault
from models.messages.tables import FROZEN
from models.queue import queues
from models.queue.queues import QueueEntry
from models.queue.tables import queue_entry

OVER = ("done", "left", "lost")
# The outcome of a message's place that gave way to the person's own promise of a call.
DISPLACED = "displaced"
# No person listens to a machine for longer: a call past this counts as over, even unreported.
LONGEST_TALK = timedelta(hours=1)
_CALLBACK = queues.CALLBACK
_WAITS = (queue_entry.c.kind == _CALLBACK, queue_entry.c.state == "waiting")
# The outcome of a lost promise whose caller rang again, and of the place that they have.
CAME_BACK = "came_back"


# ---------------------------------------------------------------- promises


def any_for(connection: Connection, phone_idx: bytes, reason: str) -> bool:
    """Whether this number was ever promised a call for that reason, as long as it is remembered."""
    statement = select(queue_entry.c.id).where(
        queue_entry.c.phone_idx == phone_idx, queue_entry.c.reason == reason
    )
    return connection.execute(statement.limit(1)).first() is not None


def load(
    connection: Connection, vault: Vault, entry_id: str, *, lock: bool = False
) -> QueueEntry | None:
    """A promise; with `lock`, no other transaction changes it until this one ends.

    Raises CannotOpen where its number was sealed with a key that is gone.
    """
    found = queues.load(connection, vault, entry_id, lock=lock, strict=True)
    return found if found is not None and found.kind == _CALLBACK else None


def of_try(
    connection: Connection, vault: Vault, try_id: str, *, lock: bool = False
) -> QueueEntry | None:
    """The promise that a try is of; as `load`."""
    statement = select(leg.c.entry_id).where(leg.c.id == try_id, leg.c.kind == _CALLBACK)
    entry_id = connection.execute(statement).scalar_one_or_none()
    return load(connection, vault, entry_id, lock=lock) if entry_id else None


def change(
    connection: Connection, clock: Clock, entry_id: str, states: Collection[str], **values: Any
) -> bool:
    """Change columns of a promise that is in one of these states; False when it is not."""
    return queues.change(connection, clock, entry_id, states, if_kind=_CALLBACK, **values)


def _for_machine(clock: Clock) -> Select[str]:
    """Promises that are due and need no agent."""
    return select(queue_entry.c.id).where(
        *_WAITS,
        queue_entry.c.mode == "machine",
        queue_entry.c.due_at <= clock.at(),
        ~FROZEN,
    )


def is_any_for_machine(connection: Connection, clock: Clock) -> bool:
    """Whether `next_for_machine` would find one, but for others that look at the same time."""
    return connection.execute(_for_machine(clock).limit(1)).first() is not None


def next_for_machine(connection: Connection, clock: Clock) -> str | None:
    """Take the first promise that needs no agent: waiting becomes reserved."""
    found = connection.execute(
        _for_machine(clock)
        .order_by(queue_entry.c.joined_at, queue_entry.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if found is None:
        return None
    values = {"state": "reserved", "reserved_at": clock.at()}
    return found if change(connection, clock, found, ("waiting",), **values) else None


def take_try_back(connection: Connection, clock: Clock, entry_id: str) -> None:
    """The provider was never asked for a try that was counted: it was none."""
    connection.execute(
        update(queue_entry)
        .where(
            queue_entry.c.id == entry_id,
            queue_entry.c.kind == _CALLBACK,
            queue_entry.c.tries > 0,
        )
        .values(
            tries=queue_entry.c.tries - 1,
            updated_at=clock.at(),
            version=queue_entry.c.version + 1,
        )
    )


def answered(connection: Connection, clock: Clock, entry_id: str, call_id: str, state: str) -> bool:
    """A person is there: reserved becomes talking with an agent, or done where none is needed."""
    values: dict[str, Any] = {
        "state": state,
        "call_id": call_id,
        "answered_at": clock.at(),
    }
    if state in OVER:
        values |= {"ended_at": clock.at(), "outcome": "machine"}
    return change(connection, clock, entry_id, ("reserved",), **values)


def end(
    connection: Connection,
    clock: Clock,
    entry_id: str,
    state: str,
    outcome: str,
    *,
    only: Collection[str] = ("waiting", "reserved"),
) -> bool:
    """The promise is over: left (the caller no longer wants it) or lost (no answer)."""
    values = {
        "state": state,
        "outcome": outcome,
        "staff_id": None,
        "ended_at": clock.at(),
    }
    return change(connection, clock, entry_id, only, **values)


def take_lost_place(
    connection: Connection, clock: Clock, vault: Vault, number: str, within: timedelta
) -> QueueEntry | None:
    """The oldest place of a number (E.164) that was lost so lately, unanswered; given once.

    The machine's own promises are no places.
    """
    index = vault.index("phone", number or None)
    if index is None:
        return None
    statement = (
        select(queue_entry.c.id)
        .where(
            queue_entry.c.phone_idx == index,
            queue_entry.c.kind == _CALLBACK,
            queue_entry.c.state == "lost",
            queue_entry.c.mode == "agent",
            queue_entry.c.outcome != CAME_BACK,
            queue_entry.c.ended_at > clock.at(-within),
        )
        .order_by(queue_entry.c.joined_at, queue_entry.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(statement).scalar_one_or_none()
    if found is None or not change(connection, clock, found, ("lost",), outcome=CAME_BACK):
        return None
    return queues.load(connection, vault, found)


def displace(connection: Connection, clock: Clock, entry_id: str) -> bool:
    """End a message's place in favour of the person's own promise; it is taken anew later."""
    return end(connection, clock, entry_id, "left", DISPLACED)


def booked_since(connection: Connection, promise: QueueEntry) -> bool:
    """Whether a person of this number was booked since the promise was made."""
    statement = select(queue_entry.c.id).where(queue_entry.c.id == promise.id, _booked())
    return connection.execute(statement).first() is not None


# Of a promise that a release before this one made, its place is all that is known.
_PROMISED_AT = func.coalesce(queue_entry.c.promised_at, queue_entry.c.joined_at)


def _booked() -> ColumnElement[bool]:
    """A person of the number, since then; or an agent for this very call, while it waited."""
    in_their_call = and_(
        booking.c.created_at >= queue_entry.c.joined_at,
        booking.c.call_id == queue_entry.c.origin_call_id,
    )
    return exists().where(
        booking.c.phone_idx == queue_entry.c.phone_idx,
        booking.c.state == "confirmed",
        or_(booking.c.created_at >= _PROMISED_AT, in_their_call),
    )


def served_since(connection: Connection, promise: QueueEntry) -> bool:
    """Whether an agent has spoken with that number since, because the caller rang again.

    Conversations before the promise do not count: they may be with another person of a shared
    number.
    """
    statement = select(queue_entry.c.id).where(queue_entry.c.id == promise.id, _served())
    return connection.execute(statement).first() is not None


def _served() -> ColumnElement[bool]:
    other = queue_entry.alias("other_place")
    return exists().where(
        other.c.phone_idx == queue_entry.c.phone_idx,
        other.c.id != queue_entry.c.id,
        other.c.state.in_(("wrapup", "done")),
        other.c.staff_id.is_not(None),
        other.c.answered_at > _PROMISED_AT,
        # A message is told in any case, even if its person spoke with an agent meanwhile.
        queue_entry.c.message_id.is_(None),
    )


def on_the_line(
    connection: Connection, clock: Clock, promise: QueueEntry, *, menu_within: timedelta
) -> bool:
    """Whether a call of that number waits, talks with an agent or is in the menu at this moment.

    A call of the menu that began before `menu_within` and whose end was not reported counts as
    over.
    """
    mine = select(queue_entry.c.phone_idx).where(queue_entry.c.id == promise.id).scalar_subquery()
    statement = select(queue_entry.c.id).where(
        queue_entry.c.phone_idx == mine,
        queue_entry.c.id != promise.id,
        queue_entry.c.kind == "call",
        queue_entry.c.state.in_(("waiting", "reserved", "talking")),
    )
    if connection.execute(statement.limit(1)).first() is not None:
        return True
    in_menu = select(call.c.id).where(
        call.c.caller_idx == mine,
        call.c.started_at > clock.at(-menu_within),
        call.c.status_rank < FIRST_FINAL_RANK,
    )
    return connection.execute(in_menu.limit(1)).first() is not None


def withdraw(connection: Connection, clock: Clock, unless_booked: Collection[str]) -> int:
    """End promises to numbers with which an agent has spoken since; gives how many.

    Those made for the reasons `unless_booked` end if the number was booked since, too.
    """
    booked = (*_WAITS, queue_entry.c.reason.in_(unless_booked), _booked())
    ended = queues.end_all(connection, clock, "booked", *booked)
    return ended + queues.end_all(connection, clock, "served", *_WAITS, _served())


def put_off(connection: Connection, clock: Clock, mode: str, until: datetime) -> int:
    """Ring no number before then (UTC): what is due sooner waits; gives how many."""
    statement = (
        update(queue_entry)
        .where(
            *_WAITS,
            queue_entry.c.mode == mode,
            queue_entry.c.due_at < until,
        )
        .values(due_at=until, updated_at=clock.at())
    )
    return connection.execute(statement).rowcount


def overdue(connection: Connection, clock: Clock, grace: timedelta, *, limit: int) -> list[str]:
    """Promises never rung; the latest moment that was told to the caller is over `grace` ago."""
    late = (queue_entry.c.tries == 0, queue_entry.c.expected_at < clock.at(-grace))
    return queues.ids_of(connection, *_WAITS, *late, order=queue_entry.c.joined_at, limit=limit)


def older(connection: Connection, clock: Clock, than: timedelta, *, limit: int) -> list[str]:
    """Promises that wait and were made so long ago."""
    which = (
        *_WAITS,
        # A caller who asks again may have a place that is older than that.
        clock.at(-than) > _PROMISED_AT,
        # What a call would tell has its own end.
        queue_entry.c.message_id.is_(None),
    )
    return queues.ids_of(connection, *which, limit=limit)


def end_forgotten(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """End places of both kinds that began so long ago and that never ended; gives how many."""
    statement = (
        update(queue_entry)
        .where(queue_entry.c.state.not_in(OVER), queue_entry.c.created_at < clock.at(-older_than))
        .values(
            state="lost",
            outcome="too_old",
            ended_at=queue_entry.c.created_at,
            updated_at=clock.at(),
            version=queue_entry.c.version + 1,
        )
    )
    return connection.execute(statement).rowcount


def waiting(connection: Connection, clock: Clock) -> tuple[int, datetime | None]:
    """How many promises are not kept yet, and since when the oldest that is due waits (UTC)."""
    due = queue_entry.c.due_at <= clock.at()
    statement = select(
        func.count(),
        func.min(queue_entry.c.joined_at).filter(due),
    ).where(
        queue_entry.c.kind == _CALLBACK,
        queue_entry.c.state.in_(("waiting", "reserved")),
        queue_entry.c.message_id.is_(None),
    )
    row = connection.execute(statement).one()
    return row[0], row[1]


# ---------------------------------------------------------------- tries


def is_try_of(connection: Connection, clock: Clock, try_id: str, sid: str) -> bool:
    """Whether this call (the provider's id) is that try; the first that comes is.

    A provider that was asked twice, for its first answer was lost, rings twice; only one of the two
    is ours, and only while the try is not over.
    """
    taken = exists().where(_other.c.provider_sid == sid, _other.c.id != try_id)
    statement = (
        update(leg)
        .where(
            leg.c.id == try_id,
            leg.c.kind == _CALLBACK,
            leg.c.state != "ended",
            or_(leg.c.provider_sid.is_(None), leg.c.provider_sid == sid),
            ~taken.correlate_except(_other),
        )
        .values(provider_sid=sid, updated_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


_other = leg.alias("other")


def tries_with(connection: Connection, entry_id: str, outcome: str) -> int:
    """How many tries of an entry came to that."""
    statement = select(func.count()).where(
        leg.c.entry_id == entry_id, leg.c.kind == _CALLBACK, leg.c.outcome == outcome
    )
    return connection.execute(statement).scalar_one()


def reached_in_vain(connection: Connection, clock: Clock, entry_id: str, outcome: str) -> None:
    """The last try of an entry met no person after all: it has this outcome, which is counted."""
    last = (
        select(leg.c.id)
        .where(leg.c.entry_id == entry_id, leg.c.kind == _CALLBACK)
        .order_by(leg.c.created_at.desc(), leg.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = update(leg).where(leg.c.id == last, leg.c.state == "ended")
    connection.execute(statement.values(outcome=outcome, updated_at=clock.at()))


def reserve_again(connection: Connection, clock: Clock, entry_id: str) -> bool:
    """A promise whose call met no person is as before that call; False when it is not over."""
    values: dict[str, Any] = {"state": "reserved", "call_id": None, "answered_at": None}
    values |= {"ended_at": None, "outcome": "", "held_at": None, "conference_sid": None}
    return change(connection, clock, entry_id, ("wrapup",), **values)


def silent_tries(connection: Connection, clock: Clock, older_than: timedelta) -> list[str]:
    """Tries that nothing was heard of for so long, neither connected nor over.

    A call that tells something is connected without being over: `LONGEST_TALK` is its time.
    """
    statement = select(leg.c.id).where(
        leg.c.ended_at.is_(None),
        leg.c.kind == _CALLBACK,
        or_(
            and_(
                leg.c.state.in_(("asked", "ringing", "answered")),
                leg.c.updated_at < clock.at(-older_than),
            ),
            and_(leg.c.state == "joined", leg.c.updated_at < clock.at(-LONGEST_TALK)),
        ),
    )
    return list(connection.execute(statement).scalars())


def machines_dialling(connection: Connection) -> int:
    """How many numbers the machine rings at this moment; those that have answered do not count."""
    talks = exists().where(leg.c.entry_id == queue_entry.c.id, leg.c.state == "joined")
    statement = select(func.count()).where(
        queue_entry.c.state == "reserved",
        queue_entry.c.kind == _CALLBACK,
        queue_entry.c.mode == "machine",
        ~talks,
    )
    return connection.execute(statement).scalar_one()


_RESERVED = (queue_entry.c.state == "reserved", queue_entry.c.kind == _CALLBACK)
_TRY_OF = (leg.c.entry_id == queue_entry.c.id, leg.c.kind == _CALLBACK)
_TRIED = exists().where(*_TRY_OF, leg.c.created_at >= queue_entry.c.reserved_at)
_TRYING = exists().where(*_TRY_OF, leg.c.state != "ended")


def stranded(connection: Connection, clock: Clock, older_than: timedelta) -> list[str]:
    """Promises that are reserved and whose try is over, or was never begun by the machine.

    An agent who is on the way to one has no try so far.
    """
    over = or_(queue_entry.c.mode == "machine", _TRIED)
    long_ago = queue_entry.c.reserved_at < clock.at(-older_than)
    return queues.ids_of(connection, *_RESERVED, long_ago, ~_TRYING, over)


def undialled(connection: Connection, clock: Clock, older_than: timedelta) -> list[str]:
    """Promises whose agent has been there for so long and that no try is made of."""
    there = exists().where(
        leg.c.entry_id == queue_entry.c.id,
        leg.c.kind == "agent",
        leg.c.staff_id == queue_entry.c.staff_id,
        leg.c.state == "joined",
        leg.c.updated_at < clock.at(-older_than),
    )
    return queues.ids_of(connection, *_RESERVED, there, ~_TRYING, ~_TRIED)
