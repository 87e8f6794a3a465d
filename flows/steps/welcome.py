"""Who this is and what can be done here; before and after the campaign, the truth about that."""

from __future__ import annotations

from flows.questions import End, Go, Move, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.understanding import COUNTRY_ZONE
from flows.world import World


class Welcome(Patient):
    name = "welcome"

    def question(self, session: Session, world: World) -> Question:
        return menu("welcome", minimum_age=world.rules().minimum_age)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        return Go(session, "date_of_birth") if pressed == "1" else NO_SUCH_KEY


class NotYetOpen(Patient):
    """Booking has an opening moment: said exactly, with the offer to be called."""

    name = "not_yet_open"

    def question(self, session: Session, world: World) -> Question:
        opens_at = world.rules().opens_at or world.now()
        return menu("not_yet_open", opening=opens_at.astimezone(COUNTRY_ZONE))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return Go(session, "person")
        return End(session, (Line("goodbye"),)) if pressed == "2" else NO_SUCH_KEY


class Closed(Patient):
    name = "closed"

    def question(self, session: Session, world: World) -> Question:
        return menu("closed")

    def take(self, session: Session, pressed: str, world: World) -> Move:
        return End(session, (Line("goodbye"),)) if pressed == "1" else NO_SUCH_KEY
