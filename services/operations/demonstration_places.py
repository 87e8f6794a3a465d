"""Where the official file has no centre with hours near a département's main town, a made-up one.

The demonstration promises free slots in reach of every main town. In the file of January 2021 some
of them have none (Caen, Rouen, Mamoudzou …): there a hall that says what it is takes their place.
"""

from __future__ import annotations

import json

from collections.abc import Sequence
from datetime import datetime

from models.centres import centres, directory
from models.centres.directory import PostcodeArea
from models.centres.geography import distance_km, time_zone
from models.database import Database

SOURCE = "demonstration"
NAME = "Salle de démonstration"
# A main town whose nearest centre is farther than this gets a hall of its own.
NEAR_KILOMETRES = 30.0
_HOURS = {str(weekday): [["09:00", "12:00"], ["14:00", "17:00"]] for weekday in range(5)}


def add_where_missing(
    database: Database, main_towns: Sequence[str], now: datetime, with_hours: frozenset[str]
) -> list[str]:
    """Add halls near the postcodes that have no centre with hours; gives the ids of the new ones.

    `with_hours` are the ids of centres that have slots to give. Safe to repeat: a hall that is
    there counts as a centre like any other.
    """
    with database.statement() as connection:
        there = [c for c in directory.bookable_centres(connection) if c.id in with_hours]
        towns = [directory.find_postcode(connection, code) for code in main_towns]
    rows = []
    for town in towns:
        if town is None or town.latitude is None or town.longitude is None:
            continue
        near = any(
            c.territory == town.territory
            and distance_km(town.latitude, town.longitude, c.latitude, c.longitude)
            <= NEAR_KILOMETRES
            for c in there
        )
        if not near:
            rows.append(_row(town, now))
    centres.insert_new(database, rows)
    return [str(row["id"]) for row in rows]


def _row(town: PostcodeArea, now: datetime) -> dict[str, object]:
    return {
        "id": f"demo-{town.departement}",
        "name": NAME,
        "street": "1 place de la Mairie",
        "postcode": town.code,
        "town": town.main_town,
        "departement": town.departement,
        "territory": town.territory,
        "latitude": town.latitude,
        "longitude": town.longitude,
        "time_zone": time_zone(town.departement),
        "booking_mode": "ours",
        "hours": json.dumps(_HOURS),
        "source": SOURCE,
        "fingerprint": SOURCE,
        "created_at": now,
        "updated_at": now,
    }
