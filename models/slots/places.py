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
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.dml import ReturningUpdate

from models.call.tables import call
from models.centres.tables import centre
from models.clock import Clock
from models.prepared import Prepared
from models.rows import record
from models.slots import holders
from models.slots.holders import of_any_holder, of_holder
from models.slots.slot_query import (
    Shape,
    Share,
    SlotQuery,
    busy_ends,
    in_share,
    is_free,
    is_held,
    is_wished,
    outside_of,
    serves,
    service_values,
    share_values,
)
from models.slots.tables import place
from models.tables import RowId

# At most so many centres are looked at together, in statements of two sizes.
_RINGS = (12, 60)
# How long a caller waits for a place that another transaction is just taking, before hearing that
# none is free.
PATIENCE = "300ms"
# Places of a booking that was just cancelled are held on this and its id.
UNDO = "undo:"
# Statements are built once for each shape: building takes longer than running them.
_NOBODY: dict[str, Any] = {"held_by": None, "hold_expires_at": None, "hold_limit_at": None}


@record(frozen=True)
class HeldPlace:
    place_id: int
    slot_id: int
    centre_id: str
    start_at: datetime


@dataclass(frozen=True)
class FreeCentres:
    """Centres that have a free place, and how many places there are in all, up to the count."""

    centre_ids: frozenset[str]
    places: int


def look(
    connection: Connection,
    clock: Clock,
    centre_ids: Sequence[str],
    wish: SlotQuery,
    *,
    nearest: int,
    count_up_to: int,
) -> FreeCentres:
    """Look without taking, at centres in this order until so many of them have a free place.

    One index seek a centre, however many slots there are. Only centres that are open and whose
    places this service books count. Places are counted at all of them.
    """
    # Always as many ids, the last one again and again: the same statement for all.
    size = next(size for size in _RINGS if size >= len(centre_ids))
    padded = [*centre_ids, *[centre_ids[-1]] * (size - len(centre_ids))]
    values = {"nearest": nearest, "count_up_to": count_up_to, **wish.values}
    values |= {f"centre_{number}": one for number, one in enumerate(padded)}
    values |= wish.busy_values(padded)
    rows = _look(clock, size, wish.shape).rows(connection, values)
    return FreeCentres(
        centre_ids=frozenset(row.id for row in rows if row.id is not None),
        places=max((row.places for row in rows), default=0),
    )


@lru_cache
def _look(clock: Clock, size: int, shape: Shape) -> Prepared:
    centres: list[BindParameter[str]] = [bindparam(f"centre_{n}") for n in range(size)]
    in_line = {one: number for number, one in enumerate(centres)}
    number = case(in_line, value=centre.c.id).label("number")
    # In order before it is looked for places, so that PostgreSQL looks no further than it must.
    ends = zip(*(busy_ends(number, shape.busy) for number in range(size)), strict=True)
    busy = [
        case(dict(zip(centres, of_each, strict=True)), value=centre.c.id).label(f"busy_{one}")
        for one, of_each in enumerate(ends)
    ]
    asked = (
        select(centre.c.id, centre.c.time_zone, number, *busy)
        .where(
            centre.c.id.in_(centres), centre.c.closed_at.is_(None), centre.c.booking_mode == "ours"
        )
        .order_by(number)
        .subquery("asked")
    )
    mine = place.alias("mine")
    first = (
        select(mine.c.id)
        .where(
            mine.c.centre_id == asked.c.id,
            is_wished(clock, mine, shape, asked.c.time_zone),
            *outside_of(mine, [asked.c[one.name] for one in busy]),
        )
        .order_by(mine.c.start_at, mine.c.lot, mine.c.id)
        .limit(1)
        .scalar_subquery()
    )
    found = (
        select(asked.c.id)
        .where(first.is_not(None))
        .order_by(asked.c.number)
        .limit(bindparam("nearest"))
        .subquery("found")
    )
    near = place.alias("near")
    some = (
        select(near.c.id)
        .where(
            near.c.centre_id.in_(centres),
            is_wished(clock, near, shape._replace(apart=None, beside=0)),
        )
        .limit(bindparam("count_up_to"))
    )
    # In the order of the index. Of a dozen among few centres PostgreSQL would else believe that
    # they are soon found anywhere, and read the table from its beginning: all that is past.
    some = some.order_by(near.c.centre_id, near.c.start_at, near.c.lot, near.c.id)
    count = select(func.count()).select_from(some.subquery()).scalar_subquery().label("places")
    counted = select(count).subquery("counted")
    return Prepared(
        select(found.c.id, counted.c.places).select_from(counted.outerjoin(found, true())),
    )


def hold(
    connection: Connection,
    clock: Clock,
    holder: str,
    centre_ids: Sequence[str],
    wish: SlotQuery,
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
    if not centre_ids:
        # A statement for no centre would have no condition, and hold every place there is.
        return []
    values = {"the_holder": holder, **wish.values}
    values |= {f"centre_{number}": one for number, one in enumerate(centre_ids)}
    values |= wish.busy_values(centre_ids)
    statement = _hold(clock, lease, longest, len(centre_ids), wish.shape, patient)
    return _held(connection, statement, values, patient=patient)


def _held(
    connection: Connection, statement: Prepared, values: dict[str, Any], *, patient: bool
) -> list[HeldPlace]:
    if not patient:
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
    shape: Shape,
    patient: bool,  # noqa: FBT001
) -> Prepared:
    # A patient caller waits for just what would be missed: see `_is_first`.
    by_address = not patient
    picks = []
    for number in range(centres):
        pick = place.alias(f"pick{number}")
        here: BindParameter[str] = bindparam(f"centre_{number}")
        # Uncorrelated, so that it is read once and not for each place.
        zone = select(centre.c.time_zone).where(centre.c.id == here).scalar_subquery()
        wished = and_(
            pick.c.centre_id == here,
            is_wished(clock, pick, shape, zone, number),
            *outside_of(pick, busy_ends(number, shape.busy)),
        )
        picks.append(_is_first(pick, wished, patient=patient, by_address=by_address))
    taking = _taking(clock, or_(*picks), lease, longest)
    return Prepared(holders.noting(taking))


def _is_first(
    pick: Any, wished: ColumnElement[bool], *, patient: bool, by_address: bool = False
) -> ColumnElement[bool]:
    """Whether a place is the earliest of those of `pick` that are wished for, which it locks.

    `by_address`: PostgreSQL takes the row from where it was locked, and does not look for its id in
    another index. A row that another transaction wrote and gave back, and committed after this
    statement began, is missed so: nothing comes back, as where that one had it still.
    """
    mine, first_of = (_address(one) if by_address else one.c.id for one in (place, pick))
    first = (
        select(first_of)
        .select_from(pick)
        .where(wished)
        # Within a slot the phone's share goes first where the channel may have it.
        .order_by(pick.c.start_at, pick.c.lot, pick.c.id)
        .limit(1)
        .with_for_update(skip_locked=not patient)
    )
    # It must be a scalar that is evaluated once. `IN (SELECT … LIMIT 1)` is not: PostgreSQL may run
    # such a subquery for every row and take a place each time.
    return mine == first.scalar_subquery()


def _address(table: Any) -> ColumnElement[Any]:
    """Where PostgreSQL has a row."""
    return literal_column(f"{table.name}.ctid")


def hold_slot(
    connection: Connection,
    clock: Clock,
    holder: str,
    slot_id: int,
    *,
    share: Share | None = None,
    services: Sequence[str] = (),
    lease: timedelta,
    longest: timedelta,
) -> list[HeldPlace]:
    """Hold any free place of one slot; none comes back when it is full, or serves not these."""
    pick = place.alias("pick")
    wished = and_(
        pick.c.slot_id == slot_id,
        is_free(clock, pick),
        *([in_share(pick)] if share else ()),
        *([serves(pick, len(services))] if services else ()),
    )
    statement = _taking(clock, _is_first(pick, wished, patient=False), lease, longest)
    noting = holders.noting(statement)
    values = {"the_holder": holder, **share_values(share), **service_values(services)}
    return [HeldPlace(*row) for row in connection.execute(noting, values)]


def _hold_of(clock: Clock, holder: Any, lease: timedelta, longest: timedelta) -> dict[str, Any]:
    return {
        "held_by": holder,
        "hold_expires_at": clock.at(lease),
        "hold_limit_at": clock.at(longest),
    }


def _is_over(holder: Any) -> Exists:
    """A call that ended holds nothing any more, even if a webhook of it comes late."""
    return exists().where(call.c.id == holder, call.c.ended_at.is_not(None))


def _taking(
    clock: Clock, which: ColumnElement[bool], lease: timedelta, longest: timedelta
) -> ReturningUpdate[Any]:
    return (
        update(place)
        .where(which, is_free(clock), ~_is_over(bindparam("the_holder")))
        .values(**_hold_of(clock, bindparam("the_holder"), lease, longest))
        .returning(place.c.id, place.c.slot_id, place.c.centre_id, place.c.start_at)
    )


def renewal(clock: Clock, lease: timedelta) -> Update:
    """The statement that prolongs the live holds of `:the_holder`; a dead one stays dead."""
    later = clock.at(lease)
    return (
        update(place)
        .where(of_holder(bindparam("the_holder")), is_held(clock))
        .values(
            hold_expires_at=case(
                (place.c.hold_limit_at < later, place.c.hold_limit_at), else_=later
            )
        )
    )


def book(
    connection: Connection,
    clock: Clock,
    holder: str,
    place_ids: Sequence[int],
    booking_id: str,
) -> frozenset[int]:
    """Turn live holds of `holder` into booked places, and give back what else it holds.

    Gives the places that are booked now: fewer than asked where a hold is no more. The booking
    itself must exist when the transaction ends.
    """
    values: dict[str, Any] = {"the_holder": holder, "the_booking": booking_id}
    values |= {f"place_{number}": one for number, one in enumerate(place_ids)}
    rows = _book(clock, len(place_ids)).rows(connection, values)
    return frozenset(row.id for row in rows if row.booking_id is not None)


def give_up(
    connection: Connection, clock: Clock, holder: str, place_ids: Sequence[int]
) -> frozenset[int]:
    """Free all that `holder` holds, as if these had been booked.

    Gives those of `place_ids` that `book` would have booked: it is one statement of the same shape.
    """
    values: dict[str, Any] = {"the_holder": holder, "the_booking": None}
    values |= {f"place_{number}": one for number, one in enumerate(place_ids)}
    rows = _book(clock, len(place_ids)).rows(connection, values)
    return frozenset(row.id for row in rows).intersection(place_ids)


@lru_cache
def _book(clock: Clock, count: int) -> Prepared:
    chosen = place.c.id.in_([bindparam(f"place_{number}") for number in range(count)])
    booked = case((chosen, bindparam("the_booking", type_=place.c.booking_id.type)), else_=None)
    return Prepared(
        update(place)
        .where(
            of_holder(bindparam("the_holder")),
            place.c.booking_id.is_(None),
            # A place is blocked while it is held, when its centre closes: the hold runs out.
            or_(~chosen, and_(place.c.hold_expires_at > clock.at(), place.c.blocked == false())),
        )
        .values(booking_id=booked, **_NOBODY)
        .returning(place.c.id, place.c.booking_id)
    )


def unbook(connection: Connection, booking_id: str, place_ids: Sequence[int] | None = None) -> int:
    """Take places from a booking; they have no holder then. None: all that it has."""
    statement = update(place).where(place.c.booking_id == booking_id)
    if place_ids is not None:
        statement = statement.where(place.c.id.in_(place_ids))
    return connection.execute(statement.values(booking_id=None)).rowcount


def unbook_and_hold(
    connection: Connection,
    clock: Clock,
    booking_id: str,
    place_ids: Sequence[int],
    *,
    keeper: str,
    window: timedelta,
) -> frozenset[int]:
    """Take places from a booking and hold them for `keeper`, for `window` and no longer.

    Gives the places held. Those that are blocked stay as they are: they cannot be booked.
    """
    statement = (
        update(place)
        .where(
            place.c.booking_id == booking_id,
            place.c.id.in_(place_ids),
            place.c.blocked == false(),
        )
        .values(booking_id=None, **_hold_of(clock, keeper, window, window))
        .returning(place.c.id)
    )
    held = list(connection.execute(statement).scalars())
    holders.note(connection, keeper, held)
    return frozenset(held)


def keep(
    connection: Connection,
    clock: Clock,
    holder: str,
    place_ids: Sequence[int],
    *,
    keeper: str,
    window: timedelta,
) -> int:
    """Hand live holds on from `holder` to `keeper`, for `window` and no longer."""
    statement = (
        update(place)
        .where(place.c.held_by == holder, place.c.id.in_(place_ids), is_held(clock))
        .values(**_hold_of(clock, keeper, window, window))
    )
    return _handed_on(connection, statement, keeper)


def hand_over(
    connection: Connection,
    clock: Clock,
    from_any_of: Sequence[str],
    place_ids: Sequence[int],
    *,
    to: str,
    lease: timedelta,
    longest: timedelta,
) -> int:
    """Live holds of any of these holders become those of a call; gives how many did."""
    statement = (
        update(place)
        .where(
            place.c.held_by.in_(from_any_of),
            place.c.id.in_(place_ids),
            is_held(clock),
            place.c.blocked == false(),
            ~_is_over(to),
        )
        .values(**_hold_of(clock, to, lease, longest))
    )
    return _handed_on(connection, statement, to)


def _handed_on(connection: Connection, statement: Update, to: str) -> int:
    """Give holds to another holder; gives how many there were."""
    held = list(connection.execute(statement.returning(place.c.id)).scalars())
    holders.note(connection, to, held)
    return len(held)


# More places in one statement are given back by one that is built for them.
_MOST_RELEASED = 8


@lru_cache
def _release(places: int | None, found: bool) -> Prepared:  # noqa: FBT001
    return Prepared(
        _releasing(
            bindparam("the_holder"),
            None
            if places is None
            else [bindparam(f"place_{number}", type_=RowId) for number in range(places)],
            bindparam("found_by") if found else None,
        )
    )


def _releasing(holder: Any, place_ids: Sequence[Any] | None, found_by: Any) -> ReturningUpdate[Any]:
    which: list[ColumnElement[bool]] = [place.c.booking_id.is_(None)]
    if place_ids is None:
        which.append(of_holder(holder))
    else:
        which += [place.c.held_by == holder, place.c.id.in_(place_ids)]
    if found_by is not None:
        which.append(~_is_over(found_by))
    return update(place).where(*which).values(**_NOBODY).returning(place.c.id)


def release(
    connection: Connection,
    holder: str,
    place_ids: Sequence[int] | None = None,
    *,
    found_by: str = "",
) -> list[int]:
    """Give back what `holder` holds and has not booked, or these places of it; gives which.

    `found_by` is the call that is to find them: for one that is over itself nothing is given back.
    """
    if place_ids is not None and not place_ids:
        return []
    if place_ids is not None and len(place_ids) > _MOST_RELEASED:
        given = literal(found_by) if found_by else None
        statement = _releasing(literal(holder), place_ids, given)
        return sorted(connection.execute(statement).scalars())
    values: dict[str, Any] = {"the_holder": holder, "found_by": found_by}
    values |= {f"place_{number}": one for number, one in enumerate(place_ids or ())}
    statement_of = _release(None if place_ids is None else len(place_ids), bool(found_by))
    return sorted(row.id for row in statement_of.rows(connection, values))


def block_free(connection: Connection, clock: Clock, place_id: int) -> bool:
    """Block a free place, so that it cannot be taken; False where it is held or booked."""
    statement = update(place).where(place.c.id == place_id, is_free(clock)).values(blocked=True)
    return connection.execute(statement).rowcount == 1


def kept_for_undo(
    connection: Connection, clock: Clock, left: timedelta, *, limit: int
) -> list[str]:
    """Bookings that were cancelled and whose places are kept for no more than `left`, or were."""
    kept = (
        select(place.c.held_by)
        .where(
            of_any_holder(),
            place.c.held_by.like(f"{UNDO}%"),
            place.c.booking_id.is_(None),
            place.c.hold_expires_at <= clock.at(left),
        )
        .distinct()
        .limit(limit)
    )
    return [one.removeprefix(UNDO) for one in connection.execute(kept).scalars()]


def forget_ended(connection: Connection, clock: Clock) -> list[int]:
    """Tidy up holds that ran out (they were free already) and those of calls that are over.

    Gives the places. The second kind is left by a webhook that was holding while the call ended.
    """
    statement = (
        update(place)
        .where(
            of_any_holder(),
            or_(place.c.hold_expires_at <= clock.at(), _is_over(place.c.held_by)),
        )
        .values(**_NOBODY)
        .returning(place.c.id)
    )
    found = sorted(connection.execute(statement).scalars())
    holders.forget(connection)
    return found


def count_held(connection: Connection, clock: Clock) -> int:
    """How many places are held at this moment."""
    statement = select(func.count()).where(of_any_holder(), place.c.hold_expires_at > clock.at())
    return connection.execute(statement).scalar_one()
