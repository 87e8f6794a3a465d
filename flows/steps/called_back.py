"""A number that we ring: a person proves to be there, by a key or a yes, before anything else.

An answering machine talks and presses nothing. The person who picks up may not be the one who
asked. So nothing is said but that this service was asked, or rung, from this telephone.
"""

from __future__ import annotations

from typing import Any

from flows.agents import RungPerson
from flows.questions import TELEPHONE_ONLY, End, Go, Miss, Move, Part, Question
from flows.session import Proving, Session
from flows.speech import Line, Listen
from flows.steps.common import NO_SUCH_KEY, Step
from flows.steps.line import QUEUE
from flows.steps.queue import with_agent
from flows.steps.resume import Resume
from flows.understanding.words import choice
from flows.world import World

STEP = "callback_check"
# A person alone is behind these: an agent waits at the other end already.
PROOFS = ("1", "0", "00", "000")
# By the reason of the promise: what a call of ours tells once the birth date was given.
PROVED_BY_BIRTH_DATE: dict[str, dict[str, Any]] = {
    "appointment": {"proving": Proving.RUNG},
    "offer": {"is_offered": True},
}
ABOUT_SOMETHING = frozenset({*PROVED_BY_BIRTH_DATE, "news"})
# The table of what people say when they pick up, before they have heard a word. Its one key means
# nothing.
_GREETING = "callback_greeting"
_GREETS = "7"


class CalledBack(Step):
    """1 or yes: a person is there. 2: no more calls wanted. Silence: a machine, or no person."""

    name = STEP
    part = Part.PERSON
    page = TELEPHONE_ONLY
    after = "person_number_check"
    patience = 3

    def question(self, session: Session, world: World) -> Question:
        # Words from the first try: the hand that picked up may be far from the keys.
        return Question(f"{STEP}_{session.rung_as}", Listen(speech=True))

    def tells_person(self, question: Question, tries: int) -> bool:
        # A person is what the others were rung for: key 1 leads there.
        return question.prompt not in {f"{STEP}_asked", f"{STEP}_cut"}

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            world.callback_refused(session.rung_for)
            return End(session, (Line("callback_left"),))
        if pressed not in PROOFS:
            return NO_SUCH_KEY
        answered = world.callback_answered(session.rung_for)
        if answered is RungPerson.OVER:
            return End(session, (Line("callback_over"),))
        if answered is RungPerson.MACHINE:
            return _goes_on(session, pressed, world)
        passed = (Line("callback_to_person"),)
        if answered is RungPerson.AGENT:
            return with_agent(_with_what_was_given(session, world), passed)
        # The agent was lost while it rang: the caller still has the first place in the queue.
        return Go(session.but(wants_person=True), QUEUE, passed, remember=False)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        if choice(text, world.vocabulary(session.language), _GREETING) == _GREETS:
            return Miss(f"reason.{_GREETING}")
        return super().hear(session, text, world)

    def give_up(self, session: Session, world: World) -> Move:
        if session.rung_as in ABOUT_SOMETHING:
            # A voice box may record this. A listener learns the number to ring, and nothing else.
            return End(session, (Line("callback_nobody_told", {"number": world.our_number()}),))
        return End(session, (Line("callback_nobody"),))


def _goes_on(session: Session, pressed: str, world: World) -> Move:
    """The call that they made, where it was left; or a person after all."""
    if pressed != "1":
        return Go(session.but(resume="", wants_person=True), "person", remember=False)
    if session.rung_as in PROVED_BY_BIRTH_DATE:
        told = session.but(**PROVED_BY_BIRTH_DATE[session.rung_as])
        return Go(told, "date_of_birth", (Line("rung_prove"),), remember=False)
    if session.rung_as == "news":
        world.news_told(session.rung_for)
        return Go(session, "welcome", (Line("news_told"),), remember=False)
    if not session.earlier:
        return Go(session, "welcome", remember=False)
    return Resume().take(session, "1", world)


def _with_what_was_given(session: Session, world: World) -> Session:
    """Take over the slot that their own call still holds, for a person who goes on with it."""
    taken = world.take_up(session.earlier) if session.earlier else None
    return session if taken is None else session.but(offers=taken.session.offers)
