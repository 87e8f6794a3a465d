"""What every use case works with: the database, the clock and the vault of personal values."""

from __future__ import annotations

import secrets

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from models.clock import Clock, DatabaseClock
from models.crypto import Vault
from models.database import Connection, Database
from services.short_links import Links

REFERENCE_DIGITS = 10
CODE_DIGITS = 6


class Chance(Protocol):
    """Where randomness comes from; tests give their own."""

    def reference(self) -> str:
        """Ten digits that cannot be guessed, the first of them no zero."""
        ...

    def identifier(self) -> str:
        """32 hexadecimal digits."""
        ...

    def code(self) -> str:
        """Six digits for a short while."""
        ...


class CryptographicChance:
    def reference(self) -> str:
        # Nine thousand million of them. One that begins with a zero reads like a telephone number,
        # and some leave it out; those of before are as good as ever.
        first = 10 ** (REFERENCE_DIGITS - 1)
        return str(first + secrets.randbelow(9 * first))

    def identifier(self) -> str:
        return secrets.token_hex(16)

    def code(self) -> str:
        return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


@dataclass(frozen=True)
class ReachLimits:
    """How many bookings may be made in 24 hours without a proof that their number is reached.

    `per_address` is for a client address or a telephone line that books on other numbers. A
    booking beyond one of the first three needs a code that is texted to its number. `codes` are
    such texts: to a number, and from an address as long as they are not typed back.
    `without_number` are live bookings without any number.

    Those of an hour are no person's, and a proof or an agent goes beyond them: of one centre on
    numbers that were typed and without any, of lines in a row, and of one birth date in a postcode
    on lines of their own. 0 of anything is no limit.
    """

    per_address: int = 2
    per_birth_date: int = 2
    per_number: int = 2
    codes_per_address: int = 3
    codes_per_number: int = 3
    without_number: int = 1
    typed_an_hour: int = 20
    numberless_an_hour: int = 5
    row_an_hour: int = 8
    alike_an_hour: int = 3


NO_LIMITS = ReachLimits(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class PaceLimits:
    """What keeps being quick from paying; 0 of anything is no limit.

    `offers_stay`: a caller who asks for the same offers again within it gets the same ones. An
    answer on the site that comes sooner than `answer_after` after its page could be seen is asked
    for once more; so is the one that books, before `book_after`.
    """

    offers_stay: timedelta = timedelta(seconds=20)
    answer_after: timedelta = timedelta(seconds=1)
    book_after: timedelta = timedelta(seconds=2)


NO_PACE = PaceLimits(timedelta(), timedelta(), timedelta())


@dataclass(frozen=True)
class HoldShares:
    """How many web sessions may hold places at one time; 0 of anything is no limit.

    Those of a client address are counted together (IPv6 by /56), whatever address it is. Of a
    browser and of a number that was typed, the newest hold on, and the others give theirs up.
    """

    per_address: int = 50
    per_browser: int = 1
    per_number: int = 1


NO_SHARES = HoldShares(0, 0, 0)


@dataclass(frozen=True)
class PlacesFreed:
    """Event: places are free from the end of this transaction on, and not seen yet.

    `campaign` names that of the booking that had them; None: they are new, or a hold of them ran
    out.
    """

    connection: Connection
    store: Store
    place_ids: Sequence[int]
    campaign: str | None = None


@dataclass(frozen=True)
class Store:
    database: Database
    vault: Vault
    clock: Clock = field(default_factory=DatabaseClock)
    chance: Chance = field(default_factory=CryptographicChance)
    # Addresses of pages in texts; None: texts have none.
    links: Links | None = None
    reach: ReachLimits = field(default_factory=ReachLimits)
    pace: PaceLimits = field(default_factory=PaceLimits)
    shares: HoldShares = field(default_factory=HoldShares)
    # From how many live bookings on a group that resemble one another is shown; 0: none is.
    cluster_size: int = 8
    # How long a turn that was counted is kept.
    turns_kept: timedelta = timedelta(days=7)
    # Each hears of places that were freed, in the transaction that frees them.
    on_places_freed: Sequence[Callable[[PlacesFreed], object]] = ()

    def link_of(self, reference: str, starts: Iterable[datetime]) -> str:
        """Where a booking can be seen and changed; empty where there are no pages."""
        return self.links.of_booking(reference, starts) if self.links else ""

    def publish_places_freed(
        self, connection: Connection, place_ids: Sequence[int], campaign: str | None = None
    ) -> None:
        """Tell all listeners of places that this transaction frees; see PlacesFreed."""
        if not place_ids:
            return
        for listener in self.on_places_freed:
            listener(PlacesFreed(connection, self, place_ids, campaign))
