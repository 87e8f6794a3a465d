"""Where a person lives, as they tell it: a postcode, a town's name or a département's digits."""

from __future__ import annotations

import csv

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from flows.understanding.town_names import towns as named_towns
from flows.world import Town
from models.centres.postcodes import postcodes_beginning
from models.database import Connection
from services.centres.directory import Directory
from services.centres.towns import departement_name
from services.vocabulary import vocabulary

MOST_TOWNS: Final = 6
_POSTCODE_DIGITS: Final = 5
PREFECTURES: Final = Path(__file__).resolve().parents[2] / "data" / "prefectures.csv"
# The main towns of the overseas collectivities, by the digits that their postcodes begin with.
_COLLECTIVITIES: Final = {"977": "97133", "978": "97150"} | {
    code[:3]: code for code in ("97500", "98600", "98714", "98800")
}
# On the telephone both of Corsica's départements have the digits that its postcodes begin with.
_CORSICA: Final = ("2A", "2B")


def town_of(connection: Connection, directory: Directory, postcode: str) -> Town | None:
    """The main town of a postcode; None for one that does not exist."""
    found = directory.postcode(connection, postcode)
    if found is None:
        return None
    return Town(
        postcode=found.code,
        name=found.main_town,
        territory=found.territory,
        # A code without any position has no slot near it: the null island is far from all.
        latitude=found.latitude or 0.0,
        longitude=found.longitude or 0.0,
        departement=departement_name(found.departement),
        is_sure=not found.in_several_departements,
    )


def town_of_cedex(connection: Connection, directory: Directory, code: str) -> Town | None:
    """The town whose office most likely delivers a CEDEX code; None where its digits do not tell.

    No public list has these codes, which La Poste gives to receivers of much mail. An office has
    them beside its own: 35506 beside 35500, and 35042 where no other code begins with 350. Those of
    a collectivity are its main town's, where nearly all mail goes to boxes: 98713 is Papeete's.
    """
    if len(code) != _POSTCODE_DIGITS:
        return None
    begun = postcodes_beginning(connection, code[:3])
    own = f"{code[:3]}00"
    office = own if code[3] == "0" and own in begun else begun[0] if len(begun) == 1 else ""
    office = _COLLECTIVITIES.get(code[:3], office)
    return town_of(connection, directory, office) if office else None


def towns_named(
    connection: Connection, directory: Directory, text: str, language: str
) -> tuple[Town, ...]:
    """The towns that a name may mean, the likeliest first; none where none is known."""
    found = []
    for named in named_towns(text, vocabulary(language), directory.towns(connection)):
        # By its own name: a postcode's main town may be another.
        town = town_of(connection, directory, named.postcode)
        if town is not None:
            found.append(
                replace(
                    town,
                    name=named.name,
                    departement=named.departement_name,
                    inhabitants=named.inhabitants,
                )
            )
    return tuple(found)


def find_towns(
    connection: Connection, directory: Directory, text: str, language: str
) -> tuple[Town, ...]:
    """The towns that fit what a person wrote as their town: its name, or a postcode."""
    digits = "".join(text.split())
    if digits.isascii() and digits.isdigit():
        is_code = len(digits) == _POSTCODE_DIGITS
        town = town_of(connection, directory, digits) if is_code else None
        town = town or town_of_cedex(connection, directory, digits)
        return (town,) if town else ()
    return towns_named(connection, directory, text, language)[:MOST_TOWNS]


@lru_cache
def read_main_towns(path: Path = PREFECTURES) -> dict[str, str]:
    """The postcode of each main town, by département as INSEE writes it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter=";")
        return {row["departement"]: row["postcode"] for row in rows}


def main_town_postcodes(digits: str) -> tuple[str, ...]:
    """The postcodes for the digits of a département: "35", "974", "20" for both of Corsica.

    Also for those of a collectivity: "987".
    """
    towns = read_main_towns() | _COLLECTIVITIES
    names = _CORSICA if digits == "20" else (digits,)
    return tuple(towns[name] for name in names if name in towns)
