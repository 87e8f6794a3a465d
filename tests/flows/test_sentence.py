"""A caller who says it all in one sentence: read back once, and only the rest is asked."""

from __future__ import annotations

import pytest

from flows.session import Party
from flows.verification.rehearsed import TOWNS
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk

ALL = "bonjour je voudrais un rendez-vous pour mon mari il est né le 12 mars 1942 code postal 75011"
NOT_WHO = "bonjour un rendez-vous le 12 mars 1942 code postal 75011"
NO_PLACE = "c'est pour ma mère elle est née le 12 mars 1942"
NO_DATE = "c'est pour ma mère code postal 75011"
NAMED = "c'est pour mon mari né le 12 mars 1942 on habite à Vitré"


def read_back(talk: Talk) -> dict[str, object]:
    assert talk.step == "sentence_check"
    return dict(talk.asked.values)


def test_three_answers_before_the_last_look():
    talk = Talk().says(ALL)
    assert talk.said == ["sentence_born", "sentence_check_code"]
    assert read_back(talk)["whom"] == "husband"
    # Nothing is taken before it is agreed to.
    assert (talk.session.born, talk.session.postcode) == ("", "")
    talk.says("oui c'est juste")
    assert (talk.step, talk.session.born, talk.session.postcode) == (
        "offers", "1942-03-12", "75011",
    )  # fmt: skip
    assert talk.session.whom == Party.OTHER
    assert talk.presses("1").step == "confirm"


def test_the_same_at_the_second_question():
    talk = Talk().presses("2")
    assert talk.step == "for_others"
    assert talk.takes_words()
    assert talk.says(ALL).presses("1").step == "offers"


def test_who_is_asked_before_the_whole_is_read_back():
    talk = Talk().says(NOT_WHO)
    assert talk.said == ["for_whom"]
    talk.presses("1")
    assert read_back(talk)["whom"] == "self"
    assert talk.presses("1").step == "offers"


def test_of_two_people_the_date_is_asked_for_it_may_be_the_others():
    talk = Talk().says(NOT_WHO).presses("3")
    assert talk.said == ["sentence_two", "sentence_check_code"]
    talk.presses("1")
    assert talk.said == ["about_first", "date_of_birth"]
    assert talk.presses("12031942", "1").step == "offers"


@pytest.mark.parametrize(
    ("sentence", "asked"), [(NO_PLACE, "postcode"), (NO_DATE, "date_of_birth")]
)
def test_only_what_lacks_is_asked(sentence: str, asked: str):
    talk = Talk().says(sentence).presses("1")
    assert talk.step == asked
    # A postcode that is typed is read with the offers.
    talk.presses(*(["75011"] if asked == "postcode" else ["12031942", "1"]))
    assert talk.step == "offers"


def test_a_person_alone_needs_no_read_back():
    talk = Talk().says("bonjour je voudrais un rendez-vous pour ma femme")
    assert talk.said == ["about_other", "date_of_birth"]


def test_the_callers_mother_is_so_named_up_to_the_last_look():
    talk = Talk().says(NO_PLACE).presses("1", "75011", "1")
    assert (talk.step, talk.asked.values["whom"]) == ("confirm", "mother")
    talk = Talk().says("bonjour je voudrais un rendez-vous pour ma mère")
    assert talk.asked.values["whom"] == "mother"
    # A line may be shared: whose mother is not said to a caller who goes on after a cut.
    talk.session = talk.session.but(resumed=True)
    assert talk.says("pardon ?").asked.values["whom"] == "relative"
    # Of somebody else than was said first, the first word is not kept.
    talk = (
        Talk().says(ALL).presses("2").says("la personne").says("c'est pour un proche").presses("1")
    )
    assert (talk.presses("1").step, talk.asked.values["whom"]) == ("confirm", "relative")


def test_a_no_with_what_is_right_is_read_back_again():
    talk = Talk().says(ALL).says("non le 13 mars 1942")
    assert str(read_back(talk)["born"]) == "1942-03-13"
    assert read_back(talk)["postcode"] == "75011"
    talk.says("non code postal 35500")
    assert read_back(talk)["postcode"] == "35500"
    assert talk.presses("1").session.postcode == "35500"


def test_a_no_with_the_right_town():
    talk = Talk(FakeWorld(named_towns=(TOWNS["35500"],))).says(ALL).says("non à Vitré")
    assert read_back(talk)["town"] == "Vitré"


@pytest.mark.parametrize(
    ("key", "asked", "then"),
    [
        ("2", "date_of_birth", ("13031942", "1")),
        ("3", "postcode", ("35500",)),
    ],
)
def test_a_no_loses_nothing_that_is_right(key: str, asked: str, then: tuple[str, ...]):
    talk = Talk().says(ALL).says("non")
    assert talk.step == "sentence_which"
    talk.presses(key)
    assert talk.step == asked
    talk.presses(*then)
    assert talk.step == "offers"
    assert talk.session.whom == Party.OTHER


def test_after_a_second_no_the_questions_come_one_by_one_and_no_sentence_is_taken():
    """A caller who always changes the first thing, while a television says the sentence again."""
    talk = Talk().says(ALL).presses("2", "1", "1")
    assert talk.step == "sentence_check"
    talk.presses("2")
    assert talk.said == ["one_by_one", "for_whom"]
    assert talk.says(ALL).step == "for_whom"
    talk.presses("1")
    assert (talk.step, talk.session.born) == ("date_of_birth", "")


def test_another_person_keeps_date_and_place():
    talk = Talk().says(ALL).presses("2").says("la personne")
    assert talk.said == ["for_whom"]
    talk.presses("1")
    assert read_back(talk) | {"whom": "self", "postcode": "75011"} == read_back(talk)


def test_where_only_two_parts_were_said_two_are_offered():
    assert Talk().says(NO_PLACE).presses("2").said == ["sentence_which_born"]
    talk = Talk().says(NO_DATE).presses("2")
    assert talk.said == ["sentence_which_place"]
    assert talk.presses("2").step == "date_of_birth"
    assert talk.presses("12031942", "1").step == "postcode"


@pytest.mark.parametrize("noise", [None, "et maintenant la météo", "👵🏻" * 20, "a" * 1600])
def test_silence_or_noise_at_the_read_back_leads_to_the_easier_questions(noise: str | None):
    talk = Talk().says(ALL)
    for _ in range(2):
        talk = talk.says(noise) if noise else talk.stays_silent()
    assert "one_by_one" in talk.said
    assert talk.step == "for_whom"
    # And nothing of the sentence is left.
    talk.presses("1")
    assert (talk.step, talk.session.born) == ("date_of_birth", "")


def test_nothing_is_agreed_to_by_a_word_that_was_hardly_heard():
    talk = Talk().says(ALL).says("oui", confidence=0.3)
    assert (talk.step, talk.session.born) == ("sentence_check", "")


def test_a_sentence_that_was_hardly_heard_is_read_back_with_more_care():
    assert Talk().says(ALL, confidence=0.4).asked.wording == 1


@pytest.mark.parametrize("noise", ["il pleut sur Nantes", "👵🏻" * 20, "a" * 1600, " "])
def test_what_means_nothing_at_the_welcome_leads_to_the_next_wording(noise: str):
    talk = Talk().says(noise)
    assert (talk.step, talk.asked.wording) == ("welcome", 1)
    assert talk.takes_words()
    assert not talk.says(noise).takes_words()


def test_a_place_of_three_departements_is_asked_as_in_any_call():
    lyon = (TOWNS["69001"], TOWNS["69002"], TOWNS["69003"])
    talk = Talk(FakeWorld(named_towns=lyon)).says(NAMED)
    assert talk.said == ["sentence_born", "sentence_check"]
    assert talk.presses("1").step == "postcode"


def test_a_person_is_passed_from_a_long_sentence():
    talk = Talk().says(
        "je voudrais parler à quelqu'un c'est pour mon mari il est né le 12 mars 1942"
    )
    assert talk.step == "person"


def test_whoever_is_too_young_hears_so_and_may_correct():
    talk = Talk().says("pour moi je suis né le 12 mars 1990 code postal 75011").presses("1")
    assert talk.step == "not_eligible"
    talk.presses("1", "12031942", "1")
    assert talk.step == "offers"


def test_one_step_back_reads_the_sentence_again_and_another_goes_to_the_start():
    talk = Talk().says(ALL).presses("1").presses("*")
    assert talk.said == ["sentence_born", "sentence_check_code"]
    assert talk.presses("*").step == "welcome"
    # Begun anew by keys, nothing of it is left.
    assert talk.presses("1").step == "date_of_birth"


def test_what_was_said_before_a_line_was_cut_is_not_read_to_whoever_rings_again():
    talk = Talk().says(NOT_WHO)
    talk.session = talk.session.but(resumed=True)
    talk.presses("1")
    assert talk.said == ["date_of_birth"]


def test_my_appointment_in_a_sentence_goes_where_it_always_went():
    by_key = Talk().presses("3").step
    assert Talk().says("je voudrais annuler mon rendez-vous").step == by_key


def test_in_english_and_in_spanish():
    english = (
        Talk()
        .presses("4")
        .says("I'd like an appointment for my husband he was born on 12 March 1942 postcode 75011")
    )
    assert read_back(english)["whom"] == "husband"
    spanish = (
        Talk(FakeWorld(spoken_here=("fr", "en", "es")))
        .presses("5")
        .says("una cita para mi mujer nació el 12 de marzo de 1942")
    )
    assert read_back(spanish)["whom"] == "wife"
