"""Yes and no, wishes, choices and the like, as people say them."""

from __future__ import annotations

import tomllib

from collections.abc import Callable, Sequence

import pytest

from flows.understanding.words import (
    Command,
    choice,
    command,
    emergency,
    ordinal,
    yes_no,
)
from tests.understanding.answers import DATA, NOTHING, vocabulary
from tests.understanding.official import official_names

LANGUAGES = ("fr", "en")
TABLES = {"en": "english", "es": "spanish"}
ENOUGH = 0.99
# Towns whose names are such words.
NAMED_NO = {"Faux", "Nan-sous-Thil"}
NAMED_YES = {"Suré"}


def rows(kind: str, language: str) -> list[Sequence[str]]:
    with (DATA / "harder_words.toml").open("rb") as file:
        table = tomllib.load(file)
    return list((table[TABLES[language]] if language in TABLES else table)[kind])


def share_and_wrong(
    some: Sequence[Sequence[str]], read: Callable[..., str]
) -> tuple[float, list[str]]:
    """How much is understood, and what is understood wrongly."""
    right, wrong = 0, []
    for *said, expected in some:
        found = read(*said)
        right += found == expected
        if found not in (expected, NOTHING):
            wrong.append(f"{said}: {found}, not {expected}")
    return right / len(some), wrong


def say_yes_no(text: str, language: str) -> str:
    return {True: "yes", False: "no", None: NOTHING}[yes_no(text, vocabulary(language))]


@pytest.mark.parametrize("language", ["fr", *TABLES])
def test_yes_and_no_as_people_say_them(language):
    share, wrong = share_and_wrong(rows("yesno", language), lambda text: say_yes_no(text, language))
    assert wrong == []
    assert share >= ENOUGH


@pytest.mark.parametrize("language", LANGUAGES)
def test_wishes_as_people_say_them(language):
    share, wrong = share_and_wrong(
        rows("command", language), lambda text: command(text, vocabulary(language)) or NOTHING
    )
    assert wrong == []
    assert share >= ENOUGH


@pytest.mark.parametrize("language", LANGUAGES)
def test_choices_as_people_say_them(language):
    share, wrong = share_and_wrong(
        rows("choice", language),
        lambda step, text: choice(text, vocabulary(language), step) or NOTHING,
    )
    assert wrong == []
    assert share >= ENOUGH


def test_hundreds_of_sentences_are_tried():
    tried = sum(len(rows(kind, "fr")) for kind in ("yesno", "command", "choice", "town"))
    assert tried > 300


@pytest.mark.parametrize("language", LANGUAGES)
def test_hesitations_change_nothing(language):
    words = vocabulary(language)
    noise = sorted(words.hesitations)
    for number, (text, _) in enumerate(rows("yesno", language) + rows("command", language)):
        first, last = noise[number % len(noise)], noise[(number * 7 + 3) % len(noise)]
        hesitant = f"{first}… {text}, {last}"
        assert yes_no(hesitant, words) == yes_no(text, words), hesitant
        assert command(hesitant, words) == command(text, words), hesitant


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_official_town_is_a_wish_or_an_emergency(language):
    words = vocabulary(language)
    found = [name for name in official_names() if command(name, words) or emergency(name, words)]
    assert found == []


def test_hardly_any_town_is_a_yes_or_a_no():
    words = vocabulary("fr")
    said = {name for name in official_names() if yes_no(name, words) is not None}
    assert {name for name in said if not name.startswith("Faux")} <= NAMED_NO | NAMED_YES
    assert all(yes_no(name, words) is False for name in said - NAMED_YES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_month_weekday_or_number_is_a_wish(language):
    words = vocabulary(language)
    for name in (*words.months, *words.weekdays, *(str(number) for number in range(100))):
        assert command(name, words) is None
        assert yes_no(name, words) is None


def test_a_story_is_no_answer():
    story = " ".join(["et puis alors il a dit oui et moi je lui ai dit non"] * 5)
    assert yes_no(story, vocabulary("fr")) is None
    assert command(story, vocabulary("fr")) is None
    assert choice(story, vocabulary("fr"), "for_whom") is None


def test_an_emergency_is_heard_beside_anything_else():
    words = vocabulary("fr")
    assert emergency("oui je voudrais un rendez-vous, mon Dieu, ma femme ne respire plus", words)
    assert command("attendez c'est une urgence", words) is Command.EMERGENCY


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("le deuxième", 2),
        ("la deuxième s'il vous plaît", 2),
        ("numéro deux", 2),
        ("le second rendez-vous", 2),
        ("deux", 2),
        ("2", 2),
        ("le 1er", 1),
        ("la 1ère", 1),
        ("plutôt le troisième", 3),
        ("le cinquième", 5),
        ("le sixième", None),
        ("zéro", None),
        ("le premier ou le deuxième", None),
        ("le deux mars", None),
        ("un rendez-vous", None),
        ("deux heures", None),
        ("deux deux", None),
        ("pas le deuxième", None),
        ("", None),
    ],
)
def test_one_of_what_was_read_out(text, number):
    assert ordinal(text, vocabulary("fr")) == number
