"""A centre's day with two services: what each person comes for, on the list and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sqlalchemy import select

from models.booking.tables import appointment_for
from services.campaign.campaigns import Campaigns
from services.centre_day.secretary import ring_next
from services.supervision.write_board import WriteBoard
from tests.booking.test_services import APART, BOTH, COVID, GRIPPE, books, opens
from tests.centre_day.test_centre_day import EVENING, LAST, at_centre
from tests.supervision.board_day import body_of
from tests.support.house import MOBILE, House, a_mobile, house, mornings
from tests.support.rows import clock_of, rows_of
from tests.waiting_list.test_services_wait import waits


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=GRIPPE) as made:
        made.opens_centre("1", starts=mornings(4, first=3), capacity=2)
        books(made, BOTH, holder="CA-1", number=MOBILE)
        books(made, (COVID,), holder="CA-2", number=a_mobile(2))
        yield made


def test_the_list_and_the_paper_say_what_each_comes_for(autumn: House):
    known = Campaigns.fixed(*BOTH, now=autumn.clock.now)
    app = autumn.application(service=autumn.service(known))
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
    WriteBoard(autumn.store, Campaigns.fixed(*BOTH, now=autumn.clock.now))()
    assert {row["campaign"]: row["channels"] for row in body_of(autumn)["services"]} == {
        GRIPPE.name: {"phone": 1},
        COVID.name: {"phone": 2},
    }


# ---------------------------------------------------------------- somebody is there


@pytest.mark.parametrize(
    ("wanted", "done"),
    [
        ([GRIPPE.name], {"grippe"}),
        ([COVID.name], {"covid"}),
        ([GRIPPE.name, COVID.name], {"covid", "grippe"}),
    ],
)
def test_who_is_there_is_booked_for_what_they_come_for(
    database_url: str, wanted: list[str], done: set[str]
):
    with house(database_url, campaign=GRIPPE, beside=(COVID,)) as made:
        made.opens_centre("1", starts=[made.clock.now() + timedelta(hours=2)], capacity=2)
        secretary = made.signs_in("secretary", centre_id="1")
        typed = {"born": "12031942", "nonce": "a" * 24}
        unsaid = secretary.post("/centre/arrivee", data=typed)
        assert unsaid.status_code == 422
        assert "Dites pour quoi la personne vient." in unsaid.text
        assert made.bookings() == []
        told = secretary.post("/centre/arrivee", data=typed | {"wanted": wanted})
        assert told.status_code == 200
        of = select(appointment_for.c.service).where(appointment_for.c.state == "confirmed")
        assert {row.service for row in rows_of(made.database, of)} == done
        names = [one.words("fr").spoken["name"] for one in BOTH if one.name in wanted]
        assert all(name in told.text for name in names)
        assert "dose" not in told.text


def test_what_takes_two_places_is_booked_one_after_the_other(database_url: str):
    with house(database_url, campaign=APART[0], beside=(COVID,)) as made:
        made.opens_centre("1", starts=[made.clock.now() + timedelta(hours=2)], capacity=2)
        secretary = made.signs_in("secretary", centre_id="1")
        typed = {"born": "12031942", "wanted": [GRIPPE.name, COVID.name], "nonce": "a" * 24}
        told = secretary.post("/centre/arrivee", data=typed)
        assert told.status_code == 422
        assert "Chacun prend une place à lui" in told.text
        assert made.bookings() == []


def test_after_the_last_day_nobody_is_put_down_and_it_is_said(database_url: str):
    with house(database_url) as made:
        made.campaign = replace(made.campaign, closes_at=made.clock.now() + timedelta(hours=1))
        made.opens_centre("1", starts=[made.clock.now() + timedelta(hours=4)], capacity=2)
        clock_of(made).advance(timedelta(hours=2))
        secretary = made.signs_in("secretary", centre_id="1")
        told = secretary.post("/centre/arrivee", data={"born": "12031942", "nonce": "a" * 24})
        assert told.status_code == 422
        assert "Il n’y a plus de rendez-vous à donner pour cela" in told.text


# ---------------------------------------------------------------- rung by hand


def rings(made: House, *serves: str) -> str | None:
    """Whom a secretary rings for a place of this evening that serves these; of two who wait."""
    clock_of(made).advance(EVENING - made.clock.now())
    opens(made, [LAST], *serves)
    grippe = waits(made, GRIPPE, a_mobile(7))
    clock_of(made).advance(timedelta(seconds=1))
    covid = waits(made, COVID, a_mobile(8))
    known = Campaigns.fixed(*BOTH, now=made.clock.now)
    at = replace(at_centre(made), service=made.service(known))
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
