"""Take in an edition of the vaccination-centre file.

The file was read and checked as a whole before it comes here, so a file that is refused changed
nothing. What is written is written in short transactions, each of which says the same when it is
repeated: an import that was cut is finished by running it again, and calls go on meanwhile.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from models.centre_day import operations
from models.centres import centres, geography, postcodes
from models.centres.geography import Position
from models.centres.postcodes import Address
from models.centres.tables import WALK_IN_ALSO, WALK_IN_ONLY
from models.clock import Clock
from models.database import Database
from services.centres.centre_names import centre_names

OFFICIAL_SOURCE: Final = "official"
# More than this share of the open centres closed at once, or without a position any more, is a
# wrong or partial file, until an operator says that it is not (issue 10.1).
CLOSING_LIMIT: Final = 0.10
# No centre is farther from where La Poste puts its commune: the farthest that is right, in Arles,
# is at 14 km; in Guyane, where it is thrice as many, that of Saint-Laurent at 58.
FARTHEST_KM: Final = 30.0
# One transaction; some milliseconds, so that a caller's turn hardly waits behind it.
BATCH_ROWS: Final = 200
# Begins the note that keeps a centre's own words about hours that could not be read.
HOURS_NOTE: Final = "Horaires indiqués par le centre : "

Progress = Callable[[int], None]


def no_progress(_done: int) -> None:
    """For callers that show nothing."""


# Called with what is counted and how many there are, once that is known; gives the counter.
Watch = Callable[[str, int], AbstractContextManager[Progress]]


def no_watch(_what: str, _total: int) -> AbstractContextManager[Progress]:
    """For callers that show nothing."""
    return nullcontext(no_progress)


# What is stored of one thing, by column.
Row = dict[str, object]


class FileRefused(Exception):
    """One sentence: why the file changes nothing."""


@dataclass(frozen=True)
class CentreRecord:
    """A centre as its source tells it.

    `hours` has weekdays 0 (Monday) to 6 with local times ("09:00", "12:00"), days without hours
    left out. `phones` are E.164 or French short numbers. `booking_mode` is never "ours": that is
    decided here, not by a file. `walk_in` is "only" or "also" where people come without an
    appointment, else empty. `opens_on` and `closes_on` are days there, both included. `closed`
    means that the source itself calls the centre closed.
    """

    id: str
    name: str
    street: str
    postcode: str
    insee: str
    town: str
    latitude: float | None
    longitude: float | None
    phones: tuple[str, ...]
    booking_link: str
    booking_mode: str
    hours: dict[int, tuple[tuple[str, str], ...]]
    notes: str
    opens_on: date | None
    closes_on: date | None
    closed: bool = False
    walk_in: str = ""
    # Access with a wheelchair: "yes", "no", or empty where the source does not tell it plainly.
    wheelchair: str = ""


@dataclass(frozen=True)
class RefusedRow:
    """A row that stays outside: its line in the file, why, and its id where it has a good one.

    `kind` is why without what is the row's alone; empty where the reason has nothing such.
    """

    line: int
    reason: str
    id: str = ""
    kind: str = ""


@dataclass
class CentreFeed:
    """A whole file, read and checked. `unplaced` are rows whose position was left out, and why."""

    refused: list[RefusedRow]
    records: list[CentreRecord] = field(default_factory=list)
    unplaced: list[RefusedRow] = field(default_factory=list)
    # The line of each record, by its id.
    lines: dict[str, int] = field(default_factory=dict)
    # The country's towns with their accents, by their letters (`centre_names.by_letters`).
    towns: Mapping[str, str] = field(default_factory=dict)
    hours_not_told: int = 0
    hours_not_understood: int = 0
    phones_unusable: int = 0

    @property
    def rows(self) -> int:
        """How many rows it has, good and bad."""
        return len(self.records) + len(self.refused)


@dataclass
class ImportReport:
    """What an import did: `read` and `refused` count rows of the file, the others what it wrote."""

    read: int
    refused: Sequence[RefusedRow] = ()
    new: int = 0
    updated: int = 0
    unchanged: int = 0

    def changed(
        self,
        rows: Iterable[Row],
        key: str,
        known: Mapping[str, object],
        told: Callable[[Row], object],
    ) -> Iterator[Row]:
        """Those rows of which something else is known by their key; counts all of them."""
        for row in rows:
            before = known.get(str(row[key]))
            if before == told(row):
                self.unchanged += 1
                continue
            self.new += before is None
            self.updated += before is not None
            yield row


@dataclass
class CentreReport(ImportReport):
    """What the file says of its centres, and how many that were open are `closed` now.

    `without_position` counts those to which the file gives none that can be. Reserved, walk-in and
    ended ones are counted each for itself: one may be several. `ended` are those that the file
    calls closed, or whose closing date is past. `closed` centres count as `updated` only where the
    file names them.
    """

    closed: int = 0
    placed: int = 0
    without_position: int = 0
    reserved: int = 0
    walk_in_only: int = 0
    walk_in_also: int = 0
    ended: int = 0

    def kinds_line(self) -> str:
        return (
            f"{self.reserved} reserved, {self.walk_in_only} without appointments only, "
            f"{self.walk_in_also} with or without, {self.ended} past their last day"
        )

    def last_line(self) -> str:
        return (
            f"{self.read} read, {self.new} new, {self.updated} updated, "
            f"{self.unchanged} unchanged, {self.placed} placed, "
            f"{self.without_position} without position, {len(self.refused)} refused"
        )


def import_centres(
    database: Database,
    clock: Clock,
    feed: CentreFeed,
    *,
    force: bool = False,
    progress: Progress = no_progress,
) -> CentreReport:
    """Write the feed to the store. Raises FileRefused before anything is written.

    Same id: updated where the source says something else than last time. An open centre that the
    source no longer names, calls closed, or whose closing date is past in its own time zone, is
    closed, never deleted; one that comes back is open again. Who is booked there is seen to by
    `CentreLife.settle`. A centre to which the source gives no position stands where its town is. A
    refused row leaves its centre as it was. `force` takes a file that closes or misplaces more
    centres than CLOSING_LIMIT. `progress` is told the number of rows done.
    """
    if not feed.records:
        raise FileRefused("the file holds no usable centre")
    with database.statement() as connection:
        towns = postcodes.positions_of_towns(
            connection, {record.id: _address(record) for record in feed.records}
        )
    _leave_out_misplaced(feed, towns)
    ended = {record.id for record in feed.records if record.closed or _is_past(record, clock)}
    report = CentreReport(
        read=feed.rows,
        refused=feed.refused,
        placed=sum(record.latitude is not None for record in feed.records),
        without_position=sum(record.latitude is None for record in feed.records),
        reserved=sum(record.booking_mode == "reserved" for record in feed.records),
        walk_in_only=sum(record.walk_in == WALK_IN_ONLY for record in feed.records),
        walk_in_also=sum(record.walk_in == WALK_IN_ALSO for record in feed.records),
        ended=len(ended),
    )
    known = centres.known(database, OFFICIAL_SOURCE)
    with database.statement() as connection:
        closings = operations.in_force(connection, kinds=("centre_closed",))
    by_hand = {closing.centre_id for closing in closings if closing.who != "import"}
    named = {record.id for record in feed.records} | {row.id for row in feed.refused}
    open_ids = {centre_id for centre_id, (_, closed) in known.items() if not closed}
    gone = sorted(open_ids - named)
    if not force:
        _check_closing(len(open_ids), len(gone), len(ended & open_ids))
        _check_positions(centres.placed(database, OFFICIAL_SOURCE), feed)
    # What an operator has closed, a file does not open.
    rows = [
        _row(record, towns.get(record.id), feed.towns)
        | {"closed": record.id in ended or record.id in by_hand}
        for record in feed.records
    ]

    def told(row: Row) -> object:
        return row["fingerprint"], row["closed"]

    changed = list(report.changed(rows, "id", known, told))
    progress(report.unchanged)
    for start in range(0, len(changed), BATCH_ROWS):
        batch = changed[start : start + BATCH_ROWS]
        centres.save(database, clock, batch)
        progress(len(batch))
    centres.close(database, clock, gone)
    # Those that are unchanged: postcodes may have come since.
    centres.place_roughly(database)
    report.closed = len(gone) + len(ended & open_ids)
    return report


def _leave_out_misplaced(feed: CentreFeed, towns: Mapping[str, Position]) -> None:
    """Take the position from each centre that is far from its town; `towns` are by centre."""
    for number, one in enumerate(feed.records):
        if one.latitude is None or one.longitude is None or one.id not in towns:
            continue
        place, departement = (one.latitude, one.longitude), _address(one).departement
        if geography.is_far(place, towns[one.id], FARTHEST_KM, departement):
            feed.records[number] = replace(one, latitude=None, longitude=None)
            reason = f"position {place[0]:g}, {place[1]:g} is far from {one.town}"
            feed.unplaced.append(
                RefusedRow(
                    feed.lines.get(one.id, 0), reason, one.id, "a position far from its town"
                )
            )


def _check_closing(open_centres: int, gone: int, ended: int) -> None:
    """Raise FileRefused where a file would close too many."""
    if gone + ended <= CLOSING_LIMIT * open_centres:
        return
    raise FileRefused(
        f"the file would close {gone + ended} of the {open_centres} open centres, more than "
        f"{CLOSING_LIMIT:.0%} ({gone} are not in it any more, {ended} are closed by it); if that "
        "is meant, say --allow-closing"
    )


def _check_positions(placed: set[str], feed: CentreFeed) -> None:
    """Raise FileRefused where too many that had a position would be without one."""
    lost = sum(record.latitude is None and record.id in placed for record in feed.records)
    if lost <= CLOSING_LIMIT * len(placed):
        return
    raise FileRefused(
        f"the file has no usable position for {lost} of the {len(placed)} open centres that had "
        f"one, more than {CLOSING_LIMIT:.0%}; if that is meant, say --force"
    )


def _is_past(record: CentreRecord, clock: Clock) -> bool:
    """Whether its last day is over where it is."""
    if record.closes_on is None:
        return False
    zone = geography.time_zone(geography.departement(record.insee, record.postcode))
    return record.closes_on < clock.now().astimezone(ZoneInfo(zone)).date()


def _address(record: CentreRecord) -> Address:
    departement = geography.departement(record.insee, record.postcode)
    return Address(record.postcode, record.insee, departement)


def _row(record: CentreRecord, town: Position | None, towns: Mapping[str, str]) -> Row:
    """What is stored; `town` is where its town is, for one without a position."""
    names = centre_names(record.name, record.town, towns)
    departement = geography.departement(record.insee, record.postcode)
    hours = {str(day): list(map(list, record.hours[day])) for day in sorted(record.hours)}
    row = {
        **asdict(record),
        "name": names.written,
        "spoken_name": names.spoken if names.spoken != names.written else "",
        "source_name": record.name,
        "departement": departement,
        "territory": geography.territory(departement, record.postcode),
        "time_zone": geography.time_zone(departement),
        "phones": json.dumps(record.phones),
        "hours": json.dumps(hours),
        "source": OFFICIAL_SOURCE,
    }
    # Over all that would be stored, so that a better reading of the same words counts as news.
    told = {**row, "opens_on": str(record.opens_on), "closes_on": str(record.closes_on)}
    fingerprint = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    row |= {"fingerprint": fingerprint, "roughly": False}
    if record.latitude is None and town is not None:
        # No news of the source, so no part of the fingerprint.
        row |= {"latitude": town[0], "longitude": town[1], "roughly": True}
    return row
