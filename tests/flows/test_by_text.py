"""Every conversation by text, by chance: what it says can be read, and nobody is left without."""

from __future__ import annotations

import random

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from flows.agents import QueuePlace
from flows.engine import ENDED, advance
from flows.session import CallerKind, Session
from flows.speech import RING, Input, keys, spoken
from flows.steps import HELD
from flows.understanding.texted import texted
from flows.verification.rehearsal import RehearsedWorld
from flows.verification.weathers import CAMPAIGNS, scenarios
from prompts.by_text import for_the_ear
from services.call.text_conversation import in_texts
from services.messages import sms_parts
from tests.flows.fake_world import FakeWorld

TURNS = 14
# What people write, the sensible more often than the rest.
WRITTEN = (
    *("1", "1", "1", "1", "2", "3", "4", "0", "*", "9", "8", "5", "12031942", "12/03/1942"),
    *("75011", "75011", "35000", "oui", "non", "12 mars 1942", "bla bla", "Vitré", "13/01/2031"),
    *("01/01/1990", "0612345678", "0142685300", "interprète", "urgence", "un instant", "retour"),
)
# An agent is free: whoever rings would be in the queue at once.
AGENT_FREE = partial(FakeWorld, person=QueuePlace("place", "fr", 0))
WORLDS: dict[str, Callable[[], RehearsedWorld]] = {
    **scenarios(AGENT_FREE),
    "no call is promised": partial(AGENT_FREE, callback_after=None),
    "texts are held back": partial(AGENT_FREE, texts_leave=False),
    **{name: partial(make, AGENT_FREE) for name, make in CAMPAIGNS.items()},
}


def somebody(language: str) -> Session:
    return Session(
        language=language,
        alive=True,
        speaks=True,
        caller="+33612345678",
        caller_kind=CallerKind.MOBILE,
        by_text=True,
        number="+33612345678",
        number_answered=True,
    )


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_whatever_is_written_the_answer_is_a_text_that_can_be_read(name: str):
    """Fourteen texts, in French and in one of the others; no table of steps is needed for it."""
    other = ("en", "es")[len(name) % 2]
    for seed, language in enumerate(("fr", other)):
        chance = random.Random(f"{name} {seed}")  # noqa: S311 (not for secrets)
        world = WORLDS[name]()
        session, heard = somebody(language), RING
        for _ in range(TURNS):
            session, speech = advance(session, heard, world)
            answers = in_texts(speech.lines, speech.language)
            assert answers, session.step
            assert session.step not in HELD
            assert not speech.queue
            assert not speech.conference
            for answer in answers:
                assert not for_the_ear(answer), answer
                assert sms_parts.parts(answer) <= 2, answer
            if session.step == ENDED:
                break
            heard = texted(chance.choice(WRITTEN)) or keys("9")


def written(session: Session, world: RehearsedWorld, *bodies: str) -> tuple[Session, str]:
    """The conversation after these texts, and the last answer."""
    session, speech = advance(session, RING, world)
    for body in bodies:
        session, speech = advance(session, texted(body) or keys("9"), world)
    return session, "\n".join(in_texts(speech.lines, speech.language))


def test_a_conversation_of_hours_is_no_long_call():
    """A caller is offered help after some minutes on the line; nobody waits on a text."""
    world = AGENT_FREE()
    session, _ = written(somebody("fr"), world, "1")
    long_ago = (world.now() - timedelta(hours=3)).isoformat()
    session, _ = advance(session.but(began_at=long_ago), keys("12031942"), world)
    assert session.step == "date_of_birth_check"


def test_what_is_written_books_as_a_key_does():
    """No television writes: "oui" confirms, where a caller would be asked for the key."""
    booked, told = written(
        somebody("fr"), AGENT_FREE(), "1", "12 mars 1942", "oui", "75011", "1", "oui"
    )
    assert booked.reference
    assert told.startswith("C'est confirmé.")


def test_a_person_is_told_where_an_answer_was_no_answer():
    session, told = written(somebody("fr"), AGENT_FREE(), "1", "12031942")
    assert "0 Une personne" not in told
    _, speech = advance(session, keys("7"), AGENT_FREE())
    assert in_texts(speech.lines, "fr")[-1].endswith("\n0 Une personne")


def test_the_last_look_has_no_key_for_another_telephone():
    session, told = written(somebody("fr"), AGENT_FREE(), "1", "12031942", "1", "75011", "1")
    assert session.step == "confirm"
    assert told.endswith("1 Confirmer, 2 Changer")
    assert "portable" not in told
    session, _ = advance(session, keys("3"), AGENT_FREE())
    assert session.step == "confirm"


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("pour mon mari né le 12 mars 1942", "né le 12 mars 1942.\n1 Oui, 2 Corriger"),
        ("pour mon mari, 75011", "75011, Paris 11e. 1 Oui, 2 Corriger"),
    ],
)
def test_what_is_written_in_one_sentence_is_read_back(said: str, asked: str):
    session, told = written(somebody("fr"), AGENT_FREE(), said)
    assert session.step == "sentence_check", told
    assert told.endswith(asked)
    _, speech = advance(session, keys("2"), AGENT_FREE())
    assert in_texts(speech.lines, "fr")[0].startswith("Que faut-il changer ?")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("1", keys("1")),
        (" 2. ", keys("2")),
        ("(3)", keys("3")),
        ("١", keys("1")),
        ("12/03/1942", keys("12031942")),
        ("12.3.42", keys("120342")),
        ("12 03 1942", keys("12031942")),
        ("1942-03-12", keys("12031942")),
        ("75 011", keys("75011")),
        ("06 12 34 56 78", keys("0612345678")),
        ("+33 6 12 34 56 78", keys("0612345678")),
        ("12 mars 1942", spoken("12 mars 1942")),
        ("né le 12/03/1942 à Vitré", spoken("né le 12/03/1942 à Vitré")),
        ("**", keys("*")),
        ("👍", None),
        ("", None),
        ("x" * 301, None),
        ("1 " * 200, None),
    ],
)
def test_a_text_is_keys_where_it_is_digits(body: str, answer: Input | None):
    assert texted(body) == answer
