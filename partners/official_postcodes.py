"""La Poste's official list of postcodes ("base officielle des codes postaux").

https://www.data.gouv.fr/fr/datasets/base-officielle-des-codes-postaux/ : one row for a commune, or
a named part of one, within a code; semicolons, UTF-8, names in capitals without accents.
CEDEX codes are not in it.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from models.centres import geography
from partners import semicolon_file
from partners.town_names import TownNames
from services.centres.import_centres import FileRefused, RefusedRow
from services.centres.import_postcodes import PostcodeFeed, TownRow

KIND: Final = "La Poste's file of postcodes"
REQUIRED: Final = ("Code_commune_INSEE", "Nom_commune", "Code_postal", "coordonnees_gps")
# The original has eleven digits behind the point, more than a micrometre needs; five are a metre.
_DIGITS: Final = 5


def read_known_towns(path: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Names with accents, and numbers of inhabitants, by INSEE code (data/towns.csv.gz)."""
    rows, _ = semicolon_file.read(
        path, kind="the table of towns", required=("insee", "name", "inhabitants"), key="insee"
    )
    names = {row.cells["insee"]: row.cells["name"] for row in rows}
    inhabitants = {row.cells["insee"]: int(row.cells["inhabitants"]) for row in rows}
    return names, inhabitants


def read(path: Path, names: Mapping[str, str], inhabitants: Mapping[str, int]) -> PostcodeFeed:
    """Read and check a whole file (plain or .gz). Raises FileRefused; writes nothing.

    A row without an INSEE code, a name or a postcode that can be is refused, with its line.
    """
    rows, refused = semicolon_file.read(path, kind=KIND, required=REQUIRED, key="Code_postal")
    if not rows:
        raise FileRefused("the file holds no usable postcode")
    speak = TownNames(names)
    towns: dict[tuple[str, str], TownRow] = {}
    good = 0
    for row in rows:
        insee, name = row.cells["Code_commune_INSEE"], row.cells["Nom_commune"]
        code = row.cells["Code_postal"]
        reason = _wrong(insee, name, code, row.cells["coordonnees_gps"])
        if reason:
            refused.append(RefusedRow(row.line, reason, code))
            continue
        good += 1
        key = (code, insee)
        if key not in towns:
            latitude, longitude = _position(row.cells["coordonnees_gps"])
            towns[key] = TownRow(
                code=code,
                insee=insee,
                name=speak.speakable(name, insee),
                latitude=latitude,
                longitude=longitude,
                inhabitants=inhabitants.get(insee, 0),
                line=row.line,
            )
    return PostcodeFeed(
        rows=good + len(refused),
        towns=list(towns.values()),
        refused=sorted(refused, key=lambda row: row.line),
    )


def _wrong(insee: str, name: str, code: str, position: str) -> str:
    if not geography.is_postcode(code):
        return f"postcode {code!r} cannot be" if code else "no postcode"
    if not re.fullmatch(r"(?:\d{2}|2[AB])\d{3}", insee):
        return f"{insee!r} is no INSEE code"
    if not re.search(r"[A-Za-z]", name):
        return "no name"
    if not re.fullmatch(r"(?:-?\d{1,2}(?:\.\d+)?, ?-?\d{1,3}(?:\.\d+)?)?", position):
        return f"{position!r} is no position"
    return ""


def _position(text: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    latitude, longitude = (round(float(part), _DIGITS) for part in text.split(","))
    return latitude, longitude
