"""Booked, and the line was cut before all was told: the next call tells it after a proof.

The line may be shared, and a person who has reference and birth date may cancel. So the birth date
is asked before the reference is told.
"""

from __future__ import annotations

from datetime import date

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part
from flows.session import Session
from flows.steps.common import Patient
from flows.steps.date_of_birth import today_of
from flows.steps.my_appointment import MY_PERSON_NEEDED
from flows.understanding import NotUnderstood, date_of_birth
from flows.understanding.dates import dates
from flows.world import NotMine, World

UNTOLD = "untold_birth_date"
_NOT_TOLD_AT = frozenset({"ready", "reference", UNTOLD})


def is_untold(session: Session) -> bool:
    """Whether the caller is booked and has not heard everything about it."""
    if session.step == "ready" and session.gets_text and not session.is_first_of_two:
        return False
    return bool(session.reference) and session.step in _NOT_TOLD_AT


class UntoldBirthDate(Patient):
    name = UNTOLD
    part = Part.MINE
    page = TELEPHONE_ONLY
    after = "calls_offer"
    takes_date = True
    most_digits = 8

    def take(self, session: Session, pressed: str, world: World) -> Move:
        try:
            born = date_of_birth(pressed, today_of(world))
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        return _prove(session, born, world)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        found = dates(text, world.vocabulary(session.language), today_of(world))
        return _prove(session, found[0], world) if len(found) == 1 else None


def _prove(session: Session, born: date, world: World) -> Move:
    """Tries are counted with those of "my appointment": the same two things are proved."""
    found = world.find_booking(session.reference, born)
    if found is NotMine.TRY_AGAIN:
        return Miss("reason.another_date")
    if found is NotMine.PERSON:
        return Go(session.but(resume="", person_reason=MY_PERSON_NEEDED), "person", remember=False)
    return Go(session, "ready", remember=False)
