"""What the conversation may ask of the outside. Services implement it; tests do too.

A method that changes something says so: the first one called in a turn claims that turn, so that a
copy of the same webhook has no second effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Protocol

from flows.agents import AfterQueue, BackFromAgent, QueuePlace, RungPerson, Unavailable
from flows.session import CallerBooking, Commitment, KeptOffer, Moving, Offer, Session
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
    # A caller who asks for the same offers again within this time gets the same ones.
    offers_stay: timedelta = timedelta()
    # How many services give appointments at this moment: of one, callers are not told what for.
    services: int = 1


@dataclass(frozen=True)
class ServiceWords:
    """What a campaign gives appointments for, in one language, by the words of its own folder.

    `said` has its article ("la grippe"); `heard` are other words that callers have for it.
    """

    said: str
    heard: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A campaign of which a person may book an appointment now, where several are open.

    `campaign` is its name, as `wanted` has it; `service` what it is for, as "grippe". `together`
    are the campaigns, of those that the person may have, that may be in one appointment with it.
    """

    campaign: str
    service: str
    eligibility: Eligibility
    together: tuple[str, ...] = ()
    # So many months must have passed since the person's last one, by their own word; 0: not asked.
    months_since: int = 0


@dataclass(frozen=True)
class Town:
    """A postcode that exists, with the town to read back and where to search from."""

    postcode: str
    name: str
    territory: str
    latitude: float
    longitude: float
    # The name of its département, which tells towns of one name apart.
    departement: str = ""
    # Whether its code means one place: a code whose towns lie in two départements does not.
    is_sure: bool = True
    # 0 where not known, or where it is the town of a postcode and was not named.
    inhabitants: int = 0


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
    # Farther than the campaign's radius, where the caller wants that; and one centre alone.
    within_kilometres: float = 0.0
    centre_id: str = ""
    # One appointment is enough, though the campaign has two; and the booking of which it is the
    # second: at the same centre, within the interval of its first.
    alone: bool = False
    second_of: str = ""
    # Where the position is not known (0.0, 0.0): a postcode of an island far away.
    postcode: str = ""
    # UTC; before the campaign's horizon, where something of a certain time is wanted.
    not_after: datetime | None = None
    # The campaigns of which one appointment each is looked for, in one place or two neighbouring
    # ones as they say; empty: the campaign of now.
    wanted: tuple[str, ...] = ()
    # What the people have already, which what is found leaves time for.
    commitments: tuple[Commitment, ...] = ()


@dataclass(frozen=True)
class Far:
    """The nearest centre with free slots beyond the campaign's radius, on the same land."""

    town: str
    kilometres: float


@dataclass(frozen=True)
class NamedCentre:
    """A centre that was asked for by its name."""

    id: str
    name: str
    town: str


@dataclass(frozen=True)
class OwnPhone:
    """A centre that books elsewhere: by its own ordinary telephone number (E.164), or at a partner.

    `platform` is the partner's name, empty for none: it had places `minutes` ago, and the centre
    may have no telephone.
    """

    name: str
    town: str
    kilometres: float
    number: str
    platform: str = ""
    minutes: int = 0
    # How the name is said, where that differs from how it is written.
    spoken: str = ""


@dataclass(frozen=True)
class Eligibility:
    """Whether a person may book at this moment, and if not, when that changes.

    `first_day`: an appointment on that day (by the centre's calendar) or later may be booked; None
    when none may. `day_from`: the first day on which the person may have one; None where it is
    unknown. `turn_at` (UTC): when the person's class may book, where it may not yet. `tell_at`
    (UTC): when to tell the person that they may book; None when that is too far away to be
    promised. `groups` of the campaign would let the person book now, if they belong to one.
    """

    first_day: date | None
    day_from: date | None = None
    turn_at: datetime | None = None
    tell_at: datetime | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class WaitingListRequest:
    """A person who waits for a place near a position. `number` is E.164."""

    born: date
    number: str
    postcode: str
    language: str
    latitude: float
    longitude: float
    territory: str
    first_day: date
    # Whether the person is not the caller, and whether this is the second person of the same call.
    for_other: bool = False
    twin: bool = False
    # The campaign that they wait for; empty: that of now.
    wanted: tuple[str, ...] = ()


class News(StrEnum):
    """What a person is told when its moment comes."""

    OPENING = "opening"
    TURN = "turn"


@dataclass(frozen=True)
class BookingOrder:
    """What is confirmed: one person, a place for each dose. `number` may be empty."""

    offer: Offer
    born: date
    postcode: str
    number: str
    # Groups of the campaign that the person certified to belong to.
    groups: tuple[str, ...] = ()
    # Whether the person is not the caller, and whether it is the second booking of this call.
    for_other: bool = False
    second_person: bool = False
    # One of two people that this call books.
    of_two: bool = False
    # The campaigns that the offer was held for, in the order of the search; empty: that of now.
    wanted: tuple[str, ...] = ()
    # An address of e-mail, which is never asked for on the telephone.
    mail: str = ""


class Unbooked(Enum):
    """Why nothing was booked."""

    # The slot went meanwhile: another is offered.
    GONE = auto()
    # An agent must look at it: the number has as many bookings as it may. A person who is booked
    # already is told as anybody is (docs/decisions/0029).
    PERSON = auto()
    # Too much was booked lately without a proof that a number is reached. What was chosen is held.
    NOT_PROVED = auto()
    # One of the campaigns that were wanted gives no appointments any more: nothing is booked.
    CLOSED = auto()


@dataclass(frozen=True)
class Earlier:
    """A call that was cut and may be taken up: all that a line that is shared may hear of it.

    `until` (UTC) is the end of what is kept, at `town`; None when nothing is kept but the answers.
    `booked`: it was not cut but booked a caller, a moment ago.
    """

    call_id: str
    language: str
    town: str = ""
    zone: str = ""
    until: datetime | None = None
    booked: bool = False


class CodeNeeds(Enum):
    """What is to be told besides a code, right or wrong."""

    BIRTH_DATE = auto()


@dataclass(frozen=True)
class TakenUp:
    """The session of a call that was cut; `kept`: this call holds now what was chosen there."""

    session: Session
    kept: bool


class NotMine(Enum):
    """Why no appointment is told. The same whatever was wrong, whether there is one or not."""

    # Another try may follow.
    TRY_AGAIN = auto()
    # Too many tries, of this call, number or reference: an agent must look at it.
    PERSON = auto()


class NotChanged(Enum):
    """Why an appointment stays as it is."""

    # It is not what the caller heard: changed elsewhere, or begun. What it is now is told.
    CHANGED = auto()
    # The place was taken meanwhile, or was withdrawn.
    GONE = auto()
    # The two would not be far enough apart, or not at one place.
    NO_PAIR = auto()
    TOO_YOUNG = auto()
    # It is there already.
    SAME = auto()
    # Too late to take a cancellation back; or the person has another appointment by now.
    TOO_LATE = auto()
    BOOKED_AGAIN = auto()
    # An agent must do it: not from here, or not now.
    PERSON = auto()


@dataclass(frozen=True)
class ReminderHours:
    """When a person who asks for it is rung about a new booking, by the centre's clock.

    In the `evening` of that day or the next, and `before` the first appointment. None: no call
    then.
    """

    evening: datetime | None = None
    before: datetime | None = None


class Surroundings(Protocol):
    """What is the same for every caller, and how this one likes to be spoken to."""

    def now(self) -> datetime:
        """The moment, aware, UTC."""

    def rules(self, wanted: tuple[str, ...] = ()) -> Rules:
        """What these campaigns say; the strictest of several. Empty: the campaign of now."""

    def choices(self, born: date, groups: tuple[str, ...]) -> tuple[Choice, ...]:
        """The campaigns, one a service, that a person of this birth date may book of now.

        Always in the same order. Empty where they may have none at this moment.
        """

    def service_words(self, campaign: str, language: str) -> ServiceWords:
        """What callers are told that an appointment of this campaign is for."""

    def vocabulary(self, language: str) -> Vocabulary:
        """The words that a language is understood by."""

    def languages(self) -> tuple[str, ...]:
        """The languages that are spoken here, the country's own first."""

    def our_number(self, *, we_ring: bool = False) -> str:
        """The number to ring us at, or the one that people see when `we_ring` them (E.164)."""

    def greeting(self, language: str) -> str:
        """The first sentence for callers of the number that was called; empty: the usual one."""

    def number_elsewhere(self, postcode: str) -> str | None:
        """The number whose area this postcode is in, where that is not the one that was called.

        The call is one to that number from here on (changes).
        """

    def eligibility(
        self, born: date, groups: tuple[str, ...], wanted: tuple[str, ...] = ()
    ) -> Eligibility:
        """What the campaign says to a person of this birth date who certifies these groups.

        Of several that are `wanted`, what the one says that lets the person come last; without any,
        and where several are open, what the one says that lets them come first.
        """

    def remember_pace(self, *, slow: bool) -> None:
        """Speak to this number slowly, or not, from its first word in later calls (changes)."""


class Places(Protocol):
    """Where a person can go, and what is free there."""

    def town(self, postcode: str) -> Town | None:
        """The town of a postcode, or None for a code that does not exist."""

    def town_of_cedex(self, code: str) -> Town | None:
        """The town that an unknown code leads to as a CEDEX code; None where it tells none."""

    def towns(self, text: str) -> tuple[Town, ...]:
        """The towns that these words may name, best first; several only where they mean several."""

    def main_towns(self, departement: str) -> tuple[Town, ...]:
        """The main town of a département by its digits; two for Corsica's 20."""

    def centre_named(self, text: str, search: Search) -> NamedCentre | None:
        """The centre in reach that these words name for certain."""

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        """Give back what this call holds, then find and hold up to three slots (changes)."""

    def hold_again(self, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        """Hold the same slots once more; those of which nothing is left are left out (changes)."""

    def hold_adjacent(
        self, offer: Offer, instead_of: tuple[Offer, ...], wanted: tuple[str, ...] = ()
    ) -> tuple[Offer, ...]:
        """Hold one more, at the same centre within the hour, for a second person (changes).

        What was held so before is given back. Empty when nothing is free there. `wanted` is what
        the second person comes for; empty: the campaign of now.
        """

    def has_waiting_list(self, search: Search) -> bool:
        """Whether people can wait here: not where neither position nor centre is known."""

    def nearest_beyond(self, search: Search) -> Far | None:
        """Where the nearest free slot is that no search within the radius can find."""

    def own_phone(self, search: Search, closer_than: float) -> OwnPhone | None:
        """The nearest centre that books elsewhere, if it is closer than so many kilometres."""


class Bookings(Protocol):
    """Making, finding and changing appointments."""

    def confirm(self, order: BookingOrder) -> str | Unbooked:
        """Book all doses or none; gives the reference (changes)."""

    def text_leaves(self, number: str) -> bool:
        """Whether the text about what was booked in this turn leaves today: see the budgets."""

    def wheelchair(self, centre_id: str) -> str:
        """Whether one comes into a centre with one: "yes", "no", or empty where it is not told."""

    def calls_about(self, offer: Offer) -> ReminderHours:
        """When we would ring the calling number about what was booked there."""

    def wish_calls(self, references: tuple[str, ...]) -> None:
        """Note that the people of these bookings want to be rung about them (changes)."""

    def rung_about(self, rung_for: str, born: date) -> CallerBooking | NotMine:
        """The booking that we ring about, or another told of on this line, by its birth date.

        It counts as told when it is found (changes: each try counts).
        """

    def find_booking(self, reference: str, born: date) -> CallerBooking | NotMine:
        """The booking of a reference and a birth date (changes: each try counts)."""

    def text_booking(self, born: date) -> bool:
        """Write to the calling number what is booked on it for this birth date (changes).

        The same whether there is anything; False when it was asked for too often.
        """

    def booking_now(self, booking_id: str) -> CallerBooking | None:
        """What a booking that was proved to be the caller's is by now."""

    def changes_need_a_person(self, mine: CallerBooking, *, cancelling: bool) -> bool:
        """Whether that needs an agent for the moment: a caller guesses, or too many cancel."""

    def cancel_booking(
        self, mine: CallerBooking, doses: tuple[int, ...], service: str = ""
    ) -> NotChanged | None:
        """Cancel these appointments; the second goes with the first (changes).

        With a `service` of the booking only what is done for it: the others stay as they are.
        """

    def move_booking(
        self, mine: CallerBooking, offer: Offer, moving: Moving, service: str = ""
    ) -> NotChanged | None:
        """Put appointments where this offer is, and give back where they were (changes).

        With a `service` of the booking only what is done for it moves: `moving` is not looked at.
        """

    def take_far(self, mine: CallerBooking) -> None:
        """Note that the caller takes the place out of reach that is kept for them (changes)."""

    def undo_cancel(self, mine: CallerBooking) -> NotChanged | None:
        """Take the cancellation back that was the last change (changes)."""


class WaitingList(Protocol):
    """Waiting for a place, and for news."""

    def join_waiting_list(self, wait: WaitingListRequest) -> int | None:
        """Put a person on the waiting list; gives how many come before them (changes).

        None where the person cannot wait: a postcode without a position and without a centre.
        """

    def kept_place(self, born: date) -> KeptOffer | None:
        """What is kept for a person of this number who was born then (changes: tries count).

        None, too, after too many wrong dates: a stranger must not learn who waits.
        """

    def take_place(self, kept: KeptOffer) -> str | Unbooked:
        """Book what is kept; gives the reference (changes)."""

    def refuse_place(self, kept: KeptOffer) -> bool:
        """Give the place up to others; gives whether the person is still on the list (changes)."""

    def promise_news(self, number: str, news: News, at: datetime, *, by_text: bool) -> None:
        """Store that `number` is told at a moment (UTC), by text or by a call (changes).

        Once for each number and person, however often it is asked for.
        """

    def news_told(self, rung_for: str) -> None:
        """Note that a person we rang hears the news that they had asked for (changes)."""


class Agents(Protocol):
    """The queue for a person, and the promise to call back."""

    def join_queue(self, session: Session, reason: str) -> QueuePlace | Unavailable:
        """Put the caller into the queue for an agent, or say why not (changes if it does).

        A caller who had a place keeps it: of an earlier call that was cut, or of a promise.
        """

    def leave_queue(self) -> None:
        """Give the place up (changes)."""

    def promise_place(self, number: str) -> bool:
        """Ring `number` when the place's turn comes (changes); False: an agent has it already."""

    def promised_at(self) -> datetime | None:
        """When the call that is promised to this place will be made, by the caller's clock.

        None where it is unknown: as soon as its turn comes.
        """

    def after_queue(self) -> AfterQueue:
        """What has become of the caller's place."""

    def after_agent(self) -> BackFromAgent:
        """Why the caller is back from an agent."""

    def agents_at_work(self) -> bool:
        """Whether agents take callers of this language now, or when they are done with one."""

    def person_hours(self) -> tuple[datetime, datetime] | None:
        """From when until when agents answer, now or next, by their clock; None: not for weeks."""

    def callback_at(self) -> datetime | None:
        """When a call that is promised now will be made, by the caller's clock.

        None: not until tomorrow evening, so that it must not be promised.
        """

    def promise_callback(self, number: str, reason: str) -> bool:
        """Store the promise to ring `number`; False when one is already kept (changes)."""

    def ask_owner(self, number: str, reason: str) -> bool:
        """Store the wish to be rung at a typed number, once its owner agrees or an agent rings.

        A place in the queue is given up for it (changes). False: an agent has the caller already.
        """

    def callback_answered(self, rung_for: str) -> RungPerson:
        """A person is there, at the number that we rang to keep a promise (changes)."""

    def callback_refused(self, rung_for: str) -> None:
        """The person at that number wants to be rung no more (changes)."""


class CutCalls(Protocol):
    """Going on from a call that was cut."""

    def take_up(self, earlier: str) -> TakenUp | None:
        """Go on from a call that was cut, with what it held (changes).

        None when there is nothing to go on from any more, or another call has gone on from it
        first.
        """

    def new_resume_code(self) -> str:
        """Six digits to go on from this call with, should the line be cut (changes)."""

    def earlier_by_code(self, code: str, born: date | None = None) -> Earlier | CodeNeeds | None:
        """The call that a code is for (changes: each try counts).

        None for a wrong one, and after too many of a call, a line or a code. While many wrong ones
        are tried, the birth date that was given in that call is needed as well.
        """


class World(Surroundings, Places, Bookings, WaitingList, Agents, CutCalls, Protocol):
    """The outside, as one turn of one call sees it."""
