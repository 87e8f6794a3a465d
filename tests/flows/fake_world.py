"""An outside for conversations without any store: three centres, and a weather over them.

It remembers nothing between two turns, so that the same session, input and weather always give
the same answer; what it was asked to do is written down for the test to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.session import CallerKind, Offer, Session
from flows.understanding.vocabulary import Vocabulary
from flows.world import Order, Rules, Search, Town, Unbooked
from services.call_world import vocabulary

# A Wednesday, nine o'clock in Paris.
MORNING = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
OPENING = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
MOBILE = "+33612345678"
LANDLINE = "+33491223344"
REFERENCE = "4521738908"

TOWNS = {
    "75011": Town("75011", "Paris 11e", "metropole", 48.859, 2.378),
    "20000": Town("20000", "Ajaccio", "corse", 41.935, 8.701),
}

APART = timedelta(days=22, minutes=30)
_CENTRES = (
    ("1", "Salle des fêtes", "12 rue de la Paix", 0.4),
    ("2", "Gymnase Jaurès", "3 place du Marché", 4.1),
    ("3", "Mairie annexe", "1 rue de l'Église", 12.2),
)


def offers(
    count: int = 3, *, one_centre: bool = False, first: int = 0, second: bool = False
) -> tuple[Offer, ...]:
    """`count` offers, nearest first; of one centre, they are a day apart.

    `second`: each with its second appointment, 22 days and half an hour later.
    """
    made = []
    for number in range(count):
        gid, name, street, kilometres = _CENTRES[0 if one_centre else number]
        start = MORNING.replace(hour=9) + timedelta(days=1 + (number if one_centre else 0))
        made.append(
            Offer(
                place_id=first + number + 1,
                slot_id=first + number + 101,
                centre_id=gid,
                name=name,
                street=street,
                postcode="75011",
                town="Paris 11e",
                start_at=start.isoformat(),
                time_zone="Europe/Paris",
                kilometres=kilometres,
                second_place_id=first + number + 1001 if second else 0,
                second_slot_id=first + number + 1101 if second else 0,
                second_start_at=(start + APART).isoformat() if second else "",
            )
        )
    return tuple(made)


PLENTY = offers()
PAIRS = offers(second=True)


@dataclass
class FakeWorld:
    """A World. `found` is what a search finds, and finds again; None would be a mistake."""

    found: tuple[Offer, ...] = PLENTY
    # What a search finds that leaves out what was read before; None: the same.
    found_anew: tuple[Offer, ...] | None = None
    reference: str | Unbooked = REFERENCE
    promises_new: bool = True
    moment: datetime = MORNING
    rules_: Rules = field(default_factory=lambda: Rules("tests", minimum_age=75, horizon_days=35))
    searches: list[Search] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    promises: list[tuple[str, str]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def rules(self) -> Rules:
        return self.rules_

    def vocabulary(self, language: str) -> Vocabulary:
        return vocabulary(language)

    def town(self, postcode: str) -> Town | None:
        return TOWNS.get(postcode)

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        self.searches.append(search)
        anew = search.skip_slots and self.found_anew is not None
        found = self.found_anew if anew else self.found
        return found or ()

    def confirm(self, order: Order) -> str | Unbooked:
        self.orders.append(order)
        return self.reference

    def promise_callback(self, number: str, reason: str) -> bool:
        self.promises.append((number, reason))
        return self.promises_new


def not_yet_open() -> FakeWorld:
    return FakeWorld(rules_=replace(FakeWorld().rules_, opens_at=OPENING))


def two_doses(found: tuple[Offer, ...] = PAIRS, **options: Any) -> FakeWorld:
    """A campaign in which everybody comes twice."""
    return FakeWorld(found=found, rules_=replace(FakeWorld().rules_, doses=2), **options)


def closed() -> FakeWorld:
    return FakeWorld(rules_=replace(FakeWorld().rules_, closes_at=MORNING))


def ringing(kind: CallerKind = CallerKind.MOBILE) -> Session:
    """The session of a call that just rings."""
    number = {CallerKind.MOBILE: MOBILE, CallerKind.LANDLINE: LANDLINE, CallerKind.NONE: ""}[kind]
    return Session(caller=number, caller_kind=str(kind))
