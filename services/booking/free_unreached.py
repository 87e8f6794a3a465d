"""Free a place a day before its hour where nothing ever reached the person it is booked for.

A booking on a number that no person proved, and that gets no text, is a mistyped digit or a person
who keeps places from others. Agents have it among their cases from the moment at which that is
known (`services.messages.deliver_message`), and ring, or find the person otherwise. What they have
not settled 24 hours before is freed, and a person who waits has it. No person is written to:
nothing arrives.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from models.booking import history, reach
from models.booking.reach import Unreached
from models.desk import cases
from services.booking.change_booking import cancel
from services.booking.changed import By, Unchanged
from services.slots.allocate import Channel
from services.store import Store
from services.telemetry import REACH

FREED_BEFORE = timedelta(hours=24)
# So long agents have, at the least, where it was booked for the next day.
AGENTS_HAVE = timedelta(hours=2)
_AT_ONCE = 200

log = structlog.get_logger()


def free_unreached(store: Store) -> int:
    """Free what is due, each in a transaction of its own; gives how many bookings were.

    Safe to run twice at the same time.
    """
    with store.database.statement() as connection:
        due = reach.unreached(
            connection,
            store.clock,
            before=FREED_BEFORE,
            agents_have=AGENTS_HAVE,
            limit=_AT_ONCE,
        )
    return sum(_free_alone(store, row) for row in due)


def _free_alone(store: Store, one: Unreached) -> bool:
    """One that is not right holds up no other."""
    try:
        return _free(store, one)
    except Exception as error:  # noqa: BLE001 (the next round tries again)
        log.error("unreached booking not freed", case=one.case_id, error=type(error).__name__)
        return False


def _free(store: Store, one: Unreached) -> bool:
    with store.database.transaction() as connection:
        # The case first: an agent who is about to settle it, or another process, is waited for.
        case = cases.get(connection, one.case_id, lock=True)
        if case is None or case.closed_at is not None:
            return False
        still = reach.unreached(
            connection,
            store.clock,
            before=FREED_BEFORE,
            agents_have=AGENTS_HAVE,
            limit=1,
            only=one.booking_id,
        )
        if not still:
            return False
        by = By("system", Channel.SYSTEM, history.NOT_REACHED)
        freed = cancel(connection, store, one.booking_id, by=by, tell=False)
        if isinstance(freed, Unchanged):
            return False
        cases.close(connection, store.clock, one.case_id)
    log.info("unreached booking freed", case=one.case_id)
    REACH.labels("freed").inc()
    return True
