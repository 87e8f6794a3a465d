"""Store what partners told: one centre at a time, all of its slots or none.

A reading that fails changes nothing but the age of what is known. Of a centre that is booked from
here, places of ours are kept in step with the partner's agendas, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.clock import Clock
from models.database import Connection, Database
from models.partners import bookings, mirror, rows
from models.partners.mirror import Mirrored
from models.partners.rows import PartnerCentreRow, PartnerSlot
from services.partners.match import PERSON, Matcher
from services.store import Store

# A centre has some hundred slots a day. Writing many more would block other writers, for slots that
# no caller needs.
MOST_SLOTS: Final = 2000


@dataclass(frozen=True)
class FreeMoment:
    """A moment (UTC) that is free in so many agendas; `doses` of none: for any dose."""

    start_at: datetime
    agendas: int
    doses: frozenset[int] = frozenset()


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
            found = matcher.find(told, gid)
            rows.set_match(connection, told.id, found.centre_id, found.matched, found.candidates)

    database.retried(work)


def gone(database: Database, clock: Clock, platform: str, page: str) -> int:
    """The partner says that a page is no more; gives how many centres stood on it."""
    with database.transaction() as connection:
        ids = rows.ids_of_page(connection, platform, page)
        for partner_centre_id in ids:
            rows.mark_gone(connection, clock, partner_centre_id)
    return len(ids)


def mirror_partner(
    store: Store,
    platform: str,
    centre_id: str,
    shown: Sequence[FreeMoment],
    *,
    since: datetime,
    until: datetime,
    asked_at: datetime,
    service: str = "",
) -> Mirrored | None:
    """Put what a partner showed of a centre at `asked_at` in the place of what was known (UTC).

    `shown` is all that is free from `since` to `until`, for that `service`. None where there is no
    such centre of ours, or it is not booked at a partner.
    """

    def work(connection: Connection) -> Mirrored | None:
        told = bookings.centre_told(connection, platform, centre_id, service)
        if told is None:
            return None
        slots = [
            PartnerSlot(moment.start_at, dose)
            for moment in shown
            for dose in (sorted(moment.doses) or (0,))
        ]
        rows.replace_centre(connection, asked_at, told, slots)
        rows.set_match(connection, told.id, centre_id, PERSON)
        free = {moment.start_at: moment.agendas for moment in shown}
        return mirror.mirror(
            connection,
            store.clock,
            centre_id,
            free,
            since=since,
            until=until,
            asked_at=asked_at,
        )

    return store.database.retried(work)


def forget_others(store: Store, platform: str, centre_ids: Collection[str]) -> int:
    """Centres of a platform that are configured no more are booked from here no more; how many.

    What is booked stays booked.
    """
    with store.database.transaction() as connection:
        others = {
            centre_id: partner_centre_id
            for centre_id, partner_centre_id in bookings.mirrored(connection).items()
            if partner_centre_id == bookings.mirror_id(platform, centre_id)
            and centre_id not in centre_ids
        }
        for centre_id, partner_centre_id in others.items():
            rows.mark_gone(connection, store.clock, partner_centre_id)
            mirror.block_all(connection, store.clock, centre_id)
    return len(others)
