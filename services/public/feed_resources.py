"""Our centres and free slots as resources of SMART Scheduling Links (FHIR R4), one JSON a line.

Each Location fits the specification's profile: an address with its line, city, state and postal
code, a telephone and a page. A centre whose source gives no address at all fits it not.
"""

from __future__ import annotations

import hashlib
import json
import re

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from models.public.centres import PublicCentre
from models.public.feed import FeedSlot
from prompts.catalogue import COUNTRY_LANGUAGE
from services.campaign.campaign import Campaign
from services.public.offered import shown

_REGISTRY: Final = "http://fhir-registry.smarthealthit.org"
_EXTENSIONS: Final = f"{_REGISTRY}/StructureDefinition"
# Of a FHIR id: letters, digits, "-" and "."; 64 at most.
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_DEPARTEMENT: Final = re.compile(r"[0-9AB]{2,3}")
# What stands for the département of a centre that has none.
NOWHERE: Final = "00"
# A slot's length is not stored: it ends when the next begins, if that is so near.
_LONGEST: Final = timedelta(hours=2)
_USUAL: Final = timedelta(minutes=15)
# So many moments are kept as they are written: many centres have slots at the same hours.
_MOMENTS: Final = 100_000

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


class Writer:
    """Writes resources for one publisher, and for the services that are open at the moment.

    `types` is what appointments are for, `bits` the bit of each service, `numbers` are (service,
    E.164) of those that have a number of their own.
    """

    def __init__(
        self,
        publisher: Publisher,
        types: list[dict[str, Any]],
        bits: Mapping[str, int],
        numbers: Sequence[tuple[str, str]],
    ) -> None:
        self._publisher = publisher
        self._types = types
        self._type_of = _types_by_bits(types, bits) if bits else _of_all
        self._phone_of = _phone_by_bits(numbers, bits, publisher.number)
        self._moments: dict[tuple[str, datetime], str] = {}

    def location(self, one: PublicCentre) -> str:
        """A line of the file of centres."""
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
        return f"{as_json(found)}\n"

    def schedule(self, one: PublicCentre) -> str:
        """A line of the file of schedules; slots point at it."""
        known = fhir_id(one.id)
        found = {
            "resourceType": "Schedule",
            "id": known,
            "serviceType": self._types,
            "actor": [{"reference": f"Location/{known}"}],
        }
        return f"{as_json(found)}\n"

    def slots(self, one: PublicCentre, slots: Sequence[FeedSlot]) -> str:
        """The lines of some slots of a centre, which come by their start."""
        return "".join(self._lines(one, slots))

    def _lines(self, one: PublicCentre, slots: Sequence[FeedSlot]) -> Iterator[str]:
        # Put together by hand: a million times json.dumps takes half a minute.
        schedule = as_json({"reference": f"Schedule/{fhir_id(one.id)}"})
        before_link = f'{{"url":"{_EXTENSIONS}/booking-deep-link","valueUrl":"{self._page(one)}'
        capacity = f'{{"url":"{_EXTENSIONS}/slot-capacity","valueInteger":'
        zone = ZoneInfo(one.time_zone)
        for slot, end in _with_ends(slots):
            if not (slot.free or slot.busy):
                continue
            hours = (
                f'"start":"{self._moment(slot.start_at, zone)}","end":"{self._moment(end, zone)}"'
                f"{self._type_of(slot.services)}"
            )
            if slot.free:
                yield (
                    f'{{"resourceType":"Slot","id":"{slot.id}.free","schedule":{schedule},'
                    f'"status":"free",{hours},"extension":['
                    f'{before_link}&creneau={slot.id}"}},{self._phone_of(slot.services)},'
                    f"{capacity}{slot.free}}}]}}\n"
                )
            if slot.busy:
                yield (
                    f'{{"resourceType":"Slot","id":"{slot.id}.busy","schedule":{schedule},'
                    f'"status":"busy",{hours},"extension":[{capacity}{slot.busy}}}]}}\n'
                )

    def _moment(self, at: datetime, zone: ZoneInfo) -> str:
        key = zone.key, at
        found = self._moments.get(key)
        if found is None:
            if len(self._moments) >= _MOMENTS:
                self._moments.clear()
            found = self._moments[key] = at.astimezone(zone).isoformat()
        return found

    def _page(self, one: PublicCentre) -> str:
        """Where a visitor books at this centre."""
        return f"{self._publisher.base_url}/rendez-vous?centre={quote(one.id, safe='')}"


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
    named = [campaign for campaign in campaigns if campaign.service]
    return [
        {
            "coding": [
                {
                    "system": f"{base_url}/pour",
                    "code": campaign.service,
                    "display": shown(campaign, COUNTRY_LANGUAGE).title,
                }
            ],
            "text": shown(campaign, COUNTRY_LANGUAGE).title,
        }
        for campaign in named
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
        mine = [type_ for type_ in types if known.get(type_["coding"][0]["code"], 0) & bits]
        # What serves all says nothing of its own; nor does what serves none that is open now.
        return f',"serviceType":{as_json(mine)}' if bits and mine else ""

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
        return as_json(_extension("booking-phone", valueString=number))

    return of


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


def has_address(one: PublicCentre) -> bool:
    """Whether it has what the specification's profile of Location asks for."""
    return bool(one.town and one.departement and one.postcode)


def departement(one: PublicCentre) -> str:
    """Of a centre; of one that has none, or something else there, what no département is."""
    return one.departement if _DEPARTEMENT.fullmatch(one.departement) else NOWHERE


def as_json(found: object) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))
