"""Each prompt of the conversation with a call that has come to it, and what can be done there."""

from __future__ import annotations

import re

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from flows.engine import advance
from flows.questions import Question
from flows.session import Session
from flows.speech import Heard, Speech, keys
from flows.steps import STEPS
from ivr.addresses import Addresses
from ivr.twiml import render
from prompts.catalogue import PAUSE, load
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk
from tests.flows.walk import CAMPAIGNS, WalkTurn, walk, weather
from tests.flows.walk import place as place_of
from tests.ivr.line import Document, read
from tests.support.house import BASE

# No answer to any question, and no menu has such a key.
NEVER = "77"
# A person is asked for once, or three times by mistake.
PERSON_KEYS = ("0", "00", "000")
ADDRESSES = Addresses(BASE)


@dataclass(frozen=True)
class Place:
    """A prompt as one call came to it, for the first time."""

    name: str
    session: Session
    weather: str

    def __str__(self) -> str:
        return f"{self.name} ({self.session.caller_kind})"

    @property
    def step(self) -> str:
        return self.session.step

    def world(self) -> FakeWorld:
        """The outside of that call, which remembers what is asked of it from now on."""
        if self.weather in CAMPAIGNS:
            found = CAMPAIGNS[self.weather]()
            assert isinstance(found, FakeWorld)
            return found
        return weather(self.weather)

    def question(self) -> Question:
        return STEPS[self.step].question(self.session, self.world())

    def speech(self, *, wording: int = 0, **changes: object) -> Speech:
        """What is heard there on a try, without what is said about the try before."""
        session = self.session.but(misses=wording, **changes)
        return advance(session, keys("9"), self.world())[1]


class Goes(Talk):
    """A call that goes on from a place: somebody is there, and has failed nowhere so far."""

    def __init__(self, place: Place, **changes: object) -> None:
        self.world = place.world()
        self.session = place.session.but(**changes)
        self.presses("9")

    @property
    def promised(self) -> bool:
        """Whether something was stored that somebody will see to."""
        place = any(done[0] == "promise" for done in self.world.line)
        asked = self.world.promises or self.world.owners_asked
        return bool(place or asked or self.world.waits or self.world.news)

    @property
    def heard(self) -> str:
        """All that was said since the last answer, with its pauses."""
        return said(self.speech)

    @property
    def question_heard(self) -> str:
        """The prompt alone, as it was said."""
        question = STEPS[self.step].question(self.session, self.world)
        own = {question.prompt, question.lead}
        return said(self.speech, only=own)


def said(speech: Speech, only: set[str] | None = None) -> str:
    texts = [
        load(line.language or speech.language).say(
            line.key, line.values, line.wording, now=speech.now
        )
        for line in speech.lines
        if only is None or line.key in only
    ]
    return PAUSE.join(texts)


def document(speech: Speech) -> Document:
    """What the provider plays, read under its rules."""
    return read(render(speech, load(speech.language), ADDRESSES, 7).encode())


@lru_cache
def places() -> tuple[Place, ...]:
    """Every prompt that the walk came to, once for each kind of caller who hears it."""
    found: dict[tuple[str, str], Place] = {}
    met = set()
    for turn in walk().turns:
        after = turn.after
        told = (after.step, after.caller_kind, *(line.key for line in turn.speech.lines))
        if turn.speech.listen is None or after.language != "fr" or told in met:
            continue
        met.add(told)
        fresh = after.but(
            misses=0, silent_turns=0, unsure=False, speaks=False, speech_off_at="", replied=""
        ).but(alive=True)
        place = Place("", fresh, turn.weather)
        question = place.question()
        name = ", ".join(filter(None, (question.lead, question.prompt)))
        found.setdefault((name, after.caller_kind), Place(name, fresh, turn.weather))
    return tuple(found.values())


def prompts() -> Iterator[Place]:
    """Every prompt once."""
    yield from {place.name: place for place in places()}.values()


def reached(turns: tuple[WalkTurn, ...], by: set[Heard]) -> tuple[WalkTurn, ...]:
    """The turns that a call can come to in which nothing else than `by` is ever heard."""
    ways: dict[Session, list[WalkTurn]] = {}
    waiting: list[WalkTurn] = []
    # Most turns share their sessions with others: each is looked at once.
    places: dict[int, Session] = {}

    def place_in(session: Session) -> Session:
        if id(session) not in places:
            places[id(session)] = _without_words(session)
        return places[id(session)]

    for turn in turns:
        if turn.heard.kind is Heard.RING:
            waiting.append(turn)
        elif turn.heard.kind in by:
            ways.setdefault(place_in(turn.before), []).append(turn)
    found: list[WalkTurn] = []
    while waiting:
        turn = waiting.pop()
        found.append(turn)
        waiting += ways.pop(place_in(turn.after), [])
    return tuple(found)


def _without_words(session: Session) -> Session:
    """A place is the same one, whether it was come to by keys or by words."""
    heard_nothing = {"speaks": False, "speech_off_at": "", "replied": "", "unsure": False}
    return place_of(session).but(place_in_words=False, **heard_nothing)


def sentences(marked: str) -> list[str]:
    """A pause ends a sentence, too."""
    return [one.strip() for one in re.split(r"(?<=[.!?])\s+|\|", marked) if one.strip()]
