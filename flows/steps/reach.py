"""Where the confirmation goes: the calling mobile, a typed one, or nowhere.

A caller who cannot type a number is booked all the same: the reference is spoken anyway.
"""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part, Question, entry, menu
from flows.session import CallerKind, Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Step
from flows.understanding import NotUnderstood, telephone
from flows.understanding.digits import phone
from flows.world import World

NUMBER_DIGITS = 10


def _without_number(session: Session, lines: tuple[Line, ...] = ()) -> Go:
    return Go(session.but(number="", number_answered=True), "confirm", lines)


class HearsNumber(Step):
    """A telephone number that is said is taken as if it were typed."""

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        said = phone(text, world.vocabulary(session.language))
        return self.take(session, said, world) if said else None


class _NumberIsNoCondition(Step):
    """Two failed tries, then on without a number."""

    patience = 3

    def give_up(self, session: Session, world: World) -> Move:
        return _without_number(session, (Line("on_without_number"),))


class Reach(_NumberIsNoCondition):
    name = "reach"
    part = Part.CONFIRM
    page = "joindre"
    after = "kept_place_check"

    def question(self, session: Session, world: World) -> Question:
        if session.caller_kind == CallerKind.MOBILE:
            return menu("reach_mobile", ending=session.caller[-2:])
        if session.caller_kind == CallerKind.LANDLINE:
            return menu("reach_landline")
        return menu("reach_withheld")

    def take(self, session: Session, pressed: str, world: World) -> Move:
        mobile = session.caller_kind == CallerKind.MOBILE
        if mobile and pressed == "1":
            known = session.but(number=session.caller, number_answered=True)
            return Go(known, "confirm")
        if pressed == ("2" if mobile else "1"):
            return Go(session, "reach_number")
        return _without_number(session) if pressed == ("3" if mobile else "2") else NO_SUCH_KEY


class ReachNumber(HearsNumber, _NumberIsNoCondition):
    name = "reach_number"
    part = Part.CONFIRM
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        return entry("reach_number", NUMBER_DIGITS)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        try:
            number, kind = telephone(pressed)
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        if kind is not CallerKind.MOBILE:
            return Miss("reason.number_landline")
        return Go(session.but(typed=number), "reach_check")


class ReachCheck(_NumberIsNoCondition):
    name = "reach_check"
    part = Part.CONFIRM
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        return menu("reach_check", number=session.typed)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return Go(session.but(number=session.typed, number_answered=True), "confirm")
        return Go(session, "reach_number", remember=False) if pressed == "2" else NO_SUCH_KEY
