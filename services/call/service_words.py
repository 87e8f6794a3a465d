"""What a caller is told that an appointment is for, by the words of its campaign."""

from __future__ import annotations

from flows.world import ServiceWords
from services.campaign.campaign import Campaign


def words_of(campaign: Campaign | None, language: str) -> ServiceWords:
    """The words of a campaign's service; of a campaign that is gone, none."""
    if campaign is None:
        return ServiceWords("")
    own = campaign.words(language)
    return ServiceWords(own.spoken["name"], own.named)
