"""What partners have, on the telephone, at the desk and for the web: with its age, never ours."""

from __future__ import annotations

import re

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.session import Session
from models.partners import rows
from models.partners.rows import PartnerCentreRow, PartnerSlot
from services.centres.directory import OTHERS_FRESH_SECONDS, Directory
from services.partners.booking import PlacedOrder
from services.partners.near import BookingWay, Moment, PartnerOffer, near
from tests.desk.test_desk import Desk
from tests.support.house import MOBILE, NOON, POSTCODES, House, campaign_with, house, mornings
from tests.support.keldoc import CENTRE, FIRST, MORNING, SECOND, Beside, beside
from tests.support.rows import on_the_wire

_, _, _TERRITORY, LATITUDE, LONGITUDE = POSTCODES["75011"]
SESSION = Session(
    born="1942-03-12",
    postcode="75011",
    town="Paris 11e",
    latitude=LATITUDE,
    longitude=LONGITUDE,
    territory="metropole",
)


def partner(one: House, name: str = "Gymnase Japy", **changes: Any) -> None:
    """A centre of Doctolib 3 km north of Paris 11e with two free moments, read 12 minutes ago."""
    told = PartnerCentreRow(
        id=f"doctolib:{name}",
        platform="doctolib",
        name=name,
        street="2 rue Japy",
        postcode="75011",
        town="Paris 11e",
        territory="metropole",
        latitude=LATITUDE + 3 / 111.2,
        longitude=LONGITUDE,
        phone=changes.pop("phone", ""),
        link="https://partners.doctolib.fr/japy",
    )
    minutes = changes.pop("minutes", 12)
    start = changes.pop("start", MORNING)
    slots = [PartnerSlot(start, 1), PartnerSlot(start + timedelta(minutes=10), 1)]
    with one.database.transaction() as connection:
        read_at = one.clock.now() - timedelta(minutes=minutes)
        rows.replace_centre(connection, read_at, replace(told, **changes), slots)


def found(one: Beside, session: Session = SESSION) -> tuple[PartnerOffer, ...]:
    with one.house.database.statement() as connection:
        return near(connection, one.house.store, one.service, session)


# ------------------------------------------------------------------ beside ours


def test_what_stands_beside_ours(database_url: str):
    with beside(database_url) as one:
        one.opens(minutes=20)
        one.mirrors()
        partner(one.house)
        partner(one.house, "Maison médicale", phone_only=True, phone="+33142030405", minutes=130)
        partner(one.house, "Trop vieux", minutes=7 * 60)
        partner(one.house, "Passé", start=NOON - timedelta(hours=3))
        here, site, phone = found(one)

        assert (here.platform, here.centre_id, here.way) == ("keldoc", CENTRE, BookingWay.HERE)
        assert here.moments == (
            Moment(one.slot(), MORNING),
            Moment(one.slot(MORNING + timedelta(minutes=10)), MORNING + timedelta(minutes=10)),
        )
        assert (site.way, site.minutes_old, site.free) == (BookingWay.SITE, 12, 2)
        assert (phone.way, phone.phone) == (BookingWay.PHONE, "+33142030405")
        # Who may not come yet is shown nothing that could be asked for.
        assert found(one, SESSION.but(territory="")) == ()
        # What is asked for is nobody else's to see.
        assert isinstance(one.asks(), PlacedOrder)
        assert [each.slot_id for each in found(one)[0].moments] == [
            one.slot(MORNING + timedelta(minutes=10))
        ]


def test_two_doses_stand_together_or_not_at_all(database_url: str):
    with beside(database_url, motives=(FIRST, SECOND), campaign=campaign_with(doses=2)) as one:
        second = MORNING + timedelta(days=22)
        one.opens()
        one.mirrors()
        (alone,) = found(one)
        assert (alone.way, alone.moments) == (BookingWay.PHONE, ())
        one.opens(second)
        one.mirrors()
        (both,) = found(one)
        assert both.moments == (Moment(one.slot(), MORNING, one.slot(second), second),)


# ------------------------------------------------------------------ on the telephone


@pytest.fixture
def empty(database_url: str) -> Iterator[House]:
    """Nothing of ours anywhere."""
    with house(database_url) as made:
        yield made


def test_a_caller_hears_of_a_partners_centre_and_is_connected(empty: House):
    partner(empty, phone="+33142030405")
    caller = empty.phone(MOBILE).goes_to("partner_centre")
    caller.hears_text("Il y a 12 minutes")
    caller.hears_text("sur Doctolib")
    caller.hears_text("Gymnase Japy, à Paris 11e, à 3 kilomètres")
    caller.presses("1").hears_text("01, 42, 03, 04, 05")
    assert b"+33142030405" in b"".join(caller.documents)
    assert empty.bookings() == []


def test_the_agent_has_the_partners_centre_on_the_screen(empty: House):
    partner(empty)
    caller = empty.phone(MOBILE).goes_to("partner_centre").presses("1")
    desk = Desk(empty)
    desk.has(caller)
    file = desk.client.get("/poste/dossier", headers={"HX-Request": "true"}).text
    assert "Partenaire (Doctolib)" in file
    assert "Gymnase Japy, Paris 11e" in file


@pytest.mark.parametrize("changes", [{"minutes": 121}, {"latitude": LATITUDE + 2}])
def test_what_is_old_or_far_is_not_named(empty: House, changes: dict[str, Any]):
    partner(empty, **changes)
    assert empty.phone(MOBILE).goes_to("no_slot").step == "no_slot"


def test_without_a_partner_nobody_looks_for_one_again_within_a_minute(empty: House):
    seconds = 0.0
    directory = Directory(empty.database, ticks=lambda: seconds)
    with empty.database.statement() as connection:
        assert not directory.has_partners(connection)
    partner(empty)
    with empty.database.statement() as connection:
        with on_the_wire(empty.database) as sent:
            seconds = OTHERS_FRESH_SECONDS
            assert not directory.has_partners(connection)
        assert sent == []
        seconds = OTHERS_FRESH_SECONDS + 1
        assert directory.has_partners(connection)


def test_ours_within_twice_its_distance_come_first(empty: House):
    partner(empty)
    empty.opens_centre("1", kilometres=5.9, starts=mornings(1))
    assert empty.phone(MOBILE).goes_to("offers").step == "offers"


# ------------------------------------------------------------------ at the desk

SLOTS = re.compile(r'name="slots" value="([0-9-]+)"')
PARTNER_NONCE = re.compile(r'name="partner_nonce" value="(\w+)"')
ORDER = re.compile(r"order=([0-9a-f]{32})")
FORM = {"people": "1", "born1": "12031942", "place": "75011", "number": "0612345678", "text": "1"}


@pytest.fixture
def at_desk(database_url: str) -> Iterator[tuple[Beside, Desk]]:
    with beside(database_url) as one:
        one.opens()
        one.mirrors()
        partner(one.house)
        desk = Desk(one.house)
        desk.has(None)
        yield one, desk


def order_from(page: str) -> dict[str, str]:
    """What an agent sends to ask for the first place of a page of offers."""
    return {
        **FORM,
        "slots": SLOTS.findall(page)[0],
        "partner_nonce": PARTNER_NONCE.findall(page)[0],
        "partner_centre": CENTRE,
        "postcode": "75011",
    }


def test_a_keldoc_centre_is_booked_at_the_desk(at_desk: tuple[Beside, Desk]):
    one, desk = at_desk
    page = desk.does("/offres", **FORM)
    assert "Chez les partenaires" in page
    assert "Sur Doctolib" in page
    assert "lu il y a 12 min" in page
    assert "Gymnase Japy" in page
    order = order_from(page)
    assert "prénom et du nom" in desk.does("/partenaire", **order)
    order |= {"first_name": "Jeanne", "last_name": "Martin"}

    page = desk.does("/partenaire", **order)
    assert "Demandé, pas encore pris" in page
    assert ">Réservé" not in page
    assert one.house.bookings() == []
    (order_id, *_) = ORDER.findall(page)
    # The same form once more is the same order.
    assert order_id in desk.does("/partenaire", **order)
    where = f"/poste/partenaire?order={order_id}"
    assert "pas encore pris" in desk.client.get(where, headers={"HX-Request": "true"}).text
    assert one.house.woken.messages

    assert one.delivers() == ["booked"]

    page = desk.client.get(where, headers={"HX-Request": "true"}).text
    (booked,) = one.house.bookings()
    assert "Pris des deux côtés" in page
    assert booked.channel == "agent"
    assert " ".join(re.findall("..", booked.reference)) in page
    assert desk.client.get(where).status_code == 200
    assert desk.client.get("/poste/partenaire?order=" + "f" * 32).status_code == 404
    other = one.house.signs_in("agent", app=desk.app)
    assert other.get(where, headers={"HX-Request": "true"}).status_code == 404


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (["ok", "ok", "ok", "422"], "Pas pris"),
        (["ok", "ok", "ok", "cut"], "pas encore pris"),
        (["402"], "pas encore pris"),
    ],
)
def test_the_desk_is_told_the_truth_about_each_failure(
    database_url: str, faults: list[str], told: str
):
    with beside(database_url) as one:
        one.opens()
        one.mirrors()
        desk = Desk(one.house)
        desk.has(None)
        page = desk.does("/offres", **FORM)
        order = order_from(page) | {"first_name": "Jeanne", "last_name": "Martin"}
        (order_id, *_) = ORDER.findall(desk.does("/partenaire", **order))
        one.diary.set_faults({"next": faults})
        one.delivers()
        where = f"/poste/partenaire?order={order_id}"
        page = desk.client.get(where, headers={"HX-Request": "true"}).text
        assert told in page
        assert "deux côtés" not in page
