"""The board looked at for one service: chosen by its address, said in words; nothing for one."""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import Any

import pytest

from sqlalchemy import select

from models.call.tables import turn
from models.queue.tables import queue_entry
from services.campaign.campaigns import Campaigns
from services.supervision.write_board import WriteBoard
from tests.calls.test_services import autumn, town
from tests.public.services_stage import COVID, FLU, app_of
from tests.supervision.test_board import JSON, Board
from tests.support.house import CAMPAIGN, House, house, mornings
from tests.support.rows import rows_of

FLU_NAME, COVID_NAME = (one.words("fr").spoken["name"] for one in (FLU, COVID))


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(9), capacity=9)
        yield made


def page(made: House, query: str = "", *campaigns: Any) -> str:
    client = made.signs_in("supervisor", app=app_of(made, *(campaigns or (FLU, COVID))))
    return re.sub(r"\s+", " ", client.get(f"/supervision{query}").text)


def options(shown: str, which: str = "") -> list[str]:
    menu = re.search(r'<select id="service-filter".*?</select>', shown)
    assert menu is not None
    return re.findall(rf'<option value="([^"]*)"{which}>', menu[0])


def chosen(shown: str) -> list[str]:
    return options(shown, " selected")


def test_it_is_chosen_by_a_form_without_a_script_and_kept_in_the_address(made: House):
    shown = page(made)
    assert '<form class="inline look" method="get" action="/supervision" id="look">' in shown
    assert sorted(options(shown) + options(shown, " selected")) == ["", "-", "covid", "grippe"]
    assert chosen(shown) == [""]
    assert 'id="looked"' not in shown
    shown = page(made, "?pour=grippe")
    assert chosen(shown) == ["grippe"]
    assert f"Chiffres pour {FLU_NAME} seulement." in shown
    assert "compte dans chacun" in shown
    assert 'data-pour="grippe"' in shown
    assert "/supervision/historique?pour=grippe" in shown
    # What is of all services says so where it stands.
    assert shown.count('<small class="of-all">tous les services</small>') >= 5
    assert "<small" not in page(made).split('id="advice-title"')[1].split("</h2>")[0]
    assert "Chiffres de ce qui n’est d’aucun service." in page(made, "?pour=-")


def test_a_service_that_is_none_is_all_of_them_and_so_is_a_wall(made: House):
    for query in ("?pour=autre", "?pour=", "?pour=%2B", "?mur=1&pour=grippe"):
        shown = page(made, query)
        assert 'data-pour=""' in shown, query
        assert 'id="looked"' not in shown, query


def test_with_one_service_nothing_of_it_is_shown(made: House):
    for query in ("", "?pour=grippe"):
        shown = page(made, query, CAMPAIGN)
        assert "service-filter" not in shown
        assert "tous les services" not in shown
        assert 'data-pour=""' in shown
    writes = WriteBoard(made.store, Campaigns.fixed(CAMPAIGN, now=made.clock.now))
    writes()
    assert Board(made).sees().json["of"] == {}


def test_nobody_who_waits_is_on_a_wall_by_service_either(made: House):
    board = Board(made)
    board.waits("E1", about="grippe")
    WriteBoard(made.store, Campaigns.fixed(FLU, COVID, now=made.clock.now))()
    etat: Any = board.sees().json
    assert [one["id"] for one in etat["of"]["grippe"]["entries"]] == ["E1"]
    assert etat["of"]["covid"]["entries"] == []
    assert etat["of"]["grippe"]["backlog"]["people"] == 1
    wall: Any = board.client.get("/supervision/mur/etat", headers=JSON).json
    assert {tuple(part["entries"]) for part in wall["of"].values()} == {()}


# ---------------------------------------------------------------- what calls are about


@pytest.fixture
def both(database_url: str) -> Iterator[House]:
    yield from town(database_url, *autumn())


def about(made: House) -> list[str | None]:
    statement = select(turn.c.about).order_by(turn.c.call_id, turn.c.number)
    return [row.about for row in rows_of(made.database, statement)]


def test_a_turn_says_what_its_call_is_about_from_when_it_is_known(both: House):
    caller = both.phone().dials().answers("1", "12031956")
    assert set(about(both)) == {None}
    caller.answers("3")
    assert about(both)[-1] == "covid+grippe"
    # Six months have not passed: what is left.
    caller.answers("2")
    assert about(both)[-1] == "grippe"
    caller.answers("75011", "1", "1")
    assert set(about(both)[-3:]) == {"grippe"}


def test_who_waits_for_an_agent_waits_with_what_was_said(both: House):
    both.phone().dials().answers("1", "12031956", "1").presses("0").presses("1")
    assert [row.about for row in rows_of(both.database, select(queue_entry.c.about))] == ["grippe"]


def test_of_the_one_service_of_today_nothing_is_kept(service: House):
    service.opens_centre("1", starts=mornings(3))
    service.phone().dials().answers("1", "12031942").presses("0").presses("1")
    assert set(about(service)) == {None}
    assert [row.about for row in rows_of(service.database, select(queue_entry.c.about))] == [None]
