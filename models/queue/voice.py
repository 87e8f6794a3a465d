"""Messages that go by telephone: the place in the queue that each has, and what its calls cost."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, exists, func, select, text, update

from models.agents.tables import leg
from models.booking.tables import booking
from models.clock import Clock
from models.messages.tables import message
from models.queue import callbacks, queues
from models.queue.tables import queue_entry

# Outcomes of a place that gave way to the person's own promise; and once it was taken anew.
DISPLACED, ANEW = frozenset({callbacks.DISPLACED, "merged"}), "anew"


# To the letter what the index says, or it would not be used.
_GAVE_WAY = text(
    "queue_entry.message_id IS NOT NULL AND queue_entry.outcome IN ('displaced', 'merged')"
)


def displaced(connection: Connection, *, limit: int) -> list[str]:
    """Places of messages that were displaced, and whose number has no live promise by now."""
    other = queue_entry.alias("other_promise")
    in_the_way = exists().where(
        other.c.phone_idx == queue_entry.c.phone_idx,
        other.c.kind == queues.CALLBACK,
        other.c.state.in_(queues.LIVE),
    )
    statement = (
        select(queue_entry.c.id)
        .join(message, message.c.id == queue_entry.c.message_id)
        .where(
            _GAVE_WAY,
            queue_entry.c.state == "left",
            # Of messages that were heard meanwhile, nothing is left to tell.
            message.c.state == "sent",
            ~in_the_way,
        )
        .order_by(queue_entry.c.joined_at)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def agent_spoke(connection: Connection, entry_id: str) -> bool:
    """Whether an agent spoke with the person who was rung for this place, in one of its calls."""
    calls = select(leg.c.provider_sid).where(
        leg.c.entry_id == entry_id, leg.c.kind == queues.CALLBACK
    )
    number = select(queue_entry.c.phone_idx).where(queue_entry.c.id == entry_id)
    statement = select(queue_entry.c.id).where(
        queue_entry.c.phone_idx == number.scalar_subquery(),
        queue_entry.c.call_id.in_(calls),
        queue_entry.c.id != entry_id,
        queue_entry.c.staff_id.is_not(None),
        queue_entry.c.answered_at.is_not(None),
    )
    return connection.execute(statement.limit(1)).first() is not None


_UNTOLD = ("pending", "sending", "sent")


def to_be_rung_about(
    connection: Connection, phone_idx: bytes, topics: Sequence[str], *, limit: int
) -> list[str]:
    """Bookings of a number whose people want to be rung and have not been told of these topics."""
    waits = exists().where(
        message.c.booking_id == booking.c.id,
        message.c.topic.in_(topics),
        message.c.state.in_(_UNTOLD),
    )
    statement = (
        select(booking.c.id)
        .where(booking.c.phone_idx == phone_idx, booking.c.calls, waits)
        .order_by(booking.c.created_at, booking.c.id)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def untold(connection: Connection, booking_id: str, topics: Sequence[str]) -> list[str]:
    """Messages of a booking about these topics that its person has not been told so far."""
    statement = select(message.c.id).where(
        message.c.booking_id == booking_id,
        message.c.topic.in_(topics),
        message.c.state.in_(_UNTOLD),
    )
    return list(connection.execute(statement).scalars())


def promised_for(connection: Connection, booking_id: str, topics: Sequence[str]) -> list[str]:
    """Places that wait to tell messages of a booking about these topics."""
    statement = (
        select(queue_entry.c.id)
        .join(message, message.c.id == queue_entry.c.message_id)
        .where(
            message.c.booking_id == booking_id,
            message.c.topic.in_(topics),
            queue_entry.c.state == "waiting",
        )
    )
    return list(connection.execute(statement).scalars())


def drop(connection: Connection, clock: Clock, message_id: str) -> bool:
    """Drop a message whose promised call is not needed any more; False where it was told.

    The provider reports nothing of such a message: going back to `dropped` contradicts no report.
    """
    statement = (
        update(message)
        .where(message.c.id == message_id, message.c.way == "call", message.c.state == "sent")
        .values(state="dropped", error_code="needless", updated_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def add_seconds(
    connection: Connection, clock: Clock, try_id: str, call_sid: str, seconds: int
) -> bool:
    """Note how long a try lasted, on itself and on its message; False where that is known."""
    noted = connection.execute(
        update(leg)
        .where(leg.c.id == try_id, leg.c.provider_sid == call_sid, leg.c.seconds.is_(None))
        .values(seconds=seconds)
    )
    if noted.rowcount != 1:
        return False
    told = (
        select(queue_entry.c.message_id)
        .join(leg, leg.c.entry_id == queue_entry.c.id)
        .where(leg.c.id == try_id)
        .scalar_subquery()
    )
    connection.execute(
        update(message)
        .where(message.c.id == told)
        .values(seconds=func.coalesce(message.c.seconds, 0) + seconds, updated_at=clock.at())
    )
    return True
