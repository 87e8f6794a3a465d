"""/etat and /etat.json: how the service is, from memory, also when the store is down."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, jsonify, render_template
from flask.typing import ResponseReturnValue

from services.campaign.opening_hours import OpeningHours
from services.public.state import Latest, put_together
from services.service import Service
from services.store import Store
from web.cacheable import cacheable
from web.marks import public
from web.public.pages import say

# Shorter than the figures are written, so that a cache adds little to their age.
KEPT_SECONDS: Final = 5
STALE_SECONDS: Final = 30


def blueprint(store: Store, service: Service, latest: Latest | None = None) -> Blueprint:
    known = latest or Latest(store)
    pages = Blueprint("state", __name__)

    def told() -> dict[str, Any]:
        now = store.clock.now()
        return put_together(known.look(), service.campaign, service.national_number, now)

    @pages.get("/etat")
    @public
    @cacheable(KEPT_SECONDS, stale_seconds=STALE_SECONDS)
    def page() -> ResponseReturnValue:
        return render_template(
            "public/state.html",
            state=told(),
            always=_is_always(service.campaign.hours),
            platforms=service.platforms,
            say=say(),
        )

    @pages.get("/etat.json")
    @public
    @cacheable(KEPT_SECONDS, stale_seconds=STALE_SECONDS)
    def machines() -> ResponseReturnValue:
        return jsonify(told())

    return pages


def _is_always(hours: OpeningHours) -> bool:
    return all(day == ((0, 24 * 60),) for day in hours.weekdays)
