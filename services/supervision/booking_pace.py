"""Whether one centre is asked for far more than the others, as no honest crowd does.

An opening, a letter or the news send callers and visitors to all centres at once. A script has one
postcode, and asks for the places of a day within minutes, whatever it says of itself: each booking
counts, and each for which a proof was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Final

import structlog

from models.booking import hourly
from models.supervision import alerts
from services.store import Store
from services.supervision.alerts import BOOKING_PACE

WITHIN: Final = timedelta(minutes=5)
# So many of one centre are always borne, and this part of its places of a day.
_BORNE: Final = 15
_OF_A_DAY: Final = 0.2
# With so many centres asked for, it is known how much is usual; so many times that stands out.
_KNOWN_FROM: Final = 8
_TIMES_USUAL: Final = 3

log = structlog.get_logger()


@dataclass
class WatchBookings:
    """The task of the process that watches."""

    store: Store

    def __call__(self) -> int:
        """Raise the alert where a centre stands out, end it where none does; 1 if it began."""
        store = self.store
        with store.database.transaction() as connection:
            asked = hourly.asked_lately(connection, store.clock, WITHIN)
            many = [centre_id for centre_id, count in asked.items() if count > _BORNE]
            usual = median(asked.values()) if len(asked) >= _KNOWN_FROM else 0
            places = hourly.places_a_day(connection, store.clock, many)
            beyond = [
                centre_id
                for centre_id in many
                if asked[centre_id]
                > max(_OF_A_DAY * places.get(centre_id, 0), _TIMES_USUAL * usual)
            ]
            if not beyond:
                alerts.end(connection, store.clock, BOOKING_PACE)
                return 0
            most = max(asked[centre_id] for centre_id in beyond)
            began = alerts.begin(
                connection,
                store.clock,
                store.chance.identifier(),
                name=BOOKING_PACE,
                value=most,
                threshold=_BORNE,
            )
        if began:
            log.error("alert", alert=BOOKING_PACE, most=most, centres=len(beyond))
        return int(began)
