"""The main town of each département, for callers who know no postcode."""

from __future__ import annotations

import csv

from functools import lru_cache
from pathlib import Path
from typing import Final

PREFECTURES: Final = Path(__file__).resolve().parents[2] / "data" / "prefectures.csv"
# On the telephone both of Corsica's départements have the digits that its postcodes begin with.
_CORSICA: Final = ("2A", "2B")


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
