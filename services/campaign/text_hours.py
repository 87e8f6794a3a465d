"""When a text that may wait leaves: in the campaign's hours, by the clock where the number is."""

from __future__ import annotations

from datetime import datetime

from services.campaign.call_hours import awake
from services.campaign.campaign import Campaign


def next_text_at(campaign: Campaign, number: str, moment: datetime) -> datetime:
    """The moment itself if a number (E.164) may be written to at it, else the next that it may.

    The moment is aware, and so is the answer. Sundays and holidays are days like others: the law's
    limits are for advertising, which this never is.
    """
    return awake(number, moment, *campaign.text_hours)
