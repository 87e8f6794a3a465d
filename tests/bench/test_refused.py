"""Answers that were refused are told; so many that screens did not work make a part void."""

from __future__ import annotations

import contextlib

from pathlib import Path
from typing import Any

import pytest

from bench import measure, screens
from bench.refused import MOST, Refused
from bench.screens import ScreenFigures
from bench.servers import House

ENOUGH = 10_000


def test_one_among_thousands_makes_nothing_void():
    most = Refused(int(MOST * ENOUGH), ENOUGH)
    assert most.of_a_run() == most.of_a_part() == []
    more = Refused(most.count + 1, ENOUGH)
    sentence = "11 of 10000 answers to screens and agents were refused: 0.11%, at most 0.1%"
    assert more.of_a_run() == more.of_a_part() == [sentence]


def test_one_of_a_short_run_is_chance_and_one_of_each_of_them_is_not():
    """350 answers are too few to tell one in a thousand."""
    each = Refused(1, 350)
    assert each.of_a_run() == []
    assert (each + Refused(0, 2000)).of_a_part() == []
    assert (each + each + each).of_a_part()
    assert Refused(2, 350).of_a_run()
    assert Refused().of_a_part() == []


def test_what_is_wrong_otherwise_is_a_fault_at_once():
    fine = ScreenFigures(answers=ENOUGH, later=ENOUGH, bad=0, broken=0, seconds=1.0)
    assert fine.faults() == []
    assert fine.refused == Refused(ENOUGH, ENOUGH)
    bad = ScreenFigures(answers=ENOUGH, later=0, bad=1, broken=0, seconds=1.0)
    assert bad.faults() == ["screens: 1 bad answers, 0 connections broke"]


@pytest.mark.parametrize(
    ("later", "percent", "void"),
    [(0, 0.067, []), (2, 0.133, ["4 of 3000 answers to screens and agents were refused"])],
)
def test_a_part_says_what_was_refused_in_all_of_it_and_is_void_where_that_is_too_much(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, later: int, percent: float, void: list[str]
):
    """One in each of two runs beside turns, and so many among 2,000 while people work."""
    monkeypatch.setattr(screens, "send_home", lambda _: None)
    monkeypatch.setattr(screens, "hire", lambda *_: [])
    monkeypatch.setattr(screens, "dispatcher", lambda _: contextlib.nullcontext())
    # Without any of the servers that it measures.
    one: Any = object.__new__(measure._Service)
    one._folder = tmp_path
    one._house = House(tmp_path, "bench", "", "")

    def with_screens(_file: Path) -> dict[str, float]:
        for _ in range(2):
            assert one._with_refused([], Refused(1, 500)) == []
        return {}

    one._with_screens = with_screens
    one._at_work = lambda *_: ({}, one._with_refused([], Refused(later, 2000)))
    one._weights = lambda _: {}
    found, why = one.watched()
    assert found["screens_refused_percent_postgres"] == percent
    assert [sentence.partition(":")[0] for sentence in why] == void


def test_a_run_that_does_not_count_is_not_in_the_sum():
    one: Any = object.__new__(measure._Service)
    one._refused = Refused()
    assert one._with_refused(["only 3 in the line"], Refused(9, 1000)) != []
    assert one._with_refused([], Refused(1, 500), counts=False) == []
    assert one._refused == Refused()
