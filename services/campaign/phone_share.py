"""The telephone's share of each centre: the campaign's, or a higher one that a supervisor set.

A supervisor raises it while the lines are full; it never goes below what the campaign promised.
It is read where a channel other than the telephone wants a place, so a change is true at once; a
call never reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.database import Connection
from models.supervision import settings as board_settings
from services.campaign.campaign import Campaign

SETTING: Final = "phone_share"
MOST: Final = 100


def raised_floor(of_campaign: int, settings: Mapping[str, Any]) -> int:
    """Per cent of each centre's places, of these settings of the board."""
    return _raised(of_campaign, settings.get(SETTING))


def phone_floor(connection: Connection, campaign: Campaign) -> int:
    """The same of now; one look by a key."""
    return _raised(campaign.phone_share, board_settings.value(connection, SETTING))


def _raised(of_campaign: int, given: Any) -> int:
    return max(of_campaign, min(int(given), MOST)) if given is not None else of_campaign
