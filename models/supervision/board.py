"""What the supervisors' board counts, one statement for each thing, each by an index.

`about` are services by their names (models.about); empty where it is about none that has a name.
Spans are half open: from `since`, up to `until` and without it. Nothing of a caller leaves here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    case,
    func,
    null,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from models.about import SEVERAL
from models.accounts.tables import staff
from models.agents.tables import agent
from models.booking.bookings import STAND_INS
from models.booking.tables import appointment_for, booking
from models.call.tables import call, turn
from models.clock import Clock
from models.messages.outbox import FOLLOW_UP
from models.messages.tables import message
from models.queue.tables import BUSY, IN_LINE, PROMISED, queue_entry
from models.rows import columns_of, from_row
from models.turn_days import called_since, is_of_call
from models.waiting_list.tables import waiting_entry

# Word for word the conditions of the indexes, or it would not be used. Calls that the machine
# makes are in the same table, but in no agent's queue.
_FOR_AGENTS = queue_entry.c.mode == "agent"
# With a place, and no agent has answered.
_UNSERVED = ("waiting", "kept", "reserved")
_UNDELIVERED = text("message.state IN ('failed', 'undelivered')")


# ---------------------------------------------------------------- turns


def moves_between(
    connection: Connection, since: datetime, until: datetime
) -> list[tuple[str, str, str, str, int]]:
    """Where calls were before the turns of a span, their step, outcome and `about`, and how many.

    Before the answer to its ring a call is at "".
    """
    earlier = turn.alias("earlier")
    # A look by the key for each turn: a join might read the whole table.
    before = (
        select(earlier.c.step)
        .where(
            earlier.c.call_id == turn.c.call_id,
            earlier.c.number == turn.c.number - 1,
            earlier.c.rang_on == turn.c.rang_on,
        )
        .scalar_subquery()
    )
    spans = (
        select(
            func.coalesce(before, "").label("before"),
            turn.c.step,
            turn.c.outcome,
            _about(turn).label("about"),
        )
        .where(turn.c.at >= since, turn.c.at < until)
        .subquery()
    )
    columns = (spans.c.before, spans.c.step, spans.c.outcome, spans.c.about)
    statement = select(*columns, func.count()).group_by(*columns)
    return [(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(statement)]


def _about(table: Table) -> ColumnElement[str]:
    return func.coalesce(table.c.about, "")


def are_more(connection: Connection, since: datetime, until: datetime, most: int) -> bool:
    """Whether a span has more turns than that; no more of them are read."""
    some = select(turn.c.number).where(turn.c.at >= since, turn.c.at < until).limit(most + 1)
    found = connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
    return int(found) > most


def _is_newest() -> ColumnElement[bool]:
    later = turn.alias("later")
    newest = select(func.max(later.c.number)).where(is_of_call(later))
    return turn.c.number == newest.scalar_subquery()


def _its_turns() -> FromClause:
    """Calls with their turns."""
    return call.join(turn, is_of_call())


# ---------------------------------------------------------------- calls


def live_by_step(
    connection: Connection, started: datetime, heard: datetime
) -> list[tuple[str, str, int]]:
    """Calls that go on by step and `about`: begun since `started`, heard of since `heard`."""
    about = _about(turn)
    statement = (
        select(turn.c.step, about, func.count())
        .select_from(_its_turns())
        .where(call.c.started_at >= started, call.c.ended_at.is_(None), _is_newest())
        .where(turn.c.at >= heard, called_since(turn.c.rang_on, started))
        .group_by(turn.c.step, turn.c.about)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(statement)]


def ends_between(
    connection: Connection, since: datetime, until: datetime
) -> list[tuple[str, str, int]]:
    """How many calls of a span ended at which step, and what they were about then."""
    statement = (
        select(turn.c.step, _about(turn), func.count())
        .select_from(_its_turns())
        .where(call.c.ended_at >= since, call.c.ended_at < until, _is_newest())
        .where(called_since(turn.c.rang_on, since))
        .group_by(turn.c.step, turn.c.about)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(statement)]


def calls_by_number(
    connection: Connection, since: datetime, until: datetime
) -> list[tuple[str, int]]:
    """Calls that began in a span by the number of ours that was called; the default has none."""
    statement = (
        select(call.c.called, func.count())
        .where(call.c.started_at >= since, call.c.started_at < until, call.c.called.is_not(None))
        .group_by(call.c.called)
    )
    return [(row[0], row[1]) for row in connection.execute(statement)]


# ---------------------------------------------------------------- bookings


def bookings_by_number(
    connection: Connection, since: datetime, until: datetime
) -> list[tuple[str, int]]:
    """Bookings of a span by the number of ours that their call came in by."""
    statement = (
        select(booking.c.called, func.count())
        .where(
            booking.c.created_at >= since,
            booking.c.created_at < until,
            booking.c.called.is_not(None),
            booking.c.state.not_in(STAND_INS),
        )
        .group_by(booking.c.called)
    )
    return [(row[0], row[1]) for row in connection.execute(statement)]


def bookings_between(
    connection: Connection, since: datetime, until: datetime
) -> list[tuple[datetime, str, str]]:
    """Bookings of a span, whatever became of them: when (UTC), by which channel, and `about`.

    A booking is about the services of its appointments.
    """
    statement = (
        select(booking.c.id, booking.c.created_at, booking.c.channel, appointment_for.c.service)
        .outerjoin(appointment_for, appointment_for.c.booking_id == booking.c.id)
        .where(
            booking.c.created_at >= since,
            booking.c.created_at < until,
            booking.c.state.not_in(STAND_INS),
        )
    )
    found: dict[str, tuple[datetime, str, set[str]]] = {}
    for number, at, channel, service in connection.execute(statement):
        services = found.setdefault(number, (at, channel, set()))[2]
        if service:
            services.add(service)
    return [(at, channel, SEVERAL.join(sorted(names))) for at, channel, names in found.values()]


def waiting_lists(connection: Connection) -> dict[str, int]:
    """How many people are on the waiting list of each campaign."""
    statement = (
        select(waiting_entry.c.campaign, func.count())
        .where(text("waiting_entry.state IN ('waiting', 'offered')"))
        .group_by(waiting_entry.c.campaign)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


# ---------------------------------------------------------------- the line of people


@dataclass(frozen=True, slots=True)
class AnsweredEntry:
    """A person an agent has spoken with. `told_seconds` were told at `told_at`. UTC."""

    queue_id: str
    kind: str
    joined_at: datetime
    answered_at: datetime
    told_seconds: int | None
    told_at: datetime | None
    reason: str
    # The number of ours that was called; None: the default.
    called: str | None = None
    about: str | None = None


def answered_between(
    connection: Connection, since: datetime, until: datetime
) -> list[AnsweredEntry]:
    """The entries that agents answered in a span; people the machine rang talked with none."""
    statement = select(*columns_of(AnsweredEntry, queue_entry)).where(
        queue_entry.c.answered_at >= since, queue_entry.c.answered_at < until, _FOR_AGENTS
    )
    return [AnsweredEntry(*row) for row in connection.execute(statement)]


def left_between(
    connection: Connection, since: datetime, until: datetime
) -> list[tuple[datetime, str, str, str | None, str]]:
    """Callers who left the queue unanswered: when (UTC), queue, outcome, number called, `about`.

    Callbacks do not wait on the line.
    """
    columns = (queue_entry.c[name] for name in ("ended_at", "queue_id", "outcome", "called"))
    statement = select(*columns, _about(queue_entry)).where(
        queue_entry.c.ended_at >= since,
        queue_entry.c.ended_at < until,
        queue_entry.c.state == "left",
        queue_entry.c.kind == "call",
        queue_entry.c.answered_at.is_(None),
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(statement)]


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Entries of one queue, kind, state and `about`; `since`: where the oldest stands (UTC).

    Of those on the line: since when they are, for a place may be older than that. `due`: how many
    of them come before a caller who rings now.
    """

    queue_id: str
    kind: str
    state: str
    count: int
    since: datetime
    due: int
    about: str | None = None


def in_line(connection: Connection, clock: Clock, due_within: timedelta) -> list[QueueCounts]:
    """All people with a place or an agent at this moment; calls of the machine do not count.

    `due_within`: a callback that may be made so soon counts as due.
    """
    columns = (queue_entry.c.queue_id, queue_entry.c.kind, queue_entry.c.state)
    due = func.count().filter(queue_entry.c.due_at <= clock.at(due_within))
    found = []
    # Each part has an index of its own.
    for part in (IN_LINE, BUSY):
        of = queue_entry.c.about
        counted = (func.count(), func.min(_HERE), due)
        statement = select(*columns, *counted, of).where(part, _FOR_AGENTS)
        statement = statement.group_by(*columns, of)
        found += [QueueCounts(*row) for row in connection.execute(statement)]
    return found


# Since when an entry waits: a caller who rings for a place that was kept or promised is due from
# that moment on.
_RANG_LATER = and_(queue_entry.c.kind == "call", queue_entry.c.due_at > queue_entry.c.joined_at)
_HERE = case((_RANG_LATER, queue_entry.c.due_at), else_=queue_entry.c.joined_at)


@dataclass(frozen=True, slots=True)
class NumberCounts:
    """Unanswered entries of one kind and state by the number called; `since` as of QueueCounts."""

    called: str | None
    kind: str
    state: str
    count: int
    since: datetime


def in_line_by_number(connection: Connection) -> list[NumberCounts]:
    """All people that no agent has answered yet, by the number of ours that they called."""
    columns = (queue_entry.c.called, queue_entry.c.kind, queue_entry.c.state)
    found = []
    for part in (IN_LINE, BUSY):
        statement = select(*columns, func.count(), func.min(_HERE)).where(
            part, _FOR_AGENTS, queue_entry.c.state.in_(_UNSERVED)
        )
        rows = connection.execute(statement.group_by(*columns))
        found += [NumberCounts(*row) for row in rows]
    return found


@dataclass(frozen=True, slots=True)
class EntrySeen:
    """One place in the queue, or one conversation. `since` is its place (UTC)."""

    id: str
    queue: str
    kind: str
    state: str
    since: datetime
    staff: str | None
    # Where in the conversation a person was asked for, or why.
    reason: str = ""
    # The number of ours that was called; None: the default.
    called: str | None = None
    about: str | None = None


_ENTRY = tuple(
    queue_entry.c[n]
    for n in (
        "id", "queue_id", "kind", "state", "joined_at", "staff_id", "reason", "called", "about"
    )
)  # fmt: skip


def entries(connection: Connection, most: int) -> list[EntrySeen]:
    """The oldest places of callers who wait, and all entries that are with an agent."""
    order = (queue_entry.c.joined_at, queue_entry.c.id)
    waiting = select(*_ENTRY).where(IN_LINE, _FOR_AGENTS).order_by(*order).limit(most)
    with_agents = queue_entry.c.state.in_(("reserved", "talking"))
    busy = select(*_ENTRY).where(BUSY, _FOR_AGENTS, with_agents)
    rows = [*connection.execute(busy.order_by(*order)), *connection.execute(waiting)]
    return [EntrySeen(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class OwedCallbacks:
    """Callbacks that are owed: how many, of these overdue, and the latest hour promised (UTC)."""

    promised: int
    overdue: int
    first: datetime | None
    last: datetime | None


def together(parts: Sequence[OwedCallbacks]) -> OwedCallbacks:
    """What is owed by several parts of them."""
    return OwedCallbacks(
        sum(part.promised for part in parts),
        sum(part.overdue for part in parts),
        min((part.first for part in parts if part.first), default=None),
        max((part.last for part in parts if part.last), default=None),
    )


def promised(connection: Connection, now: datetime) -> dict[str, OwedCallbacks]:
    """Callbacks that agents still owe by `about`, those that are being rung among them.

    What the machine rings by itself does not count.
    """
    about = queue_entry.c.about
    statement = select(
        about,
        func.count(),
        func.count().filter(queue_entry.c.expected_at < now),
        func.min(queue_entry.c.expected_at),
        func.max(queue_entry.c.expected_at),
    ).where(PROMISED, queue_entry.c.state.in_(("waiting", "reserved")), _FOR_AGENTS)
    rows = connection.execute(statement.group_by(about))
    return {row[0] or "": OwedCallbacks(*row[1:]) for row in rows}


@dataclass(frozen=True, slots=True)
class Unserved:
    """Since when a person was in a queue without an agent's answer, and until when (UTC).

    `until` is None where they are so now.
    """

    queue_id: str
    since: datetime
    until: datetime | None
    about: str

    def at(self, moment: datetime) -> bool:
        """Whether they were so at a moment (UTC)."""
        return self.since <= moment and (self.until is None or self.until > moment)


def unserved(connection: Connection, since: datetime, until: datetime) -> list[Unserved]:
    """The people of agents' queues, on the line or promised a call, who waited since then.

    That is who waits now, and who was answered or left between `since` and `until`. A place that
    is kept for a caller whose line was cut counts; what the machine rings by itself does not.
    """
    # A person who came back to an older place was not here all that time.
    joined, created = queue_entry.c.joined_at, queue_entry.c.created_at
    began = case((created > joined, created), else_=joined)
    answered, ended = queue_entry.c.answered_at, queue_entry.c.ended_at
    parts = (
        (null(), (IN_LINE,)),
        (null(), (BUSY, queue_entry.c.state.in_(("reserved", "kept")))),
        (answered, (answered > since, answered <= until, queue_entry.c.state.not_in(_UNSERVED))),
        (ended, (ended > since, ended <= until, answered.is_(None))),
    )
    found = []
    for over, conditions in parts:
        columns = (queue_entry.c.queue_id, began, over, _about(queue_entry))
        statement = select(*columns).where(*conditions, _FOR_AGENTS)
        found += [Unserved(*row) for row in connection.execute(statement)]
    return found


def length_at(
    connection: Connection, moment: datetime, reach: timedelta
) -> dict[tuple[str, str], int]:
    """How long each queue was at a moment, by `about`: joined by then, not answered and not gone.

    `reach`: the longest wait, callbacks included.
    """
    some = unserved(connection, moment, moment + reach)
    return dict(Counter((row.queue_id, row.about) for row in some if row.at(moment)))


# ---------------------------------------------------------------- agents


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """An agent as colleagues may see them; `since` and `seen_at` are UTC."""

    staff_id: str
    name: str
    state: str
    since: datetime
    reason: str
    entry_id: str | None
    voice: str
    languages: str
    seen_at: datetime


def agents(connection: Connection) -> list[AgentSeen]:
    """All agents who are not offline, by name."""
    statement = (
        select(*columns_of(AgentSeen, agent), *columns_of(AgentSeen, staff))
        .join(staff, staff.c.id == agent.c.staff_id)
        .where(agent.c.state != "offline", staff.c.disabled_at.is_(None))
        .order_by(staff.c.name, staff.c.id)
    )
    return [from_row(AgentSeen, row) for row in connection.execute(statement)]


# ---------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts that did not arrive, and those whose fate is not known; `oldest` unsent (UTC)."""

    failed: int
    undelivered: int
    unclear: int
    unsent: int
    oldest: datetime | None


# A text has no `way` while the provider's answer was lost, or was a refusal.
_IS_TEXT = or_(message.c.way == "text", and_(message.c.way.is_(None), message.c.kind == "sms"))


def texts(connection: Connection, clock: Clock, since: datetime) -> Texts:
    """Of texts that came to their end since then, and of those still here."""
    ended = (
        select(message.c.state, func.count())
        .where(_UNDELIVERED, message.c.updated_at >= since, _IS_TEXT)
        .group_by(message.c.state)
    )
    bad = {row[0]: row[1] for row in connection.execute(ended)}
    # An answer of the provider that was lost, or a relay that died on the way.
    unclear = and_(
        message.c.state == "sending",
        or_(message.c.error_code.is_not(None), message.c.lease_until < clock.at()),
    )
    here = select(
        func.count(),
        func.min(message.c.created_at),
        func.count().filter(unclear),
    ).where(
        text("message.state IN ('pending', 'sending')"),
        # What looks at another one sends nothing, or is followed itself.
        message.c.kind != FOLLOW_UP,
        message.c.created_at <= clock.at(),
    )
    row = connection.execute(here).one()
    return Texts(bad.get("failed", 0), bad.get("undelivered", 0), row[2], row[0], row[1])


def undelivered_between(connection: Connection, since: datetime, until: datetime) -> int:
    """Texts that came to nothing in a span."""
    statement = select(func.count()).where(
        _UNDELIVERED,
        message.c.updated_at >= since,
        message.c.updated_at < until,
        _IS_TEXT,
    )
    return int(connection.execute(statement).scalar_one())


# ---------------------------------------------------------------- upkeep


def summarise(connection: Connection) -> bool:
    """Let PostgreSQL's summaries of pages cover the newest ones, which are asked for each second.

    The function of migration 0021 does it as the owner of the indexes. False where another process
    has locked the table (a vacuum, which does this itself at its end), and where this role may not
    call it.
    """
    try:
        connection.execute(select(func.summarise_moments()))
    except DBAPIError:
        return False
    return True
