"""Whether callers or visitors seem to guess: too many look-ups of five minutes were wrong.

The watching process counts, apart from calls and pages: of a morning's look-ups each would have to
count all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import structlog

from services import attempts
from services.store import Store

ALERTS: Final = {
    "wrong look-ups": attempts.BY_TELEPHONE,
    "wrong look-ups on the site": attempts.ON_SITE,
}

log = structlog.get_logger()


@dataclass
class WatchLookUps:
    """The task of the process that watches; another one that takes over logs once more."""

    store: Store
    _lasting: set[str] = field(default_factory=set)

    def __call__(self) -> int:
        """Log an alert where guessing begins; gives how many began."""
        began = 0
        for alert, where in ALERTS.items():
            with self.store.database.statement() as connection:
                wrong, everything = attempts.lately(connection, self.store, where)
            if not attempts.too_many(wrong, everything):
                self._lasting.discard(alert)
            elif alert not in self._lasting:
                self._lasting.add(alert)
                log.error("alert", alert=alert, wrong=wrong, of=everything)
                began += 1
        return began
