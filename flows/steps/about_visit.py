"""What people ask once they are booked: getting in, price and time, how to change, how to come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line, Listen
from flows.steps.calls import after_reference
from flows.steps.common import NO_SUCH_KEY, TOLD_SILENCES, Told
from flows.world import World

ABOUT_VISIT = "about_visit"


class AboutVisit(Told):
    """Each answer leads back here; after what is booked was told, silence is a goodbye."""

    name = ABOUT_VISIT
    tells_person_at_once = True
    part = Part.CONFIRM
    page = TELEPHONE_ONLY
    after = "ready"

    def question(self, session: Session, world: World) -> Question:
        return replace(menu(self.name), listen=Listen(speech=True))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        offer = session.choice
        if pressed == "1":
            access = world.wheelchair(offer.centre_id) or "unknown"
            return self._told(session, f"visit_access_{access}")
        if pressed == "4":
            return self._told(
                session, "visit_way", place=offer.said, street=offer.street, town=offer.town
            )
        told = {"2": "visit_price", "3": "visit_change"}.get(pressed)
        return self._told(session, told) if told else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        if session.silent_turns >= TOLD_SILENCES:
            return after_reference(session, world)
        return super().give_up(session, world)

    def _told(self, session: Session, prompt: str, **values: Any) -> Go:
        return Go(session, self.name, (Line(prompt, values),), remember=False)
