"""A caller wants an agent and cannot be passed to one: an honest promise to ring back, or none.

The way to agents is flows.steps.line. The promise is stored before it is spoken, and only if it can
be kept. A caller who showed a sign of life is never hung up on. One who stays silent is promised a
call at the number that rings. One who can be promised none hears when a person answers, and
what is kept until they ring again.
"""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import CallerKind, Session
from flows.speech import Line, TurnOutcome
from flows.steps.common import NO_SUCH_KEY, Step
from flows.steps.line import hours_told, knock, offer_instead, promised, to_queue, why
from flows.steps.no_slot import wait_for_place
from flows.steps.reach import NumberCheck, TypedNumber
from flows.steps.resume import is_worth_resuming
from flows.world import World

# A caller who asks for a person here again means it.
PERSON_KEYS = ("0", "00", "000")


def _promise(session: Session, world: World, number: str) -> Move:
    """Ring back at `number` (E.164): their place in the queue if they have one, else the last."""
    if number != session.caller or session.caller_kind == CallerKind.NONE:
        return _ask_owner(session, world, number)
    if session.line:
        if not world.promise_place(number):
            # An agent has them at this moment.
            return to_queue(session, (Line("queue_agent_coming"),))
        return promised(session, world, number, world.promised_at())
    at = world.callback_at()
    if at is None:
        return offer_instead(session, world, ())
    world.promise_callback(number, why(session))
    return promised(session, world, number, at)


def _ask_owner(session: Session, world: World, number: str) -> Move:
    """A typed number may be a stranger's: its owner is asked first, else an agent rings."""
    if not session.line and world.callback_at() is None:
        return offer_instead(session, world, ())
    asked = world.ask_owner(number, why(session))
    if session.line and not asked:
        # An agent has them at this moment.
        return to_queue(session, (Line("queue_agent_coming"),))
    said = Line("promise_typed", {"ending": number[-2:]})
    return End(session.but(number=number), (said,), TurnOutcome.PROMISED)


def _go_on(session: Session, world: World) -> Go:
    """Back to the question where a person was asked for."""
    if session.line:
        world.leave_queue()
    trail = session.trail[:-1] if session.trail[-1:] == (session.resume,) else session.trail
    without = session.but(trail=trail, line="", line_queue="", no_promise=False)
    return Go(without, session.resume, remember=False)


def _goodbye(session: Session, world: World) -> End:
    """Who fell silent and cannot be rung: when a person answers, and what is kept for them."""
    withheld = session.caller_kind == CallerKind.NONE
    kept: tuple[Line, ...] = ()
    if is_worth_resuming(session):
        kept = (Line("kept_for_line"),)
        if withheld:
            kept = (Line("kept_with_code", {"code": world.new_resume_code()}),)
    last = Line("goodbye_unreachable" if withheld else "goodbye_later")
    told = (*hours_told(world), *kept, last)
    return End(session.but(coded=session.coded or withheld), told, keeps=bool(kept))


def _can_wait_for_place(session: Session) -> bool:
    """Whether all is known that the waiting list needs, and there is nothing booked yet."""
    booked = session.reference or session.mine or session.moving
    return bool(session.born and session.territory and session.postcode and not booked)


class Person(Step):
    name = "person"
    part = Part.PERSON
    page = "par-telephone"
    after = "my_nothing_else"
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        way_back = "" if not session.resume else "_or_go_on"
        if session.no_promise:
            if not session.resume:
                return menu("person_later")
            return menu(f"person_later{way_back}{self._list(session)}")
        if session.caller_kind == CallerKind.NONE:
            return menu(f"person_unknown{way_back}")
        return menu(f"person_known{way_back}", ending=session.caller[-2:])

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if session.no_promise:
            return self._take_without_promise(session, pressed, world)
        known = session.caller_kind != CallerKind.NONE
        if known and pressed in ("1", *PERSON_KEYS):
            return _promise(session, world, session.caller)
        if pressed == ("2" if known else "1") or pressed in PERSON_KEYS:
            return Go(session, "person_number")
        if session.resume and pressed == ("3" if known else "2"):
            return _go_on(session, world)
        return NO_SUCH_KEY

    def tells_person(self, question: Question, tries: int) -> bool:
        # A person was asked for already.
        return False

    def give_up(self, session: Session, world: World) -> Move:
        if session.by_text:
            # Nothing is promised that was not asked for, and a caller who writes may write again.
            return End(session, (Line("goodbye_later"),))
        known = session.caller_kind != CallerKind.NONE
        if known and not session.no_promise:
            return _promise(session, world, session.caller)
        if session.silent_turns >= self.patience:
            return _goodbye(session, world)
        if not session.no_promise:
            return Go(session, "person_number", remember=False)
        return _go_on(session, world) if session.resume else Go(session, "person", remember=False)

    def _take_without_promise(self, session: Session, pressed: str, world: World) -> Move:
        if pressed in PERSON_KEYS:
            # It may have changed since.
            return knock(session.but(wants_person=True), world, remember=False)
        if pressed == "1":
            if session.resume:
                return _go_on(session, world)
            return End(session, (Line("goodbye_later"),))
        if pressed == "2" and session.resume and self._list(session):
            return wait_for_place(session)
        return NO_SUCH_KEY

    def _list(self, session: Session) -> str:
        return "_or_list" if _can_wait_for_place(session) else ""


class PersonNumber(TypedNumber):
    name = "person_number"
    part = Part.PERSON
    page = TELEPHONE_ONLY
    patience = 3
    check = "person_number_check"

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed not in PERSON_KEYS:
            return super().take(session, pressed, world)
        if session.caller_kind != CallerKind.NONE:
            return _promise(session, world, session.caller)
        return Go(session, "person", remember=False)

    def give_up(self, session: Session, world: World) -> Move:
        if session.by_text:
            return Go(session, "person", remember=False)
        if session.caller_kind != CallerKind.NONE:
            return _promise(session, world, session.caller)
        return Go(session, "person", remember=False)


class PersonNumberCheck(NumberCheck):
    name = "person_number_check"
    part = Part.PERSON
    page = TELEPHONE_ONLY
    typed_at = "person_number"

    def tells_person(self, question: Question, tries: int) -> bool:
        return False

    def take(self, session: Session, pressed: str, world: World) -> Move:
        return super().take(session, "1" if pressed in PERSON_KEYS else pressed, world)

    def only_by_key(self, session: Session) -> frozenset[str]:
        # A caller is rung or written to there, and nothing reads it again.
        return frozenset({"1"})

    def agreed(self, session: Session, world: World) -> Move:
        return _promise(session, world, session.typed)
