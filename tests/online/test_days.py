"""A day first, then an hour and a centre: what is told of each day, and what choosing takes."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sqlalchemy import update

from models.slots.tables import place
from tests.admission.test_gate import statements
from tests.online.test_booking import Visitor
from tests.support.house import House, campaign_with, mornings
from tests.support.rows import change, clock_of

DAY = re.compile(r'<a href="(/rendez-vous/jours\?jour=[^"]+)"><strong>([^<]+)</strong>')
TOLD = re.compile(r'</strong> <span class="small">([^<]+)</span></a>')
HOUR = re.compile(r'name="hour" value="([^"]+)"[^>]*>([^<]+)<')


def opened(url: str, **changes: object) -> House:
    made = House(url, campaign=campaign_with(phone_share=0, **changes))
    made.knows_postcodes()
    # Two hours of a day at the near one, half of them at the farther one.
    starts = [start + timedelta(hours=h) for start in mornings(6) for h in (0, 3)]
    made.opens_centre("1", name="Salle Olympe de Gouges", kilometres=0.4, starts=starts, capacity=2)
    made.opens_centre("2", name="Gymnase Jean Jaurès", kilometres=4.1, starts=starts[:2])
    return made


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    made = opened(database_url)
    yield made
    made.close()


def told(visitor: Visitor) -> list[str]:
    return [one.replace("\u00a0", " ") for one in TOLD.findall(visitor.page)]


def test_days_are_told_with_their_centres_and_places(town: House):
    visitor = Visitor(town).comes_to_offers()
    assert 'href="/rendez-vous/jours"' in visitor.page
    held = town.held()
    visitor.opens("/rendez-vous/jours").is_at("jours")
    days = [name for _, name in DAY.findall(visitor.page)]
    assert days[0].startswith("jeudi 26 novembre")
    assert len(days) == 6
    # What the visit holds itself is as free to it as the rest.
    assert told(visitor)[:2] == ["2 centres · 6 places", "1 centre · 4 places"]
    assert "Question 4 sur 5" in visitor.page.replace("\u00a0", " ")
    assert town.held() == held


def test_an_hour_of_a_day_is_chosen_and_the_rest_goes_back(town: House):
    visitor = Visitor(town).comes_to_offers().opens("/rendez-vous/jours")
    second_day = DAY.findall(visitor.page)[1][0]
    visitor.opens(second_day).is_at("jours")
    hours = HOUR.findall(visitor.page)
    assert [hour for _, hour in hours] == ["10h00", "13h00"]
    visitor.sends(hour=hours[1][0]).is_at("joindre")
    assert town.held() == 1
    assert "vendredi 27 novembre à 13h00" in visitor.page
    visitor.sends(wish="none").is_at("confirmer").sends().is_at("fait")
    (row,) = town.bookings()
    assert row.start_at == mornings(2)[1] + timedelta(hours=3)


def test_an_hour_that_went_meanwhile_is_said_and_nothing_else_is_lost(town: House):
    visitor = Visitor(town).comes_to_offers()
    held = town.held()
    visitor.opens(DAY.findall(visitor.opens("/rendez-vous/jours").page)[1][0])
    (_, (gone, _)) = HOUR.findall(visitor.page)
    slot = int(gone.split("/")[1])
    change(town.database, update(place).where(place.c.slot_id == slot).values(blocked=True))
    visitor.sends(hour=gone).is_at("jours")
    assert visitor.status == 422
    assert "vient d’être prise" in visitor.page
    assert [hour for _, hour in HOUR.findall(visitor.page)] == ["10h00"]
    assert town.held() == held
    visitor.opens("/rendez-vous/creneaux").sends(place=visitor.places[0]).is_at("joindre")


@pytest.mark.parametrize("hour", ["", "1", "1/", "/5", "1/x", "1/99999999999999999999999", "2/1"])
def test_an_hour_that_no_page_had_takes_nothing(town: House, hour: str):
    visitor = Visitor(town).comes_to_offers()
    held = town.held()
    visitor.opens("/rendez-vous/jours?jour=2026-11-27").sends(hour=hour).is_at("jours")
    assert visitor.status == 422
    assert town.held() == held


@pytest.mark.parametrize("day", ["2026-02-31", "x", "2020-01-01", "9999-12-31", "0001-01-01"])
def test_a_day_that_is_none_shows_days_or_that_it_has_none(town: House, day: str):
    visitor = Visitor(town).comes_to_offers().opens(f"/rendez-vous/jours?jour={day}")
    assert visitor.status == 200
    assert not HOUR.search(visitor.page)
    assert "/rendez-vous/jours" in visitor.page


def test_before_a_place_is_known_there_are_no_days(town: House):
    Visitor(town).starts().opens("/rendez-vous/jours").is_at("naissance")


def test_two_people_choose_a_day_and_sit_side_by_side(town: House):
    visitor = Visitor(town).comes_to_offers("two").opens("/rendez-vous/jours")
    visitor.opens(DAY.findall(visitor.page)[2][0])
    visitor.sends(hour=HOUR.findall(visitor.page)[0][0]).is_at("joindre")
    assert town.held() == 2
    visitor.sends(wish="none").sends().is_at("fait").sends().is_born("1", "4", "1944")
    visitor.is_at("creneaux").sends(place=visitor.places[0]).is_at("confirmer").sends().is_at(
        "fait"
    )
    assert len({row.start_at for row in town.bookings()}) == 1
    assert len(town.bookings()) == 2


def test_with_two_doses_only_days_that_have_a_second_one_are_told(database_url: str):
    made = House(database_url, campaign=campaign_with(doses=2, phone_share=0))
    made.knows_postcodes()
    # The last first one that has a second 21 to 28 days later is on the ninth day.
    made.opens_centre("1", starts=mornings(30), capacity=2)
    visitor = Visitor(made).comes_to_offers().opens("/rendez-vous/jours")
    days = DAY.findall(visitor.page)
    assert len(days) == 9
    visitor.opens(days[-1][0]).sends(hour=HOUR.findall(visitor.page)[0][0]).is_at("joindre")
    assert made.held() == 2
    visitor.sends(wish="none").sends().is_at("fait")
    assert sorted(row.dose for row in made.bookings()) == [1, 2]
    made.close()


def test_the_share_of_the_telephone_is_not_shown_to_the_web(database_url: str):
    made = House(database_url, campaign=campaign_with(phone_share=50))
    made.knows_postcodes()
    made.opens_centre("1", starts=mornings(20), capacity=10)
    visitor = Visitor(made).comes_to_offers().opens("/rendez-vous/jours")
    # What starts soon is for all.
    assert told(visitor)[-1] == "1 centre · 5 places"
    made.close()


def test_looking_at_days_costs_three_statements_whatever_there_is(town: House):
    visitor = Visitor(town).comes_to_offers()
    seen = statements(town)
    visitor.opens("/rendez-vous/jours")
    # The visit, the telephone's share, and the days; centres are remembered in production.
    asked = [one for one in seen if "FROM" in one and "FROM centre \nWHERE" not in one]
    assert len(asked) <= 3, asked
    seen.clear()
    visitor.opens(DAY.findall(visitor.page)[1][0])
    asked = [one for one in seen if "FROM" in one and "FROM centre \nWHERE" not in one]
    assert len(asked) <= 3, asked


def test_a_hold_that_ran_out_hides_nothing(town: House):
    visitor = Visitor(town).comes_to_offers()
    clock_of(town).advance(timedelta(minutes=30))
    visitor.opens("/rendez-vous/jours")
    assert told(visitor)[0] == "2 centres · 6 places"


def test_of_each_half_hour_the_first_is_shown_so_that_the_list_can_be_read(database_url: str):
    made = House(database_url, campaign=campaign_with(phone_share=0))
    made.knows_postcodes()
    starts = [mornings(1)[0] + timedelta(minutes=10 * n) for n in range(7)]
    made.opens_centre("1", starts=starts)
    visitor = Visitor(made).comes_to_offers().opens("/rendez-vous/jours?jour=2026-11-26")
    assert [hour for _, hour in HOUR.findall(visitor.page)] == ["10h00", "10h30", "11h00"]
    made.close()
