"""What this service is and what callers can do here, also before and after the campaign."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import INTERPRETER, CallerKind, Party, Proving, Session
from flows.speech import Line, Listen
from flows.steps.common import Patient
from flows.steps.my_appointment import MY_APPOINTMENT
from flows.steps.other_languages import LANGUAGE_KEYS, invitations, take_language
from flows.steps.resume_code import can_give_code
from flows.steps.said import FirstQuestion, forget, with_person
from flows.steps.tell import Tell, promise, tell_later
from flows.understanding import COUNTRY_ZONE
from flows.understanding.words import choice
from flows.world import World

OTHERS_KEY = "2"
# Told on the site and on paper: a caller who needs one does not follow a longer menu.
INTERPRETER_KEY = "6"
# Visitors of the site are told it for their code, and callers without a number hear it.
CODE_KEY = "7"
# "two" stands for words that say so; the key leads to the question which of the two it is.
_WHOM = {"1": Party.SELF, "two": Party.TWO}
# Where it is asked who comes: "book" stands for words that name an appointment alone.
_WHOM_ASKED = {OTHERS_KEY: "for_others", "book": "for_whom"}


class Welcome(FirstQuestion):
    name = "welcome"
    language_keys = frozenset(map(str, LANGUAGE_KEYS))
    printed_keys = frozenset({INTERPRETER_KEY, CODE_KEY})
    tells_person_at_once = True
    part = Part.WELCOME
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        age = world.rules().minimum_age
        greeting = "" if session.by_text else world.greeting(session.language)
        asked = (
            menu("welcome_of_number", greeting=greeting, minimum_age=age)
            if greeting
            else menu("welcome", minimum_age=age)
        )
        after = invitations(session, world)
        if can_give_code(session):
            after = (*after, Line("resume_code_offer", wording=session.misses))
        # Words from the first try on: a caller may say it all in one sentence.
        return replace(asked, listen=Listen(speech=True), after=after)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        if choice(text, world.vocabulary(session.language), self.name) == OTHERS_KEY:
            # A caller who says the option as it was told has not said which of the two.
            return self.take(session, OTHERS_KEY, world)
        return super().hear(session, text, world)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        # A caller who came back from "my appointment" need not prove anything any more.
        books = forget(session).but(proving=Proving.NOTHING, asked="")
        if pressed in _WHOM:
            return with_person(books, _WHOM[pressed])
        if pressed in _WHOM_ASKED:
            return Go(books, _WHOM_ASKED[pressed])
        if pressed == "3":
            return Go(forget(session).but(whom=Party.SELF, second_person=False), MY_APPOINTMENT)
        if pressed == INTERPRETER_KEY:
            asked = session.but(resume=self.name, wants_person=True)
            return Go(asked, INTERPRETER)
        if pressed == CODE_KEY:
            # A caller without a number was told a code; a visitor who began on the site reads it
            # there.
            return Go(session, "resume_code")
        return take_language(session, pressed, world)


class NotYetOpen(Patient):
    """Booking has an opening moment: said exactly, with the offer to be told when it comes."""

    name = "not_yet_open"
    language_keys = frozenset(map(str, LANGUAGE_KEYS))
    tells_person_at_once = True
    part = Part.WELCOME
    page = "ouverture"

    def question(self, session: Session, world: World) -> Question:
        opens_at = world.rules().opens_at or world.now()
        kind = CallerKind(session.caller_kind)
        asked = menu(f"not_yet_open_{kind}", opening=opens_at.astimezone(COUNTRY_ZONE))
        return replace(asked, after=invitations(session, world))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        opens_at = world.rules().opens_at
        if pressed in ("1", "2") and (opens_at is None or world.now() >= opens_at):
            # It opened while they listened.
            return Go(session, "welcome", remember=False)
        if pressed == "1":
            return tell_later(session, world, Tell.OPENING)
        if pressed == "2" and session.caller_kind == CallerKind.MOBILE:
            return promise(session, world, Tell.OPENING, session.caller, by_call=True)
        return take_language(session, pressed, world)


class Closed(Patient):
    """Nothing to book any more; an appointment that is there can still be heard."""

    name = "closed"
    language_keys = frozenset(map(str, LANGUAGE_KEYS))
    tells_person_at_once = True
    part = Part.WELCOME
    page = "fin"

    def question(self, session: Session, world: World) -> Question:
        return replace(menu("closed"), after=invitations(session, world))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return End(session, (Line("goodbye"),))
        if pressed == "2" and not session.by_text:
            return Go(session, MY_APPOINTMENT)
        return take_language(session, pressed, world)
