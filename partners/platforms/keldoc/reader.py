"""Keldoc's web answers, as recorded in 2021, and what its documented partner API lists.

Not documented by Keldoc but for the partner API (section B of its description: MIT SDK). The dose
is told by the motive's name alone, eligibility by its category's. A timetable tells neither, nor
its centre: the asking code knows them. Several agendas repeat one time.
"""

from __future__ import annotations

import re

from collections.abc import Iterator, Mapping
from typing import Any, Final

from models.partners.rows import PartnerCentreRow
from partners import motives as words
from partners.phones import read_phones
from partners.reading import (
    Collector,
    Context,
    LeftOut,
    Motive,
    NoMoment,
    NotAnAnswer,
    Reading,
    centre_of,
    inside,
    moment,
    objects,
    shortened,
    text_of,
    told_centres,
    told_motives,
)

PLATFORM: Final = "keldoc"
SITE: Final = "https://www.keldoc.com"
RANGES: Final = "ranges of available time, of which the beginnings are given"
# Maladies infectieuses and the two others under which centres of vaccination stand.
VACCINATION: Final = ("144", "496", "153")
_ADDRESS = re.compile(r"^(?P<street>.*)[, ]+(?P<postcode>\d{5})[, ]+(?P<town>[^,]+)")
# Not the end of Fort-de-France.
_COUNTRY = re.compile(r"(?<!-)(?<! de)(?<! de )[, ]*France\s*$")


def read(payload: Any, context: Context) -> Reading:
    """Understand one answer of any kind. Raises NotAnAnswer for what is none of Keldoc's."""
    if payload == {}:
        return Reading("a timetable with nothing in it")
    reading = _of_list(payload, context) if isinstance(payload, list) else None
    if isinstance(payload, dict):
        reading = _of_object(payload, context)
    if reading is None:
        raise NotAnAnswer("this is JSON, but no answer of Keldoc that is known")
    return reading


def _of_object(payload: Mapping[str, Any], context: Context) -> Reading | None:
    if "availabilities" in payload:
        return _timetable({"": payload}, context)
    if isinstance(payload.get("results"), dict):
        return _list_of_centres(payload["results"])
    if "phone_number" in payload or "num" in payload:
        number = next(iter(read_phones(text_of(payload.get("phone_number")))), "") or text_of(
            payload.get("num")
        )
        return Reading("a timetable, by telephone only", notes=(f"by telephone: {number}",))
    if "date" in payload and "text" in payload:
        hint = f"next slot after the window: {shortened(text_of(payload['date']))}"
        return Reading("a timetable with nothing in the window", notes=(hint,))
    if isinstance(payload.get("specialties"), list):
        return _resource(payload)
    return _without_slots(payload)


def _without_slots(payload: Mapping[str, Any]) -> Reading | None:
    if "start_at" in payload and "agenda_id" in payload:
        return Reading("an appointment that was made, nothing free")
    if "first_name" in payload and "last_name" in payload:
        return Reading("a patient, nothing free")
    if payload and all(re.fullmatch(r"[45]\d\d", str(key)) for key in payload):
        return Reading("a table of errors")
    if set(payload) <= {"error", "errors", "message", "status"}:
        told = shortened(text_of(payload.get("error")) or text_of(payload.get("message")))
        return Reading(f"a refusal: {told!r}")
    return None


def _of_list(payload: list[Any], context: Context) -> Reading | None:
    rows = list(objects(payload))
    if not payload:
        return Reading("an empty list")
    if any("motives" in row for row in rows):
        return _motive_categories(rows)
    if any({"availabilities", "start_time", "start_at"} & row.keys() for row in rows):
        return _list_of_free_time(payload, context)
    if any("location" in row for row in rows):
        centres = tuple(_cabinets(rows))
        return Reading("a list of cabinets", notes=told_centres(centres), centres=centres)
    if any("duration" in row and "name" in row for row in rows):
        found = tuple(_motive(row, "") for row in rows)
        return Reading("a list of motives", notes=told_motives(found), motives=found)
    notes = tuple(
        f"{text_of(row['id'])} {shortened(text_of(row['name']))!r}"
        for row in rows
        if "id" in row and "name" in row
    )
    return Reading("a list of agendas or specialties", notes=notes) if notes else None


# ------------------------------------------------------------------ slots


def _timetable(groups: Mapping[str, Any], context: Context) -> Reading:
    """Free time in `availabilities` of one object, or of each object of a list, by its place."""
    found = Collector()
    kind = "a timetable"
    for place, group in groups.items():
        days = group.get("availabilities") if isinstance(group, dict) else None
        if isinstance(days, list) and any(
            {"end_time", "motive_ids"} & row.keys() for row in objects(days)
        ):
            kind = RANGES
            _take_ranges(found, days, f"{place}availabilities", context)
        else:
            _take_days(found, days, f"{place}availabilities", context)
    return found.reading(kind)


def _take_days(found: Collector, days: Any, place: str, context: Context) -> None:
    if isinstance(days, list) and not any("slots" in day for day in objects(days)):
        # An empty object is written as an empty list where PHP or Ruby had no keys.
        days = {str(number): day for number, day in enumerate(days)}
    if not isinstance(days, dict):
        raise NotAnAnswer("this is no answer of Keldoc: its availabilities are no object")
    for day, slots in days.items():
        where = f"{place}[{shortened(str(day))!r}]"
        if isinstance(slots, dict):
            slots = [slots]  # noqa: PLW2901 (one slot is a list of one)
        if slots is None:
            continue
        if not isinstance(slots, list):
            found.leave_out(where, "not a list of slots")
            continue
        for number, slot in enumerate(slots):
            told = slot.get("start_time", slot.get("start_at")) if isinstance(slot, dict) else slot
            found.take(
                told, f"{where}[{number}]", context, context.the_centre(), context.the_motive()
            )


def _list_of_free_time(rows: list[Any], context: Context) -> Reading:
    if any("availabilities" in row for row in objects(rows)):
        return _timetable({f"[{number}].": row for number, row in enumerate(rows)}, context)
    found = Collector()
    _take_ranges(found, rows, "", context)
    return found.reading(RANGES)


def _take_ranges(found: Collector, rows: list[Any], place: str, context: Context) -> None:
    """Take ranges of the partner API, which overlap and repeat: only their beginnings are moments.

    How long an appointment takes is the motive's, and which motive is not in the answer.
    """
    for number, row in enumerate(rows):
        where = f"{place}[{number}]"
        fields = row if isinstance(row, dict) else {}
        told = fields.get("start_time", fields.get("start_at")) if fields else row
        if _ends_before(told, fields.get("end_time"), context):
            found.leave_out(where, "it ends before it begins")
            continue
        motives = _motives_of(fields, context)
        if not motives:
            found.leave_out(where, "it is for other motives than the one that was asked for")
        for motive in motives:
            found.take(told, where, context, context.the_centre(), motive)


def _motives_of(fields: Mapping[str, Any], context: Context) -> list[Motive | None]:
    """What a range may be taken for: those of its motives to which we send callers, if any.

    Without ids it is for every motive: for the one that was asked for.
    """
    ids = fields.get("motive_ids")
    told = [text_of(motive_id) for motive_id in ids] if isinstance(ids, list) else []
    if not told:
        return [context.the_motive()]
    if context.motive:
        return [context.the_motive()] if context.motive in told else []
    known = [context.motives.get(motive_id) for motive_id in told]
    usable: list[Motive | None] = [motive for motive in known if motive and not motive.excluded]
    return usable or ([None] if None in known else known[:1])


def _ends_before(start: object, end: object, context: Context) -> bool:
    zone = context.zone_of(context.the_centre())
    try:
        return moment(end, zone) <= moment(start, zone)
    except NoMoment:
        return False


# ------------------------------------------------------------------ centres and motives


def _motive_categories(rows: list[dict[str, Any]]) -> Reading:
    found = tuple(
        _motive(motive_row, text_of(row.get("name")))
        for row in rows
        for motive_row in objects(row.get("motives"))
    )
    return Reading("a cabinet's motives", notes=told_motives(found), motives=found)


def _motive(row: Mapping[str, Any], category: str) -> Motive:
    name = row["name"] if isinstance(row.get("name"), str) else ""
    judged = words.judge(name, category)
    why = judged.excluded
    if not why and row.get("teleconsultation") is True:
        why = words.NOT_A_VACCINATION
    return Motive(
        id=text_of(row.get("id")),
        name=name,
        dose=judged.dose,
        bookable_for=judged.bookable_for,
        excluded=why,
        agendas=tuple(text_of(agenda_row.get("id")) for agenda_row in objects(row.get("agendas"))),
    )


def _resource(payload: Mapping[str, Any]) -> Reading:
    notes = []
    left_out = []
    for row in objects(payload["specialties"]):
        own, name = text_of(row.get("id")), shortened(text_of(row.get("name")))
        if own in VACCINATION:
            notes.append(f"specialty {own} {name!r}: vaccination")
        else:
            left_out.append(LeftOut(f"specialty {own} {name!r}", words.NOT_A_VACCINATION))
    return Reading("a clinic and its specialties", left_out=tuple(left_out), notes=tuple(notes))


def phone_of(payload: object) -> str:
    """The number of a timetable that is by telephone only, in E.164; "" for all others."""
    told = text_of(inside(payload, "phone_number")) or text_of(inside(payload, "num"))
    return next(iter(read_phones(told)), "")


def vaccination_specialties(payload: object) -> list[str]:
    """The ids of a clinic's specialties under which people are vaccinated."""
    told = (text_of(row.get("id")) for row in objects(inside(payload, "specialties")))
    return [own for own in told if own in VACCINATION]


def _cabinets(rows: list[dict[str, Any]]) -> Iterator[PartnerCentreRow]:
    for row in rows:
        own = text_of(row.get("id"))
        if own:
            yield _centre(
                own,
                name=text_of(row.get("name")),
                location=text_of(row.get("location")),
                where=(row.get("latitude"), row.get("longitude")),
            )


def _list_of_centres(results: Mapping[str, Any]) -> Reading:
    centres = []
    notes = []
    for section in results.values():
        for row in objects(inside(section, "data")):
            own = text_of(row.get("id"))
            if not own:
                continue
            latitude, _, longitude = text_of(row.get("coordinates")).partition(",")
            link = text_of(row.get("url"))
            centres.append(
                _centre(
                    own,
                    name=text_of(row.get("title")),
                    location=text_of(inside(row, "cabinet", "location")),
                    where=(latitude, longitude),
                    link=f"{SITE}{link}" if link.startswith("/") else "",
                )
            )
            hint = text_of(inside(row, "agenda", "next_availability"))
            if hint:
                notes.append(f"centre {own}: next slot {shortened(hint)}")
    return Reading(
        "a list of centres", notes=(*told_centres(centres), *notes), centres=tuple(centres)
    )


def _centre(
    own: str, *, name: str, location: str, where: tuple[object, object], link: str = ""
) -> PartnerCentreRow:
    """`location` is one text: a comma may be missing before the code, "France" glued to its end."""
    told = _ADDRESS.match(_COUNTRY.sub("", location))
    return centre_of(
        PLATFORM,
        own,
        name=name,
        street=told["street"].strip(" ,") if told else location,
        postcode=told["postcode"] if told else "",
        town=told["town"].strip() if told else "",
        where=where,
        link=link,
    )
