"""What every channel shares in one process: campaigns, centres and the numbers of the service."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.queue.entries import OUTLOOK_SECONDS, Outlook
from services.slots.look_beyond import Beyond

NO_PLATFORMS: Final[Mapping[str, str]] = MappingProxyType({})


class Service:
    """What all calls share."""

    def __init__(
        self,
        directory: Directory,
        campaign: Campaign | Campaigns,
        national_number: str,
        caller_id: str = "",
        platforms: Mapping[str, str] = NO_PLATFORMS,
    ) -> None:
        """`caller_id` is what people see when we ring them; the number to ring where not given.

        `platforms` are the partners, by their name in the store, as people know them.
        """
        self.directory = directory
        self.campaigns = campaign if isinstance(campaign, Campaigns) else Campaigns.fixed(campaign)
        self.national_number = national_number
        self.platforms = platforms
        self.caller_id = caller_id or national_number
        self.beyond = Beyond(fresh=directory.centres_fresh_seconds)
        # Where nothing is to be remembered, neither is this.
        self.outlook = Outlook(fresh_seconds=min(OUTLOOK_SECONDS, directory.centres_fresh_seconds))

    @property
    def campaign(self) -> Campaign:
        """The campaign of now."""
        return self.campaigns.current()
