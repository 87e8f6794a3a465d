"""Booked, and the line was cut before all was told: whoever rings again hears it after a proof.

The line may be shared, and whoever has reference and birth date may cancel. So the birth date is
asked before the reference is told.
"""

from __future__ import annotations

from flows.questions import Go, Miss, Move, Question, entry
from flows.session import Session, Whom
from flows.steps.common import Patient
from flows.steps.date_of_birth import today_of
from flows.understanding import NotUnderstood, date_of_birth
from flows.understanding.dates import dates
from flows.world import World

UNTOLD = "untold_birth_date"
_NOT_TOLD_AT = frozenset({"ready", "reference", UNTOLD})


def is_untold(session: Session) -> bool:
    """Whether somebody is booked and has not heard everything about it."""
    waits_for_second = session.whom == Whom.TWO and not session.second_person
    return bool(session.reference) and session.step in _NOT_TOLD_AT and not waits_for_second


class UntoldBirthDate(Patient):
    name = UNTOLD

    def question(self, session: Session, world: World) -> Question:
        return entry(UNTOLD, 8)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        try:
            born = date_of_birth(pressed, today_of(world))
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        if born != session.born_on:
            return Miss("reason.another_date")
        return Go(session, "ready", remember=False)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        found = dates(text, world.vocabulary(session.language), today_of(world))
        if not found:
            return None
        if session.born_on not in found:
            return Miss("reason.another_date")
        return Go(session, "ready", remember=False)
