"""The rehearsal's outside with the words of the languages, and the campaigns of the tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flows.session import Offer
from flows.understanding.vocabulary import Vocabulary
from flows.verification.rehearsal import RehearsedWorld, ringing
from flows.verification.rehearsed import (
    APART,
    FAR,
    FAR_CENTRES,
    LANDLINE,
    MOBILE,
    MORNING,
    OPENING,
    OWN_PHONE,
    PAIRS,
    PARTNER,
    PARTNER_PHONE,
    PLENTY,
    REFERENCE,
    TOWNS,
    offers,
)
from services.vocabulary import vocabulary


@dataclass
class FakeWorld(RehearsedWorld):
    """A World that understands words too."""

    def vocabulary(self, language: str) -> Vocabulary:
        return vocabulary(language)


def not_yet_open() -> FakeWorld:
    return FakeWorld(rules_=replace(FakeWorld().rules_, opens_at=OPENING))


def two_doses(found: tuple[Offer, ...] = PAIRS, **options: Any) -> FakeWorld:
    """A campaign in which everybody comes twice."""
    return FakeWorld(found=found, rules_=replace(FakeWorld().rules_, doses=2), **options)


def closed() -> FakeWorld:
    return FakeWorld(rules_=replace(FakeWorld().rules_, closes_at=MORNING))


__all__ = [
    "APART",
    "FAR",
    "FAR_CENTRES",
    "LANDLINE",
    "MOBILE",
    "MORNING",
    "OPENING",
    "OWN_PHONE",
    "PAIRS",
    "PARTNER",
    "PARTNER_PHONE",
    "PLENTY",
    "REFERENCE",
    "TOWNS",
    "FakeWorld",
    "closed",
    "not_yet_open",
    "offers",
    "ringing",
    "two_doses",
]
