"""What every channel shares in one process: campaigns, centres and the numbers of the service."""

from __future__ import annotations

from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.queue.entries import OUTLOOK_SECONDS, WaitEstimates
from services.slots.look_beyond import Beyond


class Service:
    """What all calls share."""

    def __init__(
        self,
        directory: Directory,
        campaign: Campaign | Campaigns,
        national_number: str,
        caller_id: str = "",
    ) -> None:
        """`caller_id` is what people see when we ring them; the number to ring where not given."""
        self.directory = directory
        self.campaigns = campaign if isinstance(campaign, Campaigns) else Campaigns.fixed(campaign)
        self.national_number = national_number
        self.caller_id = caller_id or national_number
        self.beyond = Beyond(fresh=directory.centres_fresh_seconds)
        # Where nothing is to be remembered, neither is this.
        self.wait_estimates = WaitEstimates(
            fresh_seconds=min(OUTLOOK_SECONDS, directory.centres_fresh_seconds)
        )

    @property
    def campaign(self) -> Campaign:
        """The campaign of now."""
        return self.campaigns.current()
