"""Begin no more calls than the account may: one permit a call, shared by all processes.

The provider begins one call a second for an account unless it agreed to more, and lets the others
wait where nobody sees them. Ours wait in the database instead, each at its place.
"""

from __future__ import annotations

from datetime import timedelta

from models.agents import call_rate
from services.store import Store

BUCKET = "calls"
# Permits that pile up while nobody is rung; the provider takes a handful at once.
LEAST_BURST, MOST_BURST = 1.0, 5.0


def take_permit(store: Store, calls_per_second: float) -> timedelta:
    """Take the permit for one call; zero when it may begin, else how long to wait and ask again.

    A statement or two of its own, before the provider is asked and in no transaction.
    """
    burst = min(max(calls_per_second, LEAST_BURST), MOST_BURST)
    with store.database.one_writer(), store.database.statement() as connection:
        return call_rate.take(
            connection, store.clock, BUCKET, per_second=calls_per_second, most=burst
        )
