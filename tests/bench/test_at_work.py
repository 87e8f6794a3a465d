"""What the people of the bench read in documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import at_work
from bench.servers import House
from bench.traffic import BASE
from tests.support.floor import Floor
from tests.support.house import house


def test_an_address_of_a_document_is_what_is_asked_for_without_the_providers_own_part():
    document = (
        f'<Response><Gather action="{BASE}/voice/wait-key?round=0&amp;told=-1#rc=2&amp;rp=ct">'
        f'</Gather><Redirect method="POST">{BASE}/voice/wait?round=1#rc=2</Redirect></Response>'
    )
    assert at_work.next_target(at_work.ACTION, document) == "/voice/wait-key?round=0&told=-1"
    assert at_work.next_target(at_work.REDIRECT, document) == "/voice/wait?round=1"
    assert at_work.next_target(at_work.CONFERENCE, document) == ""


def test_what_should_not_be_makes_it_count_for_nothing():
    assert at_work.WorkdayFigures().faults() == []
    short = at_work.WAITING // 2
    seen = at_work.WorkdayFigures(bad={"/poste/attente 500": 2}, fewest_waiting=short, unseen=1)
    assert [one.split()[0] for one in seen.faults()] == ["2", "only", "1"]


def test_who_was_measured_before_is_in_nobodys_way(database_url: str):
    with house(database_url) as made:
        floor = Floor(made)
        agent, talking = floor.talk()
        waiting = floor.waits()
        at_work.send_home(database_url)
        assert {floor.entry(one).state for one in (talking, waiting)} == {"left"}
        found = floor.state(agent)
        assert (found.state, found.entry_id) == ("ready", None)
        assert floor.reserves() == 0
        # The next caller comes to the agent who was free all the time, as it seems.
        new = floor.waits()
        assert floor.reserves() == 1
        assert floor.entry(new).staff_id == agent


@pytest.mark.parametrize(("pausing", "rung"), [("", 1), (at_work.REASONS[0], 0)])
def test_whose_pauses_are_looked_for_on_boards_is_not_rung(
    database_url: str, tmp_path: Path, pausing: str, rung: int
):
    """Whoever is rung cannot pause, and boards would show nothing of it."""
    with house(database_url) as made:
        floor = Floor(made)
        at_work.hire(House(tmp_path, "bench", database_url, "unix:///none"), 0, 1, pausing=pausing)
        floor.waits()
        assert floor.reserves() == rung
