"""What Doctolib is asked, in the order of its own pages: a booking page, then what is free."""

from __future__ import annotations

import re

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from models.partners.rows import PartnerCentreRow
from partners.links import Links
from partners.platforms.doctolib import reader
from partners.reading import (
    Context,
    Motive,
    NotAnAnswer,
    Reading,
    ReadSlot,
    inside,
    own_id,
    text_of,
)
from partners.walking import (
    MOST_PAGES,
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

LINKS: Final = Links(reader.PLATFORM, re.compile(r"[?&]pid=(practice-\d+)"), by_slug=True)
SITE: Final = "https://www.doctolib.fr"
# Its own limit of one answer, in days.
_WINDOW: Final = 14


def walk(plan: ReadingPlan) -> Walk:
    """Read the pages of the plan; of a page that several links name, each place once."""
    wanted: dict[str, list[LinkToRead]] = defaultdict(list)
    listed = yield from _listed(plan)
    for row in (*plan.links, *listed):
        link = LINKS.read(row.link)
        if link:
            wanted[link.page].append(row)
    for page, links in wanted.items():
        try:
            yield from _page(plan, page, links)
        except PageGone:
            yield Gone(without_query(links[0].link))
        except (Failed, NotAnAnswer) as no:
            yield ReadingTrouble(page, str(no))


def _listed(plan: ReadingPlan) -> Part:
    """Links of the platform's own list of a département, page by page until an empty one."""
    links: list[LinkToRead] = []
    for departement in plan.departements:
        for number in range(1, MOST_PAGES):
            url = f"{plan.host}/vaccination-covid-19/{quote(departement)}.json"
            try:
                payload = yield from asked(url, [("page", str(number))])
                rows = reader.read(payload, Context()).centres
            except (Failed, NotAnAnswer) as no:
                yield ReadingTrouble(f"list of {departement}", str(no))
                break
            links += [LinkToRead(f"{SITE}{row.link}") for row in rows if row.link.startswith("/")]
            if not rows:
                break
    return links


def _page(plan: ReadingPlan, page: str, links: Sequence[LinkToRead]) -> Part:
    payload = yield from asked(f"{plan.host}/booking/{quote(page)}.json")
    booking = expected(reader.read(payload, Context()), reader.PAGE)
    context = Context().plus(booking)
    link = without_query(links[0].link)
    gids = {at.place if (at := LINKS.read(row.link)) else "": row.gid for row in links}
    # What has a link is another centre that the page shows beside its own places.
    places = [centre for centre in booking.centres if not centre.link]
    profile = text_of(inside(payload, "data", "profile", "id"))
    for missing in gids.keys() - {"", *map(own_id, places)}:
        yield ReadingTrouble(page, f"the page has no {missing}")
    for place in places:
        own = own_id(place)
        if "" not in gids and own not in gids:
            continue
        slots, left_out = yield from _place(plan, context, booking, place)
        alone = gids.get("", "") if len(places) == 1 else ""
        told = replace(
            place,
            # One practice may stand on two pages, one of them for professionals.
            id=f"{reader.PLATFORM}:{profile}:{own}" if profile else place.id,
            link=f"{link}?pid={own}" if len(places) > 1 else link,
        )
        yield found(told, slots, left_out, gids.get(own, "") or alone)


def _place(plan: ReadingPlan, context: Context, booking: Reading, place: PartnerCentreRow) -> Part:
    slots: list[ReadSlot] = []
    left_out = 0
    practice = own_id(place).removeprefix("practice-")
    for motive in booking.motives:
        agendas = agendas_of(booking, motive, practice)
        if motive.excluded:
            left_out += 1
        if motive.excluded or not agendas:
            continue
        days = min(plan.days, _WINDOW)
        query = [
            ("start_date", plan.today.isoformat()),
            ("visit_motive_ids", motive.id),
            # The answer depends on their order: the booking page's.
            ("agenda_ids", "-".join(agendas)),
            ("practice_ids", practice),
            ("insurance_sector", "public"),
            ("destroy_temporary", "true"),
            ("limit", str(days)),
        ]
        payload = yield from part_of_page(f"{plan.host}/availabilities.json", query)
        about = Context(
            context.motives,
            context.agendas,
            context.centres,
            centre=own_id(place),
            motive=motive.id,
            zone=context.zone_of(own_id(place)),
        )
        read = expected(reader.read(payload, about), reader.FREE)
        slots += read.slots
        left_out += len(read.left_out)
    return slots, left_out


def agendas_of(booking: Reading, motive: Motive, practice: str) -> list[str]:
    """Agendas of a practice that are open to the web for a motive, in the page's order."""
    return [
        agenda.id
        for agenda in booking.agendas
        if agenda.id in motive.agendas
        and (not agenda.motives_at or motive.id in agenda.motives_at.get(practice, ()))
    ]
