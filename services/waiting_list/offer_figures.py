"""Figures of the waiting list: what is offered, what became of it, and whether it was fair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from models.centres.geography import distance_km
from models.database import Connection
from models.waiting_list import offers
from models.waiting_list.offers import OfferOutcome, Passed
from services.campaign.campaign import Campaign
from services.messages.offer_hours import tells_at
from services.store import Store
from services.waiting_list.freed_slot_offers import offer_lasts

# Two threads that offer at the same moment are not one after the other.
_TOGETHER = timedelta(seconds=10)


@dataclass(frozen=True)
class OfferFigures:
    """Offers of now (`out`, `untold` of them wait for the morning), and what ended today.

    `unreached` never left the house, and count for nobody. `median_minutes` is how long a yes or a
    no took today, from when it could be told; None where there was none.
    """

    out: int
    untold: int
    taken: int
    refused: int
    lapsed: int
    unreached: int
    median_minutes: float | None


@dataclass(frozen=True)
class Inversion:
    """Somebody was served before an earlier one of the same class, whom the place suited."""

    entry_id: str
    offer_id: str


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


def inversions(
    connection: Connection,
    store: Store,
    campaign_of: Callable[[str], Campaign | None],
    *,
    since: datetime,
) -> Sequence[Inversion]:
    """Who was passed over since a moment (UTC): one line for each of them and place.

    Left out is whom nobody could have told in time, and who was being offered another place.
    """
    return [
        Inversion(one.entry.id, one.offer_id)
        for one in offers.passed_over(connection, store.vault, since)
        if _suited(one, campaign_of(one.entry.campaign))
    ]


def _suited(one: Passed, campaign: Campaign | None) -> bool:
    if campaign is None:
        return False
    if one.next_offer_at and one.next_offer_at - one.offered_at < _TOGETHER:
        return False
    told = tells_at(campaign, one.entry.number, one.offered_at)
    if offer_lasts(campaign, one.start_at - told) is None:
        return False
    if one.entry.centre_id is not None:
        return True
    known = (one.latitude, one.longitude, one.centre_latitude, one.centre_longitude)
    if one.kilometres is None or None in known:
        return False
    latitude, longitude, there_latitude, there_longitude = (float(each or 0) for each in known)
    away = distance_km(latitude, longitude, there_latitude, there_longitude)
    return away <= min(one.kilometres, campaign.radius_kilometres)


def _midnight(store: Store, campaign: Campaign) -> datetime:
    zone = ZoneInfo(campaign.zone)
    today = store.clock.now().astimezone(zone).date()
    return datetime.combine(today, time.min, tzinfo=zone).astimezone(UTC)
