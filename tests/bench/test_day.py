"""A part of the national day is compared with what the plan says of it, line by line."""

from __future__ import annotations

import subprocess
import sys

from dataclasses import replace
from typing import Any

import pytest

from bench import day, report
from bench.day import BEGINS, ENDS, PAGE, DayFigures, compared, table
from launcher.environment import inherited
from services.operations.capacity import Costs
from tests.operations.test_capacity import MEASURED
from tests.support import parts
from tests.support.keeper import ROOT

# Of the rates at which the costs of MEASURED are spent: ten calls and half a booking a second.
SEEN = DayFigures(
    seconds=100.0,
    calls=1000,
    visits=50,
    # 100 webhooks a second × 1.5 ms, and 3/4 of half a booking's 50 ms; a quarter is below.
    processor={"web": 15 + 1.875, "database": 5 + 0.625, "worker": 7.0},
    wal=10 * 2**20,
    files=round(1000 * 2**30 / 432_000),
    commits=12_000,
    texts=1050,
)


def ratios(**changes: Any) -> dict[str, float | None]:
    lines = compared(replace(SEEN, **changes), Costs(MEASURED))
    return {one.name: one.ratio if one.ratio is None else round(one.ratio, 2) for one in lines}


def test_a_day_that_costs_what_was_measured_is_as_it_was_planned():
    assert ratios() == {
        "web workers": 1.0,
        "PostgreSQL": 1.0,
        "log (WAL)": 1.0,
        "tables grow by": 1.0,
        "commits": 1.0,
        # Of these the plan says nothing.
        "texts": None,
        "worker": None,
    }


@pytest.mark.parametrize(("times", "holds"), [(1.19, True), (1.21, False), (0.79, False)])
def test_a_plan_that_is_wrong_by_more_than_a_fifth_does_not_hold(times: float, holds: bool):  # noqa: FBT001
    lines = compared(replace(SEEN, commits=round(12_000 * times)), Costs(MEASURED))
    assert all(one.holds for one in lines) is holds
    # It is seen in the table.
    assert ("**" in table(lines)) is not holds


def test_the_page_has_the_table_between_its_marks():
    page = PAGE.read_text("utf-8")
    assert page.count(BEGINS) == page.count(ENDS) == 1
    anew = report.with_figures(page, table(compared(SEEN, Costs(MEASURED))), BEGINS, ENDS)
    assert "| web workers, cores | 0.169 | 0.169 | 1.00 |" in anew
    assert anew.partition(BEGINS)[0] == page.partition(BEGINS)[0]


def test_costs_that_cannot_be_read_are_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.day", "--results", str(tmp_path / "none.json")])
    assert day.main() == day.CANNOT
    assert "none.json" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_fiftieth_of_the_day_costs_what_was_planned():
    """Costs are measured on this machine first, which must have nothing else to do."""
    minutes = parts.environment("DAY_MINUTES") or "20"
    costs = [sys.executable, "-m", "bench", "calls", "visits", "--on", "postgres"]
    subprocess.run(costs, cwd=ROOT, env=inherited(), check=False)  # noqa: S603
    lived = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "bench.day", "--minutes", minutes),
            *("--results", str(ROOT / "var" / "bench" / "results.json")),
        ],
        cwd=ROOT,
        env=inherited(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert lived.returncode == 0, lived.stdout + lived.stderr
