"""When nothing may begin at a centre, for what its people have already leaves no time for it.

Between two appointments of one person, or of people who come along with each other, there are the
campaign's minutes and those of the way, as the crow flies. A companion may have the same
time at the same centre.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from flows.session import Commitment
from models.centres.centres import CentreState, centre_states
from models.centres.geography import distance_km
from models.slots.slot_query import Window
from services.work import Work


def busy(work: Work, centre_ids: Collection[str]) -> dict[str, tuple[Window, ...]]:
    """By centre, the windows (UTC) in which nothing may begin; their ends are free.

    Nothing is read where there are no commitments.
    """
    if not work.commitments:
        return {}
    known = {*centre_ids, *(commitment.centre_id for commitment in work.commitments)}
    centres = centre_states(work.connection, known)
    return {
        centre_id: tuple(
            _around(work, each, centres[centre_id], centres[each.centre_id])
            for each in work.commitments
            if centre_id in centres and each.centre_id in centres
        )
        for centre_id in centre_ids
    }


def leaves_time(work: Work, there: Collection[tuple[str, datetime]]) -> bool:
    """Whether these appointments (centre, start in UTC) leave time for what people have already."""
    windows = busy(work, {centre_id for centre_id, _ in there})
    return all(is_outside(start, windows.get(centre_id, ())) for centre_id, start in there)


def is_outside(start: datetime, windows: Collection[Window]) -> bool:
    """Whether a moment is in none of these windows, whose ends belong to none."""
    return not any(opens < start < closes for opens, closes in windows)


def _around(work: Work, one: Commitment, here: CentreState, there: CentreState) -> Window:
    start = datetime.fromisoformat(one.start_at)
    apart = timedelta()
    if not (one.companion and here.id == there.id):
        apart = max(campaign.apart(_kilometres(work, here, there)) for campaign in work.campaigns)
    return start - apart, start + apart


def _kilometres(work: Work, here: CentreState, there: CentreState) -> float:
    """How far it is; as far as people are sent where the position of one of them is not known."""
    if here.id == there.id:
        return 0.0
    positions = (here.latitude, here.longitude, there.latitude, there.longitude)
    if None in positions:
        return work.campaign.radius_kilometres
    return distance_km(*(each or 0.0 for each in positions))
