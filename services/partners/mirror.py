"""Keep places of ours in step with a partner's agendas, for centres that are booked from here.

Each centre is one transaction: its places, and what is told of it beside other partners. A reading
that failed changes nothing but the age of what is known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.database import Connection
from models.partners import bookings as rows
from models.partners import mirror
from models.partners import rows as partner_rows
from models.partners.mirror import Mirrored
from models.partners.rows import PartnerSlot
from services.store import Store


@dataclass(frozen=True)
class FreeMoment:
    """A moment (UTC) that is free in so many agendas; `doses` of none: for any dose."""

    start_at: datetime
    agendas: int
    doses: frozenset[int] = frozenset()


def mirror_partner(
    store: Store,
    centre_id: str,
    shown: Sequence[FreeMoment],
    *,
    since: datetime,
    until: datetime,
    asked_at: datetime,
) -> Mirrored | None:
    """Put what a partner showed of a centre at `asked_at` in the place of what was known (UTC).

    `shown` is all that is free from `since` to `until`. None where there is no such centre of ours,
    or it is not booked at a partner.
    """

    def work(connection: Connection) -> Mirrored | None:
        told = rows.centre_told(connection, centre_id)
        if told is None:
            return None
        slots = [
            PartnerSlot(one.start_at, dose) for one in shown for dose in (sorted(one.doses) or (0,))
        ]
        partner_rows.replace_centre(connection, asked_at, told, slots)
        partner_rows.set_match(connection, told.id, centre_id, "person")
        free: Mapping[datetime, int] = {one.start_at: one.agendas for one in shown}
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


def forget_others(store: Store, centre_ids: Collection[str]) -> int:
    """Centres that are configured no more are booked from here no more; gives how many.

    What is booked stays booked.
    """
    with store.database.transaction() as connection:
        gone = [one for one in rows.mirrored(connection) if one not in centre_ids]
        for one in gone:
            partner_rows.mark_gone(connection, store.clock, f"{rows.MIRROR}{one}")
            mirror.block_all(connection, store.clock, one)
    return len(gone)
