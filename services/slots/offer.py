"""An offer: places at one centre as a conversation knows them; made and booked here alone."""

from __future__ import annotations

from datetime import datetime

from flows.session import Offer
from models.booking.changes import BookedAppointment
from models.centres.centres import CentreState
from models.centres.directory import BookableCentre
from models.slots.places import HeldPlace
from models.slots.slots import HeldAppointment
from services.slots.allocate import Chosen

# A centre, and a place that is held or that may be, as their own read shapes have them.
Where = CentreState | BookableCentre | HeldAppointment | Offer
Place = HeldPlace | HeldAppointment | BookedAppointment


def offer_at(
    where: Where, first: Place, second: Place | None = None, *, kilometres: float = 0.0
) -> Offer:
    """These places at their centre; `second` where there are two doses."""
    return Offer(
        place_id=first.place_id,
        slot_id=first.slot_id,
        centre_id=first.centre_id,
        name=where.name,
        spoken=where.spoken if isinstance(where, Offer) else where.spoken_name,
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
