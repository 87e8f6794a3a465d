"""What the public feed of slots is made of: places by slot, and which slots changed.

One short statement for each centre, or for one day of it, so that a server that gives up after some
seconds never has to. What changed is found by rows that are only ever added and by which places are
held now: no transaction of a booking writes anything for the feed.
"""

from __future__ import annotations

import json

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select, true

from models.booking.history import NO_CHANGES
from models.booking.tables import appointment, history
from models.centre_day.tables import operation
from models.clock import Clock
from models.partners.tables import partner_centre
from models.prepared import Prepared
from models.slots.holders import of_any_holder
from models.slots.slot_query import Share, Window, is_free, share_values
from models.slots.tables import place, service, slot

_T = TypeVar("_T")
# Where something is for the feed: a centre, and when a slot of it starts (UTC).
Spot = tuple[str, datetime]
# Ids in one statement.
_AT_ONCE: Final = 500
# The line of a new booking: its places are those of its appointments, so its details are not read.
_BOOKED: Final = "booked"


class FeedSlot(NamedTuple):
    """How many places of a slot the public may have, and how many are booked or held now.

    `release` (UTC) is when the next of its places is released; None: all are.
    """

    id: int
    start_at: datetime
    free: int
    busy: int
    # The bits of the services that it serves; 0: all (models.slots.tables.service).
    services: int = 0
    release: datetime | None = None


@dataclass(frozen=True)
class ChangeMarks:
    """How far the signs of change were read: numbers of rows that are only ever added."""

    history: int = 0
    place: int = 0


@dataclass(frozen=True, slots=True)
class ChangedBooking:
    """A line of history; of one that did more than book, what its details say (JSON)."""

    id: int
    booking_id: str
    details: str | None


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
    return [FeedSlot._make(row) for row in rows]


@lru_cache
def _slots_of(clock: Clock, shared: bool) -> Prepared:  # noqa: FBT001
    mine: ColumnElement[bool] = true()
    if shared:
        mine = or_(
            place.c.lot >= bindparam("first_lot"), place.c.start_at <= bindparam("common_before")
        )
    held = and_(place.c.held_by.is_not(None), place.c.hold_expires_at > clock.at())
    taken = and_(~place.c.blocked, or_(place.c.booking_id.is_not(None), held))
    waits = and_(~place.c.blocked, place.c.released_at > clock.at())

    return Prepared(
        select(
            slot.c.id,
            slot.c.start_at,
            func.count().filter(is_free(clock), mine).label("free"),
            func.count().filter(taken).label("busy"),
            slot.c.services,
            func.min(case((waits, place.c.released_at))).label("release"),
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
            select(func.max(place.c.id)).scalar_subquery(),
        )
    ).one()
    return ChangeMarks(newest[0] or 0, newest[1] or 0)


def newest_line_before(connection: Connection, moment: datetime) -> int:
    """The number of the newest line of history that is older than `moment` (UTC); 0 for none.

    Read backwards from the end, so it costs as much as there is since that moment.
    """
    statement = (
        select(history.c.id).where(history.c.at < moment).order_by(history.c.id.desc()).limit(1)
    )
    return connection.execute(statement).scalar_one_or_none() or 0


def changed_bookings(connection: Connection, after: int, limit: int) -> list[ChangedBooking]:
    """Lines of history with higher numbers than `after`, the lowest first."""
    details = case((history.c.what != _BOOKED, history.c.details))
    statement = (
        select(history.c.id, history.c.booking_id, details)
        .where(history.c.id > after, history.c.what.not_in(sorted(NO_CHANGES)))
        .order_by(history.c.id)
        .limit(limit)
    )
    return [ChangedBooking(*row) for row in connection.execute(statement)]


def spots_of(connection: Connection, lines: Sequence[ChangedBooking]) -> set[Spot]:
    """Where these bookings have their appointments now, and had them until the change."""
    found: set[Spot] = set()
    for some in _in_parts(sorted({line.booking_id for line in lines})):
        statement = select(appointment.c.centre_id, appointment.c.start_at).where(
            appointment.c.booking_id.in_(some)
        )
        found.update((row[0], row[1]) for row in connection.execute(statement))
    left: set[int] = set()
    for line in lines:
        left.update(_left_by(line.details))
    for ids in _in_parts(sorted(left)):
        where = select(place.c.centre_id, place.c.start_at).where(place.c.id.in_(ids))
        found.update((row[0], row[1]) for row in connection.execute(where))
    return found


def _left_by(details: str | None) -> Iterator[int]:
    """The places that a change left, as services.booking and services.centre_day write them."""
    told = json.loads(details) if details else {}
    yield from told.get("freed", ())
    for dose in told.get("from", ()):
        yield dose[1]


def new_places(connection: Connection, after: int, limit: int) -> set[Spot]:
    """Where there are places with higher numbers than `after`; at most so many."""
    statement = (
        select(place.c.centre_id, place.c.start_at)
        .where(place.c.id > after)
        .distinct()
        .limit(limit)
    )
    return {(row[0], row[1]) for row in connection.execute(statement)}


def held_places(connection: Connection) -> dict[int, Spot]:
    """Where each place is that is held, or was until a moment ago."""
    statement = select(place.c.id, place.c.centre_id, place.c.start_at).where(of_any_holder())
    return {row[0]: (row[1], row[2]) for row in connection.execute(statement)}


def operated_on(connection: Connection, moment: datetime) -> set[str]:
    """Centres with an operation that began, or was undone, since then (UTC)."""
    since = or_(operation.c.at >= moment, operation.c.undone_at >= moment)
    return set(connection.execute(select(operation.c.centre_id).distinct().where(since)).scalars())


def mirrored_since(
    connection: Connection, mirrors: ColumnElement[bool], moment: datetime
) -> set[str]:
    """Centres of ours whose places follow a partner's agendas, if those were read since then.

    `mirrors`: which of the partners' centres are such.
    """
    c = partner_centre.c
    statement = select(c.centre_id).where(mirrors, or_(c.read_at >= moment, c.gone_at >= moment))
    return set(connection.execute(statement).scalars())


def _in_parts(some: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(some), _AT_ONCE):
        yield some[start : start + _AT_ONCE]
