"""Which places are wished for: windows of time, services, shares, and what makes a place free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    String,
    and_,
    bindparam,
    exists,
    false,
    or_,
    select,
)

from models.centres.tables import centre
from models.clock import Clock, later_than, local_midnight
from models.rows import record
from models.slots.tables import place, service
from models.types import Instant

# Windows of time are half open and UTC; a place belongs to one when it starts in it.
Window = tuple[datetime, datetime]
# A window that nothing starts in.
_NEVER: Window = (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
# How far apart two places of one appointment may begin: see `SlotQuery.beside`.
NEIGHBOURS = timedelta(hours=1)


@dataclass(frozen=True)
class Share:
    """The places that a channel may have: lots from `first_lot` on, and all that start before.

    `common_before` is UTC: what starts so soon is for all channels alike.
    """

    first_lot: int
    common_before: datetime


@dataclass(frozen=True)
class Apart:
    """How many days after the first appointment the second may be, both included.

    Days are those of the centre's calendar.
    """

    least: int
    most: int


class Shape(NamedTuple):
    """What a statement depends on; everything else is a bound value."""

    windows: int
    each: bool = False
    skips: bool = False
    shared: bool = False
    apart: Apart | None = None
    # Whether all centres have one time zone, which is a bound value then.
    zoned: bool = False
    # How many named services a place must serve, and one beside it.
    services: int = 0
    beside: int = 0
    # How many windows each centre has in which its people are elsewhere.
    busy: int = 0


@record(frozen=True)
class SlotQuery:
    """Free places that start in any of the windows, not of these slots.

    With `apart` only those with another free place at the same centre so many days later; without
    a `share`, all places. With `each` there is one window for each centre that is asked.
    """

    windows: tuple[Window, ...]
    each: bool = False
    skip_slots: tuple[int, ...] = ()
    share: Share | None = None
    apart: Apart | None = None
    # The time zone (IANA) of all centres, where it is known to be one.
    zone: str = ""
    # The named services that a place must serve; and those that another place must, which begins at
    # the same centre at most NEIGHBOURS later (without any, no other place is looked for).
    services: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    # By centre, the windows in which no place may start: its people are elsewhere, or on the way.
    busy: Mapping[str, tuple[Window, ...]] = field(default_factory=dict, hash=False)

    @property
    def shape(self) -> Shape:
        return Shape(
            len(self.windows),
            self.each,
            bool(self.skip_slots),
            self.share is not None,
            self.apart,
            self._is_zoned,
            len(self.services),
            len(self.beside),
            max(map(len, self.busy.values()), default=0),
        )

    @property
    def _is_zoned(self) -> bool:
        return self.apart is not None and bool(self.zone)

    @property
    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if not self.each:
            values["earliest"] = min([start for start, _ in self.windows])
            values["latest"] = max([end for _, end in self.windows])
        if self.each or len(self.windows) > 1:
            for number, (start, end) in enumerate(self.windows):
                values |= {f"from_{number}": start, f"until_{number}": end}
        if self.skip_slots:
            values["skip_slots"] = list(self.skip_slots)
        if self._is_zoned:
            values["zone"] = self.zone
        if self.services:
            values |= service_values(self.services)
        for number, name in enumerate(self.beside):
            values[f"beside_{number}"] = name
        if self.share is not None:
            values |= share_values(self.share)
        return values

    def busy_values(self, centre_ids: Sequence[str]) -> dict[str, datetime]:
        """The ends of the windows of these centres, as `busy_ends` names them."""
        ends: dict[str, datetime] = {}
        for one in range(self.shape.busy):
            for number, centre_id in enumerate(centre_ids):
                windows = self.busy.get(centre_id, ())
                opens, closes = windows[one] if one < len(windows) else _NEVER
                ends |= {f"busy_{one}_from_{number}": opens, f"busy_{one}_until_{number}": closes}
        return ends


def service_values(services: Sequence[str]) -> dict[str, Any]:
    return {f"service_{number}": name for number, name in enumerate(services)}


def share_values(share: Share | None) -> dict[str, Any]:
    if share is None:
        return {}
    return {"first_lot": share.first_lot, "common_before": share.common_before}


def is_free(clock: Clock, table: Any = place) -> ColumnElement[bool]:
    """Released and available: not booked, not blocked, not held, or the hold ran out."""
    return and_(
        table.c.booking_id.is_(None),
        table.c.blocked == false(),
        or_(table.c.held_by.is_(None), table.c.hold_expires_at <= clock.at()),
        or_(table.c.released_at.is_(None), table.c.released_at <= clock.at()),
    )


def is_held(clock: Clock) -> ColumnElement[bool]:
    """Of a place that some holder has: it is a hold still, neither booked nor run out."""
    return and_(place.c.booking_id.is_(None), place.c.hold_expires_at > clock.at())


def is_wished(
    clock: Clock,
    table: Any,
    shape: Shape,
    zone: ColumnElement[str] | None = None,
    number: int = 0,
) -> ColumnElement[bool]:
    """What is wished of the centre of this number.

    `zone` is its time zone; a second appointment is looked for by its calendar.
    """

    def within(opens: str, closes: str) -> ColumnElement[bool]:
        return and_(table.c.start_at >= bindparam(opens), table.c.start_at < bindparam(closes))

    if shape.each:
        conditions = [within(f"from_{number}", f"until_{number}")]
    else:
        # The outer bounds first, for they are what the index can seek.
        conditions = [within("earliest", "latest")]
        if shape.windows > 1:
            windows = (within(f"from_{one}", f"until_{one}") for one in range(shape.windows))
            conditions.append(or_(*windows))
    return and_(*conditions, fits(clock, table, shape, zone))


def busy_ends(number: int, windows: int) -> list[BindParameter[datetime]]:
    """When each window of the centre of this number begins and ends, one after the other."""
    names = [f"busy_{one}_{end}_{number}" for one in range(windows) for end in ("from", "until")]
    return [bindparam(name, type_=Instant) for name in names]


def outside_of(table: Any, ends: Sequence[ColumnElement[datetime]]) -> list[ColumnElement[bool]]:
    """That a place starts in none of these windows, whose ends belong to none."""
    start = table.c.start_at
    windows = zip(ends[::2], ends[1::2], strict=True)
    return [or_(start <= opens, start >= closes) for opens, closes in windows]


def fits(
    clock: Clock,
    table: Any,
    shape: Shape,
    zone: ColumnElement[str] | None = None,
    *,
    holder: ColumnElement[str] | None = None,
) -> ColumnElement[bool]:
    """What is wished of a place, whenever it starts; what `holder` holds is as good as free."""
    free = is_free(clock, table)
    if holder is not None:
        own = and_(table.c.booking_id.is_(None), ~table.c.blocked, table.c.held_by == holder)
        # To the letter what the index says, first, or it would not be used.
        free = and_(table.c.booking_id.is_(None), or_(free, own))
    conditions = [free]
    # The time zone is a column of one of these, or is read by itself.
    outside = (table, centre, getattr(zone, "table", centre))
    if shape.skips:
        conditions.append(table.c.slot_id.not_in(bindparam("skip_slots", expanding=True)))
    if shape.shared:
        conditions.append(in_share(table))
    if shape.services:
        conditions.append(serves(table, shape.services))
    if shape.beside:
        next_to = place.alias(f"{table.name}_beside")
        conditions.append(
            exists()
            .where(
                next_to.c.centre_id == table.c.centre_id,
                next_to.c.start_at > table.c.start_at,
                next_to.c.start_at <= later_than(table.c.start_at, NEIGHBOURS),
                is_free(clock, next_to),
                serves(next_to, shape.beside, "beside"),
                *([in_share(next_to)] if shape.shared else ()),
            )
            .correlate(*outside)
        )
    if shape.apart is not None and zone is not None:
        later = place.alias(f"{table.name}_later")
        if shape.zoned:
            zone = bindparam("zone", type_=String)
        opens, closes = (
            local_midnight(table.c.start_at, days, zone)
            for days in (shape.apart.least, shape.apart.most + 1)
        )
        conditions.append(
            exists()
            .where(
                later.c.centre_id == table.c.centre_id,
                later.c.start_at >= opens,
                later.c.start_at < closes,
                is_free(clock, later),
                *([in_share(later)] if shape.shared else ()),
                *([serves(later, shape.services)] if shape.services else ()),
            )
            .correlate(*outside)
        )
    return and_(*conditions)


def in_share(table: Any) -> ColumnElement[bool]:
    return or_(
        table.c.lot >= bindparam("first_lot"), table.c.start_at <= bindparam("common_before")
    )


def serves(table: Any, count: int, names: str = "service") -> ColumnElement[bool]:
    """Whether a slot or a place serves all of so many services, whose names are bound.

    What serves all has no bits; a service that no slot was ever opened for has none either, and
    such slots alone are for it.
    """
    # Uncorrelated, so that each bit is read once and not for each place.
    bits = [
        select(service.c.bit)
        .where(service.c.name == bindparam(f"{names}_{number}"))
        .scalar_subquery()
        for number in range(count)
    ]
    each = (table.c.services.op("&")(bit) != 0 for bit in bits)
    return or_(table.c.services == 0, and_(*each))
