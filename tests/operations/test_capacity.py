"""What a day needs is reckoned from measured costs; what was not measured is named, not guessed."""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

import click
import pytest

from click.testing import CliRunner

import commands.capacity

from services.operations.capacity import Assumed, Costs, Demand, PlanLine, plan

# Two cores that were busy with nothing else: a webhook took 2 ms of them, the web's worker 1.5.
MEASURED: dict[str, Any] = {
    "cores": 2,
    "webhooks_of_a_call": 10,
    "wrk_cpu_share": 0.0,
    "call_rate_postgres": 1000.0,
    "worker_ms_a_webhook_postgres": 1.5,
    "wal_bytes_a_call_postgres": 2**20 / 100,
    "stored_bytes_a_call_postgres": 2**30 / 432_000,
    "commits_a_call_postgres": 12.0,
    "disk_syncs_per_second": 3000,
    "web_bookings_per_second_postgres": 40.0,
    "bytes_a_place": 2**30 / 1_000_000,
}
DAY = Demand(calls=60, visitors=2080, slots=1_000_000, hours=2)


def lines(**changes: Any) -> dict[str, PlanLine]:
    return {one.name: one for one in plan(DAY, Costs(MEASURED | changes))}


def values(**changes: Any) -> dict[str, float | None]:
    return {name: one.value for name, one in lines(**changes).items()}


def test_each_line_is_what_its_sentence_says():
    found = values()
    # 600 webhooks × 1.5 ms ÷ 0.6. Of 10 bookings on the web, 50 ms each, workers have 3/4.
    assert found["webhooks"] == 600
    assert found["cores for calls"] == 2
    assert found["cores for the web"] == 1
    assert found["stateless nodes"] == 2
    # 600 × 0.5 ms and a quarter of 500 ms, ÷ 0.6.
    assert found["cores of primaries"] == 1
    assert found["cells"] == 1
    assert found["commits"] == 720
    assert found["log (WAL)"] == pytest.approx(0.6)
    assert found["tables grow by"] == pytest.approx(1.0)
    assert found["slots"] == pytest.approx(1.0)
    assert found["lines at once"] == 60 * Assumed.call_seconds
    minutes = 60 * 7200 * Assumed.call_seconds / 60
    assert found["euros of calls"] == pytest.approx(minutes * Assumed.euros_a_minute)
    assert "600" not in lines()["webhooks"].why
    assert lines()["webhooks"].why == "60 calls × 10 webhooks"


def test_twice_the_calls_are_twice_the_cores_and_the_load_generator_is_not_the_service():
    twice = {one.name: one.value for one in plan(Demand(600, 0, 0), Costs(MEASURED))}
    once = {one.name: one.value for one in plan(Demand(300, 0, 0), Costs(MEASURED))}
    assert (once["cores for calls"], twice["cores for calls"]) == (8, 15)
    assert (once["cores of primaries"], twice["cores of primaries"]) == (3, 5)
    assert Costs(MEASURED).database_ms == pytest.approx(0.5)
    assert Costs(MEASURED | {"wrk_cpu_share": 0.1}).database_ms == pytest.approx(0.3)


def test_cores_of_the_machine_are_read_from_its_name_where_they_are_not_told_apart():
    named = {name: value for name, value in MEASURED.items() if name != "cores"}
    assert Costs(named | {"machine": "Some Processor, 2 cores, 24 GiB"}).machine_ms == 2.0
    assert Costs(named).machine_ms is None


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("bytes_a_place", {"slots", "euros of disks"}),
        ("commits_a_call_postgres", {"commits"}),
        ("wal_bytes_a_call_postgres", {"log (WAL)", "archive of the log", "euros of disks"}),
    ],
)
@pytest.mark.parametrize("value", [None, "—", 0])
def test_what_was_not_measured_is_missing_where_it_counts_and_nowhere_else(
    name: str, lacking: set[str], value: Any
):
    found = lines(**{name: value})
    assert {one.name for one in found.values() if one.value is None} == lacking
    for one in found.values():
        assert bool(one.missing) == (one.value is None)
        assert "nan" not in one.why


def test_without_any_measurement_there_is_a_plan_of_what_needs_none():
    found = {one.name for one in plan(DAY, Costs({})) if one.value is not None}
    assert found == {"lines at once", "texts", "euros of calls", "euros of texts"}


def said(file: Path, *options: str) -> tuple[int, str]:
    command: click.Command = commands.capacity.make(file)
    done = CliRunner().invoke(command, list(options))
    return done.exit_code, done.output


def test_the_command_says_each_line_and_which_part_of_the_bench_is_missing(tmp_path: Path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(MEASURED), "utf-8")
    status, told = said(file, "--calls", "60", "--visitors", "2080", "--slots", "1000000")
    assert status == 0
    assert "60 calls × 10 webhooks" in told
    file.write_text(json.dumps({**MEASURED, "bytes_a_place": None}), "utf-8")
    status, told = said(file, "--calls", "60")
    assert status == 1
    assert "not measured: bytes_a_place (make bench ARGS='growth')" in told


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_without_a_measurement_is_one_sentence(tmp_path: Path, text: str):
    file = tmp_path / "results.json"
    file.write_text(text, "utf-8")
    for which in (file, tmp_path / "nowhere.json"):
        status, told = said(which)
        assert status == 1
        assert told.startswith(f"Error: {which} has no measurement")
