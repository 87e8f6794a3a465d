"""How many texts a second the provider is given: permits before it, not waits after its refusals.

Each text takes a permit in the database just before it leaves, so that any number of processes
keep one pace (`models.messages.send_rate`). A permit is given some moments ahead, and its relay
waits for it. First of all go finished texts, whose people wait with the telephone in the hand: they
may take permits further ahead than all others, so that while they need the whole pace no other
has any of it. What gets no permit is put back, and no try is counted.

What cannot leave in its time is told otherwise (`services.messages.late_texts`).
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from models.messages import send_rate
from models.messages.send_rate import Bucket, Permit
from services.store import Store

# The buckets: of the account, and of each sender by its name.
ACCOUNT: Final = "texts"
_SENDER: Final = "s:"
# How far ahead permits are given: to the first of all, and to the others. A lease is longer by more
# than the provider's client waits.
FIRST_AHEAD: Final = timedelta(seconds=3)
AHEAD: Final = timedelta(seconds=0.6)
# At the slowest pace the next permit is further away; a relay waits for it no longer than this.
LONGEST_AHEAD: Final = timedelta(seconds=6)
# Where the provider has as many as it may have, nothing is given to it for so long.
QUEUE_WAIT: Final = timedelta(seconds=5)
# What lies at the provider is counted anew after this long.
_COUNTED_FOR: Final = timedelta(seconds=1)
# A relay that found no permit left looks again after so many seconds.
REST: Final = 0.5
# Where there is no pace a relay has so many in hand.
UNPACED: Final = 60
_MINUTE: Final = 60


@dataclass(frozen=True)
class PaceSettings:
    """The settings of docs/operations.md; 0 of anything: none.

    `texts_per_second` of the account, `parts_per_second` of its sender, `queue_most` parts that lie
    at the provider without a report, `late_after` which a confirmation is not promised.
    `calls_per_second` as the account may begin.
    """

    texts_per_second: float = 0.0
    parts_per_second: float = 0.0
    queue_most: int = 0
    late_after: timedelta = timedelta(minutes=10)
    calls_per_second: float = 1.0


@dataclass
class ProviderPace:
    """The pace, in one process. May be used by several threads.

    `sender` is the number texts come from. `pause` waits so many seconds.
    """

    settings: PaceSettings
    sender: str
    pause: Callable[[float], None] = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _at_provider: tuple[datetime, int] | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a pace at all."""
        return bool(self.per_second or self.settings.queue_most)

    @property
    def per_second(self) -> float:
        """Texts of one part that leave in a second at the most; 0: as many as come."""
        given = self.settings
        rates = [rate for rate in (given.texts_per_second, given.parts_per_second) if rate]
        return min(rates, default=0.0)

    @property
    def at_once(self) -> int:
        """How many texts a relay has in hand: as many as have permits ahead."""
        if not self.per_second:
            return UNPACED
        return max(1, int(self.per_second * self._ahead(first=False).total_seconds()))

    def take(self, store: Store, parts: int, *, first: bool) -> Permit:
        """Take the permit of a text of so many parts; `first`: its person waits for it.

        A transaction of its own. `Permit.wait` is what to wait before it leaves.
        """
        if not first and self.is_full(store):
            return Permit(QUEUE_WAIT, given=False)
        buckets = self._buckets(parts)
        if not buckets:
            return Permit(timedelta(), given=True)
        with store.database.transaction() as connection:
            return send_rate.take(connection, store.clock, buckets, self._ahead(first=first))

    def seconds_for(self, texts: int) -> float:
        """How long so many texts of one part take at this pace."""
        return texts / self.per_second if self.per_second else 0.0

    @property
    def calls_a_minute(self) -> int:
        """How many calls the account may begin in a minute."""
        return max(1, int(self.settings.calls_per_second * _MINUTE))

    def _buckets(self, parts: int) -> list[Bucket]:
        given = self.settings
        account = Bucket(ACCOUNT, given.texts_per_second)
        sender = Bucket(f"{_SENDER}{self.sender}", given.parts_per_second, float(parts))
        return [pace for pace in (account, sender) if pace.per_second]

    def _ahead(self, *, first: bool) -> timedelta:
        least = FIRST_AHEAD if first else AHEAD
        if not self.per_second:
            return least
        # One may be on its way while the next waits.
        return min(max(least, timedelta(seconds=2 / self.per_second)), LONGEST_AHEAD)

    def is_full(self, store: Store) -> bool:
        """Whether as many parts lie at the provider as may: then finished texts alone leave."""
        most = self.settings.queue_most
        if not most:
            return False
        with self._lock:
            now, known = store.clock.now(), self._at_provider
            if known is None or not timedelta() <= now - known[0] < _COUNTED_FOR:
                with store.database.statement() as connection:
                    there = send_rate.parts_unreported(connection, store.clock)
                known = self._at_provider = now, there
            return known[1] >= most
