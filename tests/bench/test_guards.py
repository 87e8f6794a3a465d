"""What the guards cost is measured on both in turns, and settings that are guards are named."""

from __future__ import annotations

import itertools

from collections.abc import Iterator
from typing import Any

import pytest

import config

from bench import guards, traffic
from bench.guards import CALLS, OFF, PACE, SHIPPED, WARM, Both, Timed


def app(answers: list[str], name: str) -> Timed:
    def wsgi(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answers.append(name)
        start_response("200 OK", [])
        return [b""]

    return Timed(wsgi)


def steps(app: Timed) -> Iterator[None]:
    for _ in range(3):
        guards._answered(app, {"PATH_INFO": "/"})
        yield


def test_both_are_played_beside_each_other_and_each_is_first_as_often():
    answers: list[str] = []
    apps = {name: app(answers, name) for name in ("on", "off")}
    both = guards._beside(apps, guards._pairs(itertools.repeat(steps), CALLS))
    assert len(both.on) == len(both.off) == CALLS
    assert both.answers == {3}
    assert len(answers) == 3 * 2 * (CALLS + WARM)
    assert answers[:12] == ["off", "on", "on", "off"] * 3
    firsts = answers[::2]
    assert firsts.count("on") == firsts.count("off")


def test_one_that_has_more_answers_is_played_to_its_end_and_told_of():
    answers: list[str] = []
    apps = {name: app(answers, name) for name in ("on", "off")}

    def longer(of: Timed) -> Iterator[None]:
        yield from steps(of)
        if of is apps["on"]:
            yield from steps(of)

    assert guards._beside(apps, guards._pairs(itertools.repeat(longer), 1)).answers == {3, 6}


def test_the_two_of_a_pair_live_in_one_place_and_are_two_people():
    callers = guards._neighbours(traffic.callers(["75011", "97400", "13001"], 1))
    pairs = list(itertools.islice(zip(callers, callers, strict=False), 50))
    assert all(first.postcode == second.postcode for first, second in pairs)
    assert {first.postcode for first, _ in pairs} == {"75011", "97400", "13001"}
    assert len({one.number for pair in pairs for one in pair}) == 100


def test_it_is_below_one_where_the_guards_cost_something():
    assert Both(on=[1.0, 2.0, 9.0], off=[1.9, 1.9, 0.1]).ratio == pytest.approx(0.95)


def test_what_is_slower_for_both_for_a_while_is_not_taken_for_the_guards():
    # The machine becomes half as fast in the middle of a pair.
    on = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert Both(on=on, off=[0.95, 0.95, 0.95, 0.95, 1.9, 1.9, 1.9]).ratio == pytest.approx(0.95)


def test_the_guards_are_settings_that_there_are():
    fields = config.Settings.model_fields
    assert set(SHIPPED) | set(PACE) | {"web_room"} <= set(fields)
    # As they are shipped, each guards something.
    assert all(fields[name].default for name in SHIPPED)
    assert set(SHIPPED) <= set(OFF)


def test_a_visit_is_of_nobody_whom_another_part_or_try_has_booked():
    caller = next(traffic.callers(["75011"], 1))
    nobody = app([], "nobody")
    visits = [
        guards._Visit(nobody, number, caller, seed) for seed in (7, 8) for number in range(200)
    ]
    first, again = visits[:200], visits[200:]
    for of in (lambda one: one.address, lambda one: tuple(one.born.values())):
        assert len(set(map(of, first))) == 200
        assert not set(map(of, first)) & set(map(of, again))
    years = {int(one.born["year"]) for one in (*first, *again)}
    assert not years & set(range(traffic.YEARS[0], traffic.YEARS[1] + 1))
