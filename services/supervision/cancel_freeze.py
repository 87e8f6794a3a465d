"""A spike of cancellations freezes cancelling by machine; agents go on.

A thief who has stolen a list of references cancels many appointments in a short time, and each
victim loses a place that is gone when it is noticed. So while a spike lasts, telephone and site
send those who would cancel to a person. The watching process decides, apart from calls and pages; a
call reads what was decided with what it reads anyway.
"""

from __future__ import annotations

import statistics

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from models.booking import freezes
from models.database import Connection
from models.supervision import alerts
from services.slots.allocate import MACHINES
from services.store import Store

ALERT: Final = "cancellations"
# In ten minutes; fewer are no spike, however quiet the days before were.
LEAST: Final = 30
SHORT: Final = timedelta(minutes=10)
HOUR: Final = timedelta(hours=1)
# The hours of fourteen days that the last one is compared with, and by how many standard deviations
# it is above their mean.
HOURS: Final = 14 * 24
SIGMAS: Final = 3.0
# So long after the last sign of a spike; and so long none begins once a supervisor lifted one.
LASTS_FOR: Final = timedelta(hours=1)
LIFTED_FOR: Final = timedelta(hours=1)

log = structlog.get_logger()


def is_spike(in_ten_minutes: int, in_hour: int, hours: Sequence[int]) -> bool:
    """Whether so many cancellations are far above what the hours before had, and not a few."""
    if in_ten_minutes < LEAST:
        return False
    usual = statistics.fmean(hours) if hours else 0.0
    spread = statistics.pstdev(hours) if hours else 0.0
    return in_hour > usual + SIGMAS * spread


@dataclass
class WatchCancellations:
    """The task of the process that watches. The hours before are counted once an hour."""

    store: Store
    _hours: list[int] = field(default_factory=list)
    _counted_at: datetime | None = None

    def __call__(self) -> int:
        """Begin a freeze, let it last, or note its end; gives how many alerts changed."""
        store, clock = self.store, self.store.clock
        with store.database.transaction() as connection:
            before = freezes.newest(connection)
            now = clock.now()
            lasts = before is not None and before.lifted_at is None and before.until_at > now
            lately = freezes.cancelled_in(connection, clock, MACHINES, SHORT)
            spike = lately >= LEAST and self._is_above(connection, lately)
            if before is not None and before.lifted_at and now < before.lifted_at + LIFTED_FOR:
                spike = False
            if spike and lasts and before is not None:
                freezes.prolong(connection, clock, before.id, LASTS_FOR)
            elif spike:
                return self._freeze(connection, lately)
            elif not lasts:
                return int(alerts.end(connection, clock, ALERT))
        return 0

    def _is_above(self, connection: Connection, lately: int) -> bool:
        clock = self.store.clock
        now = clock.now()
        if self._counted_at is None or not timedelta() <= now - self._counted_at < HOUR:
            self._counted_at = now
            self._hours = freezes.cancelled_by_hour(connection, clock, MACHINES, HOURS)
        in_hour = freezes.cancelled_in(connection, clock, MACHINES, HOUR)
        return is_spike(lately, in_hour, self._hours)

    def _freeze(self, connection: Connection, lately: int) -> int:
        """Of two processes that watch, the one that raises the alert freezes."""
        store = self.store
        alerts.end(connection, store.clock, ALERT)
        began = alerts.begin(
            connection,
            store.clock,
            store.chance.identifier(),
            name=ALERT,
            value=lately,
            threshold=LEAST,
        )
        if began:
            freezes.begin(
                connection,
                store.clock,
                store.chance.identifier(),
                cancelled=lately,
                lasts_for=LASTS_FOR,
            )
            log.error("alert", alert=ALERT, cancelled=lately, minutes=10)
        return int(began)
