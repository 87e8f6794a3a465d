"""Several services on the public site: a page each, an address for posters; nothing for one."""

from __future__ import annotations

import gzip
import json
import re

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.slots.services import bits_of
from models.slots.slots import SlotsToOpen, open_slots
from models.supervision import snapshots
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.numbers.numbers import CalledNumber
from services.public.feed_resources import Publisher
from services.public.smart_feed import SmartFeed
from services.public.write_state import FREE, WriteState
from tests.online.visitors import Visitor
from tests.public.services_stage import CARD, COVID, FLU, app_of
from tests.support.house import BASE, CAMPAIGN, House, house, mornings


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    own = CalledNumber("+33974750035", campaign=CARD.name)
    with house(database_url, numbers=(own,)) as made:
        made.opens_centre("1", starts=mornings(9), capacity=9)
        yield made


def visitor(made: House, *campaigns: object) -> Visitor:
    return Visitor(made, app_of(made, *(campaigns or (FLU, COVID, CARD))))  # type: ignore[arg-type]


def title(campaign: Campaign) -> str:
    """The headline of a service's page, by the words beside its campaign."""
    return campaign.words("fr").page["title"]


def test_the_first_page_has_each_service_with_its_own_page(made: House):
    page = visitor(made).goes("/").page
    for one in (FLU, COVID, CARD):
        assert f'href="/pour/{one.service}">{title(one)}</a>' in page
    # One that is not open yet says when.
    assert "à partir du" in page
    assert "Pour qui" not in page


def test_a_service_has_its_page_with_its_own_people_and_number(made: House):
    flu = visitor(made).goes("/pour/grippe").page
    assert "ont 65 ans ou plus" in flu
    assert 'href="/rendez-vous?pour=grippe"' in flu
    assert "Dans le même rendez-vous, si vous y avez droit : le Covid." in flu
    assert "09 74 75 00 01" in flu
    card = visitor(made).goes("/pour/carte").page
    assert "Tout le monde" in card
    assert "09 74 75 00 35" in card
    assert "/rendez-vous?pour" not in card
    assert visitor(made).goes("/pour/autre").status == 404


def test_a_page_of_a_service_has_one_number_in_its_frame_too(made: House):
    """Who comes by the poster of the town hall reads its number alone, and not another above it."""
    opened = visitor(made, FLU, COVID, replace(CARD, opens_at=None))
    for path in ("", "/affiche", "/centres", "/centres/dep/75"):
        page = opened.goes(f"/pour/carte{path}").page
        assert "09 74 75 00 35" in page, path
        assert "00 01" not in page, path
    assert "09 74 75 00 01" in opened.goes("/pour/grippe").page


def test_two_pages_have_two_titles(made: House):
    opened = visitor(made, FLU, COVID)
    titles = {
        re.findall("<title>(.*?)</title>", opened.goes(f"{path}/centres/dep/75").page)[0]
        for path in ("", "/pour/grippe", "/pour/covid")
    }
    assert len(titles) == 3


def test_the_poster_has_the_address_as_a_code(made: House):
    page = visitor(made).goes("/pour/grippe/affiche").page
    assert "<svg" in page
    assert "/pour/grippe</strong>" in page


def test_the_posters_address_says_what_somebody_comes_for(made: House):
    page = visitor(made).goes("/rendez-vous?pour=grippe")
    page.reads("Vous venez pour")
    # What there is not leads to the page for everything.
    for asked in ("autre", "carte", "GRIPPE", "x" * 99):
        away = visitor(made).goes(f"/rendez-vous?pour={asked}")
        assert "Vous venez pour" not in away.page, asked


def test_the_state_is_told_by_service(made: House):
    client = visitor(made).client
    told = {one["name"]: one["open"] for one in client.get("/etat.json").json["services"]}  # type: ignore[index]
    assert told == {"grippe": True, "covid": True, "carte": False}
    assert "Par service" in client.get("/etat").text


def test_with_one_service_nothing_of_it_is_shown(made: House):
    for only in (CAMPAIGN, replace(CAMPAIGN, service="grippe")):
        one = visitor(made, only)
        assert "De quoi avez-vous besoin" not in one.goes("/").page
        assert "services" not in (one.client.get("/etat.json").json or {})
        assert "Par service" not in one.goes("/etat").page
        assert "Vous venez pour" not in one.goes("/rendez-vous?pour=grippe").page
    assert visitor(made, CAMPAIGN).goes("/pour/grippe").status == 404


def test_a_slot_of_the_feed_says_which_service_alone_it_serves(made: House, tmp_path: Path):
    with made.database.transaction() as connection:
        bits = bits_of(connection, ["covid"])
    starts = tuple(mornings(3, first=12))
    open_slots(made.database, [SlotsToOpen("1", starts, 2, services=bits)])
    feed = SmartFeed(
        made.store,
        lambda: FLU,
        tmp_path,
        Publisher(BASE, "+33974750001"),
        services=lambda: (FLU, COVID),
    )
    feed.write()
    packed = (tmp_path / "centre-1.ndjson.gz").read_bytes()
    lines = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    types = [
        [one["coding"][0]["code"] for one in line.get("serviceType", ())]
        for line in lines
        if line["status"] == "free"
    ]
    # What serves all leaves it to its Schedule.
    assert types.count([]) == 9
    assert types.count(["covid"]) == 3


def test_the_feed_says_what_appointments_are_for(made: House, tmp_path: Path):
    def types(*campaigns: Campaign) -> list[dict[str, Any]]:
        feed = SmartFeed(
            made.store,
            lambda: FLU,
            tmp_path,
            Publisher(BASE, "+33974750001"),
            services=lambda: campaigns,
        )
        feed.write()
        packed = (tmp_path / "schedules.ndjson.gz").read_bytes()
        found: list[dict[str, Any]] = json.loads(gzip.decompress(packed))["serviceType"]
        return found

    both = types(FLU, COVID)
    assert [one["coding"][0]["code"] for one in both] == ["grippe", "covid"]
    assert [one["text"] for one in both] == [title(FLU), title(COVID)]
    assert both[0]["coding"][0]["system"] == f"{BASE}/pour"
    # What appointments are for, and nothing that they are not.
    assert "57" not in json.dumps(types(CARD))
    assert "57" in json.dumps(types(CAMPAIGN))


# ---------------------------------------------------------------- the centres of a service


def three_centres(made: House) -> None:
    """One for all services, one for the Covid alone, and one that is full."""
    with made.database.transaction() as connection:
        bits = bits_of(connection, ["covid"])
    made.opens_centre("2", name="Salle du Covid", kilometres=2.0)
    open_slots(made.database, [SlotsToOpen("2", tuple(mornings(3)), 2, services=bits)])
    made.opens_centre("3", name="Salle pleine", kilometres=3.0)
    made.opens_centre("4", name="Cabinet", kilometres=1.0, mode="own_phone")
    WriteState(made.store, Campaigns.fixed(FLU, COVID, now=made.clock.now))()


def rows(opened: Visitor) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/centres/([^"]+)">', opened.page)


def test_the_centres_of_a_service_are_those_with_places_for_it(made: House):
    three_centres(made)
    opened = visitor(made, FLU, COVID)
    assert 'href="/pour/grippe/centres"' in opened.goes("/pour/grippe").page
    front = opened.goes("/pour/grippe/centres")
    assert f"<h1>Centres pour {FLU.words('fr').spoken['name']}</h1>" in front.page
    assert 'href="/pour/grippe/centres/dep/75"' in front.page
    assert 'action="/pour/grippe/centres"' in front.page
    assert rows(opened.goes("/pour/grippe/centres/dep/75")) == ["1", "3"]
    assert rows(opened.goes("/pour/covid/centres/dep/75")) == ["1", "2", "3"]
    # From there the visit knows what somebody comes for.
    assert "/rendez-vous?centre=2&amp;pour=covid" in opened.page
    # Those that have places for others only, and those of others, stand among all.
    assert sorted(rows(opened.goes("/centres/dep/75"))) == ["1", "2", "3", "4"]
    assert "pour=" not in opened.page
    near = opened.client.post("/pour/grippe/centres", data={"where": "75011"}).text
    assert re.findall(r'<th scope="row"><a href="/centres/([^"]+)">', near) == ["1", "3"]
    assert "Seulement ceux qui donnent des rendez-vous pour" in near
    assert opened.goes("/pour/carte/centres").status == 404


def test_how_much_is_free_is_told_of_the_service(made: House):
    three_centres(made)
    with made.database.transaction() as connection:
        bits = bits_of(connection, ["grippe"])
    open_slots(made.database, [SlotsToOpen("2", tuple(mornings(1, first=5)), 4, services=bits)])
    WriteState(made.store, Campaigns.fixed(FLU, COVID, now=made.clock.now))()
    opened = visitor(made, FLU, COVID)
    body = snapshot_of(made)
    of = body["of"]
    of_all, flu, covid = (part["2"][0] for part in (body["ours"], of["grippe"], of["covid"]))
    assert 0 < flu < covid < of_all == flu + covid
    assert rows(opened.goes("/pour/grippe/centres/dep/75")) == ["1", "2", "3"]


def snapshot_of(made: House) -> dict[str, Any]:
    with made.database.statement() as connection:
        found = snapshots.get(connection, FREE)
    assert found is not None
    read: dict[str, Any] = json.loads(found.body or "")
    return read


def test_with_one_service_there_are_no_centres_of_it(made: House):
    WriteState(made.store, Campaigns.fixed(CAMPAIGN, now=made.clock.now))()
    assert snapshot_of(made)["of"] == {}
    assert visitor(made, CAMPAIGN).goes("/pour/grippe/centres").status == 404


# ---------------------------------------------------------------- three numbers

NATIONAL, OF_FLU, OF_COVID = "+33974750001", "+33974750065", "+33974750019"


@pytest.fixture
def three(database_url: str) -> Iterator[House]:
    """Each of two services has a number of its own, beside the national one."""
    own = (CalledNumber(OF_FLU, campaign=FLU.name), CalledNumber(OF_COVID, campaign=COVID.name))
    with house(database_url, numbers=own) as made:
        made.opens_centre("1")
        with made.database.transaction() as connection:
            each = [bits_of(connection, [name]) for name in ("grippe", "covid")]
        for number, bits in enumerate((0, *each)):
            starts = tuple(mornings(2, first=6 + 3 * number))
            open_slots(made.database, [SlotsToOpen("1", starts, 2, services=bits)])
        yield made


def test_a_slot_of_the_feed_names_the_number_of_what_it_serves(three: House, tmp_path: Path):
    numbers = {FLU.name: OF_FLU, COVID.name: OF_COVID}
    feed = SmartFeed(
        three.store,
        lambda: FLU,
        tmp_path,
        Publisher(BASE, NATIONAL),
        services=lambda: (FLU, COVID),
        number_of=lambda one: numbers[one.name],
    )
    feed.write()
    packed = (tmp_path / "centre-1.ndjson.gz").read_bytes()
    told = [
        (
            "".join(one["coding"][0]["code"] for one in line.get("serviceType", ())),
            next(one["valueString"] for one in line["extension"] if "valueString" in one),
        )
        for line in map(json.loads, gzip.decompress(packed).splitlines())
        if line["status"] == "free"
    ]
    # What serves both is rung for at the number of all.
    assert told == [("", NATIONAL)] * 2 + [("grippe", OF_FLU)] * 2 + [("covid", OF_COVID)] * 2


def test_the_state_names_the_number_of_each_service(three: House):
    client = visitor(three, FLU, COVID).client
    told = client.get("/etat.json").json
    assert told is not None
    assert {one["name"]: one["number"] for one in told["services"]} == {
        "grippe": OF_FLU,
        "covid": OF_COVID,
    }
    page = client.get("/etat").text
    assert "09 74 75 00 65" in page
    assert "09 74 75 00 19" in page
    # Where the number is that of all, it is said once.
    assert visitor(three, FLU, CARD).client.get("/etat").text.count("09 74 75 00 01") == (
        client.get("/etat").text.count("09 74 75 00 01")
    )


def test_the_page_of_each_service_has_its_number(three: House):
    page = visitor(three, FLU, COVID)
    assert "09 74 75 00 65" in page.goes("/pour/grippe").page
    assert "09 74 75 00 19" in page.goes("/pour/covid").page
