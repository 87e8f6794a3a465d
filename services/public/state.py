"""How the service is, for the public: what one process wrote, and what this worker knows itself.

It must be told when nothing else works. So a thread of its own asks the store, each request gets
what is known, and a store that does not answer is part of what is told. Moments are UTC.
"""

from __future__ import annotations

import json
import threading
import time

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from models.public.incidents import OVERLOAD, STORE
from models.supervision import snapshots
from models.supervision.snapshots import Snapshot
from prompts.catalogue import COUNTRY_LANGUAGE
from services.campaign.campaign import Campaign
from services.centres.towns import departement_name
from services.public import incidents
from services.public.incidents import OUTAGE_LEAST
from services.public.write_state import LANGUAGES, NAME
from services.store import Store
from services.supervision.board_facts import iso

log = structlog.get_logger()

# A worker asks the store at most so often (seconds), and no request waits longer for its answer.
KEPT_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 1.5
# A store that takes so long to answer one question is down; below that, it is only busy.
SILENT: Final = OUTAGE_LEAST
# If the snapshot was not written for so long, the figures are told with a warning.
OLD: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Known:
    """What a worker has of a snapshot. `failing_since`: the store does not answer since then."""

    snapshot: Snapshot | None
    failing_since: datetime | None


class Latest:
    """The newest snapshot of a name, as one worker has it. May be used by several threads."""

    def __init__(
        self, store: Store, name: str = NAME, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """`ticks` is a monotonic clock in seconds."""
        self._store = store
        self._name = name
        self._ticks = ticks
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._began = store.clock.now()
        self._next = 0.0
        self._slow = False
        self._snapshot: Snapshot | None = None
        self._failing_since: datetime | None = None

    def look(self, patience: float | None = None) -> Known:
        """What is known now; asks the store first where that is due, and does not insist.

        `patience`: how many seconds this request waits for the answer; None: as the page itself.
        """
        with self._lock:
            if self._reader is None and self._ticks() >= self._next:
                self._began = self._store.clock.now()
                self._reader = threading.Thread(target=self._read, daemon=True)
                self._reader.start()
            reader, slow = self._reader, self._slow
        if reader is not None and not slow:
            reader.join(PATIENCE_SECONDS if patience is None else patience)
            if reader.is_alive():
                # The next ones do not wait for this one's question.
                self._slow = True
        failing = self._failing_since
        if failing is None and self._slow and self._store.clock.now() - self._began >= SILENT:
            failing = self._began
        return Known(self._snapshot, failing)

    def _read(self) -> None:
        try:
            with self._store.database.statement() as connection:
                known = self._snapshot
                found = snapshots.get(connection, self._name, known.tag if known else "")
        except Exception as error:  # noqa: BLE001 (that it failed is what is told)
            log.warning("state not read", error=type(error).__name__)
            self._failing_since = self._failing_since or self._began
        else:
            self._answered(found)
        finally:
            with self._lock:
                self._reader, self._slow = None, False
                self._next = self._ticks() + KEPT_SECONDS

    def _answered(self, found: Snapshot | None) -> None:
        known = self._snapshot
        if found is not None and found.body is None and known is not None:
            found = Snapshot(found.name, found.at, found.tag, known.body)
        self._snapshot = found or known
        since = self._failing_since or (self._began if self._slow else None)
        self._failing_since = None
        if since is None:
            return
        try:
            incidents.record_outage(self._store, since, self._store.clock.now())
        except Exception as error:  # noqa: BLE001 (it may have gone again)
            log.warning("outage not written", error=type(error).__name__)


# ---------------------------------------------------------------- what is told


def put_together(
    known: Known,
    campaign: Campaign,
    number: str,
    now: datetime,
    services: Sequence[Campaign] = (),
) -> dict[str, Any]:
    """What /etat and /etat.json tell: the same to all visitors, with no personal data.

    `services` are the campaigns of several services, beside one another; none where there is one.
    """
    snapshot = known.snapshot
    body: dict[str, Any] = json.loads(snapshot.body) if snapshot and snapshot.body else {}
    told = _incidents(body, known, now)
    return {
        "at": iso(now),
        "status": _status(campaign, told, now),
        "booking": booking_told(campaign, now),
        "measured_at": iso(snapshot.at) if snapshot else None,
        "measured_long_ago": snapshot is not None and now - snapshot.at > OLD,
        "telephone": _telephone(campaign, number, body, now),
        "waiting_room": body.get("room"),
        "places": _places(body),
        "partners": body.get("partners", []),
        "incidents": told,
        **(
            {"services": [{"name": each.service, **booking_told(each, now)} for each in services]}
            if services
            else {}
        ),
    }


def people_told(known: Known, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Who answers besides the machine: whether a person does by the hours, and who is there now.

    `at_work`: agents at work at `measured_at`; None where that is not known, or was long ago.
    """
    snapshot = known.snapshot
    body: dict[str, Any] = json.loads(snapshot.body) if snapshot and snapshot.body else {}
    is_known = snapshot is not None and now - snapshot.at <= OLD and known.failing_since is None
    line = _telephone(campaign, "", body, now)
    return {
        "now": line["people_now"],
        "until": line["people_until"],
        "from": line["people_from"],
        "at_work": line["agents"] if is_known else None,
        "measured_at": iso(snapshot.at) if snapshot else None,
    }


def booking_told(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Whether appointments are given, since when or from when on."""
    opens_at, closes_at = campaign.opens_at, campaign.closes_at
    return {
        "open": campaign.is_open(now),
        "opens_at": iso(opens_at),
        "closes_at": iso(closes_at),
        "closed": closes_at is not None and closes_at <= now,
        "zone": campaign.zone,
    }


def _status(campaign: Campaign, told: list[dict[str, Any]], now: datetime) -> str:
    """down, overload, closed, soon or open: the first that is true."""
    running = {incident["kind"] for incident in told if incident["ended_at"] is None}
    if STORE in running:
        return "down"
    if OVERLOAD in running:
        return "overload"
    if campaign.is_open(now):
        return "open"
    return "soon" if campaign.opens_at is not None and campaign.opens_at > now else "closed"


def _incidents(body: Mapping[str, Any], known: Known, now: datetime) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = list(body.get("incidents", []))
    if known.failing_since is None:
        return written
    began = iso(known.failing_since)
    texts = dict.fromkeys(LANGUAGES, "")
    return [{"kind": STORE, **texts, "began_at": began, "ended_at": None}, *written]


def _telephone(
    campaign: Campaign, number: str, body: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    hours = campaign.hours
    line = body.get("telephone", {}).get(COUNTRY_LANGUAGE, {})
    return {
        "number": number,
        # Of people: the machine answers at any hour.
        "people_now": hours.is_open(now),
        "people_until": _utc(hours.closes_at(now)),
        "people_from": None if hours.is_open(now) else _utc(hours.next_opening(now)),
        "waiting": line.get("waiting"),
        "agents": line.get("agents"),
        "wait_seconds": line.get("wait_seconds"),
    }


def _utc(local: datetime | None) -> str | None:
    return iso(local.astimezone(UTC) if local else None)


def _places(body: Mapping[str, Any]) -> dict[str, Any] | None:
    places: dict[str, Any] | None = body.get("places")
    if places is None:
        return None
    named = [
        {"code": place["code"], "name": departement_name(place["code"]), **place}
        for place in places["departements"]
        # Départements without a known name are left out while they have no free slot.
        if departement_name(place["code"]) or place["free"]
    ]
    return {**places, "departements": named}
