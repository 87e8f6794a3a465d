"""What every channel shares in one process: campaigns, centres and the numbers of the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.numbers.numbers import Numbers
from services.queue.entries import OUTLOOK_SECONDS, WaitEstimates
from services.slots.look_beyond import Beyond


class Service:
    """What all calls share."""

    def __init__(  # noqa: PLR0917
        self,
        directory: Directory,
        campaign: Campaign | Campaigns,
        national_number: str,
        caller_id: str = "",
        platforms: Callable[[], Mapping[str, str]] = dict,
        reply_number: str = "",
        text_number: str = "",
        numbers: Numbers | None = None,
        *,
        mails: bool = False,
    ) -> None:
        """`caller_id` is what people see when we ring them; the number to ring where not given.

        `reply_number` is where texts of people come in, `text_number` the one that they book by;
        empty: nowhere.

        `numbers` are those that people call; None: the national one alone. `mails`: people may
        give an address of e-mail.

        `platforms` gives the partners, by their name in the store, as people know them. It is asked
        when one is to be named, for a web worker loads no partner before.
        """
        self.directory = directory
        self.campaigns = campaign if isinstance(campaign, Campaigns) else Campaigns.fixed(campaign)
        self.national_number = national_number
        self._platforms = platforms
        self.caller_id = caller_id or national_number
        self.reply_number = reply_number
        self.text_number = text_number
        self.numbers = numbers or Numbers.fixed(national_number)
        self.mails = mails
        self.beyond = Beyond(fresh=directory.centres_fresh_seconds)
        # With the memory of centres switched off, estimates are not remembered either.
        self.wait_estimates = WaitEstimates(
            fresh_seconds=min(OUTLOOK_SECONDS, directory.centres_fresh_seconds)
        )

    @cached_property
    def platforms(self) -> Mapping[str, str]:
        """Names of partners as people know them, by their name in the store."""
        return self._platforms()

    @property
    def campaign(self) -> Campaign:
        """The campaign of now."""
        return self.campaigns.current()
