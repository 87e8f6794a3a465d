"""Where somebody is among the questions of a booking, and the way back that keeps the answers."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta

import pytest

from prompts.screens import LANGUAGES
from tests.online.test_booking import CARERS, Visitor
from tests.support.house import NOON, House, campaign_with, house, mornings

COUNT = re.compile(r'<p class="count"[^>]*>([^<]+)</p>')
BACK = re.compile(r'<a class="back" href="([^"]+)"[^>]*>([^<]+)</a>')


@pytest.fixture
def open_house(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(eligible=(CARERS,))) as made:
        made.opens_centre("1", name="Salle Olympe de Gouges", starts=mornings(30), capacity=3)
        yield made


@pytest.fixture
def visitor(open_house: House) -> Visitor:
    return Visitor(open_house)


def count(visitor: Visitor) -> str:
    found = COUNT.findall(visitor.page.replace("\u00a0", " "))
    assert len(found) <= 1
    return found[0].strip() if found else ""


def goes_back(visitor: Visitor) -> Visitor:
    found = BACK.search(visitor.page)
    assert found, visitor.page
    assert found[2] == "← Revenir à la question précédente"
    return visitor.opens(found[1])


def test_one_person_answers_five_questions_and_looks_it_over(visitor: Visitor):
    visitor.opens("/rendez-vous")
    assert count(visitor) == "Question 1 sur 5"
    visitor.starts().is_at("naissance")
    assert count(visitor) == "Question 2 sur 5"
    visitor.is_born("31", "2", "1942").is_at("naissance")
    assert count(visitor) == "Question 2 sur 5"
    visitor.is_born().is_at("commune")
    assert count(visitor) == "Question 3 sur 5"
    visitor.sends(where="75011").is_at("creneaux")
    assert count(visitor) == "Question 4 sur 5"
    visitor.sends(place=visitor.places[0]).is_at("joindre")
    assert count(visitor) == "Question 5 sur 5"
    visitor.sends(number="0612345678").is_at("confirmer")
    assert count(visitor) == "Vérification"
    visitor.sends().is_at("fait")
    assert count(visitor) == ""


def test_two_people_are_counted_through_and_what_is_known_is_not_asked_again(visitor: Visitor):
    visitor.starts("two").is_at("naissance")
    assert count(visitor) == "Question 2 sur 7"
    visitor.is_born().sends(where="75011").sends(place=visitor.places[0]).is_at("joindre")
    assert count(visitor) == "Question 5 sur 7"
    visitor.sends(number="0612345678").sends().is_at("fait").sends().is_at("naissance")
    assert count(visitor) == "Question 6 sur 7"
    assert not BACK.search(visitor.page), "nothing leads behind a booking"
    visitor.is_born("1", "4", "1944").is_at("creneaux")
    assert count(visitor) == "Question 7 sur 7"
    visitor.sends(place=visitor.places[0]).is_at("confirmer")
    assert count(visitor) == "Vérification"


def test_a_question_that_only_some_are_asked_counts_for_them_alone(visitor: Visitor):
    visitor.starts().is_born(year="1970").is_at("situation")
    assert count(visitor) == "Question 3 sur 6"
    visitor.sends(belongs="yes").is_at("commune")
    assert count(visitor) == "Question 4 sur 6"
    goes_back(goes_back(visitor).is_at("situation")).is_at("naissance")
    # By this date nobody would have asked.
    visitor.is_born(year="1942").is_at("commune")
    assert count(visitor) == "Question 3 sur 5"


def test_no_number_stands_where_nothing_is_asked(visitor: Visitor):
    visitor.starts().is_born(year="1970").is_at("situation").sends(belongs="no").is_at("pas-encore")
    assert count(visitor) == ""
    goes_back(visitor).is_at("situation")


def test_before_the_opening_nobody_is_told_of_five_questions(database_url: str):
    with house(database_url, campaign=campaign_with(opens_at=NOON + timedelta(days=2))) as made:
        visitor = Visitor(made).opens("/rendez-vous")
        assert count(visitor) == ""
        visitor.sends(whom="self").is_at("ouverture")
        assert count(visitor) == ""


def test_the_way_back_leads_through_all_questions_and_keeps_every_answer(
    open_house: House, visitor: Visitor
):
    visitor.comes_to_confirm()
    held = open_house.held()
    assert 'value="06 12 34 56 78"' in goes_back(visitor).is_at("joindre").page
    goes_back(visitor).is_at("creneaux")
    assert 'aria-current="true"' in visitor.page
    assert 'value="75011"' in goes_back(visitor).is_at("commune").page
    assert 'value="1942"' in goes_back(visitor).is_at("naissance").page
    goes_back(visitor).is_at("pour-qui")
    assert not BACK.search(visitor.page)
    # Looking changed nothing, and the visit is where it was.
    assert open_house.held() == held
    visitor.opens("/rendez-vous/confirmer").is_at("confirmer").sends().is_at("fait")
    assert len(open_house.bookings()) == 1


def test_the_couple_that_is_asked_once_more_is_counted_once_more(database_url: str):
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(3))
        visitor = Visitor(made).comes_to_offers("two")
        visitor.sends(place=visitor.places[0]).is_at("a-deux")
        assert count(visitor) == "Question 5 sur 8"
        visitor.sends(wish="apart").is_at("joindre")
        assert count(visitor) == "Question 6 sur 8"
        goes_back(goes_back(visitor).is_at("creneaux")).is_at("commune")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_counts(visitor: Visitor, language: str):
    visitor.opens(f"/rendez-vous?lang={language}").sends(whom="self").is_at("naissance")
    assert re.search(r"\b2\b.*\b5\b", count(visitor))
