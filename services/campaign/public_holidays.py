"""The public holidays of France, from the `holidays` library, kept as a list of days.

The library takes 11 MiB of a web worker and a twentieth of a second, for eleven days a year. So its
days are written down once (`python -m services.campaign.public_holidays 2021 2060 >
data/public_holidays.csv`), a test compares them with it, and it is loaded only for other years.
"""

from __future__ import annotations

import csv
import sys

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

HOLIDAYS: Final = Path(__file__).resolve().parents[2] / "data" / "public_holidays.csv"


@lru_cache
def public_holidays(year: int) -> frozenset[date]:
    """The public holidays of a year that are days off everywhere in France."""
    return _written().get(year) or frozenset(from_library([year]))


@lru_cache
def _written(path: Path = HOLIDAYS) -> dict[int, frozenset[date]]:
    years: dict[int, set[date]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            day = date.fromisoformat(row["day"])
            years.setdefault(day.year, set()).add(day)
    return {year: frozenset(days) for year, days in years.items()}


def from_library(years: Iterable[int]) -> dict[date, str]:
    """The days by the library, with their French names."""
    from holidays.countries.france import France  # noqa: PLC0415 (see above)

    # The library has no types of its own.
    calendar = France(years=list(years), language="fr")  # type: ignore[no-untyped-call]
    return dict(sorted(calendar.items()))


def main(first: str, last: str) -> None:
    sys.stdout.write("day;name\n")
    for day, name in from_library(range(int(first), int(last) + 1)).items():
        sys.stdout.write(f"{day.isoformat()};{name}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
