"""What each web worker remembers of centres and postcodes, so that a turn need not ask again.

Centres are read again in the background when what is known is older than a few seconds: no call
waits for it, and an import shows in calls soon after. Only the first caller who comes to a worker
that was idle for a minute waits for one statement, and hears of what is there now. Whether a centre
is still open and ours is checked once more by the statement that looks for its places. A postcode
is asked for once and remembered for some minutes; one that does not exist is not remembered.
"""

from __future__ import annotations

import math
import threading
import time

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache

import structlog

from flows.understanding import NotUnderstood, telephone
from flows.understanding.town_table import TownTable
from models.centres import directory
from models.centres.directory import (
    BookableCentre,
    MainTown,
    PostcodeArea,
    SelfBookingCentre,
    TownAt,
    WalkInCentre,
)
from models.centres.geography import degrees_east, distance_km, is_one_island
from models.database import Connection, Database
from models.partners import rows as partner_rows
from models.slots.slots import HeldAppointment
from services.centres.towns import town_table

__all__ = ["PostcodeArea", "TownAt"]

log = structlog.get_logger()

CENTRES_FRESH_SECONDS = 10.0
# No person is answered from what is older: a request to a worker that was idle waits for it.
CENTRES_KEPT_SECONDS = 60.0
POSTCODE_FRESH_SECONDS = 300.0
# Others' centres change with an import alone, and few callers ever hear of one.
OTHERS_FRESH_SECONDS = 60.0
KILOMETRES_PER_DEGREE = 111.0
# Neighbourhoods of one size are remembered together: steps of kilometres, and a cell in degrees.
_REACH_STEP = 20
_CELL = 0.05
_MOST_POSTCODES = 8192
# From so many places what is near is remembered, until a centre changes.
_MOST_PLACES = 1024
# Towns around so many places are remembered, and so many of each.
_MOST_AROUND = 256
_TOWNS_AROUND = 60

# Degrees by which a circle may be wider than it is reckoned.
_ROUNDED = 1e-6

# In place of a distance that is not known, for want of a position there or here.
NOT_KNOWN = -1.0
# A centre that stands where its town does is not told to be less far than this.
ROUGHLY_KILOMETRES = 1.0


@dataclass(frozen=True, slots=True)
class NearbyCentre:
    """A centre and its distance as the crow flies; NOT_KNOWN where it is not known."""

    kilometres: float
    centre: BookableCentre


@dataclass(frozen=True)
class NearOther:
    """A centre that books for itself, its distance, and the number to ring there (E.164)."""

    kilometres: float
    centre: SelfBookingCentre
    number: str


@dataclass(frozen=True)
class NearWalkIn:
    """A centre to which people come without an appointment, and its distance."""

    kilometres: float
    centre: WalkInCentre


@dataclass
class _Centres:
    read_at: float
    by_territory: dict[str, list[BookableCentre]]
    # Those of them without a position, of which there are few.
    unplaced: dict[str, list[BookableCentre]]
    nearest: dict[tuple[float, float, str, float, str], list[NearbyCentre]] = field(
        default_factory=dict
    )


def _latitude(there: BookableCentre | MainTown) -> float:
    return there.latitude


_Standing = BookableCentre | SelfBookingCentre | WalkInCentre


def kilometres_to(latitude: float, longitude: float, there: _Standing | HeldAppointment) -> float:
    """How far a centre is as the crow flies; NOT_KNOWN where one of the positions is not."""
    if not (latitude or longitude) or not (there.latitude or there.longitude):
        return NOT_KNOWN
    away = distance_km(latitude, longitude, there.latitude, there.longitude)
    return NOT_KNOWN if there.roughly and away < ROUGHLY_KILOMETRES else away


def kilometres_from(connection: Connection, postcode: str, there: HeldAppointment) -> float:
    """The same from a postcode."""
    area = directory.find_postcode(connection, postcode)
    if area is None:
        return NOT_KNOWN
    return kilometres_to(area.latitude or 0.0, area.longitude or 0.0, there)


def _is_beside(there: _Standing, latitude: float, longitude: float, postcode: str) -> bool:
    """Whether a centre is found without a distance: in the same postcode, or on a small island.

    For those who search from a postcode without a position, and centres without one.
    """
    if (latitude or longitude) and (there.latitude or there.longitude):
        return False
    return (postcode != "" and there.postcode == postcode) or is_one_island(there.territory)


def _is_beyond(there: _Standing, latitude: float, kilometres: float) -> bool:
    """Whether the latitudes alone say that a centre is farther; False where one is not known."""
    north = abs(there.latitude - latitude) * KILOMETRES_PER_DEGREE
    return bool(there.latitude and latitude) and north > max(kilometres, ROUGHLY_KILOMETRES)


def _reach(
    there: SelfBookingCentre | WalkInCentre, place: tuple[float, float], postcode: str, today: date
) -> float | None:
    """How far a centre open today is; NOT_KNOWN on the same island, None where no person goes.

    `place` is where is searched from, in degrees.
    """
    if not (there.opens_on or today) <= today <= (there.closes_on or today):
        return None
    away = kilometres_to(*place, there)
    is_known = any(place) and (there.latitude or there.longitude)
    return away if is_known or _is_beside(there, *place, postcode) else None


@lru_cache(maxsize=4096)
def _ordinary(numbers: tuple[str, ...]) -> str:
    """The first number that costs no more than an ordinary call; empty for none.

    Numbers of centres are public, and change with an import: each is looked at once.
    """
    for number in numbers:
        try:
            return telephone(number)[0]
        except NotUnderstood:
            continue
    return ""


Degrees = tuple[float, float]
# Latitudes and longitudes.
EVERYWHERE: tuple[Degrees, Degrees] = ((-90.0, 90.0), (-180.0, 180.0))


def _box(place: tuple[float, float], kilometres: float) -> tuple[Degrees, Degrees]:
    """From where to where towns within so many kilometres are: latitudes and longitudes."""
    north = kilometres / KILOMETRES_PER_DEGREE + _CELL
    east = north / max(0.2, math.cos(math.radians(place[0])))
    return (place[0] - north, place[0] + north), (place[1] - east, place[1] + east)


def _largest(found: Iterable[MainTown]) -> list[TownAt]:
    towns = (town.town for town in found)
    return sorted(towns, key=lambda one: (-one.inhabitants, one.name))[:_TOWNS_AROUND]


def towns_around(
    connection: Connection, place: tuple[float, float], territory: str, kilometres: float
) -> list[TownAt]:
    """The largest towns within so many kilometres of a place (degrees), the largest first."""
    return _largest(directory.main_towns_within(connection, territory, *_box(place, kilometres)))


@dataclass
class _MainTowns:
    """The main towns of a land, all read in one statement, from the south to the north.

    To read those of one square of a degree takes a tenth of that, and within ten seconds visitors
    ask for all squares.
    """

    ticks: Callable[[], float]
    _known: dict[str, tuple[float, list[MainTown]]] = field(default_factory=dict)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def within(
        self, connection: Connection, territory: str, latitudes: Degrees, longitudes: Degrees
    ) -> Iterator[MainTown]:
        """The towns between these degrees."""
        towns = self._of_land(connection, territory)
        first = bisect_left(towns, latitudes[0], key=_latitude)
        last = bisect_right(towns, latitudes[1], key=_latitude)
        for town in towns[first:last]:
            if longitudes[0] <= town.longitude <= longitudes[1]:
                yield town

    def _of_land(self, connection: Connection, territory: str) -> list[MainTown]:
        now = self.ticks()
        known = self._known.get(territory)
        if known is not None and now - known[0] < POSTCODE_FRESH_SECONDS:
            return known[1]
        # While one visitor's thread reads them anew, the others answer from what is known.
        is_first = self._reading.acquire(blocking=False)
        if known is not None and not is_first:
            return known[1]
        try:
            read = directory.main_towns_within(connection, territory, *EVERYWHERE, most=None)
            towns = sorted(read, key=_latitude)
            self._known[territory] = now, towns
        finally:
            if is_first:
                self._reading.release()
        return towns


class Directory:
    """One for each process. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self,
        database: Database,
        *,
        ticks: Callable[[], float] = time.monotonic,
        centres_fresh_seconds: float = CENTRES_FRESH_SECONDS,
    ) -> None:
        self._database = database
        self._ticks = ticks
        self._fresh = self.centres_fresh_seconds = centres_fresh_seconds
        self._kept = max(CENTRES_KEPT_SECONDS, centres_fresh_seconds)
        # With the memory of centres switched off, these are not remembered either.
        self._others_fresh = OTHERS_FRESH_SECONDS if centres_fresh_seconds > 0 else -1.0
        self._centres: _Centres | None = None
        self._reading = threading.Lock()
        self._postcodes: dict[str, tuple[float, PostcodeArea]] = {}
        self._towns: TownTable | None = None
        self._reading_towns = threading.Lock()
        self._around: dict[tuple[str, float, float, int], tuple[float, list[TownAt]]] = {}
        self._main_towns = _MainTowns(ticks)
        self._others: tuple[float, list[SelfBookingCentre]] | None = None
        self._walk_ins: tuple[float, list[WalkInCentre]] | None = None
        self._partners: tuple[float, bool] | None = None

    def nearest(
        self,
        connection: Connection,
        latitude: float,
        longitude: float,
        territory: str,
        radius_kilometres: float,
        *,
        postcode: str = "",
        remember: bool = True,
    ) -> list[NearbyCentre]:
        """Bookable centres of a territory within a radius, nearest first.

        Degrees of 0.0 mean that the position is not known: then those of the same `postcode`, or of
        the whole of a small island, are found; never those of another island. Pass
        `remember=False` for long answers that are rarely asked for.
        """
        centres = self._known_centres(connection)
        key = (latitude, longitude, territory, radius_kilometres, postcode)
        found = centres.nearest.get(key)
        if found is None:
            # Northward a degree is 111 km everywhere, so a band of latitudes holds the circle. Of
            # those in it most are too far east or west, and are not measured.
            band = radius_kilometres / KILOMETRES_PER_DEGREE
            east = degrees_east(latitude, radius_kilometres) + _ROUNDED
            there = centres.by_territory.get(territory, [])
            first = bisect_left(there, latitude - band, key=_latitude)
            last = bisect_right(there, latitude + band, key=_latitude)
            measured = [
                NearbyCentre(kilometres_to(latitude, longitude, c), c)
                for c in there[first:last]
                if abs(c.longitude - longitude) <= east
                and (latitude or longitude)
                and (c.latitude or c.longitude)
            ]
            others = centres.unplaced.get(territory, []) if latitude or longitude else there
            measured += [
                NearbyCentre(NOT_KNOWN, c)
                for c in others
                if _is_beside(c, latitude, longitude, postcode)
            ]
            found = sorted(
                (near for near in measured if near.kilometres <= radius_kilometres),
                key=lambda near: (near.kilometres, near.centre.id),
            )
            if remember:
                if len(centres.nearest) >= _MOST_PLACES:
                    centres.nearest.clear()
                centres.nearest[key] = found
        return found

    def centre(self, connection: Connection, centre_id: str) -> BookableCentre | None:
        """A bookable centre by its id."""
        known = self._known_centres(connection).by_territory.values()
        return next((centre for some in known for centre in some if centre.id == centre_id), None)

    def nearest_other(
        self,
        connection: Connection,
        latitude: float,
        longitude: float,
        territory: str,
        *,
        closer_than: float,
        today: date,
        postcode: str = "",
    ) -> NearOther | None:
        """The nearest centre open today that books for itself by an ordinary telephone number.

        Where the position is not known, as for `nearest`.
        """
        found: NearOther | None = None
        for other in self._known_others(connection):
            if other.territory != territory or _is_beyond(other, latitude, closer_than):
                continue
            away = _reach(other, (latitude, longitude), postcode, today)
            number = _ordinary(other.phones) if away is not None and away < closer_than else ""
            if away is not None and number and (found is None or away < found.kilometres):
                found = NearOther(away, other, number)
        return found

    def nearest_walk_in(
        self,
        connection: Connection,
        place: tuple[float, float],
        territory: str,
        *,
        closer_than: float,
        today: date,
        postcode: str = "",
    ) -> NearWalkIn | None:
        """The nearest centre open today that takes people without an appointment.

        `place` in degrees; where it is not known, as for `nearest`.
        """
        found: NearWalkIn | None = None
        for other in self._known_walk_ins(connection):
            if other.territory != territory:
                continue
            away = _reach(other, place, postcode, today)
            if away is None or away >= closer_than:
                continue
            if found is None or away < found.kilometres:
                found = NearWalkIn(away, other)
        return found

    def _known_others(self, connection: Connection) -> list[SelfBookingCentre]:
        now = self._ticks()
        if self._others is None or now - self._others[0] > self._others_fresh:
            self._others = (now, directory.self_booking_centres(connection))
        return self._others[1]

    def _known_walk_ins(self, connection: Connection) -> list[WalkInCentre]:
        now = self._ticks()
        if self._walk_ins is None or now - self._walk_ins[0] > self._others_fresh:
            self._walk_ins = (now, directory.walk_in_centres(connection))
        return self._walk_ins[1]

    def has_partners(self, connection: Connection) -> bool:
        """Whether a partner's centre is known: without any, no person need look for one."""
        now = self._ticks()
        if self._partners is None or now - self._partners[0] > self._others_fresh:
            self._partners = (now, partner_rows.any_centre(connection))
        return self._partners[1]

    def postcode(self, connection: Connection, code: str) -> PostcodeArea | None:
        """A postcode, or None for one that does not exist."""
        now = self._ticks()
        known = self._postcodes.get(code)
        if known and now - known[0] < POSTCODE_FRESH_SECONDS:
            return known[1]
        found = directory.find_postcode(connection, code)
        if found is None:
            self._postcodes.pop(code, None)
        elif len(self._postcodes) < _MOST_POSTCODES or code in self._postcodes:
            self._postcodes[code] = (now, found)
        return found

    def towns_around(
        self, connection: Connection, place: tuple[float, float], territory: str, kilometres: float
    ) -> list[TownAt]:
        """The largest towns within so many kilometres of a place (degrees), the largest first.

        One visitor in five minutes waits for the statement that reads a land.
        """
        now = self._ticks()
        reach = max(1, math.ceil(kilometres / _REACH_STEP)) * _REACH_STEP
        key = (territory, round(place[0], 1), round(place[1], 1), reach)
        known = self._around.get(key)
        if known and now - known[0] < POSTCODE_FRESH_SECONDS:
            return known[1]
        found = _largest(self._main_towns.within(connection, territory, *_box(place, reach)))
        if len(self._around) >= _MOST_AROUND:
            self._around.clear()
        self._around[key] = (now, found)
        return found

    def towns(self, connection: Connection) -> TownTable:
        """The towns as they are named, read when the first caller says one.

        What an import changes later shows in the next process: a town's name hardly ever changes.
        """
        with self._reading_towns:
            if self._towns is None or not len(self._towns):
                self._towns = town_table(connection)
            return self._towns

    def _known_centres(self, connection: Connection) -> _Centres:
        centres = self._centres
        if centres is None or self._fresh <= 0:
            return self._read(connection)
        age = self._ticks() - centres.read_at
        if age > self._kept:
            # By the caller's own connection, even while another one reads: a thread with a
            # connection must not wait for one that needs a connection.
            return self._read(connection)
        if age > self._fresh and self._reading.acquire(blocking=False):
            threading.Thread(target=self._read_again, daemon=True).start()
        return centres

    def _read_again(self) -> None:
        try:
            with self._database.statement() as connection:
                self._read(connection)
        except Exception as error:  # noqa: BLE001 (what is known serves until the next try)
            log.warning("centres not read", error=type(error).__name__)
        finally:
            self._reading.release()

    def _read(self, connection: Connection) -> _Centres:
        now = self._ticks()
        by_territory: dict[str, list[BookableCentre]] = {}
        for centre in directory.bookable_centres(connection):
            by_territory.setdefault(centre.territory, []).append(centre)
        for there in by_territory.values():
            # Whatever the order of the rows is: those without a position have one latitude.
            there.sort(key=lambda one: (one.latitude, one.id))
        unplaced = {
            territory: [town for town in there if not (town.latitude or town.longitude)]
            for territory, there in by_territory.items()
        }
        read = _Centres(now, by_territory, unplaced)
        before = self._centres
        if before is not None and before.by_territory == by_territory:
            # What was found near a place is so still.
            read = replace(before, read_at=now)
        # To compare them takes a while, in which another thread may have stored what it read.
        known = self._centres
        # One that was slow in the background does not bring back what a caller read after it began.
        if known is None or known.read_at <= now:
            self._centres = read
        return read
