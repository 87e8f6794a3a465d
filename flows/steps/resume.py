"""A call that was cut is taken up where it was, when a caller rings again from the same line.

A line may be shared and a number forged. So the question says no more than the town and the hour
until which a slot is kept. What was read back once, a date of birth above all, is asked again or
left out, and never read to the new caller.

Right after a call that booked a person, the next one of that line is of the other person of a
couple, or of one who did not hear all: each has a key, and the second proves who they are.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Step
from flows.steps.line import QUEUE
from flows.steps.long_call import without_offer
from flows.steps.my_appointment import MY_APPOINTMENT
from flows.steps.offers import AFTER_SEARCH, search_nearest
from flows.steps.service import reads_birth_date
from flows.steps.service_over import SERVICE
from flows.steps.untold import UNTOLD, is_untold
from flows.world import TakenUp, World

# These read to the caller what was typed: the question before them is put instead.
ENTRY_OF = {
    "date_of_birth_check": "date_of_birth",
    # What follows from an answer here may tell the birth date.
    "group": "date_of_birth",
    "reach_check": "reach_number",
    "person_number_check": "person_number",
    "tell_number_check": "tell_number",
}
# What was chosen is still chosen here.
AFTER_CHOICE = frozenset({"couple_choice", "reach", "reach_number", "reach_check", "confirm"})
# A caller who talked with an agent has told them all; one who waited has a place in the queue.
_PERSON = frozenset({"person", "person_number", "person_number_check", QUEUE})
_ENTRIES = frozenset({
    "for_whom", "for_others",
    "date_of_birth", "birth_year", "birth_month", "birth_day", "date_of_birth_check",
    "group", "service", "since_last",
    "postcode", "postcode_check", "town", "town_check", "town_which", "tell_number",
    "tell_number_check",
})  # fmt: skip
# Where a call that was cut goes on. Elsewhere there is nothing to keep, or a stranger must not.
GOES_ON = _ENTRIES | _PERSON | AFTER_SEARCH
# How the id of what was begun on the site begins; that of a call never does.
_VISIT = "W"
_BACK_TO = GOES_ON.difference(ENTRY_OF) | {"welcome"}


def is_about_a_booking(session: Session) -> bool:
    """Whether it is about an existing booking: then the caller must prove anew who they are."""
    return bool(session.mine or session.moving or session.proving)


def is_worth_resuming(session: Session) -> bool:
    """Whether a call that was left like this has anything in it that need not be asked again."""
    session = without_offer(session)
    if is_untold(session):
        return True
    if session.reference or session.step not in GOES_ON or is_about_a_booking(session):
        return False
    if session.step in _PERSON and session.resume and session.resume not in GOES_ON:
        return False
    return bool(session.born or session.year or session.postcode or session.whom)


class Resume(Step):
    """Go on, or another person; a caller who says neither is greeted as in any call."""

    name = "resume"
    tells_person_at_once = True
    part = Part.WELCOME
    page = TELEPHONE_ONLY
    after = "closed"
    patience = 2

    def question(self, session: Session, world: World) -> Question:
        until = datetime.fromisoformat(session.kept_until) if session.kept_until else None
        on_site = session.earlier.startswith(_VISIT)
        if until is None or until <= world.now():
            return menu("resume_web_answers" if on_site else "resume_answers")
        local = until.astimezone(ZoneInfo(session.kept_zone))
        prompt = "resume_web_slot" if on_site else "resume_slot"
        return menu(prompt, town=session.kept_town, until=local)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return _of_somebody_else(session)
        if pressed != "1":
            return NO_SUCH_KEY
        taken = world.take_up(session.earlier)
        if taken is None:
            return _afresh(session, (Line("resume_nothing"),))
        return _go_on(session, taken, world)

    def give_up(self, session: Session, world: World) -> Move:
        return _afresh(session.but(someone_else=True))


def has_booked(session: Session) -> bool:
    """Whether a call that was left like this booked a person, and was not cut at another person."""
    booked = bool(session.reference or session.first_reference)
    return booked and not is_about_a_booking(session)


class BookedBefore(Step):
    """Another person, or hear it again; a caller who says neither is greeted as in any call."""

    name = "booked_before"
    tells_person_at_once = True
    part = Part.WELCOME
    page = TELEPHONE_ONLY
    after = "resume"
    patience = 2

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return _of_somebody_else(session)
        if pressed != "2":
            return NO_SUCH_KEY
        untold = world.take_up(session.earlier)
        if untold is not None:
            # The line was cut before the reference was heard: the birth date is the only proof.
            return _go_on(session, untold, world)
        return Go(_without_earlier(session), MY_APPOINTMENT, remember=False)

    def give_up(self, session: Session, world: World) -> Move:
        return _afresh(session.but(someone_else=True))


def _of_somebody_else(session: Session) -> Go:
    """As a new call; another person may speak another language, too."""
    return _afresh(session.but(language=Session.language, someone_else=True))


def _without_earlier(session: Session) -> Session:
    return session.but(earlier="", earlier_booked=False, kept_town="", kept_until="", kept_zone="")


def _afresh(session: Session, lines: tuple[Line, ...] = ()) -> Go:
    """As a call of another person: what is kept stays kept for the person who had it."""
    return Go(_without_earlier(session), "welcome", lines, remember=False)


def _go_on(session: Session, taken: TakenUp, world: World) -> Move:
    was = without_offer(taken.session)
    session = was.but(
        caller=session.caller,
        caller_kind=session.caller_kind,
        is_offered=session.is_offered,
        language=session.language,
        slow=session.slow or was.slow,
        speaks=session.speaks or was.speaks,
        alive=True,
        misses=0,
        silent_turns=0,
        speech_off_at="",
        unsure=False,
        # Going one step back must not read the earlier caller's answers aloud either.
        began_at=session.began_at,
        help_offered=session.help_offered,
        trail=tuple(step for step in was.trail if step in _BACK_TO),
        resume=_back_from_person(was),
        resumed=True,
    )
    if is_untold(was):
        # Of two, the first as well: the second is asked when that reference is told.
        told_next = _with_place_beside(session, world).but(trail=())
        return Go(told_next, UNTOLD, (Line("resumed"),), remember=False)
    if was.step == QUEUE:
        # To the place that they had.
        return Go(_with_place_beside(session, world), "person", (Line("resumed"),), remember=False)
    question = was.resume if was.step in _PERSON else was.step
    if question not in AFTER_SEARCH:
        return Go(session, _entry_of(was), (Line("resumed"),), remember=False)
    if was.chosen >= 0 and taken.kept and question in AFTER_CHOICE:
        step = ENTRY_OF.get(was.step, was.step)
        return Go(_with_place_beside(session, world), step, (Line("resumed"),), remember=False)
    # What was only offered went when the line was cut; what was chosen may have, since.
    gone = was.chosen >= 0 and not taken.kept
    lines = (Line("resume_gone" if gone else "resumed"),)
    session = _with_place_beside(session, world).but(step=question)
    if session.second_person and session.adjacent:
        again = session.but(offers=session.adjacent, chosen=-1)
        return Go(again, "offers", lines, remember=False)
    again = session.but(offers=(), offered=(), chosen=-1)
    return search_nearest(again, world, lines=lines)


def _entry_of(was: Session) -> str:
    """Where a call goes on that was cut at a step before the search."""
    if was.step == SERVICE and reads_birth_date(was):
        # It was read with this question, and no caller has agreed to it.
        return "date_of_birth"
    return ENTRY_OF.get(was.step, was.step)


def _back_from_person(was: Session) -> str:
    """Where a caller goes on who asked for a person, and had been at a question before."""
    if was.resume == SERVICE and was.trail[-2:] == ("date_of_birth", SERVICE):
        return "date_of_birth"
    return ENTRY_OF.get(was.resume, was.resume)


def _with_place_beside(session: Session, world: World) -> Session:
    """For two people: the adjacent place went with the cut call, and is held again."""
    if not session.adjacent:
        return session
    # The second of two may not have said yet what for.
    wanted = session.wanted or session.first_wanted
    return session.but(adjacent=world.hold_adjacent(session.adjacent[0], (), wanted))
