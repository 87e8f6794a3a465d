"""What people ask once they are booked: getting in, price and time, how to change, how to come."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line, Listen
from flows.steps.calls import after_reference
from flows.steps.common import NO_SUCH_KEY, Told
from flows.world import World

ABOUT_VISIT = "about_visit"


class AboutVisit(Told):
    """Each answer leads to the reference, from where a caller may ask again; silence to the end."""

    name = ABOUT_VISIT
    tells_person_at_once = True
    part = Part.CONFIRM
    page = TELEPHONE_ONLY
    after = "ready"

    def question(self, session: Session, world: World) -> Question:
        return replace(menu(self.name), listen=Listen(speech=True))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        told = self._told(session, pressed, world)
        if told is None:
            return NO_SUCH_KEY
        if pressed in session.visit_told:
            # What is asked twice is told twice, and that is all there is to tell.
            end = self.end(session, world)
            return replace(end, lines=(told, *end.lines))
        again = session.but(visit_told=session.visit_told + pressed)
        return Go(again, "reference", (told,), remember=False)

    def end(self, session: Session, world: World) -> Go | End:
        return after_reference(session, world)

    def _told(self, session: Session, pressed: str, world: World) -> Line | None:
        offer = session.choice
        if pressed == "1":
            return Line(f"visit_access_{world.wheelchair(offer.centre_id) or 'unknown'}")
        if pressed == "4":
            where = {"place": offer.said, "street": offer.street, "town": offer.town}
            return Line("visit_way", where)
        prompt = {"2": "visit_price", "3": "visit_change"}.get(pressed)
        return Line(prompt) if prompt else None
