"""What a caller hears as offers is true: nearer is nearer, farther is farther, gone is gone."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sqlalchemy import select

from models.slots.tables import place
from tests.support.house import MOBILE, NOON, House, campaign_with, house, mornings


@pytest.fixture
def bare(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        yield made


# Distances just above and just below what they are rounded to.
@pytest.mark.parametrize("kilometres", [0.44, 4.04, 4.06, 12.24, 12.26])
def test_farther_away_is_never_the_same_centre_again(bare: House, kilometres: float):
    bare.opens_centre("near", name="Salle proche", kilometres=kilometres, starts=mornings(20))
    bare.opens_centre("far", name="Salle lointaine", kilometres=40, starts=mornings(20))
    # The last of the offers is the farther of the two; from there on, nothing is.
    caller = bare.phone(MOBILE).goes_to("offers").hears_text("Salle proche")
    caller.hears_text("Salle lointaine")
    caller.presses("4").presses("3").hears_text("rien d'autre")


@pytest.mark.parametrize("kilometres", [4.04, 4.06, 12.24, 12.26])
def test_farther_away_leads_past_the_centre_that_was_offered(bare: House, kilometres: float):
    bare.opens_centre("near", name="Salle proche", kilometres=kilometres, starts=mornings(20))
    caller = bare.phone(MOBILE).goes_to("offers").hears_text("Salle proche")
    bare.opens_centre("far", name="Salle lointaine", kilometres=40, starts=mornings(20))
    caller.presses("4").presses("3").hears_text("Salle lointaine")
    assert "Salle proche" not in caller.since_input


def test_another_day_is_another_day(bare: House):
    bare.opens_centre("1", name="Salle", kilometres=1, starts=mornings(20))
    caller = bare.phone(MOBILE).goes_to("offers")
    days = re.findall(r"(\d+) (?:novembre|décembre)", caller.since_input)
    caller.presses("4").presses("1")
    assert not {*days} & {*re.findall(r"(\d+) (?:novembre|décembre)", caller.since_input)}


@pytest.mark.parametrize("ways", [(), ("4", "1"), ("4", "2", "1"), ("4", "2", "2"), ("4", "3")])
def test_every_offer_of_two_appointments_has_a_second_at_its_own_centre(
    database_url: str, ways: tuple[str, ...]
):
    """Three to four weeks later by the calendar, whichever way the caller came to it."""
    day = NOON.replace(hour=8)
    starts = [day + timedelta(days=d, hours=h) for d in range(1, 40) for h in (0, 6)]
    with house(database_url, campaign=campaign_with(doses=2)) as service:
        for number, kilometres in enumerate((1, 5, 20, 60)):
            service.opens_centre(str(number), kilometres=kilometres, starts=starts, capacity=2)
        caller = service.phone(MOBILE).goes_to("offers").answers(*ways)
        caller.hears_text("Un second rendez-vous vient" if ways else "Vous viendrez deux fois")
        offers = service.session(caller.sid).offers
        assert offers
        assert service.held() == 2 * len(offers)
        for offer in offers:
            assert offer.local_second is not None
            apart = offer.local_second.date() - offer.local_start.date()
            assert timedelta(days=21) <= apart <= timedelta(days=28)
        with service.database.statement() as connection:
            centre_of = dict(connection.execute(select(place.c.id, place.c.centre_id)).all())
        assert [centre_of[one.second_place_id] for one in offers] == [
            one.centre_id for one in offers
        ]


def test_another_town_is_asked_and_searched(bare: House):
    bare.opens_centre("1", name="Salle de Paris", kilometres=1, starts=mornings(20))
    bare.opens_centre("2", name="Salle de Rennes", code="35000", starts=mornings(20))
    caller = bare.phone(MOBILE).goes_to("offers").presses("4").presses("4")
    caller.hears_text("code postal").presses("35000").hears_text("Rennes").presses("1")
    caller.hears_text("Salle de Rennes")
    assert "Salle de Paris" not in caller.since_input


def test_whoever_looks_again_where_nothing_was_hears_what_came_free(bare: House):
    bare.opens_centre("1", name="Salle", kilometres=1, starts=mornings(1))
    first = bare.phone(MOBILE).goes_to("offers")
    second = bare.phone("+33755555555").goes_to("postcode").presses("75011")
    second.hears_text("il n'y a pas de rendez-vous libre")
    first.hangs_up()
    second.presses("3").hears_text("Voici un rendez-vous")
