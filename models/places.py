"""Places: look for free ones, hold, renew, give back, book.

Every write is conditional on what it needs to be true, in the same statement, by the database's
clock. An expired hold is simply not a hold any more: no sweep is needed for it to be free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    update,
)

from models.clock import Clock
from models.tables import centre, place

# Windows of time are half open and UTC; a place belongs to one when it starts in it.
Window = tuple[datetime, datetime]

_NOBODY: dict[str, Any] = {"held_by": None, "hold_expires_at": None, "hold_limit_at": None}


@dataclass(frozen=True)
class Wish:
    """The earliest free place at one centre, in any of the windows, not of these slots."""

    centre_id: str
    windows: tuple[Window, ...]
    skip_slots: tuple[int, ...] = ()


@dataclass(frozen=True)
class HeldPlace:
    place_id: int
    slot_id: int
    centre_id: str
    start_at: datetime


@dataclass(frozen=True)
class Reach:
    """Which centres have a free place, and how many there are in all, up to the count asked."""

    centre_ids: frozenset[str]
    places: int


def is_free(clock: Clock, table: Any = place) -> ColumnElement[bool]:
    """Nobody has it: not booked, not blocked, not held, or held longer than the hold lasts."""
    return and_(
        table.c.booking_id.is_(None),
        table.c.blocked == false(),
        or_(table.c.held_by.is_(None), table.c.hold_expires_at <= clock.at()),
    )


def look(
    connection: Connection,
    clock: Clock,
    centre_ids: Sequence[str],
    *,
    windows: Sequence[Window],
    skip_slots: Sequence[int] = (),
    count_up_to: int,
) -> Reach:
    """Look without taking: one index seek a centre, however many slots there are.

    Only centres that are open and whose places are ours to give count.
    """
    mine = place.alias("mine")
    first = (
        select(mine.c.id)
        .where(mine.c.centre_id == centre.c.id, _wished(clock, mine, windows, skip_slots))
        .order_by(mine.c.start_at, mine.c.id)
        .limit(1)
        .scalar_subquery()
    )
    near = place.alias("near")
    some = (
        select(near.c.id)
        .where(near.c.centre_id.in_(centre_ids), _wished(clock, near, windows, skip_slots))
        .limit(count_up_to)
        .subquery()
    )
    places = select(func.count()).select_from(some).scalar_subquery()
    rows = connection.execute(
        select(centre.c.id, first.label("first"), places.label("places")).where(
            centre.c.id.in_(centre_ids),
            centre.c.closed_at.is_(None),
            centre.c.booking_mode == "ours",
        )
    ).all()
    return Reach(
        centre_ids=frozenset(row.id for row in rows if row.first is not None),
        places=max((row.places for row in rows), default=0),
    )


def hold(
    connection: Connection,
    clock: Clock,
    holder: str,
    wishes: Sequence[Wish],
    *,
    lease: timedelta,
    longest: timedelta,
) -> list[HeldPlace]:
    """Hold the earliest free place of each wish; fewer come back where others were quicker.

    A row that another transaction is taking is passed over (SKIP LOCKED), so that many callers at
    one centre get different places instead of waiting for the same one.
    """
    picks = []
    for number, wish in enumerate(wishes):
        pick = place.alias(f"pick{number}")
        picks.append(
            select(pick.c.id)
            .where(
                pick.c.centre_id == wish.centre_id,
                _wished(clock, pick, wish.windows, wish.skip_slots),
            )
            .order_by(pick.c.start_at, pick.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    return _hold(
        connection, clock, place.c.id.in_(picks), holder=holder, lease=lease, longest=longest
    )


def hold_slot(
    connection: Connection,
    clock: Clock,
    holder: str,
    slot_id: int,
    *,
    lease: timedelta,
    longest: timedelta,
) -> list[HeldPlace]:
    """Hold any free place of one slot; none comes back when it is full."""
    pick = place.alias("pick")
    chosen = (
        select(pick.c.id)
        .where(pick.c.slot_id == slot_id, is_free(clock, pick))
        .order_by(pick.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return _hold(
        connection, clock, place.c.id == chosen, holder=holder, lease=lease, longest=longest
    )


def _hold(
    connection: Connection,
    clock: Clock,
    which: ColumnElement[bool],
    *,
    holder: str,
    lease: timedelta,
    longest: timedelta,
) -> list[HeldPlace]:
    rows = connection.execute(
        update(place)
        .where(which, is_free(clock))
        .values(held_by=holder, hold_expires_at=clock.at(lease), hold_limit_at=clock.at(longest))
        .returning(place.c.id, place.c.slot_id, place.c.centre_id, place.c.start_at)
    ).all()
    return [HeldPlace(*row) for row in rows]


def renewal(clock: Clock, lease: timedelta) -> Update:
    """The statement that prolongs the live holds of `:holder`; a dead one stays dead."""
    later = clock.at(lease)
    return (
        update(place)
        .where(
            place.c.held_by == bindparam("holder"),
            place.c.booking_id.is_(None),
            place.c.hold_expires_at > clock.at(),
        )
        .values(
            hold_expires_at=case(
                (place.c.hold_limit_at < later, place.c.hold_limit_at), else_=later
            )
        )
    )


def book(connection: Connection, clock: Clock, holder: str, place_id: int, booking_id: str) -> bool:
    """Turn a live hold of `holder` into a booked place; False when the hold is no more.

    The booking itself must exist when the transaction ends.
    """
    statement = (
        update(place)
        .where(
            place.c.id == place_id,
            place.c.held_by == holder,
            place.c.hold_expires_at > clock.at(),
            place.c.booking_id.is_(None),
        )
        .values(booking_id=booking_id, **_NOBODY)
    )
    return connection.execute(statement).rowcount == 1


def release(connection: Connection, holder: str) -> int:
    """Give back everything that `holder` holds and has not booked."""
    statement = (
        update(place)
        .where(place.c.held_by == holder, place.c.booking_id.is_(None))
        .values(**_NOBODY)
    )
    return connection.execute(statement).rowcount


def forget_expired(connection: Connection, clock: Clock) -> int:
    """Tidy up holds that ended; they were free already."""
    statement = (
        update(place)
        .where(place.c.held_by.is_not(None), place.c.hold_expires_at <= clock.at())
        .values(**_NOBODY)
    )
    return connection.execute(statement).rowcount


def count_held(connection: Connection, clock: Clock) -> int:
    """How many places are held at this moment."""
    statement = select(func.count()).where(
        place.c.held_by.is_not(None), place.c.hold_expires_at > clock.at()
    )
    return connection.execute(statement).scalar_one()


def _wished(
    clock: Clock, table: Any, windows: Sequence[Window], skip_slots: Sequence[int]
) -> ColumnElement[bool]:
    # The outer bounds first, for they are what the index can seek.
    conditions = [
        is_free(clock, table),
        table.c.start_at >= min(start for start, _ in windows),
        table.c.start_at < max(end for _, end in windows),
    ]
    if len(windows) > 1:
        conditions.append(
            or_(
                *(and_(table.c.start_at >= start, table.c.start_at < end) for start, end in windows)
            )
        )
    if skip_slots:
        conditions.append(table.c.slot_id.not_in(skip_slots))
    return and_(*conditions)
