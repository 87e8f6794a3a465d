"""What Keldoc is asked: a page, its cabinets, their motives, and the timetable of each."""

from __future__ import annotations

import re

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from models.partners.rows import PartnerCentreRow
from partners.links import Links
from partners.platforms.keldoc import reader
from partners.reading import Context, NotAnAnswer, ReadSlot, inside, own_id, text_of
from partners.walking import (
    Failed,
    Gone,
    LinkToRead,
    PageGone,
    Part,
    ReadingPlan,
    ReadingTrouble,
    Walk,
    asked,
    expected,
    found,
    part_of_page,
    without_query,
)

LINKS: Final = Links(reader.PLATFORM, re.compile(r"[?&]cabinet=(\d+)"))
_PATH: Final = "/api/patients/v2"
# About what one answer covers, in days.
_WINDOW: Final = 5
# The parts of a booking link's path: type, location, name, and sometimes a cabinet's name.
_PARTS: Final = 3


def walk(plan: ReadingPlan) -> Walk:
    """Read the pages of the plan, cabinet by cabinet."""
    for wanted in plan.links:
        link = LINKS.read(wanted.link)
        if link is None:
            continue
        try:
            yield from _page(plan, wanted, link.page, link.place)
        except PageGone:
            yield Gone(without_query(wanted.link))
        except (Failed, NotAnAnswer) as no:
            yield ReadingTrouble(link.page, str(no))


def _page(plan: ReadingPlan, wanted: LinkToRead, page: str, place: str) -> Part:
    parts = page.split("/")
    if len(parts) < _PARTS:
        raise Failed("the link has fewer parts than a page of Keldoc")
    query = [("type", parts[0]), ("location", parts[1]), ("slug", parts[2])]
    query += [("cabinet", part) for part in parts[3:4]]
    resource = yield from asked(f"{plan.host}{_PATH}/searches/resource", query)
    expected(reader.read(resource, Context()), "a clinic")
    clinic = quote(text_of(inside(resource, "id")), safe="")
    link = without_query(wanted.link)
    for specialty in reader.vaccination_specialties(resource):
        base = f"{plan.host}{_PATH}/clinics/{clinic}/specialties/{specialty}/cabinets"
        answer = reader.read((yield from part_of_page(base)), Context())
        cabinets = expected(answer, "a list of cabinets", "an empty list").centres
        chosen = [each for each in cabinets if not place or own_id(each) == place]
        for cabinet in chosen:
            slots, left_out, by_phone = yield from _cabinet(plan, base, cabinet)
            one_of_several = place or len(cabinets) > 1
            told = replace(
                cabinet, link=f"{link}?cabinet={own_id(cabinet)}" if one_of_several else link
            )
            if by_phone:
                told = replace(told, phone=by_phone, phone_only=not slots)
            yield found(told, slots, left_out, wanted.gid if len(chosen) == 1 else "")


def _cabinet(plan: ReadingPlan, base: str, cabinet: PartnerCentreRow) -> Part:
    url = f"{base}/{quote(own_id(cabinet), safe='')}/motive_categories"
    answer = reader.read((yield from part_of_page(url)), Context())
    motives = expected(answer, "a cabinet's motives", "an empty list").motives
    slots: list[ReadSlot] = []
    left_out = 0
    by_phone = ""
    for motive in motives:
        if motive.excluded:
            left_out += 1
            continue
        about = Context(
            {motive.id: motive}, {}, {own_id(cabinet): cabinet}, own_id(cabinet), motive.id
        )
        for first in range(0, plan.days, _WINDOW):
            payload = yield from part_of_page(
                f"{plan.host_of('timetables')}{_PATH}/timetables/{quote(motive.id, safe='')}",
                _window(plan, first, motive.agendas),
            )
            read = expected(reader.read(payload, about), "a timetable")
            slots += read.slots
            left_out += len(read.left_out)
            by_phone = by_phone or reader.phone_of(payload)
            if not read.slots and _says_all(plan, payload):
                break
    return slots, left_out, by_phone


def _window(plan: ReadingPlan, first: int, agendas: Sequence[str]) -> list[tuple[str, str]]:
    last = min(first + _WINDOW, plan.days) - 1
    return [
        ("from", (plan.today + timedelta(days=first)).isoformat()),
        ("to", (plan.today + timedelta(days=last)).isoformat()),
        *(("agenda_ids[]", agenda) for agenda in agendas),
    ]


def _says_all(plan: ReadingPlan, payload: Any) -> bool:
    """Whether an answer without slots tells that further windows have none either."""
    if reader.phone_of(payload):
        return True
    next_day = text_of(inside(payload, "date"))[:10]
    return next_day > (plan.today + timedelta(days=plan.days - 1)).isoformat()
