"""Doctolib's web answers, as recorded in 2021: booking, availabilities, lists of centres.

Not documented by Doctolib. Several places stand under one link (`?pid=practice-NNN` selects one). A
slot is an object, a plain moment, or a pair of which the second belongs to the first. The people
that a slot is for are told by names alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from models.partners.rows import PartnerCentreRow
from partners import motives as words
from partners.reading import (
    UNKNOWN,
    Agenda,
    Collector,
    Context,
    Motive,
    NoMoment,
    NotAnAnswer,
    Reading,
    ReadSlot,
    centre_of,
    inside,
    moment,
    objects,
    shortened,
    text_of,
    told_centres,
    told_motives,
)

PLATFORM: Final = "doctolib"
# Kinds of its answers.
FREE: Final = "availabilities"
PAGE: Final = "a centre's booking page"
# Doctolib's own numbers of motives: which dose they are.
_REFERENCE_DOSES: Final = {
    "6970": 1,
    "6971": 2,
    "7005": 1,
    "7004": 2,
    "7107": 1,
    "7108": 2,
    "7945": 1,
    "8192": 3,
    "8193": 3,
}
_BOOKED_BY_PHONE: Final = "every agenda is closed to the web: by telephone only"
_SECOND_MISSING: Final = "slots without the second appointment that their motive needs"


def read(payload: Any, context: Context) -> Reading:
    """Understand one answer of any kind. Raises NotAnAnswer for what is none of Doctolib's."""
    if isinstance(payload, dict):
        if "availabilities" in payload or "next_slot" in payload:
            return _availabilities(payload, context)
        if isinstance(payload.get("data"), dict):
            return _booking(payload["data"])
        kind = _without_slots(payload)
        if kind:
            return Reading(kind)
    raise NotAnAnswer("this is JSON, but no answer of Doctolib that is known")


def _without_slots(payload: Mapping[str, Any]) -> str:
    if "error" in payload:
        return f"a refusal: {shortened(text_of(payload['error']))!r}"
    if "confirmed" in payload:
        return "the answer to a confirmation"
    if "appointment" in payload or set(payload) == {"id"}:
        return "an appointment that somebody makes"
    return ""


# ------------------------------------------------------------------ slots


def _availabilities(payload: Mapping[str, Any], context: Context) -> Reading:
    days = payload.get("availabilities")
    if not isinstance(days, list):
        if days is not None or "next_slot" not in payload:
            raise NotAnAnswer("this is no answer of Doctolib: its availabilities are no list")
        days = []
    found = Collector()
    incomplete = 0
    for day_number, day in enumerate(days):
        where = f"availabilities[{day_number}]"
        slots = day.get("slots") if isinstance(day, dict) else None
        if isinstance(day, dict) and slots is None:
            continue
        if not isinstance(slots, list):
            found.leave_out(where, "not a day with a list of slots")
            continue
        for number, told in enumerate(slots):
            incomplete += _slot(told, f"{where}.slots[{number}]", context, found)
    notes = list(_hints(payload))
    total = payload.get("total")
    if isinstance(total, int) and total != len(found.slots()):
        notes.append(f"total says {total}, which counts otherwise")
    if incomplete:
        notes.append(f"{incomplete} {_SECOND_MISSING}")
    return found.reading(FREE, notes)


def _hints(payload: Mapping[str, Any]) -> Iterator[str]:
    """What is told besides the slots. A next slot lies outside the window: it was not offered."""
    if payload.get("next_slot"):
        told = payload["next_slot"]
        if isinstance(told, list) and told:
            told = told[0]
        if isinstance(told, dict):
            told = told.get("start_date")
        yield f"next slot after the window: {shortened(text_of(told))}"
    for name in ("reason", "message"):
        if text_of(payload.get(name)):
            yield f"{name}: {shortened(text_of(payload[name]), 200)}"


def _slot(told: object, where: str, context: Context, found: Collector) -> bool:
    """Take one slot in; True where its motive needs a second appointment that is not there."""
    first: object = told
    second: object = None
    steps: list[Any] = []
    if isinstance(told, list):
        first, second = [*told, None, None][:2]
    elif isinstance(told, dict):
        steps = told["steps"] if isinstance(told.get("steps"), list) else []
        second = inside(steps[1], "start_date") if len(steps) > 1 else None
    has_pair = len(told if isinstance(told, list) else steps) > 1
    fields = first if isinstance(first, dict) else {}
    agenda = text_of(fields.get("agenda_id"))
    motive_id = _motive_id(fields, steps)
    centre = _centre_of(agenda, motive_id, context)
    zone = context.zone_of(centre)
    try:
        start_at = _start(first, steps, zone)
    except NoMoment as no:
        found.leave_out(where, str(no))
        return False
    motive = _motive_of(agenda, motive_id, context)
    why = _why_not(agenda, motive, context)
    if why:
        found.leave_out(where, why)
        return False
    seconds_at = _second(second, zone)
    dose = motive.dose if motive else 0
    found.add(
        ReadSlot(
            centre=centre,
            start_at=start_at,
            # Only a first appointment brings a second one with it.
            dose=dose or int(has_pair),
            motive=motive.shown if motive else "",
            bookable_for=motive.bookable_for if motive else UNKNOWN,
            seconds_at=seconds_at,
        )
    )
    return bool(motive and motive.second_after and motive.dose == 1 and seconds_at is None)


def _motive_of(agenda: str, motive_id: str, context: Context) -> Motive | None:
    """The motive that is told or was asked for, else the one that its diary, or the page, is for.

    Where all that it could be are left out for one reason, it is one of them.
    """
    motive = context.the_motive(motive_id)
    if motive or motive_id or context.motive:
        return motive
    known = context.agendas.get(agenda)
    done = {motive for ids in known.motives_at.values() for motive in ids} if known else set()
    could = [one for own, one in context.motives.items() if not done or own in done]
    if len(could) == 1 or (could and all(motive.excluded for motive in could)):
        return could[0]
    return None


def _motive_id(fields: Mapping[str, Any], steps: list[Any]) -> str:
    step = steps[0] if steps else None
    return text_of(inside(step, "visit_motive_id")) or text_of(fields.get("visit_motive_id"))


def _start(first: object, steps: list[Any], zone: Any) -> datetime:
    """The first appointment's moment. Raises NoMoment.

    An object's own date may be a bare day while its first step has the hour.
    """
    if not isinstance(first, dict):
        return moment(first, zone)
    step = inside(steps[0], "start_date") if steps else None
    try:
        return moment(first.get("start_date"), zone)
    except NoMoment:
        if step is None:
            raise
        return moment(step, zone)


def _second(second: object, zone: Any) -> datetime | None:
    told = second.get("start_date") if isinstance(second, dict) else second
    try:
        return moment(told, zone)
    except NoMoment:
        return None


def _why_not(agenda: str, motive: Motive | None, context: Context) -> str:
    known = context.agendas.get(agenda)
    if known and known.disabled:
        return f"agenda {agenda} is closed to the web"
    return motive.excluded if motive else ""


def _centre_of(agenda: str, motive: str, context: Context) -> str:
    known = context.agendas.get(agenda)
    if known:
        at = [one for one, done in known.motives_at.items() if not motive or motive in done]
        if len(at) == 1:
            return f"practice-{at[0]}"
    return context.the_centre()


# ------------------------------------------------------------------ booking, lists of centres


def _booking(data: Mapping[str, Any]) -> Reading:
    motives = tuple(_motives(data))
    agendas = tuple(_agendas(data))
    centres = tuple(_places(data))
    listed = tuple(_listed(data))
    if not (motives or agendas or centres or listed or "profile" in data or "doctors" in data):
        raise NotAnAnswer("this is JSON, but no answer of Doctolib that is known")
    notes = [*told_centres((*centres, *listed)), *told_motives(motives)]
    if agendas and all(agenda.disabled for agenda in agendas):
        notes.append(_BOOKED_BY_PHONE)
    kind = "a list of centres" if listed and not (motives or centres) else PAGE
    return Reading(
        kind, notes=tuple(notes), centres=(*centres, *listed), motives=motives, agendas=agendas
    )


def _motives(data: Mapping[str, Any]) -> Iterator[Motive]:
    categories = {
        text_of(category.get("id")): text_of(category.get("name"))
        for category in objects(data.get("visit_motive_categories"))
    }
    for row in objects(data.get("visit_motives")):
        name = row["name"] if isinstance(row.get("name"), str) else ""
        judged = words.judge(
            name,
            categories.get(text_of(row.get("visit_motive_category_id")), ""),
            dose=_REFERENCE_DOSES.get(text_of(row.get("ref_visit_motive_id")), 0),
            vaccination=row.get("vaccination_motive") is True,
        )
        dose = judged.dose or int(row.get("first_shot_motive") is True)
        why = judged.excluded
        if not why and row.get("allow_new_patients") is False:
            why = "it is for people whom the centre knows"
        days = row.get("vaccination_days_range")
        motive_id = text_of(row.get("id"))
        yield Motive(
            id=motive_id,
            name=name,
            dose=dose,
            bookable_for=judged.bookable_for,
            excluded=why,
            second_after=days if isinstance(days, int) else 0,
            agendas=tuple(_agendas_of(data, motive_id)),
        )


def _agendas_of(data: Mapping[str, Any], motive_id: str) -> Iterator[str]:
    """Agendas that are open to the web for a motive, in the order that the answer depends on."""
    for agenda in _agendas(data):
        anywhere = not agenda.motives_at
        if not agenda.disabled and (
            anywhere or any(motive_id in done for done in agenda.motives_at.values())
        ):
            yield agenda.id


def _agendas(data: Mapping[str, Any]) -> Iterator[Agenda]:
    for row in objects(data.get("agendas")):
        told = row.get("visit_motive_ids_by_practice_id")
        at = {
            text_of(practice): _ids(done)
            for practice, done in (told.items() if isinstance(told, dict) else ())
        }
        practice = text_of(row.get("practice_id"))
        if not at and practice:
            at = {practice: _ids(row.get("visit_motive_ids"))}
        disabled = bool(row.get("booking_disabled")) or bool(row.get("booking_temporary_disabled"))
        yield Agenda(text_of(row.get("id")), at, disabled)


def _ids(value: object) -> frozenset[str]:
    return frozenset(map(text_of, value)) if isinstance(value, list) else frozenset()


def _places(data: Mapping[str, Any]) -> Iterator[PartnerCentreRow]:
    profile = text_of(inside(data, "profile", "name_with_title"))
    closed = [agenda.disabled for agenda in _agendas(data)]
    for row in objects(data.get("places")):
        own = text_of(row.get("id"))
        practices = row.get("practice_ids")
        if not own and isinstance(practices, list) and practices:
            own = f"practice-{text_of(practices[0])}"
        if not own:
            continue
        name = text_of(row.get("name"))
        yield centre_of(
            PLATFORM,
            own,
            name=" - ".join(dict.fromkeys(part for part in (profile, name) if part)),
            street=text_of(row.get("full_address")).rsplit(",", 1)[0],
            postcode=text_of(row.get("zipcode")),
            town=text_of(row.get("city")),
            where=(row.get("latitude"), row.get("longitude")),
            phone=text_of(row.get("phone_number")) or text_of(row.get("landline_number")),
            phone_only=bool(closed) and all(closed),
        )


def _listed(data: Mapping[str, Any]) -> Iterator[PartnerCentreRow]:
    for doctor in objects(data.get("doctors")):
        link = text_of(doctor.get("link"))
        place = text_of(doctor.get("place_id"))
        own = f"practice-{place}" if place else link.rstrip("/").rsplit("/", 1)[-1]
        if own:
            yield centre_of(
                PLATFORM,
                own,
                name=text_of(doctor.get("name_with_title")),
                street=text_of(doctor.get("address")),
                postcode=text_of(doctor.get("zipcode")),
                town=text_of(doctor.get("city")),
                where=(inside(doctor, "position", "lat"), inside(doctor, "position", "lng")),
                link=link,
            )
