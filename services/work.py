"""What a use case works with, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass

from models.database import Connection
from services.campaign.campaign import Campaign
from services.store import Store


@dataclass(frozen=True)
class Work:
    """A transaction, the store that it is of, and the campaign whose rules hold in it."""

    connection: Connection
    store: Store
    campaign: Campaign
