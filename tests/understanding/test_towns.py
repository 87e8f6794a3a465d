"""Towns by the names that people say, and by what tells towns of one name apart."""

from __future__ import annotations

import tomllib

import pytest

from flows.understanding.town_names import towns
from flows.understanding.town_table import Area, NamedPostcode, TownTable
from tests.understanding.answers import DATA, NOTHING, vocabulary
from tests.understanding.official import table

ENOUGH = 0.99
FRAMES = ("{}", "j'habite à {}", "euh, {} s'il vous plaît", "tout près de {}")
AREAS = (Area("35", "Ille-et-Vilaine", ("Bretagne",)), Area("36", "Indre"), Area("90", "Belfort"))


def said(text: str, language: str = "fr") -> str:
    found = towns(text, vocabulary(language), table())
    return ",".join(f"{town.name} {town.departement}" for town in found) or NOTHING


def small(*rows: NamedPostcode) -> TownTable:
    return TownTable(rows, AREAS)


def harder(language: str) -> list[tuple[str, str]]:
    with (DATA / "harder_words.toml").open("rb") as file:
        found = tomllib.load(file)
    rows = (found if language == "fr" else found["english"])["town"]
    return [(text, expected) for text, expected in rows]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_towns_as_people_say_them(language):
    rows = harder(language)
    found = [(text, said(text, language), expected) for text, expected in rows]
    wrong = [one for one in found if one[1] not in (one[2], NOTHING)]
    assert wrong == []
    assert sum(one[1] == one[2] for one in found) >= ENOUGH * len(rows)


def test_official_names_are_understood_however_they_are_said_and_never_as_another_town():
    official = table()
    words = vocabulary("fr")
    other, nothing = [], []
    some = range(0, len(official), 13)
    for number, at in enumerate(some):
        name = official.name(at)
        text = FRAMES[number % len(FRAMES)].format(name if number % 3 else name.lower())
        found = [town.name for town in towns(text.replace("-", " "), words, official)]
        if not found:
            nothing.append(text)
        elif name not in found:
            other.append((text, found))
    assert other == []
    assert len(nothing) <= (1 - ENOUGH) * len(some), nothing


def test_the_departement_tells_towns_of_one_name_apart():
    official = table()
    words = vocabulary("fr")
    wrong = []
    for at in range(0, len(official), 29):
        town = official.town(at)
        if len(official.called(official.key(at))) > 1:
            text = f"{town.name}, {town.departement_name}"
            found = towns(text, words, official)
            if found and town not in found:
                wrong.append((text, found))
    assert wrong == []


def test_a_town_a_hundred_times_smaller_is_not_meant_by_its_name_alone():
    large = NamedPostcode("35500", "Bourgneuf", "35", 20_000)
    for inhabitants, count in ((200, 2), (199, 1)):
        there = small(large, NamedPostcode("36100", "Bourgneuf", "36", inhabitants))
        found = towns("Bourgneuf", vocabulary("fr"), there)
        assert [town.departement for town in found] == ["35", "36"][:count]
        named = towns("Bourgneuf dans l'Indre", vocabulary("fr"), there)
        assert [town.departement for town in named] == ["36"]


def test_where_no_inhabitants_are_known_every_namesake_is_given():
    there = small(
        NamedPostcode("35500", "Bourgneuf", "35"), NamedPostcode("36100", "Bourgneuf", "36")
    )
    assert len(towns("Bourgneuf", vocabulary("fr"), there)) == 2


def test_all_postcodes_of_a_town_come_in_order_and_once():
    rows = [NamedPostcode(code, "Rennes", "35", 200_000) for code in ("35700", "35000", "35000")]
    (town,) = towns("Rennes", vocabulary("fr"), small(*rows))
    assert town.postcodes == ("35000", "35700")
    assert town.postcode == "35000"
    assert town.departement_name == "Ille-et-Vilaine"


def test_a_postcode_that_contradicts_the_name_gives_nothing():
    there = small(NamedPostcode("35500", "Vitré", "35", 20_000))
    assert towns("35500 Vitré", vocabulary("fr"), there)
    assert towns("36100 Vitré", vocabulary("fr"), there) == ()


def test_a_row_of_an_unknown_departement_is_left_out():
    assert len(small(NamedPostcode("99999", "Ailleurs", "99"))) == 0


def test_a_story_names_no_town():
    text = " ".join(["alors j'ai pris le train de Rennes à Vitré et puis"] * 4)
    assert towns(text, vocabulary("fr"), table()) == ()


@pytest.mark.parametrize("text", ["", "   ", "…", "12", "é" * 5000, "\x00", "ａｂｃ", "🚑", "-'-"])
def test_garbage_names_no_town(text):
    assert towns(text, vocabulary("fr"), table()) == ()
