"""A visit that goes on where a call was."""

from __future__ import annotations

from dataclasses import replace

from flows.session import Session
from services.online import web_sessions
from services.online.web_sessions import Done, WebSession
from services.slots.give_back import take_back
from services.work import Work


def from_call(
    work: Work, session: Session, holders: tuple[str, ...] = ()
) -> tuple[WebSession, bool]:
    """A new visit with what a call had, in the caller's transaction.

    What was chosen there is held by the visit from now on, where one of `holders` has it still;
    the second value says so. The code that calls this ends the call's own claim to it.
    """
    visit_id = web_sessions.new_id(work.store)
    # What was said of the call itself (its tries, its way) is none of the visit's.
    session = session.but(
        misses=0, speech_off_at="", replied="", silent_turns=0, trail=(), resume="", speaks=False
    )
    kept = False
    if not session.reference and 0 <= session.chosen < len(session.offers):
        kept = take_back(
            Work(work.connection, work.store, web_sessions.for_web(work.campaign)),
            holders,
            session.choice.places,
            holder=visit_id,
        )
        # Only what was chosen was kept; another place of its slot may do at the confirmation.
        session = session.but(offers=(session.choice,), chosen=0, adjacent=())
    done: tuple[Done, ...] = ()
    if session.reference and session.offers:
        made = Done(session.reference, session.choice, session.number, born=session.born)
        done = (replace(made, wanted=session.wanted),)
    session = session.but(step=_open_question(session))
    visit = WebSession(visit_id, 1, session.language, session, typed=_as_typed(session), done=done)
    web_sessions.add(work.connection, work.store, visit)
    return visit, kept


def _open_question(session: Session) -> str:
    """What a page asks next of a visitor who gave this much by telephone."""
    if session.reference:
        return "ready"
    if not session.born:
        return "date_of_birth"
    if not 0 <= session.chosen < len(session.offers):
        return "postcode"
    return "confirm" if session.number_answered else "reach"


def _as_typed(session: Session) -> dict[str, str]:
    """What the fields of the pages before would hold."""
    typed = {}
    if session.born and not session.resumed:
        year, month, day = session.born.split("-")
        typed = {"day": day, "month": month, "year": year}
    if session.postcode:
        typed["where"] = session.postcode
    return typed
