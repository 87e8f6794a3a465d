"""/etat and /etat.json: how the service is, from memory, also when the store is down."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, jsonify, render_template
from flask.typing import ResponseReturnValue

from services.public.offered import several, shown
from services.public.state import Latest, people_told, put_together
from services.service import Service
from services.store import Store
from web.cacheable import cacheable
from web.marks import public
from web.pages import language
from web.public.pages import is_always, say
from web.public.services import number_of

# Shorter than the figures are written, so that a cache adds little to their age.
KEPT_SECONDS: Final = 5
STALE_SECONDS: Final = 30


def blueprint(store: Store, service: Service, latest: Latest) -> Blueprint:
    """`/etat` and `/etat.json`; `latest` is what this worker knows of the service."""
    pages = Blueprint("state", __name__)

    def told() -> dict[str, Any]:
        now = store.clock.now()
        services = several(service.campaigns.all(), now)
        body = put_together(latest.look(), service.campaign, service.national_number, now, services)
        for one, campaign in zip(body.get("services", ()), services, strict=True):
            one["number"] = service.numbers.for_campaign(campaign.name).number
        return body

    def titles() -> dict[str, str]:
        """The headline of each service, by its name; none where there is one."""
        found = several(service.campaigns.all(), store.clock.now())
        return {each.service: shown(each, language()).title for each in found}

    def numbers() -> dict[str, dict[str, str]]:
        """The number to ring for each service, by its name."""
        found = several(service.campaigns.all(), store.clock.now())
        return {each.service: number_of(service, each) for each in found}

    def people() -> dict[str, Any]:
        return people_told(latest.look(), service.campaign, store.clock.now())

    @pages.get("/etat")
    @public
    @cacheable(KEPT_SECONDS, stale_seconds=STALE_SECONDS)
    def page() -> ResponseReturnValue:
        return render_template(
            "public/state.html",
            state=told(),
            people=people(),
            titles=titles(),
            numbers=numbers(),
            always=is_always(service.campaign.hours),
            platforms=service.platforms,
            say=say(),
        )

    @pages.get("/etat.json")
    @public
    @cacheable(KEPT_SECONDS, stale_seconds=STALE_SECONDS)
    def machines() -> ResponseReturnValue:
        return jsonify(told())

    return pages
