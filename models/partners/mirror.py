"""Places of ours that stand for free moments in a partner's agendas.

They are opened, blocked and opened again as the partner shows them. This never changes a person's
booking or hold: a place that is booked, or held at this moment, stays as it is. No share of them is
reserved for the telephone, because other people take them on the partner's own site.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, false, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.partners import bookings as orders
from models.partners.tables import partner_booking
from models.slots.tables import place, slot

# Beyond every share: see models.slots.slots.lot_of.
_FOR_ALL: Final = 99


@dataclass
class Mirrored:
    """What changed: places that came or may be had again, and places that may not any more."""

    opened: int = 0
    blocked: int = 0


def block(
    connection: Connection, clock: Clock, place_ids: Collection[int], *, blocked: bool = True
) -> int:
    """Block places without a holder or booking, or open them again; gives how many."""
    which = place.c.id.in_(place_ids)
    return _block(connection, clock, which, blocked=blocked) if place_ids else 0


def block_all(connection: Connection, clock: Clock, centre_id: str) -> int:
    """Block all places of a centre without a holder or booking; gives how many."""
    return _block(connection, clock, place.c.centre_id == centre_id, blocked=True)


def _block(
    connection: Connection, clock: Clock, which: ColumnElement[bool], *, blocked: bool
) -> int:
    before = false() if blocked else true()
    statement = update(place).where(which, place.c.blocked == before, orders.nobodys(clock))
    return connection.execute(statement.values(blocked=blocked)).rowcount


def mirror(
    connection: Connection,
    clock: Clock,
    centre_id: str,
    free: Mapping[datetime, int],
    *,
    since: datetime,
    until: datetime,
    asked_at: datetime,
) -> Mirrored:
    """Let a centre have as many free places as the partner has agendas free, moment by moment.

    `free` is what the partner showed of the time from `since` to `until` (UTC) when it was asked at
    `asked_at`; moments that it did not show are taken. What an order of ours changed after that is
    left for the next reading. In the caller's transaction.
    """
    done = Mirrored()
    left = _touched(connection, centre_id, asked_at)
    there = _places(connection, clock, centre_id, since, until)
    for start in sorted({*free, *there}):
        rows = there.get(start, _NOWHERE)
        if rows.slot_id in left:
            continue
        # What is held is being asked for: the partner may show it as free, still.
        wanted = max(0, free.get(start, 0) - rows.held)
        if wanted < len(rows.open):
            done.blocked += block(connection, clock, rows.open[wanted:])
        elif wanted > len(rows.open):
            again = rows.blocked[: wanted - len(rows.open)]
            done.opened += block(connection, clock, again, blocked=False)
            missing = wanted - len(rows.open) - len(again)
            if missing:
                done.opened += _open(connection, centre_id, start, rows.count, missing)
    return done


@dataclass(frozen=True)
class _Rows:
    """The places of one slot, by what may become of them."""

    slot_id: int
    open: Sequence[int]
    blocked: Sequence[int]
    held: int
    count: int


_NOWHERE: Final = _Rows(0, (), (), 0, 0)


def _touched(connection: Connection, centre_id: str, asked_at: datetime) -> set[int]:
    statement = select(partner_booking.c.appointment_refs).where(
        partner_booking.c.centre_id == centre_id, partner_booking.c.updated_at >= asked_at
    )
    return {
        dose.slot_id
        for refs in connection.execute(statement).scalars()
        for dose in orders.read_doses(refs)
    }


def _places(
    connection: Connection, clock: Clock, centre_id: str, since: datetime, until: datetime
) -> dict[datetime, _Rows]:
    statement = (
        select(
            place.c.id,
            place.c.slot_id,
            place.c.start_at,
            place.c.blocked,
            place.c.booking_id.is_not(None).label("booked"),
            and_(place.c.booking_id.is_(None), ~orders.nobodys(clock)).label("held"),
        )
        .where(
            place.c.centre_id == centre_id,
            place.c.start_at >= since,
            place.c.start_at < until,
        )
        .order_by(place.c.id)
    )
    by_start: dict[datetime, list[Any]] = {}
    for row in connection.execute(statement):
        by_start.setdefault(row.start_at, []).append(row)
    return {
        start: _Rows(
            slot_id=rows[0].slot_id,
            open=[place.id for place in rows if not (place.booked or place.held or place.blocked)],
            blocked=[
                place.id for place in rows if place.blocked and not (place.booked or place.held)
            ],
            held=sum(bool(place.held) for place in rows),
            count=len(rows),
        )
        for start, rows in by_start.items()
    }


def _open(connection: Connection, centre_id: str, start: datetime, count: int, missing: int) -> int:
    """Add places to a slot that has `count`, which may not be there yet; gives how many came."""
    capacity = count + missing
    connection.execute(
        insert(slot)
        .values(centre_id=centre_id, start_at=start, capacity=capacity)
        .on_conflict_do_nothing(index_elements=["centre_id", "start_at"])
    )
    this = and_(slot.c.centre_id == centre_id, slot.c.start_at == start)
    connection.execute(
        update(slot).where(this, slot.c.capacity < capacity).values(capacity=capacity)
    )
    slot_id = connection.execute(select(slot.c.id).where(this)).scalar_one()
    last = connection.execute(
        select(func.coalesce(func.max(place.c.number), 0)).where(place.c.slot_id == slot_id)
    ).scalar_one()
    rows = [
        {
            "slot_id": slot_id,
            "number": number,
            "centre_id": centre_id,
            "start_at": start,
            "lot": _FOR_ALL,
        }
        for number in range(last + 1, capacity + 1)
    ]
    if rows:
        connection.execute(
            insert(place).on_conflict_do_nothing(index_elements=["slot_id", "number"]),
            rows,
        )
    return len(rows)
