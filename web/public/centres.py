"""Centres by distance, by département, and one by one. A postcode never stands in an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from flows.world import Town
from models.database import Connection
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
from services.service import Service
from services.store import Store
from web.cacheable import cacheable
from web.marks import public, public_form
from web.online.asked_centre import AskedCentre
from web.pages import language, plain, speak_by_address, words
from web.public.pages import say

_MOST_LETTERS: Final = 80
_BAD_REQUEST: Final = 400


def blueprint(store: Store, service: Service, known: PublicCentres) -> Blueprint:
    """/centres and below."""
    pages = Blueprint("centres", __name__)

    @pages.get("/centres")
    @public
    @cacheable()
    def all_of_them() -> ResponseReturnValue:
        return _front(known, store.clock.now())

    @pages.post("/centres")
    @public_form
    def search() -> ResponseReturnValue:
        speak_by_address()
        where = " ".join(request.form.get("where", "")[:_MOST_LETTERS].split())
        now = store.clock.now()
        if not where:
            return _front(known, now, problem=words()["public.centres.empty"]), _BAD_REQUEST
        with store.database.statement() as connection:
            towns = find_towns(connection, service.directory, where, language())
            if len(towns) > 1:
                return render_template(
                    "public/which_town.html", towns=towns, where=where, say=say()
                )
            at = _position(connection, service, towns)
        if at is None:
            problem = words().text("public.centres.unknown", where=plain(where))
            return _front(known, now, where=where, problem=problem), _BAD_REQUEST
        return _near(known, service, at, town=towns[0], where=where, now=now)

    @pages.get("/centres/dep/<string:code>")
    @public
    @cacheable()
    def departement(code: str) -> ResponseReturnValue:
        name = departement_name(code)
        if not name:
            abort(404)
        return _departement(known, code, name, store.clock.now(), service.platforms)

    @pages.get("/centres/<string:centre_id>")
    @public
    @cacheable()
    def centre(centre_id: str) -> ResponseReturnValue:
        one = known.all().get(centre_id)
        if one is None:
            abort(404)
        now = store.clock.now()
        today = today_at(one, now)
        return render_template(
            "public/centre.html",
            one=row_of(one, known.next_free(), service.platforms),
            hours=say().week(week_of(one)),
            opens_on=one.opens_on if one.opens_on and one.opens_on > today else None,
            closes_on=one.closes_on,
            others=departement_name(one.departement),
            say=say(),
            now=now,
        )

    return pages


def remembered(store: Store, service: Service) -> PublicCentres:
    """The centres that a worker remembers; none with the memory of centres switched off."""
    fresh = FRESH_SECONDS if service.directory.centres_fresh_seconds > 0 else 0.0
    return PublicCentres(store, fresh_seconds=fresh)


def _front(known: PublicCentres, now: datetime, *, where: str = "", problem: str = "") -> str:
    counts = known.departements(now.date())
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
    )


def _departement(
    known: PublicCentres, code: str, name: str, now: datetime, platforms: Mapping[str, str]
) -> str:
    free = known.next_free()
    rows = [row_of(one, free, platforms) for one in known.departement(code, now.date())]
    return render_template(
        "public/departement.html", code=code, name=name, rows=rows, say=say(), now=now
    )


def _position(
    connection: Connection, service: Service, towns: tuple[Town, ...]
) -> PostcodeArea | None:
    if not towns:
        return None
    return service.directory.postcode(connection, towns[0].postcode)


def _near(
    known: PublicCentres,
    service: Service,
    at: PostcodeArea,
    *,
    town: Town,
    where: str,
    now: datetime,
) -> str:
    if at.latitude is None or at.longitude is None:
        # A code without any position: what its département has, in no order of distance.
        name = departement_name(at.departement)
        return _departement(known, at.departement, name, now, service.platforms)
    free = known.next_free()
    kilometres = service.campaign.radius_kilometres
    near = known.near(at.latitude, at.longitude, at.territory, kilometres, now.date())
    rows = [
        row_of(one.centre, free, service.platforms) | {"kilometres": one.kilometres} for one in near
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
    )


def row_of(
    one: PublicCentre, free: Mapping[str, FirstFreeTime], platforms: Mapping[str, str]
) -> dict[str, Any]:
    """A centre as a table has it. A link that is none of the web's is left out."""
    found = free.get(one.id)
    # Of a centre that books for itself we know nothing unless a partner told it.
    if found is not None and one.mode != "ours" and not found.platform:
        found = None
    link = one.link if urlsplit(one.link).scheme in {"http", "https"} else ""
    book = f"/rendez-vous?{AskedCentre(one.id).query(language())}"
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
