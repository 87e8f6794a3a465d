"""What agents do at this moment, their legs, and the provider commands for them.

Every change is conditional on the state it leaves: of two processes that want the same, one gets it
and the other gets False. Entries of the queue are touched here only where an agent has to do with
them. A transaction that locks both an entry and an agent locks the entry first.
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
    delete,
    exists,
    func,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models import turn_days
from models.accounts.tables import staff
from models.agents.tables import agent, intent, leg
from models.call.calls import FIRST_FINAL_RANK
from models.call.tables import call, turn
from models.clock import Clock
from models.crypto import Vault
from models.messages.tables import FROZEN
from models.prepared import Prepared
from models.queue import queues, tables
from models.queue.tables import LIVE, agent_queue, agent_queue_member, queue_entry
from models.rows import columns_of, from_row, values_of
from models.writes import insert_new

BUSY = ("reserved", "talking", "wrapup")
# An entry that no agent has.
_NOBODYS = ("waiting", "done", "left", "lost")
# A leg's state never moves backwards, in whatever order the provider tells of it.
LEG_RANK = {"asked": 0, "ringing": 1, "answered": 2, "joined": 3, "ended": 4}
UNDONE = ("pending", "doing")
# To the letter what the index says, or it would not be used.
_UNDONE = text("intent.state IN ('pending', 'doing')")
# After a restore nobody is rung back: it may have been done before. Who is on the line goes on.
_MAY_LEAVE = or_(intent.c.kind != "dial_callback", ~FROZEN)


# ------------------------------------------------------------------ agents


@dataclass(frozen=True)
class Agent:
    """One agent; moments are UTC. `then_pause` is a pause (or `offline`) wished for afterwards."""

    staff_id: str
    state: str
    since: datetime
    reason: str
    then_pause: str | None
    entry_id: str | None
    voice: str
    seen_at: datetime
    version: int


_AGENT = select(agent).where(agent.c.staff_id == bindparam("who"))
_AGENT_NOW = Prepared(_AGENT)


def get(connection: Connection, staff_id: str, *, lock: bool = False) -> Agent | None:
    """An agent as stored; None for an account that was never an agent."""
    if lock:
        found = connection.execute(_AGENT.with_for_update(), {"who": staff_id}).one_or_none()
    else:
        found = next(iter(_AGENT_NOW.rows(connection, {"who": staff_id})), None)
    return None if found is None else from_row(Agent, found)


def begin(connection: Connection, clock: Clock, staff_id: str) -> None:
    """Store an agent who has none of these rows yet, as offline."""
    values = {"staff_id": staff_id, "state": "offline"}
    insert_new(connection, clock, agent, values, "since", "seen_at")


def move(
    connection: Connection,
    clock: Clock,
    staff_id: str,
    before: Collection[str],
    after: str,
    *,
    entry_id: str | None = None,
    of_entry: str | None = None,
    **values: Any,
) -> bool:
    """From one of the states `before` to `after`; False when the agent is in none of them.

    The agent has `entry_id` from then on (None: no entry). `of_entry`: only if the agent has it
    now.
    """
    conditions = [agent.c.staff_id == staff_id, agent.c.state.in_(before)]
    if of_entry is not None:
        conditions.append(agent.c.entry_id == of_entry)
    moved = connection.execute(
        update(agent)
        .where(*conditions)
        .values(
            {
                "state": after,
                "since": clock.at(),
                "entry_id": entry_id,
                "reason": "",
                "version": agent.c.version + 1,
                **values,
            }
        )
    )
    return moved.rowcount == 1


def talks(
    connection: Connection,
    clock: Clock,
    staff_id: str,
    entry_id: str,
    *,
    of_entry: str | None = None,
) -> bool:
    """An agent who is engaged talks with `entry_id` from now on; `of_entry` as for `move`."""
    busy = ("reserved", "talking")
    return move(connection, clock, staff_id, busy, "talking", entry_id=entry_id, of_entry=of_entry)


def set_later(connection: Connection, staff_id: str, then_pause: str | None) -> bool:
    """Remember a pause for after this call; False unless the agent is busy."""
    wished = connection.execute(
        update(agent)
        .where(agent.c.staff_id == staff_id, agent.c.state.in_(BUSY))
        .values(then_pause=then_pause, version=agent.c.version + 1)
    )
    return wished.rowcount == 1


def set_voice(connection: Connection, staff_id: str, voice: str) -> None:
    connection.execute(update(agent).where(agent.c.staff_id == staff_id).values(voice=voice))


def seen(connection: Connection, clock: Clock, staff_id: str) -> None:
    """The agent's page is there."""
    _seen(clock).count(connection, {"who": staff_id})


@lru_cache
def _seen(clock: Clock) -> Prepared:
    return Prepared(
        update(agent).where(agent.c.staff_id == bindparam("who")).values(seen_at=clock.at())
    )


def seen_together(connection: Connection, clock: Clock, staff_ids: Collection[str]) -> None:
    """The pages of these agents are there; one that another transaction works on is left out.

    It waits for nobody, so it can be in no circle of those who wait for one another.
    """
    free = (
        select(agent.c.staff_id)
        .where(agent.c.staff_id.in_(staff_ids))
        .with_for_update(skip_locked=True)
    )
    connection.execute(update(agent).where(agent.c.staff_id.in_(free)).values(seen_at=clock.at()))


def is_any_page_open(connection: Connection, clock: Clock, within: timedelta) -> bool:
    """Whether the page of any agent was there in that time."""
    return bool(_open_pages(clock, within).rows(connection))


@lru_cache
def _open_pages(clock: Clock, within: timedelta) -> Prepared:
    return Prepared(select(agent.c.staff_id).where(agent.c.seen_at > clock.at(-within)).limit(1))


def send_home(connection: Connection, clock: Clock, gone_for: timedelta) -> list[str]:
    """Set agents offline who are ready but whose page was silent for so long; gives their ids."""
    sent = connection.execute(
        update(agent)
        .where(agent.c.state == "ready", agent.c.seen_at < clock.at(-gone_for))
        .values(state="offline", since=clock.at(), reason="", version=agent.c.version + 1)
        .returning(agent.c.staff_id)
    )
    return list(sent.scalars())


def wrapping_up_since(connection: Connection, clock: Clock, longer_than: timedelta) -> list[str]:
    """Agents who have been wrapping up for longer than that."""
    statement = select(agent.c.staff_id).where(
        agent.c.state == "wrapup", agent.c.since < clock.at(-longer_than)
    )
    return list(connection.execute(statement).scalars())


def stranded(
    connection: Connection, clock: Clock, longer_than: timedelta
) -> list[tuple[str, str | None]]:
    """Agents who have been busy for so long with an entry that is over or in the queue again.

    With the entry, which may be gone altogether.
    """
    statement = (
        select(agent.c.staff_id, agent.c.entry_id)
        .outerjoin(queue_entry, queue_entry.c.id == agent.c.entry_id)
        .where(
            agent.c.state.in_(BUSY),
            agent.c.since <= clock.at(-longer_than),
            or_(
                queue_entry.c.id.is_(None),
                and_(
                    queue_entry.c.state.in_(_NOBODYS),
                    queue_entry.c.updated_at <= clock.at(-longer_than),
                ),
            ),
        )
    )
    return [(row.staff_id, row.entry_id) for row in connection.execute(statement)]


def telephone(connection: Connection, vault: Vault, staff_id: str) -> str | None:
    """The agent's own telephone (E.164); None where they have given none, or may not work."""
    statement = select(staff.c.phone_enc).where(
        staff.c.id == staff_id, staff.c.disabled_at.is_(None)
    )
    sealed = connection.execute(statement).scalar_one_or_none()
    return vault.open_text(sealed, f"staff.phone:{staff_id}")


# ------------------------------------------------------------------ which agent takes which caller


@dataclass(frozen=True)
class Level:
    """Queues whose callers an agent takes alike.

    `overflow_languages` are those whose national queue is among them: their overflow is taken, too.
    """

    queues: frozenset[str]
    overflow_languages: frozenset[str]


@dataclass(frozen=True)
class FreeAgent:
    """An agent who is ready, idle since `since`, and the queues that are theirs.

    Nobody of a level is taken while somebody waits in the one before it.
    """

    staff_id: str
    since: datetime
    levels: tuple[Level, ...]


def is_anybody_ready(connection: Connection) -> bool:
    """Whether any agent is ready, their account not looked at."""
    statement = select(agent.c.staff_id).where(agent.c.state == "ready").limit(1)
    return connection.execute(statement).first() is not None


def free_agents(connection: Connection, staff_id: str | None = None) -> list[FreeAgent]:
    """Agents who are ready, idle longest first; `staff_id`: that one alone."""
    statement = (
        select(agent.c.staff_id, agent.c.since, staff.c.languages)
        .join(staff, staff.c.id == agent.c.staff_id)
        .where(agent.c.state == "ready", staff.c.disabled_at.is_(None))
        .order_by(agent.c.since, agent.c.staff_id)
    )
    if staff_id is not None:
        statement = statement.where(agent.c.staff_id == staff_id)
    ready = connection.execute(statement).all()
    if not ready:
        return []
    ids = [one.staff_id for one in ready]
    theirs: dict[str, dict[str, int]] = {}
    members = select(agent_queue_member).where(agent_queue_member.c.staff_id.in_(ids))
    for member in connection.execute(members):
        theirs.setdefault(member.staff_id, {})[member.queue_id] = member.rank
    nationals = _nationals(connection)
    found = []
    for one in ready:
        spoken = {nationals[name]: 0 for name in one.languages.split() if name in nationals}
        mine = theirs.get(one.staff_id) or spoken
        found.append(FreeAgent(one.staff_id, one.since, _levels(mine, nationals)))
    return found


def _levels(ranks: Mapping[str, int], nationals: Mapping[str, str]) -> tuple[Level, ...]:
    made = []
    for rank in sorted(set(ranks.values())):
        alike = frozenset(queue for queue, of in ranks.items() if of == rank)
        overflow = frozenset(name for name, queue in nationals.items() if queue in alike)
        made.append(Level(alike, overflow))
    return tuple(made)


def _nationals(connection: Connection) -> dict[str, str]:
    """The national queue of each language."""
    statement = select(agent_queue.c.language, agent_queue.c.id).where(agent_queue.c.region == "")
    return {row.language: row.id for row in connection.execute(statement)}


# ------------------------------------------------------------------ entries, as agents have them


def answered(connection: Connection, clock: Clock, entry_id: str, staff_id: str) -> bool:
    """The agent is there: the conversation begins."""
    return queues.move(
        connection,
        clock,
        entry_id,
        ("reserved",),
        "talking",
        if_staff=staff_id,
        answered_at=clock.at(),
        held_at=None,
        outcome="",
    )


def wait_again(connection: Connection, clock: Clock, entry_id: str, staff_id: str) -> bool:
    """Back into the queue at the same place: no answer, or the agent's line broke."""
    return queues.move(
        connection,
        clock,
        entry_id,
        ("reserved", "talking"),
        "waiting",
        if_staff=staff_id,
        staff_id=None,
        reserved_at=None,
        held_at=None,
        conference_sid=None,
    )


def end_talk(
    connection: Connection, clock: Clock, entry_id: str, staff_id: str, outcome: str
) -> bool:
    """A conversation is over, and its agent wraps it up; False when it was over already."""
    over = {"outcome": outcome, "ended_at": clock.at(), "held_at": None}
    if not queues.move(connection, clock, entry_id, ("talking",), "wrapup", **over):
        return False
    move(connection, clock, staff_id, ("talking",), "wrapup", entry_id=entry_id)
    return True


def set_held(connection: Connection, clock: Clock, entry_id: str, *, on: bool) -> bool:
    """Mark a caller as on hold or not; False when nothing changed by it."""
    there = queue_entry.c.held_at.is_(None) if on else queue_entry.c.held_at.is_not(None)
    changed = connection.execute(
        update(queue_entry)
        .where(queue_entry.c.id == entry_id, queue_entry.c.state == "talking", there)
        .values(held_at=clock.at() if on else None, version=queue_entry.c.version + 1)
    )
    return changed.rowcount == 1


def set_conference(connection: Connection, entry_id: str, conference_sid: str) -> bool:
    """Note the provider's id of an entry's conference; False when it is known already."""
    changed = connection.execute(
        update(queue_entry)
        .where(
            queue_entry.c.id == entry_id,
            or_(
                queue_entry.c.conference_sid.is_(None),
                queue_entry.c.conference_sid != conference_sid,
            ),
        )
        .values(conference_sid=conference_sid)
    )
    return changed.rowcount == 1


def unanswered(
    connection: Connection, clock: Clock, *, asked: timedelta, rings: timedelta
) -> list[str]:
    """Reserved entries whose agent does not come.

    Their line was not even rung for `asked` (the account's rate of calls may hold it up), or it
    rings, or was picked up without a key, for `rings`, or there is none.
    """
    hope = exists().where(
        leg.c.entry_id == queue_entry.c.id,
        leg.c.staff_id == queue_entry.c.staff_id,
        leg.c.kind == "agent",
        or_(
            leg.c.state == "joined",
            and_(leg.c.state == "asked", leg.c.created_at > clock.at(-asked)),
            and_(leg.c.state.in_(("ringing", "answered")), leg.c.updated_at > clock.at(-rings)),
        ),
    )
    reserved = (queue_entry.c.state == "reserved", queue_entry.c.staff_id.is_not(None))
    return queues.ids_of(connection, *reserved, ~hope)


def silent_entries(
    connection: Connection, clock: Clock, than: timedelta, *, limit: int
) -> list[str]:
    """Entries that an agent has, or with open legs, of which nothing was heard for so long.

    The entry that was checked longest ago comes first. None is checked twice within that time.
    """
    long_ago = clock.at(-than)
    not_asked = or_(queue_entry.c.asked_at.is_(None), queue_entry.c.asked_at < long_ago)
    last = func.coalesce(queue_entry.c.asked_at, queue_entry.c.updated_at)
    wanted = select(queue_entry.c.id, last.label("last")).where(not_asked).order_by(last)
    engaged = wanted.where(
        tables.BUSY,
        queue_entry.c.state.in_(("reserved", "talking")),
        queue_entry.c.updated_at < long_ago,
    )
    # Legs of a third person to whom the caller was handed on, or that go on after the caller left.
    with_lines = wanted.where(
        queue_entry.c.id.in_(
            select(leg.c.entry_id).where(
                leg.c.ended_at.is_(None),
                leg.c.kind != "callback",
                leg.c.state != "ended",
                leg.c.updated_at < long_ago,
            )
        )
    )
    found: dict[str, datetime] = {}
    # Each has an index of its own.
    for statement in (engaged, with_lines):
        found.update((row.id, row.last) for row in connection.execute(statement.limit(limit)))
    return sorted(found, key=lambda one: (found[one], one))[:limit]


def note_asked(connection: Connection, clock: Clock, entry_id: str, than: timedelta) -> bool:
    """Its lines are asked after now; False where that was done within that time."""
    before = or_(queue_entry.c.asked_at.is_(None), queue_entry.c.asked_at < clock.at(-than))
    statement = update(queue_entry).where(queue_entry.c.id == entry_id, before)
    return connection.execute(statement.values(asked_at=clock.at())).rowcount == 1


def wrapups_of_nobody(connection: Connection, clock: Clock, than: timedelta) -> list[str]:
    """Entries that wait to be wrapped up for so long, and that no agent has."""
    somebody = exists().where(agent.c.entry_id == queue_entry.c.id, agent.c.state.in_(BUSY))
    old = (queue_entry.c.state == "wrapup", queue_entry.c.updated_at < clock.at(-than))
    return queues.ids_of(connection, tables.BUSY, *old, ~somebody)


def goes_on(connection: Connection, call_id: str) -> bool:
    """Whether the call is not over, as far as the provider has reported."""
    statement = select(call.c.status_rank).where(call.c.id == call_id)
    rank = connection.execute(statement).scalar_one_or_none()
    return rank is not None and rank < FIRST_FINAL_RANK


@dataclass(frozen=True)
class TroubledTurn:
    """One turn of a call whose newest turn went wrong. `at` is UTC."""

    call_id: str
    number: int
    step: str
    outcome: str
    at: datetime


# Turns that went wrong, and those that say the same again.
WRONG = ("missed", "silent")
REPEATED = "repeated"
_MOST_IN_TROUBLE = 200


def in_trouble(
    connection: Connection,
    clock: Clock,
    within: timedelta,
    steps: Collection[str],
    *,
    call_id: str | None = None,
) -> list[TroubledTurn]:
    """The turns of calls of the menu whose newest turn, not older than that, went wrong.

    Calls that are over, at one of these `steps` or in the queue are left out. A call's turns come
    together, newest first. With `call_id`: of this call alone.
    """
    later = turn.alias("later")
    lately = turn_days.called_since(turn.c.rang_on, clock.now() - within)
    newest = (
        select(turn.c.call_id, turn.c.rang_on)
        .join(call, turn_days.is_of_call())
        .where(
            turn.c.call_id == call_id if call_id is not None else true(),
            turn.c.at > clock.at(-within),
            lately,
            turn.c.outcome.in_((*WRONG, REPEATED)),
            turn.c.step.not_in(steps),
            call.c.status_rank < FIRST_FINAL_RANK,
            ~exists().where(
                later.c.call_id == turn.c.call_id,
                later.c.number > turn.c.number,
                later.c.rang_on == turn.c.rang_on,
            ),
            ~exists().where(queue_entry.c.call_id == turn.c.call_id, LIVE),
        )
        .order_by(turn.c.at.desc())
        .limit(_MOST_IN_TROUBLE)
        .subquery()
    )
    statement = (
        select(turn.c.call_id, turn.c.number, turn.c.step, turn.c.outcome, turn.c.at)
        .join(
            newest,
            and_(newest.c.call_id == turn.c.call_id, newest.c.rang_on == turn.c.rang_on),
        )
        .where(lately)
        .order_by(turn.c.call_id, turn.c.number.desc())
    )
    return [TroubledTurn(*row) for row in connection.execute(statement)]


# ------------------------------------------------------------------ legs


@dataclass(frozen=True)
class Leg:
    """A line that we ring. `to` is empty for a browser's."""

    id: str
    kind: str
    staff_id: str | None
    entry_id: str | None
    provider_sid: str | None
    state: str
    mode: str
    outcome: str
    created_at: datetime
    to: str = ""
    # Since when the person on it has their own microphone off; None: they are heard.
    muted_at: datetime | None = None


@dataclass(frozen=True)
class NewLeg:
    """A line to ring. `kind`: agent, supervisor, callback, third. `to`: E.164 or client:<id>."""

    id: str
    kind: str
    entry_id: str
    to: str
    staff_id: str | None = None
    mode: str = ""


def add_leg(connection: Connection, clock: Clock, vault: Vault, new: NewLeg) -> None:
    values = values_of(new, leg) | {
        "state": "asked",
        "to_enc": vault.seal_text(new.to, f"leg.to:{new.id}"),
    }
    insert_new(connection, clock, leg, values, "created_at", "updated_at")


def _leg(row: Any, vault: Vault) -> Leg:
    return from_row(Leg, row, to=vault.open_text(row.to_enc, f"leg.to:{row.id}") or "")


def get_leg(connection: Connection, vault: Vault, leg_id: str, *, lock: bool = False) -> Leg | None:
    """A leg by our own id."""
    statement = select(leg).where(leg.c.id == leg_id)
    if lock:
        statement = statement.with_for_update()
    found = connection.execute(statement).one_or_none()
    return None if found is None else _leg(found, vault)


def leg_of_call(connection: Connection, vault: Vault, provider_sid: str) -> Leg | None:
    """A leg by the provider's id of its call."""
    found = connection.execute(select(leg).where(leg.c.provider_sid == provider_sid)).one_or_none()
    return None if found is None else _leg(found, vault)


def legs_of(
    connection: Connection,
    vault: Vault,
    entry_id: str,
    kinds: Collection[str] = (),
    *,
    live: bool = True,
) -> list[Leg]:
    """The legs of an entry, oldest first; those that are over too unless `live`."""
    statement = select(leg).where(leg.c.entry_id == entry_id).order_by(leg.c.created_at, leg.c.id)
    if kinds:
        statement = statement.where(leg.c.kind.in_(kinds))
    if live:
        statement = statement.where(leg.c.state != "ended")
    return [_leg(row, vault) for row in connection.execute(statement)]


def leg_of_staff(connection: Connection, vault: Vault, staff_id: str, kind: str) -> Leg | None:
    """The newest leg of an agent that is not over."""
    statement = (
        select(leg)
        .where(
            leg.c.ended_at.is_(None),
            leg.c.staff_id == staff_id,
            leg.c.kind == kind,
            leg.c.state != "ended",
        )
        .order_by(leg.c.created_at.desc(), leg.c.id.desc())
        .limit(1)
    )
    found = connection.execute(statement).one_or_none()
    return None if found is None else _leg(found, vault)


def leg_of_entrys_agent(
    connection: Connection, vault: Vault, entry_id: str, staff_id: str | None
) -> Leg | None:
    """The live line of an entry's agent: rung for it, or as the third person of a transfer."""
    theirs = [
        one
        for one in legs_of(connection, vault, entry_id, ("agent", "third"))
        if staff_id is not None and one.staff_id == staff_id
    ]
    return theirs[-1] if theirs else None


def move_leg(
    connection: Connection,
    clock: Clock,
    leg_id: str,
    state: str,
    *,
    provider_sid: str | None = None,
    outcome: str = "",
) -> bool:
    """Advance a leg; False for an unknown one, or a state that is not later.

    The provider's id is noted whatever the state, the first time that it is told.
    """
    if provider_sid:
        connection.execute(
            update(leg)
            .where(leg.c.id == leg_id, leg.c.provider_sid.is_(None))
            .values(provider_sid=provider_sid, updated_at=clock.at())
        )
    earlier = [name for name, rank in LEG_RANK.items() if rank < LEG_RANK[state]]
    values: dict[str, Any] = {"state": state, "updated_at": clock.at()}
    if state == "ended":
        values |= {"ended_at": clock.at(), "outcome": outcome}
    moved = connection.execute(
        update(leg).where(leg.c.id == leg_id, leg.c.state.in_(earlier)).values(values)
    )
    return moved.rowcount == 1


def set_mode(connection: Connection, clock: Clock, leg_id: str, mode: str) -> None:
    """How a supervisor is in a conversation from now on."""
    connection.execute(
        update(leg).where(leg.c.id == leg_id).values(mode=mode, updated_at=clock.at())
    )


def set_muted(connection: Connection, clock: Clock, leg_id: str, *, on: bool) -> bool:
    """Note that a joined line's own microphone is off or on; False when nothing changed by it."""
    there = leg.c.muted_at.is_(None) if on else leg.c.muted_at.is_not(None)
    changed = connection.execute(
        update(leg)
        .where(leg.c.id == leg_id, leg.c.state == "joined", there)
        .values(muted_at=clock.at() if on else None, updated_at=clock.at())
    )
    return changed.rowcount == 1


# ------------------------------------------------------------------ provider commands


@dataclass(frozen=True)
class ClaimedCommand:
    """A provider command to carry out until its lease runs out.

    `ambiguous`: an earlier try may have reached the provider. `age` is since it was stored.
    """

    id: str
    kind: str
    staff_id: str | None
    entry_id: str | None
    leg_id: str | None
    arguments: Mapping[str, Any]
    attempts: int
    ambiguous: bool
    created_at: datetime


@dataclass(frozen=True)
class Pending:
    """A provider command as a page shows it: not done yet, or failed with the provider's code."""

    id: str
    kind: str
    state: str
    error_code: str | None
    leg_id: str | None
    created_at: datetime


@dataclass(frozen=True)
class NewCommand:
    """Something to ask of the provider. The same `key` (80 letters) twice is one provider command.

    `kind` is a services.agents.command_store.CommandKind. `at_once`: the process that stores the
    command does not carry it out itself, so the dispatcher need not wait.
    """

    kind: str
    key: str
    staff_id: str | None = None
    entry_id: str | None = None
    leg_id: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    at_once: bool = False


def add_command(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    made: str,
    new: NewCommand,
    not_before: timedelta,
) -> str:
    """Store a provider command by the id `made`; gives that, or the id of the one that has its key.

    Other processes leave it alone `not_before`, unless it is `at_once`.
    """
    shown = json.dumps(new.arguments)
    row = values_of(new, intent) | {
        "id": made,
        "arguments_enc": vault.seal_text(shown, f"intent.arguments:{made}"),
        "state": "pending",
        "created_at": clock.at(),
        "updated_at": clock.at(),
        "lease_until": clock.at() if new.at_once else clock.at(not_before),
    }
    statement = insert(intent).on_conflict_do_nothing().values(**row)
    statement = statement.execution_options(preserve_rowcount=True)
    if connection.execute(statement).rowcount == 1:
        return made
    found: str = connection.execute(select(intent.c.id).where(intent.c.key == new.key)).scalar_one()
    return found


def undone(connection: Connection, clock: Clock, limit: int = 200) -> list[tuple[str, str | None]]:
    """Ids of provider commands that no process carries out, oldest first, each with its entry's."""
    statement = (
        select(intent.c.id, intent.c.entry_id)
        .where(_UNDONE, _is_free(clock), _MAY_LEAVE)
        .order_by(intent.c.created_at, intent.c.id)
        .limit(limit)
    )
    return [(row.id, row.entry_id) for row in connection.execute(statement)]


def _is_free(clock: Clock) -> ColumnElement[bool]:
    """Free to claim: never tried and left alone for long enough, or its lease has run out."""
    return or_(intent.c.lease_until.is_(None), intent.c.lease_until <= clock.at())


def claim(
    connection: Connection, clock: Clock, vault: Vault, wanted: str, lease: timedelta
) -> ClaimedCommand | None:
    """Take a provider command for `lease`; None when another process has it, or it is over.

    The process that has just stored a command need not wait for it to be free.
    """
    may = and_(
        intent.c.id == wanted,
        or_(
            and_(intent.c.state == "pending", or_(intent.c.attempts == 0, _is_free(clock))),
            and_(intent.c.state == "doing", _is_free(clock)),
        ),
        _MAY_LEAVE,
    )
    before = connection.execute(
        select(intent.c.state).where(may).with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if before is None:
        return None
    row = connection.execute(
        update(intent)
        .where(may)
        .values(
            state="doing",
            attempts=intent.c.attempts + 1,
            lease_until=clock.at(lease),
            updated_at=clock.at(),
        )
        .returning(intent)
    ).one_or_none()
    if row is None:
        return None
    arguments = json.loads(vault.open_text(row.arguments_enc, f"intent.arguments:{row.id}") or "{}")
    return from_row(ClaimedCommand, row, arguments=arguments, ambiguous=before == "doing")


def change_claimed(
    connection: Connection, clock: Clock, claimed: ClaimedCommand, **values: Any
) -> bool:
    """Change a command that is claimed; False when another process has taken it over."""
    ours = (
        intent.c.id == claimed.id,
        intent.c.state == "doing",
        intent.c.attempts == claimed.attempts,
    )
    statement = update(intent).where(*ours).values(**values, updated_at=clock.at())
    return connection.execute(statement).rowcount == 1


def settle(connection: Connection, clock: Clock, entry_id: str, kinds: Sequence[str]) -> int:
    """What was asked of these kinds is seen to have happened, or is not wanted any more."""
    return connection.execute(
        update(intent)
        .where(intent.c.entry_id == entry_id, intent.c.kind.in_(kinds), intent.c.state.in_(UNDONE))
        .values(state="done", lease_until=None, updated_at=clock.at())
    ).rowcount


def error_codes(connection: Connection, ids: Collection[str]) -> list[str]:
    """Why some of these failed, oldest first."""
    statement = (
        select(intent.c.error_code)
        .where(intent.c.id.in_(ids), intent.c.state == "failed")
        .order_by(intent.c.created_at)
    )
    return [code for code in connection.execute(statement).scalars() if code]


def pending_of(connection: Connection, entry_id: str) -> list[Pending]:
    """What is not done of an entry, and what could not be, oldest first."""
    statement = (
        select(*columns_of(Pending, intent))
        .where(intent.c.entry_id == entry_id, intent.c.state != "done")
        .order_by(intent.c.created_at, intent.c.id)
    )
    return [Pending(*row) for row in connection.execute(statement)]


def delete_old(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Delete old legs and provider commands: they hold numbers and are of no more use."""
    old = clock.at(-older_than)
    commands = delete(intent).where(intent.c.created_at < old, intent.c.state.not_in(UNDONE))
    lines = delete(leg).where(leg.c.created_at < old, leg.c.state == "ended")
    return sum(connection.execute(statement).rowcount for statement in (commands, lines))
