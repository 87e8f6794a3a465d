"""What the conversation may ask of the outside. Services implement it; tests do too.

A method that changes something says so: the first one called in a turn claims that turn, so that a
copy of the same webhook has no second effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto
from typing import Protocol

from flows.session import Offer
from flows.understanding.vocabulary import Vocabulary


@dataclass(frozen=True)
class Rules:
    """What the campaign says to this conversation. Moments are UTC."""

    name: str
    minimum_age: int
    horizon_days: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    doses: int = 1
    # The second appointment is so many days after the first, both included.
    second_after_days: tuple[int, int] = (21, 28)


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
    """Where and when a caller would go: after `not_before` (UTC), and not before `first_day`.

    A day is one of the centre's calendar: in Réunion it begins hours before it does in Paris.
    """

    latitude: float
    longitude: float
    territory: str
    not_before: datetime
    part_of_day: str = ""  # "morning", "afternoon" or any
    beyond_kilometres: float = 0.0
    skip_slots: tuple[int, ...] = ()
    first_day: date = date.min


@dataclass(frozen=True)
class Order:
    """What is confirmed: one person, a place for each dose. `number` may be empty."""

    offer: Offer
    born: date
    postcode: str
    number: str


class Unbooked(Enum):
    """Why nothing was booked."""

    # The slot went meanwhile: another is offered.
    GONE = auto()
    # Somebody must look at it. Why, only they are told: nobody learns from us who is booked.
    PERSON = auto()


class World(Protocol):
    """The outside, as one turn of one call sees it."""

    def now(self) -> datetime:
        """The moment, aware, UTC."""
        ...

    def rules(self) -> Rules: ...

    def vocabulary(self, language: str) -> Vocabulary:
        """The words that a language is understood by."""
        ...

    def town(self, postcode: str) -> Town | None:
        """The town of a postcode, or None for a code that does not exist."""
        ...

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        """Give back what this call holds, then find and hold up to three slots (changes)."""
        ...

    def confirm(self, order: Order) -> str | Unbooked:
        """Book all doses or none; gives the reference (changes)."""
        ...

    def promise_callback(self, number: str, reason: str) -> bool:
        """Store the promise to ring `number`; False when one is already kept (changes)."""
        ...
