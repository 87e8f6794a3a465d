"""What a day needs is reckoned from measured costs; what was not measured is named, not guessed."""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

import click
import pytest

from click.testing import CliRunner

import commands.capacity

from services.operations.capacity import ASKING, PROCESSES, Assumed, Costs, Demand, PlanLine, plan

MEASURED: dict[str, Any] = {
    "webhooks_of_a_call": 10,
    "wal_bytes_a_call_postgres": 2**20 / 100,
    "stored_bytes_a_call_postgres": 2**30 / 432_000,
    "commits_a_call_postgres": 12.0,
    "disk_syncs_per_second": 3000,
    "bytes_a_place": 2**30 / 1_000_000,
    # A booking on the web, without its text.
    "visit_web_ms": 36.0,
    "visit_database_ms": 12.0,
    "visit_wal_bytes": 2**20 / 50,
    "visit_stored_bytes": 2**30 / 108_000,
    "visit_commits": 40.0,
    "visit_writes": 5.0,
    # A call, of the web's workers and of PostgreSQL.
    "call_web_ms": 15.0,
    "call_database_ms": 5.0,
    # A text, with what the provider says of it.
    "text_worker_ms": 29.0,
    "text_scheduler_ms": 1.0,
    "text_web_ms": 3.0,
    "text_database_ms": 4.0,
    "text_wal_bytes": 2**20 / 200,
    "text_stored_bytes": 2**30 / 1_080_000,
    "text_commits": 10.0,
    "text_writes": 3.0,
    # A second of each process where nobody comes.
    **{f"{who}_rest_cores": 0.01 for who in PROCESSES},
    **{f"{who}_rest_database_cores": 0.005 for who in ASKING},
    **{f"{who}_rest_wal_bytes": 2**20 / 1000 for who in ASKING},
    **{f"{who}_rest_commits": 2.0 for who in ASKING},
    **{f"{who}_rest_writes": 0.0 for who in ASKING},
}
DAY = Demand(calls=60, visitors=1280, slots=1_000_000, hours=2)


def lines(**changes: Any) -> dict[str, PlanLine]:
    return {one.name: one for one in plan(DAY, Costs(MEASURED | changes))}


def values(**changes: Any) -> dict[str, float | None]:
    return {name: one.value for name, one in lines(**changes).items()}


def test_each_line_is_what_its_sentence_says():
    found = values()
    # 60 calls and 10 bookings on the web a second, with two texts each.
    assert found["webhooks"] == 600
    # 60 calls × 15 ms ÷ 0.6.
    assert found["cores for calls"] == 2
    # 10 × 36 ms and 140 × 3 ms, ÷ 0.6.
    assert found["cores for the web"] == 2
    # 140 × 30 ms ÷ 0.6.
    assert found["cores for texts"] == 7
    # (1.5 + 1.3 + 7) ÷ 8, and one that may fail.
    assert found["stateless nodes"] == 3
    # As many web workers as cores, seven that deliver, a scheduler and a dispatcher.
    assert found["cores of what only looks"] == pytest.approx(33 * 0.01)
    # 60 × 5 ms, 10 × 12 ms, 140 × 4 ms, and 32 × 5 ms of those processes, ÷ 0.6.
    assert found["cores of primaries"] == 2
    assert found["cells"] == 1
    assert found["commits"] == pytest.approx(720 + 400 + 1400 + 64)
    assert found["log (WAL)"] == pytest.approx(0.6 + 0.2 + 0.7 + 0.032)
    assert found["tables grow by"] == pytest.approx(
        7200 * (60 / 432_000 + 10 / 108_000 + 140 / 1_080_000)
    )
    assert found["slots"] == pytest.approx(1.0)
    assert found["lines at once"] == 60 * Assumed.call_seconds
    assert found["texts"] == 70 * Assumed.parts_a_booking
    minutes = 60 * 7200 * Assumed.call_seconds / 60
    assert found["euros of calls"] == pytest.approx(minutes * Assumed.euros_a_minute)
    assert "600" not in lines()["webhooks"].why
    assert lines()["webhooks"].why == "60 calls × 10 webhooks"


def test_twice_the_calls_are_twice_the_cores():
    none = Assumed(texts_a_booking=0)
    twice = {one.name: one.value for one in plan(Demand(600, 0, 0), Costs(MEASURED), none)}
    once = {one.name: one.value for one in plan(Demand(300, 0, 0), Costs(MEASURED), none)}
    assert (once["cores for calls"], twice["cores for calls"]) == (8, 15)
    # With 18 and 26 processes that look.
    assert (once["cores of primaries"], twice["cores of primaries"]) == (3, 6)


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("bytes_a_place", {"slots", "euros of disks"}),
        ("commits_a_call_postgres", {"commits"}),
        ("wal_bytes_a_call_postgres", {"log (WAL)", "archive of the log", "euros of disks"}),
        ("visit_commits", {"commits"}),
        ("leaders_rest_commits", {"commits"}),
        ("text_stored_bytes", {"tables grow by", "euros of disks"}),
        ("worker_rest_cores", {"cores of what only looks"}),
    ],
)
@pytest.mark.parametrize("value", [None, "—", -1])
def test_what_was_not_measured_is_missing_where_it_counts_and_nowhere_else(
    name: str, lacking: set[str], value: Any
):
    found = lines(**{name: value})
    assert {one.name for one in found.values() if one.value is None} == lacking
    for one in found.values():
        assert bool(one.missing) == (one.value is None)
        assert "nan" not in one.why


def test_a_cost_of_calls_that_is_nothing_was_not_measured_and_a_process_may_rest_without_any():
    assert lines(commits_a_call_postgres=0)["commits"].value is None
    at_rest = lines(leaders_rest_commits=0)["commits"].value
    assert at_rest == pytest.approx(720 + 400 + 1400 + 62)


def test_without_any_measurement_there_is_a_plan_of_what_needs_none():
    found = {one.name for one in plan(DAY, Costs({})) if one.value is not None}
    assert found == {"lines at once", "texts", "euros of calls", "euros of texts"}


def said(file: Path, *options: str) -> tuple[int, str]:
    """Costs at the pace of a day are in the same file, or in `beside.json` beside it."""
    apart = file.with_name("beside.json")
    beside = apart if apart.exists() else file
    command: click.Command = commands.capacity.make(file, beside)
    done = CliRunner().invoke(command, list(options))
    return done.exit_code, done.output


def test_the_command_says_each_line_and_which_part_of_the_bench_is_missing(tmp_path: Path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(MEASURED), "utf-8")
    status, told = said(file, "--calls", "60", "--visitors", "1280", "--slots", "1000000")
    assert status == 0
    assert "60 calls × 10 webhooks" in told
    assert "measured again" not in told
    file.write_text(json.dumps({**MEASURED, "bytes_a_place": None}), "utf-8")
    status, told = said(file, "--calls", "60")
    assert status == 1
    assert "not measured: bytes_a_place (make bench ARGS='growth')" in told
    beside = {name: value for name, value in MEASURED.items() if name != "text_worker_ms"}
    file.write_text(json.dumps({"bytes_a_place": 1.0}), "utf-8")
    (tmp_path / "beside.json").write_text(json.dumps(beside), "utf-8")
    status, told = said(file, "--calls", "60")
    assert status == 1
    assert "not measured: text_worker_ms (python -m bench.beside)" in told
    assert "not measured: bytes_a_place" not in told
    # What was measured while others had the machine is not planned with.
    void = {**MEASURED, "beside_void": "others had it"}
    (tmp_path / "beside.json").write_text(json.dumps(void), "utf-8")
    status, told = said(file, "--calls", "60")
    assert status == 1
    assert "is to be measured again: others had it." in told
    assert "not measured: text_worker_ms, text_scheduler_ms (python -m bench.beside)" in told


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_without_a_measurement_is_one_sentence(tmp_path: Path, text: str):
    file = tmp_path / "results.json"
    file.write_text(text, "utf-8")
    for which in (file, tmp_path / "nowhere.json"):
        status, told = said(which)
        assert status == 1
        assert told.startswith(f"Error: {which} has no measurement")
