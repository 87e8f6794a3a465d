"""After the booking: what is booked, then the reference, twice, and goodbye.

A caller who gets a text has all of it in writing: the reference is told where a key asks for it.
Every other caller gets time to find a pencil, and hears it. Silence here is a person looking for
glasses: it leads on, and never undoes anything.
"""

from __future__ import annotations

from dataclasses import replace

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.about_visit import ABOUT_VISIT, AboutVisit
from flows.steps.calls import after_reference, may_be_rung
from flows.steps.common import (
    NO_SUCH_KEY,
    TOLD_SILENCES,
    Step,
    in_words_for,
    moments,
    what_for_at,
)
from flows.steps.for_whom import second_person
from flows.world import World


def visit_asked(session: Session, text: str, world: World) -> Move | None:
    """What may be asked behind the key for a question is answered without the key, too."""
    return None if session.is_first_of_two else AboutVisit().hear(session, text, world)


class Ready(Step):
    name = "ready"
    part = Part.CONFIRM
    page = "fait"
    after = "confirm"
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        offer = session.choice
        if not session.gets_text:
            return menu(in_words_for(offer, "ready"))
        prompt = "booked_first" if session.is_first_of_two else "booked"
        asked = menu(in_words_for(offer, prompt), **moments(offer))
        return replace(asked, before=what_for_at(session, world))

    def tells_person(self, question: Question, tries: int) -> bool:
        return tries > 0 or not question.prompt.startswith(self.name)

    def silences(self, session: Session) -> int:
        # All is told, and comes in writing as well; the second of two waits for nothing.
        if not session.gets_text:
            return 0
        return 1 if session.is_first_of_two else TOLD_SILENCES

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if session.gets_text and session.is_first_of_two:
            if pressed == "1":
                return second_person(session, world)
            return self._to_reference(session) if pressed == "2" else NO_SUCH_KEY
        if pressed == "2" and session.gets_text:
            return Go(session, ABOUT_VISIT)
        return self._to_reference(session) if pressed == "1" else NO_SUCH_KEY

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        heard = super().hear(session, text, world)
        return heard or (visit_asked(session, text, world) if session.gets_text else None)

    def give_up(self, session: Session, world: World) -> Move:
        if not session.gets_text:
            return self._to_reference(session)
        if session.is_first_of_two:
            return second_person(session, world)
        return End(session, (Line("goodbye"),))

    def _to_reference(self, session: Session) -> Go:
        # To a caller that no text reaches, it is said what is true of a person who had forgotten.
        told = () if session.number else (Line("first_counts"),)
        return Go(session, "reference", told, remember=False)


class Reference(Step):
    """All is told: a caller who says nothing more hears goodbye, and not everything once again."""

    name = "reference"
    tells_person_at_once = True
    part = Part.CONFIRM
    page = TELEPHONE_ONLY
    patience = 2

    def silences(self, session: Session) -> int:
        # It was read twice.
        return 1

    def question(self, session: Session, world: World) -> Question:
        prompt = "reference_with_text" if session.gets_text else "reference"
        if session.is_first_of_two:
            prompt = "reference_first"
        elif may_be_rung(session, world):
            prompt = "reference_calls"
        offer = session.choice
        asked = menu(in_words_for(offer, prompt), reference=session.reference, **moments(offer))
        return replace(asked, before=what_for_at(session, world))

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        return super().hear(session, text, world) or visit_asked(session, text, world)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2" and not session.is_first_of_two:
            return Go(session, ABOUT_VISIT)
        return self._goodbye(session, world) if pressed == "1" else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        return self._goodbye(session, world)

    def _goodbye(self, session: Session, world: World) -> Move:
        if session.is_first_of_two:
            return second_person(session, world)
        return after_reference(session, world)
