"""Fill an empty installation so that a visitor can try a call: postcodes, centres, free slots.

Run at each start: what is there stays, and slots are topped up to the horizon.
"""

from __future__ import annotations

import json

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from models.centres import centres, directory, postcodes
from models.centres.centres import CentreHours
from models.centres.directory import PostcodeArea
from models.centres.geography import distance_km, time_zone
from models.clock import Clock
from models.database import Database
from models.slots import slots
from services.centre_day.take_centres import By, TakeRefused, Terms, take, to_be_taken
from services.centres.import_centres import (
    HOURS_NOTE,
    CentreFeed,
    CentreReport,
    Watch,
    import_centres,
    no_watch,
)
from services.centres.import_postcodes import PostcodeFeed, PostcodeReport, import_postcodes
from services.slots.open_slots import OpenReport, Span, open_spans
from services.store import CryptographicChance

# First doses of the coming week and second doses 21 to 28 days after them.
HORIZON_DAYS: Final = 35
EVERY_MINUTES: Final = 30
CAPACITY: Final = 2
# Month and day of the public holidays on which no centre of the demonstration gives appointments.
HOLIDAYS: Final = frozenset({(1, 1), (12, 25)})
SUNDAY: Final = 6
# The demonstration promises free slots in reach of every main town. In the file of January 2021
# some of them have none (Caen, Rouen, Mamoudzou …): there a hall that says what it is takes their
# place.
SOURCE = "demonstration"
NAME = "Salle de démonstration"
# A main town whose nearest centre is farther than this gets a hall of its own.
NEAR_KILOMETRES = 30.0
_HOURS = {str(weekday): [["09:00", "12:00"], ["14:00", "17:00"]] for weekday in range(5)}


@dataclass(frozen=True)
class DemonstrationReport:
    """What was done. The reports of imports are None where the tables were filled already."""

    postcodes: PostcodeReport | None
    centres: CentreReport | None
    opened: OpenReport
    # Centres that say nothing about hours or are closed all week, and centres whose words hold no
    # hours that can be read ("à préciser").
    without_hours: list[str]
    unclear_hours: list[str]
    # Halls made up where the file has no centre with hours near a main town.
    added: list[str]

    def lines(self) -> list[str]:
        said = [f"postcodes: {self.postcodes.last_line()}"] if self.postcodes else []
        said += [f"centres: {self.centres.last_line()}"] if self.centres else []
        for ids, why in (
            (self.without_hours, "have no hours and get no slots"),
            (self.unclear_hours, "give no hours that can be read and get no slots either"),
        ):
            if ids:
                said.append(f"{len(ids)} centres {why}: {', '.join(ids)}")
        if self.added:
            said.append(f"{len(self.added)} times “{NAME}” added: {', '.join(self.added)}")
        return [*said, self.opened.last_line()]


def prepare(
    database: Database,
    clock: Clock,
    *,
    read_postcodes: Callable[[], PostcodeFeed],
    read_centres: Callable[[], CentreFeed],
    main_towns: Sequence[str] = (),
    refresh: bool = False,
    watch: Watch = no_watch,
) -> DemonstrationReport:
    """Fill what is empty (with `refresh`: read the extracts anew), then top up the slots.

    Every centre that is not reserved becomes one that we book for, and a closing date that is past
    is forgotten, so that the demonstration is open whatever the date. `main_towns` are postcodes
    that shall have slots near them whatever the file says. `watch` counts the
    centres whose slots are opened.
    """
    postcode_report = centre_report = None
    if refresh or not postcodes.count(database):
        postcode_report = import_postcodes(database, read_postcodes())
    if refresh or not centres.count(database):
        # Newer centres of an operator are not in the extract; a refresh means the extract's state.
        feed = _without_past_dates(read_centres(), clock.now().date())
        centre_report = import_centres(database, clock, feed, force=refresh)
    centres.forget_past_closings(database, clock, clock.now().date())
    _take_all(database, clock)
    everyone = centres.hours_of(database)
    added = _add_where_missing(
        database, main_towns, clock.now(), frozenset(hall.id for hall in everyone if hall.hours)
    )
    if added:
        everyone = centres.hours_of(database)
    silent = [hall for hall in everyone if not hall.hours]
    opened = _open(database, clock, _missing(database, clock, everyone), watch)
    return DemonstrationReport(
        postcodes=postcode_report,
        centres=centre_report,
        opened=opened,
        without_hours=[hall.id for hall in silent if HOURS_NOTE not in hall.notes],
        unclear_hours=[hall.id for hall in silent if HOURS_NOTE in hall.notes],
        added=added,
    )


def _without_past_dates(feed: CentreFeed, today: date) -> CentreFeed:
    """The same centres, open whatever the date: an import would close those whose last day is past.

    A day of tolerance, for it is past in some time zones sooner than in others.
    """
    tomorrow = today + timedelta(days=1)
    records = [
        replace(row, closes_on=None) if row.closes_on and row.closes_on <= tomorrow else row
        for row in feed.records
    ]
    return replace(feed, records=records)


def _take_all(database: Database, clock: Clock) -> None:
    """Make every centre ours that can be, as `flask centres take` does.

    Also those without a position, for staff who look at the whole list.
    """
    try:
        wishes = to_be_taken(database, Terms())
    except TakeRefused:
        return
    take(database, clock, wishes, By(SOURCE, CryptographicChance().identifier()), anywhere=True)


def _missing(database: Database, clock: Clock, everyone: list[CentreHours]) -> list[Span]:
    """For each centre with hours, the days from its last slot to the horizon."""
    now = clock.now()
    # A day later than the horizon, so that the last local day is in it in every time zone.
    last_starts = slots.last_starts(database, now + timedelta(days=HORIZON_DAYS + 1))
    spans = []
    for hall in everyone:
        if not hall.hours:
            continue
        zone = ZoneInfo(hall.time_zone)
        first = now.astimezone(zone).date()
        last = first + timedelta(days=HORIZON_DAYS - 1)
        if hall.id in last_starts:
            first = max(first, last_starts[hall.id].astimezone(zone).date() + timedelta(days=1))
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        closed = frozenset(filter(is_closed, days))
        # Closed days at the end of the span would be looked at again at each start.
        if any(day.weekday() in hall.hours and day not in closed for day in days):
            spans.append(Span(hall, first, last, closed))
    return spans


def _open(database: Database, clock: Clock, spans: list[Span], watch: Watch) -> OpenReport:
    """Open slots over two connections, in half the time of one; `watch` counts one half."""
    opening = partial(open_spans, database, clock, every=EVERY_MINUTES, capacity=CAPACITY)
    half = len(spans) // 2
    with ThreadPoolExecutor(1) as beside:
        others = beside.submit(opening, spans[half:])
        report = opening(spans[:half], watch=watch)
        report.opened.add(others.result().opened)
    report.centres = len(spans)
    if spans:
        database.analyze()
    return report


def is_closed(day: date) -> bool:
    """Tell if no centre of the demonstration opens slots on a day, whatever its hours are."""
    return day.weekday() == SUNDAY or (day.month, day.day) in HOLIDAYS


def _add_where_missing(
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
        "our_mode": "ours",
        "hours": json.dumps(_HOURS),
        "source": SOURCE,
        "fingerprint": SOURCE,
        "created_at": now,
        "updated_at": now,
    }
