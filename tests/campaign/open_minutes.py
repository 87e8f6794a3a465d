"""How much open time lies between two moments: what waits are measured by."""

from __future__ import annotations

from datetime import datetime

from services.campaign.opening_hours import OpeningHours


def open_minutes_between(hours: OpeningHours, first: datetime, last: datetime) -> float:
    """How many minutes are open between two aware moments."""
    seconds = 0.0
    for start, end in hours._intervals(first, last):
        shared = min(end, last) - max(start, first)
        seconds += max(shared.total_seconds(), 0.0)
    return seconds / 60
