"""However a run of the bench ends, it says what is missing, and its exit status says whether."""

from __future__ import annotations

import contextlib
import json

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import config

from bench import load, machine, measure, parts, report, servers, store
from bench.__main__ import main
from bench.machine import OthersShare
from bench.servers import CannotMeasure


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
    monkeypatch.setattr(machine, "watching", lambda: contextlib.nullcontext(OthersShare()))
    monkeypatch.setattr(machine, "mark_own", bool)
    monkeypatch.setattr(machine, "_syncs_per_second", lambda _: 900)
    monkeypatch.setattr(servers, "postgres_url", lambda _: "postgresql:///none")
    monkeypatch.setattr(servers, "postgres_facts", lambda _: {})
    monkeypatch.setattr(measure, "upgrade", lambda _: None)
    monkeypatch.setattr(servers, "beside", lambda url, *_: url)
    return tmp_path / "var" / "bench"


@pytest.fixture
def runs(
    quiet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run one part that gives these figures, or fails so; the status and all that was said."""

    def run(outcome: float | Exception, *options: str) -> tuple[int, str]:
        def gives(_url: str) -> float:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(store, "ratio", gives)
        monkeypatch.setattr("sys.argv", ["bench", "booking", *options])
        status = main()
        told = capsys.readouterr()
        return status, told.out + told.err

    return run


def results(quiet: Path) -> report.Results:
    found: report.Results = json.loads((quiet / "results.json").read_text("utf-8"))
    return found


def test_with_all_bars_reached_it_ends_with_0(runs: Any, quiet: Path):
    status, said = runs(0.5)
    assert status == 0
    assert "held and confirmed booking ÷ the same SQL by hand" in said
    assert results(quiet)["allocate_ratio_postgres"] == 0.5
    assert results(quiet)["went"]["booking"]["void"] == []
    assert not (quiet / "performance.md").exists()


def test_a_missed_bar_is_named_and_it_ends_with_1(runs: Any):
    status, said = runs(0.44)
    assert status == 1
    assert "MISSED: allocate_ratio_postgres is 0.44, and must be ≥ 0.45" in said


def test_a_void_part_is_named_and_it_ends_with_1(runs: Any, quiet: Path):
    status, said = runs(CannotMeasure("a booking was refused"))
    assert status == 1
    assert said.rstrip().endswith("void: booking: a booking was refused")
    assert results(quiet)["went"]["booking"]["tries"] == 2


@pytest.mark.parametrize("problem", [CannotMeasure("no Redis found"), OSError("disk full")])
def test_where_nothing_can_be_measured_it_is_one_sentence_and_2(
    runs: Any, monkeypatch: pytest.MonkeyPatch, problem: Exception
):
    def fails(_folder: Path) -> Any:
        raise problem

    monkeypatch.setattr(servers, "redis", fails)
    status, said = runs(0.5)
    assert status == 2
    assert str(problem) in said
    assert "Traceback" not in said


def test_without_postgresql_it_is_one_sentence(runs: Any, monkeypatch: pytest.MonkeyPatch):
    def fails(_folder: Path) -> str:
        raise CannotMeasure("PostgreSQL did not start")

    monkeypatch.setattr(servers, "postgres_url", fails)
    status, said = runs(0.5)
    assert (status, said.strip()) == (2, "make bench: PostgreSQL did not start")


def test_all_parts_are_measured_in_their_order(quiet: Path, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []

    def runs(_: Any, name: str, _part: Any) -> dict[str, float]:
        order.append(name)
        return {}

    def with_service(*_: Any) -> None:
        order.extend(measure.WITH_SERVICE)

    monkeypatch.setattr(servers.House, "command", lambda *_: "")
    monkeypatch.setattr(measure, "_with_service", with_service)
    monkeypatch.setattr(parts.PartRuns, "run", runs)
    monkeypatch.setattr("sys.argv", ["bench", "--quick"])
    assert main() == 0
    assert order == list(parts.PARTS)


@pytest.mark.parametrize("wrong", ["nothing", "call"])
def test_a_part_that_there_is_not_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["bench", "calls", wrong])
    with pytest.raises(SystemExit):
        main()
