"""An interpreter: for which language, and on to a person, who sees it before they say hello.

Asked for with key 6 at the welcome, with the word for it at any question, and by text.
"""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, Go, Move, Part
from flows.session import INTERPRETER, Session
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.world import World

# The languages that are asked for most where we are, by ISO 639-1; the last is any other.
INTERPRETED = {"1": "ar", "2": "pt", "3": "tr", "4": "other"}


class Interpreter(Patient):
    name = INTERPRETER
    part = Part.PERSON
    page = TELEPHONE_ONLY
    after = "person_number_check"

    def take(self, session: Session, pressed: str, world: World) -> Move:
        language = INTERPRETED.get(pressed)
        if language is None:
            return NO_SUCH_KEY
        return Go(session.with_note(self.name, language), "person", remember=False)

    def give_up(self, session: Session, world: World) -> Move:
        # A caller who does not understand the question needs one all the more.
        return Go(session.with_note(self.name, "other"), "person", remember=False)
