"""Erase recipients and texts of messages; what was sent, when and by which way stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Update, and_, case, literal, update

from models.clock import Clock
from models.messages.outbox import MOST_IDS, UNSENT
from models.messages.tables import message
from models.tables import nothing_personal


def erase_due(
    connection: Connection, clock: Clock, booking_ids: Sequence[str], after: timedelta
) -> int:
    """Erase recipients and texts of erased bookings, and of other messages older than `after`."""
    old = and_(message.c.booking_id.is_(None), message.c.created_at < clock.at(-after))
    erased: int = connection.execute(_erasing(old)).rowcount
    return erased + erase_of_bookings(connection, booking_ids)


def erase_of_bookings(connection: Connection, booking_ids: Sequence[str]) -> int:
    """Erase recipients and texts of erased bookings; gives how many."""
    erased = 0
    # A statement has only so many parameters.
    for start in range(0, len(booking_ids), MOST_IDS):
        some = booking_ids[start : start + MOST_IDS]
        erased += connection.execute(_erasing(message.c.booking_id.in_(some))).rowcount
    return erased


def erase_some(connection: Connection, ids: Sequence[str]) -> None:
    """Erase recipients and texts of these messages, and what the provider calls them."""
    for start in range(0, len(ids), MOST_IDS):
        some = message.c.id.in_(ids[start : start + MOST_IDS])
        connection.execute(_erasing(some))
        connection.execute(update(message).where(some).values(provider_sid=None))


def _erasing(which: ColumnElement[bool]) -> Update:
    return (
        update(message)
        .where(which, message.c.recipient_enc.is_not(None))
        .values(
            **nothing_personal(message),
            # What was not delivered by now cannot be any more, and no longer stands in the way of
            # a new message to the same person.
            dedupe_key=literal("erased:") + message.c.id,
            state=case((message.c.state.in_(UNSENT), "failed"), else_=message.c.state),
        )
    )
