"""The telephone's share of each centre: the campaign's, or a higher one that a supervisor set.

A supervisor raises it while the lines are full; it never goes below what the campaign promised.
It is read where a channel other than the telephone wants a place, so a change is true at once; a
call never reads it.
"""

from __future__ import annotations

from typing import Any, Final

from models.database import Connection
from models.supervision import settings as board_settings
from services.campaign.campaign import Campaign

SETTING: Final = "phone_share"
MOST: Final = 100


def raised_floor(of_campaign: int, given: Any) -> int:
    """Per cent of each centre's places, with what the board's setting gives; None: nothing."""
    return max(of_campaign, min(int(given), MOST)) if given is not None else of_campaign


def phone_floor(connection: Connection, campaign: Campaign) -> int:
    """The same of now; one look by a key."""
    return raised_floor(campaign.phone_share, board_settings.value(connection, SETTING))
