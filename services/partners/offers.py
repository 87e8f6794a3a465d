"""What partners have free beside our own slots, for the caller or visitor being served.

The pieces are in services.partners.near; this is the way in for pages and desks, which have a
session and a service.
"""

from __future__ import annotations

from flows.session import Session
from models.database import Connection
from services.partners.near import MOST_CENTRES, BookingWay, Moment, PartnerOffer, near_place
from services.service import Service
from services.store import Store

__all__ = ["BookingWay", "Moment", "PartnerOffer", "near"]


def near(
    connection: Connection,
    store: Store,
    service: Service,
    session: Session,
    *,
    most: int = MOST_CENTRES,
) -> tuple[PartnerOffer, ...]:
    """Partners' centres near the session's place, nearest first, on days on which they may come.

    Empty where the place is not known yet. Two statements at most; nothing is held.
    """
    campaign = service.campaign
    if not session.territory:
        return ()
    return near_place(
        connection,
        store,
        campaign,
        (session.latitude, session.longitude),
        session.territory,
        born=session.born_on if session.born else None,
        groups=session.groups,
        kilometres=session.within or campaign.radius_kilometres,
        most=most,
    )
