"""Whether places are open that no person at the centre expects: outside the hours that were said.

All centres are looked at in one sweep, some minutes apart; `flask slots outside` names them.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from models.supervision import alerts
from services.centre_day.said_hours import find_outside
from services.store import Store
from services.supervision.alerts import OUTSIDE_HOURS

log = structlog.get_logger()


@dataclass
class WatchHours:
    """The task of the process that watches."""

    store: Store

    def __call__(self) -> int:
        """Raise the alert where something is open outside, else end it; 1 if it began."""
        store = self.store
        found = find_outside(store.database, store.clock)
        with store.database.transaction() as connection:
            if not found:
                alerts.end(connection, store.clock, OUTSIDE_HOURS)
                return 0
            places = sum(each.places for each in found)
            began = alerts.begin(
                connection,
                store.clock,
                store.chance.identifier(),
                name=OUTSIDE_HOURS,
                value=places,
                threshold=0,
            )
        if began:
            log.error("alert", alert=OUTSIDE_HOURS, places=places, centres=len(found))
        return int(began)
