"""Which number was called, on the desk and on the board; nothing of it where there is one alone."""

from __future__ import annotations

import json

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from models.supervision import snapshots
from services.campaign.campaigns import Campaigns
from services.numbers.file import load
from services.supervision.write_board import WriteBoard
from tests.desk.test_desk import HTMX, Desk
from tests.numbers.files import BRETAGNE, ENGLISH, EXAMPLE, KNOWN, NATIONAL
from tests.support.house import LANDLINE, MOBILE, House, a_mobile, house, mornings
from tests.support.rows import clock_of


@pytest.fixture
def several(database_url: str) -> Iterator[House]:
    """Three numbers, without a table for the national one: it is what is left."""
    _, bretagne, english = load(EXAMPLE, replace(KNOWN, staffed=None))
    with house(database_url, numbers=(bretagne, english)) as made:
        made.opens_centre("1", starts=mornings(9), capacity=9)
        made.opens_centre("2", code="35000", starts=mornings(9), capacity=9)
        yield made


def board_of(made: House) -> dict[str, Any]:
    campaigns = Campaigns.fixed(made.campaign, now=made.clock.now)
    write = WriteBoard(made.store, campaigns, made.numbers)
    write()
    # What is counted is settled after a minute.
    clock_of(made).advance(timedelta(minutes=3))
    write()
    with made.database.statement() as connection:
        found = snapshots.get(connection, "board")
    assert found is not None
    body: dict[str, Any] = json.loads(found.body or "{}")
    return body


def test_the_board_adds_up_by_number(several: House):
    several.phone(MOBILE, recipient=BRETAGNE).books(code="35000")
    several.phone(a_mobile(2), recipient=NATIONAL).books()
    several.phone(a_mobile(3), recipient=NATIONAL).dials()
    several.phone(LANDLINE, recipient=ENGLISH).dials().presses("0")
    body = board_of(several)
    rows = {row["number"]: row for row in body["numbers"]}
    assert list(rows) == [NATIONAL, BRETAGNE, ENGLISH]
    assert [(row["calls"], row["booked"]) for row in rows.values()] == [(2, 1), (1, 1), (1, 0)]
    assert sum(row["calls"] for row in rows.values()) == body["calls"]["today"]
    assert sum(row["people"] for row in rows.values()) == body["backlog"]["people"]


def test_who_waits_is_shown_with_the_number(several: House):
    desk = Desk(several)
    desk.has(several.phone(MOBILE, recipient=BRETAGNE).goes_to("for_whom"), "reserved")
    body = board_of(several)
    assert [entry["called"] for entry in body["entries"]] == [BRETAGNE]
    people = {row["number"]: row["people"] for row in body["numbers"]}
    assert people == {NATIONAL: 0, BRETAGNE: 1, ENGLISH: 0}
    page = desk.client.get("/poste", headers=HTMX).text
    assert "A appelé le 09 74 75 00 35 (Bretagne)" in page.replace("\u00a0", " ")


def test_the_boards_page_has_them_to_choose(several: House):
    supervisor = several.signs_in("supervisor")
    page = supervisor.get("/supervision").text.replace("\u00a0", " ")
    assert "Par numéro appelé" in page
    assert 'id="number-filter"' in page
    assert "09 74 75 00 35 · Bretagne" in page
    wall = supervisor.get("/supervision?mur=1").text
    assert "Par numéro appelé" in wall
    assert 'id="number-filter"' not in wall


def test_with_one_number_nothing_of_it_is_shown(database_url: str):
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(2))
        desk = Desk(made)
        desk.has(made.phone(MOBILE).goes_to("for_whom"))
        assert board_of(made)["numbers"] == []
        page = made.signs_in("supervisor").get("/supervision").text
        assert "number-rows" not in page
        assert "board-numbers.js" not in page
        assert "A appelé le" not in desk.client.get("/poste").text
