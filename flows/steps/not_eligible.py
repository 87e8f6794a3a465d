"""People who may not book yet: told when that changes, and told again when it does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from flows.questions import End, Go, Move, Part, Question, menu
from flows.session import Party, Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.for_whom import second_person
from flows.steps.service import asks_what_for, on_with_services
from flows.steps.service_over import SERVICE, without_services
from flows.steps.tell import Tell, tell_later
from flows.understanding import COUNTRY_ZONE, birthday
from flows.world import World


def after_birth_date(session: Session, world: World) -> Move:
    """On with a date of birth that was agreed to; a new one is asked everything anew."""
    return _settle(_asked_nothing(session), world)


def with_what_for(session: Session, world: World) -> Go | None:
    """On to the question what for, which reads the birth date; None where there is no choice.

    Only a new appointment is asked for: what is proved by a birth date is read back alone.
    """
    if session.proving or session.is_offered or session.resumed or session.by_text:
        return None
    fresh = _asked_nothing(session)
    return Go(fresh, SERVICE) if asks_what_for(fresh, world) else None


def _asked_nothing(session: Session) -> Session:
    return without_services(session.but(groups=(), groups_refused=(), group_asked=""))


def _settle(session: Session, world: World) -> Move:
    """On where they may book; else by a group of the campaign, where one would do."""
    found = world.eligibility(session.born_on, session.groups)
    # A person who changes the birth date may have other things than those that were wanted before.
    if found.first_day is not None or world.choices(session.born_on, session.groups):
        return on_with_services(session, world)
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

    def only_by_key(self, session: Session) -> frozenset[str]:
        # A caller certifies it, and the last look does not read it.
        return frozenset({"1"})

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


def is_far(day: date, today: date) -> bool:
    """Whether a day is beyond twelve months: its date would tell a caller nothing."""
    return (day.year - today.year, day.month, day.day) > (1, today.month, today.day)


def _mark(session: Session) -> str:
    """The date of birth of this person of the call: the second may have the same as the first."""
    return f"{'second' if session.second_person else 'first'} {session.born}"


def _was_refused(session: Session) -> bool:
    """Whether this person's same date was to be corrected before."""
    return _mark(session) in session.note(NotEligible.name).split(", ")


def _refused(session: Session) -> Session:
    """Keep the date that is to be corrected, with those before it."""
    before = [group for group in session.note(NotEligible.name).split(", ") if group]
    return session.with_note(NotEligible.name, ", ".join([*before, _mark(session)]))


class NotEligible(Patient):
    name = "not_eligible"
    tells_person_at_once = True
    part = Part.BIRTH
    page = "pas-encore"

    def question(self, session: Session, world: World) -> Question:
        found = world.eligibility(session.born_on, session.groups)
        age = world.rules().minimum_age
        again = _was_refused(session)
        prompt = "not_eligible_again" if again else "not_eligible"
        if found.tell_at:
            prompt = f"{prompt}_told"
        if session.is_first_of_two:
            prompt = f"{prompt}_or_second"
        day = found.day_from or birthday(session.born_on, age)
        why = "same_date_same_rule" if again else "not_for_all"
        values: dict[str, object] = {"minimum_age": age, "day": day}
        if found.turn_at:
            why = "same_date_same_turn" if again else "not_yet_their_turn"
            values["opening"] = found.turn_at.astimezone(COUNTRY_ZONE)
        elif found.day_from and not again:
            why = "not_yet_by_age"
            if is_far(found.day_from, world.now().astimezone(COUNTRY_ZONE).date()):
                why = "not_open_at_age" if session.whom == Party.SELF else "not_open_at_this_age"
        return replace(menu(prompt, **values), lead=why)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        told = world.eligibility(session.born_on, session.groups).tell_at is not None
        keys = ["correct", *(["told"] if told else []), "end"]
        if _was_refused(session):
            # The date was asked for twice. The caller is not sent round a third time, and can
            # still go back to it with the star.
            keys.remove("correct")
        chosen = dict(zip("123", keys, strict=False)).get(pressed)
        if chosen == "correct":
            return Go(_refused(session), "date_of_birth", remember=False)
        if chosen == "told":
            return tell_later(session, world, Tell.TURN)
        if chosen == "end":
            if session.is_first_of_two:
                on = second_person(session, world)
                return Go(on.session, on.step, (Line("on_to_second"),), remember=False)
            return End(session, (Line("goodbye"),))
        return NO_SUCH_KEY
