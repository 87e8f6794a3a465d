"""The spend breaker: beyond so many parts of texts in 24 hours, what can be told by a call is.

It limits abuse by callers who trigger many texts. The first confirmation of a booking is exempt.
"""

from __future__ import annotations

import time

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from models.database import Connection
from models.messages import outbox
from models.supervision import alerts
from services.store import Store

DAY = timedelta(days=1)
# Counting a day's texts is not for each of them. Seconds.
COUNTED_FOR = 30.0
# It closes again below this part of its limit.
EASED = 0.8
ALERT = "texts_spent"

log = structlog.get_logger()


@dataclass
class SpendBreaker:
    """`parts_a_day` is what may leave in 24 hours; 0: any number. `ticks` gives seconds."""

    parts_a_day: int = 0
    ticks: Callable[[], float] = time.monotonic
    _open: bool = False
    _counted_at: float | None = field(default=None)

    def is_open(self, connection: Connection, store: Store) -> bool:
        """Whether no text is to leave that can do without."""
        if self.parts_a_day <= 0:
            return False
        now = self.ticks()
        if self._counted_at is None or now - self._counted_at >= COUNTED_FOR:
            self._counted_at = now
            self._judge(outbox.parts_since(connection, store.clock, DAY))
        return self._open

    def _judge(self, spent: int) -> None:
        limit = self.parts_a_day * (EASED if self._open else 1)
        was, self._open = self._open, spent >= limit
        if was != self._open:
            log.warning("text breaker", open=self._open, parts=spent, limit=self.parts_a_day)


def watch(store: Store, parts_a_day: int) -> int:
    """Raise the board's alert while the limit is passed, and end it; gives how many changed."""
    if parts_a_day <= 0:
        return 0
    with store.database.transaction() as connection:
        spent = outbox.parts_since(connection, store.clock, DAY)
        if spent >= parts_a_day:
            return alerts.begin(
                connection,
                store.clock,
                store.chance.identifier(),
                name=ALERT,
                value=spent,
                threshold=parts_a_day,
            )
        if spent < parts_a_day * EASED:
            return alerts.end(connection, store.clock, ALERT)
    return 0
