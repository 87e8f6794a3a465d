"""Two services on the site: what for is one page, and either of two is changed by itself."""

from __future__ import annotations

import re

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.call.service_words import words_of
from services.campaign.campaign import Campaign
from tests.calls.test_services import at_offers, autumn, changes, done, is_sound, said, town
from tests.online.test_booking import Visitor
from tests.online.test_way_through import count
from tests.online.visitors import Visitor as Opened
from tests.online.visitors import link_in, text_to
from tests.public.services_stage import CARD
from tests.support.house import MOBILE, NOON, House, house, mornings
from tests.support.rows import clock_of

KEYS = re.compile(r'name="key" value="([0-9]+)"')


@pytest.fixture
def site(database_url: str) -> Iterator[House]:
    yield from town(database_url, *autumn(), links=True)


def test_a_visitor_of_seventy_books_both_at_once(site: House):
    flu, covid = autumn()
    visitor = Visitor(site).starts().is_at("naissance")
    assert count(visitor) == "Question 2 sur 5"
    visitor.is_born("12", "3", "1956").is_at("pour-quoi")
    assert count(visitor) == "Question 3 sur 6"
    both = said(site, flu, covid)
    assert both[:1].upper() + both[1:] in visitor.page
    visitor.sends(key="7").is_at("pour-quoi")
    assert visitor.status == 422
    assert count(visitor) == "Question 3 sur 6"
    visitor.sends(key="3").is_at("depuis")
    assert count(visitor) == "Question 4 sur 7"
    assert "6 mois" in visitor.page
    # Whoever changes their mind goes back to the birth date, by which it is asked.
    assert 'class="back" href="/rendez-vous/naissance"' in visitor.page
    visitor.sends(key="1").is_at("commune")
    assert count(visitor) == "Question 5 sur 7"
    visitor.sends(where="75011").is_at("creneaux")
    assert count(visitor) == "Question 6 sur 7"
    assert f"Pour {both}" in visitor.page
    visitor.sends(place=visitor.places[0]).is_at("joindre")
    assert count(visitor) == "Question 7 sur 7"
    visitor.sends(wish="none").is_at("confirmer")
    assert count(visitor) == "Vérification"
    assert f"Pour {both}" in visitor.page
    visitor.sends().is_at("fait")
    assert f"Pour {both}" in visitor.page
    assert done(site) == [("covid", 1), ("grippe", 1)]
    assert is_sound(site)


def test_who_had_one_lately_sees_what_else_there_is(site: House):
    visitor = Visitor(site).starts().is_born("12", "3", "1956").sends(key="2").sends(key="2")
    visitor.is_at("pas-encore-le-moment")
    # It tells something, and asks nothing that all are asked.
    assert count(visitor) == ""
    visitor.sends(key="1").is_at("commune")
    # Both questions were asked, though what is wanted now needs one of them.
    assert count(visitor) == "Question 5 sur 7"
    assert "Pas encore" not in visitor.page


def test_one_of_two_that_were_booked_by_telephone_is_cancelled_on_the_site(site: House):
    at_offers(site, "12031956", "3", "1").answers("1", "1")
    visitor = Opened(site).opens_link(link_in(text_to(site)), day="12", month="3", year="1956")
    visitor.presses("/mon-rendez-vous/voir", wish="cancel")
    visitor.presses("/mon-rendez-vous/annuler-quoi", wish="then")
    visitor.presses("/mon-rendez-vous/annuler", wish="yes")
    assert done(site) == [("grippe", 1)]
    assert is_sound(site)


def test_the_half_that_moved_by_telephone_is_shown_on_the_site(site: House):
    at_offers(site, "12031956", "3", "1").answers("1", "1")
    changes(site, site.phone(MOBILE), "12031956").answers("2", "2", "2", "1")
    assert done(site) == [("covid", 2), ("grippe", 1)]
    visitor = Opened(site).opens_link(link_in(text_to(site)), day="12", month="3", year="1956")
    visitor.reads("jeudi 26 novembre", "vendredi 27 novembre")


def opened(made: House) -> Opened:
    """The appointment for both, booked by telephone and opened by the link of its text."""
    at_offers(made, "12031956", "3", "1").answers("1", "1")
    return Opened(made).opens_link(link_in(text_to(made)), day="12", month="3", year="1956")


def named(*campaigns: Campaign) -> list[str]:
    return [words_of(one, "fr").said for one in campaigns]


def test_the_last_look_says_which_half_is_cancelled_and_that_the_other_stays(site: House):
    flu, covid = named(*autumn())
    visitor = opened(site).presses("/mon-rendez-vous/voir", wish="cancel")
    visitor.presses("/mon-rendez-vous/annuler-quoi", wish="then")
    visitor.reads(
        f"<h1>Annuler seulement pour {covid} ?</h1>", f"<h2>{covid[:1].upper()}{covid[1:]}</h2>"
    )
    assert f"Ne change pas : {flu}, jeudi 26 novembre" in visitor.page
    visitor.presses("/mon-rendez-vous/annuler", wish="yes")
    visitor.reads(f"C’est annulé pour {covid}. Le reste ne change pas.")


def test_a_half_that_moves_is_named_with_the_day_it_leaves(site: House):
    flu, covid = named(*autumn())
    visitor, left = opened(site), []
    for _ in range(2):
        # Of two services that are open: which of them opened last says nothing of what can move.
        visitor.reads('value="move"')
        # First out of the appointment of both, then from a day of its own.
        visitor.presses("/mon-rendez-vous/voir", wish="move")
        visitor.presses("/mon-rendez-vous/deplacer-quoi", wish="then").reads(f"Pour {covid}")
        visitor.presses("/mon-rendez-vous/creneaux", place=visitor.places[-1])
        visitor.reads(f"Pour {covid}", f"Ne change pas : {flu}, jeudi 26 novembre")
        left.append(visitor.page.partition("À la place de l’ancien")[2].partition("</p>")[0])
        visitor.presses("/mon-rendez-vous/deplacer", wish="yes")
        visitor.reads(f"C’est fait pour {covid}. Le reste n’a pas changé")
    assert ["jeudi 26 novembre" in one for one in left] == [True, False]


def test_two_on_one_day_in_two_places_are_told_apart(site: House):
    flu, covid = named(*autumn())
    # At ten the other one is at the first place, and there is time to get from one to the other.
    starts = [mornings(1)[0] + timedelta(minutes=minutes) for minutes in (0, 15, 45)]
    site.opens_centre("2", name="Gymnase", kilometres=4.0, starts=starts, capacity=2)
    visitor = opened(site).presses("/mon-rendez-vous/voir", wish="move")
    visitor.presses("/mon-rendez-vous/deplacer-quoi", wish="then").reads("Gymnase")
    before = visitor.page.partition("Gymnase")[0]
    place = re.findall(r'name="place" value="(\d+)"', before)[-1]
    visitor.presses("/mon-rendez-vous/creneaux", place=place)
    visitor.presses("/mon-rendez-vous/deplacer", wish="yes")
    for hour in ("10h00", "10h45"):
        assert visitor.page.count(f"<strong>jeudi 26 novembre à {hour}</strong>") == 1
    heads = re.findall("<h2>(.*?)</h2>", visitor.page)
    assert heads == [flu[:1].upper() + flu[1:], covid[:1].upper() + covid[1:]]


def test_of_two_that_are_apart_only_the_one_that_was_asked_for_is_cancelled(site: House):
    """The page of the first of them told both, and asked whether to cancel both."""
    flu, covid = named(*autumn())
    visitor = opened(site)
    visitor.presses("/mon-rendez-vous/voir", wish="move")
    visitor.presses("/mon-rendez-vous/deplacer-quoi", wish="then")
    visitor.presses("/mon-rendez-vous/creneaux", place=visitor.places[-1])
    visitor.presses("/mon-rendez-vous/deplacer", wish="yes")
    visitor.presses("/mon-rendez-vous/voir", wish="cancel")
    visitor.presses("/mon-rendez-vous/annuler-quoi", wish="first")
    visitor.reads(f"Annuler seulement pour {flu} ?", f"Ne change pas : {covid}, ")
    assert visitor.page.count("<h2>") == 1
    visitor.presses("/mon-rendez-vous/annuler", wish="yes")
    assert [service for service, _ in done(site)] == ["covid"]


def test_who_may_have_neither_is_told_of_the_age_of_the_first(database_url: str):
    for made in town(database_url, *autumn(minimum_age=75)):
        visitor = Visitor(made).starts().is_born("12", "3", "1966").is_at("situation")
        visitor.sends(belongs="no").is_at("pas-encore")
        assert "65 ans et plus" in visitor.page
        assert "75 ans" not in visitor.page


def test_who_has_no_choice_and_who_chose_the_simple_one_are_asked_less(site: House):
    # Of fifty, who belongs to a group: one thing is open to them, and nobody asks what for.
    visitor = Visitor(site).starts().is_born("2", "2", "1976").is_at("situation")
    assert count(visitor) == "Question 3 sur 6"
    visitor.sends(belongs="yes").is_at("commune")
    assert count(visitor) == "Question 4 sur 6"
    # The flu asks for no months since the last one.
    visitor = Visitor(site).starts().is_born("12", "3", "1956").sends(key="1").is_at("commune")
    assert count(visitor) == "Question 4 sur 6"


def test_the_second_of_two_is_counted_on_with_what_they_are_asked(site: House):
    visitor = Visitor(site).starts("two").is_born("12", "3", "1956").is_at("pour-quoi")
    assert count(visitor) == "Question 3 sur 8"
    visitor.sends(key="1").sends(where="75011").sends(place=visitor.places[0]).is_at("joindre")
    assert count(visitor) == "Question 6 sur 8"
    visitor.sends(number="0612345678").sends().is_at("fait").sends().is_at("naissance")
    assert count(visitor) == "Question 7 sur 8"
    visitor.is_born("1", "4", "1954").is_at("pour-quoi")
    assert count(visitor) == "Question 8 sur 9"


def test_a_service_that_closes_during_a_visit_is_said_and_nothing_is_booked_by_half(
    database_url: str,
):
    flu, covid = autumn()
    until = NOON + timedelta(minutes=2)
    for made in town(database_url, flu, replace(covid, closes_at=until), links=True):
        visitor = Visitor(made).starts().is_born("12", "3", "1956").sends(key="3").sends(key="1")
        visitor.sends(where="75011").is_at("creneaux")
        visitor.sends(place=visitor.places[0]).sends(wish="none").is_at("confirmer")
        clock_of(made).advance(timedelta(minutes=3))
        visitor.sends()
        assert "Une partie de ce que vous aviez choisi ne se donne plus" in visitor.page
        assert done(made) == []
        visitor.is_at("pour-quoi").sends(key="1").is_at("creneaux")
        visitor.sends(place=visitor.places[0]).is_at("confirmer").sends().is_at("fait")
        assert done(made) == [("grippe", 1)]
        assert is_sound(made)


def test_a_poster_of_one_service_leaves_out_what_does_not_go_with_it(database_url: str):
    flu, covid = autumn(months_since=0)
    card = replace(CARD, opens_at=None, radius_kilometres=flu.radius_kilometres)
    with house(database_url, campaign=flu, beside=(covid, card)) as made:
        made.opens_centre("1", starts=mornings(6), capacity=2)
        visitor = Visitor(made).opens("/rendez-vous?pour=grippe")
        visitor.sends(path="/rendez-vous?pour=grippe", whom="self").is_born("12", "3", "1956")
        visitor.is_at("pour-quoi")
        # Its keys are those that are listed: the card is none of them.
        shown = KEYS.findall(visitor.page)
        assert shown == ["1", "2", "3"]
        assert words_of(card, "fr").said not in visitor.page
        assert count(visitor) == "Question 3 sur 6"
        visitor.sends(key="3").is_at("commune").sends(where="75011").is_at("creneaux")
        visitor.sends(place=visitor.places[0]).sends(wish="none").sends().is_at("fait")
        assert done(made) == [("covid", 1), ("grippe", 1)]


def test_the_site_lists_more_than_three_at_once(database_url: str):
    flu, covid = autumn(months_since=0)
    card = replace(CARD, opens_at=None)
    passport = replace(card, name="passeport-2026", service="passeport")
    with house(database_url, campaign=flu, beside=(covid, card, passport)) as made:
        made.opens_centre("1", starts=mornings(6), capacity=2)
        visitor = Visitor(made).starts().is_born("12", "3", "1956").is_at("pour-quoi")
        # Callers hear three at a time, and the key is which three, then which of them.
        assert KEYS.findall(visitor.page) == ["11", "12", "13", "21", "22"]
        assert visitor.sends(key="23").status == 422
        visitor.sends(key="22").is_at("commune").sends(where="75011").is_at("creneaux")
        assert f"Pour {said(made, flu, covid)}" in visitor.page
