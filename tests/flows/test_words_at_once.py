"""Words at once: where they are heard, how a question says so, and what only a key does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flows.session import CallerKind, Party
from flows.speech import Speech, TurnOutcome
from flows.steps import STEPS
from flows.steps.common import Step, moments
from ivr.addresses import Addresses
from ivr.twiml import render
from prompts.catalogue import languages, load
from prompts.values import Part
from tests.flows.fake_world import FakeWorld, two_doses
from tests.flows.talk import Talk
from tests.ivr.line import read
from tests.support.house import BASE

NOISE = "le journal de vingt heures vous est présenté ce soir depuis nos studios"
HERE_ONLY_A_KEY = "reason.by_key"


def heard(speech: Speech) -> str:
    """What the caller hears, as the provider is told to say it."""
    return read(render(speech, load(speech.language), Addresses(BASE), 1).encode()).said


# ---------------------------------------------------------------- where words are heard


def test_yes_is_heard_at_the_first_read_back_of_a_call_of_keys():
    talk = Talk().goes_to("date_of_birth_check")
    assert talk.takes_words()
    assert talk.hints[:2] == ("oui", "non")
    assert talk.says("oui", confidence=0.9).step == "postcode"


def test_no_is_heard_there_too():
    assert Talk().goes_to("date_of_birth_check").says("non").step == "date_of_birth"


@pytest.mark.parametrize(
    ("step", "said"), [("welcome", "prendre rendez-vous"), ("for_whom", "pour moi")]
)
def test_after_the_first_word_that_was_understood_words_are_heard_everywhere(step: str, said: str):
    # At these two a caller may say it all in one sentence; whoever presses keys is asked for keys.
    assert not Talk().goes_to("date_of_birth").takes_words()
    talk = Talk().goes_to(step)
    assert talk.takes_words()
    talk.says(said)
    for then in ("date_of_birth", "date_of_birth_check", "postcode", "offers", "reach", "confirm"):
        assert talk.goes_to(then).takes_words(), then


def test_a_wish_in_words_is_a_first_word_too():
    talk = Talk().goes_to("date_of_birth_check").says("attendez", confidence=0.9).presses("1")
    assert talk.step == "postcode"
    assert talk.takes_words()


def test_what_was_hardly_heard_opens_nothing_else():
    talk = Talk().goes_to("date_of_birth").stays_silent()
    talk.says("douze mars quarante-deux", confidence=0.4).presses("1")
    assert talk.step == "postcode"
    assert not talk.takes_words()


def test_after_noise_keys_alone_and_words_again_at_the_next_question():
    talk = Talk().goes_to("offers").says("un autre jour").says(NOISE)
    assert talk.takes_words()
    talk.says(NOISE)
    assert talk.step == "other_offers"
    assert not talk.takes_words()
    assert talk.presses("1").takes_words()


def test_keys_do_at_a_spoken_question_what_they_always_do():
    for pressed, step in (("9", "postcode"), ("8", "postcode"), ("0", "person")):
        talk = Talk().goes_to("date_of_birth_check").says("oui").presses(pressed)
        assert talk.step == step
    back = Talk().goes_to("date_of_birth_check").says("oui").presses("*")
    assert back.step == "date_of_birth_check"


# ---------------------------------------------------------------- how a question says so


@pytest.mark.parametrize(
    ("language", "yes", "entry", "option"),
    [
        ("fr", "oui", "Dites ou tapez ", "dites ou tapez 1"),
        ("en", "yes", "Say or type ", "say or press 1"),
        ("es", "sí", "Diga o marque ", "diga o pulse 1"),
    ],
)
def test_whoever_speaks_is_told_that_answers_may_be_said(
    language: str, yes: str, entry: str, option: str
):
    talk = Talk()
    talk.session = talk.session.but(language=language)
    talk.goes_to("date_of_birth")
    assert entry not in heard(talk.speech)
    talk.presses("12031942")
    assert option not in heard(talk.speech)
    assert entry in heard(talk.says(yes).speech)
    assert option in heard(talk.goes_to("offers").speech)


def test_the_last_look_invites_nobody_to_say_what_only_a_key_does():
    talk = Talk().goes_to("date_of_birth_check").says("oui").goes_to("confirm")
    assert talk.takes_words()
    assert "dites ou tapez" not in heard(talk.speech)


def test_keys_alone_are_named_where_keys_alone_are_taken():
    talk = Talk().goes_to("offers").says("un autre jour").says(NOISE, NOISE)
    assert "Dites ou tapez" not in heard(talk.speech)


@pytest.mark.parametrize("language", languages())
def test_a_line_for_who_speaks_has_the_same_keys_and_two_words_more_at_the_most(language: str):
    words = load(language)
    changed = 0
    for key in words.keys:
        for number in range(words.wordings(key)):
            plain, aloud = (words.parts(key, number, aloud=one) for one in (False, True))
            texts = ["".join(part.text for part in parts) for parts in (plain, aloud)]
            assert len(texts[1].split()) - len(texts[0].split()) in {0, 2}
            changed += texts[0] != texts[1]
    assert changed > 50


# ---------------------------------------------------------------- what only a key does


@pytest.mark.parametrize("said", ["oui", "oui je confirme", "un", "c'est exact"])
@pytest.mark.parametrize("confidence", [None, 0.95, 0.6])
def test_no_word_books_however_sure_a_recogniser_is_of_it(said: str, confidence: float | None):
    talk = Talk().goes_to("confirm").says(said, confidence=confidence)
    assert (talk.step, talk.world.orders) == ("confirm", [])
    assert talk.said[0] == HERE_ONLY_A_KEY
    assert not talk.takes_words()
    assert talk.presses("1").step == "ready"


def test_after_a_word_at_the_last_look_the_birth_date_is_read_once_more():
    """Words cut off what was being read, and the key that books must follow on all of it."""
    talk = Talk().goes_to("confirm").says("oui")
    assert "confirm_born" in talk.said
    assert "12 mars 1942" in heard(talk.speech)


def test_after_an_answer_that_was_hardly_heard_the_last_look_has_the_birth_date():
    talk = Talk().goes_to("reach").says("oui", confidence=0.4)
    assert talk.step == "confirm"
    assert "12 mars 1942" in heard(talk.speech)


CHOOSES = {"fr": "un", "en": "one", "es": "uno"}
AGREES = {"fr": "oui", "en": "yes", "es": "sí"}


@pytest.mark.parametrize("whom", list(Party))
@pytest.mark.parametrize("pace", ["usual", "slow"])
@pytest.mark.parametrize("make", [FakeWorld, two_doses])
@pytest.mark.parametrize("language", languages())
def test_whatever_is_said_first_at_the_last_look_has_all_that_a_key_books(
    language: str, make: Callable[[], FakeWorld], pace: str, whom: Party
):
    """After a sure answer and after one that was hardly heard, at either pace, for whomever."""
    words = load(language)
    for before, said in (("offers", CHOOSES), ("reach", AGREES)):
        for confidence in (None, 0.6, 0.4, 0.3):
            talk = Talk(make()).goes_to(before)
            is_slow = pace == "slow"
            talk.session = talk.session.but(language=language, slow=is_slow, whom=str(whom))
            talk.says(said[language], confidence=confidence)
            assert (talk.step, talk.session.misses) == ("confirm", 0)
            values = {"born": talk.session.born_on, **moments(talk.session.choice)}
            read_out = heard(talk.speech)
            for name in values:
                part = Part("", name, "date" if name == "born" else "day_hour")
                assert words.spoken(part, values, talk.speech.now) in read_out
            assert talk.session.choice.said in read_out
            assert talk.session.choice.town in read_out


def test_a_no_in_words_leads_away_from_the_last_look():
    assert Talk().goes_to("confirm").says("non").step == "offers"


def test_a_place_that_only_words_agreed_to_is_in_the_last_look():
    talk = Talk().goes_to("postcode").says("soixante-quinze zéro onze").says("oui")
    talk.goes_to("confirm")
    assert "searched_near" in talk.said
    assert "Paris 11e, code 7 5 0 1 1." in heard(talk.speech)
    assert "searched_near" in talk.says("attendez").said


def test_a_place_that_a_key_agreed_to_is_not_read_twice():
    talk = Talk().goes_to("postcode").says("soixante-quinze zéro onze").presses("1")
    assert "searched_near" not in talk.goes_to("confirm").said


def test_what_is_certified_is_certified_by_a_key():
    talk = Talk(FakeWorld(groups={"soignants": 30})).goes_to("group").says("oui", confidence=0.9)
    assert talk.step == "group"
    assert talk.said[0] == HERE_ONLY_A_KEY
    assert talk.presses("1").session.groups == ("soignants",)


@pytest.mark.parametrize("said", ["oui", "quelqu'un s'il vous plaît"])
def test_a_number_is_not_promised_a_call_by_words_alone(said: str):
    talk = Talk(kind=CallerKind.NONE).goes_to("person_number").stays_silent()
    talk.says("zéro six douze trente-quatre cinquante-six soixante-dix-huit")
    assert talk.step == "person_number_check"
    talk.says(said, confidence=0.95)
    assert (talk.step, talk.ended) == ("person_number_check", False)
    assert talk.presses("1").speech.outcome is TurnOutcome.PROMISED


def test_the_guard_is_not_gone_round_by_a_step_that_hears_in_its_own_way():
    guarded = {
        name for name, step in STEPS.items() if type(step).only_by_key is not Step.only_by_key
    }
    assert guarded == {
        *("confirm", "kept_place_check", "group", "since_last", "my_menu", "my_cancelled"),
        *("my_cancel_check", "my_move_check", "person_number_check", "tell_number_check"),
    }
    assert all(type(STEPS[name]).hear is Step.hear for name in guarded)


def test_a_caller_without_keys_comes_to_a_person():
    talk = Talk(kind=CallerKind.LANDLINE).goes_to("confirm").says("oui").stays_silent(2)
    assert talk.step == "person"
