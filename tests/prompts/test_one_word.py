"""What has one name has it in every channel."""

from __future__ import annotations

import re

import pytest

from prompts.catalogue import load
from prompts.check_rules import longest
from prompts.screens import screen
from web.written import Written

DAYS = (21, 28)
# How the time between the two appointments is told, and words that it was told by besides.
SAID = {"fr": "3 à 4 semaines après", "en": "3 to 4 weeks after", "es": "3 a 4 semanas después"}
OTHERWISE = {
    "fr": r"semaines plus tard|d'écart|dans les délais|\bintervalle\b|21 à 28 jours",
    "en": r"weeks later|weeks apart|in time\.|\binterval\b|21 to 28 days",
    "es": r"separadas por|a tiempo\.|\bintervalo\b|21 a 28 días",
}
languages = pytest.mark.parametrize("language", ["fr", "en", "es"])


@languages
def test_the_time_between_the_two_appointments_has_one_word(language: str):
    catalogue, told = load(language), 0
    for key in catalogue.keys:
        for number in range(catalogue.wordings(key)):
            values = {**longest(catalogue.parts(key, number)), "after": DAYS}
            said = catalogue.say(key, values, number)
            assert not re.search(OTHERWISE[language], said), (key, said)
            if any(part.format == "weeks" for part in catalogue.parts(key, number)):
                told += 1
                assert SAID[language] in said, (key, said)
    assert told >= 5


@languages
def test_pages_say_it_as_callers_hear_it(language: str):
    words = screen(language)
    said = words.text("book.offers.both", interval=Written(words).weeks(DAYS))
    assert SAID[language] in said
