"""The waiting list: in its order, people are rung when a place is freed, which is kept for them."""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question, menu
from flows.session import Session
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.tell import Tell, ask_number, known_number, promise
from flows.world import World


class Waiting(Patient):
    """At the number that is known, or another. Silence is no objection."""

    name = "waiting"
    part = Part.OFFERS
    page = TELEPHONE_ONLY
    after = "no_slot"

    def question(self, session: Session, world: World) -> Question:
        return menu("waiting", ending=known_number(session)[-2:])

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return promise(session, world, Tell.WAITING, known_number(session))
        if pressed == "2":
            return ask_number(session, Tell.WAITING)
        return Go(session, "no_slot", remember=False) if pressed == "3" else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        if session.by_text:
            # A caller who writes was not silent: what was written agrees to nothing.
            return Go(session, "no_slot", remember=False)
        return promise(session, world, Tell.WAITING, known_number(session))
