"""Booking at a centre that was asked for, and the very slot; and what one place may hold."""

from __future__ import annotations

import re

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sqlalchemy import select

from models.slots.tables import slot
from services.online import web_sessions
from services.store import NO_SHARES
from tests.admission.test_gate import FORM, gate_of, statements
from tests.online.test_booking import Visitor
from tests.support.house import BASE, NOON, House, campaign_with, house, mornings
from tests.support.rows import clock_of

FAR = "9"


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(phone_share=0)) as made:
        _opens(made)
        yield made


def _opens(made: House) -> None:
    made.opens_centre("1", name="Salle Olympe de Gouges", kilometres=0.4, starts=mornings(30))
    made.opens_centre("2", name="Gymnase Jean Jaurès", kilometres=4.1, starts=mornings(30))
    # Farther than anybody is sent who does not ask for it.
    made.opens_centre(FAR, name="Halle Simone Veil", kilometres=300.0, starts=mornings(30))


def slot_of(made: House, centre: str, *, which: int = 0) -> int:
    with made.database.statement() as connection:
        found = connection.execute(
            select(slot.c.id).where(slot.c.centre_id == centre).order_by(slot.c.start_at)
        )
        return int(list(found.scalars())[which])


def comes(made: House, centre: str, wanted: int | str = "", whom: str = "self") -> Visitor:
    """Somebody who came by such an address, as far as the offers."""
    address = f"/rendez-vous?centre={centre}" + (f"&creneau={wanted}" if wanted else "")
    visitor = Visitor(made).opens(address)
    action = re.search(r'<form method="post" action="([^"]+)"', visitor.page)
    assert action
    assert action[1].replace("&amp;", "&") == address
    visitor.sends(path=address, whom=whom).is_at("naissance").is_born()
    return visitor.is_at("commune").sends(where="75011")


def start_of(made: House, wanted: int) -> datetime:
    with made.database.statement() as connection:
        found: datetime = connection.execute(
            select(slot.c.start_at).where(slot.c.id == wanted)
        ).scalar_one()
    return found


def test_a_centre_that_is_asked_for_is_told_and_searched_first_however_far(town: House):
    page = Visitor(town).opens(f"/rendez-vous?centre={FAR}").page
    assert "Halle Simone Veil" in page
    assert f'href="/rendez-vous?lang=en&amp;centre={FAR}"' in page
    visitor = comes(town, FAR).is_at("creneaux")
    assert len(visitor.places) == 3
    assert visitor.page.count("Halle Simone Veil, ") == 3
    assert "Salle Olympe" not in visitor.page
    # An answer that changes searches there again; another town does not.
    first = visitor.places
    visitor.opens("/rendez-vous/naissance").is_born(year="1943").is_at("creneaux")
    assert "Halle Simone Veil" in visitor.page
    assert "Au centre que vous avez demandé" in visitor.page
    # And finds what was read before: it was given back.
    assert visitor.places == first
    visitor.sends(wish="where", where="75011").is_at("creneaux")
    assert "Halle Simone Veil" not in visitor.page
    visitor.opens("/rendez-vous/naissance").is_born(year="1942").is_at("creneaux")
    assert "Halle Simone Veil" not in visitor.page


def test_the_very_slot_is_held_and_booked(town: House):
    wanted = slot_of(town, "2", which=17)
    visitor = comes(town, "2", wanted).is_at("creneaux")
    assert len(visitor.places) == 1
    assert town.held() == 1
    visitor.sends(place=visitor.places[0]).sends(wish="none").sends().is_at("fait")
    (booked,) = town.bookings()
    assert booked.start_at == start_of(town, wanted)


def test_a_slot_that_is_gone_is_said_and_the_nearest_ones_are_shown(town: House):
    wanted = slot_of(town, "2", which=17)
    comes(town, "2", wanted)
    other = comes(town, "2", wanted).is_at("creneaux")
    assert "n’est plus possible" in other.page
    assert other.page.count("Gymnase Jean Jaurès, ") == 3
    assert slot_of(town, "2") != wanted
    # A centre's slot stands for no other centre; too soon is as good as gone.
    for strange in (slot_of(town, "1"), 999_999_999_999_999_999):
        assert "n’est plus possible" in comes(town, "2", strange).is_at("creneaux").page


def test_a_centre_without_anything_leads_to_what_is_near(town: House):
    town.opens_centre("4", name="Salle vide", kilometres=1.0, starts=[])
    visitor = comes(town, "4").is_at("creneaux")
    assert "Ce centre n’a plus de créneau" in visitor.page
    assert "Salle Olympe" in visitor.page


def test_the_telephones_share_is_not_opened_by_an_address(database_url: str):
    campaign = campaign_with(phone_share=100, phone_share_until=timedelta(0))
    with house(database_url, campaign=campaign) as made:
        _opens(made)
        visitor = comes(made, "2", slot_of(made, "2")).is_at("attente")
        assert "en voici" not in visitor.page.lower()
        assert made.held() == 0


def test_nobody_is_given_a_slot_before_the_birthday_that_lets_them_come(town: House):
    day = (NOON + timedelta(days=3)).date()
    for which, is_held in ((2, True), (1, False)):
        wanted = slot_of(town, "2", which=which)
        path = f"/rendez-vous?centre=2&creneau={wanted}"
        visitor = Visitor(town).opens(path).sends(path=path, whom="self")
        visitor.is_born(str(day.day), str(day.month), str(day.year - 75))
        visitor.is_at("commune").sends(where="75011").is_at("creneaux")
        assert ("n’est plus possible" not in visitor.page) == is_held
        assert (len(visitor.places) == 1) == is_held


@pytest.mark.parametrize("two_doses", [False, True], ids=["one dose", "both"])
def test_two_people_come_by_a_slot(database_url: str, two_doses: bool):  # noqa: FBT001
    with house(database_url, campaign=campaign_with(doses=2 if two_doses else 1)) as made:
        made.opens_centre("1", name="Salle A", kilometres=0.4, starts=mornings(40), capacity=6)
        made.opens_centre("2", name="Salle B", kilometres=4.1, starts=mornings(40), capacity=6)
        wanted = slot_of(made, "2", which=5)
        visitor = comes(made, "2", wanted, "two").is_at("creneaux")
        visitor.sends(place=visitor.places[0]).sends(wish="none").sends().is_at("fait").sends()
        visitor.is_born(year="1944").is_at("creneaux").sends(place=visitor.places[0])
        visitor.sends().is_at("fait")
        booked = [one for one in made.bookings() if one.dose == 1]
        assert {one.start_at for one in booked} == {start_of(made, wanted)}
        assert len(made.bookings()) == (4 if two_doses else 2)


@pytest.mark.parametrize(
    "query",
    [
        "centre=nobody",
        "centre=",
        "creneau=12",
        "centre=" + "x" * 500,
        "centre=%00",
        "centre=a&" * 50,
    ],
)
def test_what_is_no_centre_of_ours_is_no_error(town: House, query: str):
    visitor = Visitor(town).opens(f"/rendez-vous?{query}")
    assert visitor.status == 200
    assert "dans ce centre" not in visitor.page
    visitor.sends(path=f"/rendez-vous?{query}", whom="self").is_at("naissance")
    for strange in ("x", "-1", "٣", "1" * 40):
        page = Visitor(town).opens(f"/rendez-vous?centre=2&creneau={strange}")
        assert page.status == 200
        assert "dans ce centre" in page.page


def test_beginning_anew_keeps_what_one_came_for(town: House):
    visitor = Visitor(town).starts().is_born()
    visitor.opens("/rendez-vous?centre=2").sends(path="/rendez-vous?centre=2", whom="self")
    visitor.is_at("reprendre")
    again = re.search(r'action="(/rendez-vous/reprendre[^"]*)"', visitor.page)
    assert again
    visitor.sends(path=again[1], wish="anew")
    assert "Gymnase Jean Jaurès" in visitor.page


# ---------------------------------------------------------------- the gate


def test_pages_at_a_centre_are_kept_apart_and_nobodys_spelling_changes_anothers_page(town: House):
    gate = gate_of(town)
    gate.begin()
    browser = town.app.test_client()

    def page(path: str) -> str:
        return browser.get(path, base_url=BASE).get_data(as_text=True)

    for strange in (
        "/rendez-vous?%63entre=2",
        "/rendez-vous?%6Cang=en",
        "/rendez-vous?lang=fr&lang=en",
        "/?%6Cang=en",
    ):
        page(strange)
    assert "dans ce centre" not in page("/rendez-vous")
    assert "Pour qui prenez-vous" in page("/rendez-vous")
    assert '<html lang="fr">' in page("/")
    assert "Gymnase Jean Jaurès" in page("/rendez-vous?x=1&centre=2")
    assert "Gymnase Jean Jaurès" in page("/rendez-vous?lang=en&centre=2")
    seen = statements(town)
    kept = page("/rendez-vous?centre=2")
    assert "Gymnase Jean Jaurès" in kept
    assert seen == []
    for number in range(200):
        page(f"/rendez-vous?centre=2&creneau={number}")
        page(f"/rendez-vous?centre=nobody{number}")
        page(f"/rendez-vous?nothing={number}")
        page(f"/assets/public.css?v={number}")
    assert len(gate.pages.kept._kept) < 12
    assert len(gate.pages.kept_for_centres._kept) <= 64
    answer = browser.get("/rendez-vous?centre=2&creneau=5", base_url=BASE)
    assert "public" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


def test_the_waiting_room_leads_back_to_the_centre(database_url: str):
    opening = NOON + timedelta(minutes=10)
    with house(database_url, campaign=campaign_with(opens_at=opening)) as made:
        _opens(made)
        gate_of(made).begin()
        browser = made.app.test_client()
        answer = browser.post("/rendez-vous?centre=2&lang=en", base_url=BASE, headers=FORM)
        assert answer.headers["Location"] == "/salle?lang=en&centre=2"
        # Whoever only looks has the room's page under the address with the centre.
        answer = browser.get("/rendez-vous?centre=2&lang=en", base_url=BASE, headers=FORM)
        assert (answer.status_code, '<div id="room"' in answer.get_data(as_text=True)) == (
            200,
            True,
        )
        clock_of(made).moment += timedelta(hours=2)
        answer = browser.get("/salle?lang=en&centre=2", base_url=BASE, headers=FORM)
        assert answer.headers["Location"] == "/rendez-vous?lang=en&centre=2"


# ---------------------------------------------------------------- what one place may hold


def test_one_place_holds_so_much_and_then_is_told_whom_to_ring(database_url: str):
    with house(database_url, shares=replace(NO_SHARES, per_address=3)) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(40), capacity=9)

        def come(address: str) -> Visitor:
            browser = made.app.test_client()
            browser.environ_base["REMOTE_ADDR"] = address
            return Visitor(made, browser)

        held = [come("192.0.2.1").comes_to_offers("two") for _ in range(3)]
        refused = come("192.0.2.1").starts().is_born().sends(where="75011").is_at("commune")
        assert refused.status == 422
        assert "09 74 75 00 01" in refused.page.replace("\u00a0", " ")
        assert 'value="75011"' in refused.page
        assert "Nous ne pouvons pas continuer" in refused.page
        before = made.held()
        # Whoever holds something goes on, for both of two; another place has its own.
        come("192.0.2.77").comes_to_offers()
        assert made.held() > before
        one = held[0].sends(wish="days").is_at("creneaux")
        one.sends(place=one.places[0]).sends(wish="none").sends().is_at("fait")
        one.sends().is_at("naissance").is_born(year="1944").is_at("creneaux")
        held[1].sends(path="/rendez-vous/terminer", follow=False)
        # What is left, or ran out, counts for nobody.
        refused.sends(where="75011").is_at("creneaux")
        clock_of(made).moment += web_sessions.LEASE + timedelta(seconds=1)
        come("192.0.2.1").comes_to_offers()
        # A proxy that nobody told us about, and this machine, are places like all others.
        for ours in ("10.1.2.3", "127.0.0.1", "fd00::1"):
            for _ in range(3):
                come(ours).comes_to_offers()
            come(ours).starts().is_born().sends(where="75011").is_at("commune")
