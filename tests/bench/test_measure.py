"""A part that cannot be measured is named, and the others count."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench import at_work, measure, store, timing
from bench.servers import CannotMeasure, opened
from bench.stock import RowCounts, Written

PROBE = "the-probe"


def test_figures_that_people_at_work_did_not_give_are_named_and_the_others_count():
    seen = at_work.WorkdayFigures(webhooks=[5.0] * 100, acts=[8.0] * 100)
    found, void = at_work.figures(seen, [7.0] * 100)
    assert set(found) == {"queue_webhook_p99_ms", "agent_action_p99_ms"}
    assert void == ["no event was seen on a board"]
    found, void = at_work.figures(at_work.WorkdayFigures(boards=[900.0, 1100.0]), [])
    assert found == {"board_update_ms": 1100.0}
    assert void == ["0 webhooks were answered", "0 acts of agents were answered"]


class Screen:
    """A connection of a board that is refused, then answered, and then closed."""

    broken = 0

    def __init__(self, *answers: tuple[int, str]) -> None:
        self._answers: Iterator[tuple[int, str]] = iter(answers)

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], str]:
        for status, body in self._answers:
            return status, {}, body
        raise asyncio.CancelledError


@pytest.mark.parametrize("counts", [True, False])
def test_a_board_that_is_refused_asks_again_and_shows_the_event(
    monkeypatch: pytest.MonkeyPatch, *, counts: bool
):
    """While the line forms callers come all at once: a screen gives way then, as it must."""
    monkeypatch.setattr(at_work, "BOARD_EVERY", 0.0)
    shown = {"agents": {"list": [{"id": PROBE, "reason": "lunch"}]}}

    async def looks() -> at_work.WorkdayFigures:
        stage = at_work.WorkdayStage(1, 1, [], (PROBE, ""), ["cookie"], {})
        house: Any = at_work.WorkdayHouse(stage)
        house._http = Screen((503, "busy\n"), (200, json.dumps(shown)))
        house._expected, house._missing = "lunch", {0}
        if counts:
            house.go()
        with pytest.raises(asyncio.CancelledError):
            await house._board(0, "cookie")
        return house.stop()  # type: ignore[no-any-return]

    seen = asyncio.run(looks())
    assert len(seen.boards) == 1
    assert seen.bad == {}
    assert (seen.later, seen.staff) == ((1, 2) if counts else (0, 0))


def test_what_fails_otherwise_than_by_giving_way_is_a_fault_while_the_line_forms_too():
    stage = at_work.WorkdayStage(1, 1, [], (PROBE, ""), [], {})

    async def acts() -> at_work.WorkdayFigures:
        house: Any = at_work.WorkdayHouse(stage)
        house._http = Screen((503, "busy\n"), (500, ""))
        for _ in range(2):
            await house._act("/poste/attente", "cookie", "token", {})
        return house.stop()  # type: ignore[no-any-return]

    assert asyncio.run(acts()).bad == {"/poste/attente 500": 1}


def test_an_act_that_is_refused_was_not_done_however_soon_that_is_said():
    stage = at_work.WorkdayStage(1, 1, [], (PROBE, ""), [], {})

    async def acts() -> at_work.WorkdayFigures:
        house: Any = at_work.WorkdayHouse(stage)
        house._http = Screen((503, "busy\n"), (200, ""))
        house.go()
        for _ in range(2):
            await house._act("/poste/attente", "cookie", "token", {})
        return house.stop()  # type: ignore[no-any-return]

    seen = asyncio.run(acts())
    assert len(seen.acts) == 1
    assert (seen.later, seen.staff, seen.bad) == (1, 2, {})


def test_the_slowest_of_a_hundred_of_nothing_is_named():
    assert timing.p99([1.0, 1.0], "turns") == 1.0
    with pytest.raises(CannotMeasure, match="1 turns were answered"):
        timing.p99([1.0], "turns")


def test_the_first_round_is_not_counted():
    asked: list[int] = []

    def ask(number: int) -> float:
        asked.append(number)
        return 9.0 if number < 0 else 0.002

    grown = timing.growth(ask, lambda _: 0.003, asked=4, warm=2, each=2)
    assert asked == [-2, -1, 0, 1, 2, 3]
    assert grown.few_ms == pytest.approx(2.0)
    assert grown.ratio == pytest.approx(1.5)


def test_a_slow_question_counts_and_a_slow_moment_does_not():
    def ask(number: int, slow: float) -> float:
        # Of two hundred questions five are slow each time; and one in fifty meets something else.
        met = 0.050 if number % 49 == 0 else 0.0
        return (slow if number % 200 < 5 else 0.001) + met

    grown = timing.growth(
        lambda number: ask(number, 0.004),
        lambda number: ask(number, 0.006),
        asked=1000,
        warm=0,
        each=50,
        questions=200,
    )
    assert (grown.few_ms, grown.many_ms) == pytest.approx((4.0, 6.0))


def test_half_of_a_questions_times_may_meet_something_else():
    def ask(number: int) -> float:
        # In three rounds of six, and in one of two tables alone.
        return 0.002 + (0.050 if number // 100 % 2 else 0.0)

    grown = timing.growth(ask, lambda _: 0.003, asked=600, warm=100, each=1, questions=100)
    assert (grown.few_ms, grown.many_ms) == pytest.approx((2.0, 3.0))


def test_those_that_come_first_after_a_rest_are_not_what_is_told_of_a_search(monkeypatch):
    """Ten questions were always these: the slowest of a hundred, whatever they asked for."""

    class Searcher:
        asked = ""

        def __init__(self, url: str) -> None:
            self._url = url

        def search(self, number: int) -> float:
            rested, Searcher.asked = Searcher.asked != self._url, self._url
            return 0.004 if rested and number >= 0 else 0.001

        def close(self) -> None:
            pass

    monkeypatch.setattr(store, "_Searcher", Searcher)
    grown = store.growth("few", "many")
    assert (grown.few_ms, grown.many_ms) == pytest.approx((1.0, 1.0))


def test_the_questions_of_a_search_come_again_in_their_order():
    towns_and_days = [
        (number % 60, number * 7 % 30, number * 11 % 32) for number in range(2 * store.QUESTIONS)
    ]
    assert len(set(towns_and_days)) == store.QUESTIONS
    assert towns_and_days[: store.QUESTIONS] == towns_and_days[store.QUESTIONS :]
    assert not store.SEARCHES % store.QUESTIONS


def test_a_ratio_is_the_median_of_those_of_its_rounds():
    order: list[str] = []
    rates = {"one": iter([9.0, 50.0, 25.0, 40.0]), "other": iter([1.0, 100.0, 50.0, 200.0])}

    def way(name: str) -> Callable[[], float]:
        def rate() -> float:
            order.append(name)
            return next(rates[name])

        return rate

    # The machine was half as fast in the second round, and in the third only for one of them.
    assert timing.ratio(3, way("one"), way("other")) == 0.5
    assert order == ["other", "one", "one", "other", "other", "one", "one", "other"]


def test_ratios_are_medians_over_what_stood_beside_in_the_same_runs():
    rates = {
        "floor_b": [1999.0, 2000.0, 2001.0],
        "turn_rate": [1200.0],
        "call_rate": [900.0],
        "usual_rate": [400.0, 500.0, 900.0],
    }
    assert measure.call_figures(rates, 12, 10) == {
        "floor_b": 2000.0,
        "turn_rate": 1200.0,
        "turn_ratio": 0.6,
        "call_rate": 900.0,
        "call_ratio": 0.45,
        "calls_per_second": 75.0,
        "peers_calls_per_second": 50.0,
        "peers_call_ratio": 1.5,
    }
    # Without a floor that counts there is no ratio, and the rates are told.
    assert measure.call_figures({"turn_rate": [5.0], "floor_b": []}, 12, 10) == {"turn_rate": 5.0}


def test_what_a_call_costs_is_by_its_webhooks():
    before, after = Written(1000, 8000, 10, 4), Written(1000 + 60_000, 8000 + 5000, 10 + 70, 4 + 30)
    assert measure.costs(130, 13, 0.26, 0.13, before, after) == {
        "worker_ms_a_webhook": pytest.approx(2.0),
        "database_ms_a_webhook": pytest.approx(1.0),
        "wal_bytes_a_call": 6000.0,
        "stored_bytes_a_call": 500.0,
        "commits_a_call": 7.0,
        "writes_a_call": 3.0,
    }


def test_what_the_database_has_written_grows_with_what_is_committed(postgres_url: str):
    with contextlib.closing(RowCounts(postgres_url)) as counts, opened(postgres_url) as database:
        before = counts.written()
        with database.statement() as connection:
            connection.exec_driver_sql("CREATE TABLE filled (id INTEGER)")
        after = counts.written()
    assert after.wal > before.wal
    assert after.files > 0
    assert after.commits >= before.commits
    assert after.writes > before.writes


def test_whoever_gives_up_filling_waits_for_no_other_database(monkeypatch: pytest.MonkeyPatch):
    under_way, ended = threading.Event(), threading.Event()
    cut: list[str] = []

    def fills(url: str, _count: int) -> None:
        if url == "few":
            under_way.wait(30)
            raise CannotMeasure("the disk is full")
        under_way.set()
        ended.wait(30)

    def cut_off(url: str) -> None:
        cut.append(url)
        ended.set()

    monkeypatch.setattr(store, "cut_off", cut_off)
    with pytest.raises(CannotMeasure, match="the disk is full"):
        store._filled([(fills, "few", 1), (fills, "many", 2)])
    assert cut == ["few", "many"]
