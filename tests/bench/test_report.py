"""What is written from the measurements, and what is kept."""

from __future__ import annotations

import json

import pytest

from bench import report
from bench.measure import Measurement, MeasurePlan
from bench.servers import POSTGRES_SETTINGS

MACHINE: dict[str, str | int] = {
    "machine": "a machine",
    "python": "3.11",
    "disk": "ext4",
    "disk_syncs_per_second": 900,
    "load_before": "0.10",
}
POSTGRES_FACTS = dict.fromkeys(("server_version", *POSTGRES_SETTINGS), "on")


# What bench.store and bench.lookups give for each database.
STORE = {
    "allocate_ratio": 0.7,
    "allocations_one_slot": 400.0,
    "allocations_apart": 500.0,
    "postcodes_rows_per_second": 10_000.0,
    "centres_rows_per_second": 400.0,
    "slots_rows_per_second": 50_000.0,
    "slots_memory_growth": 1.05,
    "known_unknown_gap_ms": 0.1,
    "board_cost_ratio": 0.95,
    "queue_webhook_p99_ms": 60.0,
    "agent_action_p99_ms": 90.0,
    "board_update_ms": 1700.0,
    "outbox_ratio": 0.9,
    "web_bookings_per_second": 40.0,
    "peer_bookings_per_second": 50.0,
    "web_ratio_floor_a": 0.1,
    "web_ratio_peer": 0.8,
    "web_client_share": 0.1,
    "turn_p99_ms": 20.0,
    "call_p99_ms": 80.0,
    "web_worker_mib": 120.0,
    "web_worker_mib_after_screens": 140.0,
}
GROWTH = {
    "search_growth_10m": 1.1,
    "search_p99_ms_100k": 3.0,
    "search_p99_ms_10m": 3.3,
    "outbox_growth_10m": 1.1,
    "outbox_p99_ms_10k": 1.5,
    "outbox_p99_ms_10m": 1.7,
    "room_ratio": 0.8,
    "room_rate": 20_000.0,
    "room_constant_rate": 25_000.0,
    "room_page_bytes": 2900.0,
    "rush_speaks_under_2s": 100.0,
    "rush_call_p99_ms": 300.0,
    "rush_goodput_ratio": 0.95,
    "rush_phone_share": 40.0,
    "rush_recovery_seconds": 2.5,
    "rush_restart_recovery_seconds": 3.5,
}
TELEPHONES = {
    "sip_calls_right": 100.0,
    "sip_max_gap_ms": 40.0,
    "sip_lost": 0.0,
    "sip_cpu_per_call": 0.25,
    "sip_first_sound_ms": 120.0,
    "sip_first_call_ms": 200.0,
    "sip_cached_prompt_ms": 0.01,
    "sip_rss_mib": 80.0,
}


def outcome(kind: str, facts: dict[str, str], **rates: float) -> Measurement:
    return Measurement(
        store={f"{name}_{kind}": value for name, value in STORE.items()}
        | (GROWTH | TELEPHONES if kind == "postgres" else {}),
        rates={name: [value - 1, value, value + 1] for name, value in rates.items()},
        wrk_share=0.08,
        webhooks_of_a_call=12,
        facts=facts,
    )


def results(**changes: float) -> report.Results:
    rates = {"floor_a": 8000.0, "floor_b": 2000.0, "turn_rate": 1200.0, "call_rate": 900.0}
    outcomes = {
        "postgres": outcome("postgres", POSTGRES_FACTS, **rates | changes),
        "sqlite": outcome("sqlite", {"version": "3.46"}, **rates),
    }
    more = Measurement(store={"understand_p99_ms": 2.5})
    return report.flatten(outcomes, MeasurePlan(5, 7), MACHINE, 500, more)


def test_ratios_are_medians_over_floor_b():
    found = results()
    assert found["turn_ratio_postgres"] == 0.6
    assert found["call_ratio_sqlite"] == 0.45
    assert found["calls_per_second_postgres"] == 75.0
    assert all(isinstance(value, float | int | str) for value in found.values())
    assert report.missed(found) == []


def test_a_bar_that_is_missed_is_named():
    (sentence,) = report.missed(results(call_rate=600.0))
    assert sentence.startswith("call_ratio_postgres is 0.3")


def test_the_bars_of_the_store_count_too():
    found = results()
    found["allocate_ratio_sqlite"], found["search_growth_10m"] = 0.49, 1.6
    found["known_unknown_gap_ms_postgres"] = 5.0
    assert [one.split()[0] for one in report.missed(found)] == [
        "allocate_ratio_sqlite",
        "known_unknown_gap_ms_postgres",
        "search_growth_10m",
    ]


def test_a_figure_that_could_not_be_had_is_a_missed_bar():
    found = results()
    found["turn_ratio_sqlite"] = None
    assert report.missed(found)
    assert "—" in report.render(found)


def test_void_runs_are_told():
    found = results()
    found["void"] = "sqlite: call_rate in round 2: 3 answers were not 200"
    assert report.missed(found) == [f"void: {found['void']}"]
    assert "3 answers were not 200" in report.render(found)


def test_what_is_kept_by_hand_survives(tmp_path):
    file, page = tmp_path / "results.json", tmp_path / "performance.md"
    report.write(results(), file, page)
    by_hand = "# Performance\n\n{}\n## Where it goes\n\nThere.\n"
    page.write_text(by_hand.format(page.read_text("utf-8")), "utf-8")
    report.write(results(turn_rate=1100.0), file, page)
    written = report.with_figures("", report.render(json.loads(file.read_text("utf-8"))))
    assert "| **lone turn ÷ floor (b)** | 0.55 | 0.6 |" in written
    assert page.read_text("utf-8") == by_hand.format(written)
    assert json.loads(file.read_text("utf-8"))["runs"] == 5


@pytest.mark.parametrize("page", ["", "no marks\n", report.BEGINS + "\nhalf a page\n"])
def test_a_page_without_both_marks_is_kept_and_gets_the_figures_at_its_end(page):
    figures = f"{report.BEGINS}\n\nFigures.\n\n{report.ENDS}\n"
    assert report.with_figures(page, "Figures.\n") == page + figures


def test_the_bars_of_people_at_work_count_and_one_that_was_not_measured_is_missed():
    found = results()
    found["queue_webhook_p99_ms_sqlite"], found["board_update_ms_postgres"] = 150.0, 2000.0
    found["web_worker_mib_after_screens_sqlite"] = 151.0
    del found["agent_action_p99_ms_postgres"]
    assert {one.split()[0] for one in report.missed(found)} == {
        "queue_webhook_p99_ms_sqlite",
        "board_update_ms_postgres",
        "web_worker_mib_after_screens_sqlite",
        "agent_action_p99_ms_postgres",
    }
    assert "—" in report.render(found)


def test_the_bars_of_telephones_count_where_they_were_measured():
    found = results()
    found["sip_calls_right"], found["sip_max_gap_ms"] = 99.0, 60.0
    assert {one.split()[0] for one in report.missed(found)} == {"sip_calls_right", "sip_max_gap_ms"}
    assert "| 99 | ≥ 100 |" in report.render(found)


def test_telephones_that_were_left_out_are_told_and_no_fault():
    found = {name: value for name, value in results().items() if not name.startswith("sip_")}
    assert report.missed(found) == []
    assert "were left out" in report.render(found)
    assert "telephones" not in report.summary(found)


def test_what_could_not_be_measured_is_named_and_the_rest_is_written(tmp_path):
    whole = results()
    void = "sqlite: people at work: no event was seen on a board"
    found = {
        name: value
        for name, value in whole.items()
        if not name.startswith(("board_", "search_", "understand_", "rush_", "web_"))
    } | {"void": void}
    file, page = tmp_path / "results.json", tmp_path / "performance.md"
    report.write(found, file, page)
    assert json.loads(file.read_text("utf-8"))["turn_ratio_postgres"] == 0.6
    assert f"Not all runs count: {void}." in page.read_text("utf-8")
    assert "| **from an event until a board shows it, at most, ms** | — | — | < 2000 |" in (
        page.read_text("utf-8")
    )
    named = report.missed(found)
    assert named[0] == f"void: {void}"
    assert "board_update_ms_sqlite is None, and must be under 2000" in named
    assert "turn_ratio" not in " ".join(named)


def test_of_some_parts_alone_their_bars_count_and_only_they_are_shown(tmp_path):
    outcomes = {
        "postgres": Measurement(
            rates={"floor_b": [2000.0], "turn_rate": [1200.0], "call_rate": [600.0]},
            store={"allocate_ratio_postgres": 0.7},
        ),
        "sqlite": Measurement(),
    }
    plan = MeasurePlan(3, 5, frozenset({"calls", "booking"}))
    found = report.flatten(outcomes, plan, MACHINE, 100, Measurement())
    assert found["parts"] == "booking calls"
    assert report.missed(found) == ["call_ratio_postgres is 0.3, and must be at least 0.35"]
    shown = report.summary(found)
    assert [line.split("  ")[0] for line in shown.splitlines()[1:]] == [
        "floor (b), answers a second",
        "lone turns a second",
        "webhooks of whole booking calls a second",
        "lone turn ÷ floor (b)",
        "booking call ÷ floor (b)",
        "held and confirmed booking ÷ the same SQL by hand",
    ]
    assert "≥ 0.35 / ≥ 0.25" in shown
    report.write(found, tmp_path / "var" / "results.json", None)
    assert [one.name for one in (tmp_path / "var").iterdir()] == ["results.json"]
