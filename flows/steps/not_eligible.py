"""Too young for this campaign: said plainly, with the day on which that changes."""

from __future__ import annotations

from flows.questions import End, Go, Move, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.understanding import birthday
from flows.world import World


class NotEligible(Patient):
    name = "not_eligible"

    def question(self, session: Session, world: World) -> Question:
        age = world.rules().minimum_age
        return menu("not_eligible", minimum_age=age, day=birthday(session.born_on, age))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return Go(session, "date_of_birth", remember=False)
        return End(session, (Line("goodbye"),)) if pressed == "2" else NO_SUCH_KEY
