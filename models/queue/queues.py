"""The callers and promises in the queues, and every change of a place.

One table holds callers on the telephone (kind call) and promises to ring back (kind callback). Its
order is joined_at, then id, and no other: a call that was cut, a promise and an agent's lost line
leave both alone. Every change of state is a conditional write; see models.queue.tables for the
states.
"""

from __future__ import annotations

import json

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from models.call import calls
from models.called import ABOUT, BY_ORIGIN, about_of
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.prepared import Prepared
from models.queue import tables
from models.queue.tables import BUSY, PROMISED, queue_entry
from models.rows import from_row, values_of
from models.slots.holders import of_holder
from models.tables import nothing_personal
from models.writes import insert_new

CALL = "call"
CALLBACK = "callback"
# In one of these states a caller has a place in the queue, or talks with an agent.
LIVE = ("waiting", "kept", "reserved", "talking")


# ------------------------------------------------------------------ places in the queue


@dataclass(frozen=True)
class _Place:
    """What is stored of a person in the queue. `number` is E.164, empty without one.

    `known` is what they gave and where they stopped. Moments are UTC; `overflow_at` and
    `expected_at` as in models.queue.tables.
    """

    id: str
    queue_id: str
    kind: str
    language: str
    call_id: str | None = None
    origin_call_id: str | None = None
    departement: str | None = None
    number: str = ""
    known: Mapping[str, Any] = field(default_factory=dict, repr=False)
    reason: str = ""
    # Whether an agent or the machine speaks: "agent" or "machine".
    mode: str = "agent"
    state: str = "waiting"
    overflow_at: datetime | None = None
    overflow_queue: str | None = None
    expected_at: datetime | None = None
    staff_id: str | None = None
    outcome: str = ""
    # The message that this call delivers, and how often that was tried before.
    message_id: str | None = None
    tries: int = 0
    # The number of ours that it came in by; None of a new one: that of its call or message.
    called: str | None = None
    # The services that it is about (models.about); None of a new one: what its call was about.
    about: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewQueueEntry(_Place):
    """A person who joins the queue. `joined_at` None is now; so is `due_at`.

    Of a promise, `promised_at` is when it was made; None is now.
    """

    joined_at: datetime | None = None
    due_at: datetime | None = None
    promised_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class QueueEntry(_Place):
    """A place in the queue, as stored."""

    joined_at: datetime
    due_at: datetime
    told_seconds: int | None
    told_at: datetime | None
    reserved_at: datetime | None
    answered_at: datetime | None
    held_at: datetime | None
    conference_sid: str | None
    ended_at: datetime | None
    wrapup_code: str
    version: int
    created_at: datetime
    updated_at: datetime


def add(connection: Connection, clock: Clock, vault: Vault, new: NewQueueEntry) -> bool:
    """Put a person into the queue; False when this call, or a promise to this number, is in it."""
    now = ("joined_at", "due_at", *(("promised_at",) if new.kind == CALLBACK else ()))
    moments = ["created_at", "updated_at", *(name for name in now if getattr(new, name) is None)]
    if new.state == "reserved":
        moments.append("reserved_at")
    values = values_of(new, queue_entry)
    values |= sealed_known(vault, new.id, new.known) | sealed_number(vault, new.id, new.number)
    given = {name: value for name, value in values.items() if name not in moments}
    return insert_new(connection, clock, queue_entry, given, *moments, looked_up=(BY_ORIGIN, ABOUT))


def about_now(call_id: str | None) -> Any:
    """The column of what a place is about, for `move` and `change`: as its call says by now."""
    return {"about": func.coalesce(about_of(call_id), queue_entry.c.about)}


def sealed_known(vault: Vault, entry_id: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The column of what is known, for `move` and `change`."""
    shown = json.dumps(dict(known), ensure_ascii=False, separators=(",", ":")) if known else None
    return {"known_enc": vault.seal_text(shown, f"queue_entry.known:{entry_id}")}


def sealed_number(vault: Vault, entry_id: str, number: str) -> dict[str, Any]:
    """The columns of a number (E.164; empty for none), for `move` and `change`."""
    return {
        "phone_enc": vault.seal_text(number or None, f"queue_entry.phone:{entry_id}"),
        "phone_idx": vault.index("phone", number or None),
    }


def sealed_note(vault: Vault, entry_id: str, note: str) -> dict[str, Any]:
    """The column of an agent's note, for `move` and `change`."""
    return {"note_enc": vault.seal_text(note or None, f"queue_entry.note:{entry_id}")}


def load(
    connection: Connection,
    vault: Vault,
    entry_id: str,
    *,
    lock: bool = False,
    strict: bool = False,
) -> QueueEntry | None:
    """One entry; with `lock` no other transaction changes it until this one ends.

    With `strict` it raises CannotOpen where the number was sealed with a key that is gone.
    """
    return _one(connection, vault, queue_entry.c.id == entry_id, lock=lock, strict=strict)


def of_call(
    connection: Connection, vault: Vault, call_id: str, *, lock: bool = False
) -> QueueEntry | None:
    """The live entry of a call that goes on: there is no second one."""
    return _one(connection, vault, tables.LIVE, queue_entry.c.call_id == call_id, lock=lock)


def last_of_call(connection: Connection, vault: Vault, call_id: str) -> QueueEntry | None:
    """The newest entry that a call is or was in, by itself or as the call it began with.

    One that is live comes before those that are over, whatever is noted of them later.
    """
    mine = or_(queue_entry.c.call_id == call_id, queue_entry.c.origin_call_id == call_id)
    over = case((tables.LIVE, 0), else_=1)
    statement = (
        select(queue_entry)
        .where(mine)
        .order_by(over, queue_entry.c.updated_at.desc(), queue_entry.c.id.desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return _opened(vault, row) if row else None


def live_of_number(connection: Connection, vault: Vault, number: str) -> list[QueueEntry]:
    """The live entries of a number (E.164), the oldest place first."""
    index = vault.index("phone", number or None)
    if index is None:
        return []
    statement = (
        select(queue_entry)
        .where(tables.LIVE, queue_entry.c.phone_idx == index)
        .order_by(queue_entry.c.joined_at, queue_entry.c.id)
    )
    return [_opened(vault, row) for row in connection.execute(statement)]


def promise_to(
    connection: Connection, vault: Vault, number: str, *, lock: bool = False
) -> QueueEntry | None:
    """The live promise to ring a number (E.164): there is no second one."""
    index = vault.index("phone", number or None)
    if index is None:
        return None
    return _one(connection, vault, PROMISED, queue_entry.c.phone_idx == index, lock=lock)


def _one(
    connection: Connection,
    vault: Vault,
    *where: ColumnElement[bool] | Any,
    lock: bool,
    strict: bool = False,
) -> QueueEntry | None:
    statement = select(queue_entry).where(*where)
    if lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).one_or_none()
    return _opened(vault, row, strict=strict) if row else None


def _opened(vault: Vault, row: Any, *, strict: bool = False) -> QueueEntry:
    try:
        number = vault.open_text(row.phone_enc, f"queue_entry.phone:{row.id}") or ""
        known = json.loads(vault.open_text(row.known_enc, f"queue_entry.known:{row.id}") or "{}")
    except CannotOpen:
        if strict:
            raise
        # Sealed with a key that is gone: the place still counts.
        number, known = "", {}
    return from_row(QueueEntry, row, number=number, known=known)


# ------------------------------------------------------------------ changes


def move(
    connection: Connection,
    clock: Clock,
    entry_id: str,
    from_states: Collection[str],
    to_state: str,
    **values: Any,
) -> bool:
    """Change an entry's state and other columns, if it is in one of `from_states` still.

    Values may be moments of the clock (`clock.at()`). False: another transaction was quicker, and
    nothing was changed. `version` counts changes; `if_version=n` makes that a condition, too.
    """
    return change(connection, clock, entry_id, from_states, state=to_state, **values)


def change(
    connection: Connection,
    clock: Clock,
    entry_id: str,
    in_states: Collection[str],
    *,
    if_version: int | None = None,
    if_staff: str | None = None,
    if_kind: str | None = None,
    **values: Any,
) -> bool:
    """Change columns of an entry that is in one of `in_states`; False when it is not.

    `if_staff`: only while it is this agent's; `if_kind`: only while it is one of this kind.
    """
    statement = update(queue_entry).where(
        queue_entry.c.id == entry_id, queue_entry.c.state.in_(in_states)
    )
    if if_version is not None:
        statement = statement.where(queue_entry.c.version == if_version)
    if if_staff is not None:
        statement = statement.where(queue_entry.c.staff_id == if_staff)
    if if_kind is not None:
        statement = statement.where(queue_entry.c.kind == if_kind)
    statement = statement.values(**values, version=queue_entry.c.version + 1, updated_at=clock.at())
    return connection.execute(statement).rowcount == 1


def mark_told(connection: Connection, clock: Clock, entry_id: str, seconds: int) -> bool:
    """Note the wait that was told first; what is told later changes nothing of it."""
    statement = (
        update(queue_entry)
        .where(queue_entry.c.id == entry_id, queue_entry.c.told_seconds.is_(None))
        .values(told_seconds=seconds, told_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def expire_kept(connection: Connection, clock: Clock, kept_for: timedelta) -> int:
    """End the kept places whose callers did not come back in time; gives how many."""
    long_kept = (queue_entry.c.state == "kept", queue_entry.c.updated_at < clock.at(-kept_for))
    return end_all(connection, clock, "not_back", BUSY, *long_kept)


def ids_of(
    connection: Connection, *which: Any, order: Any = None, limit: int | None = None
) -> list[str]:
    """The ids of the entries for which all these SQL conditions are true."""
    statement = select(queue_entry.c.id).where(*which).order_by(order).limit(limit)
    return list(connection.execute(statement).scalars())


def end_all(connection: Connection, clock: Clock, outcome: str, *which: Any) -> int:
    """End the entries for which all these SQL conditions are true as `left`; gives how many."""
    statement = update(queue_entry).where(*which)
    over = {"state": "left", "outcome": outcome, "ended_at": clock.at(), "updated_at": clock.at()}
    statement = statement.values(**over, version=queue_entry.c.version + 1)
    return connection.execute(statement).rowcount


def erase(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Erase what was said, noted and rung of entries that ended longer ago than `older_than`."""
    statement = (
        update(queue_entry)
        .where(
            queue_entry.c.ended_at < clock.at(-older_than),
            or_(
                queue_entry.c.known_enc.is_not(None),
                queue_entry.c.phone_enc.is_not(None),
                queue_entry.c.phone_idx.is_not(None),
                queue_entry.c.note_enc.is_not(None),
            ),
        )
        .values(nothing_personal(queue_entry))
    )
    return connection.execute(statement).rowcount


# ------------------------------------------------------------------ the end of a call


def holds_or_waits(connection: Connection, call_id: str) -> tuple[bool, bool]:
    """Whether a call holds any place of a slot, and whether it has to do with the queue.

    One statement. In the queue, or handed on by an agent to a third person.
    """
    row = _HOLDS_OR_WAITS.rows(connection, {"the_holder": call_id, "the_call": call_id})[0]
    return bool(row.holds), bool(row.waits or row.handed_on)


_HOLDS = exists().where(of_holder(bindparam("the_holder")))
_WAITS = exists().where(tables.LIVE, queue_entry.c.call_id == bindparam("the_call"))
_HANDED_ON = exists().where(
    queue_entry.c.origin_call_id == bindparam("the_call"),
    queue_entry.c.outcome == text("'transferred'"),
)
_HOLDS_OR_WAITS = Prepared(
    select(_HOLDS.label("holds"), _WAITS.label("waits"), _HANDED_ON.label("handed_on"))
)


def end_alone(connection: Connection, clock: Clock, call_id: str, status: str) -> bool:
    """Note the end of a call that has neither of the two; False where it has, or nothing is noted.

    One statement: nothing comes between the look and the end. For the rest see `calls.move_status`.
    """
    values = {**calls.status_values(call_id, status), "the_holder": call_id}
    return _end_alone(clock).count(connection, values) == 1


@lru_cache
def _end_alone(clock: Clock) -> Prepared:
    return Prepared(calls.moving(clock, ends=True).where(~_HOLDS, ~_WAITS, ~_HANDED_ON))
