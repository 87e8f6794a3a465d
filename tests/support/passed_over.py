"""Who was passed over on the waiting list: a check of what was offered, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)

from models.booking.tables import appointment, appointment_for, is_live
from models.centres.geography import distance_km
from models.centres.tables import centre
from models.crypto import Vault
from models.rows import from_row
from models.slots.tables import slot
from models.waiting_list.offers import OfferOutcome
from models.waiting_list.positions import KILOMETRES_PER_DEGREE
from models.waiting_list.tables import waiting_entry, waiting_offer
from models.waiting_list.waiting import WaitingListEntry, of_row
from services.campaign.campaign import Campaign
from services.messages.offer_hours import tells_at
from services.store import Store
from services.waiting_list.freed_slot_offers import offer_lasts

# The search for entries that were passed over looks at no more pairs than this.
_MOST_PAIRS = 2000

# Two threads that offer at the same moment are not one after the other.
_TOGETHER = timedelta(seconds=10)


@dataclass(frozen=True)
class Passed:
    """A person who may have been passed over: an earlier entry of the same class.

    Moments are UTC: of the place, of its offer, and of the next offer that they had themselves.
    Positions are in degrees.
    """

    entry: WaitingListEntry
    latitude: float | None
    longitude: float | None
    kilometres: float | None
    offer_id: str
    start_at: datetime
    offered_at: datetime
    next_offer_at: datetime | None
    centre_latitude: float | None
    centre_longitude: float | None


@dataclass(frozen=True)
class Inversion:
    """Somebody was served before an earlier one of the same class, whom the place suited."""

    entry_id: str
    offer_id: str


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
        for one in passed_over(connection, store.vault, since)
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
    return bool(away <= min(one.kilometres, campaign.radius_kilometres))


def passed_over(connection: Connection, vault: Vault, since: datetime) -> list[Passed]:
    """Entries that were not asked, though one that joined later was served since then (UTC).

    Only entries of the same territory. Left out are entries that had an offer or an appointment at
    that moment, or could not use that hour. Of the distance only the latitude is compared here: the
    caller of this function measures the rest.
    """
    rows = connection.execute(_passed_over(since)).all()
    return [from_row(Passed, row, entry=of_row(row, vault)) for row in rows]


def _passed_over(since: datetime) -> Select[Any]:
    served, other, earlier = waiting_offer, waiting_offer.alias("other"), waiting_entry
    its_entry = waiting_entry.alias("its_entry")
    busy = exists().where(
        other.c.entry_id == earlier.c.id,
        or_(
            other.c.slot_id == served.c.slot_id,
            and_(
                other.c.offered_at <= served.c.offered_at,
                or_(other.c.ended_at.is_(None), other.c.ended_at > served.c.offered_at),
            ),
        ),
    )
    soon = (
        select(func.min(other.c.offered_at))
        .where(other.c.entry_id == earlier.c.id, other.c.offered_at > served.c.offered_at)
        .scalar_subquery()
    )
    booked = or_(
        *(
            exists().where(is_live(table), table.c.person_idx == earlier.c.person_idx)
            for table in (appointment, appointment_for)
        )
    )
    reach = earlier.c.kilometres
    near = and_(
        earlier.c.territory == centre.c.territory,
        func.abs(earlier.c.latitude - centre.c.latitude) * KILOMETRES_PER_DEGREE <= reach,
    )
    return (
        select(
            earlier,
            served.c.id.label("offer_id"),
            served.c.offered_at,
            soon.label("next_offer_at"),
            slot.c.start_at,
            centre.c.latitude.label("centre_latitude"),
            centre.c.longitude.label("centre_longitude"),
        )
        .select_from(served)
        .join(slot, slot.c.id == served.c.slot_id)
        .join(centre, centre.c.id == slot.c.centre_id)
        .join(its_entry, its_entry.c.id == served.c.entry_id)
        .join(
            earlier,
            and_(
                earlier.c.campaign == served.c.campaign,
                earlier.c.class_rank == served.c.class_rank,
                earlier.c.created_at < served.c.waits_since,
                earlier.c.doses <= its_entry.c.doses,
                # A place for one service is of no use to who waits for several at once.
                or_(earlier.c.beside.is_(None), earlier.c.beside == its_entry.c.beside),
            ),
        )
        .where(
            served.c.outcome == str(OfferOutcome.TAKEN),
            served.c.ended_at >= since,
            earlier.c.person_enc.is_not(None),
            or_(
                earlier.c.state.in_(("waiting", "offered")),
                earlier.c.updated_at > served.c.offered_at,
            ),
            or_(earlier.c.not_before.is_(None), earlier.c.not_before <= slot.c.start_at),
            or_(earlier.c.centre_id == centre.c.id, near),
            ~busy,
            ~booked,
        )
        .order_by(served.c.id, earlier.c.created_at)
        .limit(_MOST_PAIRS)
    )
