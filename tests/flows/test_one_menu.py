"""What is wanted, and for whom, is one question of the welcome."""

from __future__ import annotations

import pytest

from flows.session import CallerKind, Party
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk


def test_who_comes_alone_presses_one_key_and_gives_the_birth_date():
    talk = Talk().presses("1")
    assert (talk.step, talk.session.whom) == ("date_of_birth", Party.SELF)
    assert talk.said == ["date_of_birth"]


@pytest.mark.parametrize(
    ("key", "whom", "about"), [("1", Party.OTHER, "about_other"), ("2", Party.TWO, "about_first")]
)
def test_for_others_the_second_menu_asks_how_many(key: str, whom: Party, about: str):
    talk = Talk().presses("2")
    assert talk.said == ["for_others"]
    talk.presses(key)
    assert talk.session.whom == whom
    assert talk.said == [about, "date_of_birth"]
    # One step back is the short menu again, and then the welcome.
    assert [talk.presses("*").step for _ in range(2)] == ["for_others", "welcome"]


def test_a_third_person_is_not_offered_there():
    assert Talk().presses("2", "3").said[0] == "reason.key"


def test_an_appointment_that_is_there_has_the_third_key():
    assert Talk().presses("3").step == "my_reference"


@pytest.mark.parametrize(
    ("said", "step", "whom"),
    [
        ("prendre rendez-vous", "for_whom", ""),
        ("je voudrais un rendez-vous", "for_whom", ""),
        ("pour moi", "date_of_birth", Party.SELF),
        ("pour ma femme", "date_of_birth", Party.OTHER),
        ("pour ma femme et moi", "date_of_birth", Party.TWO),
        ("pour un proche ou pour deux", "for_others", ""),
        ("mon rendez-vous", "my_reference", Party.SELF),
    ],
)
def test_words_lead_where_they_say(said: str, step: str, whom: str):
    talk = Talk().says(said)
    assert talk.step == step
    assert not whom or talk.session.whom == whom


@pytest.mark.parametrize(
    ("said", "whom"),
    [
        ("pour un proche", Party.OTHER), ("c'est pour une personne", Party.OTHER),
        ("pour mon mari", Party.OTHER), ("pour deux personnes", Party.TWO), ("à deux", Party.TWO),
        ("deux", Party.TWO), ("pour mon mari et moi", Party.TWO),
    ],
)  # fmt: skip
def test_words_answer_the_second_menu(said: str, whom: Party):
    assert Talk().presses("2").says(said).session.whom == whom


def test_languages_have_the_keys_behind_the_options_and_the_code_one_of_its_own():
    three = FakeWorld(spoken_here=("fr", "en", "es"))
    assert Talk(three).presses("4").session.language == "en"
    assert Talk(three).presses("5").session.language == "es"
    withheld = Talk(three, CallerKind.NONE)
    told = {line.values["key"] for line in withheld.speech.lines if line.key == "choose_language"}
    assert told == {4, 5}
    assert "resume_code_offer" in withheld.said
    assert withheld.presses("7").step == "resume_code"
    assert Talk().presses("6").step == "interpreter"
