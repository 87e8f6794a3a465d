"""Two appointments of one person that leave no time to get from one to the other: a case.

A call knows only what was booked or proved in it. What another call booked for the same person is
known to the store alone, which tells the caller nothing of it; an agent rings the person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flows.session import Commitment
from models.booking import close_pairs
from models.centres.centres import centre_states
from services.campaign.campaign import Campaign
from services.messages.write_message import open_case
from services.slots.leave_time import leaves_time
from services.store import Store
from services.work import Work

# The kind of the case.
NO_TIME = "no_time"
# A look comes each minute; after a pause, what was changed in this time is looked at.
_LATELY = timedelta(hours=1)
# Farther apart than any way between two centres of one land takes.
_WITHIN = timedelta(days=1)
_MOST_LETTERS = 80


def look_after(store: Store, campaign_of: Callable[[str], Campaign | None]) -> int:
    """Open a case for each pair that leaves no time; gives how many."""
    with store.database.statement() as connection:
        found = close_pairs.close_pairs(
            connection, store.clock, NO_TIME, lately=_LATELY, within=_WITHIN
        )
    opened = set[frozenset[str]]()
    for pair in found:
        both = frozenset((pair.booking_id, pair.other_id))
        campaign = campaign_of(pair.campaign)
        if campaign is not None and both not in opened and _open(store, campaign, pair):
            opened.add(both)
    return len(opened)


def _open(store: Store, campaign: Campaign, pair: Any) -> bool:
    with store.database.transaction() as connection:
        other = Commitment("", pair.other_centre_id, pair.other_start_at.isoformat())
        work = Work(connection, store, campaign, commitments=(other,))
        if leaves_time(work, [(pair.centre_id, pair.start_at)]):
            return False
        there = centre_states(connection, [pair.other_centre_id])[pair.other_centre_id]
        start = pair.other_start_at.astimezone(ZoneInfo(there.time_zone))
        why = f"{start:%Y-%m-%d %H:%M} {there.town}"[:_MOST_LETTERS]
        open_case(connection, store, NO_TIME, why, booking_id=pair.booking_id)
    return True
