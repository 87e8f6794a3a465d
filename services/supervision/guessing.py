"""Whether callers or visitors seem to guess: too many look-ups of five minutes were wrong.

The watching process counts, apart from calls and pages: of a morning's look-ups each would have to
count all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from models.attempts import Subject
from models.supervision import alerts
from services import attempts
from services.store import Store
from services.supervision.alerts import GUESSED, GUESSED_ON_SITE

ALERTS: Final = {GUESSED: attempts.BY_TELEPHONE, GUESSED_ON_SITE: attempts.ON_SITE}

log = structlog.get_logger()


@dataclass
class WatchLookUps:
    """The task of the process that watches."""

    store: Store

    def __call__(self) -> int:
        """Raise an alert where guessing begins, end it where it is over; gives how many began."""
        return sum(self._watch(alert, where) for alert, where in ALERTS.items())

    def _watch(self, alert: str, where: Subject) -> bool:
        store = self.store
        with store.database.transaction() as connection:
            wrong, everything = attempts.lately(connection, store, where)
            if not attempts.too_many(wrong, everything):
                alerts.end(connection, store.clock, alert)
                return False
            began = alerts.begin(
                connection,
                store.clock,
                store.chance.identifier(),
                name=alert,
                value=wrong,
                threshold=attempts.MOST_WRONG_BORNE,
            )
        if began:
            log.error("alert", alert=alert, wrong=wrong, of=everything)
        return began
