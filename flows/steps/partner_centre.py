"""A centre that takes its appointments at a partner, much nearer than any that this service books.

Nothing is booked here: a caller who wants it is put through to the centre, or to an agent who has
it on the screen.
"""

from __future__ import annotations

from dataclasses import replace

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line, TurnOutcome
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.offers import found_or_not
from flows.world import World

# Why the caller is in the queue: the agent has the centre on the screen.
PARTNER_REASON = "partner"
HOUR = 60
SOME_MINUTES = 2


class PartnerCentre(Patient):
    """It books at a partner, and had places so many minutes ago."""

    name = "partner_centre"
    part = Part.OFFERS
    page = TELEPHONE_ONLY
    after = "own_centre"

    def question(self, session: Session, world: World) -> Question:
        values = {
            "platform": session.own_platform,
            "place": session.own_name,
            "town": session.own_town,
            "distance": session.own_kilometres,
            # Never tell less than it is.
            "minutes": max(session.own_minutes, SOME_MINUTES),
        }
        question = menu("partner_centre", **values)
        if session.offers:
            far = session.offers[0].kilometres
            question = menu("partner_centre_or_offers", far=far, **values)
        return replace(question, lead=_age(session.own_minutes))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1" and session.own_phone:
            values = {"place": session.own_name, "number": session.own_phone}
            said = Line("own_centre_dial", values)
            return End(session, (said,), TurnOutcome.CONNECTED, dial=session.own_phone)
        if pressed == "1":
            asked = session.but(resume=self.name, person_reason=PARTNER_REASON)
            said = Line("partner_centre_person", {"place": session.own_name})
            return Go(asked, "person", (said,))
        return self._on(session) if pressed == "2" else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        return self._on(session)

    def _on(self, session: Session) -> Go:
        reason = "" if session.person_reason == PARTNER_REASON else session.person_reason
        on = session.but(person_reason=reason)
        return Go(on, found_or_not(on), remember=False)


def _age(minutes: int) -> str:
    """The sentence about when there were places."""
    return "partner_free_hour" if minutes >= HOUR else "partner_free_minutes"
