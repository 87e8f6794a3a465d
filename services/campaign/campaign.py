"""A campaign: who, when, how far. `services.campaign.file` reads one from `campaigns/*.toml`."""

from __future__ import annotations

import re

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from flows.understanding import birthday
from prompts import service_words
from prompts.service_words import ServiceWords, Words
from services.campaign.opening_hours import USUAL, OpeningHours

# Where two services of one appointment are done: in one place of a slot, or in two of the same
# centre that begin within an hour.
ONE_PLACE, TWO_PLACES = "one", "two"
LONGEST_SERVICE = 20  # the columns that hold it
_SERVICE = re.compile(r"[a-z][a-z0-9_-]*")


class BadCampaign(Exception):
    """What is wrong with a campaign: one sentence for each mistake, with file, line and remedy."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Eligible:
    """People who may book beside those of the campaign's own age; all that is given must hold.

    `minimum_age` is in years on the day of the appointment. `born_from` and `born_until` are both
    included. `group` is what callers certify to be ("soignants"), by a name of the campaign's and
    never a medical reason. They may book from `opens_at` (UTC), or as soon as the campaign is open.
    """

    minimum_age: int = 0
    born_from: date | None = None
    born_until: date | None = None
    group: str = ""
    opens_at: datetime | None = None

    def first_day(self, born: date) -> date | None:
        """The first day on which a caller may have an appointment; None when never.

        A person born on 29 February is a year older on 1 March of other years.
        """
        if self.born_from and born < self.born_from:
            return None
        if self.born_until and born > self.born_until:
            return None
        return birthday(born, self.minimum_age)

    def books_at(self, moment: datetime) -> bool:
        return self.opens_at is None or self.opens_at <= moment


@dataclass(frozen=True)
class CampaignOpening:
    """When a caller may book, and for which days.

    They may book from `books_from` (UTC; None where the campaign has no such moment) an appointment
    on `day_from` (by the calendar of the campaign's zone) or later.
    """

    books_from: datetime | None
    day_from: date


@dataclass(frozen=True)
class Reminder:
    """When people are reminded: so many days before, at a minute after midnight there.

    By the clock of the centre. `by_call`: people who asked to be rung are rung then; all others
    get a text. Without it, people who asked to be rung hear nothing of it.
    """

    days_before: int
    at: int
    by_call: bool = False


REMINDERS = (Reminder(2, 10 * 60, by_call=True), Reminder(1, 9 * 60))


@dataclass(frozen=True)
class Campaign:
    """One campaign. Moments are UTC; `name` is stored with each booking."""

    name: str
    minimum_age: int
    radius_kilometres: float
    horizon_days: int
    lead: timedelta
    hold_lease: timedelta
    hold_longest: timedelta
    # With fewer free places in reach than this, slots are offered one at a time.
    few_places: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    doses: int = 1
    # The second appointment is so many days after the first by the calendar, both included.
    second_after_days: tuple[int, int] = (21, 28)
    # Percent of each centre's places that are the telephone's until so long before they start.
    phone_share: int = 40
    phone_share_until: timedelta = timedelta(hours=48)
    # What was chosen when the line was cut is kept so long for a caller who rings again.
    resume_window: timedelta = timedelta(minutes=10)
    # Bookings that a telephone number may have before a person must look at it.
    per_number: int = 2
    # How long a freed place is kept for a person on the waiting list.
    waiting_offer: timedelta = timedelta(hours=2)
    # What lies between the starts of two appointments of one person, and more for each kilometre.
    between: timedelta = timedelta(minutes=30)
    travel_minutes: float = 1.0
    # For screens, in any language; empty: its name.
    title: str = ""
    # The zone in which its moments are shown and its days are counted.
    zone: str = "Europe/Paris"
    # Which classes of people may book beside those of `minimum_age`.
    eligible: tuple[Eligible, ...] = ()
    agents_hours: OpeningHours | None = None
    # Names of the written messages that it uses, of those in `prompts/`; empty: all.
    texts: tuple[str, ...] = ()
    # Minutes after midnight, by the clock of the number, in which a text leaves that may wait.
    text_hours: tuple[int, int] = (8 * 60, 20 * 60)
    # Each on a day of its own.
    reminders: tuple[Reminder, ...] = REMINDERS
    # From when on, by the centre's clock, people are rung on the day on which they booked, if they
    # asked for it; None: no such calls are made.
    evening_call: int | None = 18 * 60
    # Texts that a number gets in 24 hours, beside what its bookings cannot do without.
    texts_per_number: int = 6
    # What it gives appointments for, as "grippe"; empty: the one service of an operator who has no
    # other. Campaigns of several services may be open at once, of each service one.
    service: str = ""
    # Services that a person may have in one appointment with this one, and whether both take one
    # place or two neighbouring ones of the same centre.
    together: tuple[str, ...] = ()
    together_in: str = ONE_PLACE
    # So many months must have passed since a person's last one, by their own word; 0: not asked.
    months_since: int = 0
    # What its service is called and what to bring, in all languages; None: the words in use.
    all_words: Words | None = field(default=None, compare=False, repr=False)

    def words(self, language: str) -> ServiceWords:
        """The words of its service in a language. Raises FileNotFoundError for one without."""
        return (self.all_words or service_words.in_use())[language]

    @property
    def hours(self) -> OpeningHours:
        """The hours in which agents answer."""
        return self.agents_hours or USUAL

    @cached_property
    def classes(self) -> tuple[Eligible, ...]:
        """All classes that may book: those of the campaign's age, then the others."""
        return (Eligible(minimum_age=self.minimum_age), *self.eligible)

    def apart(self, kilometres: float) -> timedelta:
        """The least time between the starts of two appointments of a person, so far apart."""
        return self.between + timedelta(minutes=self.travel_minutes * kilometres)

    def is_open(self, moment: datetime) -> bool:
        """Whether it gives appointments at an aware moment."""
        opened = self.opens_at is None or self.opens_at <= moment
        return opened and (self.closes_at is None or moment < self.closes_at)

    def minimum_age_at(self, moment: datetime) -> int:
        """The age that is enough by itself for a caller who books at this moment."""
        return min(
            rule.minimum_age
            for rule in self.classes
            if rule.books_at(moment) and not (rule.group or rule.born_from or rule.born_until)
        )

    def eligible_on(
        self,
        born: date,
        day: date,
        *,
        groups: Collection[str] = (),
        at: datetime | None = None,
    ) -> Eligible | None:
        """The class by which a caller may come on `day` (local); None when they may not.

        `groups` are what they certify. `at` is the moment of booking; without it, the moments from
        which each class may book are left out of account, and so is the campaign's closing.
        """
        if at is not None and not self.is_open(at):
            return None
        for rule in self._open_to(groups):
            first_day = rule.first_day(born)
            if first_day is not None and first_day <= day and (at is None or rule.books_at(at)):
                return rule
        return None

    def opens_for(self, born: date, *, groups: Collection[str] = ()) -> CampaignOpening | None:
        """When a caller may book: the class that leads to the earliest appointment.

        None when it does not come before the campaign closes.
        """
        found = []
        for rule in self._open_to(groups):
            day_from = rule.first_day(born)
            books_from = rule.opens_at or self.opens_at
            if day_from is not None and not self._closes_before(books_from, day_from):
                earliest = max(day_from, self._day(books_from) if books_from else date.min)
                early = books_from or datetime.min.replace(tzinfo=UTC)
                found.append((earliest, early, CampaignOpening(books_from, day_from)))
        return min(found, key=lambda way: way[:2])[2] if found else None

    def _open_to(self, groups: Collection[str]) -> list[Eligible]:
        return [rule for rule in self.classes if not rule.group or rule.group in groups]

    def _closes_before(self, books_from: datetime | None, day_from: date) -> bool:
        if self.closes_at is None:
            return False
        if books_from is not None and books_from >= self.closes_at:
            return True
        return day_from > self._day(self.closes_at) + timedelta(days=self.horizon_days)

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.zone)).date()


def is_service(name: str) -> bool:
    """Whether a service may be called so: small letters without accents, digits and hyphens."""
    return len(name) <= LONGEST_SERVICE and _SERVICE.fullmatch(name) is not None


def are_together(one: Campaign, other: Campaign) -> bool:
    """Whether a person may have both in one appointment: one of the two says so."""
    return other.service in one.together or one.service in other.together


def places_of(campaigns: Collection[Campaign]) -> str:
    """Whether campaigns that are done together take ONE_PLACE or TWO_PLACES."""
    apart = any(
        first.together_in == TWO_PLACES and other.service in first.together
        for first in campaigns
        for other in campaigns
    )
    return TWO_PLACES if apart else ONE_PLACE


def places_together(campaigns: Collection[Campaign]) -> int:
    """How many places an appointment of several services takes: one, or one for each."""
    return len(campaigns) if places_of(campaigns) == TWO_PLACES else 1
