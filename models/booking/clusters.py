"""Bookings that resemble one another: live ones that share a name, birth date, number or address.

What they share is a keyed hash, kept for as long as it is looked at and no longer. What an agent
booked is no crowd of one person's. A call shows its number, which a script makes up: those from
numbers in a row, and of one birth date in one postcode, count as well.
"""

from __future__ import annotations

import json

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from models.booking.reach import is_unreached
from models.booking.tables import booking, booking_cluster, freed_cluster
from models.clock import Clock
from models.rows import columns_of, from_row

# By which column of a booking each kind is found, and what may have proved its number.
_UNPROVED: Final = ("", "code")
_UNAIDED: Final = (*_UNPROVED, "line")
KINDS: Final = {
    "name": (booking.c.name_idx, _UNPROVED),
    "born": (booking.c.dob_idx, _UNPROVED),
    "person": (booking.c.alike_idx, _UNAIDED),
    "number": (booking.c.prefix_idx, _UNAIDED),
    "address": (booking.c.client_idx, _UNPROVED),
}
_PUBLIC: Final = ("web", "phone")
# By what bookings could resemble others, and for no other use.
_KEPT: Final = ("name_idx", "prefix_idx", "client_idx", "alike_idx")


@dataclass(frozen=True)
class Cluster:
    """So many live bookings share one value. Moments are UTC: of the first and last booking."""

    id: str
    kind: str
    people: int
    first_at: datetime
    last_at: datetime
    seen_at: datetime


@dataclass(frozen=True)
class FoundCluster:
    """The same before it is written; `value` is the keyed hash that they share."""

    value: bytes
    people: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class FreedCluster:
    """Bookings that a supervisor cancelled together; `undone_at` None: not taken back."""

    id: str
    kind: str
    people: int
    staff_id: str
    freed_at: datetime
    undone_at: datetime | None
    booking_ids: tuple[str, ...] = ()


def _counts(kind: str, clock: Clock, within: timedelta) -> tuple[ColumnElement[bool], ...]:
    _, proofs = KINDS[kind]
    return (
        booking.c.created_at > clock.at(-within),
        booking.c.state == "confirmed",
        booking.c.last_start_at > clock.at(),
        booking.c.channel.in_(_PUBLIC),
        booking.c.reach.in_(proofs),
    )


def sizes(connection: Connection, clock: Clock, kind: str, within: timedelta) -> dict[int, int]:
    """How many values of a kind have so many live bookings of that time: size to values."""
    value, _ = KINDS[kind]
    groups = (
        select(func.count().label("people"))
        .where(value.is_not(None), *_counts(kind, clock, within))
        .group_by(value)
        .subquery()
    )
    statement = select(groups.c.people, func.count()).group_by(groups.c.people)
    return {row[0]: row[1] for row in connection.execute(statement)}


def find(
    connection: Connection, clock: Clock, kind: str, within: timedelta, *, least: int, limit: int
) -> list[FoundCluster]:
    """Values that `least` or more live bookings of that time share, the largest first."""
    value, _ = KINDS[kind]
    count = func.count().label("people")
    statement = (
        select(value, count, func.min(booking.c.created_at), func.max(booking.c.created_at))
        .where(value.is_not(None), *_counts(kind, clock, within))
        .group_by(value)
        .having(count >= least)
        .order_by(count.desc(), value)
        .limit(limit)
    )
    return [FoundCluster(*row) for row in connection.execute(statement)]


def write(
    connection: Connection,
    clock: Clock,
    kind: str,
    found: Sequence[FoundCluster],
    new_ids: Iterator[str],
) -> None:
    """Put what was found in the place of what is there; a value that stays keeps its id."""
    c = booking_cluster.c
    rows = connection.execute(select(c.value_idx, c.id).where(c.kind == kind))
    known = {row.value_idx: row.id for row in rows}
    kept = {cluster.value for cluster in found}
    gone = [known[value] for value in known if value not in kept]
    if gone:
        connection.execute(delete(booking_cluster).where(c.id.in_(gone)))
    for cluster in found:
        values = {
            "people": cluster.people,
            "first_at": cluster.first_at,
            "last_at": cluster.last_at,
            "seen_at": clock.at(),
        }
        if cluster.value in known:
            there = c.id == known[cluster.value]
            connection.execute(update(booking_cluster).where(there).values(**values))
            continue
        new = {"id": next(new_ids), "kind": kind, "value_idx": cluster.value}
        connection.execute(booking_cluster.insert().values(**new, **values))


def shown(connection: Connection, *, limit: int) -> list[Cluster]:
    """What was found last, the largest first."""
    c = booking_cluster.c
    statement = (
        select(*columns_of(Cluster, booking_cluster))
        .order_by(c.people.desc(), c.last_at.desc(), c.id)
        .limit(limit)
    )
    return [from_row(Cluster, row) for row in connection.execute(statement)]


def count(connection: Connection) -> int:
    """How many there are."""
    statement = select(func.count()).select_from(booking_cluster)
    return int(connection.execute(statement).scalar_one())


def members(
    connection: Connection,
    clock: Clock,
    cluster_id: str,
    within: timedelta,
    *,
    limit: int,
    lock: bool = False,
    unreached: bool = False,
) -> tuple[Cluster, list[str]] | None:
    """One of them and the bookings that share its value now, oldest first; None: it is no more.

    With `lock` no other transaction frees it until this one ends. `unreached`: those alone
    that nothing reached (`models.booking.reach`).
    """
    one = select(booking_cluster).where(booking_cluster.c.id == cluster_id)
    row = connection.execute(one.with_for_update() if lock else one).one_or_none()
    if row is None:
        return None
    value, _ = KINDS[row.kind]
    only = (is_unreached(),) if unreached else ()
    statement = (
        select(booking.c.id)
        .where(value == row.value_idx, *_counts(row.kind, clock, within), *only)
        .order_by(booking.c.created_at, booking.c.id)
        .limit(limit)
    )
    return from_row(Cluster, row), list(connection.execute(statement).scalars())


# ---------------------------------------------------------------- what was freed


def add_freed(  # noqa: PLR0917 (a row of the table)
    connection: Connection,
    clock: Clock,
    freed_id: str,
    cluster: Cluster,
    staff_id: str,
    booking_ids: Sequence[str],
) -> None:
    """Note what was freed, and take the cluster off the list."""
    connection.execute(
        freed_cluster.insert().values(
            id=freed_id,
            kind=cluster.kind,
            people=len(booking_ids),
            staff_id=staff_id,
            booking_ids=json.dumps(list(booking_ids)),
            freed_at=clock.at(),
        )
    )
    connection.execute(delete(booking_cluster).where(booking_cluster.c.id == cluster.id))


def freed_lately(connection: Connection, clock: Clock, within: timedelta) -> list[FreedCluster]:
    """What was freed within that time and not taken back, newest first."""
    c = freed_cluster.c
    statement = (
        select(freed_cluster)
        .where(c.freed_at > clock.at(-within), c.undone_at.is_(None))
        .order_by(c.freed_at.desc(), c.id)
    )
    return [_freed(row) for row in connection.execute(statement)]


def take_back(
    connection: Connection, clock: Clock, freed_id: str, within: timedelta
) -> FreedCluster | None:
    """Claim what was freed within that time, once, to be taken back; None: too late, or done."""
    c = freed_cluster.c
    statement = (
        update(freed_cluster)
        .where(c.id == freed_id, c.undone_at.is_(None), c.freed_at > clock.at(-within))
        .values(undone_at=clock.at())
        .returning(*c)
    )
    row = connection.execute(statement).one_or_none()
    return _freed(row) if row else None


def _freed(row: Any) -> FreedCluster:
    return from_row(FreedCluster, row, booking_ids=tuple(json.loads(row.booking_ids)))


# ---------------------------------------------------------------- what is forgotten


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Forget by what bookings of longer ago could resemble others; gives how many.

    With them go clusters, and what was noted of those that were freed.
    """
    late = clock.at(-after)
    connection.execute(delete(booking_cluster).where(booking_cluster.c.seen_at < late))
    connection.execute(delete(freed_cluster).where(freed_cluster.c.freed_at < late))
    known = [booking.c[name] for name in _KEPT]
    statement = (
        update(booking)
        .where(booking.c.created_at < late, or_(*(mark.is_not(None) for mark in known)))
        .values(dict.fromkeys(_KEPT))
    )
    return connection.execute(statement).rowcount
