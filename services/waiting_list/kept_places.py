"""Find what is kept for somebody of the waiting list; a stranger learns nothing by trying.

The number that rings and the birth date prove it together, and neither of them alone. A number may
be forged and birth dates guessed, so every wrong one is counted, and after a few nothing is told
any more: in the same words as where nobody waits.
"""

from __future__ import annotations

from datetime import date

from models import attempts
from models.database import Connection
from models.waiting_list import offers
from models.waiting_list.waiting import WaitingListEntry
from services.attempts import TRIES_A_CALL, TRIES_A_DAY, subject, tried
from services.store import Store


def find(
    connection: Connection, store: Store, *, number: str, born: date, call_id: str
) -> WaitingListEntry | None:
    """Whom something is kept for at this number (E.164), in the caller's transaction.

    Of several (twins share a line and a birth date) the one whose offer ends first. The try is
    counted: after three wrong ones in a call, or five in a day from a number, a right one finds
    nothing either.
    """
    subjects = (
        subject(store, "kept_call", "call", call_id),
        subject(store, "kept_caller", "phone", number),
    )
    in_call, in_day = tried(connection, store, subjects)
    found = offers.of_line(connection, store.vault, number, born.isoformat())
    attempts.add(connection, store.clock, subjects, good=bool(found))
    if in_call >= TRIES_A_CALL or in_day >= TRIES_A_DAY or not found:
        return None
    return found[0]
