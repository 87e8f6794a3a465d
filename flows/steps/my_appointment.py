"""My appointment: the reference and the birth date find it; a calling number proves nothing.

Without a reference the answer goes by text to the number on file, in the same words whether there
is one or not. Whatever was wrong is told in the same words, too.
"""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, End, Go, Miss, Move, Part, Question, menu
from flows.session import CallerBooking, CallerKind, MineState, Party, Proving, Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient, Told, offer_to_resume
from flows.understanding import is_digits
from flows.understanding.digits import digits
from flows.understanding.words import choice
from flows.world import Earlier, NotMine, World

# The first step, and the reason of the promise where an agent must look at it.
MY_APPOINTMENT = "my_reference"
MY_PERSON_NEEDED = "my_appointment"
REFERENCE_DIGITS = 10
# In the place of a reference: there is none at hand, or the caller wants to book and came here by
# mistake. One digit is no beginning of ten.
NO_REFERENCE = "1"
NEW_APPOINTMENT = "2"

_SHOWN_AT = {
    MineState.AHEAD: "my_menu",
    MineState.PAST: "my_over",
    MineState.CANCELLED: "my_cancelled",
}


class MyReference(Patient):
    name = MY_APPOINTMENT
    part = Part.MINE
    page = TELEPHONE_ONLY
    after = "untold_birth_date"
    most_digits = REFERENCE_DIGITS

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == NEW_APPOINTMENT:
            return new_appointment(session, world)
        if not session.proving:
            # A birth date that was given for something else proves nothing here.
            session = session.but(born="", whom=Party.SELF, second_person=False)
        if pressed == NO_REFERENCE:
            if session.caller_kind != CallerKind.MOBILE:
                return Go(session.but(proving=Proving.REFERENCE), "my_no_text")
            return _birth_date(session.but(proving=Proving.TEXT))
        if not is_digits(pressed) or len(pressed) != REFERENCE_DIGITS:
            return Miss("reason.reference_incomplete")
        typed = session.but(proving=Proving.REFERENCE, asked=pressed)
        return Go(typed, "my_reference_check")

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        vocabulary = world.vocabulary(session.language)
        said = digits(text, vocabulary, length=REFERENCE_DIGITS)
        if len(said) == REFERENCE_DIGITS:
            return self.take(session, said, world)
        key = choice(text, vocabulary, self.name)
        return self.take(session, key, world) if key in {NO_REFERENCE, NEW_APPOINTMENT} else None


class MyReferenceCheck(Patient):
    name = "my_reference_check"
    part = Part.MINE
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        return menu("my_reference_check", reference=session.asked)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, MY_APPOINTMENT, remember=False)
        return _birth_date(session) if pressed == "1" else NO_SUCH_KEY


def _birth_date(session: Session) -> Go:
    """What was given in this call is read back; only what was not is asked."""
    known = session.born and not session.resumed
    return Go(session, "date_of_birth_check" if known else "date_of_birth")


def prove(session: Session, world: World) -> Move:
    """The birth date was agreed to: look the appointment up, or have it written."""
    otherwise = {Proving.CODE: _go_on_by_code, Proving.RUNG: _tell_whom_we_rang}
    if session.proving in otherwise:
        return otherwise[Proving(session.proving)](session, world)
    if session.proving == Proving.TEXT:
        if not world.text_booking(session.born_on):
            return to_somebody(session)
        return Go(session.but(trail=()), "my_texted", remember=False)
    found = world.find_booking(session.asked, session.born_on)
    if found is NotMine.PERSON:
        return to_somebody(session)
    if found is NotMine.TRY_AGAIN:
        again = session.but(asked="", lookup_count=session.lookup_count + 1, trail=())
        told = Line("my_not_found", wording=session.lookup_count)
        return Go(again, MY_APPOINTMENT, (told,), remember=False)
    return show(session.but(reference=session.asked), found)


def _go_on_by_code(session: Session, world: World) -> Move:
    """Whichever of the two was wrong, it is said in the same words, and the call begins anew."""
    found = world.earlier_by_code(session.asked, session.born_on)
    fresh = session.but(proving=Proving.NOTHING, asked="", born="", trail=())
    if not isinstance(found, Earlier):
        return Go(fresh, "welcome", (Line("without_code"),), remember=False)
    going_on = offer_to_resume(fresh, found).but(language=session.language)
    return Go(going_on, "resume", remember=False)


def _tell_whom_we_rang(session: Session, world: World) -> Move:
    """What we ring about; or, after too many wrong dates, where to ring with the reference."""
    found = world.rung_about(session.rung_for, session.born_on)
    if found is NotMine.PERSON:
        return End(session, (Line("rung_not_told", {"number": world.our_number()}),))
    if found is NotMine.TRY_AGAIN:
        again = session.but(lookup_count=session.lookup_count + 1, trail=())
        told = Line("rung_not_found", wording=session.lookup_count)
        return Go(again, "date_of_birth", (told,), remember=False)
    return show(session.but(reference=found.reference), found)


def show(session: Session, mine: CallerBooking, lines: tuple[Line, ...] = ()) -> Go:
    """What the booking is now; what was begun with it before is over."""
    shown = session.committed(*mine.ahead).but(
        mine=mine,
        doses_to_cancel=(),
        moving="",
        half="",
        wanted=(),
        offers=(),
        offered=(),
        chosen=-1,
        trail=(),
        resume="",
    )
    return Go(shown, _SHOWN_AT[MineState(mine.state)], lines, remember=False)


def to_somebody(session: Session) -> Go:
    """Pass to an agent; the reason is not told, so that a stranger learns nothing from it."""
    back = _SHOWN_AT[MineState(session.mine.state)] if session.mine else ""
    asked = session.but(resume=back, person_reason=MY_PERSON_NEEDED)
    return Go(asked, "person", (Line("my_person_needed"),), remember=False)


def new_appointment(session: Session, world: World) -> Go:
    """As for a new caller; once the campaign is over, that is what they hear."""
    fresh = session.but(proving=Proving.NOTHING, asked="", born="", trail=())
    return Go(fresh, "closed" if is_over(world) else "for_whom", remember=False)


def is_over(world: World) -> bool:
    """Whether the campaign gives no appointments any more."""
    closes_at = world.rules().closes_at
    return closes_at is not None and world.now() >= closes_at


class MyTexted(Told):
    """The same words whether something was written or not."""

    name = "my_texted"
    part = Part.MINE
    page = TELEPHONE_ONLY

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return Go(session, MY_APPOINTMENT)
        if pressed == "3":
            return new_appointment(session, world)
        return Go(session, "date_of_birth") if pressed == "2" else NO_SUCH_KEY


class MyNoText(Patient):
    """From a telephone that cannot get texts: a caller without a reference needs an agent."""

    name = "my_no_text"
    tells_person_at_once = True
    part = Part.MINE
    page = TELEPHONE_ONLY

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return new_appointment(session, world)
        return Go(session, MY_APPOINTMENT, remember=False) if pressed == "1" else NO_SUCH_KEY
