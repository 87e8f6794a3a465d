"""The table by which towns are understood, from the postcodes that were imported."""

from __future__ import annotations

import csv

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from flows.understanding.town_table import Area, NamedPostcode, TownTable
from models.centres import directory
from models.centres.geography import departement
from models.database import Connection
from services.centres.import_postcodes import PostcodeFeed

DEPARTEMENTS: Final = Path(__file__).resolve().parents[2] / "data" / "departements.csv"


@lru_cache
def areas(path: Path = DEPARTEMENTS) -> tuple[Area, ...]:
    """The départements, with the regions that they belong to or are said to belong to."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Area(
                code=row["departement"],
                name=row["name"],
                regions=tuple(filter(None, (row["region"], row["also"]))),
            )
            for row in csv.DictReader(file, delimiter=";")
        )


def departement_name(code: str) -> str:
    """What people call a département; empty for one that is not known."""
    return next((area.name for area in areas() if area.code == code), "")


def regions_of(departement: str | None) -> frozenset[str]:
    """The names of the region of a département, without regard to capitals."""
    if not departement:
        return frozenset()
    found = next((area for area in areas() if area.code == departement), None)
    return frozenset(region.casefold() for region in found.regions) if found else frozenset()


def town_table(connection: Connection) -> TownTable:
    """The towns of the store. Takes some tenths of a second."""
    return _table(
        NamedPostcode(town.code, town.name, town.departement, town.inhabitants)
        for town in directory.towns(connection)
    )


def town_table_of(feed: PostcodeFeed) -> TownTable:
    """The towns of a file of postcodes, without any store."""
    return _table(
        NamedPostcode(town.code, town.name, departement(town.insee, town.code), town.inhabitants)
        for town in feed.towns
    )


def _table(rows: Iterable[NamedPostcode]) -> TownTable:
    return TownTable(rows, areas())
