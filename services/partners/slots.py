"""Store what partners told: one centre at a time, all of its slots or none.

A reading that fails changes nothing but the age of what is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from models.clock import Clock
from models.database import Connection, Database
from models.partners import rows
from models.partners.rows import PartnerCentreRow, PartnerSlot
from services.partners import match
from services.partners.match import Matcher

# A centre has some hundred slots a day. Writing many more would block other writers, for slots that
# no caller needs.
MOST_SLOTS: Final = 2000


def replace(
    database: Database,
    read_at: datetime,
    told: PartnerCentreRow,
    slots: Sequence[PartnerSlot],
    *,
    matcher: Matcher | None = None,
    gid: str = "",
) -> None:
    """Put a centre's slots, read at `read_at` (UTC), in the place of those known before.

    Slots of the past are not kept, nor those behind the first MOST_SLOTS. With `matcher` it is also
    found out which centre of ours it is; `gid` is what the operator's file says.
    """
    ahead = sorted(
        (slot for slot in slots if slot.start_at > read_at), key=lambda one: one.start_at
    )[:MOST_SLOTS]

    def work(connection: Connection) -> None:
        rows.replace_centre(connection, read_at, told, ahead)
        if matcher:
            match.match(connection, matcher, told, gid)

    database.retried(work)


def gone(database: Database, clock: Clock, platform: str, page: str) -> int:
    """The partner says that a page is no more; gives how many centres stood on it."""
    with database.transaction() as connection:
        ids = rows.ids_of_page(connection, platform, page)
        for one in ids:
            rows.mark_gone(connection, clock, one)
    return len(ids)
