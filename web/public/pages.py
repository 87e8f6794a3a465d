"""The pages that are the same for all visitors: the first one, data, accessibility, for machines.

What they tell stands in files, but for one sentence: who answers the telephone at this moment. A
thread of this worker reads that once a second at most, for all visitors.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from prompts.by_text import by_text, spoken_by_text
from prompts.screens import LANGUAGES
from prompts.values import written_number
from services.campaign.campaign import Campaign
from services.campaign.opening_hours import OpeningHours
from services.public.accessibility import AUDIT
from services.public.offered import several, shown
from services.public.state import Latest, booking_told, people_told
from services.service import Service
from services.store import Store
from web.cacheable import cacheable, true_until
from web.marks import public
from web.pages import language, setting, words
from web.public.words import Sayings
from web.written import Written

# Of security.txt: RFC 9116 wants less than a year.
CONTACT_GOOD_FOR: Final = timedelta(days=180)
_NOT_FOR_ROBOTS: Final = (
    # The same question for each slot that is free somewhere.
    "/rendez-vous?",
    "/rendez-vous/",
    "/mon-rendez-vous",
    "/r/",
    "/s/",
    "/connexion",
    "/poste",
    "/supervision",
    "/centre$",
)
_HOUR_SECONDS: Final = 3600
# Below it, each service has its page where there are several.
SERVICES: Final = "/pour"
# The first page says who is at work, with its moment: a cache may show that for so long afterwards.
HOME_STALE_SECONDS: Final = 60
# And it is never held up by a store that does not answer.
HOME_PATIENCE_SECONDS: Final = 0.25


def say() -> Sayings:
    """How moments, waits and distances are written in the language of this answer."""
    return Sayings(words())


def blueprint(store: Store, service: Service, latest: Latest, *, contact: str = "") -> Blueprint:
    """`/`, `/confidentialite`, `/accessibilite`, `/robots.txt`, `/.well-known/security.txt`.

    `latest` is what this worker knows of the service. `contact` is the URI for people who report a
    security hole; empty: the national number.
    """
    pages = Blueprint("public", __name__)

    @pages.get("/")
    @public
    @cacheable(stale_seconds=HOME_STALE_SECONDS)
    def home() -> ResponseReturnValue:
        campaign, now = service.campaign, store.clock.now()
        hours = campaign.hours
        for change in (
            campaign.opens_at,
            campaign.closes_at,
            hours.closes_at(now) if hours.is_open(now) else hours.next_opening(now),
        ):
            true_until(now, change)
        return render_template(
            "public/home.html",
            say=say(),
            services=_services(service, now),
            booking=booking_told(campaign, now),
            age=campaign.minimum_age_at(now),
            others=lets_others_in(campaign),
            hours=say().hours(hours),
            always=is_always(hours),
            people=people_told(latest.look(HOME_PATIENCE_SECONDS), campaign, now),
            **_by_text(service),
        )

    @pages.get("/confidentialite")
    @public
    @cacheable()
    def privacy() -> ResponseReturnValue:
        return render_template("public/privacy.html")

    @pages.get("/accessibilite")
    @public
    @cacheable()
    def accessibility() -> ResponseReturnValue:
        return render_template(
            "public/accessibility.html",
            audit=AUDIT,
            day=Written(words()).day(AUDIT.on),
            **_by_text(service),
        )

    @pages.get("/robots.txt")
    @public
    @cacheable(_HOUR_SECONDS)
    def robots() -> ResponseReturnValue:
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in _NOT_FOR_ROBOTS)]
        return _text(*lines)

    @pages.get("/.well-known/security.txt")
    @public
    @cacheable(_HOUR_SECONDS)
    def security() -> ResponseReturnValue:
        expires = (store.clock.now() + CONTACT_GOOD_FOR).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        return _text(
            f"Contact: {contact or f'tel:{service.national_number}'}",
            f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
            f"Preferred-Languages: {', '.join(LANGUAGES)}",
            f"Canonical: {setting().public_base_url}/.well-known/security.txt",
        )

    return pages


def is_always(hours: OpeningHours) -> bool:
    """Whether people may be asked for at any hour of any day."""
    return all(day == ((0, 24 * 60),) for day in hours.weekdays)


def _services(service: Service, now: datetime) -> list[dict[str, Any]]:
    """The services to choose from, each with its page; none where there is one."""
    found = several(service.campaigns.all(), now)
    for campaign in found:
        true_until(now, campaign.opens_at)
        true_until(now, campaign.closes_at)
    return [
        {
            "path": path_of(campaign),
            "title": shown(campaign, language()).title,
            "booking": booking_told(campaign, now),
        }
        for campaign in found
    ]


def path_of(campaign: Campaign) -> str:
    """The address of the page of a campaign's service."""
    return f"{SERVICES}/{quote(campaign.service)}"


def _by_text(service: Service) -> dict[str, str]:
    """The number that people book by in texts, and the word to send; empty where there is none."""
    number, code = service.text_number, language()
    if not number:
        return {"text_number": "", "text_link": "", "text_word": ""}
    spoken = spoken_by_text()
    word = by_text(code if code in spoken else spoken[0]).word
    return {"text_number": written_number(number), "text_link": number, "text_word": word}


def lets_others_in(campaign: Campaign) -> bool:
    """Whether not only age decides."""
    return any(rule.group or rule.born_from or rule.born_until for rule in campaign.eligible)


def _text(*lines: str) -> Response:
    return Response("\n".join((*lines, "")), mimetype="text/plain")
