"""The map of the conversation, and what the walk says of one that is broken."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

from click.testing import CliRunner

import commands.calls

from flows.engine import ENDED, advance
from flows.steps import STEPS
from flows.verification import call_map, walking, weathers
from flows.verification.call_map import MOST_MENUS, CallMap, MapEdge
from flows.verification.rehearsed import OPENING, PARIS
from tests.flows.fake_world import FakeWorld
from tests.flows.walk import walk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found() -> CallMap:
    return call_map.read(walk().turns)


def test_every_step_is_on_the_map_and_leads_on_and_out(found: CallMap):
    assert found.not_met() == []
    assert found.dead_ends() == []
    assert found.without_exit() == []


def test_no_menu_has_more_than_four_choices(found: CallMap):
    assert found.long_menus() == {}
    assert found.choices["welcome"] >= {"1", "2", "3"}
    # The key for an interpreter is printed, and no caller has to keep it in mind.
    assert "6" in found.choices["welcome"] & STEPS["welcome"].printed_keys


def test_what_the_walk_takes_over_from_a_like_weather_is_what_it_would_work_out_there():
    """At every fortieth place; all of its turns, in each weather by itself."""
    places = list({id(turn.before): turn.before for turn in walk().turns}.values())
    some = {id(one): one for one in places[::40]}
    weathers = {
        number: walking._lines_for(FakeWorld, one).begins
        | walking._weathers_for(FakeWorld, one).begins
        for number, one in some.items()
    }
    compared = 0
    for turn in walk().turns:
        begins = weathers.get(id(turn.before), {}).get(turn.weather)
        if begins is not None:
            worked_out = advance(turn.before, turn.heard, begins())
            assert (turn.after, turn.speech) == worked_out, str(turn)
            compared += 1
    assert compared > 3000


def test_weathers_are_alike_where_all_that_is_looked_at_is_written_the_same():
    by_the_clock_of_paris = OPENING.astimezone(PARIS)
    assert by_the_clock_of_paris == OPENING
    found = weathers.Weathers(
        {
            "one": FakeWorld,
            "another": partial(FakeWorld, tell_at=OPENING),
            "the same": partial(FakeWorld, tell_at=OPENING, ahead=3),
            "in Paris": partial(FakeWorld, tell_at=by_the_clock_of_paris),
        }
    )
    told = found.alike(frozenset({"tell_at", "moment"}))
    assert told["another"] == told["the same"]
    assert len(set(told.values())) == 3
    assert len(set(found.alike(frozenset({"tell_at", "ahead"})).values())) == 4


def test_a_step_that_leads_nowhere_is_a_dead_end(found: CallMap):
    broken = replace(found, edges=tuple(edge for edge in found.edges if edge.start != "postcode"))
    assert broken.dead_ends() == ["postcode"]
    assert "postcode" in broken.without_exit()


def test_two_steps_that_only_lead_to_each_other_have_no_exit(found: CallMap):
    kept = tuple(edge for edge in found.edges if edge.start not in {"town", "town_which"})
    round_and_round = (MapEdge("town", "town_which", ("1",)), MapEdge("town_which", "town", ("1",)))
    broken = replace(found, edges=kept + round_and_round)
    assert broken.dead_ends() == []
    assert {"town", "town_which"} <= set(broken.without_exit())


def test_a_menu_under_three_others_is_too_deep(found: CallMap):
    only_there = tuple(edge for edge in found.edges if edge.end not in {"couple_choice", "waiting"})
    broken = replace(
        found,
        edges=(
            *only_there,
            MapEdge("part_of_day", "couple_choice", ("3",)),
            MapEdge("couple_choice", "waiting", ("1",)),
        ),
    )
    assert broken.menus_deep()["couple_choice"] == MOST_MENUS + 1


def test_a_menu_of_five_is_too_long(found: CallMap):
    broken = replace(found, choices={**found.choices, "offers": frozenset("12345")})
    assert broken.long_menus() == {"offers": frozenset("12345")}


def test_the_common_path_is_on_the_map(found: CallMap):
    ways = found.leads_to()
    path = ["ring", "welcome", "date_of_birth", "date_of_birth_check", "postcode"]
    path += ["offers", "confirm", "ready", ENDED]
    for start, end in pairwise(path):
        assert end in ways[start], (start, end)


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands look at the walk that these tests have made; another takes ten seconds."""
    monkeypatch.setattr(commands.calls, "_walk", walk)


def test_the_commands_walk_through_what_a_call_meets():
    found = walking.walk(commands.calls._make, 40)
    assert found.places == 40
    assert found.broken == ()
    assert not found.complete
    assert len(found.steps) > 40


@pytest.mark.usefixtures("walked")
def test_the_command_walks_and_says_how_long_a_call_is():
    result = CliRunner().invoke(commands.calls.make(), ["walk"])
    assert result.exit_code == 0, result.output
    assert "0 complaints" in result.output
    assert "common (fr): 6 answers" in result.output


@pytest.mark.usefixtures("walked")
def test_the_map_is_drawn_with_every_step(tmp_path):
    target = tmp_path / "map.svg"
    result = CliRunner().invoke(commands.calls.make(), ["map", "--output", str(target)])
    assert result.exit_code == 0, result.output
    drawn = target.read_text("utf-8")
    assert [step for step in STEPS if f">{step}<" not in drawn] == []
