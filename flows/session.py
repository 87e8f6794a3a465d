"""Where a call is in the conversation, and what the caller has given so far.

The session is saved after every turn, encrypted, for it holds a date of birth and a number.
"""

from __future__ import annotations

import json

from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from zoneinfo import ZoneInfo


class CallerKind(StrEnum):
    """What the calling number can be used for."""

    MOBILE = "mobile"  # can be called back and can receive a text
    LANDLINE = "landline"  # can be called back
    NONE = "none"  # withheld, foreign, short or premium: nobody's fault, and of no use


@dataclass(frozen=True)
class Offer:
    """One slot read to the caller and held for them. `start_at` is ISO 8601 in UTC."""

    place_id: int
    slot_id: int
    centre_id: str
    name: str
    street: str
    postcode: str
    town: str
    start_at: str
    time_zone: str
    kilometres: float
    # The second appointment, at the same centre; 0 and empty where there is one dose.
    second_place_id: int = 0
    second_slot_id: int = 0
    second_start_at: str = ""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what was stored. Fields of a later version are ignored."""
        return cls(**{name: values[name] for name in _OFFER if name in values})

    @property
    def local_start(self) -> datetime:
        """The start in the centre's own time zone."""
        return datetime.fromisoformat(self.start_at).astimezone(ZoneInfo(self.time_zone))

    @property
    def local_second(self) -> datetime | None:
        """The start of the second appointment in the centre's own time zone."""
        if not self.second_start_at:
            return None
        return datetime.fromisoformat(self.second_start_at).astimezone(ZoneInfo(self.time_zone))


@dataclass(frozen=True)
class Session:
    """One call's memory. A field at its default is not stored."""

    step: str = ""
    language: str = "fr"
    slow: bool = False
    alive: bool = False
    misses: int = 0
    trail: tuple[str, ...] = ()
    resume: str = ""
    quiet: int = 0

    caller: str = ""
    caller_kind: str = CallerKind.NONE

    year: int = 0
    month: int = 0
    born: str = ""
    postcode: str = ""
    town: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    territory: str = ""

    offers: tuple[Offer, ...] = ()
    offered: tuple[int, ...] = ()
    chosen: int = -1
    number: str = ""
    number_answered: bool = False
    typed: str = ""
    reference: str = ""
    # Why somebody must look at this, where it is more than that a person was asked for.
    person_reason: str = ""

    @property
    def born_on(self) -> date:
        return date.fromisoformat(self.born)

    @property
    def choice(self) -> Offer:
        return self.offers[self.chosen]

    @property
    def known(self) -> dict[str, str]:
        """What the caller gave and chose, for whoever takes over: nobody is asked twice.

        Moments are ISO 8601 in UTC; what was not given is left out.
        """
        values = {
            "language": self.language,
            "born": self.born,
            "postcode": self.postcode,
            "town": self.town,
            "text_to": self.number,
            "reference": self.reference,
        }
        if 0 <= self.chosen < len(self.offers):
            values |= {
                "centre_id": self.choice.centre_id,
                "centre": self.choice.name,
                "start_at": self.choice.start_at,
                "second_start_at": self.choice.second_start_at,
            }
        return {name: value for name, value in values.items() if value}

    def moved(self, step: str) -> Session:
        """At another step, with the count of failed tries back to none."""
        return replace(self, step=step, misses=0)

    def to_json(self) -> str:
        values = {}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                values[name] = [vars(offer) for offer in value] if name == "offers" else value
        return _COMPACT.encode(values)

    @classmethod
    def from_json(cls, text: str) -> Session:
        """Read what `to_json` wrote. Fields of a later version are ignored."""
        values = {name: value for name, value in json.loads(text).items() if name in _DEFAULTS}
        for name in ("trail", "offered"):
            if name in values:
                values[name] = tuple(values[name])
        if "offers" in values:
            values["offers"] = tuple(Offer.from_dict(offer) for offer in values["offers"])
        return cls(**values)


_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_OFFER = tuple(field.name for field in fields(Offer))
_DEFAULTS = {field.name: field.default for field in fields(Session)}
