"""Places: look for free ones, hold, renew, give back, book.

Every write is conditional on what it needs to be true, in the same statement, by the database's
clock. An expired hold is simply not a hold any more: no sweep is needed for it to be free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Exists,
    Update,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.dml import ReturningUpdate

from models.clock import Clock
from models.prepared import Prepared
from models.tables import call, centre, place

# Windows of time are half open and UTC; a place belongs to one when it starts in it.
Window = tuple[datetime, datetime]

# At most so many centres are looked at together, in statements of two sizes.
_RINGS = (12, 60)
# How long somebody waits for a place that another is just taking, before hearing that none is free.
PATIENCE = "300ms"
# Statements are built once for each shape: building takes longer than running them.
_NOBODY: dict[str, Any] = {"held_by": None, "hold_expires_at": None, "hold_limit_at": None}


@dataclass(frozen=True)
class Wish:
    """Free places that start in any of the windows, not of these slots."""

    windows: tuple[Window, ...]
    skip_slots: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, bool]:
        """What a statement for this wish depends on; everything else is a bound value."""
        return len(self.windows), bool(self.skip_slots)

    @property
    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "earliest": min(start for start, _ in self.windows),
            "latest": max(end for _, end in self.windows),
        }
        if len(self.windows) > 1:
            for number, (start, end) in enumerate(self.windows):
                values |= {f"from_{number}": start, f"until_{number}": end}
        if self.skip_slots:
            values["skip_slots"] = list(self.skip_slots)
        return values


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
    wish: Wish,
    *,
    count_up_to: int,
) -> Reach:
    """Look without taking: one index seek a centre, however many slots there are.

    Only centres that are open and whose places are ours to give count.
    """
    # Always as many ids, the last one again and again: the same statement for all.
    size = next(size for size in _RINGS if size >= len(centre_ids))
    padded = [*centre_ids, *[centre_ids[-1]] * (size - len(centre_ids))]
    values = {"count_up_to": count_up_to, **wish.values}
    values |= {f"centre_{number}": one for number, one in enumerate(padded)}
    rows = _look(clock, size, *wish.shape).rows(connection, values)
    return Reach(
        centre_ids=frozenset(row.id for row in rows if row.first is not None),
        places=max((row.places for row in rows), default=0),
    )


@lru_cache
def _look(clock: Clock, size: int, windows: int, skips: bool) -> Prepared:  # noqa: FBT001
    centres: list[BindParameter[str]] = [bindparam(f"centre_{n}") for n in range(size)]
    mine = place.alias("mine")
    first = (
        select(mine.c.id)
        .where(mine.c.centre_id == centre.c.id, _wished(clock, mine, windows, skips=skips))
        .order_by(mine.c.start_at, mine.c.id)
        .limit(1)
        .scalar_subquery()
    )
    near = place.alias("near")
    some = (
        select(near.c.id)
        .where(near.c.centre_id.in_(centres), _wished(clock, near, windows, skips=skips))
        .limit(bindparam("count_up_to"))
        .subquery()
    )
    places = select(func.count()).select_from(some).scalar_subquery()
    return Prepared(
        select(centre.c.id, first.label("first"), places.label("places")).where(
            centre.c.id.in_(centres), centre.c.closed_at.is_(None), centre.c.booking_mode == "ours"
        )
    )


def hold(
    connection: Connection,
    clock: Clock,
    holder: str,
    centre_ids: Sequence[str],
    wish: Wish,
    *,
    lease: timedelta,
    longest: timedelta,
    patient: bool = False,
) -> list[HeldPlace]:
    """Hold the earliest free place at each centre; fewer come back where others were quicker.

    A row that another transaction is taking is passed over (SKIP LOCKED), so that many callers at
    one centre get different places instead of waiting for the same one. A `patient` caller waits a
    moment (PATIENCE) for what the other does with it.
    """
    values = {"the_holder": holder, **wish.values}
    values |= {f"centre_{number}": one for number, one in enumerate(centre_ids)}
    statement = _hold(clock, lease, longest, len(centre_ids), *wish.shape, patient)
    if not patient or connection.dialect.name == "sqlite":
        return [HeldPlace(*row) for row in statement.rows(connection, values)]
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            held = [HeldPlace(*row) for row in statement.rows(connection, values)]
            connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    except OperationalError:
        return []
    return held


@lru_cache
def _hold(  # noqa: PLR0917
    clock: Clock,
    lease: timedelta,
    longest: timedelta,
    centres: int,
    windows: int,
    skips: bool,  # noqa: FBT001
    patient: bool,  # noqa: FBT001
) -> Prepared:
    picks = []
    for number in range(centres):
        pick = place.alias(f"pick{number}")
        picks.append(
            select(pick.c.id)
            .where(
                pick.c.centre_id == bindparam(f"centre_{number}"),
                _wished(clock, pick, windows, skips=skips),
            )
            .order_by(pick.c.start_at, pick.c.id)
            .limit(1)
            .with_for_update(skip_locked=not patient)
            .scalar_subquery()
        )
    # Each pick must be a scalar that is evaluated once. `IN (SELECT … LIMIT 1)` is not: PostgreSQL
    # may run such a subquery for every row and take a place each time.
    one_of = or_(*(place.c.id == pick for pick in picks))
    return Prepared(_taking(clock, one_of, lease, longest))


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
    statement = _taking(clock, place.c.id == chosen, lease, longest)
    return [HeldPlace(*row) for row in connection.execute(statement, {"the_holder": holder})]


def _is_over(holder: Any) -> Exists:
    """A call that ended holds nothing any more, even if a webhook of it comes late."""
    return exists().where(call.c.id == holder, call.c.ended_at.is_not(None))


def _taking(
    clock: Clock, which: ColumnElement[bool], lease: timedelta, longest: timedelta
) -> ReturningUpdate[Any]:
    return (
        update(place)
        .where(which, is_free(clock), ~_is_over(bindparam("the_holder")))
        .values(
            held_by=bindparam("the_holder"),
            hold_expires_at=clock.at(lease),
            hold_limit_at=clock.at(longest),
        )
        .returning(place.c.id, place.c.slot_id, place.c.centre_id, place.c.start_at)
    )


def renewal(clock: Clock, lease: timedelta) -> Update:
    """The statement that prolongs the live holds of `:the_holder`; a dead one stays dead."""
    later = clock.at(lease)
    return (
        update(place)
        .where(
            place.c.held_by == bindparam("the_holder"),
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
    values = {"the_place": place_id, "the_holder": holder, "the_booking": booking_id}
    return _book(clock).count(connection, values) == 1


@lru_cache
def _book(clock: Clock) -> Prepared:
    return Prepared(
        update(place)
        .where(
            place.c.id == bindparam("the_place"),
            place.c.held_by == bindparam("the_holder"),
            place.c.hold_expires_at > clock.at(),
            place.c.booking_id.is_(None),
        )
        .values(booking_id=bindparam("the_booking"), **_NOBODY)
    )


_RELEASE = Prepared(
    update(place)
    .where(place.c.held_by == bindparam("the_holder"), place.c.booking_id.is_(None))
    .values(**_NOBODY)
)


def release(connection: Connection, holder: str) -> int:
    """Give back everything that `holder` holds and has not booked."""
    return _RELEASE.count(connection, {"the_holder": holder})


def forget_ended(connection: Connection, clock: Clock) -> int:
    """Tidy up holds that ran out (they were free already) and those of calls that are over.

    The second kind is left by a webhook that was holding while the call ended.
    """
    statement = (
        update(place)
        .where(
            place.c.held_by.is_not(None),
            or_(place.c.hold_expires_at <= clock.at(), _is_over(place.c.held_by)),
        )
        .values(**_NOBODY)
    )
    return connection.execute(statement).rowcount


def count_held(connection: Connection, clock: Clock) -> int:
    """How many places are held at this moment."""
    statement = select(func.count()).where(
        place.c.held_by.is_not(None), place.c.hold_expires_at > clock.at()
    )
    return connection.execute(statement).scalar_one()


def _wished(clock: Clock, table: Any, windows: int, *, skips: bool) -> ColumnElement[bool]:
    # The outer bounds first, for they are what the index can seek.
    conditions = [
        is_free(clock, table),
        table.c.start_at >= bindparam("earliest"),
        table.c.start_at < bindparam("latest"),
    ]
    if windows > 1:
        conditions.append(
            or_(
                *(
                    and_(
                        table.c.start_at >= bindparam(f"from_{number}"),
                        table.c.start_at < bindparam(f"until_{number}"),
                    )
                    for number in range(windows)
                )
            )
        )
    if skips:
        conditions.append(table.c.slot_id.not_in(bindparam("skip_slots", expanding=True)))
    return and_(*conditions)
