"""A place for a second person beside the first one's: same centre, within the hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from models.database import Connection
from services.campaign.campaign import Campaign
from services.slots.allocate import Allocate, Holder, Pair
from services.slots.give_back import give_back_some
from services.store import Store

WITHIN = timedelta(hours=1)
# A window ends before its last moment; an hour later is still within the hour.
_INCLUSIVE = timedelta(seconds=1)


def hold_adjacent(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    holder: Holder,
    *,
    centre_id: str,
    start: datetime,
    zone: ZoneInfo,
    instead_of: Sequence[int] = (),
) -> Pair | None:
    """Hold one more place at that centre at most an hour from `start` (UTC), sooner than none.

    At the same time or after it if possible, else before it. With two doses, a second comes with
    it. `instead_of` are places that were held so before: they are given back first.
    """
    if instead_of:
        give_back_some(connection, holder.id, instead_of)
    allocator = Allocate(connection, store, campaign, holder)
    not_before = max(start - WITHIN, store.clock.now() + campaign.lead)
    for opens, closes in ((start, start + WITHIN + _INCLUSIVE), (not_before, start)):
        if opens < closes:
            held = allocator.hold([centre_id], allocator.wish(((opens, closes),), (), zone), zone)
            if held:
                return held[0]
    return None
