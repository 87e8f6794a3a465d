"""The centres of the public site, as each web worker remembers them.

Read again in the background when the memory is a minute old: a page of a centre costs no
database. Only the first visitor of a worker that was idle for longer waits for that, and no longer
than for a moment: without the store it shows what it knows. What is free there comes from a
snapshot that one process writes, with its age.
"""

from __future__ import annotations

import json
import threading
import time

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from models.centres.geography import distance_km
from models.public import centres
from models.public.centres import PublicCentre
from models.supervision.snapshots import Snapshot
from services.centres.directory import NOT_KNOWN, ROUGHLY_KILOMETRES, TownAt, towns_around
from services.public.state import Latest
from services.public.write_state import FREE
from services.store import Store

__all__ = ["PublicCentre"]

log = structlog.get_logger()

FRESH_SECONDS: Final = 60.0
# Beyond it the one who asks waits for what is read then, so long (seconds) at the most.
KEPT_SECONDS: Final = 120.0
PATIENCE_SECONDS: Final = 1.0
MOST_SHOWN: Final = 20
# Centres whose surroundings a worker remembers.
MOST_AROUND: Final = 256


@dataclass(frozen=True)
class NearbyListedCentre:
    """A centre and its distance as the crow flies; NOT_KNOWN within its town, where it stands."""

    kilometres: float
    centre: PublicCentre


@dataclass(frozen=True)
class FirstFreeTime:
    """The first free time of a centre, and how old that is. UTC; `platform` is empty for ours.

    `at` is None where nothing was free; `free` is how many places this site may give, None where
    that is not known.
    """

    at: datetime | None
    read_at: datetime
    platform: str = ""
    free: int | None = None


def _all_of_them(_one: PublicCentre) -> bool:
    return True


class PublicCentres:
    """One for each web worker. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self,
        store: Store,
        *,
        ticks: Callable[[], float] = time.monotonic,
        fresh_seconds: float = FRESH_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._store = store
        self._ticks = ticks
        self._fresh = fresh_seconds
        self._kept = max(KEPT_SECONDS, fresh_seconds)
        self._patience = patience_seconds
        self._latest = Latest(store, FREE, ticks=ticks)
        self._known: tuple[float, dict[str, PublicCentre]] | None = None
        self._reading = threading.Lock()
        self._around: dict[tuple[str, float], Sequence[TownAt]] = {}
        self._reading_around = threading.Lock()
        self._next: tuple[str, dict[str, dict[str, FirstFreeTime]]] = ("", {})

    def all(self) -> Mapping[str, PublicCentre]:
        """By id. Raises as the store does where nothing was ever read."""
        known = self._known
        if known is None or self._fresh <= 0:
            return self._read()
        age = self._ticks() - known[0]
        if age > self._fresh and self._reading.acquire(blocking=False):
            reader = threading.Thread(target=self._read_again, daemon=True)
            reader.start()
            if age > self._kept:
                reader.join(self._patience)
                known = self._known or known
        return known[1]

    def departement(self, code: str, today: date) -> list[PublicCentre]:
        """Those of a département, by town and name."""
        found = [
            centre
            for centre in self.all().values()
            if centre.departement == code and is_there(centre, today)
        ]
        return sorted(found, key=lambda one: (one.town, one.name, one.id))

    def departements(
        self, today: date, lists: Callable[[PublicCentre], bool] = _all_of_them
    ) -> dict[str, int]:
        """How many there are in each département, of those that are listed."""
        counts: dict[str, int] = {}
        for centre in self.all().values():
            if is_there(centre, today) and lists(centre):
                counts[centre.departement] = counts.get(centre.departement, 0) + 1
        return dict(sorted(counts.items()))

    def near(  # noqa: PLR0917
        self,
        latitude: float,
        longitude: float,
        territory: str,
        kilometres: float,
        today: date,
        lists: Callable[[PublicCentre], bool] = _all_of_them,
    ) -> list[NearbyListedCentre]:
        """Those listed within so many kilometres that no sea parts from there, nearest first."""
        found = []
        for centre in self.all().values():
            if centre.territory != territory or centre.latitude is None or centre.longitude is None:
                continue
            away = distance_km(latitude, longitude, centre.latitude, centre.longitude)
            if centre.roughly and away < ROUGHLY_KILOMETRES:
                away = NOT_KNOWN
            if away <= kilometres and is_there(centre, today) and lists(centre):
                found.append(NearbyListedCentre(away, centre))
        return sorted(found, key=lambda one: (one.kilometres, one.centre.id))[:MOST_SHOWN]

    def next_free(self, service: str = "") -> dict[str, FirstFreeTime]:
        """The first free time of each centre that is known, by its id; empty where none is.

        Of a service by its name: of our centres alone, and none of those that have places for
        others only.
        """
        snapshot = self._latest.look().snapshot
        if snapshot is None:
            return {}
        if self._next[0] != snapshot.tag:
            self._next = (snapshot.tag, _read_next(snapshot))
        return self._next[1].get(service, {})

    def towns_around(self, one: PublicCentre, kilometres: float) -> Sequence[TownAt]:
        """The towns around a centre, for a map; none where the store does not tell them at once.

        Read once for each neighbourhood: a page never waits longer for it than for a moment.
        """
        if one.latitude is None or one.longitude is None:
            return ()
        key = (one.id, kilometres)
        if key not in self._around and self._reading_around.acquire(blocking=False):
            place, territory = (one.latitude, one.longitude), one.territory

            def read() -> None:
                try:
                    self._around[key] = self._store.database.read_late(
                        lambda connection: towns_around(connection, place, territory, kilometres)
                    )
                except Exception as error:  # noqa: BLE001 (the map goes without them)
                    log.warning("towns not read", error=type(error).__name__)
                finally:
                    self._reading_around.release()

            if len(self._around) >= MOST_AROUND:
                self._around.clear()
            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            reader.join(self._patience)
        return self._around.get(key, ())

    def _read(self) -> dict[str, PublicCentre]:
        found = {row.id: row for row in self._store.database.read_late(centres.public_centres)}
        self._known = (self._ticks(), found)
        return found

    def _read_again(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 (what is known serves until the next try)
            log.warning("public centres not read", error=type(error).__name__)
        finally:
            self._reading.release()


def is_there(one: PublicCentre, today: date) -> bool:
    """Whether a centre has not closed for good; one that opens soon is shown, too."""
    return one.closes_on is None or today <= one.closes_on


def week_of(one: PublicCentre) -> list[tuple[int, Sequence[tuple[str, str]]]]:
    """Its hours by day (0: Monday), as the official file has them; empty where it tells none."""
    hours: dict[str, list[list[str]]] = json.loads(one.hours)
    return [
        (day, [(first, last) for first, last in hours[str(day)]])
        for day in range(7)
        if hours.get(str(day))
    ]


def today_at(one: PublicCentre, now: datetime) -> date:
    """The day that it is there."""
    return now.astimezone(ZoneInfo(one.time_zone)).date()


def _read_next(snapshot: Snapshot) -> dict[str, dict[str, FirstFreeTime]]:
    """By service, whose name is "" for all of them."""
    body: dict[str, Any] = json.loads(snapshot.body or "{}")
    counted_at = datetime.fromisoformat(body["at"])
    found = {
        one: FirstFreeTime(datetime.fromisoformat(at), datetime.fromisoformat(read_at), platform)
        for one, (platform, at, read_at) in body["partners"].items()
    }
    # Where both are known, ours are those that may be had here.
    for one, (free, at) in body["ours"].items():
        ours = FirstFreeTime(datetime.fromisoformat(at) if at else None, counted_at, free=free)
        if ours.at is not None or one not in found:
            found[one] = ours
    by_service = {"": found}
    # A snapshot of an earlier version has none by service.
    for service, centres_of in body.get("of", {}).items():
        by_service[service] = {
            one: FirstFreeTime(datetime.fromisoformat(at) if at else None, counted_at, free=free)
            for one, (free, at) in centres_of.items()
        }
    return by_service
