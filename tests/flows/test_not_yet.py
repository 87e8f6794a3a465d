"""Who may not book yet: the truth in words that mean something, and no question round and round."""

from __future__ import annotations

from datetime import date

import pytest

from flows.steps.not_eligible import is_far
from prompts.catalogue import load
from tests.flows.fake_world import OPENING, FakeWorld
from tests.flows.talk import Talk

YOUNG = "12031990"


def heard(talk: Talk, language: str = "fr") -> str:
    catalogue = load(language)
    lines = (line for line in talk.speech.lines if not line.language)
    return " ".join(catalogue.say(line.key, line.values, line.wording) for line in lines)


def refused(world: FakeWorld | None = None, born: str = YOUNG, whom: str = "1") -> Talk:
    talk = Talk(world).goes_to("for_whom").presses(whom)
    return talk.presses(born, "1")


# ---------------------------------------------------------------- a day that tells nothing


@pytest.mark.parametrize("language", ["fr", "en", "es"])
@pytest.mark.parametrize("tries", [0, 1, 2])
def test_nobody_is_told_a_day_that_is_decades_away(language: str, tries: int):
    talk = refused()
    assert talk.said == ["not_open_at_age", "not_eligible"]
    talk.stays_silent(tries)
    said = heard(talk, language)
    assert "20" not in said.replace("2026", ""), said
    assert {"fr": "votre âge", "en": "your age", "es": "su edad"}[language] in said


def test_of_another_person_it_is_not_said_that_the_caller_is_too_young():
    assert refused(whom="2").said == ["not_open_at_this_age", "not_eligible"]
    assert "à cet âge" in heard(refused(whom="2"))


def test_a_day_within_twelve_months_is_told():
    today = date(2026, 11, 29)
    assert not is_far(date(2027, 1, 1), today)
    assert not is_far(date(2027, 11, 29), today)
    assert is_far(date(2027, 11, 30), today)
    assert is_far(date(2055, 1, 1), today)
    # From the last day of a February that has one more.
    assert not is_far(date(2029, 2, 28), date(2028, 2, 29))
    assert is_far(date(2029, 3, 1), date(2028, 2, 29))


# ---------------------------------------------------------------- the same date once more


def test_the_same_date_again_is_not_asked_for_a_third_time():
    talk = refused().presses("1")
    assert talk.step == "date_of_birth"
    talk.presses(YOUNG, "1")
    assert talk.said == ["same_date_same_rule", "not_eligible_again"]
    assert "Il faut avoir 75 ans" in heard(talk)
    assert "corriger" not in heard(talk)
    # What was the key for correcting ends the call: nothing leads round again.
    talk.presses("1")
    assert (talk.step, talk.said) == ("ended", ["goodbye"])


def test_a_person_is_reached_from_there():
    talk = refused().presses("1", YOUNG, "1", "0")
    assert talk.step in {"person", "in_queue"}


def test_another_date_is_looked_at_as_ever():
    talk = refused().presses("1", "13031990", "1")
    assert talk.said == ["not_open_at_age", "not_eligible"]
    # And the first one again is known.
    talk.presses("1", YOUNG, "1")
    assert talk.said == ["same_date_same_rule", "not_eligible_again"]
    # With the star they come back to a date that may book.
    talk.presses("*")
    assert talk.step == "date_of_birth_check"
    talk.presses("2", "12031942", "1")
    assert talk.step == "postcode"


def test_they_can_be_told_when_it_opens():
    talk = refused(FakeWorld(tell_at=OPENING))
    assert talk.asked.key == "not_eligible_told"
    talk.presses("1", YOUNG, "1")
    assert talk.asked.key == "not_eligible_again_told"
    talk.presses("1")
    assert "turn_promised_text" in talk.said


def test_the_second_of_two_may_have_the_date_of_the_first():
    talk = refused(whom="3")
    assert talk.asked.key == "not_eligible_or_second"
    talk.presses("1", YOUNG, "1")
    assert talk.asked.key == "not_eligible_again_or_second"
    talk.presses("1")
    assert "on_to_second" in talk.said
    # Twins: asked for the first time, the second's date may still be corrected.
    talk.presses(YOUNG, "1")
    assert talk.asked.key == "not_eligible"
