"""Free places by département, a few départements at a time: each is counted every 15 seconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.database import Connection
from models.public.centres import free_by_centre
from models.supervision import board
from services.store import Store

# Times that the board is written: some 15 seconds.
REFRESHED_WITHIN = 25
LISTED_FOR = timedelta(minutes=10)


class FreePlaces:
    """The running counts of one process. Not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listed_until: datetime | None = None
        self._all: list[str] = []
        self._next = 0
        self._free: dict[str, int] = {}

    def refresh(self, now: datetime, until: datetime) -> dict[str, int]:
        """Count the next few, places before `until` (UTC); gives what is known of all."""
        with self._store.database.statement() as connection:
            if self._listed_until is None or now >= self._listed_until:
                first = self._listed_until is None
                self._listed_until = now + LISTED_FOR
                self._all = board.departements(connection)
                self._free = {one: self._free[one] for one in self._all if one in self._free}
                self._next = 0
                if first and self._all:
                    # At the start nobody should look at an empty map.
                    self._free = self._count(connection, self._all, until)
                    return self._free
            if self._all:
                each = -(-len(self._all) // REFRESHED_WITHIN)
                some = self._all[self._next : self._next + each]
                self._free |= self._count(connection, some, until)
                self._next = self._next + each if self._next + each < len(self._all) else 0
        return self._free

    def _count(
        self, connection: Connection, some: Sequence[str], until: datetime
    ) -> dict[str, int]:
        """Free places of these départements, for all channels together."""
        free = dict.fromkeys(some, 0)
        found = free_by_centre(connection, self._store.clock, some, until, share=None)
        for centre in found.values():
            free[centre.departement] += centre.all
        return free
