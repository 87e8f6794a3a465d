"""Which entries of the waiting list come first for a place, and how many come before one."""

from __future__ import annotations

import math

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from models.centres.geography import EARTH_RADIUS_KM, distance_km
from models.centres.tables import centre
from models.clock import Clock
from models.messages.tables import message
from models.slots.slot_query import is_free, serves, service_values
from models.slots.tables import place
from models.waiting_list.tables import waiting_entry
from models.waiting_list.waiting import LIVE, WAITING, band_of, is_booked_otherwise, names_of, wants

# As many are given together: more than there are threads that offer at the same time.
_PAGE = 20
# So many entries that wait longest in one territory are looked at before the neighbourhood is.
_FIRST = 500
KILOMETRES_PER_DEGREE = math.radians(1) * EARTH_RADIUS_KM
# A flat map is wrong by less than this at the distances of a waiting list. Entries that pass are
# measured exactly.
_FLAT = 1.04


@dataclass(frozen=True)
class Freed:
    """A place that is free, at a centre for which people may wait; `start_at` is UTC."""

    place_id: int
    slot_id: int
    centre_id: str
    start_at: datetime
    latitude: float | None
    longitude: float | None
    territory: str
    time_zone: str
    centre_name: str
    town: str


@dataclass(frozen=True)
class WaitingListCandidate:
    """An entry that a place may suit. `booked`: its person has an appointment by now.

    `order`: its class, since when it waits, and its id; the lowest comes first.
    """

    id: str
    booked: bool
    order: tuple[int, datetime, str]


def freed(
    connection: Connection,
    clock: Clock,
    campaign: str,
    place_ids: Collection[int],
    service: str = "",
) -> list[Freed]:
    """Those of these places that are free and for which people may wait, by their start.

    With a `service`, that of the campaign, those that serve it; people who want it with others wait
    for them, too. At centres that are open and whose
    places this service books. Where the list is empty, this is the only statement.
    """
    mine = and_(LIVE, wants(waiting_entry.c, campaign, named=bool(service)))
    columns: list[Any] = [
        *(place.c[name] for name in ("id", "slot_id", "centre_id", "start_at")),
        *(centre.c[name] for name in ("latitude", "longitude", "territory")),
        *(centre.c[name] for name in ("time_zone", "name", "town")),
    ]
    statement = (
        select(*columns)
        .join(centre, centre.c.id == place.c.centre_id)
        .where(
            place.c.id.in_(place_ids),
            is_free(clock),
            *([serves(place, 1)] if service else []),
            centre.c.closed_at.is_(None),
            centre.c.booking_mode == "ours",
            or_(
                exists().where(mine, waiting_entry.c.centre_id == centre.c.id).correlate(centre),
                exists()
                .where(mine, waiting_entry.c.territory == centre.c.territory)
                .correlate(centre),
            ),
        )
        .order_by(place.c.start_at, place.c.id)
    )
    values = service_values([service] if service else [])
    return [Freed(*row) for row in connection.execute(statement, values)]


def candidates(
    connection: Connection,
    campaign: str,
    one: Freed,
    *,
    most_kilometres: float,
    most_doses: int,
    without: Sequence[str] = (),
    named: bool = False,
) -> list[WaitingListCandidate]:
    """The first entries that may want a place, in order; an empty list means that none does.

    Locks nothing. Those that were asked about this slot before are left out, and `without`.
    `named`: the campaign is of a service with a name, and people who want it with others count.

    Reads few rows however many wait. Of the entries by distance it reads the first few hundred of
    the territory. Where none of these is near, it reads the neighbourhood, which then is small.
    """
    asks = _Asks(campaign, one, most_doses, most_kilometres, named)
    rows = list(connection.execute(asks.at_centre(without)))
    if one.latitude is not None:
        at_centre, whole = rows, len(rows) < _PAGE
        by_distance, all_near = _near(connection, asks, without)
        # Each of the two lists may end early. An entry counts only while no unread entry of the
        # other list can come before it.
        rows = [row for row in at_centre if all_near or _key(row) < _key(by_distance[-1])]
        rows += [row for row in by_distance if whole or _key(row) < _key(at_centre[-1])]
    return [
        WaitingListCandidate(row.id, bool(row.booked), _key(row)) for row in sorted(rows, key=_key)
    ]


def _near(connection: Connection, asks: _Asks, without: Sequence[str]) -> tuple[list[Any], bool]:
    """The first of those by distance, in order; and whether there are no others."""
    skip = list(without)
    for ask in (asks.first_of_all, asks.near):
        while True:
            rows = connection.execute(ask(skip)).all()
            found = [row for row in rows if _reaches(row, asks)]
            if found:
                return found, ask == asks.near and len(rows) < _PAGE
            if len(rows) < _PAGE:
                break
            # All of these were just beyond their own distance.
            skip += [row.id for row in rows]
    return [], True


@dataclass(frozen=True)
class _Asks:
    """The three statements that look for entries for a place; each gives a page, in order."""

    campaign: str
    one: Freed
    most_doses: int
    most_kilometres: float
    named: bool

    def at_centre(self, without: Sequence[str]) -> Select[Any]:
        entry = waiting_entry.c
        here = self._select(entry, without).where(LIVE, entry.centre_id == self.one.centre_id)
        return here.order_by(entry.class_rank, entry.created_at, entry.id)

    def first_of_all(self, without: Sequence[str]) -> Select[Any]:
        entry = waiting_entry.c
        order = (entry.class_rank, entry.created_at, entry.id)
        first = select(waiting_entry).where(LIVE, entry.territory == self.one.territory)
        some = first.order_by(*order).limit(_FIRST).subquery().c
        found = self._select(some, without).where(self._within(some))
        return found.order_by(some.class_rank, some.created_at, some.id)

    def near(self, without: Sequence[str]) -> Select[Any]:
        entry = waiting_entry.c
        there = self._select(entry, without).where(
            LIVE, entry.territory == self.one.territory, *self._box(), self._within(entry)
        )
        # Not a bare column, or a database would walk along the order of all instead of looking
        # into the neighbourhood.
        return there.order_by(entry.class_rank + 0, entry.created_at, entry.id)

    def _select(self, entry: Any, without: Sequence[str]) -> Select[Any]:
        booked = is_booked_otherwise(entry)
        asked = exists().where(
            message.c.dedupe_key == literal("waiting:") + entry.id + literal(f":{self.one.slot_id}")
        )
        columns: list[Any] = [entry.class_rank, entry.created_at, entry.id]
        columns += [entry.latitude, entry.longitude, entry.kilometres]
        statement = select(*columns, case((booked, 1), else_=0).label("booked")).where(
            entry.state == WAITING,
            wants(entry, self.campaign, named=self.named),
            # How many places several services need is another matter.
            or_(entry.doses <= self.most_doses, entry.beside.is_not(None))
            if self.named
            else entry.doses <= self.most_doses,
            or_(entry.not_before.is_(None), entry.not_before <= self.one.start_at),
            or_(entry.offers == 0, ~asked),
        )
        if without:
            statement = statement.where(entry.id.not_in(without))
        return statement.limit(_PAGE)

    def _within(self, entry: Any) -> ColumnElement[bool]:
        reach = entry.kilometres * _FLAT
        away = _squared(entry, self.one.latitude or 0.0, self.one.longitude or 0.0)
        return and_(entry.kilometres.is_not(None), away <= reach * reach)

    def _box(self) -> list[ColumnElement[bool]]:
        """The bands and longitudes of a box around the circle."""
        latitude, longitude = self.one.latitude or 0.0, self.one.longitude or 0.0
        north = self.most_kilometres * _FLAT / KILOMETRES_PER_DEGREE
        # Degrees of longitude are narrowest on the side of the pole.
        east = north / math.cos(math.radians(min(abs(latitude) + north, 89)))
        bands = range(band_of(latitude - north), band_of(latitude + north) + 1)
        entry = waiting_entry.c
        return [entry.band.in_(bands), entry.longitude.between(longitude - east, longitude + east)]


def _key(row: Any) -> tuple[int, datetime, str]:
    return row.class_rank, row.created_at, row.id


def _reaches(row: Any, asks: _Asks) -> bool:
    latitude, longitude = asks.one.latitude or 0.0, asks.one.longitude or 0.0
    away = distance_km(row.latitude, row.longitude, latitude, longitude)
    return away <= min(float(row.kilometres), asks.most_kilometres)


def people_ahead(connection: Connection, entry_id: str) -> int | None:
    """How many live entries come before one and want some of the same places; None if not live.

    For an entry at a centre: all at this centre and those whose distance reaches it. For one by
    distance: those whose circle meets its own, and those at a centre within it.
    """
    entry = waiting_entry.c
    mine = connection.execute(
        select(waiting_entry, centre.c.latitude.label("lat"), centre.c.longitude.label("lon"))
        .add_columns(centre.c.territory.label("land"))
        .outerjoin(centre, centre.c.id == entry.centre_id)
        .where(LIVE, entry.id == entry_id)
    ).one_or_none()
    if mine is None:
        return None
    before = [
        LIVE,
        or_(*(wants(entry, name, named=True) for name in (mine.campaign, *names_of(mine.beside)))),
        or_(
            entry.class_rank < mine.class_rank,
            and_(
                entry.class_rank == mine.class_rank,
                or_(
                    entry.created_at < mine.created_at,
                    and_(entry.created_at == mine.created_at, entry.id < mine.id),
                ),
            ),
        ),
    ]
    if mine.centre_id is not None:
        count = _count(connection, *before, entry.centre_id == mine.centre_id)
        latitude, longitude, territory, mine_reach = mine.lat, mine.lon, mine.land, 0.0
    else:
        latitude, longitude, territory = mine.latitude, mine.longitude, mine.territory
        mine_reach = float(mine.kilometres)
        away = _squared(centre.c, latitude, longitude)
        there = select(centre.c.id).where(
            centre.c.territory == territory, away <= mine_reach * mine_reach
        )
        count = _count(connection, *before, entry.centre_id.in_(there))
    if latitude is None or longitude is None:
        return count
    both = entry.kilometres + mine_reach
    meet = _squared(entry, latitude, longitude) <= both * both
    return count + _count(connection, *before, entry.territory == territory, meet)


def _squared(table: Any, latitude: float, longitude: float) -> Any:
    north = (table.latitude - latitude) * KILOMETRES_PER_DEGREE
    east = (table.longitude - longitude) * (
        KILOMETRES_PER_DEGREE * math.cos(math.radians(latitude))
    )
    return north * north + east * east


def _count(connection: Connection, *conditions: Any) -> int:
    statement = select(func.count()).select_from(waiting_entry).where(*conditions)
    return connection.execute(statement).scalar_one()
