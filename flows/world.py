"""What the conversation may ask of the outside. Services implement it; tests do too.

A method that changes something says so: the first one called in a turn claims that turn, so that a
copy of the same webhook has no second effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from flows.session import Offer


@dataclass(frozen=True)
class Rules:
    """What the campaign says to this conversation. Moments are UTC."""

    name: str
    minimum_age: int
    horizon_days: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True)
class Town:
    """A postcode that exists, with the town to read back and where to search from."""

    postcode: str
    name: str
    territory: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Search:
    """Where and when a caller would go."""

    latitude: float
    longitude: float
    territory: str
    not_before: datetime
    part_of_day: str = ""  # "morning", "afternoon" or any
    beyond_kilometres: float = 0.0
    skip_slots: tuple[int, ...] = ()


@dataclass(frozen=True)
class Order:
    """What is confirmed: one person, one place. `number` may be empty."""

    offer: Offer
    born: date
    postcode: str
    number: str


class World(Protocol):
    """The outside, as one turn of one call sees it."""

    def now(self) -> datetime:
        """The moment, aware, UTC."""
        ...

    def rules(self) -> Rules: ...

    def town(self, postcode: str) -> Town | None:
        """The town of a postcode, or None for a code that does not exist."""
        ...

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        """Give back what this call holds, then find and hold up to three slots (changes)."""
        ...

    def confirm(self, order: Order) -> str | None:
        """Book; gives the reference, or None when the place went meanwhile (changes)."""
        ...

    def promise_callback(self, number: str, reason: str) -> bool:
        """Store the promise to ring `number`; False when one is already kept (changes)."""
        ...
