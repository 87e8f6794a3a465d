"""Calls about a booking for people who get no texts: in the evening and before the appointment.

Only callers who have said yes are rung. They hear the number that the call will come from, so that
they answer it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Step, in_words_for, moments
from flows.world import World

CALLS_OFFER = "calls_offer"


def may_be_rung(session: Session, world: World) -> Session | None:
    """The session in which it is offered; None for callers who get texts or cannot be rung in time.

    The moments stay what was said, however long the caller thinks about it.
    """
    if session.gets_text or not session.caller or session.is_first_of_two:
        return None
    calls = world.calls_about(session.choice)
    at = tuple(moment.isoformat() if moment else "" for moment in (calls.evening, calls.before))
    return session.but(rings_at=at) if any(at) else None


class CallsOffer(Step):
    """All is told: silence is no yes, and no failed try either."""

    name = CALLS_OFFER
    tells_person_at_once = True
    part = Part.CONFIRM
    page = TELEPHONE_ONLY
    after = "reference"
    patience = 2

    def question(self, session: Session, world: World) -> Question:
        at = [datetime.fromisoformat(moment) for moment in session.rings_at if moment]
        values: dict[str, Any] = {"number": world.our_number(we_ring=True), "at": at[0]}
        if len(at) == 1:
            return menu("calls_offer_once", **values)
        values |= {"ending": session.caller[-2:], "evening": at[0], "before": at[1]}
        return menu(in_words_for(session.choice, CALLS_OFFER), **values)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return goodbye(session)
        if pressed != "1":
            return NO_SUCH_KEY
        world.wish_calls(tuple(filter(None, (session.first_reference, session.reference))))
        number = world.our_number(we_ring=True)
        line = Line(in_words_for(session.choice, "goodbye_calls"), {"number": number})
        return End(session, (line,))

    def give_up(self, session: Session, world: World) -> Move:
        return goodbye(session)


def goodbye(session: Session) -> End:
    """Booked, and everything is told."""
    offer = session.choice
    return End(session, (Line(in_words_for(offer, "goodbye_booked"), moments(offer)),))


def after_reference(session: Session, world: World) -> Go | End:
    """Offer calls to a caller who gets no texts; say goodbye to every other."""
    offered = may_be_rung(session, world)
    return Go(offered, CALLS_OFFER, remember=False) if offered else goodbye(session)
