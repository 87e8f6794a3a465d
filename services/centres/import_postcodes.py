"""Take in La Poste's list of postcodes: one row of the store for each code.

The main town of a code is the one that is read back to a caller. No public list names it: it is the
town with most inhabitants, and among towns whose number is not known the one nearest to the middle.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Final

from models.centres import centres, geography, postcodes
from models.centres.geography import Position, is_far
from models.database import Database
from services.centres.import_centres import (
    FileRefused,
    ImportReport,
    Progress,
    RefusedRow,
    Row,
    no_progress,
)

BATCH_ROWS: Final = 500
# No town is farther from the middle of its département's others: the farthest that is right,
# Grand-Fort-Philippe, is at 110 km; in Guyane, where it is thrice as many, Maripasoula at 226.
FARTHEST_KM: Final = 120.0
FAR_FROM_CENTRES: Final = "is far from the centres of that town, where it is put"
# The file gives no position to Monaco, whose people call like those of the département around it.
_MONACO: Final[Position] = (43.7384, 7.4246)


@dataclass(frozen=True)
class TownRow:
    """A commune within a postcode, as the source tells it; `inhabitants` is 0 where not known."""

    code: str
    insee: str
    name: str
    latitude: float | None
    longitude: float | None
    inhabitants: int = 0
    # In the file; 0 where it is not known.
    line: int = 0

    @property
    def departement(self) -> str:
        return geography.departement(self.insee, self.code)

    @property
    def position(self) -> Position | None:
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude


@dataclass(frozen=True)
class PostcodeFeed:
    """A whole file, read and checked. `rows` counts its rows, good and bad."""

    rows: int
    towns: Sequence[TownRow]
    refused: Sequence[RefusedRow] = ()


@dataclass
class PostcodeReport(ImportReport):
    """`codes` are the postcodes of the file; `unplaced` rows whose position is refused, and why."""

    codes: int = 0
    unplaced: Sequence[RefusedRow] = ()
    removed: int = 0

    def last_line(self) -> str:
        return (
            f"{self.read} read, {self.codes} codes, {self.new} new, {self.updated} updated, "
            f"{self.unchanged} unchanged, {self.removed} removed, {len(self.refused)} refused"
        )


def import_postcodes(
    database: Database, feed: PostcodeFeed, *, progress: Progress = no_progress
) -> PostcodeReport:
    """Write the feed to the store. Raises FileRefused before anything is written.

    A code that the file no longer has is removed, for nothing points at a postcode. A position that
    cannot be counts as missing. `progress` is told the number of codes done.
    """
    if not feed.towns:
        raise FileRefused("the file holds no usable postcode")
    with database.statement() as connection:
        seats = postcodes.seats(connection)
    wrong = _misplaced(feed.towns, seats)
    # What is far from its centres is put there at the end, with what was imported before.
    lost = {town for town, why in wrong.items() if why != FAR_FROM_CENTRES}
    rows = _rows(
        [replace(row, latitude=None, longitude=None) if row in lost else row for row in feed.towns]
    )
    report = PostcodeReport(
        read=feed.rows,
        codes=len(rows),
        refused=feed.refused,
        unplaced=[
            RefusedRow(
                town.line, f"position {town.latitude}, {town.longitude} of {town.name} {why}"
            )
            for town, why in wrong.items()
        ],
    )
    known = postcodes.known(database)
    changed = list(report.changed(rows, "code", known, lambda row: row["fingerprint"]))
    progress(report.unchanged)
    for start in range(0, len(changed), BATCH_ROWS):
        batch = changed[start : start + BATCH_ROWS]
        postcodes.save(database, batch)
        progress(len(batch))
    gone = sorted(known.keys() - {str(row["code"]) for row in rows})
    postcodes.remove(database, gone)
    report.removed = len(gone)
    # Centres without a position of their own stand where their town is.
    centres.place_roughly(database)
    return report


def _misplaced(towns: Sequence[TownRow], seats: Mapping[str, Position]) -> dict[TownRow, str]:
    """Towns whose position cannot be, and why; `seats` as `postcodes.seats` gives them."""
    inside: dict[str, list[Position]] = {}
    for town in towns:
        if town.position:
            inside.setdefault(town.departement, []).append(town.position)
    # The median: one town, however far away, does not move it.
    middles = {
        departement: (median(north for north, _ in some), median(east for _, east in some))
        for departement, some in inside.items()
    }
    found = {}
    for town in towns:
        position, middle = town.position, middles.get(town.departement)
        if postcodes.is_far_from_centres(seats.get(town.insee), position):
            found[town] = FAR_FROM_CENTRES
        elif position and middle and is_far(position, middle, FARTHEST_KM, town.departement):
            found[town] = f"is far from the others of département {town.departement}; left out"
    return found


def _rows(all_towns: Sequence[TownRow]) -> list[Row]:
    by_code: dict[str, list[TownRow]] = {}
    for town in all_towns:
        by_code.setdefault(town.code, []).append(town)
    ordered = {code: main_first(towns) for code, towns in sorted(by_code.items())}
    # Where the main town is, or the middle of the others where its position is not known.
    positions = {
        code: towns[0].position or mean_position([town.position for town in towns if town.position])
        for code, towns in ordered.items()
    }
    departements = {code: towns[0].departement for code, towns in ordered.items()}
    inside: dict[str, list[Position]] = {}
    for code, position in positions.items():
        if position:
            inside.setdefault(departements[code], []).append(position)
    rows = []
    for code, towns in ordered.items():
        departement = departements[code]
        position = positions[code] or mean_position(inside.get(departement, []))
        if departement == geography.MONACO:
            position = _MONACO
        row: Row = {
            "code": code,
            "main_town": towns[0].name,
            "towns": json.dumps([_town(town) for town in towns], ensure_ascii=False),
            "departement": departement,
            "territory": geography.territory(departement, code),
            "latitude": position[0] if position else None,
            "longitude": position[1] if position else None,
        }
        row["fingerprint"] = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
        rows.append(row)
    return rows


def main_first(towns: Sequence[TownRow]) -> list[TownRow]:
    """Put the town with most inhabitants first (ties: nearest the middle), the others by name."""
    middle = mean_position([town.position for town in towns if town.position])

    def rank(town: TownRow) -> tuple[int, float, str, str]:
        away = float("inf")
        if middle and town.position:
            away = geography.distance_km(*town.position, *middle)
        return -town.inhabitants, away, town.name, town.insee

    main = min(towns, key=rank)
    rest = [town for town in towns if town is not main]
    return [main, *sorted(rest, key=lambda town: (town.name, town.insee))]


def mean_position(positions: Sequence[Position]) -> Position | None:
    """Mean of positions in degrees, near enough for the width of a département."""
    if not positions:
        return None
    return (
        round(fmean(latitude for latitude, _ in positions), 5),
        round(fmean(longitude for _, longitude in positions), 5),
    )


def _town(town: TownRow) -> dict[str, object]:
    return {
        "insee": town.insee,
        "name": town.name,
        "departement": town.departement,
        "latitude": town.latitude,
        "longitude": town.longitude,
        "inhabitants": town.inhabitants,
    }
