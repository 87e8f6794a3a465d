"""How the pages of public booking write things: days, hours, distances, what was given so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from babel.dates import format_date

from flows.session import Offer, Party
from flows.steps.not_eligible import is_far
from flows.understanding import COUNTRY_ZONE, birthday
from flows.world import Eligibility
from prompts.screens import Screen
from prompts.values import written_number
from services.campaign.campaign import Campaign
from services.campaign.eligibility import eligibility, first_of
from services.messages.calendar_file import Appointment
from services.messages.texts import MessagePlace
from services.online import questions
from services.online.answers import PROMISES, may_show
from services.online.partner import offer_of
from services.online.prove_number import BY_TELEPHONE
from services.online.web_sessions import Done, WebSession, came_for
from services.online.what_for import STEPS_WHAT_FOR, WhatForPage
from services.service import Service
from services.slots.free_days import FreeAtCentre, FreeDay
from web.written import Written

_MINUTE = 60  # seconds
_TWO = 2
_HOUR = 60  # minutes


@dataclass(frozen=True)
class HeldOffers:
    """What pages show of offers that are held, for booking and for moving alike; `now` is UTC."""

    web_session: WebSession
    words: Screen
    now: datetime

    @cached_property
    def written(self) -> Written:
        return Written(self.words, self.now)

    def start(self, offer: Offer) -> str:
        return self.written.day_hour(offer.start_at, offer.time_zone)

    def second(self, offer: Offer) -> str:
        return self.written.day_hour(offer.second_start_at, offer.time_zone)

    @property
    def kept_until(self) -> str:
        """The hour until which the places are kept, by their centre's clock; empty: not kept."""
        until = self.web_session.kept_until
        if until is None or not self.web_session.session.offers:
            return ""
        return self.written.hour(until, self.web_session.session.offers[0].time_zone)

    @property
    def kept_seconds(self) -> int:
        until = self.web_session.kept_until
        return max(0, int((until - self.now).total_seconds())) if until else 0


@dataclass(frozen=True)
class GivenDetail:
    """One line of what was given: the key of its name, the words, and the page to change it."""

    name: str
    text: str
    step: str


@dataclass(frozen=True)
class BookingViews(HeldOffers):
    """For the templates of one web session, at one moment (UTC)."""

    service: Service

    @cached_property
    def campaign(self) -> Campaign:
        return self.service.campaign

    @property
    def number_to_ring(self) -> str:
        return written_number(self.service.national_number)

    @cached_property
    def _open_now(self) -> tuple[Campaign, ...]:
        """Those that give appointments now; where none does, the one that pages speak of."""
        return self.service.campaigns.open_now() or (self.campaign,)

    # ------------------------------------------------------------ the way through

    def count(self, step: str) -> str:
        """Which question a page is, in words; empty where it asks none."""
        # A page asks twice: what is told, and by what it is told.
        if step not in self._counts:
            self._counts[step] = self._count(step)
        return self._counts[step]

    @cached_property
    def _counts(self) -> dict[str, str]:
        return {}

    def _count(self, step: str) -> str:
        if step in questions.CHECKS:
            return self.words["way.count.check"]
        found = questions.place(self.web_session, step, self._open_now, self.now)
        return self.words.text("way.count.of", number=found.number, of=found.of) if found else ""

    def before(self, step: str) -> str:
        """The question before a page, which may be seen again; empty where there is none."""
        asked = questions.before(self.web_session, step, self._open_now, self.now)
        return next((name for name in asked if may_show(self.web_session, name)), "")

    # ------------------------------------------------------------ offers

    def age(self, minutes: int) -> str:
        """How long ago something was read, in words."""
        if minutes <= 1:
            return self.words["book.partners.minutes_one"]
        if minutes < _HOUR:
            return self.words.text("book.partners.minutes", minutes=minutes)
        return self.words.text("book.partners.hours", hours=minutes // _HOUR)

    @property
    def partner_offer(self) -> Offer:
        """What of a partner's was chosen."""
        return offer_of(self.web_session)

    @property
    def ran_out(self) -> bool:
        """Whether something was chosen that is not kept any more."""
        session = self.web_session.session
        return (
            bool(session.offers)
            and self.web_session.kept_until is None
            and not self.web_session.is_over
        )

    @property
    def is_promised(self) -> bool:
        """Whether the number is proved in order to be told something, and nothing is chosen."""
        return self.web_session.session.step in PROMISES

    @property
    def by_telephone(self) -> bool:
        """Whether what was chosen is to be finished by telephone."""
        return self.web_session.page == BY_TELEPHONE and not self.is_promised

    def day_name(self, day: date) -> str:
        """A day that is near, without its year: "mardi 1er décembre"."""
        pattern = self.words[f"public.say.{'first_near_day' if day.day == 1 else 'near_day'}"]
        return format_date(day, pattern, locale=self.words.locale)

    def free_on(self, one: FreeDay) -> str:
        """What a day has, in words: at how many centres, how many places."""
        centres = self.words.text(
            "way.days.centre" if one.centres == 1 else "way.days.centres", centres=one.centres
        )
        told = "more" if one.at_least else "place" if one.places == 1 else "places"
        return f"{centres} · " + self.words.text(f"way.days.{told}", places=one.places)

    def hours_at(self, found: Sequence[FreeAtCentre]) -> list[dict[str, object]]:
        """The hours of a day's centres as the page has them, with what a button sends."""
        return [
            {
                "centre": centre.near.centre,
                "kilometres": centre.near.kilometres,
                "hours": [
                    (
                        self.written.hour(slot.start_at, centre.near.centre.time_zone),
                        f"{centre.near.centre.id}/{slot.slot_id}",
                    )
                    for slot in centre.slots
                ],
            }
            for centre in found
        ]

    # ------------------------------------------------------------ the waiting list

    @property
    def rings_from(self) -> str:
        """The number that people see when they are rung."""
        return _as_one(written_number(self.service.caller_id))

    @property
    def stops_at(self) -> str:
        """The number that takes a STOP; empty where no text comes in."""
        reply = self.service.reply_number
        return _as_one(written_number(reply)) if reply else ""

    @property
    def kept_at_most(self) -> str:
        """How long a place that became free is kept for a person of the list, in a sentence."""
        minutes = int(self.campaign.waiting_offer.total_seconds() // _MINUTE)
        hours, rest = divmod(minutes, _HOUR)
        if hours > 1 and not rest:
            return self.words.text("way.waiting.hours", hours=hours)
        return self.words.text("way.waiting.minutes", minutes=minutes)

    # ------------------------------------------------------------ people

    @property
    def about(self) -> str:
        """Whose answers are asked for: a key below `book.about`, empty for one's own."""
        session = self.web_session.session
        if session.whom == Party.TWO:
            return "second" if session.second_person else "first"
        return "other" if session.whom == Party.OTHER else ""

    @property
    def born(self) -> str:
        return (
            self.written.day(self.web_session.session.born) if self.web_session.session.born else ""
        )

    @property
    def number(self) -> str:
        """Where they are reached, as written; empty for nowhere."""
        session = self.web_session.session
        return self.written.number(session.number or session.caller)

    @property
    def given(self) -> list[GivenDetail]:
        """What was answered so far, the first question first."""
        session = self.web_session.session
        lines = []
        if not session.second_person:
            whom = {Party.SELF: "self", Party.OTHER: "other", Party.TWO: "two"}[Party(session.whom)]
            lines.append(GivenDetail("whom", self.words[f"book.whom.{whom}"], "for_whom"))
        if session.born:
            lines.append(GivenDetail("born", self.born, "date_of_birth"))
        if session.postcode:
            where = f"{session.town} ({session.postcode})"
            lines.append(GivenDetail("where", where, "postcode"))
        return lines

    def title(self, step: str) -> str:
        """The question of a page that offers the keys of its menu."""
        if step in STEPS_WHAT_FOR:
            return self._what_for.title(step)
        return self.words[f"book.{step}.title"]

    @cached_property
    def chosen_services(self) -> str:
        """What the appointment is for, in words; empty where only one service is open."""
        return self._what_for.chosen

    def services_of(self, done: Done) -> str:
        """The same of a booking that was made."""
        return self._what_for.chosen_of(done.wanted)

    def each_place(self, offer: Offer, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """What each of two neighbouring places is for; none where there is one, or two doses."""
        two = bool(offer.second_start_at) and len(wanted) == _TWO
        return self._what_for.each_of(wanted) if two else ()

    @property
    def _what_for(self) -> WhatForPage:
        session = self.web_session.session
        return WhatForPage(
            self.service, session, self.now, self.words.text, came_for(self.web_session)
        )

    def keys(self, step: str) -> list[tuple[str, str, str]]:
        """The keys of a step's menu with what each stands for, as a page's choices."""
        if step in STEPS_WHAT_FOR:
            return self._what_for.keys(step)
        named = ((str(key), f"book.{step}.key_{key}") for key in range(1, 8))
        return [(key, self.words[name], "") for key, name in named if name in self.words]

    # ------------------------------------------------------------ not yet

    @cached_property
    def eligible(self) -> Eligibility:
        """Of several services: as for the one that they may have first."""
        session = self.web_session.session
        return first_of(
            eligibility(campaign, session.born_on, session.groups, self.now)
            for campaign in self._open_now
        )

    @property
    def why_not(self) -> str:
        """The key of the reason, below `book.not_eligible`."""
        found = self.eligible
        if found.turn_at:
            return "turn"
        if found.day_from is None:
            return "rules"
        if not is_far(found.day_from, self.now.astimezone(COUNTRY_ZONE).date()):
            return "age"
        return "far_age" if self.web_session.session.whom == Party.SELF else "far_age_other"

    @property
    def minimum_age(self) -> int:
        """The age from which there is anything to have."""
        return min(campaign.minimum_age_at(self.now) for campaign in self._open_now)

    @property
    def possible_day(self) -> str:
        born = self.web_session.session.born_on
        return self.written.day(self.eligible.day_from or birthday(born, self.minimum_age))

    @property
    def turn_at(self) -> str:
        return self._moment(self.eligible.turn_at)

    @property
    def opens_at(self) -> str:
        return self._moment(self.campaign.opens_at)

    def _moment(self, moment: datetime | None) -> str:
        return self.written.day_hour(moment, COUNTRY_ZONE.key) if moment else ""


def _as_one(number: str) -> str:
    """A number in a sentence, which no line breaks."""
    return number.replace(" ", "\u00a0")


def appointments_of(web_session: WebSession) -> list[Appointment]:
    """What was booked in a web session, for a calendar."""
    found = []
    for booking in web_session.done:
        offer = booking.offer
        starts = [offer.local_start] + ([offer.local_second] if offer.local_second else [])
        found += [
            Appointment(f"{booking.reference}:{dose}", start, MessagePlace.of(offer))
            for dose, start in enumerate(starts, start=1)
        ]
    return found
