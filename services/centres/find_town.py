"""Where somebody lives, as they tell it: a postcode, a town's name or a département's digits."""

from __future__ import annotations

import csv

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from flows.understanding.town_names import towns as named_towns
from models.database import Connection
from services.centres.directory import Directory
from services.centres.towns import departement_name
from services.vocabulary import vocabulary

MOST_TOWNS: Final = 6
_POSTCODE_DIGITS: Final = 5
PREFECTURES: Final = Path(__file__).resolve().parents[2] / "data" / "prefectures.csv"
# On the telephone both of Corsica's départements have the digits that its postcodes begin with.
_CORSICA: Final = ("2A", "2B")


@dataclass(frozen=True)
class NamedTown:
    """`departement` is its name."""

    postcode: str
    name: str
    departement: str


def find_towns(
    connection: Connection, directory: Directory, text: str, language: str
) -> tuple[NamedTown, ...]:
    """The towns that are meant, the likeliest first; none where none is known.

    A postcode is one of them, by its main town.
    """
    digits = "".join(text.split())
    if digits.isascii() and digits.isdigit():
        found = directory.postcode(connection, digits) if len(digits) == _POSTCODE_DIGITS else None
        if found is None:
            return ()
        return (NamedTown(found.code, found.main_town, departement_name(found.departement)),)
    named = named_towns(text, vocabulary(language), directory.towns(connection))
    return tuple(
        NamedTown(one.postcode, one.name, one.departement_name) for one in named[:MOST_TOWNS]
    )


@lru_cache
def read_main_towns(path: Path = PREFECTURES) -> dict[str, str]:
    """The postcode of each main town, by département as INSEE writes it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter=";")
        return {row["departement"]: row["postcode"] for row in rows}


def main_town_postcodes(digits: str) -> tuple[str, ...]:
    """The postcodes for the digits of a département: "35", "974", "20" for both of Corsica."""
    towns = read_main_towns()
    names = _CORSICA if digits == "20" else (digits,)
    return tuple(towns[name] for name in names if name in towns)
