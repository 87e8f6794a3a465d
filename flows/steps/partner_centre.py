"""A centre that takes its appointments at a partner, much nearer than any that this service books.

Nothing is booked here: a caller who wants it is put through to the centre, or to an agent who has
it on the screen.
"""

from __future__ import annotations

from dataclasses import replace

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question
from flows.session import Session
from flows.speech import Line
from flows.steps.no_slot import OwnCentre
from flows.world import World

# Why the caller is in the queue: the agent has the centre on the screen.
PARTNER_REASON = "partner"
HOUR = 60
SOME_MINUTES = 2


class PartnerCentre(OwnCentre):
    """It books at a partner, and had places so many minutes ago."""

    name = "partner_centre"
    part = Part.OFFERS
    page = TELEPHONE_ONLY
    after = "own_centre"

    def question(self, session: Session, world: World) -> Question:
        asked = super().question(session, world)
        # Never tell less than it is.
        minutes = max(session.own_minutes, SOME_MINUTES)
        told = {"platform": session.own_platform, "minutes": minutes}
        # The sentence about when there were places.
        lead = "partner_free_hour" if session.own_minutes >= HOUR else "partner_free_minutes"
        return replace(asked, values={**asked.values, **told}, lead=lead)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1" and not session.own_phone:
            asked = session.but(resume=self.name, person_reason=PARTNER_REASON)
            said = Line("partner_centre_person", {"place": session.own_spoken or session.own_name})
            return Go(asked, "person", (said,))
        return super().take(session, pressed, world)

    def give_up(self, session: Session, world: World) -> Move:
        reason = "" if session.person_reason == PARTNER_REASON else session.person_reason
        return super().give_up(session.but(person_reason=reason), world)
