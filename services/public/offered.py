"""The services that an operator has beside one another, for pages that show them: one page each.

Where there is one service alone nothing of it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.campaign.campaign import Campaign, are_together
from services.campaign.campaigns import of_each_service
from services.letters import as_printed


@dataclass(frozen=True)
class ServiceShown:
    """What a page says of a service in one language. Lists are empty where nothing is said.

    `name` is as in a sentence ("la grippe"), `title` the headline of its page. `bring` has a thing
    a line; `before` is what to know before one comes, `walk_in` when one may come without an
    appointment.
    """

    title: str
    name: str
    bring: tuple[str, ...] = ()
    before: str = ""
    walk_in: str = ""


def shown(campaign: Campaign, language: str) -> ServiceShown:
    """The words of a campaign's service; a language without words has the country's."""
    words = campaign.words(language)
    return ServiceShown(
        title=as_printed(words.page["title"]),
        name=as_printed(words.spoken["name"]),
        bring=tuple(as_printed(words.page["bring"]).splitlines()),
        before=as_printed(words.page.get("before", "")),
        walk_in=as_printed(words.page.get("walk_in", "")),
    )


def offered(campaigns: Sequence[Campaign], now: datetime) -> tuple[Campaign, ...]:
    """One campaign for each named service that gives appointments, or will; by their opening.

    `now` is UTC. Of several of one service, the one of this moment. What is over is left out.
    """
    found = of_each_service((campaign for campaign in campaigns if campaign.service), now)
    return tuple(offer for offer in found if offer.closes_at is None or offer.closes_at > now)


def several(campaigns: Sequence[Campaign], now: datetime) -> tuple[Campaign, ...]:
    """The same where there is a choice; none where there is one service."""
    found = offered(campaigns, now)
    return found if len(found) > 1 else ()


def of_service(campaigns: Sequence[Campaign], service: str, now: datetime) -> Campaign | None:
    """The campaign of a service by its name; None where there is none, or no more."""
    return next((offer for offer in offered(campaigns, now) if offer.service == service), None)


def beside(
    campaigns: Sequence[Campaign], campaign: Campaign, now: datetime
) -> tuple[Campaign, ...]:
    """What may be had in one appointment with a campaign, of what is open now."""
    return tuple(
        other
        for other in offered(campaigns, now)
        if other is not campaign and other.is_open(now) and are_together(campaign, other)
    )
