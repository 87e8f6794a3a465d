"""What the guards cost is measured on both in turns, and settings that are guards are named."""

from __future__ import annotations

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


def test_both_get_as_many_and_each_is_first_as_often():
    answers: list[str] = []
    apps = {name: app(answers, name) for name in ("on", "off")}
    acts = iter(lambda: lambda one: guards._answered(one, {"PATH_INFO": "/"}), None)
    both = guards._in_turns(apps, guards._pairs(acts, CALLS))
    assert len(both.on) == len(both.off) == CALLS
    assert both.answers == {1}
    assert len(answers) == 2 * (CALLS + WARM)
    assert answers[:4] == ["off", "on", "on", "off"]


def test_it_is_below_one_where_the_guards_cost_something():
    assert Both(on=[1.0, 2.0, 9.0], off=[1.9, 1.9, 0.1]).ratio == pytest.approx(0.95)


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
