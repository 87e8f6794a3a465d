"""Time as a call sees it: real, or virtual so that pauses and time-outs take no time."""

import time

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a call needs of time; all instants are aware and in UTC."""

    def now(self) -> datetime:
        """Return the present instant."""

    def advance(self, seconds: float) -> None:
        """Let `seconds` of listening or waiting go by."""


class WallClock:
    """Real time. Listening is not slept through: the person at the terminal takes that time."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.fromtimestamp(time.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Do nothing: real time goes by on its own."""


class OwnPaced(WallClock):
    """Real time where `advance` returns when the listener has listened."""


class VirtualClock:
    """Time that moves only when told; starts at `start` (aware), or at the machine's time."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or WallClock().now()

    def now(self) -> datetime:
        """Return the virtual instant in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._now += timedelta(seconds=seconds)
