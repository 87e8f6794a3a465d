"""What the public feed of slots is made of: centres, and how the places of each slot are taken.

One short statement a centre, so that nothing grows with the number of slots, no snapshot of the
database is kept open for long, and a server that gives up after some seconds never has to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
)

from models.booking.tables import appointment, history
from models.centre_day.tables import operation
from models.clock import Clock
from models.prepared import Prepared
from models.slots.places import Share, Window, is_free, share_values
from models.slots.tables import place, service, slot


@dataclass(frozen=True)
class FeedSlot:
    """How many places of a slot the public may have, and how many are booked or held now."""

    id: int
    start_at: datetime
    free: int
    busy: int
    # The bits of the services that it serves; 0: all (models.slots.tables.service).
    services: int = 0


@dataclass(frozen=True)
class ChangeMarks:
    """How far the signs of change were read: numbers of rows that are only ever added."""

    history: int = 0
    slot: int = 0


def service_bits(connection: Connection) -> dict[str, int]:
    """The bit of each named service that a slot was ever opened for."""
    return {row.name: row.bit for row in connection.execute(select(service))}


def slots_of(
    connection: Connection,
    clock: Clock,
    centre_id: str,
    window: Window,
    share: Share | None,
) -> list[FeedSlot]:
    """Slots of a centre that start within a window of time, by their start.

    Places that are blocked or not released yet count for nothing, nor do free ones that another
    channel's share keeps.
    """
    values = {"the_centre": centre_id, "first": window[0], "end": window[1]}
    values |= share_values(share)
    rows = _slots_of(clock, share is not None).rows(connection, values)
    return [FeedSlot(*row) for row in rows]


@lru_cache
def _slots_of(clock: Clock, shared: bool) -> Prepared:  # noqa: FBT001
    mine: ColumnElement[bool] = true()
    if shared:
        mine = or_(
            place.c.lot >= bindparam("first_lot"), place.c.start_at <= bindparam("common_before")
        )
    held = and_(place.c.held_by.is_not(None), place.c.hold_expires_at > clock.at())
    taken = and_(~place.c.blocked, or_(place.c.booking_id.is_not(None), held))

    return Prepared(
        select(
            slot.c.id,
            slot.c.start_at,
            func.count().filter(is_free(clock), mine).label("free"),
            func.count().filter(taken).label("busy"),
            slot.c.services,
        )
        .join(place, place.c.slot_id == slot.c.id)
        .where(
            slot.c.centre_id == bindparam("the_centre"),
            slot.c.start_at >= bindparam("first"),
            slot.c.start_at < bindparam("end"),
        )
        .group_by(slot.c.id, slot.c.start_at, slot.c.services)
        .order_by(slot.c.start_at)
    )


# ---------------------------------------------------------------- signs of change


def seen_now(connection: Connection) -> ChangeMarks:
    """Where the signs are at this moment."""
    newest = connection.execute(
        select(
            select(func.max(history.c.id)).scalar_subquery(),
            select(func.max(slot.c.id)).scalar_subquery(),
        )
    ).one()
    return ChangeMarks(newest[0] or 0, newest[1] or 0)


def changed_since(connection: Connection, seen: ChangeMarks, moment: datetime) -> set[str]:
    """Centres with a change of a booking, a new slot, or an operation since then (UTC)."""
    found: set[str] = set()
    for statement in (
        select(appointment.c.centre_id)
        .distinct()
        .join(history, history.c.booking_id == appointment.c.booking_id)
        .where(history.c.id > seen.history),
        select(slot.c.centre_id).distinct().where(slot.c.id > seen.slot),
        select(operation.c.centre_id)
        .distinct()
        .where(or_(operation.c.at >= moment, operation.c.undone_at >= moment)),
    ):
        found.update(connection.execute(statement).scalars())
    return found


def with_holds(connection: Connection) -> set[str]:
    """Centres where a place is held, or was until a moment ago."""
    statement = select(place.c.centre_id).distinct().where(place.c.held_by.is_not(None))
    return set(connection.execute(statement).scalars())
