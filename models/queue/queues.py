"""The queues: the callers and promises in them, and every change of a place.

One table holds callers on the telephone (kind call) and promises to ring back (kind callback). Its
order is joined_at, then id, and no other: a call that was cut, a promise and an agent's lost line
leave both alone. Every change of state is a conditional write; see models.queue.tables for the
states.
"""

from __future__ import annotations

import json

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)

from models.accounts.tables import staff
from models.agents.tables import agent
from models.call import calls
from models.called import ABOUT, BY_ORIGIN, about_of
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.messages.tables import FROZEN
from models.prepared import Prepared
from models.queue import tables
from models.queue.tables import (
    BUSY,
    IN_LINE,
    PROMISED,
    agent_queue,
    agent_queue_member,
    queue_entry,
)
from models.rows import columns_of, from_row, values_of
from models.slots.holders import of_holder
from models.slots.places import renewal
from models.slots.tables import place
from models.tables import nothing_personal
from models.writes import insert_new

CALL = "call"
CALLBACK = "callback"
HOURS = "hours"
STATES = (HOURS, "open", "callback_only", "closed")
# In one of these states a caller has a place in the queue, or talks with an agent.
LIVE = ("waiting", "kept", "reserved", "talking")
# Agents in these answer callers, now or as soon as they are done with one.
AT_WORK = ("ready", "reserved", "talking", "wrapup")
# An agent who should be ready and whose page is silent for so long has lost it.
PAGE_LOST = timedelta(seconds=20)


# ------------------------------------------------------------------ queues


@dataclass(frozen=True)
class CallQueue:
    """A queue; `region` is empty for the national one of its language."""

    id: str
    language: str
    region: str
    state: str
    overflow_minutes: int
    announcement: str
    provider_sid: str | None
    max_size: int
    # The announcement by the code of another language ("en").
    translations: Mapping[str, str] = field(default_factory=dict)


_QUEUE = columns_of(CallQueue, agent_queue)


def _queue(row: Any) -> CallQueue:
    return from_row(CallQueue, row, translations=json.loads(row.translations))


def all_queues(connection: Connection) -> list[CallQueue]:
    """Every queue, those of a language together and its national one first."""
    order = (agent_queue.c.language, agent_queue.c.region, agent_queue.c.id)
    return [_queue(row) for row in connection.execute(select(*_QUEUE).order_by(*order))]


def find_queue(connection: Connection, queue_id: str) -> CallQueue | None:
    """One queue."""
    row = connection.execute(select(*_QUEUE).where(agent_queue.c.id == queue_id)).one_or_none()
    return _queue(row) if row else None


def add_queue(
    connection: Connection,
    clock: Clock,
    queue_id: str,
    language: str,
    region: str = "",
    *,
    overflow_minutes: int = 3,
    max_size: int = 5000,
) -> bool:
    """Make a queue; False when there is one of this id."""
    values = {
        "id": queue_id,
        "language": language,
        "region": region,
        "overflow_minutes": overflow_minutes,
        "max_size": max_size,
    }
    return insert_new(connection, clock, agent_queue, values, "created_at", "updated_at")


def set_queue(connection: Connection, clock: Clock, queue_id: str, **values: Any) -> bool:
    """Change columns of a queue: state, overflow_minutes, announcements, provider_sid, max_size."""
    unknown = values.keys() - {
        "state", "overflow_minutes", "announcement", "translations", "provider_sid", "max_size",
    }  # fmt: skip
    if unknown or values.get("state", HOURS) not in STATES:
        raise ValueError(f"no such setting of a queue: {unknown or values['state']}")
    if "translations" in values:
        values["translations"] = json.dumps(values["translations"], sort_keys=True)
    statement = update(agent_queue).where(agent_queue.c.id == queue_id)
    return connection.execute(statement.values(**values, updated_at=clock.at())).rowcount == 1


def memberships(connection: Connection) -> dict[str, list[str]]:
    """The queues of each member; other agents take the national ones of their languages."""
    found: dict[str, list[str]] = {}
    order = (agent_queue_member.c.staff_id, agent_queue_member.c.queue_id)
    for row in connection.execute(select(agent_queue_member).order_by(*order)):
        found.setdefault(row.staff_id, []).append(row.queue_id)
    return found


def set_memberships(
    connection: Connection, staff_id: str, queue_ids: Sequence[str], *, in_order: bool = False
) -> None:
    """Make an agent a member of these queues and of no others; none: of their languages' own.

    `in_order`: whoever waits in the first is taken before those of the next; else by who waits
    longest in any of them.
    """
    mine = agent_queue_member.c.staff_id == staff_id
    connection.execute(delete(agent_queue_member).where(mine))
    rows = [
        {"staff_id": staff_id, "queue_id": one, "rank": place if in_order else 0}
        for place, one in enumerate(dict.fromkeys(queue_ids))
    ]
    if rows:
        connection.execute(agent_queue_member.insert(), rows)


def staffed(connection: Connection) -> set[str]:
    """The queues that somebody answers who may work: as a member, or by their languages."""
    members = memberships(connection)
    nationals = {one.language: one.id for one in all_queues(connection) if not one.region}
    workers = select(staff.c.id, staff.c.languages).where(
        staff.c.disabled_at.is_(None), staff.c.role.in_(("agent", "supervisor"))
    )
    found = set[str]()
    for one in connection.execute(workers):
        spoken = (nationals[name] for name in one.languages.split() if name in nationals)
        found.update(members.get(one.id) or spoken)
    return found


@dataclass(frozen=True)
class QueueStatus:
    """A queue with what decides whether a caller is let in now.

    `agents` answer its callers, at once or after the caller they have. `on_the_line` callers wait
    in it. `waiting` counts those and the callbacks that are due and that agents make.
    """

    queue: CallQueue
    agents: int
    on_the_line: int
    waiting: int


def queue_statuses(connection: Connection, clock: Clock, language: str) -> list[QueueStatus]:
    """The queues of a language, the national one first; one statement."""
    rows = _queue_statuses(clock).rows(connection, {"the_language": language})
    return [from_row(QueueStatus, row, queue=_queue(row)) for row in rows]


@lru_cache
def _queue_statuses(clock: Clock) -> Prepared:
    statement = (
        select(
            *_QUEUE,
            _agents_of(clock).label("agents"),
            _in_line(queue_entry.c.kind == CALL).label("on_the_line"),
            _in_line(queue_entry.c.mode == "agent", queue_entry.c.due_at <= clock.at()).label(
                "waiting"
            ),
        )
        .where(agent_queue.c.language == bindparam("the_language"))
        .order_by(agent_queue.c.region, agent_queue.c.id)
    )
    return Prepared(statement)


def _agents_of(clock: Clock, *, or_of: ColumnElement[Any] | None = None) -> Any:
    """How many agents are there for the callers of the `agent_queue` of the statement around.

    With the overflow: an agent of the national queue takes callers of its regions in the end, or,
    where the column `or_of` around names a queue, an agent of that one.
    """
    member, of_mine = agent_queue_member.alias("member"), agent_queue.alias("of_mine")
    no_member, spoken = member.c.staff_id.is_(None), " " + staff.c.languages + " "
    speaks = and_(no_member, spoken.contains(" " + agent_queue.c.language + " "))
    national: ColumnElement[bool] = of_mine.c.region == ""
    there: list[ColumnElement[bool]] = []
    around = [agent_queue]
    if or_of is not None:
        around.append(or_of.table)
        over = agent_queue.alias("over")
        language = select(over.c.language).where(over.c.id == or_of, over.c.region == "")
        language_of_it = language.correlate(or_of.table).scalar_subquery()
        speaks_it = and_(no_member, spoken.contains(" " + language_of_it + " "))
        there += [of_mine.c.id == or_of, speaks_it]
        has_part = or_(or_of.is_(None), agent_queue.c.region == "")
        national, speaks = and_(national, has_part), and_(speaks, has_part)
    # Joined: by EXISTS, PostgreSQL 18 counted a second queue with the answers for the first.
    at_home = and_(
        of_mine.c.language == agent_queue.c.language,
        or_(of_mine.c.id == agent_queue.c.id, national),
    )
    return (
        select(func.count(agent.c.staff_id.distinct()))
        .select_from(agent)
        .join(staff, staff.c.id == agent.c.staff_id)
        .outerjoin(member, member.c.staff_id == agent.c.staff_id)
        .outerjoin(of_mine, of_mine.c.id == member.c.queue_id)
        .where(staff.c.disabled_at.is_(None), at_work(clock), or_(at_home, speaks, *there))
        .correlate(*around)
        .scalar_subquery()
    )


def at_work(clock: Clock) -> ColumnElement[bool]:
    """In a state that answers callers; an agent whose page is silent does not count as ready."""
    lately = or_(agent.c.state != "ready", agent.c.seen_at > clock.at(-PAGE_LOST))
    # Written out: a list of unknown length could not be prepared.
    return and_(text(f"agent.state IN {AT_WORK}"), lately)


def _in_line(*which: ColumnElement[bool]) -> Any:
    return (
        select(func.count())
        .select_from(queue_entry)
        .where(IN_LINE, queue_entry.c.queue_id == agent_queue.c.id, *which)
        .correlate(agent_queue)
        .scalar_subquery()
    )


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


# ------------------------------------------------------------------ which entry comes next


@dataclass(frozen=True)
class QueueCandidate:
    """A person that an agent may take, in the order of the queue."""

    id: str
    kind: str
    joined_at: datetime


def candidates(
    connection: Connection,
    clock: Clock,
    queue_ids: Sequence[str],
    overflow_languages: Collection[str] = (),
    *,
    limit: int = 10,
    kinds: Collection[str] = (CALL, CALLBACK),
) -> list[QueueCandidate]:
    """The entries that wait and are due for a member of these queues, oldest place first.

    With those of other queues that wait for the overflow: to one of these, or, where it is to none
    by name, to a national queue, for `overflow_languages` (those whose national is among them).
    """
    whose: ColumnElement[bool] = queue_entry.c.overflow_queue.in_(queue_ids)
    if overflow_languages:
        to_national = and_(
            queue_entry.c.language.in_(overflow_languages), queue_entry.c.overflow_queue.is_(None)
        )
        whose = or_(whose, to_national)
    overflown = and_(queue_entry.c.overflow_at <= clock.at(), whose)
    mine = or_(queue_entry.c.queue_id.in_(queue_ids), overflown)
    statement = (
        select(*columns_of(QueueCandidate, queue_entry))
        .where(IN_LINE, mine, queue_entry.c.due_at <= clock.at(), queue_entry.c.kind.in_(kinds))
        # Some promises are kept by the machine, and none while nothing leaves after a restore.
        .where(queue_entry.c.mode == "agent", or_(queue_entry.c.kind == CALL, ~FROZEN))
        .order_by(queue_entry.c.joined_at, queue_entry.c.id)
        .limit(limit)
    )
    return [QueueCandidate(*row) for row in connection.execute(statement)]


# ------------------------------------------------------------------ one who waits


@dataclass(frozen=True)
class QueuePosition:
    """A place in the queue as its caller sees it, and their queue.

    `ahead` wait and are due, have older places, and may be taken by the same agents; `agents` are
    there for them. `rings`: there is a number to ring them at.
    """

    entry_id: str
    kind: str
    state: str
    joined_at: datetime
    language: str
    outcome: str
    rings: bool
    queue: CallQueue
    ahead: int
    agents: int


def queue_position(
    connection: Connection,
    clock: Clock,
    which: str,
    *,
    by_call: bool = False,
    lease: timedelta | None = None,
) -> QueuePosition | None:
    """Where an entry stands, by its id, or by the call whose live one it is; one statement.

    With a `lease` it renews what the call holds, too.
    """
    statement = _queue_position(clock, by_call=by_call, lease=lease)
    rows = statement.rows(connection, {"which": which, "the_holder": which})
    if not rows:
        return None
    row = rows[0]
    return from_row(
        QueuePosition,
        row,
        state=row.entry_state,
        language=row.entry_language,
        rings=row.phone_idx is not None,
        queue=_queue(row),
    )


@lru_cache
def _queue_position(clock: Clock, *, by_call: bool, lease: timedelta | None) -> Prepared:
    before, national = queue_entry.alias("before"), agent_queue.alias("national")
    older = tuple_(before.c.joined_at, before.c.id) < tuple_(
        queue_entry.c.joined_at, queue_entry.c.id
    )
    # Agents of the national queue take these entries, too: they are its own, or have overflowed.
    overflown = queue_entry.c.overflow_at <= clock.at()
    shared = or_(
        agent_queue.c.region == "", and_(overflown, queue_entry.c.overflow_queue.is_(None))
    )
    ahead = (
        select(func.count())
        .select_from(before)
        .where(
            text("before.state = 'waiting'"),
            before.c.mode == "agent",
            before.c.due_at <= clock.at(),
            older,
            or_(
                before.c.queue_id == queue_entry.c.queue_id,
                # And the same where the overflow is to a queue by name, theirs or this one's.
                and_(overflown, before.c.queue_id == queue_entry.c.overflow_queue),
                and_(
                    before.c.overflow_at <= clock.at(),
                    before.c.overflow_queue == queue_entry.c.queue_id,
                ),
                and_(
                    shared,
                    before.c.language == queue_entry.c.language,
                    or_(
                        and_(before.c.overflow_at <= clock.at(), before.c.overflow_queue.is_(None)),
                        exists().where(national.c.id == before.c.queue_id, national.c.region == ""),
                    ),
                ),
            ),
        )
        .correlate(queue_entry, agent_queue)
        .scalar_subquery()
    )
    statement = (
        select(
            queue_entry.c.id.label("entry_id"),
            queue_entry.c.kind,
            queue_entry.c.state.label("entry_state"),
            queue_entry.c.joined_at,
            queue_entry.c.language.label("entry_language"),
            queue_entry.c.outcome,
            queue_entry.c.phone_idx,
            *_QUEUE,
            ahead.label("ahead"),
            _agents_of(clock, or_of=queue_entry.c.overflow_queue).label("agents"),
        )
        .select_from(queue_entry)
        .join(agent_queue, agent_queue.c.id == queue_entry.c.queue_id)
    )
    which: ColumnElement[str] = bindparam("which")
    if lease:
        statement = statement.add_cte(renewal(clock, lease).returning(place.c.id).cte("renewed"))
    if by_call:
        return Prepared(statement.where(tables.LIVE, queue_entry.c.call_id == which))
    return Prepared(statement.where(queue_entry.c.id == which))


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
