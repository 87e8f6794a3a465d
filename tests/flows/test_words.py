"""Answers in words: when they are taken, what they do, and what a television must not do."""

from __future__ import annotations

import re

import pytest

from flows.engine import advance
from flows.speech import Speech, TurnOutcome, spoken
from flows.steps import STEPS
from prompts.catalogue import load
from tests.flows.fake_world import FakeWorld, offers
from tests.flows.talk import Talk
from tests.flows.walk import walk, weather

NOISE = "le journal de vingt heures vous est présenté ce soir depuis nos studios"
SENT_TO_KEYS = re.compile(
    r"cette fois|marchent mieux|seules les touches|[Rr]épondez avec les touches"
)


def test_words_are_taken_from_the_second_try_and_keys_always():
    talk = Talk().goes_to("date_of_birth")
    assert not talk.takes_words()
    talk.stays_silent()
    assert talk.takes_words()
    assert "you_may_speak" in [line.key for line in talk.speech.lines]
    talk.presses("12031942")
    assert talk.step == "date_of_birth_check"


def test_whoever_spoke_once_may_speak_at_once_ever_after():
    talk = Talk().goes_to("date_of_birth").stays_silent().says("né le douze mars quarante-deux")
    assert talk.step == "date_of_birth_check"
    for said, step in (
        ("oui c'est ça", "postcode"),
        ("soixante-quinze zéro onze", "postcode_check"),
        ("oui oui c'est exact", "offers"),
        ("le deuxième s'il vous plaît", "confirm"),
    ):
        assert talk.takes_words()
        talk.says(said)
        assert talk.step == step
    assert talk.session.chosen == 1
    assert talk.session.born == "1942-03-12"


def test_after_words_that_mean_nothing_the_next_try_takes_keys_alone():
    talk = Talk().goes_to("date_of_birth").stays_silent().says(NOISE)
    assert talk.said[0] == "reason.not_understood"
    assert not talk.takes_words()
    talk.presses("9", "1942" if talk.step == "birth_year" else "12031942")
    assert talk.step in {"date_of_birth_check", "birth_month"}


def sent_to_keys(speech: Speech) -> bool:
    lines = [line for line in speech.lines if line.key.startswith(("reason.", "use_keys"))]
    said = [load("fr").say(line.key, line.values, line.wording) for line in lines]
    return any(map(SENT_TO_KEYS.search, said))


def test_the_keys_are_told_where_words_are_shut_and_the_voice_where_they_are_not():
    talk = Talk().goes_to("postcode").stays_silent().says(NOISE)
    assert talk.step == "town"
    assert talk.takes_words()
    assert not sent_to_keys(talk.speech)
    talk = Talk().goes_to("offers").says(NOISE).says(NOISE)
    assert not talk.takes_words()
    assert sent_to_keys(talk.speech)


@pytest.mark.parametrize("speaks", [False, True])
@pytest.mark.parametrize(
    ("said", "confidence"), [(NOISE, 0.9), ("oui", 0.9), ("oui", 0.4), (NOISE, 0.1)]
)
def test_no_prompt_sends_a_caller_to_the_keys_and_offers_the_voice(
    said: str, confidence: float, *, speaks: bool
):
    """At every question of the walk, at each of its wordings, twice in a row."""
    asked = {
        (turn.after.step, turn.after.misses): turn
        for turn in walk().turns
        if turn.speech.listen and turn.after.language == "fr" and turn.after.step in STEPS
    }
    assert len(asked) > 2 * len(STEPS)
    told = 0
    for turn in asked.values():
        session, world = turn.after.but(speaks=speaks), weather(turn.weather)
        for _ in range(2):
            session, speech = advance(session, spoken(said, confidence), world)
            if speech.listen is None or session.step not in STEPS:
                break
            told += sent_to_keys(speech)
            assert not (sent_to_keys(speech) and speech.listen.speech), (str(turn), speech.lines)
    assert told


def test_a_television_neither_books_nor_confirms():
    talk = Talk().goes_to("confirm").says("oui", confidence=0.4)
    assert talk.said[0] == "reason.hardly_heard"
    assert talk.world.orders == []
    assert not talk.takes_words()


def test_a_date_that_was_hardly_heard_is_read_back_in_more_words():
    sure = Talk().goes_to("date_of_birth").says("douze mars quarante-deux", confidence=0.9)
    unsure = Talk().goes_to("date_of_birth").says("douze mars quarante-deux", confidence=0.4)
    assert (sure.step, unsure.step) == ("date_of_birth_check", "date_of_birth_check")
    assert (sure.asked.wording, unsure.asked.wording) == (0, 1)


def test_what_was_never_said_to_us_is_nothing():
    talk = Talk().goes_to("date_of_birth").says("douze mars quarante-deux", confidence=0.1)
    assert talk.step == "date_of_birth"
    assert talk.speech.outcome is TurnOutcome.MISSED


@pytest.mark.parametrize("said", ["c'est une urgence", "je fais un malaise", "je ne respire plus"])
@pytest.mark.parametrize("step", ["welcome", "date_of_birth", "offers", "confirm"])
def test_an_emergency_is_sent_to_the_right_number_at_any_question(said: str, step: str):
    talk = Talk().goes_to(step).says(said)
    assert talk.said[0] == "emergency"
    assert talk.step == step
    assert talk.session.misses == 0


def test_an_emergency_on_a_television_is_noise_the_second_time():
    talk = Talk().goes_to("postcode").says("au secours c'est une urgence", confidence=0.3)
    assert talk.said[0] == "emergency"
    assert not talk.takes_words()
    talk.says("au secours c'est une urgence", confidence=0.3)
    assert talk.said[0] == "reason.not_understood"


@pytest.mark.parametrize(
    ("said", "step", "outcome"),
    [
        ("quelqu'un s'il vous plaît", "person", TurnOutcome.ASKED),
        ("répétez", "postcode", TurnOutcome.REPEATED),
        ("plus lentement", "postcode", TurnOutcome.REPEATED),
        ("retour", "date_of_birth_check", TurnOutcome.BACK),
        ("attendez", "postcode", TurnOutcome.REPEATED),
    ],
)
def test_a_wish_in_words_does_what_its_key_does_and_is_no_mistake(
    said: str, step: str, outcome: TurnOutcome
):
    talk = Talk().goes_to("postcode").says(said)
    assert (talk.step, talk.speech.outcome) == (step, outcome)
    assert talk.session.misses == 0


def test_a_correction_at_the_read_back_is_taken_as_what_is_right():
    talk = Talk().goes_to("date_of_birth_check").says("non, le treize mars 1942")
    assert talk.step == "date_of_birth_check"
    assert talk.session.born == "1942-03-13"


@pytest.mark.parametrize(
    ("said", "key"), [("plutôt jeudi", 0), ("le jeudi s'il vous plaît", 0), ("vendredi", 1)]
)
def test_an_offer_is_chosen_by_its_day(said: str, key: int):
    talk = Talk(FakeWorld(found=offers(3, one_centre=True))).goes_to("offers").says(said)
    assert talk.step == "confirm"
    assert talk.session.chosen == key


def test_a_day_that_fits_several_offers_is_asked_and_not_guessed():
    talk = Talk().goes_to("offers").says("jeudi")
    assert talk.said[0] == "reason.several_fit"


def test_a_part_of_the_day_that_was_not_offered_is_searched():
    talk = Talk().goes_to("offers").says("plutôt l'après-midi")
    assert talk.world.searches[-1].part_of_day == "afternoon"


def test_year_month_and_day_are_understood_apart():
    talk = Talk().goes_to("birth_year")
    for said in ("mille neuf cent quarante-deux", "mars", "le douze"):
        talk.says(said)
    assert talk.session.born == "1942-03-12"


def test_a_number_to_ring_back_is_understood():
    talk = (
        Talk()
        .goes_to("person_number")
        .says("zéro six douze trente-quatre cinquante-six soixante-dix-huit")
    )
    assert talk.step == "person_number_check"
    assert talk.session.typed == "+33612345678"


def test_english_is_one_key_away_and_understood_ever_after():
    talk = Talk().presses("4")
    assert talk.session.language == "en"
    talk.presses("1").says("the twelfth of March nineteen forty-two")
    assert talk.session.born == "1942-03-12"
    talk.says("yes that's right")
    assert talk.step == "postcode"


def test_a_recogniser_is_told_what_to_expect():
    talk = Talk().goes_to("date_of_birth").stays_silent()
    assert "février" in talk.hints
    talk.presses("12031942").stays_silent()
    assert "oui" in talk.hints


def test_a_year_that_a_child_may_have_is_asked_for_whole():
    talk = Talk().goes_to("date_of_birth").stays_silent().says("le douze mars quinze")
    assert talk.said[0] == "reason.century"
    # The second try: the year is asked apart, in four digits.
    assert talk.step == "birth_year"
    talk.presses("2015").presses("3").presses("12")
    assert (talk.step, talk.session.born) == ("date_of_birth_check", "2015-03-12")


def test_whoever_is_older_than_anybody_hears_the_reason_and_not_that_nothing_was_understood():
    talk = Talk().goes_to("date_of_birth").stays_silent().says("le douze mars mille neuf cent deux")
    assert talk.said[0] == "reason.too_old"
    talk.says("non, le douze mars mille neuf cent quarante-deux")
    assert talk.step == "date_of_birth_check"
    talk.says("non, le douze mars mille neuf cent deux")
    assert talk.said[0] == "reason.too_old"
    assert talk.session.born == "1942-03-12"


def test_a_reference_is_heard_whichever_way_a_recogniser_spells_it():
    for said in (
        "quarante-cinq vingt et un soixante-treize quatre-vingt neuf zéro huit",
        "45 21 soixante-treize quatre-vingt 9 zéro 8",
        "quarante 5, vingt et 1, soixante-treize, quatre-vingt-neuf, zéro huit",
    ):
        talk = Talk().presses("3").stays_silent().says(said)
        assert (talk.step, talk.session.asked) == ("my_reference_check", "4521738908")
