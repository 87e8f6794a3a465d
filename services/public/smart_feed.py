"""Our free slots for others, as SMART Scheduling Links: files that any web server can give.

Source: the "Slot Publisher" specification of SMART Scheduling Links (FHIR R4): a manifest that
names files of Location, Schedule and Slot, one JSON object a line. Slots are in one file for each
département, written anew where something changed, and everywhere after a while: places come within
reach, and slots pass, without any row being written. A file that would be the same stays as it is,
so that a client that asks "if modified since" is told that nothing was.

Each Location fits the specification's profile: an address with its line, city, state and postal
code, a telephone and a page. A centre whose source gives no address at all is left out, and named.

Files are kept compressed (gzip) and nothing else: a million slots are half a gigabyte of text.
They are put into the store as well, from which every other machine copies them (`FeedCopy`).
"""

from __future__ import annotations

import contextlib
import fcntl
import filecmp
import gzip
import hashlib
import json
import os
import re
import threading
import time

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import structlog

from models.database import Connection
from models.operations import shared_files
from models.operations.shared_files import FEED, SharedFile
from models.public import feed
from models.public.centres import PublicCentre, public_centres
from models.public.feed import ChangeMarks, FeedSlot
from prompts.catalogue import COUNTRY_LANGUAGE
from services.campaign.campaign import Campaign
from services.public.offered import shown
from services.slots.allocate import Allocate, Channel, Holder
from services.store import Store
from services.work import Work

log = structlog.get_logger()

PATH: Final = "/api/slots"
MANIFEST: Final = "$bulk-publish"
LOCATIONS: Final = "locations.ndjson"
SCHEDULES: Final = "schedules.ndjson"
# Files as a URL may name them.
NAMES: Final = re.compile(r"(?:locations|schedules|slots-[0-9AB]{2,3})\.ndjson")
_DEPARTEMENT: Final = re.compile(r"[0-9AB]{2,3}")
_NONE: Final = "00"
# Seconds after which a département is written whatever the signs of change say.
EVERYTHING_AFTER: Final = 600.0
# How far back operations count as new: a large one blocks places for a while after it began.
_RECENT: Final = timedelta(minutes=15)
_REGISTRY: Final = "http://fhir-registry.smarthealthit.org"
_EXTENSIONS: Final = f"{_REGISTRY}/StructureDefinition"
# Of a FHIR id: letters, digits, "-" and "."; 64 at most.
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
# A slot's length is not stored: it ends when the next begins, if that is so near.
_LONGEST: Final = timedelta(hours=2)
_USUAL: Final = timedelta(minutes=15)
# A machine looks so often (seconds) whether another wrote anything, where somebody asks it for the
# feed; the first of all waits so long for an answer.
COPIED_EVERY: Final = 10.0
PATIENCE_SECONDS: Final = 3.0
# Two locks of a folder: one process writes into it at a time, and none while another copies.
_WRITING: Final = "writer"
_COPYING: Final = "copier"
_PACKED: Final = ".gz"
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Compressing harder takes three times as long for a fifth less.
_LEVEL: Final = 4

log = structlog.get_logger()

_SERVICE: Final[list[dict[str, Any]]] = [
    {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/service-type",
                "code": "57",
                "display": "Immunization",
            },
            {
                "system": f"{_REGISTRY}/CodeSystem/service-type",
                "code": "covid19-immunization",
                "display": "COVID-19 Immunization Appointment",
            },
        ]
    }
]


@dataclass(frozen=True)
class Publisher:
    """The publisher in the feed: the address of the service, and the number to ring (E.164)."""

    base_url: str
    number: str


class SmartFeed:
    """Writes the files of the feed into a folder; one process does, of which there may be two.

    `ticks` is a monotonic clock in seconds.
    """

    def __init__(
        self,
        store: Store,
        campaign: Callable[[], Campaign],
        folder: Path,
        publisher: Publisher,
        *,
        services: Callable[[], Sequence[Campaign]] = tuple,
        number_of: Callable[[Campaign], str] | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`services` gives the open campaigns; what they are for is the type of a Schedule.

        `number_of` gives the number (E.164) to ring for one of them; None: one for all.
        """
        self._store = store
        self._campaign = campaign
        self._services = services
        # What slots are for that serve some services only, by their bits.
        self._types: Callable[[int], str] = _of_all
        # The number to ring for a slot, by the same.
        self._number_of = number_of
        self._phone: Callable[[int], str] = _phone_by_bits([], {}, publisher.number)
        self._folder = folder
        self._publisher = publisher
        self._ticks = ticks
        self._seen = ChangeMarks()
        self._held: set[str] = set()
        # Centres that the last writing left out, for want of an address.
        self.left_out: tuple[str, ...] = ()
        # When each département was written last; none where this process never did.
        self._written: dict[str, float] = {}

    def write(self) -> int:
        """Write what is due; gives how many files are other than before."""
        with _alone(self._folder, _WRITING) as ours, _alone(self._folder, _COPYING, waits=ours):
            return self._write_and_share() if ours else 0

    def _write_and_share(self) -> int:
        replaced = self._write()
        try:
            self._share()
        except Exception:
            # What others have not got is written anew: a copy of theirs may have come over it.
            self._written.clear()
            raise
        return replaced

    def _write(self) -> int:
        store, campaign = self._store, self._campaign()
        seen, ours, changed, held = store.database.read_late(self._read_changes)
        is_open = campaign.is_open(store.clock.now())
        centres = [one for one in ours if _has_address(one)]
        self._tell_left_out(tuple(sorted(one.id for one in ours if not _has_address(one))))
        # Not only neighbours in the order of départements may be without one.
        centres.sort(key=lambda one: (_departement(one), one.id))
        by_departement = {code: list(some) for code, some in groupby(centres, _departement)}
        replaced = self._replace(LOCATIONS, map(self._location, centres))
        named = [one for one in self._services() if one.service]
        types = service_types(named, self._publisher.base_url)
        bits = store.database.read_late(feed.service_bits) if named else {}
        self._types = _types_by_bits(types, bits) if bits else _of_all
        numbers = [(one.service, self._number_of(one)) for one in named] if self._number_of else []
        self._phone = _phone_by_bits(numbers, bits, self._publisher.number)
        replaced += self._replace(SCHEDULES, (_schedule(one, types) for one in centres))
        changed |= held | self._held
        due = [
            code
            for code, some in by_departement.items()
            if is_open and self._is_due(code, some, changed)
        ]
        for code in due:
            began = self._ticks()
            replaced += self._replace(_name(code), self._slots(by_departement[code], campaign))
            self._written[code] = began
        if not is_open:
            self._written.clear()
        # Only now: what was not written after all is a change still.
        self._seen, self._held = seen, held
        replaced += self._publish(list(by_departement) if is_open else [], anew=bool(replaced))
        return replaced

    def _read_changes(
        self, connection: Connection
    ) -> tuple[ChangeMarks, list[PublicCentre], set[str], set[str]]:
        """How far changes are read, our centres, and those that changed or are held at."""
        seen = feed.seen_now(connection)
        centres = [one for one in public_centres(connection) if one.mode == "ours"]
        moment = self._store.clock.now() - _RECENT
        # The first time everything is due.
        changed = feed.changed_since(connection, self._seen, moment) if self._written else set()
        return seen, centres, changed, feed.with_holds(connection)

    def _is_due(self, code: str, centres: Sequence[PublicCentre], changed: set[str]) -> bool:
        written = self._written.get(code)
        if written is None or self._ticks() - written >= EVERYTHING_AFTER:
            return True
        return any(centre.id in changed for centre in centres)

    def _tell_left_out(self, left_out: tuple[str, ...]) -> None:
        if left_out and left_out != self.left_out:
            log.warning("centres without an address are not in the feed", centres=left_out)
        self.left_out = left_out

    # ------------------------------------------------------------ files

    def _share(self) -> None:
        """Put into the store what is other than there, the manifest last."""
        store, folder = self._store, self._folder
        with store.database.statement() as connection:
            there = {one.name: one.tag for one in shared_files.listed(connection, FEED)}
        names = sorted((path.name for path in folder.glob(f"*{_PACKED}")), key=_comes_last)
        for name in names:
            body = (folder / name).read_bytes()
            if there.get(name) != shared_files.tag_of(body):
                with store.database.transaction() as connection:
                    shared_files.replace(connection, store.clock, FEED, name, body)
        if set(there) - set(names):
            with store.database.transaction() as connection:
                shared_files.keep_only(connection, FEED, names)
        with store.database.statement() as connection:
            for one in shared_files.listed(connection, FEED):
                _dates(folder / one.name, one)

    def _replace(self, name: str, lines: Iterable[str]) -> int:
        """Put a file in the place of the one that is there, unless it is the same."""
        path, new = self._folder / f"{name}.gz", self._folder / f"{name}.new"
        with (
            new.open("wb") as raw,
            gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed,
        ):
            for line in lines:
                packed.write(line.encode())
        if path.exists() and filecmp.cmp(path, new, shallow=False):
            new.unlink()
            return 0
        new.replace(path)
        return 1

    def _publish(self, departements: Sequence[str], *, anew: bool) -> int:
        """The manifest comes last, so that what it names is there."""
        wanted = [{"type": "Location", "url": self._url(LOCATIONS)}]
        wanted.append({"type": "Schedule", "url": self._url(SCHEDULES)})
        slots = [
            {
                "type": "Slot",
                "url": self._url(_name(code)),
                **({"extension": {"state": [code]}} if code != _NONE else {}),
            }
            for code in sorted(departements)
        ]
        output = [*wanted, *slots]
        path = self._folder / f"{MANIFEST}.gz"
        if not anew and _outputs_of(path) == output:
            return 0
        manifest = {
            "transactionTime": self._store.clock.now().replace(microsecond=0).isoformat(),
            "request": self._url(MANIFEST),
            "output": output,
            "error": [],
        }
        replaced = self._replace(MANIFEST, [_json(manifest)])
        named = {_name(code) for code in departements}
        for old in self._folder.glob("slots-*.ndjson.gz"):
            if old.name.removesuffix(".gz") not in named:
                old.unlink()
        return replaced

    def _url(self, name: str) -> str:
        return f"{self._publisher.base_url}{PATH}/{name}"

    # ------------------------------------------------------------ resources

    def _location(self, one: PublicCentre) -> str:
        found: dict[str, Any] = {
            "resourceType": "Location",
            "id": fhir_id(one.id),
            "identifier": [{"system": f"{self._publisher.base_url}/centres", "value": one.id}],
            # As the directory has it: others know the centre by that.
            "name": one.source_name or one.name,
            "telecom": [
                *(
                    {"system": "phone", "value": number}
                    for number in dict.fromkeys((self._publisher.number, *one.phones))
                ),
                {"system": "url", "value": self._page(one)},
            ],
            "address": {
                "line": [one.street or one.source_name or one.name],
                "city": one.town,
                "state": one.departement,
                "postalCode": one.postcode,
                "country": "FR",
            },
        }
        # Where its town is may be kilometres away.
        if one.latitude is not None and one.longitude is not None and not one.roughly:
            found["position"] = {"latitude": one.latitude, "longitude": one.longitude}
        return f"{_json(found)}\n"

    def _page(self, one: PublicCentre) -> str:
        """Where somebody books at this centre."""
        return f"{self._publisher.base_url}/rendez-vous?centre={quote(one.id, safe='')}"

    def _slots(self, centres: Sequence[PublicCentre], campaign: Campaign) -> Iterator[str]:
        """The slots of some centres, a text of many lines for each of them."""
        store = self._store

        def slots_of(centre: PublicCentre, connection: Connection) -> list[FeedSlot]:
            # The slots listed are the web's: a visitor who follows the feed books there.
            allocator = Allocate(Work(connection, store, campaign), Holder(Channel.WEB, "feed"))
            now = store.clock.now()
            window = now + campaign.lead, now + timedelta(days=campaign.horizon_days)
            share = allocator.share()
            return feed.slots_of(connection, store.clock, centre.id, window, share)

        for centre in centres:
            found = store.database.read_late(partial(slots_of, centre))
            yield "".join(self._lines(centre, found))

    def _lines(self, one: PublicCentre, slots: Sequence[FeedSlot]) -> Iterator[str]:
        # Put together by hand: a million times json.dumps takes half a minute.
        schedule = _json({"reference": f"Schedule/{fhir_id(one.id)}"})
        before_link = f'{{"url":"{_EXTENSIONS}/booking-deep-link","valueUrl":"{self._page(one)}'
        capacity = f'{{"url":"{_EXTENSIONS}/slot-capacity","valueInteger":'
        zone = ZoneInfo(one.time_zone)
        for slot, end in _with_ends(slots):
            hours = (
                f'"start":"{slot.start_at.astimezone(zone).isoformat()}",'
                f'"end":"{end.astimezone(zone).isoformat()}"'
                f"{self._types(slot.services)}"
            )
            if slot.free:
                yield (
                    f'{{"resourceType":"Slot","id":"{slot.id}.free","schedule":{schedule},'
                    f'"status":"free",{hours},"extension":['
                    f'{before_link}&creneau={slot.id}"}},{self._phone(slot.services)},'
                    f"{capacity}{slot.free}}}]}}\n"
                )
            if slot.busy:
                yield (
                    f'{{"resourceType":"Slot","id":"{slot.id}.busy","schedule":{schedule},'
                    f'"status":"busy",{hours},"extension":[{capacity}{slot.busy}}}]}}\n'
                )


class FeedCopy:
    """The feed as another machine wrote it, copied into a folder of this one.

    May be used by several threads, and several processes of a machine. `ticks` is a monotonic clock
    in seconds.
    """

    def __init__(
        self, store: Store, folder: Path, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._folder, self._ticks = store, folder, ticks
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._next = float("-inf")

    def look(self) -> None:
        """Somebody asks for the feed: look whether there is another one, by a thread.

        Only where there is none at all its end is waited for, and that not for long.
        """
        with self._lock:
            if self._reader is None and self._ticks() >= self._next:
                self._reader = threading.Thread(target=self._read, name="feed copy", daemon=True)
                self._reader.start()
            reader = self._reader
        if reader is not None and not (self._folder / f"{MANIFEST}{_PACKED}").exists():
            reader.join(PATIENCE_SECONDS)

    def _read(self) -> None:
        try:
            self.copy()
        except Exception as error:  # noqa: BLE001 (what is there is given meanwhile)
            log.warning("feed not copied", error=type(error).__name__)
        finally:
            with self._lock:
                self._reader, self._next = None, self._ticks() + COPIED_EVERY

    def copy(self) -> int:
        """Copy what is other than here; gives how many files. The manifest comes last."""
        if not self._there():
            return 0
        with _alone(self._folder, _COPYING) as ours:
            return self._copy() if ours else 0

    def _there(self) -> list[SharedFile]:
        database = self._store.database
        return database.read_late(lambda connection: shared_files.listed(connection, FEED))

    def _copy(self) -> int:
        # Only now: no process of this machine writes any more what is newer than that.
        database, there = self._store.database, self._there()
        copied = 0
        for one in sorted(there, key=lambda one: _comes_last(one.name)):
            path = self._folder / one.name
            if path.exists() and path.stat().st_mtime_ns == _nanoseconds(one):
                continue
            body = database.read_late(partial(_body_of, one))
            if body is None:
                # It was written anew meanwhile: so is the manifest, and the next look has all.
                return copied
            new = path.with_suffix(".copy")
            new.write_bytes(body)
            _dates(new, one)
            new.replace(path)
            copied += 1
        if there:
            names = {one.name for one in there}
            for old in self._folder.glob(f"*{_PACKED}"):
                if old.name not in names:
                    old.unlink()
        return copied


@contextlib.contextmanager
def _alone(folder: Path, name: str, *, waits: bool = False) -> Iterator[bool]:
    """Whether no other process of this machine does the same there; none does in this block.

    `waits`: until the other is done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def _body_of(one: SharedFile, connection: Connection) -> bytes | None:
    return shared_files.read(connection, FEED, one.name, one.tag)


def _comes_last(name: str) -> bool:
    """Of the manifest, which may only name what is there."""
    return name.startswith(MANIFEST)


def _nanoseconds(one: SharedFile) -> int:
    return (one.changed_at - _BEGINNING) // timedelta(microseconds=1) * 1000


def _dates(path: Path, one: SharedFile) -> None:
    """Give a file its moment in the store: then it has one ETag, whichever machine gives it."""
    os.utime(path, ns=(_nanoseconds(one), _nanoseconds(one)))


def fhir_id(centre_id: str) -> str:
    """A centre's id as FHIR takes it."""
    if _ID.fullmatch(centre_id):
        return centre_id
    return f"c-{hashlib.sha256(centre_id.encode()).hexdigest()[:32]}"


def service_types(campaigns: Sequence[Campaign], base_url: str) -> list[dict[str, Any]]:
    """What the appointments of these campaigns are for, as FHIR's CodeableConcepts.

    A named service has a code of our own, whose system is where its page lies; campaigns of no
    named service are the vaccination of the specification.
    """
    named = [one for one in campaigns if one.service]
    return [
        {
            "coding": [
                {
                    "system": f"{base_url}/pour",
                    "code": one.service,
                    "display": shown(one, COUNTRY_LANGUAGE).title,
                }
            ],
            "text": shown(one, COUNTRY_LANGUAGE).title,
        }
        for one in named
    ] or _SERVICE


def _of_all(_bits: int) -> str:
    """A slot serves whatever its Schedule is of."""
    return ""


def _types_by_bits(
    types: Sequence[dict[str, Any]], known: Mapping[str, int]
) -> Callable[[int], str]:
    """The serviceType of a slot by the bits of its services: it overrides that of its Schedule."""

    @cache
    def of(bits: int) -> str:
        mine = [one for one in types if known.get(one["coding"][0]["code"], 0) & bits]
        # What serves all says nothing of its own; nor does what serves none that is open now.
        return f',"serviceType":{_json(mine)}' if bits and mine else ""

    return of


def _phone_by_bits(
    numbers: Sequence[tuple[str, str]], known: Mapping[str, int], usual: str
) -> Callable[[int], str]:
    """The number to ring for a slot by the bits of its services; `usual` where they have several.

    `numbers` are (service, E.164), `known` the bit of each service.
    """

    @cache
    def of(bits: int) -> str:
        mine = {number for service, number in numbers if known.get(service, 0) & bits}
        number = mine.pop() if len(mine) == 1 else usual
        return _json(_extension("booking-phone", valueString=number))

    return of


def _schedule(one: PublicCentre, types: list[dict[str, Any]]) -> str:
    known = fhir_id(one.id)
    found = {
        "resourceType": "Schedule",
        "id": known,
        "serviceType": types,
        "actor": [{"reference": f"Location/{known}"}],
    }
    return f"{_json(found)}\n"


def _with_ends(slots: Sequence[FeedSlot]) -> Iterator[tuple[FeedSlot, datetime]]:
    """Slots with when they end: as the next begins, or as long as the one before."""
    length = _USUAL
    for number, one in enumerate(slots):
        if number + 1 < len(slots):
            gap = slots[number + 1].start_at - one.start_at
            length = gap if gap <= _LONGEST else length
        yield one, one.start_at + length


def _extension(name: str, **value: object) -> dict[str, object]:
    return {"url": f"{_EXTENSIONS}/{name}", **value}


def _has_address(one: PublicCentre) -> bool:
    """Whether it has what the specification's profile of Location asks for."""
    return bool(one.town and one.departement and one.postcode)


def _departement(one: PublicCentre) -> str:
    """Of a centre; of one that has none, or something else there, what no département is."""
    return one.departement if _DEPARTEMENT.fullmatch(one.departement) else _NONE


def _name(departement: str) -> str:
    return f"slots-{departement}.ndjson"


def _outputs_of(path: Path) -> object:
    with contextlib.suppress(OSError, ValueError, EOFError), gzip.open(path) as file:
        return json.load(file).get("output")
    return None


def _json(found: object) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))
