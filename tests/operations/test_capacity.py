"""What a day needs is reckoned from measured costs; what was not measured is named, not guessed."""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

import pytest

from click.testing import CliRunner

import commands.capacity

from commands.capacity import (
    ASSUMED,
    COLDER,
    DELIVERY,
    LEADER_AT_REST,
    LINES,
    PARTS,
    TEXT,
    VISIT,
    WEB_AT_REST,
    WORKER_AT_REST,
    reckoned,
    told,
)

MEASURED: dict[str, Any] = {
    "webhooks_of_a_call": 10,
    "worker_ms_a_webhook_postgres": 1.5 / COLDER,
    "database_ms_a_webhook_postgres": 0.5,
    "wal_bytes_a_call_postgres": 2**20 / 100,
    "stored_bytes_a_call_postgres": 2**30 / 432_000,
    "commits_a_call_postgres": 12.0,
    "disk_syncs_per_second": 3000,
    "bytes_a_place": 2**30 / 1_000_000,
}
DAY = {"calls": 60.0, "visitors": 1280.0, "slots": 1_000_000.0, "hours": 2.0}


def values(**changes: Any) -> dict[str, float]:
    return reckoned(DAY, MEASURED | changes)


def test_each_line_is_what_its_sentence_says():
    found = values()
    # 60 calls and 10 bookings on the web a second, with two texts each.
    assert found["webhooks"] == 600
    # 60 calls × 15 ms ÷ 0.6.
    assert found["cores for calls"] == 2
    for_web = (10 * VISIT["web"] + 140 * TEXT["web"]) / 600
    for_texts = 140 * sum(DELIVERY.values()) / 600
    assert found["cores for the web"] == 2 > for_web > 1
    assert found["cores for texts"] == 2 > for_texts > 1
    # Of eight cores, and one that may fail.
    assert (1.5 + for_web + for_texts) / 8 < 1
    assert found["stateless nodes"] == 2
    # As many web workers as cores, two that deliver, a scheduler and a dispatcher.
    at_rest = {
        what: 16 * WEB_AT_REST[what] + 2 * WORKER_AT_REST[what] + LEADER_AT_REST[what]
        for what in LEADER_AT_REST
    }
    assert found["cores of what only looks"] == pytest.approx(at_rest["cores"])
    # 60 × 5 ms, bookings, texts, and those processes, ÷ 0.6.
    busy = 0.3 + 0.01 * VISIT["database"] + 0.14 * TEXT["database"] + at_rest["database"]
    assert found["cores of primaries"] == 2 > busy / 0.6 > 1
    assert (found["cells"], found["connections to PostgreSQL"]) == (1, 8)
    commits = 720 + 10 * VISIT["commits"] + 140 * TEXT["commits"] + at_rest["commits"]
    assert found["commits"] == pytest.approx(commits)
    log = 0.6 + (10 * VISIT["wal"] + 140 * TEXT["wal"] + at_rest["wal"]) / 2**20
    assert found["log (WAL)"] == pytest.approx(log)
    assert found["archive of the log"] == pytest.approx(log * 7200 * 7 / 1024)
    of_others = (10 * VISIT["stored"] + 140 * TEXT["stored"]) / 2**30
    assert found["tables grow by"] == pytest.approx(7200 * (60 / 432_000 + of_others))
    assert found["slots"] == pytest.approx(1.0)
    assert found["lines at once"] == 60 * ASSUMED["call_seconds"]
    assert found["texts"] == 70 * ASSUMED["parts_a_booking"]
    minutes = 60 * 7200 * ASSUMED["call_seconds"] / 60
    assert found["euros of calls"] == pytest.approx(minutes * 0.06)
    assert told(LINES[0], found)[1].endswith("60 calls × 10 webhooks")


def test_twice_the_calls_are_twice_the_cores():
    once, twice = (
        reckoned({"calls": calls, "visitors": 0.0}, MEASURED) for calls in (300.0, 600.0)
    )
    assert (once["cores for calls"], twice["cores for calls"]) == (8, 15)


@pytest.mark.parametrize("value", [None, "—", -1, 0])
@pytest.mark.parametrize("name", list(MEASURED))
def test_what_was_not_measured_is_missing_where_it_counts_and_nowhere_else(name: str, value: Any):
    found = values(**{name: value})
    for line in LINES:
        measured, said = told(line, found)
        assert measured is not any(name in PARTS[part] for part in line.parts)
        assert "nan" not in said
        assert measured or name in said


def test_without_any_measurement_there_is_a_plan_of_what_needs_none():
    found = reckoned(DAY, {})
    assert {line.name for line in LINES if told(line, found)[0]} == {
        *("cores for the web", "cores for texts", "lines at once", "texts"),
        *("euros of calls", "euros of texts"),
    }


def said(file: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(commands.capacity.make(file), list(options))
    return done.exit_code, done.output


def test_the_command_says_each_line_and_which_part_of_the_bench_is_missing(tmp_path: Path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(MEASURED), "utf-8")
    status, told = said(file, "--calls", "60", "--visitors", "1280", "--slots", "1000000")
    assert status == 0
    assert "60 calls × 10 webhooks" in told
    assert all(f"\n{line.name} " in told for line in LINES)
    file.write_text(json.dumps({**MEASURED, "bytes_a_place": None}), "utf-8")
    status, told = said(file, "--euros-a-part", "0.1", "--cores", "4")
    assert status == 1
    assert "not measured: bytes_a_place (make bench ARGS='growth')" in told
    status, told = said(file, "--cores", "0")
    assert (status, "--cores" in told) == (2, True)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_without_a_measurement_is_one_sentence(tmp_path: Path, text: str):
    file = tmp_path / "results.json"
    file.write_text(text, "utf-8")
    for which in (file, tmp_path / "nowhere.json"):
        status, told = said(tmp_path / "results.json", "--results", str(which))
        assert status == 1
        assert told.startswith(f"Error: {which} has no measurement")
