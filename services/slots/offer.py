"""An offer: places at one centre as a conversation knows them; made and booked here alone."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from flows.session import Offer
from services.slots.allocate import Chosen


class Where(Protocol):
    """A centre as its own read shapes have it (models.centres, models.booking and others)."""

    @property
    def name(self) -> str: ...
    @property
    def street(self) -> str: ...
    @property
    def postcode(self) -> str: ...
    @property
    def town(self) -> str: ...
    @property
    def time_zone(self) -> str: ...


class Place(Protocol):
    """A place that is held, or that may be; `start_at` is UTC."""

    @property
    def place_id(self) -> int: ...
    @property
    def slot_id(self) -> int: ...
    @property
    def centre_id(self) -> str: ...
    @property
    def start_at(self) -> datetime: ...


def offer_at(
    where: Where, first: Place, second: Place | None = None, *, kilometres: float = 0.0
) -> Offer:
    """These places at their centre; `second` where there are two doses."""
    return Offer(
        place_id=first.place_id,
        slot_id=first.slot_id,
        centre_id=first.centre_id,
        name=where.name,
        street=where.street,
        postcode=where.postcode,
        town=where.town,
        start_at=first.start_at.isoformat(),
        time_zone=where.time_zone,
        kilometres=kilometres,
        second_place_id=second.place_id if second else 0,
        second_slot_id=second.slot_id if second else 0,
        second_start_at=second.start_at.isoformat() if second else "",
    )


def chosen_of(offer: Offer) -> tuple[Chosen, ...]:
    """The place of each dose, to be booked."""
    first = Chosen(offer.place_id, offer.slot_id, datetime.fromisoformat(offer.start_at))
    if not offer.second_start_at:
        return (first,)
    start = datetime.fromisoformat(offer.second_start_at)
    return first, Chosen(offer.second_place_id, offer.second_slot_id, start)
