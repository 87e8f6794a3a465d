"""Nobody is sent far without being asked, and never farther than a campaign may send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.slots.look_beyond import FARTHEST_KILOMETRES
from tests.support.house import MOBILE, House, campaign_with, house, mornings


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(radius_kilometres=60)) as made:
        yield made


@pytest.mark.parametrize(("kilometres", "told"), [(149.0, True), (151.0, False), (817.0, False)])
def test_a_caller_hears_of_no_place_beyond_150_kilometres(
    service: House, kilometres: float, *, told: bool
):
    assert FARTHEST_KILOMETRES == 150.0
    service.opens_centre("1", kilometres=kilometres, starts=mornings(20), capacity=9)
    caller = service.phone(MOBILE).goes_to("no_slot")
    assert ("vol d'oiseau" in caller.since_input) == told
    caller.presses("1")
    assert (caller.step == "offers") == told
    if told:
        caller.hears_text("à 149 kilomètres")
        caller.presses("1").hears_text("C'est à 149 kilomètres.")


def test_farther_away_ends_at_150_kilometres_too(service: House):
    service.opens_centre("1", kilometres=50.0, starts=mornings(20), capacity=9)
    service.opens_centre("2", kilometres=140.0, starts=mornings(20), capacity=9)
    service.opens_centre("3", kilometres=165.0, starts=mornings(20), capacity=9)
    caller = service.phone(MOBILE).goes_to("offers").answers("4", "3")
    assert {offer.centre_id for offer in service.session(caller.sid).offers} == {"2"}


def test_what_is_not_free_around_one_town_says_nothing_of_another(service: House):
    """A caller who found nothing keeps nobody elsewhere from hearing of a free place."""
    service.opens_centre("1", kilometres=80.0, starts=mornings(20), capacity=9)
    assert service.phone(MOBILE).goes_to("no_slot", code="35000").step == "no_slot"
    service.phone("+33612345679").goes_to("no_slot").hears_text("à 80 kilomètres")
