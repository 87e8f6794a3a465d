"""Write what the public page about the service tells, every few seconds, in one process.

What stands in a file (the opening moment, the hours) is no part of it: each web worker knows that
by itself, whatever happens here. `services.public.state` puts both together.
"""

from __future__ import annotations

import json

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from models.database import STORE_ERRORS, Connection, first_line
from models.messages import freezes
from models.partners import rows
from models.partners.rows import Feed
from models.public import centres
from models.public.centres import FreeAtCentre
from models.public.incidents import OVERLOAD, PARTNER, TEXTS, Incident
from models.queue import handling
from models.slots import services
from models.slots.slot_query import Share
from models.supervision import snapshots
from prompts.catalogue import languages
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.campaign.phone_share import phone_floor
from services.public import incidents
from services.public.offered import several
from services.queue.wait_estimate import read_throughput, wait_seconds
from services.store import Store
from services.supervision.board_facts import iso
from services.supervision.free_places import Counted, CountFree

NAME: Final = "state"
LANGUAGES: Final = languages()
# By centre: what is free there, and the first that is.
FREE: Final = "free"
# About visitors waiting in front of the web, written by the process that lets them in.
ROOM: Final = "room"
PARTNER_OLD: Final = timedelta(hours=1)
# A platform that was not asked for so long was switched off.
PARTNER_GONE: Final = timedelta(hours=24)
# It lasts so long after the last sign of it, or it would flicker.
OVERLOAD_OVER: Final = timedelta(minutes=1)
# What was written about the room longer ago is not of now.
ROOM_OLD: Final = timedelta(seconds=30)

log = structlog.get_logger()


class WriteState:
    """The task of the process that writes. Not for several threads."""

    def __init__(self, store: Store, campaigns: Campaigns, places: CountFree | None = None) -> None:
        """`places` is counted here, and may be read by another task."""
        self._store = store
        self._campaigns = campaigns
        self._places = places or CountFree(store)
        # What was told of places before this process counted any.
        self._places_before: dict[str, Any] | None = None
        self._is_first = True
        self._failing_since: datetime | None = None
        self._overloaded_until: datetime | None = None

    def __call__(self) -> int:
        """Count, store, keep incidents; gives how many of these began or ended."""
        now = self._store.clock.now()
        try:
            changed = self._write(now)
        except Exception:
            # A mistake of ours is no outage of the store.
            if self._failing_since is None and not self._answers():
                self._failing_since = now
            raise
        if self._failing_since is not None:
            # The same outage may have been seen by web workers.
            changed += incidents.record_outage(self._store, self._failing_since, now)
            self._failing_since = None
        return changed

    def _answers(self) -> bool:
        try:
            self._store.database.ping()
        except Exception:  # noqa: BLE001 (whatever it is, it does not answer)
            return False
        return True

    def _write(self, now: datetime) -> int:
        store, campaign = self._store, self._campaigns.current()
        complete = self._count(campaign, now)
        with store.database.statement() as connection:
            if self._is_first:
                self._places_before = _places_before(connection)
                self._is_first = False
            at_partners = centres.free_at_partners(connection, store.clock)
            feeds = [
                feed
                for feed in rows.freshness(connection)
                if feed.tried_at is not None and now - feed.tried_at <= PARTNER_GONE
            ]
            room = _room(connection, now)
            frozen = freezes.is_on(connection)
            telephone = {language: self._line(connection, language) for language in LANGUAGES}
            offered = several(self._campaigns.all(), now)
            bits = services.known(connection) if complete and offered else {}
        found = {(PARTNER, feed.platform) for feed in feeds if _is_old(feed, now)}
        if self._is_overloaded(room, now):
            found.add((OVERLOAD, ""))
        if frozen:
            found.add((TEXTS, ""))
        counted = self._places.counted
        with store.database.transaction() as connection:
            changed = incidents.keep_up(connection, store, found)
            body = {
                "telephone": telephone,
                "room": room_told(room, now),
                "places": (
                    places_told(counted, campaign.horizon_days) if counted else self._places_before
                ),
                "partners": [partner_told(feed) for feed in feeds],
                "incidents": [incident_told(event) for event in incidents.to_show(connection, now)],
            }
            snapshots.put(connection, store.clock, NAME, body)
            if complete and counted:
                at_centres = {
                    one: [free.web, iso(free.next_at)] for one, free in counted.free.items()
                }
                told = {
                    one: [free.platform, iso(free.next_at), iso(free.read_at)]
                    for one, free in at_partners.items()
                }
                of = {
                    # Slots that are for some services were opened for one that has a bit.
                    campaign.service: _free_for(counted, bits.get(campaign.service, 0))
                    for campaign in offered
                }
                free_body = {"at": iso(counted.at), "ours": at_centres, "partners": told, "of": of}
                snapshots.put(connection, store.clock, FREE, free_body)
        return changed

    def _count(self, campaign: Campaign, now: datetime) -> bool:
        """Count the next places; True when all are. Where that fails the last ones stay."""
        try:
            with self._store.database.statement() as connection:
                until = now + timedelta(days=campaign.horizon_days)
                return self._places.refresh(connection, until, _share(connection, campaign, now))
        except STORE_ERRORS as error:
            if not self._answers():
                raise
            log.warning("places not counted: the last ones stay", error=first_line(error))
            return False

    def _line(self, connection: Connection, language: str) -> dict[str, Any]:
        """Callers waiting for an agent in one language, and the wait of a caller who rings now."""
        owed = handling.owed(connection, self._store.clock, language)
        pace = read_throughput(connection, language)
        return {
            "waiting": owed.due,
            "agents": pace.agents,
            "wait_seconds": wait_seconds(owed.due, pace),
        }

    def _is_overloaded(self, room: Mapping[str, Any], now: datetime) -> bool:
        if is_overload(room):
            self._overloaded_until = now + OVERLOAD_OVER
        return self._overloaded_until is not None and now < self._overloaded_until


def _places_before(connection: Connection) -> dict[str, Any] | None:
    """What another process told of places, with its moment; None where none ever did."""
    found = snapshots.get(connection, NAME)
    body: dict[str, Any] = json.loads(found.body) if found and found.body else {}
    places: dict[str, Any] | None = body.get("places")
    return places


def _free_for(counted: Counted, bit: int) -> dict[str, list[Any]]:
    """By centre what the web may have for a service, and the first of it.

    A centre that has something free, and nothing for this service, is not in it; one without
    anything is, for all that is known.
    """
    found = {}
    for one, free in counted.free.items():
        mine = free.of(bit)
        if mine.web or not free.all:
            found[one] = [mine.web, iso(mine.next_at)]
    return found


def _share(connection: Connection, campaign: Campaign, now: datetime) -> Share | None:
    """What the web may have: as `services.slots.allocate` says it for a visitor."""
    floor = phone_floor(connection, campaign)
    return Share(floor, now + campaign.phone_share_until) if floor else None


def _is_old(feed: Feed, now: datetime) -> bool:
    return feed.read_at is not None and now - feed.read_at > PARTNER_OLD


def _room(connection: Connection, now: datetime) -> dict[str, Any]:
    """As services.admission.waiting_room.Room writes it; empty where it was not written lately."""
    found = snapshots.get(connection, ROOM)
    if found is None or found.body is None or now - found.at > ROOM_OLD:
        return {}
    read: dict[str, Any] = json.loads(found.body)
    return read


def is_overload(room: Mapping[str, Any]) -> bool:
    """Whether there is a room because of the load, or visitors are turned away.

    An opening that people wait for is none.
    """
    is_crowded = bool(room.get("active")) and bool(room.get("crowded"))
    return is_crowded or float(room.get("details", {}).get("away", 0.0)) >= 1


def room_told(room: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    """What the public may know of the waiting room; None where there is nothing to tell.

    `wait_seconds` is that of a visitor who comes now; before an opening, counted from the opening.
    """
    if not room:
        return None
    people, rate = int(room.get("waiting", 0)), float(room.get("rate", 0.0))
    active = bool(room.get("active"))
    opening = float(room.get("opening", 0))
    return {
        "active": active,
        "opening": iso(datetime.fromtimestamp(opening, UTC)) if opening > now.timestamp() else None,
        "people": people if active else 0,
        "wait_seconds": round(people / rate) if active and rate else None,
    }


def places_told(counted: Counted, days: int) -> dict[str, Any]:
    """Free places by département; `free`: for all callers, `web`: those also open to this site."""
    return {
        "counted_at": iso(counted.at),
        "days": days,
        **_sums(counted.free.values()),
        "departements": [
            {"code": code, **_sums(row for row in counted.free.values() if row.departement == code)}
            for code in sorted({row.departement for row in counted.free.values()})
        ],
    }


def _sums(some: Iterable[FreeAtCentre]) -> dict[str, int]:
    free = web = 0
    for row in some:
        free, web = free + row.all, web + row.web
    return {"free": free, "web": web}


def partner_told(feed: Feed) -> dict[str, Any]:
    return {"platform": feed.platform, "read_at": iso(feed.read_at), "tried_at": iso(feed.tried_at)}


def incident_told(one: Incident) -> dict[str, Any]:
    return {
        "kind": one.kind,
        **{language: one.translations.get(language, one.text) for language in LANGUAGES},
        "began_at": iso(one.began_at),
        "ended_at": iso(one.ended_at),
    }
