"""Figures of the waiting list: what is offered, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from statistics import median
from zoneinfo import ZoneInfo

from models.database import Connection
from models.waiting_list import offers
from models.waiting_list.offers import OfferOutcome
from services.campaign.campaign import Campaign
from services.store import Store


@dataclass(frozen=True)
class OfferFigures:
    """Offers of now (`out`, `untold` of them wait for the morning), and what ended today.

    `unreached` never left the house, and count for no person. `median_minutes` is how long a yes or
    a no took today, from when it could be told; None where there was none.
    """

    out: int
    untold: int
    taken: int
    refused: int
    lapsed: int
    unreached: int
    median_minutes: float | None


def offer_figures(connection: Connection, store: Store, campaign: Campaign) -> OfferFigures:
    """Of all campaigns; a day is one of this campaign's zone. Three statements."""
    midnight = _midnight(store, campaign)
    out, untold, ended, seconds = offers.counts(connection, store.clock, midnight)
    return OfferFigures(
        out=out,
        untold=untold,
        taken=ended.get(OfferOutcome.TAKEN, 0),
        refused=ended.get(OfferOutcome.REFUSED, 0),
        lapsed=ended.get(OfferOutcome.LAPSED, 0),
        unreached=ended.get(OfferOutcome.UNTOLD, 0),
        median_minutes=round(median(seconds) / 60, 1) if seconds else None,
    )


def _midnight(store: Store, campaign: Campaign) -> datetime:
    zone = ZoneInfo(campaign.zone)
    today = store.clock.now().astimezone(zone).date()
    return datetime.combine(today, time.min, tzinfo=zone).astimezone(UTC)
