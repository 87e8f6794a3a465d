"""Reference data that changes with an import and not with a call: open centres, postcodes."""

from __future__ import annotations

import json

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from models.prepared import Prepared
from models.tables import centre, postcode


@dataclass(frozen=True, slots=True)
class BookableCentre:
    """An open centre with a position whose places are ours to give."""

    id: str
    name: str
    street: str
    postcode: str
    town: str
    territory: str
    latitude: float
    longitude: float
    time_zone: str


_POSTCODE = Prepared(select(postcode).where(postcode.c.code == bindparam("the_code")))


@dataclass(frozen=True, slots=True)
class Postcode:
    code: str
    main_town: str
    towns: tuple[str, ...]
    departement: str
    territory: str
    latitude: float | None
    longitude: float | None


def bookable_centres(connection: Connection) -> list[BookableCentre]:
    c = centre.c
    statement = select(
        c.id,
        c.name,
        c.street,
        c.postcode,
        c.town,
        c.territory,
        c.latitude,
        c.longitude,
        c.time_zone,
    ).where(c.closed_at.is_(None), c.booking_mode == "ours", c.latitude.is_not(None))
    return [BookableCentre(*row) for row in connection.execute(statement)]


def find_postcode(connection: Connection, code: str) -> Postcode | None:
    found = _POSTCODE.rows(connection, {"the_code": code})
    if not found:
        return None
    row = found[0]
    return Postcode(
        code=row.code,
        main_town=row.main_town,
        towns=tuple(town["name"] for town in json.loads(row.towns)),
        departement=row.departement,
        territory=row.territory,
        latitude=row.latitude,
        longitude=row.longitude,
    )
