"""Reference data that changes with an import and not with a call: open centres, postcodes."""

from __future__ import annotations

import json

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from models.centres.tables import WALK_IN_ONLY, centre, postcode
from models.prepared import Prepared
from models.rows import columns_of, from_row


@dataclass(frozen=True, slots=True)
class BookableCentre:
    """An open centre whose places are ours to give.

    `roughly`: the position is its town's. Both degrees are 0.0 where not even that is known. `name`
    is as it is written, `spoken_name` as it is said where that differs.
    """

    id: str
    name: str
    street: str
    postcode: str
    town: str
    territory: str
    latitude: float
    longitude: float
    time_zone: str
    roughly: bool = False
    spoken_name: str = ""


@dataclass(frozen=True, slots=True)
class SelfBookingCentre:
    """An open centre that books by its own telephone numbers (as in the source).

    Positions as those of a bookable centre.
    """

    id: str
    name: str
    postcode: str
    town: str
    territory: str
    latitude: float
    longitude: float
    roughly: bool
    phones: tuple[str, ...]
    opens_on: date | None
    closes_on: date | None
    spoken_name: str = ""


@dataclass(frozen=True, slots=True)
class WalkInCentre:
    """An open centre to which people come without an appointment: only so, or also so.

    Positions as those of a bookable centre.
    """

    id: str
    name: str
    street: str
    postcode: str
    town: str
    territory: str
    latitude: float
    longitude: float
    roughly: bool
    walk_in: str
    opens_on: date | None
    closes_on: date | None


_PORTION = 500  # postcodes
_MOST_TOWNS = 800
_POSTCODE = Prepared(select(postcode).where(postcode.c.code == bindparam("the_code")))


@dataclass(frozen=True, slots=True)
class PostcodeArea:
    code: str
    main_town: str
    towns: tuple[str, ...]
    departement: str
    territory: str
    latitude: float | None
    longitude: float | None
    # Whether its towns lie in more than one département: its main town tells little of where it is.
    in_several_departements: bool = False


def is_bookable() -> tuple[ColumnElement[bool], ...]:
    """Open, ours, and of a land that is known: else no person would find it."""
    c = centre.c
    return c.closed_at.is_(None), c.booking_mode == "ours", c.territory != ""


def bookable_centres(connection: Connection) -> list[BookableCentre]:
    """Those with a position, and those whose land is known: its people may find them."""
    statement = select(*_placed(BookableCentre)).where(*is_bookable())
    return [from_row(BookableCentre, row) for row in connection.execute(statement)]


def self_booking_centres(connection: Connection) -> list[SelfBookingCentre]:
    """Never those that only professionals may go to, nor those that give no appointments."""
    c = centre.c
    statement = select(*_placed(SelfBookingCentre)).where(
        c.closed_at.is_(None),
        c.booking_mode.in_(("own_phone", "partner")),
        c.walk_in != WALK_IN_ONLY,
        c.territory != "",
        c.phones != "[]",
    )
    return [
        from_row(SelfBookingCentre, row, phones=tuple(json.loads(row.phones)))
        for row in connection.execute(statement)
    ]


def walk_in_centres(connection: Connection) -> list[WalkInCentre]:
    """Never those that only professionals may go to."""
    c = centre.c
    statement = select(*_placed(WalkInCentre)).where(
        c.closed_at.is_(None),
        c.booking_mode != "reserved",
        c.walk_in != "",
        c.territory != "",
    )
    return [from_row(WalkInCentre, row) for row in connection.execute(statement)]


def _placed(shape: type[Any]) -> list[ColumnElement[Any]]:
    """The columns of a shape; both degrees 0.0 where there is no position."""
    return [
        func.coalesce(column, 0.0).label(column.name)
        if column.name in {"latitude", "longitude"}
        else column
        for column in columns_of(shape, centre)
    ]


def find_postcode(connection: Connection, code: str) -> PostcodeArea | None:
    found = _POSTCODE.rows(connection, {"the_code": code})
    if not found:
        return None
    row = found[0]
    towns_of_code = json.loads(row.towns)
    return from_row(
        PostcodeArea,
        row,
        towns=tuple(town["name"] for town in towns_of_code),
        in_several_departements=len({town["departement"] for town in towns_of_code}) > 1,
    )


@dataclass(frozen=True, slots=True)
class TownAt:
    """The main town of a postcode and where it is; 0 inhabitants where not known."""

    name: str
    latitude: float
    longitude: float
    inhabitants: int = 0


@dataclass(frozen=True, slots=True)
class MainTown:
    """The main town of a postcode, and where the postcode is (degrees)."""

    latitude: float
    longitude: float
    town: TownAt


def main_towns_within(
    connection: Connection,
    territory: str,
    latitudes: tuple[float, float],
    longitudes: tuple[float, float],
    *,
    most: int | None = _MOST_TOWNS,
) -> list[MainTown]:
    """The main towns of the postcodes of a land between these degrees, `most` of them at most.

    None: all.
    """
    c = postcode.c
    statement = (
        select(c.main_town, c.latitude, c.longitude, c.towns)
        .where(
            c.territory == territory,
            c.latitude.between(*latitudes),
            c.longitude.between(*longitudes),
        )
        .order_by(c.code)
        .limit(most)
    )
    found = []
    for name, latitude, longitude, towns_json in connection.execute(statement):
        named = (town for town in json.loads(towns_json) if town["name"] == name)
        town: dict[str, Any] = next(named, {})
        at = TownAt(
            name,
            town.get("latitude") or latitude,
            town.get("longitude") or longitude,
            town.get("inhabitants", 0),
        )
        found.append(MainTown(latitude, longitude, at))
    return found


@dataclass(frozen=True, slots=True)
class TownOfPostcode:
    """A town within a postcode; 0 inhabitants where their number is not known."""

    code: str
    name: str
    departement: str
    inhabitants: int


def towns(connection: Connection) -> Iterator[TownOfPostcode]:
    """Every town of every postcode, read in portions: all of them at once take much memory."""
    columns = select(postcode.c.code, postcode.c.towns).order_by(postcode.c.code)
    rows = connection.execute(columns.limit(_PORTION)).all()
    while rows:
        for code, towns_json in rows:
            for town in json.loads(towns_json):
                # Rows of an older import have no number of inhabitants.
                yield TownOfPostcode(
                    code, town["name"], town["departement"], town.get("inhabitants", 0)
                )
        after = columns.where(postcode.c.code > rows[-1].code)
        rows = connection.execute(after.limit(_PORTION)).all()
