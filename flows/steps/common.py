"""What most steps share: patience, and the person behind the last easier way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime

from flows.questions import End, Go, Miss, Move, Part, Question
from flows.session import Offer, Session
from flows.speech import Line, Listen
from flows.understanding.words import choice
from flows.world import Earlier, World

NO_SUCH_KEY = Miss("reason.key")
# Words were understood, and only a key does what they ask for: see Step.only_by_key.
BY_KEY = Miss("reason.by_key")
# Once all is done and told, so many silences on end are a goodbye.
TOLD_SILENCES = 2
# The sentence that says what an appointment is for.
WHAT_FOR = "what_for"
# The reason of the promise: an agent must look at what was asked for.
PERSON_NEEDED = "person_needed"


def reads_back(step: str) -> bool:
    """Whether a step only asks if what was understood is right."""
    return step == "confirm" or step.endswith("_check")


def to_person(session: Session) -> Go:
    """We do not understand each other: a person, with the way back to this question."""
    return Go(session.but(resume=session.step), "person", (Line("hard_to_understand"),))


def to_agent(session: Session) -> Go:
    """An agent looks at what was asked for; no way leads back to the question."""
    looked_at = session.but(resume="", person_reason=PERSON_NEEDED)
    return Go(looked_at, "person", (Line("person_needed"),), remember=False)


def in_words_for(offer: Offer, prompt: str) -> str:
    """The key of a sentence about a choice: one about two appointments has words of its own."""
    return f"{prompt}_both" if offer.comes_twice else prompt


def moments(offer: Offer) -> dict[str, datetime]:
    """When to come, by the centre's clock: `start` and, where there is one, `second`."""
    if offer.local_second is None:
        return {"start": offer.local_start}
    return {"start": offer.local_start, "second": offer.local_second}


def offer_to_resume(session: Session, earlier: Earlier) -> Session:
    """A call that rings, or gave a code: it may go on from an earlier one."""
    return session.but(
        language=earlier.language or session.language,
        earlier=earlier.call_id,
        earlier_booked=earlier.booked,
        kept_town=earlier.town if earlier.until else "",
        kept_until=earlier.until.isoformat() if earlier.until else "",
        kept_zone=earlier.zone if earlier.until else "",
    )


def said_services(campaigns: Iterable[str], session: Session, world: World) -> tuple[str, ...]:
    """What these campaigns are for, as the language of the call says it."""
    return tuple(world.service_words(campaign, session.language).said for campaign in campaigns)


def what_for(session: Session, world: World, prompt: str = WHAT_FOR) -> tuple[Line, ...]:
    """What the appointment of now is for: said where appointments are given for several things.

    Never in a text: the person who holds the telephone reads it.
    """
    if session.by_text or not session.wanted or world.rules().services < 2:  # noqa: PLR2004
        return ()
    return (Line(prompt, {"services": said_services(session.wanted, session, world)}),)


def what_for_at(session: Session, world: World) -> tuple[Line, ...]:
    """The same of what was chosen, with the hour of each where one is done after the other."""
    offer = session.choice
    second = offer.local_second
    if second is None or offer.comes_twice or len(session.wanted) < 2:  # noqa: PLR2004
        return what_for(session, world)
    names = said_services(session.wanted, session, world)
    (first, first_at), (then, then_at) = sorted(
        zip(names, (offer.local_start, second), strict=False), key=lambda one: one[1]
    )
    values = {"service1": first, "start": first_at, "service2": then, "second": then_at}
    return (Line(f"{WHAT_FOR}_in_turn", values),)


class Step(ABC):
    """One question of the conversation: how it is put, and what an answer does.

    A class with a `name` of its own in a file of `flows/steps/` is found there. It takes words:
    those of its own in the language's file, or the key's number.
    """

    name: str
    # Where it is counted on the supervisors' board, and the step that it is listed behind there;
    # without one, behind the step above it in its file. Its label is `step.<name>` of the desk's
    # words.
    part: Part
    after: str
    # The last part of its page's address on the public site, or TELEPHONE_ONLY.
    page: str
    # True where that page offers what the menu's keys stand for: it needs words, and no template.
    page_of_keys = False
    # True where a date may be said: a month's name is expected, and agents read digits as a date.
    takes_date = False
    # Tries before the next easier way is taken (the call script: two, then easier, then a person).
    patience: int
    # True where one part of a sentence may answer alone; hearing it only reads.
    hears_parts = False
    # True at the start and at the end of a call, and where the service has nothing to give: there
    # key 0, which works everywhere, is told on the first try, too.
    tells_person_at_once = False

    # Keys that are taken and never spoken: they are printed where those read who need them.
    printed_keys: frozenset[str] = frozenset()
    # Keys that other languages tell, each in its own words: callers keep one of them in mind.
    language_keys: frozenset[str] = frozenset()
    # How many digits are typed at the most; 1: a key answers.
    most_digits = 1

    def question(self, session: Session, world: World) -> Question:
        """The sentence that is called like the step, where it needs no values."""
        return Question(self.name, Listen(self.most_digits))

    def tells_person(self, question: Question, tries: int) -> bool:
        """Whether key 0 is told beside the other keys, after so many failed tries."""
        return self.tells_person_at_once or tries > 0

    # What is said of the last silence before nothing more is waited for.
    silence = "reason.silence"

    def silences(self, session: Session) -> int:
        """After how many silences on end nothing more is waited for; 0: each is a failed try."""
        return 0

    @abstractmethod
    def take(self, session: Session, pressed: str, world: World) -> Move: ...

    @abstractmethod
    def give_up(self, session: Session, world: World) -> Move:
        """The next easier way after `patience` failed tries."""

    def reads_once_more(self, session: Session) -> tuple[Line, ...]:
        """What is said before the question each time, since only words agreed to it."""
        return ()

    def only_by_key(self, session: Session) -> frozenset[str]:
        """Keys that no word stands for here, since what they do is done.

        A recogniser may be sure of a word that a television said. Such a step inherits `hear`.
        """
        return frozenset()

    def needs_key(self, session: Session) -> frozenset[str]:
        """The same keys; none for a writer, for no recogniser makes up what is written."""
        return frozenset() if session.by_text else self.only_by_key(session)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        """Take an answer in words; None when they mean nothing here."""
        words = world.vocabulary(session.language)
        # A step that asks in several ways may have words of its own for each of them.
        prompt = self.question(session, world).prompt
        key = choice(text, words, prompt if prompt in words.choices else self.name)
        if key in self.needs_key(session):
            return BY_KEY
        move = key and self.take(session, key, world)
        # What is understood and not offered here (a fourth of three) means nothing here.
        return None if not move or move == NO_SUCH_KEY else move


class Patient(Step):
    """Three wordings, then a person."""

    patience = 3

    def give_up(self, session: Session, world: World) -> Move:
        return to_person(session)


class Told(Patient):
    """What the caller came for is done and told: one more wording, then silence is a goodbye."""

    silence = "reason.silence_told"

    def silences(self, session: Session) -> int:
        return TOLD_SILENCES

    def give_up(self, session: Session, world: World) -> Move:
        if session.silent_turns >= TOLD_SILENCES:
            return self.end(session, world)
        return super().give_up(session, world)

    def end(self, session: Session, world: World) -> Go | End:
        return End(session, (Line("goodbye"),))
