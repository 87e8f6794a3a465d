"""A part of the national day is compared with what the plan says of it, line by line."""

from __future__ import annotations

import json
import subprocess
import sys

from dataclasses import replace
from typing import Any

import pytest

from bench import alone, day
from bench.day import DayFigures, compared, table
from launcher.environment import inherited
from services.operations.capacity import Costs
from tests.operations.test_capacity import MEASURED
from tests.support import parts
from tests.support.keeper import ROOT

# Of the rates at which the costs of MEASURED are spent: ten calls and half a booking a second, each
# with a text, by two web workers.
SEEN = DayFigures(
    seconds=100.0,
    calls=1000,
    webhooks=10_000,
    visits=50,
    pages=400,
    processor={
        # Ten calls × 15 ms, half a booking's 36 ms, 10.5 texts × 3 ms, and both at rest.
        "web": 15 + 1.8 + 3.15 + 2.0,
        # Ten × 5 ms, half of 12 ms, 10.5 × 4 ms, and four that ask × 5 ms.
        "database": 5 + 0.6 + 4.2 + 2.0,
        "worker": 30.45 + 1.0,
        # 10.5 texts × 1 ms.
        "scheduler": 1.05 + 1.0,
        "dispatcher": 1.0,
        "exchange": 7.0,
    },
    # 10 calls ÷ 100, half a booking ÷ 50, 10.5 texts ÷ 200, and four that ask ÷ 1000.
    wal=round(100 * (0.1 + 0.01 + 0.0525 + 0.004) * 2**20),
    files=round(100 * 2**30 * (10 / 432_000 + 0.5 / 108_000 + 10.5 / 1_080_000)),
    commits=12_000 + 2000 + 10_500 + 800,
    writes=6000,
    texts=1050,
    connections=40,
)


def ratios(**changes: Any) -> dict[str, float | None]:
    lines = compared(replace(SEEN, **changes), Costs(MEASURED))
    return {one.name: one.ratio if one.ratio is None else round(one.ratio, 2) for one in lines}


def test_a_day_that_costs_what_was_measured_is_as_it_was_planned():
    assert ratios() == {
        "webhooks": 1.0,
        "web pages": 1.0,
        "texts": 1.0,
        "web workers": 1.0,
        "PostgreSQL": 1.0,
        "log (WAL)": 1.0,
        "tables grow by": 1.0,
        "commits": 1.0,
        # As many as all pools may have.
        "connections": round(40 / 93, 2),
        "worker and scheduler": 1.0,
        "dispatcher": 1.0,
        # Of these the plan says nothing.
        "bookings on the web": None,
        "commits of what only looks": None,
        "transactions that wrote": None,
        "exchange": None,
        "worker": None,
        "scheduler": None,
    }


def test_connections_may_be_fewer_than_planned_and_not_more():
    assert all(one.holds for one in compared(SEEN, Costs(MEASURED)))
    lines = compared(replace(SEEN, connections=120), Costs(MEASURED))
    assert [one.name for one in lines if not one.holds] == ["connections"]


@pytest.mark.parametrize(
    ("process", "line"),
    [("web", "web workers"), ("worker", "worker and scheduler"), ("dispatcher", "dispatcher")],
)
def test_a_process_that_takes_more_than_was_measured_is_seen(process: str, line: str):
    processor = SEEN.processor | {process: SEEN.processor[process] * 1.3}
    lines = compared(replace(SEEN, processor=processor), Costs(MEASURED))
    assert [one.name for one in lines if not one.holds] == [line]


def test_a_cost_that_was_not_measured_is_no_plan_that_holds():
    lines = compared(SEEN, Costs({**MEASURED, "text_worker_ms": None}))
    assert [one.name for one in lines if not one.holds] == ["worker and scheduler"]


def test_whichever_of_the_two_delivers_the_plan_holds():
    worker, scheduler = SEEN.processor["worker"], SEEN.processor["scheduler"]
    processor = SEEN.processor | {"worker": worker / 2, "scheduler": scheduler + worker / 2}
    assert all(one.holds for one in compared(replace(SEEN, processor=processor), Costs(MEASURED)))


@pytest.mark.parametrize(("times", "holds"), [(1.19, True), (1.21, False), (0.79, False)])
def test_a_plan_that_is_wrong_by_more_than_a_fifth_does_not_hold(times: float, holds: bool):  # noqa: FBT001
    lines = compared(replace(SEEN, commits=round(25_300 * times)), Costs(MEASURED))
    assert all(one.holds for one in lines) is holds
    # It is seen in the table.
    assert ("**" in table(lines)) is not holds


def test_the_page_has_what_was_planned_beside_what_was_seen():
    found = day.told(50, replace(SEEN, connections=120, faults=["calls: 3 broke"]), Costs(MEASURED))
    assert "| webhooks, a second | 100 | 100 | 1.00 |" in found.table
    assert "One of 50 parts of that day came" in found.words
    assert found.missed == ["connections was 1.29 times what is planned"]
    assert found.void == ["calls: 3 broke"]
    assert found.figures["part"] == 50
    assert found.figures["lines"][0]["name"] == "webhooks"


def test_costs_that_cannot_be_read_are_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.day", "--results", str(tmp_path / "none.json")])
    assert day.main() == alone.CANNOT
    assert "none.json" in capsys.readouterr().err


def test_costs_that_were_measured_beside_others_are_not_compared_with(
    tmp_path, monkeypatch, capsys
):
    results, aside = tmp_path / "results.json", tmp_path / "beside.json"
    results.write_text(json.dumps(MEASURED), "utf-8")
    aside.write_text(json.dumps({**MEASURED, "beside_void": "others had it"}), "utf-8")
    options = ["bench.day", "--results", str(results), "--beside", str(aside)]
    monkeypatch.setattr(sys, "argv", options)
    assert day.main() == alone.CANNOT
    assert "nothing to compare with" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_fiftieth_of_the_day_costs_what_was_planned():
    """Costs are measured on this machine first, which must have nothing else to do."""
    minutes = parts.environment("DAY_MINUTES") or "20"
    costs = [sys.executable, "-m", "bench", "calls", "--on", "postgres"]
    subprocess.run(costs, cwd=ROOT, env=inherited(), check=False)  # noqa: S603
    beside = str(ROOT / "var" / "bench" / "beside.json")
    costs = [sys.executable, "-m", "bench.beside", "--results", beside]
    subprocess.run(costs, cwd=ROOT, env=inherited(), check=False)  # noqa: S603
    lived = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "bench.day", "--minutes", minutes),
            *("--results", str(ROOT / "var" / "bench" / "results.json")),
            *("--beside", beside),
        ],
        cwd=ROOT,
        env=inherited(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert lived.returncode == 0, lived.stdout + lived.stderr
