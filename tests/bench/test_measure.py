"""A part that cannot be measured is named, and the others count."""

from __future__ import annotations

import asyncio
import contextlib
import json

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench import at_work, load, measure
from bench.servers import CannotMeasure, opened
from bench.stock import RowCounts

PROBE = "the-probe"


def test_what_people_at_work_did_not_show_is_named():
    seen = at_work.WorkdayFigures(webhooks=[5.0] * 100, acts=[8.0] * 100, boards=[900.0, 1100.0])
    assert at_work.figures(seen, [7.0] * 100) == {
        "queue_webhook_p99_ms": 7.0,
        "agent_action_p99_ms": 8.0,
        "board_update_ms": 1100.0,
    }
    with pytest.raises(CannotMeasure, match="no event was seen on a board"):
        at_work.figures(replace(seen, boards=[]), [])
    with pytest.raises(CannotMeasure, match="0 acts of agents were answered"):
        at_work.figures(replace(seen, acts=[]), [])


class Screen:
    """Connections of a screen that is refused, then answered, and then closed."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self._answers: Iterator[tuple[int, str]] = iter(answers)

    async def send(self, request: bytes) -> tuple[int, dict[str, list[str]], bytes]:
        for status, body in self._answers:
            return status, {}, body.encode()
        raise asyncio.CancelledError


@pytest.mark.parametrize("counts", [True, False])
def test_a_board_that_is_refused_asks_again_and_shows_the_event(
    monkeypatch: pytest.MonkeyPatch, *, counts: bool
):
    """While the line forms callers come all at once: a screen gives way then, as it must."""
    monkeypatch.setattr(at_work, "SCREEN_EVERY", 0.001)
    shown = {"agents": {"list": [{"id": PROBE, "reason": "lunch"}]}}

    async def looks() -> at_work.WorkdayFigures:
        day = at_work.Workday(1, [], probe=(PROBE, ""), boards=["cookie"])
        house: Any = at_work.WorkdayHouse(day)
        house._connections = Screen((503, "busy\n"), (200, json.dumps(shown)))
        house._expected, house._missing = "lunch", {0}
        if counts:
            house.go()
        with pytest.raises(asyncio.CancelledError):
            await house._board(0, "cookie")
        house.stop()
        return house.seen  # type: ignore[no-any-return]

    seen = asyncio.run(looks())
    assert len(seen.boards) == 1
    assert seen.bad == {}
    assert (seen.later, seen.staff) == ((1, 2) if counts else (0, 0))


def acts(*answers: tuple[int, str], counts: bool) -> at_work.WorkdayFigures:
    async def all_of_them() -> at_work.WorkdayFigures:
        house: Any = at_work.WorkdayHouse(at_work.Workday(1, []))
        house._connections = Screen(*answers)
        if counts:
            house.go()
        for _ in answers:
            await house._act("/poste/attente", "cookie", "token", {})
        house.stop()
        return house.seen  # type: ignore[no-any-return]

    return asyncio.run(all_of_them())


def test_what_fails_otherwise_than_by_giving_way_is_a_fault_while_the_line_forms_too():
    seen = acts((503, "busy\n"), (500, ""), (0, ""), counts=False)
    assert seen.bad == {"/poste/attente 500": 1, "/poste/attente 0": 1}


def test_an_act_that_is_refused_was_not_done_however_soon_that_is_said():
    seen = acts((503, "busy\n"), (200, ""), counts=True)
    assert len(seen.acts) == 1
    assert (seen.later, seen.staff, seen.bad) == (1, 2, {})


def test_the_slowest_of_a_hundred_of_nothing_is_named():
    assert load.p99([1.0, 1.0], "turns") == 1.0
    with pytest.raises(CannotMeasure, match="1 turns were answered"):
        load.p99([1.0], "turns")


def test_a_ratio_is_the_median_of_those_of_its_rounds():
    order: list[str] = []
    rates = {"one": iter([9.0, 50.0, 25.0, 40.0]), "other": iter([1.0, 100.0, 50.0, 200.0])}

    def way(name: str) -> Callable[[], float]:
        def rate() -> float:
            order.append(name)
            return next(rates[name])

        return rate

    # The machine was half as fast in the second round, and in the third only for one of them.
    assert load.ratio(3, way("one"), way("other")) == 0.5
    assert order == ["other", "one", "one", "other", "other", "one", "one", "other"]


def test_figures_are_medians_and_ratios_those_within_a_round():
    rounds = [
        {"floor_b": floor, "turn_rate": turn, "call_rate": call, "calls_per_second": call / 10}
        | {"peers_calls_per_second": usual}
        for floor, turn, call, usual in (
            (2000.0, 1200.0, 900.0, 45.0),
            # The machine was half as fast.
            (1000.0, 600.0, 450.0, 30.0),
            (2200.0, 1100.0, 880.0, 80.0),
        )
    ]
    assert measure.call_figures(rounds) == {
        "floor_b": 2000.0,
        "turn_rate": 1100.0,
        "call_rate": 880.0,
        "calls_per_second": 88.0,
        "peers_calls_per_second": 45.0,
        "turn_ratio": 0.6,
        "call_ratio": 0.45,
        "peers_call_ratio": 1.5,
    }


def test_what_the_database_has_written_grows_with_what_is_committed(database_url: str):
    with contextlib.closing(RowCounts(database_url)) as counts, opened(database_url) as database:
        before = counts.written()
        with database.statement() as connection:
            connection.exec_driver_sql("CREATE TABLE filled (id INTEGER)")
        after = counts.written()
    assert after["wal_bytes"] > before["wal_bytes"]
    assert after["stored_bytes"] > 0
    assert after["commits"] >= before["commits"]
    assert after["writes"] > before["writes"]
