"""Messages as staff see them: those of one booking, waiting, undelivered, counted by month.

Nothing is opened: an id, what it tells of, its way and its state are no secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from models.clock import Clock
from models.messages.outbox import FAILING, FOLLOW_UP, FOLLOWS, HELD, MAIL, RESEND, follow, followed
from models.messages.tables import message
from models.prepared import Prepared
from models.rows import columns_of

# What one file may have: a booking that was moved again and again has some dozens.
_MOST = 60
# A finished text tells what was true when it was written. Only these are made anew.
CONFIRMATIONS = ("confirmation", "again", "")
# As the indexes are written, or they would not be used.
_UNSENT = message.c.state.in_([literal_column(f"'{state}'") for state in ("pending", "sending")])
_UNDELIVERED = message.c.state.in_([literal_column(f"'{state}'") for state in FAILING])


@dataclass(frozen=True)
class MessageRow:
    """A message without its words and its recipient. Moments are UTC.

    `follows` is the id of the message in whose place it goes, where it does.
    """

    id: str
    kind: str
    topic: str
    way: str | None
    state: str
    attempts: int
    error_code: str | None
    due_at: datetime
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    follows: str | None


_COLUMNS = columns_of(MessageRow, message)


def _row(row: Any) -> MessageRow:
    *values, key = row
    values.append(followed(row.kind, key))
    return MessageRow(*values)


_OF_BOOKING = Prepared(
    select(*_COLUMNS, message.c.dedupe_key)
    .where(message.c.booking_id == bindparam("the_booking"))
    .order_by(message.c.created_at.desc(), message.c.id.desc())
    .limit(_MOST)
)


def of_booking(connection: Connection, booking_id: str) -> list[MessageRow]:
    """The newest messages of a booking, oldest first."""
    rows = _OF_BOOKING.rows(connection, {"the_booking": booking_id})
    return [_row(row) for row in rows][::-1]


# ---------------------------------------------------------------- what waits


@dataclass(frozen=True)
class TopicBacklog:
    """How many messages about a topic wait, and since when the oldest does (UTC)."""

    topic: str
    count: int
    oldest: datetime


def waiting_by_topic(connection: Connection, clock: Clock) -> list[TopicBacklog]:
    """What waits to leave, by topic; what is promised for later does not wait before that."""
    statement = (
        select(message.c.topic, func.count(), func.min(message.c.created_at))
        .where(_UNSENT, message.c.kind != FOLLOW_UP, message.c.created_at <= clock.at())
        .group_by(message.c.topic)
        .order_by(message.c.topic)
    )
    return [TopicBacklog(*row) for row in connection.execute(statement)]


def pending(connection: Connection, *, topic: str | None, limit: int) -> list[MessageRow]:
    """What has not left, the longest due first; what is for later among it."""
    statement = select(*_COLUMNS, message.c.dedupe_key).where(_UNSENT)
    if topic is not None:
        statement = statement.where(message.c.topic == topic)
    statement = statement.order_by(message.c.due_at, message.c.id).limit(limit)
    return [_row(row) for row in connection.execute(statement)]


# To the letter what the index says, and what waits for no supervisor any more left out.
_HELD = and_(
    message.c.held_at.is_not(None),
    message.c.state == "pending",
    message.c.error_code == HELD,
    message.c.let_go_by.is_(None),
)


@dataclass(frozen=True)
class HeldMessages:
    """How many messages budgets hold back, and since when the oldest is (UTC)."""

    count: int
    oldest: datetime | None


@dataclass(frozen=True)
class HeldMessage:
    """A message that a budget (`why`: number, client, prefix, day) holds back until `due_at`."""

    id: str
    topic: str
    held_at: datetime
    held_why: str
    due_at: datetime
    booking_id: str | None


def held(connection: Connection) -> HeldMessages:
    """What budgets hold back; one look by the index."""
    row = connection.execute(select(func.count(), func.min(message.c.held_at)).where(_HELD)).one()
    return HeldMessages(row[0], row[1])


def list_held(connection: Connection, *, limit: int) -> list[HeldMessage]:
    """The same one by one, the longest held first."""
    statement = (
        select(*columns_of(HeldMessage, message))
        .where(_HELD)
        .order_by(message.c.held_at, message.c.id)
        .limit(limit)
    )
    return [HeldMessage(*row) for row in connection.execute(statement)]


def count_pending(connection: Connection, *, topic: str | None) -> dict[str, int]:
    """How many have not left, by topic."""
    of_topic = () if topic is None else (message.c.topic == topic,)
    return _by_topic(connection, _UNSENT, *of_topic)


# ---------------------------------------------------------------- what came to nothing


def _is_left() -> ColumnElement[bool]:
    """Nothing goes in its place, or ever went."""
    other = message.alias("other")
    return ~exists().where(
        or_(
            # A row that looked and found nothing to do by itself has ended as `dropped`.
            and_(
                other.c.dedupe_key == literal(FOLLOWS[FOLLOW_UP]) + message.c.id,
                other.c.state != "dropped",
            ),
            other.c.dedupe_key == literal(FOLLOWS[RESEND]) + message.c.id,
        )
    )


def missing_by_topic(connection: Connection, since: datetime) -> dict[str, int]:
    """Messages undelivered since then, without another in their place, by topic."""
    return _by_topic(connection, _UNDELIVERED, message.c.updated_at >= since, _is_left())


def _by_topic(connection: Connection, *which: ColumnElement[bool]) -> dict[str, int]:
    statement = select(message.c.topic, func.count()).where(*which).group_by(message.c.topic)
    rows = connection.execute(statement.order_by(message.c.topic))
    return {row[0]: row[1] for row in rows}


def undelivered(
    connection: Connection, *, topic: str, states: Sequence[str], since: datetime
) -> dict[str, bool]:
    """Messages about a topic that came to nothing since then (UTC), oldest first, by their id.

    True: it may go again. False: something goes in its place already, or the same was sent since.
    """
    statement = (
        select(message.c.id, case((_may_go_again(), 1), else_=0))
        .where(
            _UNDELIVERED,
            message.c.state.in_(states),
            message.c.topic == topic,
            message.c.updated_at >= since,
        )
        .order_by(message.c.updated_at, message.c.id)
    )
    return {row[0]: bool(row[1]) for row in connection.execute(statement)}


def may_go_again(connection: Connection, message_id: str) -> bool:
    """The same of one message, whatever its state."""
    statement = select(message.c.id).where(message.c.id == message_id, _may_go_again())
    return connection.execute(statement).first() is not None


def _may_go_again() -> ColumnElement[bool]:
    return and_(
        message.c.state.in_(FAILING),
        _is_left(),
        ~_is_confirmed_since(),
        # Other finished texts speak of their hour alone.
        or_(
            message.c.kind != "sms",
            and_(message.c.booking_id.is_not(None), message.c.topic.in_(CONFIRMATIONS)),
        ),
    )


def _is_confirmed_since() -> ColumnElement[bool]:
    """The appointment was sent to its person once more, by an agent or a process."""
    other = message.alias("later")
    return and_(
        message.c.topic.in_(CONFIRMATIONS),
        message.c.booking_id.is_not(None),
        exists().where(
            other.c.booking_id == message.c.booking_id,
            other.c.topic.in_((*CONFIRMATIONS, "voice")),
            other.c.created_at > message.c.created_at,
            other.c.kind.not_in((FOLLOW_UP, MAIL)),
            other.c.state.not_in((*FAILING, "dropped")),
        ),
    )


def send_again(connection: Connection, clock: Clock, message_ids: Sequence[str]) -> list[str]:
    """Write a row in the place of each that may go again; gives the ids of those messages.

    A second request for the same, even at the same moment, gets none.
    """
    statement = select(message.c.id).where(message.c.id.in_(message_ids), _may_go_again())
    found = connection.execute(statement).scalars().all()
    return [id_ for id_ in found if follow(connection, clock, RESEND, id_)]


# ---------------------------------------------------------------- what it costs


@dataclass(frozen=True)
class Cost:
    """What went about a topic. Calls are messages told by call; minutes are begun ones."""

    topic: str
    texts: int
    parts: int
    calls: int
    minutes: int


def costs(connection: Connection, since: datetime, until: datetime) -> list[Cost]:
    """What left between two moments (UTC, the second excluded), by topic."""
    is_text, is_call = message.c.way == "text", message.c.way == "call"

    def total(which: ColumnElement[bool], of: Any) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((which, of), else_=0)), 0)

    begun = (func.coalesce(message.c.seconds, 0) + 59) // 60
    statement = (
        select(
            message.c.topic,
            total(is_text, 1),
            total(is_text, func.coalesce(message.c.parts, 1)),
            total(is_call, 1),
            total(is_call, begun),
        )
        .where(message.c.sent_at >= since, message.c.sent_at < until)
        .group_by(message.c.topic)
        .order_by(message.c.topic)
    )
    return [
        Cost(row[0], *(int(figure) for figure in row[1:])) for row in connection.execute(statement)
    ]
