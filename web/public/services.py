"""/pour/…: one page a service, with an address for posters, and the poster itself.

Only an operator whose campaigns are of named services has these pages.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from prompts.catalogue import COUNTRY_LANGUAGE
from prompts.values import written_number
from services.campaign.campaign import Campaign
from services.numbers.numbers import CalledNumber
from services.public.offered import beside, of_service, shown
from services.public.state import booking_told
from services.service import Service
from services.store import Store
from web.cacheable import cacheable, true_until
from web.marks import public
from web.online.asked_centre import SERVICE
from web.online.door_code import door_code
from web.pages import language, setting
from web.public.pages import SERVICES, lets_others_in, path_of, say


def blueprint(store: Store, service: Service) -> Blueprint:
    """`/pour/<service>` and `/pour/<service>/affiche`."""
    pages = Blueprint("services", __name__, url_prefix=SERVICES)

    def asked(name: str) -> Campaign:
        """The campaign of a service that is offered; else there is no such page."""
        now = store.clock.now()
        campaign = of_service(service.campaigns.all(), name, now)
        if campaign is None:
            abort(HTTPStatus.NOT_FOUND)
        for change in (campaign.opens_at, campaign.closes_at):
            true_until(now, change)
        return campaign

    @pages.get("/<string:name>")
    @public
    @cacheable()
    def page(name: str) -> ResponseReturnValue:
        campaign, now = asked(name), store.clock.now()
        others = beside(service.campaigns.all(), campaign, now)
        return render_template(
            "public/service.html",
            service=shown(campaign, language()),
            path=path_of(campaign),
            book=book_path(campaign),
            booking=booking_told(campaign, now),
            age=campaign.minimum_age_at(now),
            others=lets_others_in(campaign),
            together=[shown(other, language()).name for other in others],
            **ringing(service, campaign),
            say=say(),
            poster=f"{path_of(campaign)}/affiche",
        )

    @pages.get("/<string:name>/affiche")
    @public
    @cacheable()
    def poster(name: str) -> ResponseReturnValue:
        campaign = asked(name)
        address = f"{setting().public_base_url}{path_of(campaign)}"
        return render_template(
            "public/poster.html",
            service=shown(campaign, language()),
            address=address.partition("://")[2],
            code=door_code(address),
            **ringing(service, campaign),
            back=path_of(campaign),
        )

    return pages


def book_path(campaign: Campaign) -> str:
    """Where a person books who comes for this service."""
    query = {"lang": language()} if language() != COUNTRY_LANGUAGE else {}
    return f"/rendez-vous?{urlencode({**query, SERVICE: campaign.service})}"


def number_of(service: Service, campaign: Campaign) -> dict[str, str]:
    """The number to ring for a service: the one that is for its campaign, else the national."""
    own = service.numbers.for_campaign(campaign.name)
    return {"link": own.number, "shown": _written(own)}


def ringing(service: Service, campaign: Campaign) -> dict[str, str]:
    """The number of a service for the whole of a page, its frame too: one page has one number."""
    own = number_of(service, campaign)
    return {"number": own["shown"], "number_link": f"tel:{own['link']}"}


def _written(own: CalledNumber) -> str:
    return written_number(own.number) if own.number.startswith("+") else own.number
