"""Operations: one change to many places at once, and what is needed to carry it on or undo it.

The row is written first. Its `details` hold what the operation has blocked and opened (ranges of
place ids, because whole days have ids in a row) and which bookings it touches. What became of each
booking is a line of that booking's history, so a row stays small however many people are in it.

Only `place.blocked` is written here. The allocator alone writes the holder or booking of a place.
"""

from __future__ import annotations

import json

from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.booking.tables import appointment
from models.centre_day.tables import operation
from models.centres.centres import CentreState
from models.centres.tables import centre
from models.clock import Clock
from models.crypto import Vault
from models.partners.bookings import mirrors
from models.rows import columns_of, from_row, values_of
from models.slots.slot_query import is_free
from models.slots.slots import lot_of
from models.slots.tables import place, slot


@dataclass(frozen=True)
class Operation:
    """One operation; moments are UTC. `undone_at` None means that it is in force.

    `why` is sealed in the store. It is empty where it was read without a vault, and after a year.
    """

    id: str
    kind: str
    centre_id: str
    who: str
    why: str
    at: datetime
    undone_at: datetime | None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlaceState:
    """One place; `held` says that a hold on it is live."""

    id: int
    slot_id: int
    number: int
    booked: bool
    held: bool
    blocked: bool


@dataclass(frozen=True)
class CentreFreeSlot:
    """A slot with its free places, those kept for one channel included; `start_at` is UTC."""

    slot_id: int
    centre_id: str
    start_at: datetime
    free: int


# ---------------------------------------------------------------- ranges of ids

Ranges = list[list[int]]


def with_ids(ranges: Ranges, ids: Collection[int]) -> Ranges:
    """Ranges (both ends included, in rising order) that hold these ids as well."""
    merged: Ranges = []
    for first, last in sorted([*ranges, *([id_, id_] for id_ in ids)]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return merged


def ids_in(ranges: Ranges) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def holds_id(ranges: Ranges, place_id: int) -> bool:
    """Whether ranges in rising order hold an id."""
    before = bisect_right(ranges, place_id, key=lambda one: one[0])
    return bool(before) and place_id <= ranges[before - 1][1]


# ---------------------------------------------------------------- the operation itself


def add(connection: Connection, clock: Clock, vault: Vault, new: Operation) -> None:
    """Store a new operation; its moment is that of the clock."""
    sealed = {"why": "", "why_enc": vault.seal_text(new.why, reason_place(new.id))}
    connection.execute(
        operation.insert().values(
            values_of(new, operation)
            | {"at": clock.at(), "details": _to_json(new.details)}
            | sealed
        )
    )


def reason_place(operation_id: str) -> str:
    """Where the reason of an operation lives, for the vault."""
    return f"operation.why:{operation_id}"


def find(
    connection: Connection, operation_id: str, vault: Vault | None = None, *, lock: bool = False
) -> Operation | None:
    """Read one; with `lock` no other transaction changes it until this one ends."""
    statement = select(operation).where(operation.c.id == operation_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _read(row, vault)


def newest(
    connection: Connection, vault: Vault, *, limit: int, centre_id: str | None = None
) -> list[Operation]:
    """The newest operations first, of one centre or of all, with their reasons."""
    statement = select(operation).order_by(operation.c.at.desc(), operation.c.id.desc())
    return _listed(connection, statement.limit(limit), centre_id, vault)


def in_force(
    connection: Connection, *, centre_id: str | None = None, kinds: Collection[str] = ()
) -> list[Operation]:
    """Operations that are not undone, oldest first: of one centre or all, of some kinds or all.

    Without their reasons.
    """
    statement = select(operation).order_by(operation.c.at, operation.c.id)
    if kinds:
        statement = statement.where(operation.c.kind.in_(kinds))
    return _listed(connection, statement.where(operation.c.undone_at.is_(None)), centre_id)


def _listed(
    connection: Connection,
    statement: Select[Any],
    centre_id: str | None,
    vault: Vault | None = None,
) -> list[Operation]:
    if centre_id is not None:
        statement = statement.where(operation.c.centre_id == centre_id)
    return [_read(row, vault) for row in connection.execute(statement)]


def forget_reasons(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Erase the reasons of operations that are older; gives how many."""
    old = (operation.c.at < clock.at(-after), operation.c.why_enc.is_not(None))
    return connection.execute(update(operation).where(*old).values(why_enc=None)).rowcount


def save_details(connection: Connection, one: Operation) -> None:
    connection.execute(
        update(operation).where(operation.c.id == one.id).values(details=_to_json(one.details))
    )


def set_undone(connection: Connection, clock: Clock, operation_id: str) -> None:
    connection.execute(
        update(operation)
        .where(operation.c.id == operation_id, operation.c.undone_at.is_(None))
        .values(undone_at=clock.at())
    )


def _to_json(details: dict[str, Any]) -> str:
    return json.dumps(details, separators=(",", ":"))


def _read(row: Any, vault: Vault | None) -> Operation:
    why = vault.open_text(row.why_enc, reason_place(row.id)) if vault else None
    return from_row(Operation, row, details=json.loads(row.details), why=why or "")


# ---------------------------------------------------------------- the centre


def set_closed(connection: Connection, clock: Clock, centre_id: str, *, closed: bool) -> None:
    """Close a centre or open it again; one that is so already keeps its moments."""
    closed_at = centre.c.closed_at
    connection.execute(
        update(centre)
        .where(centre.c.id == centre_id, closed_at.is_(None) if closed else closed_at.is_not(None))
        .values(closed_at=clock.at() if closed else None, updated_at=clock.at())
    )


def make_ours(connection: Connection, clock: Clock, centre_id: str) -> None:
    """Let a centre be one that we book for."""
    connection.execute(
        update(centre)
        .where(centre.c.id == centre_id, centre.c.booking_mode != "ours")
        .values(booking_mode="ours", our_mode="ours", updated_at=clock.at())
    )


def unsettled(connection: Connection, clock: Clock) -> list[CentreState]:
    """Centres that are closed or not ours to book for, and still have places that are not blocked.

    Not those that stand for a partner's agendas: their places are opened and blocked as it shows.
    One index seek for each such centre, however many places there are.
    """
    some_place = (
        select(place.c.id)
        .join(slot, slot.c.id == place.c.slot_id)
        .where(
            slot.c.centre_id == centre.c.id,
            slot.c.start_at > clock.at(),
            place.c.blocked == false(),
        )
        .limit(1)
        .correlate(centre)
        .scalar_subquery()
    )
    statement = (
        select(*columns_of(CentreState, centre))
        .where(
            or_(
                centre.c.closed_at.is_not(None),
                and_(centre.c.booking_mode != "ours", ~mirrors(centre.c.id)),
            ),
            some_place.is_not(None),
        )
        .order_by(centre.c.id)
    )
    return [from_row(CentreState, row) for row in connection.execute(statement)]


# ---------------------------------------------------------------- slots and places


def slots_in(connection: Connection, centre_id: str, start: datetime, end: datetime) -> list[int]:
    """The ids of a centre's slots that start from `start` (UTC) on and before `end`, by start."""
    statement = (
        select(slot.c.id)
        .where(slot.c.centre_id == centre_id, slot.c.start_at >= start, slot.c.start_at < end)
        .order_by(slot.c.start_at)
    )
    return list(connection.execute(statement).scalars())


def lock_slot(connection: Connection, slot_id: int) -> None:
    """Keep other transactions from adding places to a slot until this one ends."""
    connection.execute(select(slot.c.id).where(slot.c.id == slot_id).with_for_update())


def places_of(
    connection: Connection, clock: Clock, slot_ids: Collection[int], *, lock: bool = False
) -> list[PlaceState]:
    """Places of slots, by slot and number; with `lock` as they stay until the transaction ends."""
    live = and_(place.c.held_by.is_not(None), place.c.hold_expires_at > clock.at())
    statement = (
        select(
            *columns_of(PlaceState, place),
            place.c.booking_id.is_not(None).label("booked"),
            and_(place.c.booking_id.is_(None), live).label("held"),
        )
        .where(place.c.slot_id.in_(slot_ids))
        .order_by(place.c.slot_id, place.c.number)
    )
    if lock:
        statement = statement.with_for_update()
    return [from_row(PlaceState, row) for row in connection.execute(statement)]


def lock_open(
    connection: Connection,
    centre_id: str,
    start: datetime,
    end: datetime,
    *,
    limit: int,
    wait: bool,
) -> list[int]:
    """Lock places of a centre that are not blocked, booked ones too, and give their ids.

    The soonest come first. In the order of ids PostgreSQL would look for one place through all
    that there are, and where the centre has none left it would read every place of the country.

    Without `wait` those are passed over that another transaction is just writing: a transaction
    that locks many places and waits may cause a deadlock.
    """
    statement = (
        select(place.c.id)
        .join(slot, slot.c.id == place.c.slot_id)
        .where(
            slot.c.centre_id == centre_id,
            slot.c.start_at >= start,
            slot.c.start_at < end,
            place.c.blocked == false(),
        )
        .order_by(slot.c.start_at, place.c.id)
        .limit(limit)
    )
    return _locked(connection, statement, wait=wait)


def set_blocked(
    connection: Connection, place_ids: Collection[int], *, blocked: bool, wait: bool = False
) -> list[int]:
    """Block those of these places that are not, or unblock those that are; gives which.

    Their holder or booking stays as it is. Without `wait` those are passed over that another
    transaction is just writing.
    """
    which = place.c.blocked == (false() if blocked else true())
    found = _locked(connection, _of(place_ids, which), wait=wait)
    if found:
        connection.execute(update(place).where(place.c.id.in_(found)).values(blocked=blocked))
    return found


def _of(place_ids: Collection[int], which: ColumnElement[bool]) -> Select[Any]:
    return select(place.c.id).where(place.c.id.in_(place_ids), which).order_by(place.c.id)


def _locked(connection: Connection, statement: Select[Any], *, wait: bool) -> list[int]:
    locking = statement.with_for_update(of=place, skip_locked=not wait)
    return list(connection.execute(locking).scalars())


def unbooked(connection: Connection, place_ids: Collection[int]) -> list[int]:
    """Those of these places that no booking has."""
    statement = _of(place_ids, place.c.booking_id.is_(None))
    return list(connection.execute(statement).scalars())


def add_slot(connection: Connection, centre_id: str, start: datetime, capacity: int) -> int:
    """A slot without places yet, or the one that is there already; gives its id."""
    connection.execute(
        insert(slot)
        .values(centre_id=centre_id, start_at=start, capacity=capacity, apart=True)
        .on_conflict_do_nothing(index_elements=["centre_id", "start_at"])
    )
    statement = select(slot.c.id).where(slot.c.centre_id == centre_id, slot.c.start_at == start)
    found: int = connection.execute(statement.with_for_update()).scalar_one()
    return found


def add_places(
    connection: Connection,
    slot_id: int,
    count: int,
    *,
    blocked: bool = False,
    like: int | None = None,
) -> list[int]:
    """More places for a slot, which it locks, and whose capacity follows; gives their ids.

    They are not to be had before the last place of the slot `like` is; None: from now on. They
    serve what the slot serves; one without places serves what `like` does.
    """
    lock_slot(connection, slot_id)
    released = select(func.max(place.c.released_at)).where(place.c.slot_id == like)
    its_services = select(slot.c.services).where(slot.c.id == like)
    released_at, services = connection.execute(
        select(released.scalar_subquery(), its_services.scalar_subquery())
    ).one()
    last = connection.execute(
        select(func.coalesce(func.max(place.c.number), 0)).where(place.c.slot_id == slot_id)
    ).scalar_one()
    where = connection.execute(
        update(slot)
        .where(slot.c.id == slot_id)
        .values(
            capacity=last + count,
            services=slot.c.services if last or services is None else services,
        )
        .returning(slot.c.centre_id, slot.c.start_at, slot.c.services)
    ).one()
    rows = [
        {
            "slot_id": slot_id,
            "number": number,
            "centre_id": where.centre_id,
            "start_at": where.start_at,
            "lot": lot_of(slot_id, number, last + count),
            "released_at": released_at,
            "services": where.services,
            "blocked": blocked,
        }
        for number in range(last + 1, last + count + 1)
    ]
    if rows:
        connection.execute(place.insert(), rows)
    statement = select(place.c.id).where(place.c.slot_id == slot_id, place.c.number > last)
    return list(connection.execute(statement.order_by(place.c.id)).scalars())


def free_slots(
    connection: Connection, clock: Clock, centre_id: str, start: datetime, end: datetime
) -> list[CentreFreeSlot]:
    """Slots with free places at a centre that is open and ours, by start; none at another one."""
    statement = (
        select(place.c.slot_id, place.c.centre_id, place.c.start_at, func.count())
        .where(
            place.c.centre_id == centre_id,
            place.c.start_at >= start,
            place.c.start_at < end,
            is_free(clock),
            select(literal(1))
            .where(
                centre.c.id == centre_id,
                centre.c.closed_at.is_(None),
                centre.c.booking_mode == "ours",
            )
            .exists(),
        )
        .group_by(place.c.slot_id, place.c.centre_id, place.c.start_at)
        .order_by(place.c.start_at)
    )
    return [CentreFreeSlot(*row) for row in connection.execute(statement)]


def booked_at(
    connection: Connection, centre_id: str, start: datetime, end: datetime
) -> list[tuple[str, int]]:
    """Bookings with a live appointment at a centre in this time, with its place, by start."""
    statement = (
        select(appointment.c.booking_id, appointment.c.place_id)
        .where(
            appointment.c.centre_id == centre_id,
            appointment.c.start_at >= start,
            appointment.c.start_at < end,
            appointment.c.state == "confirmed",
        )
        .order_by(appointment.c.start_at, appointment.c.id)
    )
    return [(row.booking_id, row.place_id) for row in connection.execute(statement)]
