"""The date of birth: eight digits; after two failures the year, the month and the day apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from flows.questions import Go, Miss, Move, Question, entry, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.understanding import (
    COUNTRY_ZONE,
    NotUnderstood,
    birthday,
    checked_date,
    date_of_birth,
    number,
)
from flows.world import World

_FIRST_YEAR = 1900
YEAR_DIGITS = 4


def _today(world: World) -> date:
    return world.now().astimezone(COUNTRY_ZONE).date()


class DateOfBirth:
    name = "date_of_birth"
    patience = 2

    def question(self, session: Session, world: World) -> Question:
        return entry("date_of_birth", 8)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        try:
            born = date_of_birth(pressed, _today(world))
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        return Go(replace(session, born=born.isoformat()), "date_of_birth_check")

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, "birth_year", (Line("easier_date"),), remember=False)


class BirthYear(Patient):
    name = "birth_year"

    def question(self, session: Session, world: World) -> Question:
        return entry("birth_year", YEAR_DIGITS)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        year = number(pressed, YEAR_DIGITS)
        if not _FIRST_YEAR <= year <= _today(world).year:
            return Miss("reason.year")
        return Go(replace(session, year=year), "birth_month")


class BirthMonth(Patient):
    name = "birth_month"

    def question(self, session: Session, world: World) -> Question:
        return entry("birth_month", 2)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        month = number(pressed, 2)
        if not 1 <= month <= 12:  # noqa: PLR2004
            return Miss("reason.month")
        return Go(replace(session, month=month), "birth_day")


class BirthDay(Patient):
    name = "birth_day"

    def question(self, session: Session, world: World) -> Question:
        return entry("birth_day", 2)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        day = number(pressed, 2)
        try:
            born = checked_date(session.year, session.month, day, _today(world))
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        return Go(replace(session, born=born.isoformat()), "date_of_birth_check")


class DateOfBirthCheck(Patient):
    """Read back, then the campaign's rule: the age on the day of the appointment."""

    name = "date_of_birth_check"

    def question(self, session: Session, world: World) -> Question:
        return menu("date_of_birth_check", born=session.born_on)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "date_of_birth", remember=False)
        if pressed != "1":
            return NO_SUCH_KEY
        rules = world.rules()
        last_day = _today(world) + timedelta(days=rules.horizon_days)
        if birthday(session.born_on, rules.minimum_age) > last_day:
            return Go(session, "not_eligible")
        return Go(session, "postcode")
