"""People who may not book yet: told when that changes, and told again when it does."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import End, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.for_whom import offer_beside, second_person
from flows.steps.offers import search_nearest
from flows.steps.said import take_agreed_place
from flows.steps.tell import Tell, tell_later
from flows.understanding import COUNTRY_ZONE, birthday
from flows.world import World


def after_birth_date(session: Session, world: World) -> Move:
    """On with a date of birth that was agreed to; a new one is asked everything anew."""
    return _settle(session.but(groups=(), groups_refused=(), group_asked=""), world)


def _settle(session: Session, world: World) -> Move:
    """On where they may book; else by a group of the campaign, where one would do."""
    found = world.eligibility(session.born_on, session.groups)
    if found.first_day is not None:
        if session.second_person and session.postcode:
            return offer_beside(session, world)
        known = take_agreed_place(session)
        return search_nearest(known, world) if known else Go(session, "postcode")
    for group in found.groups:
        if group not in session.groups_refused:
            return Go(session.but(group_asked=group), "group", remember=session.step != "group")
    return Go(session, "not_eligible", remember=session.step != "group")


def _with(groups: tuple[str, ...], one: str) -> tuple[str, ...]:
    return groups if one in groups else (*groups, one)


def _without(groups: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(other for other in groups if other != one)


class Group(Patient):
    """What callers certify to be, by the campaign's own name for it; never a medical reason."""

    name = "group"
    part = Part.BIRTH
    page = "situation"
    after = "date_of_birth_check"

    def question(self, session: Session, world: World) -> Question:
        return menu("group", group=session.group_asked)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        asked = session.group_asked
        # The newest answer counts: the caller may have come back to change it.
        if pressed == "1":
            yes, no = _with(session.groups, asked), _without(session.groups_refused, asked)
        elif pressed == "2":
            yes, no = _without(session.groups, asked), _with(session.groups_refused, asked)
        else:
            return NO_SUCH_KEY
        return _settle(session.but(groups=yes, groups_refused=no), world)


class NotEligible(Patient):
    name = "not_eligible"
    part = Part.BIRTH
    page = "pas-encore"

    def question(self, session: Session, world: World) -> Question:
        found = world.eligibility(session.born_on, session.groups)
        age = world.rules().minimum_age
        prompt = "not_eligible_told" if found.tell_at else "not_eligible"
        if session.is_first_of_two:
            prompt = f"{prompt}_or_second"
        day = found.day_from or birthday(session.born_on, age)
        why = "not_yet_by_age" if found.day_from else "not_for_all"
        values: dict[str, object] = {"minimum_age": age, "day": day}
        if found.turn_at:
            why = "not_yet_their_turn"
            values["opening"] = found.turn_at.astimezone(COUNTRY_ZONE)
        return replace(menu(prompt, **values), lead=why)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        told = world.eligibility(session.born_on, session.groups).tell_at is not None
        if pressed == "1":
            return Go(session, "date_of_birth", remember=False)
        if pressed == "2" and told:
            return tell_later(session, world, Tell.TURN)
        if pressed == ("3" if told else "2"):
            if session.is_first_of_two:
                on = second_person(session, world)
                return Go(on.session, on.step, (Line("on_to_second"),), remember=False)
            return End(session, (Line("goodbye"),))
        return NO_SUCH_KEY
