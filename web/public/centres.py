"""Centres by distance, by département, and one by one. A postcode never stands in an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from flows.world import Town
from services.centres.directory import PostcodeArea
from services.centres.find_town import find_towns
from services.centres.towns import areas, departement_name
from services.public.centres import (
    FRESH_SECONDS,
    MOST_SHOWN,
    FirstFreeTime,
    PublicCentre,
    PublicCentres,
    today_at,
    week_of,
)
from services.public.offered import of_service, shown
from services.service import Service
from services.store import Store
from web.cacheable import cacheable
from web.marks import public, public_form
from web.online.asked_centre import AskedCentre
from web.online.town_map import TownMap, draw, reach, stand_of
from web.pages import language, plain, speak_by_address, words
from web.public.pages import SERVICES, say
from web.public.services import ringing
from web.typed import answers

_MOST_LETTERS: Final = 80
_BAD_REQUEST: Final = 400


def blueprint(store: Store, service: Service, known: PublicCentres) -> Blueprint:
    """/centres and below."""
    pages = Blueprint("centres", __name__)
    views = _CentrePages(store, service, known)
    of_service = f"{SERVICES}/<string:pour>"
    for method, path, name, view in (
        ("GET", "/centres", "all_of_them", views.all_of_them),
        ("POST", "/centres", "search", views.search),
        ("GET", "/centres/dep/<string:code>", "departement", views.departement),
        ("GET", "/centres/<string:centre_id>", "centre", views.centre),
        ("GET", f"{of_service}/centres", "all_of_service", views.all_of_them),
        ("POST", f"{of_service}/centres", "search_of_service", views.search),
        ("GET", f"{of_service}/centres/dep/<string:code>", "departement_of", views.departement),
    ):
        pages.add_url_rule(path, name, view, methods=[method])
    return pages


@dataclass(frozen=True)
class Looked:
    """Which centres are listed: all, or those that have places for one service.

    `service` is its name, empty for all; `named` as in a sentence; `path` where they are listed.
    `ring` is the number of the service for the whole page, empty for the one of all.
    """

    service: str = ""
    named: str = ""
    path: str = "/centres"
    ring: Mapping[str, str] = field(default_factory=dict)

    def lists(self, one: PublicCentre, free: Mapping[str, FirstFreeTime]) -> bool:
        """Whether a centre is listed. What partners give appointments for is not known here."""
        return not self.service or (one.mode == "ours" and one.id in free)


ALL: Final = Looked()


@dataclass(frozen=True)
class _CentrePages:
    store: Store
    service: Service
    known: PublicCentres

    def _looked(self, pour: str) -> Looked:
        """What is looked for; a service that is not offered has no such page."""
        if not pour:
            return Looked()
        campaign = of_service(self.service.campaigns.all(), pour, self.store.clock.now())
        if campaign is None:
            abort(404)
        named = shown(campaign, language()).name
        ring = ringing(self.service, campaign)
        return Looked(pour, named, f"{SERVICES}/{pour}/centres", ring)

    @public
    @cacheable()
    def all_of_them(self, pour: str = "") -> ResponseReturnValue:
        return self._front(self._looked(pour))

    @public_form
    def search(self, pour: str = "") -> ResponseReturnValue:
        speak_by_address()
        look = self._looked(pour)
        form = answers({"where": request.form.get("where", "")}, _MOST_LETTERS)
        where = " ".join(form["where"].split())
        if not where:
            return self._front(look, problem=words()["public.centres.empty"]), _BAD_REQUEST
        directory = self.service.directory
        with self.store.database.statement() as connection:
            towns = find_towns(connection, directory, where, language())
            if len(towns) > 1:
                return render_template(
                    "public/which_town.html",
                    towns=towns,
                    where=where,
                    say=say(),
                    look=look,
                    **look.ring,
                )
            at = directory.postcode(connection, towns[0].postcode) if towns else None
        if at is None:
            problem = words().text("public.centres.unknown", where=plain(where))
            return self._front(look, where=where, problem=problem), _BAD_REQUEST
        return self._near(look, at, town=towns[0], where=where)

    @public
    @cacheable()
    def departement(self, code: str, pour: str = "") -> ResponseReturnValue:
        if not departement_name(code):
            abort(404)
        return self._departement(self._looked(pour), code)

    @public
    @cacheable()
    def centre(self, centre_id: str) -> ResponseReturnValue:
        one = self.known.all().get(centre_id)
        if one is None:
            abort(404)
        now = self.store.clock.now()
        today = today_at(one, now)
        return render_template(
            "public/centre.html",
            one=row_of(one, self.known.next_free(), self.service.platforms),
            hours=say().week(week_of(one)),
            opens_on=one.opens_on if one.opens_on and one.opens_on > today else None,
            closes_on=one.closes_on,
            others=departement_name(one.departement),
            map=self._map(one),
            say=say(),
            now=now,
        )

    def _map(self, one: PublicCentre) -> TownMap | None:
        """Where a centre is among the towns around it."""
        stand = stand_of(one)
        seen = reach(None, [stand]) if stand else None
        return (
            draw(None, [stand], self.known.towns_around(one, seen[1])) if stand and seen else None
        )

    def _front(self, look: Looked, *, where: str = "", problem: str = "") -> str:
        free = self.known.next_free(look.service)
        counts = self.known.departements(
            self.store.clock.now().date(), lambda one: look.lists(one, free)
        )
        departements = [
            {"code": area.code, "name": area.name, "count": counts[area.code]}
            for area in areas()
            if area.code in counts
        ]
        return render_template(
            "public/centres.html",
            departements=departements,
            where=where,
            problem=problem,
            say=say(),
            look=look,
            **look.ring,
        )

    def _departement(self, look: Looked, code: str) -> str:
        name, now = departement_name(code), self.store.clock.now()
        free, platforms = self.known.next_free(look.service), self.service.platforms
        found = self.known.departement(code, now.date())
        rows = [
            row_of(centre, free, platforms, look) for centre in found if look.lists(centre, free)
        ]
        return render_template(
            "public/departement.html",
            code=code,
            name=name,
            rows=rows,
            say=say(),
            now=now,
            look=look,
            **look.ring,
        )

    def _near(self, look: Looked, at: PostcodeArea, *, town: Town, where: str) -> str:
        if at.latitude is None or at.longitude is None:
            # A code without any position: what its département has, in no order of distance.
            return self._departement(look, at.departement)
        now, free = self.store.clock.now(), self.known.next_free(look.service)
        kilometres = self.service.campaign.radius_kilometres
        near = self.known.near(
            at.latitude,
            at.longitude,
            at.territory,
            kilometres,
            now.date(),
            lambda one: look.lists(one, free),
        )
        rows = [
            row_of(reached.centre, free, self.service.platforms, look)
            | {"kilometres": reached.kilometres}
            for reached in near
        ]
        return render_template(
            "public/near.html",
            town=town,
            rows=rows,
            most=MOST_SHOWN,
            kilometres=round(kilometres),
            where=where,
            say=say(),
            now=now,
            look=look,
            **look.ring,
        )


def remembered(store: Store, service: Service) -> PublicCentres:
    """The centres that a worker remembers; none with the memory of centres switched off."""
    fresh = FRESH_SECONDS if service.directory.centres_fresh_seconds > 0 else 0.0
    return PublicCentres(store, fresh_seconds=fresh)


def row_of(
    one: PublicCentre,
    free: Mapping[str, FirstFreeTime],
    platforms: Mapping[str, str],
    look: Looked = ALL,
) -> dict[str, Any]:
    """A centre as a table has it. A link that is none of the web's is left out."""
    found = free.get(one.id)
    # Of a centre that books for itself we know nothing unless a partner told it.
    if found is not None and one.mode != "ours" and not found.platform:
        found = None
    link = one.link if urlsplit(one.link).scheme in {"http", "https"} else ""
    book = f"/rendez-vous?{AskedCentre(one.id, service=look.service).query(language())}"
    return asdict(one) | {
        "link": link,
        "platform": platform_of(link, platforms),
        "next": found,
        "book": book,
    }


def platform_of(link: str, platforms: Mapping[str, str]) -> str:
    """The name of a platform by an agenda's address; empty for a site of the centre's own.

    `platforms` are names as people know them, by what stands in the address.
    """
    host = urlsplit(link).hostname or ""
    return next((name for word, name in platforms.items() if word in host), "")
