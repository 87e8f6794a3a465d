"""What services are called in tests: the words of the examples that come with the service."""

from __future__ import annotations

from services.campaign.words import words_of
from tests.support.keeper import ROOT

FLU_WORDS = words_of(ROOT / "campaigns/automne/grippe.toml")
COVID_WORDS = words_of(ROOT / "campaigns/automne/rappel-covid.toml")
CARD_WORDS = words_of(ROOT / "campaigns/mairie/mairie.toml")
