"""What Maiia is asked: the list of centres, their reasons, and what is free for each by name."""

from __future__ import annotations

import re

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from models.centres import geography
from models.partners.rows import PartnerCentreRow
from partners.links import Links
from partners.platforms.maiia import reader
from partners.reading import Context, Motive, NotAnAnswer, ReadSlot, own_id
from partners.walking import (
    MOST_PAGES,
    Failed,
    LinkToRead,
    PageGone,
    Part,
    ReadingPlan,
    ReadingTrouble,
    Walk,
    asked,
    found,
)

LINKS: Final = Links(
    reader.PLATFORM, re.compile(r"[?&]centerid=([0-9a-f]+)", re.IGNORECASE), one_place=True
)
_PATH: Final = "/api/pat-public"
_SPECIALITIES: Final = ("centre-de-vaccination", "vaccinateur", "pharmacien")
_PAGE: Final = 50
# Slots come by the hundred: a page of them is larger.
_SLOTS_A_PAGE: Final = 500


def walk(plan: ReadingPlan) -> Walk:
    """Read the centres of the plan; all pages of the list first, for only they have addresses."""
    listed: dict[str, PartnerCentreRow] = {}
    for speciality in _SPECIALITIES:
        query = [("AllVaccinationPlaces", "true"), ("speciality.shortName", speciality)]
        try:
            rows = yield from _pages(plan, "/hcd", query, _PAGE)
            rows_read = reader.read({"items": rows}, Context()).centres
        except (Failed, NotAnAnswer) as no:
            yield ReadingTrouble(f"the list of {speciality}", str(no))
            continue
        for row in rows_read:
            listed.setdefault(row.id, row)
    for centre, gid in _chosen(plan, list(listed.values())):
        try:
            slots, left_out = yield from _centre(plan, centre)
            yield found(centre, slots, left_out, gid)
        except (Failed, NotAnAnswer) as no:
            yield ReadingTrouble(own_id(centre), str(no))


def _chosen(
    plan: ReadingPlan, listed: Sequence[PartnerCentreRow]
) -> list[tuple[PartnerCentreRow, str]]:
    """Centres that a link names, by its centre id or its path, and those of the départements."""
    by_place: dict[str, LinkToRead] = {}
    by_page: dict[str, LinkToRead] = {}
    for row in plan.links:
        link = LINKS.read(row.link)
        if link:
            (by_place if link.place else by_page)[link.place or link.page] = row
    chosen = []
    for centre in listed:
        link = LINKS.read(centre.link)
        named = by_place.get(own_id(centre)) or (by_page.get(link.page) if link else None)
        departement = geography.departement("", centre.postcode)
        if named or departement in plan.departements:
            chosen.append((centre, named.gid if named else ""))
    return chosen


def _centre(plan: ReadingPlan, centre: PartnerCentreRow) -> Part:
    own = own_id(centre)
    rows = yield from _pages(plan, "/consultation-reason-hcd", [("rootCenterId", own)], _PAGE)
    reasons = reader.read({"items": rows}, Context()).motives
    slots: list[ReadSlot] = []
    left_out = sum(bool(reason.excluded) for reason in reasons)
    # Several ids have one name, and it is asked for by name.
    by_name: dict[str, Motive] = {reason.name: reason for reason in reasons if not reason.excluded}
    for name, motive in by_name.items():
        start = datetime.combine(plan.today, time(), UTC)
        query = [
            ("centerId", own),
            ("consultationReasonName", name),
            ("from", f"{start:%Y-%m-%dT%H:%M:%S.000Z}"),
            ("to", f"{start + timedelta(days=plan.days):%Y-%m-%dT%H:%M:%S.000Z}"),
        ]
        rows = yield from _pages(plan, "/availabilities", query, _SLOTS_A_PAGE)
        about = Context({motive.id: motive}, centre=own, motive=motive.id)
        read = reader.read({"items": rows}, about)
        slots += read.slots
        left_out += len(read.left_out)
    return slots, left_out


def _pages(plan: ReadingPlan, path: str, query: Sequence[tuple[str, str]], size: int) -> Part:
    """The items of all pages; a short page is the last. An answer 404 is an empty list."""
    items: list[Any] = []
    for number in range(MOST_PAGES):
        paging = [("limit", str(size)), ("page", str(number)), ("size", str(size))]
        try:
            payload = yield from asked(f"{plan.host}{_PATH}{path}", [*query, *paging])
        except PageGone:
            return items
        rows = payload.get("items") if isinstance(payload, dict) else None
        if not isinstance(rows, list):
            raise Failed("a page without items")
        items += rows
        if len(rows) < size:
            return items
    raise Failed(f"more than {MOST_PAGES} pages")
