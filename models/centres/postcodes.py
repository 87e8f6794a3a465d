"""Postcodes in the store, as an import writes them, and where their towns are."""

from __future__ import annotations

import json

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from models.centres.geography import Position, distance_km
from models.centres.tables import centre, postcode
from models.database import Database

_CODES_PER_STATEMENT = 500


def count(database: Database) -> int:
    with database.statement() as connection:
        return connection.execute(select(func.count()).select_from(postcode)).scalar_one()


def known(database: Database) -> dict[str, str]:
    """Fingerprint of every postcode, by code."""
    with database.statement() as connection:
        rows = connection.execute(select(postcode.c.code, postcode.c.fingerprint))
        return {row.code: row.fingerprint for row in rows}


def postcodes_beginning(connection: Connection, digits: str) -> list[str]:
    """The codes that begin with these digits, in order."""
    c = postcode.c
    beginning = select(c.code).where(c.code.between(digits, f"{digits}99")).order_by(c.code)
    return list(connection.execute(beginning).scalars())


def save(database: Database, rows: Sequence[dict[str, object]]) -> None:
    """Insert or replace postcodes (rows with every column of the table), in one transaction."""
    with database.transaction() as connection:
        new = insert(postcode)
        others = [column.name for column in postcode.c if not column.primary_key]
        again = new.on_conflict_do_update(
            index_elements=[postcode.c.code], set_={name: new.excluded[name] for name in others}
        )
        connection.execute(again, list(rows))


def remove(database: Database, codes: Sequence[str]) -> None:
    for start in range(0, len(codes), _CODES_PER_STATEMENT):
        with database.transaction() as connection:
            connection.execute(
                delete(postcode).where(
                    postcode.c.code.in_(codes[start : start + _CODES_PER_STATEMENT])
                )
            )


# A town farther than this from the middle of its own centres is not where its people are. The
# farthest that is right, Arles, has its centre 14 km from the middle of its 770 square kilometres.
FAR_FROM_CENTRES_KM = 20.0


@dataclass(frozen=True)
class Address:
    """Where something is as its address tells it; each part may be empty."""

    postcode: str
    insee: str
    departement: str


def positions_of_towns(
    connection: Connection, addresses: Mapping[str, Address]
) -> dict[str, Position]:
    """Where the town of each address is, by the key of the address; without those not known.

    The commune by its INSEE code, else the middle of the postcode; a postcode that La Poste does
    not list (as those of large receivers) is passed over for the commune's own.
    """
    found: dict[str, Position] = {}
    keys = list(addresses)
    for start in range(0, len(keys), _CODES_PER_STATEMENT):
        some = {key: addresses[key] for key in keys[start : start + _CODES_PER_STATEMENT]}
        found |= _positions(connection, some)
    return found


def _positions(connection: Connection, some: Mapping[str, Address]) -> dict[str, Position]:
    by_code = _rows_by_code(connection, {place.postcode for place in some.values()})
    missing = {
        place.departement
        for place in some.values()
        if place.postcode not in by_code and place.insee and place.departement
    }
    communes = _communes(_rows_of(connection, missing)) | _communes(by_code.values())
    found: dict[str, Position] = {}
    for key, one in some.items():
        row = by_code.get(one.postcode)
        middle = (row.latitude, row.longitude) if row and row.latitude is not None else None
        position = communes.get(one.insee) or middle
        if position is not None:
            found[key] = position
    return found


def _rows_by_code(connection: Connection, codes: Iterable[str]) -> dict[str, Any]:
    statement = select(postcode).where(postcode.c.code.in_(sorted(codes)))
    return {row.code: row for row in connection.execute(statement)}


def _rows_of(connection: Connection, departements: Iterable[str]) -> list[Any]:
    wanted = sorted(departements)
    if not wanted:
        return []
    return list(connection.execute(select(postcode).where(postcode.c.departement.in_(wanted))))


def _communes(rows: Iterable[Any]) -> dict[str, Position]:
    """Positions of communes by INSEE code."""
    return {
        town["insee"]: (town["latitude"], town["longitude"])
        for row in rows
        for town in json.loads(row.towns)
        if town.get("insee") and town.get("latitude") is not None
    }


def seats(connection: Connection) -> dict[str, Position]:
    """The middle of each commune's centres that have their own position, by INSEE code."""
    c = centre.c
    rows = connection.execute(
        select(c.insee, func.avg(c.latitude), func.avg(c.longitude))
        .where(c.insee != "", c.latitude.is_not(None), ~c.roughly)
        .group_by(c.insee)
    )
    return {insee: (round(north, 5), round(east, 5)) for insee, north, east in rows}


def is_far_from_centres(seat: Position | None, position: Position | None) -> bool:
    """Whether a town is far from the middle of its centres; False where either is not known."""
    return bool(seat and position and distance_km(*seat, *position) > FAR_FROM_CENTRES_KM)


def move_to_centres(connection: Connection) -> None:
    """Put each town that is far from its own centres where these are.

    La Poste gives the middle of a commune's land. In Guyane that is forest, for Cayenne a place
    beyond the estuary. A row keeps its fingerprint, so that an import finds it unchanged.
    """
    known = seats(connection)
    for row in connection.execute(select(postcode.c.code, postcode.c.towns)).all():
        towns = json.loads(row.towns)
        values: dict[str, Any] = {}
        for town in towns:
            seat, north = known.get(town.get("insee")), town.get("latitude")
            if seat and north and is_far_from_centres(seat, (north, town["longitude"])):
                moved = {"latitude": seat[0], "longitude": seat[1]}
                town.update(moved)
                values |= moved if town is towns[0] else {}
                values["towns"] = json.dumps(towns, ensure_ascii=False)
        if values:
            connection.execute(update(postcode).where(postcode.c.code == row.code).values(values))
