"""A run of the checks is green only if nothing failed twice."""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

import pytest

from tests.support import checks

NAME = "tests/a/test_b.py::test_c[é x]"
Report = dict[str, Any]


def a_report(outcome: str, when: str = "call", name: str = NAME, **more: Any) -> Report:
    kind = {"$report_type": "TestReport", "keywords": {}, "longrepr": "why"}
    return kind | {"nodeid": name, "when": when, "outcome": outcome} | more


def judged(folder: Path, status: int, first: list[Report], second: list[Report]) -> list[str]:
    """Judge a run with these reports, and with those of the second try. Return why it is red."""
    log = folder / "log"
    log.write_text("\n".join(map(json.dumps, first)), "utf-8")

    class Again(checks.Stages):
        def start(self, name: str, command: list[str], output: Any = None) -> None:
            log.write_text("\n".join(map(json.dumps, second)), "utf-8")

        def wait(self, name: str) -> int:
            return 0

    stages = {"pytest": {"exit_status": status}}
    return checks.judge(Again({}), log, {"stages": stages, "filter": []})


PASSED, FAILED = a_report("passed"), a_report("failed")
OTHERS = [a_report("failed", name=f"tests/a/test_b.py::test_{number}") for number in range(3)]
UNREAD = {"$report_type": "CollectReport", "outcome": "failed", "nodeid": "tests/d.py"}


@pytest.mark.parametrize(
    ("status", "first", "second"),
    [
        pytest.param(0, [PASSED], [], id="nothing failed"),
        pytest.param(1, [FAILED], [PASSED], id="passed alone"),
        pytest.param(1, [PASSED, a_report("failed", "teardown")], [PASSED], id="at its end"),
    ],
)
def test_run_is_green(tmp_path: Path, status: int, first: list[Report], second: list[Report]):
    assert judged(tmp_path, status, first, second) == []


@pytest.mark.parametrize(
    ("status", "first", "second"),
    [
        pytest.param(1, [FAILED], [FAILED], id="failed twice"),
        pytest.param(1, [FAILED], [], id="not found again"),
        pytest.param(1, [FAILED], [PASSED, a_report("failed", "teardown")], id="failed later"),
        pytest.param(1, [FAILED, *OTHERS], [PASSED], id="four failed"),
        pytest.param(1, [a_report("failed", keywords={"hypothesis": 1})], [PASSED], id="property"),
        pytest.param(1, [a_report("failed", keywords={"once": 1})], [PASSED], id="race"),
        pytest.param(1, [UNREAD, FAILED], [PASSED], id="a file was not read"),
        pytest.param(1, [], [], id="failed without a report"),
        pytest.param(3, [PASSED], [], id="internal error"),
        pytest.param(-9, [FAILED], [PASSED], id="killed"),
        pytest.param(5, [], [], id="no test"),
    ],
)
def test_run_is_red(tmp_path: Path, status: int, first: list[Report], second: list[Report]):
    assert judged(tmp_path, status, first, second)


def test_run_is_red_when_known_test_is_unsteady_again(tmp_path: Path, monkeypatch):
    known = tmp_path / "unsteady.md"
    known.write_text(f"| `{NAME}` | 7 December 2026 | a race |", "utf-8")
    monkeypatch.setattr(checks, "UNSTEADY", known)
    assert judged(tmp_path, 1, [FAILED], [PASSED]) == [f"{NAME} is in unsteady.md already"]
