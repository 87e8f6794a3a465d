"""Where the confirmation goes: the calling mobile, a typed one, or nowhere.

A caller who cannot type a number is booked all the same: the reference is spoken anyway.
"""

from __future__ import annotations

from abc import abstractmethod

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part, Question, menu
from flows.session import CallerKind, Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Step
from flows.understanding import NotUnderstood, telephone
from flows.understanding.digits import phone
from flows.world import World

NUMBER_DIGITS = 10


def _without_number(session: Session, lines: tuple[Line, ...] = ()) -> Go:
    return Go(session.but(number="", number_answered=True), "confirm", lines)


class TypedNumber(Step):
    """A telephone number that is typed, or said: it is read back at the step `check`."""

    most_digits = NUMBER_DIGITS
    check: str
    # True where a text is to be sent there.
    mobile_only = False

    def take(self, session: Session, pressed: str, world: World) -> Move:
        try:
            number, kind = telephone(pressed)
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        if self.mobile_only and kind is not CallerKind.MOBILE:
            return Miss("reason.number_landline")
        return Go(session.but(typed=number), self.check)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        said = phone(text, world.vocabulary(session.language))
        return self.take(session, said, world) if said else None


class NumberCheck(Step):
    """The number that was typed at the step `typed_at`, read back."""

    typed_at: str
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        return menu(self.name, number=session.typed)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return self.agreed(session, world)
        return Go(session, self.typed_at, remember=False) if pressed == "2" else NO_SUCH_KEY

    @abstractmethod
    def agreed(self, session: Session, world: World) -> Move:
        """On with this number."""

    def give_up(self, session: Session, world: World) -> Move:
        if session.by_text:
            # A caller who writes was not silent: what was written agrees to nothing.
            return Go(session, self.typed_at, remember=False)
        # Silence is no objection; the number was read back three times.
        return self.agreed(session, world)


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


class ReachNumber(_NumberIsNoCondition, TypedNumber):
    name = "reach_number"
    part = Part.CONFIRM
    page = TELEPHONE_ONLY
    check = "reach_check"
    mobile_only = True


class ReachCheck(_NumberIsNoCondition, NumberCheck):
    name = "reach_check"
    part = Part.CONFIRM
    page = TELEPHONE_ONLY
    typed_at = "reach_number"

    def agreed(self, session: Session, world: World) -> Move:
        return Go(session.but(number=session.typed, number_answered=True), "confirm")
