"""Maiia's web answers, as recorded in 2021: centres, reasons, availabilities, the closest one.

Not documented by Maiia. Reasons are asked for by name, to the letter; tests and reasons for
professionals stand in the same list; slots are in UTC.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.partners.rows import PartnerCentreRow
from partners import motives as words
from partners.reading import (
    Collector,
    Context,
    Motive,
    NotAnAnswer,
    Reading,
    centre_of,
    inside,
    position,
    shortened,
    text_of,
    told_centres,
    told_motives,
)

PLATFORM: Final = "maiia"
SITE: Final = "https://www.maiia.com"
_DOSES: Final = {"FIRST": 1, "SECOND": 2, "BOOSTER": 3, "THIRD": 3}


def read(payload: Any, context: Context) -> Reading:
    """Understand one answer of any kind. Raises NotAnAnswer for what is none of Maiia's."""
    if isinstance(payload, dict) and isinstance(payload.get("items"), list):
        return _items(payload["items"], payload.get("total"), context)
    if isinstance(payload, dict) and (
        "closestPhysicalAvailability" in payload or "firstPhysicalStartDateTime" in payload
    ):
        return _closest(payload, context)
    if isinstance(payload, dict) and "items" not in payload and "availabilityCount" in payload:
        return Reading("the closest availability, and there is none")
    raise NotAnAnswer("this is JSON, but no answer of Maiia that is known")


def _items(items: list[Any], total: object, context: Context) -> Reading:
    found = Collector()
    centres: dict[str, PartnerCentreRow] = {}
    motives: dict[str, Motive] = {}
    slots = strange = 0
    for number, item in enumerate(items):
        where = f"items[{number}]"
        if not isinstance(item, dict):
            strange += 1
            found.leave_out(where, "neither a slot, a reason nor a centre")
        elif "startDateTime" in item or "timeSlotId" in item:
            slots += 1
            _slot(item, where, context, found)
        elif isinstance(item.get("center"), dict):
            _take_centre(item, where, centres, found)
        elif isinstance(item.get("name"), str):
            motive = _reason(item)
            motives[motive.id] = motive
        else:
            strange += 1
            found.leave_out(where, "neither a slot, a reason nor a centre")
    if items and strange == len(items):
        raise NotAnAnswer("this is JSON, but no answer of Maiia that is known")
    notes = [*told_centres(tuple(centres.values())), *told_motives(tuple(motives.values()))]
    if isinstance(total, int) and total != len(items):
        notes.append(f"a page of {len(items)}; all pages have {total}")
    kind = _kind(has_slots=bool(slots), has_centres=bool(centres), has_reasons=bool(motives))
    told = {"centres": tuple(centres.values()), "motives": tuple(motives.values())}
    return found.reading(kind, notes, **told)


def _take_centre(
    item: Mapping[str, Any], where: str, centres: dict[str, PartnerCentreRow], found: Collector
) -> None:
    """A centre has a row for each practitioner; the first of them with a link says most."""
    centre = _centre(item)
    if centre is None:
        found.leave_out(where, "a centre without an id")
    elif item["center"].get("isDemo") is True:
        found.leave_out(where, "a centre for demonstrations")
    elif centre.id not in centres or (centre.link and not centres[centre.id].link):
        centres[centre.id] = centre


def _kind(*, has_slots: bool, has_centres: bool, has_reasons: bool) -> str:
    if has_slots:
        return "availabilities"
    if has_centres:
        return "a list of centres"
    return "a list of reasons" if has_reasons else "a page with nothing on it"


def _closest(payload: Mapping[str, Any], context: Context) -> Reading:
    """The closest availability is a slot like any other; a bare moment of it is not."""
    found = Collector()
    told = payload.get("closestPhysicalAvailability")
    notes = []
    if isinstance(told, dict):
        _slot(told, "closestPhysicalAvailability", context, found)
    elif text_of(payload.get("firstPhysicalStartDateTime")):
        first = shortened(text_of(payload["firstPhysicalStartDateTime"]))
        notes.append(f"the first is at {first}, without a slot that could be booked")
    return found.reading("the closest availability", notes)


def _slot(item: Mapping[str, Any], where: str, context: Context, found: Collector) -> None:
    reason = text_of(item.get("consultationReasonId"))
    # Reasons have several ids for one name: code that asked by name knows which it was.
    motive = context.motives.get(reason) or context.the_motive("" if context.motive else reason)
    centre = context.the_centre(text_of(item.get("centerId")))
    found.take(item.get("startDateTime"), where, context, centre, motive)


def _reason(item: Mapping[str, Any]) -> Motive:
    kind = text_of(item.get("injectionType")).upper()
    judged = words.judge(item["name"], dose=_DOSES.get(kind, 0), vaccination=kind in _DOSES)
    why = judged.excluded
    limits = text_of(item.get("patientLimitation")).upper()
    if not why and limits not in {"", "PUBLIC"}:
        why = f"it is not for the public ({shortened(limits)})"
    if not why and text_of(item.get("consultationType")).upper() not in {"", "PHYSICAL"}:
        why = "nobody comes to it"
    days = item.get("nextAppointmentDelayInDays")
    return Motive(
        id=text_of(item.get("id")),
        name=item["name"],
        dose=judged.dose,
        bookable_for=judged.bookable_for,
        excluded=why,
        second_after=days if isinstance(days, int) else 0,
    )


def _centre(item: Mapping[str, Any]) -> PartnerCentreRow | None:
    told = item["center"]
    own = text_of(told.get("id"))
    if not own:
        return None
    address = inside(told, "publicInformation", "address") or {}
    zone = text_of(inside(item, "settings", "timeZone"))
    url = text_of(told.get("url")) or text_of(item.get("url"))
    return centre_of(
        PLATFORM,
        own,
        name=text_of(told.get("name")),
        street=f"{text_of(inside(address, 'number'))} {text_of(inside(address, 'street'))}".strip(),
        postcode=text_of(inside(address, "zipCode")),
        town=text_of(inside(address, "city")),
        where=_position(address),
        insee=text_of(inside(address, "inseeCode")),
        phone=text_of(inside(told, "publicInformation", "officeInformation", "phoneNumber")),
        link=f"{SITE}{url}?centerid={own}" if url.startswith("/") else "",
        zone=zone if _is_zone(zone) else "",
        phone_only=inside(item, "settings", "isOnlineAppointment") is False,
    )


def _position(address: object) -> tuple[float | None, float | None]:
    """Where the address is, else where its town is; coordinates are longitude, then latitude."""
    for place in (inside(address, "location"), inside(address, "locality", "location")):
        coordinates = inside(place, "coordinates")
        if isinstance(coordinates, list) and len(coordinates) > 1:
            found = position(coordinates[1], coordinates[0])
        else:
            found = position(inside(place, "y"), inside(place, "x"))
        if found[0] is not None:
            return found
    return None, None


def _is_zone(name: str) -> bool:
    if not re.fullmatch(r"(?:Europe|America|Indian|Pacific)/\w{1,30}", name):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
