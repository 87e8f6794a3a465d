"""What is written from the measurements, and what is kept."""

from __future__ import annotations

import json

import pytest

from bench import report
from bench.figures import FIGURES
from bench.measure import Measurement, MeasurePlan
from bench.parts import PARTS, Ran, title_of
from bench.servers import POSTGRES_SETTINGS

MACHINE: dict[str, str | int] = {
    "machine": "a machine",
    "python": "3.11",
    "disk": "ext4",
    "disk_syncs_per_second": 900,
    "load_before": "0.10",
    "versions": "Flask 3.1",
}
POSTGRES_FACTS = dict.fromkeys(("server_version", *POSTGRES_SETTINGS), "on")


# What parts give for each database.
OF_EACH = {
    "floor_a": 8000.0,
    "floor_b": 2000.0,
    "turn_rate": 1200.0,
    "turn_ratio": 0.8,
    "call_rate": 900.0,
    "call_ratio": 0.55,
    "calls_per_second": 75.0,
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
    "screens_refused_percent": 0.04,
    "outbox_ratio": 0.9,
    "guards_call_ratio": 0.98,
    "guards_visit_ratio": 0.97,
    "web_bookings_per_second": 40.0,
    "peer_bookings_per_second": 50.0,
    "web_ratio_floor_a": 0.1,
    "web_ratio_peer": 1.3,
    "web_client_share": 0.1,
    "turn_p99_ms": 20.0,
    "call_p99_ms": 80.0,
    "web_worker_share_mib": 120.0,
    "staff_worker_share_mib": 140.0,
}
ONCE = {
    "understand_p99_ms": 2.5,
    "search_growth_10m": 1.05,
    "search_p99_ms_100k": 3.0,
    "search_p99_ms_10m": 3.3,
    "outbox_growth_10m": 1.05,
    "outbox_p99_ms_10k": 1.5,
    "outbox_p99_ms_10m": 1.7,
    "peers_look_up_ratio_1k": 1.2,
    "peers_look_up_ratio_100k": 1.2,
    "peers_desk_ratio_1k": 1.4,
    "peers_desk_ratio_100k": 1.4,
    "peers_booking_ratio_1k": 1.1,
    "peers_booking_ratio_100k": 1.1,
    "peers_look_up_growth": 1.02,
    "peers_desk_growth": 1.03,
    "peers_doubles": 0.0,
    "room_ratio": 0.8,
    "room_rate": 20_000.0,
    "room_constant_rate": 25_000.0,
    "room_page_bytes": 2900.0,
    "rush_speaks_under_2s": 100.0,
    "rush_call_p99_ms": 300.0,
    "rush_goodput_ratio": 0.95,
    "rush_goodput": 45.1,
    "rush_load_share": 0.12,
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


def results(*, void: str = "", **changes: float) -> report.Results:
    """A whole run with these figures; `void`: the title of a part that is, with its sentence."""
    outcomes = {}
    for kind, facts in (("postgres", POSTGRES_FACTS), ("sqlite", {"version": "3.46"})):
        figures = {f"{name}_{kind}": value for name, value in OF_EACH.items()}
        outcomes[kind] = Measurement(figures, 0.08, 12, facts)
    outcomes[""] = Measurement(ONCE | TELEPHONES)
    ran = {place.part: Ran(9.0, 1, "0.20", 0.01) for one in FIGURES for place in one.places()}
    if void:
        title, _, sentence = void.partition(" | ")
        ran[title].void.append(sentence)
    found = report.flatten(outcomes, MeasurePlan(5, 7), MACHINE, 500, ran)
    assert not set(changes) - set(found)
    return found | changes


def test_a_run_with_all_its_bars_is_told_whole():
    found = results()
    assert report.missed(found) == []
    assert report.counts(found)
    assert found["went"]["postgres: calls"] == {
        "seconds": 9.0,
        "tries": 1,
        "load": "0.20",
        "others": 0.01,
        "void": "",
        "left_out": False,
    }
    page = report.render(found)
    assert "—" not in page
    assert "Not measured" not in page
    assert "others had at most 1% of it during a part" in page
    assert f"postgres: calls 9 of {PARTS['calls'].seconds:g}," in page


def test_a_bar_that_is_missed_is_named():
    found = results(call_ratio_postgres=0.3)
    assert report.missed(found) == ["call_ratio_postgres is 0.3, and must be at least 0.5"]
    assert "Bars that are missed: call_ratio_postgres is 0.3," in report.render(found)


def test_the_bars_of_every_part_count():
    found = results(
        allocate_ratio_sqlite=0.49,
        search_growth_10m=1.6,
        known_unknown_gap_ms_postgres=5.0,
        queue_webhook_p99_ms_sqlite=150.0,
        board_update_ms_postgres=2000.0,
        staff_worker_share_mib_sqlite=1000.0,
        sip_calls_right=99.0,
        sip_max_gap_ms=60.0,
    )
    assert {one.split()[0] for one in report.missed(found)} == {
        "allocate_ratio_sqlite",
        "search_growth_10m",
        "known_unknown_gap_ms_postgres",
        "queue_webhook_p99_ms_sqlite",
        "board_update_ms_postgres",
        "staff_worker_share_mib_sqlite",
        "sip_calls_right",
        "sip_max_gap_ms",
    }


def test_a_figure_that_could_not_be_had_is_a_missed_bar():
    found = results()
    del found["turn_ratio_sqlite"]
    assert report.missed(found) == ["turn_ratio_sqlite is missing, and must be at least 0.5"]


def test_a_part_that_is_void_is_named_with_its_figures_and_the_others_count(tmp_path):
    void = "sqlite: work | people at work: no event was seen on a board"
    found = results(void=void, outbox_ratio_sqlite=0.6)
    for name in ("board_cost_ratio", "board_update_ms", "staff_worker_share_mib"):
        del found[f"{name}_sqlite"]
    told = void.replace(" | ", ": ")
    assert report.missed(found) == [
        f"void: {told}",
        "outbox_ratio_sqlite is 0.6, and must be at least 0.7",
    ]
    assert report.counts(found)
    file, page = tmp_path / "results.json", tmp_path / "performance.md"
    report.write(found, file, page)
    assert json.loads(file.read_text("utf-8"))["void"] == told
    written = page.read_text("utf-8")
    assert f"Void: {told}." in written
    assert (
        "| **from an event until a board shows it, at most, ms** | 1,700 | — | < 2000 |" in written
    )


def test_a_bar_counts_where_some_runs_of_its_part_do():
    found = results(void="sqlite: calls | call_rate in round 2: broke", turn_ratio_sqlite=0.1)
    assert [one.split()[0] for one in report.missed(found)] == ["void:", "turn_ratio_sqlite"]


def test_a_run_of_a_busy_machine_replaces_nothing():
    found = results()
    for title in list(found["went"])[::2]:
        found["went"][title]["void"] = "the machine was busy"
    assert not report.counts(found)


def test_telephones_that_were_left_out_are_told_and_no_fault():
    found = {name: value for name, value in results().items() if not name.startswith("sip_")}
    found["went"]["telephones"]["left_out"] = True
    assert report.missed(found) == []
    assert "Left out: telephones." in report.render(found)
    assert "telephones" not in report.summary(found)


def test_every_figure_is_of_a_part_and_every_part_has_one():
    assert {figure.part for figure in FIGURES} == set(PARTS)
    with_bar = {figure.part for figure in FIGURES if figure.bar}
    assert with_bar == {name for name, part in PARTS.items() if part.has_bar}


def test_what_is_kept_by_hand_survives(tmp_path):
    file, page = tmp_path / "results.json", tmp_path / "performance.md"
    report.write(results(), file, page)
    by_hand = "# Performance\n\n{}\n## Where it goes\n\nThere.\n"
    page.write_text(by_hand.format(page.read_text("utf-8")), "utf-8")
    report.write(results(turn_ratio_postgres=0.55), file, page)
    written = report.with_figures("", report.render(json.loads(file.read_text("utf-8"))))
    assert "| **lone turn ÷ floor (b)** | 0.55 | 0.8 |" in written
    assert page.read_text("utf-8") == by_hand.format(written)
    assert json.loads(file.read_text("utf-8"))["runs"] == 5


@pytest.mark.parametrize("page", ["", "no marks\n", report.BEGINS + "\nhalf a page\n"])
def test_a_page_without_both_marks_is_kept_and_gets_the_figures_at_its_end(page):
    figures = f"{report.BEGINS}\n\nFigures.\n\n{report.ENDS}\n"
    assert report.with_figures(page, "Figures.\n") == page + figures


def test_of_some_parts_alone_their_bars_count_and_only_they_are_shown(tmp_path):
    figures = {"floor_b": 2000.0, "turn_ratio": 0.8, "call_ratio": 0.3, "allocate_ratio": 0.7}
    outcomes = {
        "postgres": Measurement({f"{name}_postgres": value for name, value in figures.items()})
    }
    plan = MeasurePlan(3, 5, frozenset({"calls", "booking"}))
    ran = {title_of(name, "postgres"): Ran() for name in plan.parts}
    found = report.flatten(outcomes, plan, MACHINE, 100, ran)
    # What the worker weighs is of the same part.
    found["web_worker_share_mib_postgres"], found["floor_a_postgres"] = 120.0, 1.0
    assert found["parts"] == "booking calls"
    assert not report.counts(found)
    assert report.missed(found) == ["call_ratio_postgres is 0.3, and must be at least 0.5"]
    shown = report.summary(found)
    assert [line.split("  ")[0] for line in shown.splitlines()[1:]] == [
        "floor (a), answers a second",
        "floor (b), answers a second",
        "lone turn ÷ floor (b)",
        "booking call ÷ floor (b)",
        "web worker after all calls, MiB",
        "held and confirmed booking ÷ the same SQL by hand",
    ]
    assert "≥ 0.5 / ≥ 0.33" in shown
    assert "Not measured in this run: tails; visits;" in report.render(found)
    report.write(found, tmp_path / "var" / "results.json", None)
    assert [one.name for one in (tmp_path / "var").iterdir()] == ["results.json"]
