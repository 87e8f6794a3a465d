"""Where a call is in the conversation, and what the caller has given so far.

The session is saved after every turn, encrypted, for it holds a date of birth and a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, TypeAdapter

_Shape = TypeVar("_Shape")
# How the postcodes of a town begin that end in the number of an arrondissement.
_WITH_ARRONDISSEMENTS = {"Paris": "75", "Lyon": "6900", "Marseille": "130"}


class CallerKind(StrEnum):
    """What the calling number can be used for."""

    MOBILE = "mobile"  # can be called back and can receive a text
    LANDLINE = "landline"  # can be called back
    NONE = "none"  # withheld, foreign, short or premium: cannot be used


class Party(StrEnum):
    """Who comes: the caller, another person, or two people one after the other."""

    SELF = ""
    OTHER = "other"
    TWO = "two"


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
    # How the centre's name is said, where that differs from how it is written.
    spoken: str = ""

    @property
    def said(self) -> str:
        """The centre's name as it is said."""
        return self.spoken or self.name

    @property
    def in_town(self) -> str:
        """The town, with its arrondissement where it has some: "Paris 11e"."""
        postcodes = _WITH_ARRONDISSEMENTS.get(self.town)
        if not postcodes or not self.postcode.startswith(postcodes):
            return self.town
        # 75116 is the 16th, too.
        number = int(self.postcode[-2:])
        return f"{self.town} {number}{'er' if number == 1 else 'e'}"

    @property
    def places(self) -> tuple[int, ...]:
        """The place of each dose."""
        return tuple(place_id for place_id in (self.place_id, self.second_place_id) if place_id)

    @property
    def visits(self) -> tuple[tuple[str, str], ...]:
        """The centre and the start of each appointment."""
        starts = (start for start in (self.start_at, self.second_start_at) if start)
        return tuple((self.centre_id, start) for start in starts)

    @property
    def comes_twice(self) -> bool:
        """Whether there are two days. Two neighbouring places of one day are one visit."""
        second = self.local_second
        return second is not None and second.date() != self.local_start.date()

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


class MineState(StrEnum):
    """What is left of a booking that was found."""

    AHEAD = "ahead"
    PAST = "past"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Commitment:
    """An appointment that was booked or proved in this call; what else is booked leaves it time.

    `start_at` is ISO 8601 in UTC, `person` whose it is. `companion`: of a person who comes along,
    and may come to the same centre at the same time.
    """

    reference: str
    centre_id: str
    start_at: str
    person: str = ""
    companion: bool = False


@dataclass(frozen=True)
class BookedService:
    """What is done in one appointment of a booking, where the campaign is of a named service.

    `dose` is the number of the appointment in its booking: two services in one appointment have the
    same. `start_at` is ISO 8601 in UTC.
    """

    service: str
    campaign: str
    dose: int
    start_at: str
    centre_id: str
    slot_id: int


@dataclass(frozen=True)
class CallerBooking:
    """A booking that the caller proved to be theirs. Moments are ISO 8601 in UTC.

    Of a booking with something ahead only that is here, else all of it; an appointment that is not
    told is empty. `second_name` and `second_town` are empty where the second is at the same place.
    """

    id: str
    version: int
    state: str
    name: str
    street: str
    town: str
    time_zone: str
    first_start: str = ""
    second_start: str = ""
    second_name: str = ""
    second_town: str = ""
    # Where a search for another appointment starts; empty once it is not known any more.
    postcode: str = ""
    # The slots that it has, which are no other ones.
    slots: tuple[int, ...] = ()
    # Whether the last change is a cancellation that can be taken back, and what there is may move.
    undo: bool = False
    movable: bool = True
    # The doses of those ahead that cannot take place: their centre is closed, that day or for good.
    off: tuple[int, ...] = ()
    # Told only where we ring about the appointment, for a person who did not note it.
    reference: str = ""
    # Whether the line that rings is the one on file.
    own_line: bool = False
    # Whether a change is told by text, too, to the number on file.
    texted: bool = False
    # How the names of the centres are said, where that differs from how they are written.
    spoken: str = ""
    second_spoken: str = ""
    # What it is for, of what is told; empty where its campaign is of the one service.
    services: tuple[BookedService, ...] = ()
    # The centre and the start of each appointment that is ahead.
    ahead: tuple[tuple[str, str], ...] = ()
    # What of it the service changed last: "hour", "place", "hour_place"; and of which of those
    # told. Empty for nothing, or where the person did it.
    changed: str = ""
    changed_doses: tuple[int, ...] = ()
    # So many kilometres away a place is kept in the stead of one that closed, until they take it.
    kept_far: int = 0

    @property
    def said(self) -> str:
        """The centre's name as it is said."""
        return self.spoken or self.name

    @property
    def second_said(self) -> str:
        """The same of the second appointment, where it is at another place."""
        return self.second_spoken or self.second_name

    @property
    def starts(self) -> tuple[datetime, ...]:
        """What is told, by the centre's clock."""
        zone = ZoneInfo(self.time_zone)
        told = (start for start in (self.first_start, self.second_start) if start)
        return tuple(datetime.fromisoformat(start).astimezone(zone) for start in told)


@dataclass(frozen=True)
class KeptOffer:
    """A place that is kept for a person of the waiting list, who proved to be that person.

    `until` is ISO 8601 in UTC. `text_to` is where a confirmation goes as a text; empty: nowhere.
    """

    entry: str
    until: str
    text_to: str
    offer: Offer


class Moving(StrEnum):
    """Which appointments of a booking are to be put elsewhere; NONE: it is a new one."""

    NONE = ""
    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class Proving(StrEnum):
    """What the birth date is asked for, where it is not for a new appointment."""

    NOTHING = ""
    REFERENCE = "reference"
    TEXT = "text"
    # Of a person we ring about it.
    RUNG = "rung"
    # A code to go on with, where many wrong ones were tried lately.
    CODE = "code"


# The step that asks for which language an interpreter is needed, and its note.
INTERPRETER = "interpreter"

# Fields that are stored by another name: calls of the version before go on, in both directions.
_STORED_AS = {
    "silent_turns": "quiet",
    "speech_off_at": "deaf",
    "adjacent": "beside",
    "lookup_count": "sought",
    "doses_to_cancel": "doomed",
}


@dataclass(frozen=True)
class Session:
    """One call's memory. A field at its default is not stored."""

    __pydantic_config__ = ConfigDict(alias_generator=lambda name: _STORED_AS.get(name, name))

    step: str = ""
    language: str = "fr"
    slow: bool = False
    alive: bool = False
    misses: int = 0
    trail: tuple[str, ...] = ()
    resume: str = ""
    silent_turns: int = 0
    # Whether the caller answered in words before; the step at which words were only noise; and
    # whether what was understood last is to be read back with more care.
    speaks: bool = False
    speech_off_at: str = ""
    # How many answers of this call had no word that belongs to any.
    noises: int = 0
    unsure: bool = False
    # Whether what is answered now came in words; and whether the place where is searched was agreed
    # to so, which the last look then reads once more.
    in_words: bool = False
    place_in_words: bool = False
    # The command that was answered last at this step, without moving on.
    replied: str = ""
    # Whether a person was asked for at any time in this call.
    wants_person: bool = False

    # The number of ours that was called, where there are several; empty: the default.
    called: str = ""
    caller: str = ""
    caller_kind: str = CallerKind.NONE
    # When it rang (ISO 8601 in UTC), and whether a person was offered because it lasts so long.
    began_at: str = ""
    help_offered: bool = False
    # Whether the person writes: the number is then the one that the texts come from, nothing is
    # spoken, and no agent can be put through.
    by_text: bool = False

    whom: str = Party.SELF
    # Whether this is the second of two people. The first, born `first_born`, is booked under
    # `first_reference`, and an adjacent place is held.
    second_person: bool = False
    first_reference: str = ""
    first_born: str = ""
    first_wanted: tuple[str, ...] = ()
    adjacent: tuple[Offer, ...] = ()

    year: int = 0
    month: int = 0
    born: str = ""
    # Groups of the campaign that the caller certified to belong to, and those that they do not.
    groups: tuple[str, ...] = ()
    groups_refused: tuple[str, ...] = ()
    group_asked: str = ""
    # The campaigns of which the person wants an appointment, by name; empty: the one of now.
    wanted: tuple[str, ...] = ()
    # What they asked for, before it was known whether so many months have passed since their last
    # one; of which campaign that is asked now, of which they certified it, and of which they denied
    # it.
    wished: tuple[str, ...] = ()
    since_asked: str = ""
    since_passed: tuple[str, ...] = ()
    since_not: tuple[str, ...] = ()

    postcode: str = ""
    town: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    territory: str = ""
    # What is read back and not agreed to yet: postcode, name, latitude, longitude, territory.
    candidate: tuple[str | float, ...] = ()
    # Towns to choose from: postcode, name, and the département where it tells them apart.
    towns_found: tuple[tuple[str, str, str], ...] = ()
    # How far is searched where that is farther than the campaign's own radius, and the one centre
    # that was asked for by its name.
    within: float = 0.0
    centre_id: str = ""
    # The nearest town with free slots beyond the radius.
    far_town: str = ""
    far_kilometres: float = 0.0
    # A centre much nearer than any slot of ours, which books by its own telephone (E.164).
    own_name: str = ""
    own_spoken: str = ""
    own_town: str = ""
    own_kilometres: float = 0.0
    own_phone: str = ""
    # The partner that such a centre books at, and how many minutes ago it had places.
    own_platform: str = ""
    own_minutes: int = 0
    # What a number is asked for, where a caller without one wants to be told: see flows.steps.tell.
    tell: str = ""

    offers: tuple[Offer, ...] = ()
    offered: tuple[int, ...] = ()
    # What was searched for last, and when (ISO 8601 in UTC); and what was found, once it is not
    # among the offers any more. Empty where offers do not stay the same for a while.
    found_for: str = ""
    found_at: str = ""
    found: tuple[Offer, ...] = ()
    chosen: int = -1
    number: str = ""
    # An address of e-mail that a visitor typed.
    mail: str = ""
    number_answered: bool = False
    # Whether no text leaves to that number today: the reference is told, and a call offered.
    untexted: bool = False
    typed: str = ""
    reference: str = ""
    # What was booked or proved in this call, and is ahead.
    commitments: tuple[Commitment, ...] = ()
    # When they would be rung about it, as it was told: in the evening, and before (ISO 8601 by the
    # centre's clock); empty where not.
    rings_at: tuple[str, ...] = ()
    # Why an agent must look at this, where it is more than that the caller asked for a person.
    person_reason: str = ""
    # A place in the queue for an agent, and its queue. And whether no call can be promised, because
    # it would not be kept.
    line: str = ""
    line_queue: str = ""
    no_promise: bool = False

    # "My appointment": what the birth date is to prove, the reference that was typed, the booking
    # once both were right, and which of its appointments are to be cancelled or moved.
    proving: str = Proving.NOTHING
    asked: str = ""
    # How often nothing was found by it.
    lookup_count: int = 0
    mine: CallerBooking | None = None
    doses_to_cancel: tuple[int, ...] = ()
    # Which questions about the visit were answered, by their keys.
    visit_told: str = ""
    moving: str = Moving.NONE
    # The one of several services of a booking that is to be cancelled or moved; empty: all of it.
    half: str = ""

    # Whether a place is kept for a person of the waiting list who is rung at this number; and
    # which, once the birth date proved that it is the person on the line.
    is_offered: bool = False
    kept: KeptOffer | None = None

    # A call of this line that was cut, not taken up so far: its id, and the town of what is kept
    # of it, until when (ISO 8601 in UTC) by which zone's clock.
    earlier: str = ""
    # Whether that call booked a person, and came to its end or nearly.
    earlier_booked: bool = False
    kept_town: str = ""
    kept_until: str = ""
    kept_zone: str = ""
    # Goes on from such a call: the date of birth that was given there is not read aloud.
    resumed: bool = False
    # Begun by another person than the caller whose line was cut, or by a caller who is unknown.
    someone_else: bool = False
    # Whether the code to go on with, from a withheld number, was told.
    coded: bool = False
    # A call that we make: the try to keep a promise, and how it begins (asked, cut, machine).
    rung_for: str = ""
    rung_as: str = ""

    # What a step remembers for itself, by its name: see `note`.
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def born_on(self) -> date:
        return date.fromisoformat(self.born)

    @property
    def gets_text(self) -> bool:
        """Whether what is booked is written to a number now."""
        return bool(self.number) and not self.untexted

    @property
    def is_first_of_two(self) -> bool:
        """Whether a second person is to be served after this one in the same call."""
        return self.whom == Party.TWO and not self.second_person

    @property
    def choice(self) -> Offer:
        return self.offers[self.chosen]

    @property
    def known(self) -> dict[str, str]:
        """What the caller gave and chose, for the agent who takes over and need not ask again.

        Moments are ISO 8601 in UTC; what was not given is left out.
        """
        values = {
            "language": self.language,
            "born": self.born,
            "postcode": self.postcode,
            "town": self.town,
            "groups": " ".join(self.groups),
            "text_to": self.number,
            "reference": self.reference or self.asked,
            "proved": "yes" if self.mine else "",
            "for_whom": self.whom,
            "wanted": " ".join(self.wanted),
            "first_reference": self.first_reference,
            "interpreter": self.note(INTERPRETER),
            "partner": self.own_platform,
            "partner_centre": self.own_name if self.own_platform else "",
            "partner_town": self.own_town if self.own_platform else "",
        }
        if 0 <= self.chosen < len(self.offers):
            values |= {
                "centre_id": self.choice.centre_id,
                "centre": self.choice.name,
                "start_at": self.choice.start_at,
                "second_start_at": self.choice.second_start_at,
            }
        return {name: value for name, value in values.items() if value}

    def committed(self, *ahead: tuple[str, str]) -> Session:
        """The same where a booking's appointments are these now: centre and start of each.

        The booking is that of `reference`, and its person the one of now.
        """
        others = (
            commitment for commitment in self.commitments if commitment.reference != self.reference
        )
        own = (Commitment(self.reference, *each, self.person) for each in ahead)
        return self.but(commitments=(*others, *own))

    @property
    def person(self) -> str:
        """Tells two people of this call apart, twins too."""
        return f"{self.born}{' 2' if self.second_person else ''}"

    def note(self, step: str) -> str:
        """What `with_note` kept for a step; empty where there is nothing."""
        return dict(self.notes).get(step, "")

    def with_note(self, step: str, value: str) -> Session:
        """The same with what a step wants to remember, in the place of what it had."""
        return self.but(notes=tuple((dict(self.notes) | {step: value}).items()))

    def without_note(self, *steps: str) -> Session:
        """The same without what `with_note` kept for these steps."""
        return self.but(notes=tuple(note for note in self.notes if note[0] not in steps))

    def but(self, **changes: Any) -> Session:
        """The same with these changes; `dataclasses.replace`, at a tenth of its time.

        That one goes through `__init__`, field by field, several times a turn.
        """
        return changed(self, _FIELDS, changes)

    def moved(self, step: str, **changes: Any) -> Session:
        """At another step, with the count of failed tries back to none."""
        return self.but(step=step, misses=0, speech_off_at="", replied="", **changes)

    def to_json(self) -> str:
        # A warning would print what the caller gave.
        stored = _STORED.dump_json(self, exclude_defaults=True, by_alias=True, warnings=False)
        return stored.decode()

    @staticmethod
    def from_json(text: str) -> Session:
        """Read what `to_json` wrote. Fields of a later version are ignored. Raises ValueError."""
        return _STORED.validate_json(text)


_STORED = TypeAdapter(Session)
_FIELDS = frozenset(field.name for field in fields(Session))


def changed(one: _Shape, names: frozenset[str], changes: Mapping[str, Any]) -> _Shape:
    """A copy of a dataclass, whose fields have these `names`, with changes, past its `__init__`.

    Raises TypeError for what is no field of it.
    """
    if not changes.keys() <= names:
        raise TypeError(f"no such field: {changes.keys() - names}")
    made = object.__new__(type(one))
    made.__dict__.update(one.__dict__)
    made.__dict__.update(changes)
    return made
