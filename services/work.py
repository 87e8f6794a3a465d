"""What a use case works with, in the caller's transaction."""

from __future__ import annotations

from functools import cached_property

from flows.session import Commitment
from models.database import Connection
from models.rows import record
from services.campaign.campaign import Campaign
from services.store import Store


@record(frozen=True)
class Work:
    """A transaction, the store that it is of, and the campaign whose rules hold in it.

    `beside` are campaigns of other services, of which the same appointment is. `others` are those
    whose people may have what becomes free in it, beside those of `campaign`. `commitments` are
    what the people of the places taken have already: these leave time for them.
    """

    connection: Connection
    store: Store
    campaign: Campaign
    beside: tuple[Campaign, ...] = ()
    others: tuple[Campaign, ...] = ()
    commitments: tuple[Commitment, ...] = ()

    @cached_property
    def campaigns(self) -> tuple[Campaign, ...]:
        """All whose appointment it is; the one whose rules hold comes first."""
        return (self.campaign, *self.beside)

    @cached_property
    def services(self) -> tuple[str, ...]:
        """The services that have a name, of which a place is to be."""
        return tuple(campaign.service for campaign in self.campaigns if campaign.service)
