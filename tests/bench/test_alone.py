"""Measurements that are run by themselves begin and end alike, and write where they are told to."""

from __future__ import annotations

import json

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import cast, day, machine
from bench.alone import CANNOT, MISSED, Alone, Found
from bench.machine import OthersShare
from bench.servers import CannotMeasure

FOUND = Found({"rate": 380.0}, "| rate | 380 |", "It was fast.")
PAGE = "# Scale\n\n<!-- `python -m bench.some` writes from here. -->\n\nOld.\n\n"
AFTER = "<!-- `python -m bench.some` writes up to here. -->\n\nBy hand.\n"


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    page = tmp_path / "scale.md"
    page.write_text(PAGE + AFTER, "utf-8")
    return Alone("bench.some", "What it is.\n\nMore of it.", tmp_path / "some.json", page)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Stand in for all servers; told what others have of the machine, if that is too much."""

    @contextmanager
    def stands_in() -> Iterator[tuple[Path, str, OthersShare]]:
        yield tmp_path, "unix:///nowhere", OthersShare()

    def busy(sentence: str) -> None:
        monkeypatch.setattr(machine, "too_busy", lambda _: sentence)

    monkeypatch.setattr(cast, "stage", stands_in)
    known = {"machine": "two cores", "cores": 2, "python": "3.13", "load_before": "0.10"}
    monkeypatch.setattr(machine, "facts", lambda _: known | {"disk": "ext4"})
    busy("")
    return busy


def test_the_page_and_the_file_have_what_was_measured_and_where(alone: Alone, stage: Any):
    assert alone.run(lambda *_: FOUND, page=True) == 0
    kept = json.loads(alone.figures.read_text("utf-8"))
    assert kept["rate"] == 380.0
    assert (kept["machine"], kept["load_before"], kept["others"]) == ("two cores", "0.10", 0.0)
    told = alone.page.read_text("utf-8")
    assert told.startswith("# Scale\n\n<!-- `python -m bench.some` writes from here. -->")
    assert told.endswith(AFTER)
    assert f"at commit {kept['commit']}, on two cores. It was fast.\n\n| rate | 380 |" in told
    assert "Old." not in told


@pytest.mark.parametrize(
    ("changes", "busy", "status", "said"),
    [
        ({}, "", 0, "| rate | 380 |"),
        ({"missed": ["it was slow"]}, "", MISSED, "missed: it was slow"),
        ({"void": ["a call broke"]}, "", MISSED, "void: a call broke"),
        ({}, "others had it", MISSED, "void: others had it"),
    ],
)
def test_what_does_not_hold_is_said_and_what_does_not_count_replaces_nothing(  # noqa: PLR0917
    alone: Alone,
    stage: Callable[[str], None],
    changes: dict[str, Any],
    busy: str,
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
):
    stage(busy)
    found = replace(FOUND, **changes)
    assert alone.run(lambda *_: found, page=True) == status
    assert said in capsys.readouterr().out
    assert alone.figures.exists() is not said.startswith("void")
    assert ("Old." in alone.page.read_text("utf-8")) is said.startswith("void")


def test_without_being_told_to_it_writes_nothing(alone: Alone, stage: Any):
    assert alone.run(lambda *_: FOUND, page=False) == 0
    assert not alone.figures.exists()
    assert alone.page.read_text("utf-8") == PAGE + AFTER


@pytest.mark.parametrize("problem", [CannotMeasure("no Redis found"), OSError("the disk is full")])
def test_what_cannot_be_measured_is_one_sentence_and_a_status_of_its_own(
    alone: Alone, stage: Any, problem: Exception, capsys: pytest.CaptureFixture[str]
):
    def fails(*_: object) -> Found:
        raise problem

    assert alone.run(fails, page=True) == CANNOT
    assert capsys.readouterr().err == f"bench.some: {problem}\n"


@pytest.mark.parametrize("one", [day.ALONE])
def test_the_page_has_the_marks_of_each_of_them_once(one: Alone):
    page = one.page.read_text("utf-8")
    assert page.count(one.begins) == page.count(one.ends) == 1
    assert one.figures.parent.name == "bench"
    assert f"write docs/scale.md and bench/{one.figures.name}" in one.parser().format_help()
