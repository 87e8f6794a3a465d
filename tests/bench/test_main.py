"""However a run of the bench ends, it says what is missing, and its exit status says whether."""

from __future__ import annotations

import contextlib
import json

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import config

from bench import history, load, machine, measure, parts, report, servers, understand
from bench.__main__ import main
from bench.machine import OthersShare
from bench.servers import CannotMeasure


class Nothing:
    """A database on which no part was wanted."""

    def at_centres(self) -> None:
        pass

    beside = at_the_end = at_centres


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No servers and nobody else on the machine; where results of parts are written."""

    @contextlib.contextmanager
    def workshop() -> Iterator[Path]:
        folder = tmp_path / "workshop"
        folder.mkdir()
        yield folder

    monkeypatch.setattr(config, "VAR", tmp_path / "var")
    monkeypatch.setattr(load, "find_wrk", lambda: "wrk")
    monkeypatch.setattr(servers, "workshop", workshop)
    monkeypatch.setattr(servers, "redis", lambda _: contextlib.nullcontext("unix:///none"))
    monkeypatch.setattr(
        machine.OthersWatch, "watching", lambda _: contextlib.nullcontext(OthersShare())
    )
    monkeypatch.setattr(machine, "_syncs_per_second", lambda _: 900)
    monkeypatch.setattr(measure, "database", lambda kind, *_: kind)
    monkeypatch.setattr(measure, "OnDatabase", lambda *_: Nothing())
    # Whoever writes into the tree of the service here has made a mistake.
    for what in (history.keep, history.write):
        monkeypatch.setattr(history, what.__name__, lambda *_: pytest.fail("a whole run was kept"))
    return tmp_path / "var" / "bench"


@pytest.fixture
def runs(
    quiet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run one part that gives these figures, or fails so; the status and all that was said."""

    def run(outcome: float | Exception, *options: str) -> tuple[int, str]:
        def gives() -> tuple[dict[str, float], list[str]]:
            if isinstance(outcome, Exception):
                raise outcome
            return {"understand_p99_ms": outcome}, []

        monkeypatch.setattr(understand, "measure", gives)
        monkeypatch.setattr("sys.argv", ["bench", "understanding", *options])
        status = main()
        told = capsys.readouterr()
        return status, told.out + told.err

    return run


def results(quiet: Path) -> report.Results:
    found: report.Results = json.loads((quiet / "results.json").read_text("utf-8"))
    return found


def test_with_all_bars_reached_it_ends_with_0(runs: Any, quiet: Path):
    status, said = runs(2.5)
    assert status == 0
    assert "a spoken sentence, p99, ms of processor time" in said
    assert results(quiet)["understand_p99_ms"] == 2.5
    assert results(quiet)["went"]["understanding"]["void"] == ""
    assert not (quiet / "performance.md").exists()


def test_a_missed_bar_is_named_and_it_ends_with_1(runs: Any):
    status, said = runs(9.0)
    assert status == 1
    assert "MISSED: understand_p99_ms is 9.0, and must be under 5" in said


def test_a_void_part_is_named_and_it_ends_with_1(runs: Any, quiet: Path):
    status, said = runs(CannotMeasure("no sentences in the tests"))
    assert status == 1
    assert said.rstrip().endswith("void: understanding: no sentences in the tests")
    assert results(quiet)["went"]["understanding"]["tries"] == 2


def test_what_nobody_foresaw_is_no_trace_on_the_terminal(runs: Any, quiet: Path):
    status, said = runs(ZeroDivisionError("by nothing"))
    assert status == 1
    assert "Traceback" not in said
    assert "ZeroDivisionError: by nothing" in said
    assert "Traceback" in (quiet / "failures.txt").read_text("utf-8")


def test_without_time_it_says_so(runs: Any):
    status, said = runs(2.5, "--minutes", "0")
    assert status == 1
    assert "void: understanding: no time was left for it" in said


@pytest.mark.parametrize("problem", [CannotMeasure("no Redis found"), OSError("disk full")])
def test_where_nothing_can_be_measured_it_is_one_sentence_and_2(
    runs: Any, monkeypatch: pytest.MonkeyPatch, problem: Exception
):
    def fails(_folder: Path) -> Any:
        raise problem

    monkeypatch.setattr(servers, "redis", fails)
    status, said = runs(2.5)
    assert status == 2
    assert str(problem) in said
    assert "Traceback" not in said


def test_a_database_that_cannot_be_made_leaves_what_needs_none(
    runs: Any, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: Any, **__: Any) -> None:
        raise CannotMeasure("PostgreSQL did not start")

    monkeypatch.setattr(measure, "database", fails)
    status, said = runs(2.5, "booking", "--on", "postgres")
    assert status == 1
    assert "void: postgres: booking: PostgreSQL did not start" in said
    assert "understanding: understand_p99_ms 2.5" in said


def test_what_has_no_bar_is_measured_last(quiet: Path, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []

    class Database:
        def __init__(self, kind: str) -> None:
            self._kind = kind

        def __getattr__(self, step: str) -> Callable[[], None]:
            return lambda: order.append(f"{self._kind}: {step}")

    def runs(_: Any, name: str, *_more: Any) -> dict[str, float]:
        order.append(name)
        return {}

    monkeypatch.setattr(measure, "OnDatabase", lambda kind, *_: Database(kind))
    monkeypatch.setattr(parts.PartRuns, "run", runs)
    monkeypatch.setattr("sys.argv", ["bench", "--quick"])
    assert main() == 0
    assert order == [
        "postgres: at_centres",
        "sqlite: at_centres",
        "rush",
        "postgres: beside",
        "sqlite: beside",
        "telephones",
        "understanding",
        "postgres: at_the_end",
        "sqlite: at_the_end",
    ]
