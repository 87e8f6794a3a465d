"""A house with two services beside one another, as its pages show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from flask import Flask

from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from tests.support.house import CAMPAIGN, NOON, House
from tests.support.service_words import CARD_WORDS, COVID_WORDS, FLU_WORDS

# The flu from 65, both in one appointment; from 75 the Covid.
FLU = replace(
    CAMPAIGN,
    name="grippe-2026",
    title="Vaccination contre la grippe",
    service="grippe",
    doses=1,
    minimum_age=65,
    together=("covid",),
    all_words=FLU_WORDS,
)
COVID = replace(
    FLU,
    name="covid-2026",
    title="Vaccination contre le Covid",
    service="covid",
    minimum_age=75,
    together=(),
    all_words=COVID_WORDS,
)
# Of another need, from tomorrow on.
CARD = replace(
    FLU,
    name="carte-2026",
    title="Carte d’identité",
    service="carte",
    minimum_age=0,
    together=(),
    all_words=CARD_WORDS,
    opens_at=NOON + timedelta(days=1),
)


def app_of(made: House, *campaigns: Campaign) -> Flask:
    """The web application with these campaigns."""
    known = Campaigns.fixed(*campaigns, now=made.clock.now)
    return made.application(service=made.service(known))
