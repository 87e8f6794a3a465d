"""0 at any question: a person. Until somebody answers here, an honest promise to ring back.

The promise is stored before it is spoken. Somebody who showed a sign of life is never hung up on:
who stays silent is promised a call at the number that rings, and who has no such number is asked
for one for a long time.
"""

from __future__ import annotations

from flows.questions import End, Go, Miss, Move, Question, entry, menu
from flows.session import CallerKind, Session
from flows.speech import Line, Outcome
from flows.steps.common import NO_SUCH_KEY, Spoken
from flows.steps.reach import NUMBER_DIGITS, HearsNumber
from flows.understanding import NotUnderstood, telephone
from flows.world import World

# A line that gave a sign of life and then none, from a number that cannot be rung: after so many
# silent turns on end (about ten minutes) nobody is there. Any key starts the count anew.
QUIET_TURNS = 24
# Who asks for a person here again means it.
PERSON_KEYS = ("0", "00", "000")


def _promise(session: Session, world: World, number: str) -> End:
    reason = session.person_reason or session.resume or session.step
    world.promise_callback(number, reason)
    line = Line("promise", {"ending": number[-2:]})
    return End(session.but(number=number), (line,), Outcome.PROMISED)


class Person(Spoken):
    name = "person"
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        way_back = "" if not session.resume else "_or_go_on"
        if session.caller_kind == CallerKind.NONE:
            return menu(f"person_unknown{way_back}")
        return menu(f"person_known{way_back}", ending=session.caller[-2:])

    def take(self, session: Session, pressed: str, world: World) -> Move:
        known = session.caller_kind != CallerKind.NONE
        if known and pressed in ("1", *PERSON_KEYS):
            return _promise(session, world, session.caller)
        if pressed == ("2" if known else "1") or pressed in PERSON_KEYS:
            return Go(session, "person_number")
        if session.resume and pressed == ("3" if known else "2"):
            return Go(session.but(trail=session.trail[:-1]), session.resume, remember=False)
        return NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        if session.caller_kind != CallerKind.NONE:
            return _promise(session, world, session.caller)
        return Go(session, "person_number", remember=False)


class PersonNumber(HearsNumber):
    name = "person_number"
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        return entry("person_number", NUMBER_DIGITS)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed in PERSON_KEYS:
            if session.caller_kind != CallerKind.NONE:
                return _promise(session, world, session.caller)
            return Go(session, "person", remember=False)
        try:
            number, _ = telephone(pressed)
        except NotUnderstood as error:
            return Miss(f"reason.{error.reason}")
        return Go(session.but(typed=number), "person_number_check")

    def give_up(self, session: Session, world: World) -> Move:
        if session.caller_kind != CallerKind.NONE:
            return _promise(session, world, session.caller)
        if session.quiet >= QUIET_TURNS:
            return End(session, (Line("goodbye_unreachable"),))
        return Go(session, "person", remember=False)


class PersonNumberCheck(Spoken):
    name = "person_number_check"
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        return menu("person_number_check", number=session.typed)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed in ("1", *PERSON_KEYS):
            return _promise(session, world, session.typed)
        return Go(session, "person_number", remember=False) if pressed == "2" else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        # Silence is no objection; the number was read back three times.
        return _promise(session, world, session.typed)
