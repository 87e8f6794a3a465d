"""A call that has lasted for long: a person, or the promise of one, is offered once, by a key.

A caller who wants to go on alone does, at the question where the call was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.world import World

LONG_CALL = "long_call"
# Asked at the next question after so long: the slowest have a person, or the promise of a call,
# before seven minutes are over.
LONG_AFTER = timedelta(minutes=4, seconds=45)
# One key away from the booking no caller is interrupted; a greeting tells of a person by itself.
_NOT_AT = frozenset({
    LONG_CALL, "confirm", "welcome", "not_yet_open", "closed", "resume", "booked_before",
})  # fmt: skip


def is_long(session: Session, world: World) -> bool:
    """Whether help is to be offered now: nothing is booked, and a caller is there.

    Two people take twice the time: the second of them needs no help for that.
    """
    if not session.began_at or session.help_offered or session.step in _NOT_AT:
        return False
    if session.reference or session.first_reference or session.rung_for or not session.alive:
        return False
    if session.by_text:
        # Hours may lie between two texts, and no caller has waited on a line.
        return False
    return world.now() - datetime.fromisoformat(session.began_at) >= LONG_AFTER


def offered(session: Session) -> Session:
    """The session at that question; one step back leads to where it was."""
    trail = (*session.trail, session.step)
    return session.but(help_offered=True, resume=session.step).moved(LONG_CALL, trail=trail)


def without_offer(session: Session) -> Session:
    """A call that was cut at that question, at the one that was there before it."""
    if session.step != LONG_CALL:
        return session
    return session.but(step=session.resume, resume="", trail=session.trail[:-1])


class LongCall(Patient):
    """Two keys, and the person behind three failed tries as at every question."""

    name = LONG_CALL
    part = Part.PERSON
    page = TELEPHONE_ONLY
    after = "person_number_check"

    def tells_person(self, question: Question, tries: int) -> bool:
        # Key 1 leads there.
        return False

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return Go(session.but(wants_person=True), "person")
        if pressed != "2":
            return NO_SUCH_KEY
        on = session.but(resume="", trail=session.trail[:-1])
        return Go(on, session.resume, remember=False)

    def give_up(self, session: Session, world: World) -> Move:
        # Back to the question that was there, should no person be free.
        return Go(session, "person", (Line("hard_to_understand"),))
