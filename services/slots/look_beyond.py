"""Where the nearest free slot is when there is none within the campaign's radius.

Looks without taking anything: no person is sent so far before they have asked for it.
"""

from __future__ import annotations

import time

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from services.campaign.campaign import Campaign
from services.centres.directory import NearbyCentre
from services.slots.allocate import Allocate, Channel, Holder
from services.work import Work

# No person is sent farther than this, however far the caller would go; a campaign whose own radius
# is larger says so itself.
FARTHEST_KILOMETRES = 150.0
# Seconds for which "nothing free at this centre" need not be found out again: on the day on which
# everything is taken, everybody would ask.
NOTHING_FRESH_SECONDS = 10.0
# Beyond the campaign's radius no person is moved without being asked; up to here a place is kept.
KEPT_WITHIN_KILOMETRES = 150.0
_RING = 60
# No caller waits longer than this to hear where else there is something.
MOST_SECONDS = 1.0


def farthest(campaign: Campaign) -> float:
    """How far, in kilometres, a caller may be sent who asks for farther."""
    return max(FARTHEST_KILOMETRES, campaign.radius_kilometres)


class Beyond:
    """One for each process. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self, *, ticks: Callable[[], float] = time.monotonic, fresh: float = NOTHING_FRESH_SECONDS
    ) -> None:
        self._ticks = ticks
        self._fresh = fresh
        # By campaigns and centre.
        self._nothing: dict[tuple[str, ...], float] = {}

    def nearest(
        self, work: Work, near: Sequence[NearbyCentre], not_before: datetime
    ) -> NearbyCentre | None:
        """The first of these centres, all on one land, with a free slot after `not_before` (UTC).

        With two doses, a slot that has a second one.
        """
        if not near:
            return None
        now = work.store.clock.now()
        anybody = not_before <= now + work.campaign.lead
        names = [campaign.name for campaign in work.campaigns]
        if anybody:
            since = self._ticks() - self._fresh
            near = [
                near_centre
                for near_centre in near
                if self._nothing.get((*names, near_centre.centre.id), since) <= since
            ]
        horizon = now + timedelta(days=work.campaign.horizon_days)
        if not_before >= horizon:
            return None
        allocator = Allocate(work, Holder(Channel.PHONE, ""))
        wish = allocator.wish(((not_before, horizon),))
        give_up_at = self._ticks() + MOST_SECONDS
        for start in range(0, len(near), _RING):
            if self._ticks() > give_up_at:
                # A caller is waiting: nothing is promised, and nothing is remembered.
                return None
            ring = near[start : start + _RING]
            ids = [near_centre.centre.id for near_centre in ring]
            free = allocator.look(ids, wish, nearest=1).centre_ids
            for near_one in ring:
                if near_one.centre.id in free:
                    return near_one
            if anybody:
                self._nothing |= dict.fromkeys(((*names, each) for each in ids), self._ticks())
        return None
