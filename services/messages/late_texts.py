"""What does not leave in its time at the provider's pace is told in its next way.

A first confirmation that would be late is not promised: callers hear their reference twice
and are offered calls, visitors read it on the last page, as when a budget is spent; the text leaves
all the same, when its turn comes. A reminder that its text would not bring in time is told by a
call while there is time for one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from models.messages import reminders, send_rate
from services.messages import spend
from services.messages.deliver_message import FIRST_KINDS, DeliveryDependencies, deliver_message
from services.messages.provider_pace import ProviderPace
from services.messages.reminders import TOO_LATE
from services.messages.take_messages import LAST_KINDS, NEXT_KINDS
from services.ports import Messenger
from services.store import Store

# A call has so long to come, with its second try after a quarter of an hour.
TO_RING: Final = timedelta(minutes=30)
_PACED_KINDS: Final = (*FIRST_KINDS, *NEXT_KINDS, *LAST_KINDS)
_MINUTES: Final = 60

log = structlog.get_logger()


def waiting(store: Store, pace: ProviderPace) -> tuple[timedelta, timedelta]:
    """How long what waits takes at this pace: finished texts, which go first, and everything.

    Each message counts as a text of one part.
    """
    with store.database.statement() as connection:
        first = send_rate.count_due(connection, store.clock, FIRST_KINDS)
        total = send_rate.count_due(connection, store.clock, _PACED_KINDS)
    return (
        timedelta(seconds=pace.seconds_for(first)),
        timedelta(seconds=pace.seconds_for(total)),
    )


def look_after(store: Store, messenger: Messenger, means: DeliveryDependencies) -> int:
    """Say whether texts are promised, and ring about reminders; gives how many. The scheduler's."""
    pace = means.pace
    if pace is None or not pace.per_second:
        # It may have been taken away while texts were late.
        spend.promise_texts(store, waits=timedelta(), limit=timedelta())
        return 0
    first, total = waiting(store, pace)
    limit = pace.settings.late_after
    spend.promise_texts(store, waits=first, limit=limit)
    if total <= limit:
        return 0
    with store.database.statement() as connection:
        found = reminders.overtaken(
            connection,
            store.clock,
            after=TOO_LATE,
            before=total + TOO_LATE + TO_RING,
            limit=pace.calls_a_minute,
        )
    told = [deliver_message(store, messenger, message, means, late=True) for message in found]
    rung = told.count("call")
    if rung:
        log.info(
            "reminders told by call",
            calls=rung,
            waits_minutes=int(total.total_seconds() / _MINUTES),
        )
    return rung
