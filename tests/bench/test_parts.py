"""Parts of the bench end, whatever happens in them, and what does not count is named."""

from __future__ import annotations

import os

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench import machine
from bench.machine import OthersShare
from bench.parts import PARTS, Given, PartRuns
from bench.servers import CannotMeasure


class Bench:
    """Parts that are run on a machine that does what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *wanted: str) -> None:
        self.said = list[str]()
        # What others have of the machine while each try is measured.
        self.others: list[float] = []
        monkeypatch.setattr(machine, "watching", self._watching)
        self.runs = PartRuns(frozenset(wanted or PARTS), self.said.append)

    @contextmanager
    def _watching(self) -> Iterator[OthersShare]:
        share = self.others.pop(0) if self.others else 0.0
        ticks = share * (os.cpu_count() or 1) * os.sysconf("SC_CLK_TCK")
        yield OthersShare([(0, 0, 0.0), (round(1000 * ticks), 0, 1000.0)])

    def gives(self, *outcomes: Given | Exception) -> Callable[[], Given]:
        """A part that gives one after the other."""
        left = list(outcomes)

        def part() -> Given:
            outcome = left.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return part


FINE: Given = {"outbox_ratio_postgres": 0.8}, []
WRONG: Given = {"outbox_ratio_postgres": 0.1}, ["3 answers were later"]


def test_a_part_that_cannot_be_measured_is_void_and_the_others_count(
    monkeypatch: pytest.MonkeyPatch,
):
    bench = Bench(monkeypatch, "outbox", "growth")
    never = CannotMeasure("the provider was not there within its time")
    assert bench.runs.run("outbox", bench.gives(never, never)) == {}
    assert bench.runs.run("growth", bench.gives(FINE)) == {"outbox_ratio_postgres": 0.8}
    assert bench.runs.run("visits", bench.gives(never)) == {}
    assert {name: ran.void for name, ran in bench.runs.ran.items()} == {
        "outbox": ["the provider was not there within its time"],
        "growth": [],
    }
    assert bench.said[0] == "void: outbox: the provider was not there within its time"
    assert "growth: outbox_ratio_postgres 0.8" in bench.said


def test_a_part_that_is_void_is_repeated_once_and_then_counts(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch, "outbox")
    assert bench.runs.run("outbox", bench.gives(WRONG, FINE)) == {"outbox_ratio_postgres": 0.8}
    ran = bench.runs.ran["outbox"]
    assert (ran.void, ran.tries) == ([], 2)


def test_one_that_is_void_twice_is_named(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch, "outbox")
    bench.runs.run("outbox", bench.gives(WRONG, WRONG))
    ran = bench.runs.ran["outbox"]
    assert (ran.tries, ran.others, ran.void) == (2, 0.0, ["3 answers were later"])


def test_on_a_busy_machine_a_part_is_void_and_says_why(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch, "outbox")
    bench.others = [0.4, 0.3]
    assert bench.runs.run("outbox", bench.gives(FINE, FINE)) == {}
    (why,) = bench.runs.ran["outbox"].void
    assert why == "the machine was busy: others had 30% of it (at most 15%)"


def test_what_nobody_foresaw_is_a_sentence_and_its_trace_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    bench = Bench(monkeypatch, "outbox")
    bench.runs.run("outbox", bench.gives(ZeroDivisionError("by nothing"), ValueError("no\nmore")))
    assert bench.runs.ran["outbox"].void == ["ValueError: no"]
    assert not [line for line in bench.said if "Traceback" in line]
    assert "ZeroDivisionError: by nothing" in capsys.readouterr().err


def test_where_what_parts_share_cannot_be_made_those_that_are_left_are_void(
    monkeypatch: pytest.MonkeyPatch,
):
    bench = Bench(monkeypatch, "calls", "tails", "work")

    def starts_no_server() -> None:
        raise CannotMeasure("the web server did not start")

    with bench.runs.together("calls", "work", "visits"):
        bench.runs.run("calls", bench.gives(FINE))
        starts_no_server()
    assert {name: ran.void for name, ran in bench.runs.ran.items()} == {
        "calls": [],
        "work": ["the web server did not start"],
    }
