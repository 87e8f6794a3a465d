"""After the booking: time to find a pencil, then the reference, twice, and goodbye.

Silence here is a person looking for glasses: it leads on, and never undoes anything.
"""

from __future__ import annotations

from flows.questions import End, Go, Move, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, in_words_for, moments
from flows.world import World


class Ready:
    name = "ready"
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        return menu(in_words_for(session.choice, "ready"))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        return Go(session, "reference", remember=False) if pressed == "1" else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, "reference", remember=False)


class Reference:
    name = "reference"
    patience = 2

    def question(self, session: Session, world: World) -> Question:
        prompt = "reference_with_text" if session.number else "reference"
        offer = session.choice
        return menu(in_words_for(offer, prompt), reference=session.reference, **moments(offer))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        return self._goodbye(session) if pressed == "1" else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        return self._goodbye(session)

    def _goodbye(self, session: Session) -> End:
        offer = session.choice
        return End(session, (Line(in_words_for(offer, "goodbye_booked"), moments(offer)),))
