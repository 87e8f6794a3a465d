"""The words of a language come from its file, and a gap in it is told by its name."""

from __future__ import annotations

import copy

from typing import Any

import pytest

from flows.steps import STEPS
from flows.understanding.vocabulary import IncompleteVocabulary, Vocabulary, plain
from prompts.catalogue import load
from tests.understanding.answers import vocabulary

LANGUAGES = ("fr", "en")
# A key, or all of two or three: whoever says one of these is asked again.
BARE_NUMBERS = {"deux", "two", "2", "trois", "three", "3"}


def heard(language: str = "fr") -> dict[str, Any]:
    return copy.deepcopy(dict(load(language).heard))


def read(table: dict[str, Any]) -> Vocabulary:
    return Vocabulary.read("fr", "fr", table)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", sorted(load("fr").heard))
def test_a_missing_key_is_told_by_its_name(language, key):
    table = heard(language)
    del table[key]
    with pytest.raises(IncompleteVocabulary, match=f"heard.{key} is missing"):
        read(table)


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_languages_have_the_same_tables_and_choices(language):
    french, other = heard(), heard(language)
    assert other.keys() == french.keys()
    assert other["choices"].keys() == french["choices"].keys()
    for step, keys in french["choices"].items():
        assert other["choices"][step].keys() == keys.keys(), step


def test_a_wish_without_words_is_told_by_its_name():
    table = heard()
    del table["commands"]["slower"]
    with pytest.raises(IncompleteVocabulary, match=r"heard\.commands\.slower is missing"):
        read(table)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("fillars", [], r"heard\.fillars is read by nothing"),
        ("yes", "oui", r"heard\.yes is no list"),
        ("yes", ["…"], "has no words"),
        ("yes", [1], "has no words"),
        ("hesitations", ["tout de suite"], "more than one word"),
        ("day_first", "yes", "neither true nor false"),
        ("repeats", {"double": "2"}, "is no number"),
        ("commands", [], "is no table"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_name(key, value, told):
    with pytest.raises(IncompleteVocabulary, match=told):
        read(heard() | {key: value})


def test_brackets_stand_for_all_their_forms():
    table = heard() | {"yes": ["(je |j')(confirme|valide)", "oui"]}
    assert read(table).yes == {
        ("je", "confirme"),
        ("je", "valide"),
        ("j", "confirme"),
        ("j", "valide"),
        ("oui",),
    }
    nested = heard() | {"yes": ["(c'est (bien|très bien)|) (bon|)", "oui"]}
    with pytest.raises(IncompleteVocabulary, match="has no words"):
        read(nested)
    nested["yes"] = ["(c'est (bien|exact)|voilà)"]
    assert read(nested).yes == {("c", "est", "bien"), ("c", "est", "exact"), ("voila",)}


def test_months_and_weekdays_are_the_calendars():
    words = vocabulary("fr")
    assert {words.months[name] for name in ("aout", "fevrier", "janv", "dec")} == {8, 2, 1, 12}
    assert len(set(words.months.values())) == 12
    assert words.weekdays["lundi"] == 0
    assert words.weekdays["dimanche"] == 6
    assert vocabulary("en").weekdays["monday"] == 0


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("L'Haÿ-les-Roses", "l hay les roses"),
        ("Œuilly,  S’IL vous plaît !", "oeuilly s il vous plait"),
        ("ÉTÉ", "ete"),
        ("", ""),
        ("…", ""),
    ],
)
def test_plain_words_have_no_accents_and_no_marks(text, bare):
    assert plain(text) == bare


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_table_of_choices_belongs_to_a_step_or_its_menu(language):
    catalogue = load(language)
    for step in vocabulary(language).choices:
        # What is said to us on answering our call is no answer to a question.
        known = step in STEPS or step in catalogue.keys or f"reason.{step}" in catalogue.keys
        assert known, step


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrase_stands_for_two_keys_of_a_menu_but_the_bare_number(language):
    for step, keys in vocabulary(language).choices.items():
        seen: dict[tuple[str, ...], str] = {}
        for key, phrases in keys.items():
            for phrase in phrases:
                assert seen.setdefault(phrase, key) == key or set(phrase) <= BARE_NUMBERS, (
                    step,
                    phrase,
                )
