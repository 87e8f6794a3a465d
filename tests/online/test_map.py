"""The map beside the offers: what it shows, what is told of it in words, and what it fetches."""

from __future__ import annotations

import re

from collections.abc import Iterator

import pytest

from sqlalchemy import update

from models.centres.tables import centre
from prompts.screens import LANGUAGES
from services.centres.directory import Directory, towns_around
from tests.admission.test_gate import statements
from tests.online.test_booking import Visitor
from tests.support.house import House, house, mornings
from tests.support.rows import change, knows_postcode

FIGURE = re.compile(r'<figure class="map">.*?</figure>', re.DOTALL)


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", name="Salle Olympe de Gouges", kilometres=2.4, starts=mornings(9))
        made.opens_centre("2", name="Gymnase Jean Jaurès", kilometres=7.1, starts=mornings(9))
        made.opens_centre("3", name="Mairie annexe", kilometres=12.2, starts=mornings(9))
        yield made


def figure(visitor: Visitor) -> str:
    found = FIGURE.findall(visitor.page.replace("\u00a0", " "))
    assert len(found) == 1
    return str(found[0])


def test_offers_are_numbered_on_a_map_and_told_in_words(town: House):
    visitor = Visitor(town).comes_to_offers()
    shown = figure(visitor)
    assert re.findall(r'<text dy=".36em" text-anchor="middle">(\d)</text>', shown) == [
        "1",
        "2",
        "3",
    ]
    words = shown[shown.index("<figcaption") :]
    assert "Vous : Paris" in words
    assert "(75011)" in words
    for told in (
        "Salle Olympe de Gouges · à 2,4 km vers le nord",
        "Gymnase Jean Jaurès · à 7,1 km vers le nord",
        "Mairie annexe · à 12 km vers le nord",
    ):
        assert told in words
    # The numbers are those of the offers above it.
    assert re.findall(r'class="pin-number">(\d)<', visitor.page) == ["1", "2", "3"]


def test_nothing_of_the_map_comes_from_elsewhere_and_nothing_in_it_is_styled_in_line(town: House):
    shown = figure(Visitor(town).comes_to_offers())
    assert not re.search(r"https?:|url\(|href|style=|<image|<script", shown)
    assert len(shown) < 6_000


def test_offers_of_one_centre_have_one_number(database_url: str):
    with house(database_url) as made:
        made.opens_centre("1", kilometres=2.4, starts=mornings(20), capacity=3)
        visitor = Visitor(made).comes_to_offers()
        assert len(visitor.places) == 3
        assert re.findall(r'class="pin-number">(\d)<', visitor.page) == ["1", "1", "1"]
        assert figure(visitor).count('<g class="pin') == 1


def test_a_centre_without_a_position_is_offered_and_not_drawn(town: House):
    nowhere = {"latitude": None, "longitude": None}
    change(town.database, update(centre).where(centre.c.id == "1").values(**nowhere))
    rough = update(centre).where(centre.c.id == "2").values(roughly=True)
    change(town.database, rough)
    visitor = Visitor(town).comes_to_offers()
    shown = figure(visitor)
    assert "Olympe" not in shown
    assert "Gymnase Jean Jaurès · à 7,1 km (la position est celle de sa commune)" in shown
    assert 'class="pin roughly"' in shown


def test_towns_around_are_read_once_and_named(town: House):
    knows_postcode(town, "94300", 48.93, 2.44, "metropole")
    visitor = Visitor(town).comes_to_offers()
    assert ">Ville 94300</text>" in figure(visitor)
    assert "Autour : " in figure(visitor)
    seen = statements(town)
    visitor.opens("/rendez-vous/creneaux")
    assert "Ville 94300" in figure(visitor)
    assert not [one for one in seen if "FROM postcode" in one]


def test_towns_are_read_once_for_all_who_search_nearby(town: House):
    knows_postcode(town, "93000", 48.86, 2.52, "metropole")
    Visitor(town).comes_to_offers()
    seen = statements(town)
    visitor = Visitor(town).opens("/rendez-vous").sends(whom="self").is_born()
    visitor.sends(where="93000").is_at("creneaux")
    assert "Autour : Paris 11e" in figure(visitor)
    assert not [one for one in seen if "main_town" in one and "BETWEEN" in one]


def test_a_town_nearby_is_on_the_map_and_a_far_one_is_not(town: House):
    knows_postcode(town, "95000", 49.01, 2.4, "metropole")
    knows_postcode(town, "60000", 49.9, 2.4, "metropole")
    here = ((48.95, 2.38), "metropole", 20.0)
    with town.database.statement() as connection:
        found = Directory(town.database).towns_around(connection, *here)
        assert found == towns_around(connection, *here)
    names = [one.name for one in found]
    assert "Ville 95000" in names
    assert "Ville 60000" not in names


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_tells_the_map(town: House, language: str):
    visitor = Visitor(town).opens(f"/rendez-vous?lang={language}").sends(whom="self")
    visitor.is_born().sends(where="75011").is_at("creneaux")
    assert figure(visitor).count("<li") == 3


def test_the_page_of_a_centre_shows_where_it_is_among_its_towns(town: House):
    knows_postcode(town, "94300", 48.93, 2.44, "metropole")
    visitor = Visitor(town).opens("/centres/1")
    shown = figure(visitor)
    assert ">Ville 94300</text>" in shown
    assert shown.count('<g class="pin') == 1
    assert 'class="here"' not in shown
    seen = statements(town)
    visitor.opens("/centres/1")
    assert not [one for one in seen if "FROM postcode" in one]
