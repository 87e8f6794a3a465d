"""The date of birth: eight digits; after two failures the year, the month and the day apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part, Question
from flows.session import Party, Proving, Session
from flows.speech import Line, Listen
from flows.steps.common import NO_SUCH_KEY, Patient, Step
from flows.steps.kept_place import not_theirs, tell_kept_place
from flows.steps.my_appointment import prove
from flows.steps.not_eligible import after_birth_date, with_what_for
from flows.steps.said import relative
from flows.steps.service_over import without_services
from flows.understanding import (
    COUNTRY_ZONE,
    FIRST_BIRTH_YEAR,
    NotUnderstood,
    checked_date,
    date_of_birth,
    number,
)
from flows.understanding.dates import dates
from flows.understanding.digits import digits
from flows.understanding.sentence_parts import tells_of_nobody, tells_two_births
from flows.understanding.sentences import request_of
from flows.understanding.vocabulary import plain
from flows.understanding.words import ordinal
from flows.world import World

YEAR_DIGITS = 4


def _about(session: Session) -> str:
    """The sentence that says which person's date is asked; none for the caller's own."""
    if session.whom == Party.TWO:
        return "about_second" if session.second_person else "about_first"
    return "about_other" if session.whom == Party.OTHER else ""


def _read_back(session: Session, born: date) -> Go:
    # What the person of another date may have, and wants, is another question.
    return Go(without_services(session.but(born=born.isoformat())), "date_of_birth_check")


def _heard(session: Session, born: date, world: World) -> Move:
    """A date that was said: read back, or refused as one that is typed would be."""
    try:
        checked_date(born.year, born.month, born.day, today_of(world))
    except NotUnderstood as error:
        return Miss(f"reason.{error.reason}")
    return _read_back(session, born)


def today_of(world: World) -> date:
    """The country's day: what "today" means to a caller."""
    return world.now().astimezone(COUNTRY_ZONE).date()


def born_agreed(session: Session, world: World) -> Move:
    """On with a date of birth that was read back and agreed to."""
    if session.is_offered and session.proving not in {Proving.REFERENCE, Proving.CODE}:
        told = tell_kept_place(session, world)
        if told is not None:
            return told
        if session.rung_for:
            # The person who picked up may be a stranger, and nothing else was asked of them.
            return not_theirs(session)
    return prove(session, world) if session.proving else after_birth_date(session, world)


class DateOfBirth(Step):
    name = "date_of_birth"
    part = Part.BIRTH
    page = "naissance"
    after = "couple_choice"
    patience = 2
    most_digits = 8
    takes_date = True
    hears_parts = True

    def question(self, session: Session, world: World) -> Question:
        asked = super().question(session, world)
        return replace(asked, lead=_about(session), values={"whom": relative(session)})

    def take(self, session: Session, pressed: str, world: World) -> Move:
        try:
            born = date_of_birth(pressed, today_of(world))
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        read = _read_back(session, born)
        # Where another question follows anyway, that one reads what was typed.
        return with_what_for(read.session, world) or read

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        words, today = world.vocabulary(session.language), today_of(world)
        if tells_two_births(text, words):
            return Miss("reason.two_births")
        if tells_of_nobody(text, words):
            return None
        found = dates(text, words, today)
        if len(found) > 1:
            # What fits two days is asked, never guessed.
            return Miss("reason.century")
        if not found and (born := request_of(text, words, today, world).born):
            # A place was said with it.
            return _heard(session, born, world)
        return _heard(session, found[0], world) if found else None

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, "birth_year", (Line("easier_date"),), remember=False)


class BirthYear(Patient):
    name = "birth_year"
    part = Part.BIRTH
    page = TELEPHONE_ONLY
    most_digits = YEAR_DIGITS

    def take(self, session: Session, pressed: str, world: World) -> Move:
        year = number(pressed, YEAR_DIGITS)
        if not FIRST_BIRTH_YEAR <= year <= today_of(world).year:
            return Miss("reason.year")
        return Go(session.but(year=year), "birth_month")

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        words, today = world.vocabulary(session.language), today_of(world)
        whole = dates(text, words, today)
        if len(whole) == 1:
            return _heard(session, whole[0], world)
        year = digits(text, words, length=YEAR_DIGITS)
        return self.take(session, year, world) if year else None


class BirthMonth(Patient):
    name = "birth_month"
    part = Part.BIRTH
    page = TELEPHONE_ONLY
    takes_date = True
    most_digits = 2

    def take(self, session: Session, pressed: str, world: World) -> Move:
        month = number(pressed, 2)
        if not 1 <= month <= 12:  # noqa: PLR2004
            return Miss("reason.month")
        return Go(session.but(month=month), "birth_day")

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        words = world.vocabulary(session.language)
        named = {number for name, number in words.months.items() if name in plain(text).split()}
        if len(named) == 1:
            return self.take(session, str(named.pop()), world)
        month = digits(text, words)
        return self.take(session, month, world) if month else None


class BirthDay(Patient):
    name = "birth_day"
    part = Part.BIRTH
    page = TELEPHONE_ONLY
    most_digits = 2

    def take(self, session: Session, pressed: str, world: World) -> Move:
        day = number(pressed, 2)
        try:
            born = checked_date(session.year, session.month, day, today_of(world))
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        return _read_back(session, born)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        words = world.vocabulary(session.language)
        day = ordinal(text, words) or digits(text, words)
        return self.take(session, str(day), world) if day else None


class DateOfBirthCheck(Patient):
    """Read back, then the campaign's rule: the age on the day of the appointment."""

    name = "date_of_birth_check"
    part = Part.BIRTH
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        # Words from the first try: "oui" is what people say to this before they look for a key.
        listen = Listen(speech=True)
        return Question("date_of_birth_check", listen, {"born": session.born_on})

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        found = dates(text, world.vocabulary(session.language), today_of(world))
        if len(found) == 1 and found[0] != session.born_on:
            # "No, the thirteenth": what is right, said with what was wrong.
            return _heard(session, found[0], world)
        return super().hear(session, text, world)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "date_of_birth", remember=False)
        return born_agreed(session, world) if pressed == "1" else NO_SUCH_KEY
