"""A centre's day with two services: what each person comes for, on the list and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.campaign.campaigns import Campaigns
from services.centre_day.secretary import ring_next
from services.centres.directory import Directory
from services.service import Service
from services.supervision.write_board import CampaignFigures
from tests.booking.test_services import BOTH, COVID, GRIPPE, books, opens
from tests.centre_day.test_centre_day import EVENING, LAST, at_centre
from tests.support.house import MOBILE, House, a_mobile, house, mornings
from tests.support.rows import clock_of
from tests.waiting_list.test_services_wait import waits
from wiring import make_app
from wiring_parts import Parts


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=GRIPPE) as made:
        made.opens_centre("1", starts=mornings(4, first=3), capacity=2)
        books(made, BOTH, holder="CA-1", number=MOBILE)
        books(made, (COVID,), holder="CA-2", number=a_mobile(2))
        yield made


def test_the_list_and_the_paper_say_what_each_comes_for(autumn: House):
    directory = Directory(autumn.database, centres_fresh_seconds=0)
    known = Campaigns.fixed(*BOTH, now=autumn.clock.now)
    service = Service(directory, known, autumn.settings.national_number)
    app = make_app(Parts(autumn.settings, autumn.store, service, autumn.woken))
    secretary = autumn.signs_in("secretary", app=app, centre_id="1")
    day = mornings(1, first=3)[0].date().isoformat()
    page = secretary.get(f"/centre?jour={day}").text
    assert page.count('class="comes-for">la grippe + le Covid<') == 1
    assert page.count('class="comes-for">le Covid<') == 1
    paper = secretary.get(f"/centre/imprimer?jour={day}").text
    assert "<td>la grippe + le Covid</td>" in paper
    assert "Pour quoi" in paper


def test_the_export_says_it_where_it_is_asked_for(autumn: House):
    run = autumn.app.test_cli_runner().invoke
    plain = run(args=["bookings", "export"]).stdout.splitlines()
    told = run(args=["bookings", "export", "--with-services"]).stdout.splitlines()
    assert told[0] == f"{plain[0]},services"
    assert [line.rpartition(",")[2] for line in told[1:]] == ["covid grippe", "covid"]
    assert [line.rpartition(",")[0] for line in told] == plain


def test_whoever_comes_for_two_counts_for_each_on_the_board(autumn: House):
    found = CampaignFigures(autumn.store).refresh(autumn.clock.now(), autumn.clock.now())
    assert {one.campaign: one.channels for one in found} == {
        GRIPPE.name: {"phone": 1},
        COVID.name: {"phone": 2},
    }


# ---------------------------------------------------------------- rung by hand


def rings(made: House, *serves: str) -> str | None:
    """Whom a secretary rings for a place of this evening that serves these; of two who wait."""
    clock_of(made).advance(EVENING - made.clock.now())
    opens(made, [LAST], *serves)
    grippe = waits(made, GRIPPE, a_mobile(7))
    clock_of(made).advance(timedelta(seconds=1))
    covid = waits(made, COVID, a_mobile(8))
    directory = Directory(made.database, centres_fresh_seconds=0)
    known = Campaigns.fixed(*BOTH, now=made.clock.now)
    service = Service(directory, known, made.settings.national_number)
    at = replace(at_centre(made), service=service)
    with made.database.transaction() as connection:
        rung = ring_next(connection, at)
    return {grippe: "grippe", covid: "covid"}.get(rung.entry_id) if rung else None


@pytest.mark.parametrize(("serves", "service"), [((), "grippe"), (("covid",), "covid")])
def test_a_place_of_today_is_for_whoever_waits_for_what_it_serves(
    database_url: str, serves: tuple[str, ...], service: str
):
    with house(database_url, campaign=GRIPPE) as made:
        made.opens_centre("1")
        assert rings(made, *serves) == service
