"""How many places are free at each centre, counted centre by centre in bites.

A count of all is shown when it is whole, with the moment at which it began; until then the one
before it stays. A bite that fails is counted again, smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.database import STORE_ERRORS, Connection
from models.public import centres
from models.public.centres import FreeAtCentre
from models.slots.slot_query import Share
from services.store import Store

# Looks in which all centres are counted once, where they have few places.
COUNTED_WITHIN: Final = 6
# Free places that one statement should count, and that one look counts at the most: 100,000 are
# some 50 ms of a database's processor.
BITE_PLACES: Final = 100_000
AT_ONCE: Final = 200_000
# Centres of the first statement of all.
FIRST_CENTRES: Final = 50
# A statement that found less than this part of a bite may ask for so many times as many centres.
MORE: Final = 4


@dataclass(frozen=True)
class Counted:
    """All centres, as they were between two moments not far apart; `at` is the first (UTC)."""

    at: datetime
    free: Mapping[str, FreeAtCentre]


class CountFree:
    """The running count of one process. One task counts; others may read `counted`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # The centres with their départements, and how many of them are counted.
        self._centres: Sequence[tuple[str, str]] = ()
        self._done = 0
        self._begun: datetime | None = None
        self._found: dict[str, FreeAtCentre] = {}
        self._most_centres = FIRST_CENTRES
        self.counted: Counted | None = None

    def refresh(self, connection: Connection, until: datetime, share: Share | None) -> bool:
        """Count the next few centres, up to `until` (UTC); True when all are counted.

        The first time as many as is fit at once, so that no visitor waits for a table. Raises as
        the store does; what was counted until then is not counted again.
        """
        if self._begun is None:
            began = self._store.clock.now()
            self._centres = sorted(
                centres.taking_bookings(connection).items(), key=lambda one: (one[1], one[0])
            )
            self._begun, self._done, self._found = began, 0, {}
        parts = 1 if self.counted is None else COUNTED_WITHIN
        stop = min(self._done + -(-len(self._centres) // parts), len(self._centres))
        places = 0
        while self._done < stop and places < AT_ONCE:
            places += self._bite(connection, stop, until, share)
        if self._done < len(self._centres):
            return False
        self.counted = Counted(self._begun, self._found)
        self._begun = None
        return True

    def _bite(self, connection: Connection, stop: int, until: datetime, share: Share | None) -> int:
        """Count some centres; gives how many free places they have."""
        end = min(self._done + self._most_centres, stop)
        some = dict(self._centres[self._done : end])
        try:
            found = centres.free_at(connection, self._store.clock, some, until, share)
        except STORE_ERRORS:
            self._most_centres = max(self._most_centres // 2, 1)
            raise
        self._found |= found
        self._done = end
        places = sum(centre.all for centre in found.values())
        if places > BITE_PLACES:
            self._most_centres = max(self._most_centres // 2, 1)
        elif places * MORE <= BITE_PLACES:
            self._most_centres *= MORE
        return places
