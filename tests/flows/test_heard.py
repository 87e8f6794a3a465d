"""Callers who ask for time, name a choice, or speak of two people; and a television beside them."""

from __future__ import annotations

import pytest

from flows.speech import TurnOutcome
from tests.flows.talk import Talk
from tests.understanding.situations import France

NOISE = "le journal de vingt heures vous est présenté ce soir depuis nos studios"
WAITS = (
    "attendez",
    "euh attendez, je mets mes lunettes",
    "attendez je demande à mon mari",
    "je cherche la carte d'identité",
    "ne coupez pas, on sonne",
)


@pytest.mark.parametrize("step", ["welcome", "date_of_birth", "postcode", "offers"])
@pytest.mark.parametrize("said", WAITS)
def test_who_asks_for_time_gets_it_and_it_is_no_mistake(step: str, said: str):
    talk = Talk().goes_to(step).says(said)
    assert talk.said == ["take_your_time"]
    assert talk.speech.listen is not None
    assert talk.speech.listen.patient
    assert talk.takes_words()
    talk.stays_silent()
    assert talk.said[0] == "still_here"
    assert (talk.step, talk.session.misses) == (step, 0)
    assert talk.takes_words()


@pytest.mark.parametrize("step", ["welcome", "date_of_birth", "date_of_birth_check", "offers"])
def test_who_comes_back_later_hears_the_question_as_it_was_and_then_in_other_words(step: str):
    """After 20 seconds, and after a silence more; no two prompts are the same."""
    talk = Talk().goes_to(step)
    first = talk.asked
    talk.says("attendez, je mets mes lunettes").stays_silent()
    assert talk.said[0] == "still_here"
    assert talk.asked == first
    talk.stays_silent()
    assert (talk.step, talk.asked.wording) == (step, 1)


def test_who_asks_for_time_twice_still_may_speak():
    talk = Talk().goes_to("date_of_birth").says("attendez", "je mets mes lunettes")
    assert (talk.said, talk.session.misses) == (["take_your_time"], 0)
    talk.stays_silent().says("le douze mars quarante-deux")
    assert talk.session.born == "1942-03-12"


def test_who_asks_for_time_again_and_again_comes_to_the_easier_way():
    talk = Talk().goes_to("date_of_birth").says("attendez", "attendez", "attendez")
    assert (talk.step, talk.session.misses) == ("date_of_birth", 1)
    assert talk.takes_words()
    assert talk.says("attendez").step == "birth_year"


def test_at_the_last_look_all_is_read_again_for_words_cut_it_off():
    talk = Talk().goes_to("confirm").says("attendez, je prends mes lunettes")
    assert talk.said[:3] == ["take_your_time", "confirm_born", "confirm"]


def test_one_noise_leaves_the_ears_open_and_the_second_closes_them():
    talk = Talk().goes_to("offers").says(NOISE)
    assert talk.speech.outcome is TurnOutcome.MISSED
    assert talk.takes_words()
    assert not talk.says(NOISE).takes_words()


def test_words_that_name_a_choice_close_no_ears():
    talk = Talk().goes_to("offers").says("le premier ou le deuxième", "jeudi ou vendredi")
    assert talk.step == "offers"
    assert talk.takes_words()


def test_two_births_in_one_sentence_are_asked_whose_is_meant():
    said = "je suis né le trois mars mais mon mari le quatre mai quarante"
    talk = Talk().goes_to("date_of_birth").says(said)
    assert talk.said[0] == "reason.two_births"
    assert (talk.step, talk.session.born) == ("date_of_birth", "")


def test_a_date_of_history_is_nobodys_birth():
    said = "le débarquement du six juin mille neuf cent quarante-quatre a été commémoré ce matin"
    assert Talk().goes_to("date_of_birth").says(said).session.born == ""


@pytest.mark.parametrize(
    "said",
    [
        "je suis veuve depuis le 3 mai 2015",
        "je suis à la retraite depuis le premier avril 1998",
        "j'ai déménagé le 4 mars 2011",
        "j'habite ici depuis le 3 mai 1980",
        "je suis arrivé à Brest le 4 mai 1965",
    ],
)
def test_a_day_of_a_life_that_is_no_birth_is_asked_again(said: str):
    assert Talk().goes_to("date_of_birth").says(said).session.born == ""


def test_a_birth_beside_such_a_day_is_heard():
    said = "veuve depuis le 4 juin 2015, je suis née le 3 mai 1940"
    assert Talk().goes_to("date_of_birth").says(said).session.born == "1940-05-03"


@pytest.mark.parametrize("said", ["29200 Morlaix", "vingt-neuf mille deux cents Morlaix"])
def test_a_postcode_with_the_name_of_another_town_is_asked_which_is_meant(said: str):
    talk = Talk(France()).goes_to("postcode").says(said)
    assert talk.step == "town_which"
    assert [name for _, name, _ in talk.session.towns_found] == ["Brest", "Morlaix"]
    assert talk.presses("2").session.town == "Morlaix"


@pytest.mark.parametrize("said", ["29270 Carhaix", "92130 Issy", "75012 Paris", "20200 Bastia"])
def test_a_postcode_with_its_own_town_is_no_contradiction(said: str):
    assert Talk(France()).goes_to("postcode").says(said).step == "postcode_check"


@pytest.mark.parametrize("said", ["pour deux jours", "pour deux semaines"])
def test_two_days_are_no_couple(said: str):
    assert Talk().goes_to("welcome").says(said).step == "welcome"


def test_four_hundred_letters_with_three_dates_get_the_question_again():
    said = (
        "alors moi je suis né le douze mars mille neuf cent quarante-deux mon mari le quatre mai "
        "mille neuf cent quarante et notre fils le huit juin mille neuf cent soixante-cinq "
    ) * 3
    talk = Talk().goes_to("date_of_birth")
    talk.says(said[:400])
    assert talk.step == "date_of_birth"
    assert talk.session.born == ""
