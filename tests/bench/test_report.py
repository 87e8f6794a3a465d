"""What is written from the measurements, and what is kept."""

from __future__ import annotations

import json

import pytest

from bench import report
from bench.measure import Measurement, MeasurePlan
from bench.parts import PARTS, Ran
from bench.report import FIGURES, Figure
from bench.servers import POSTGRES_SETTINGS

MACHINE: dict[str, str | int] = {
    "machine": "a machine",
    "python": "3.11",
    "disk_syncs_per_second": 900,
    "load_before": "0.10",
    "versions": "Flask 3.1",
}
POSTGRES_FACTS = dict.fromkeys(("server_version", *POSTGRES_SETTINGS), "on")


def bar(figure: Figure) -> float:
    return float(figure.bar.partition(" ")[2] or 2000)


def results(*, void: str = "", **changes: float) -> report.Results:
    """A whole run in which each figure is on its bar; `void`: a part that is, with its sentence."""
    figures = {one.key: bar(one) / 2 if one.bar.startswith("<") else bar(one) for one in FIGURES}
    ran = {name: Ran(9.0, 1, 0.01) for name in PARTS}
    if void:
        name, _, sentence = void.partition(" | ")
        ran[name].void.append(sentence)
    seen = Measurement(figures, 0.08, 12, POSTGRES_FACTS)
    found = report.flatten(seen, MeasurePlan(5, 7), MACHINE, 500, ran)
    assert not set(changes) - set(found)
    return found | changes


def test_a_run_with_all_its_bars_is_told_whole():
    found = results()
    assert report.missed(found) == []
    assert report.counts(found)
    assert found["went"]["calls"] == {
        "seconds": 9.0,
        "tries": 1,
        "others": 0.01,
        "void": [],
    }
    page = report.render(found)
    assert "Not measured" not in page
    assert "others had at most 1% of it during a part" in page
    assert all(f"| {one.title} |" in page for one in FIGURES)


def test_the_bars_of_speed_are_those_that_were_agreed_on():
    bars = {one.key.removesuffix("_postgres"): one.bar for one in FIGURES if one.bar}
    assert bars == {
        "peers_call_ratio": "≥ 1.2",
        "turn_ratio": "≥ 0.52",
        "call_ratio": "≥ 0.33",
        "web_worker_share_mib": "< 130",
        "turn_p99_ms": "< 100",
        "call_p99_ms": "< 100",
        "web_ratio_peer": "≥ 1",
        "board_cost_ratio": "≥ 0.8",
        "queue_webhook_p99_ms": "< 150",
        "agent_action_p99_ms": "< 300",
        "board_update_ms": "< 2000",
        "staff_worker_share_mib": "< 150",
        "guards_call_ratio": "≥ 0.95",
        "guards_visit_ratio": "≥ 0.9",
        "rush_speaks_under_2s": "≥ 100",
        "rush_call_p99_ms": "< 1000",
        "rush_goodput_ratio": "≥ 0.9",
        "rush_phone_share": "≥ 39",
        "rush_recovery_seconds": "< 10",
        "allocate_ratio": "≥ 0.45",
        "outbox_ratio": "≥ 0.7",
        "known_unknown_gap_ms": "< 5",
        "search_growth_10m": "< 1.3",
        "outbox_growth_10m": "< 1.1",
    }


def test_a_bar_that_is_missed_is_named():
    found = results(call_ratio_postgres=0.3)
    assert report.bars_missed(found) == ["call_ratio_postgres is 0.3, and must be ≥ 0.33"]
    assert "Bars that are missed: call_ratio_postgres is 0.3," in report.render(found)


def test_the_bars_of_every_part_count():
    worse = {
        one.key: bar(one) - (0.01 if one.bar.startswith("≥") else 0.0) for one in FIGURES if one.bar
    }
    assert {one.split()[0] for one in report.bars_missed(results() | worse)} == set(worse)


def test_a_figure_that_could_not_be_had_is_a_missed_bar():
    found = results()
    del found["turn_ratio_postgres"]
    assert report.bars_missed(found) == ["turn_ratio_postgres is missing, and must be ≥ 0.52"]


def test_a_part_that_is_void_is_named_with_its_figures_and_the_others_count(tmp_path):
    void = "work | people at work: no event was seen on a board"
    found = results(void=void, outbox_ratio_postgres=0.6)
    for name in ("board_cost_ratio", "board_update_ms", "staff_worker_share_mib"):
        del found[f"{name}_postgres"]
    told = void.replace(" | ", ": ")
    assert report.missed(found) == [
        f"void: {told}",
        "MISSED: outbox_ratio_postgres is 0.6, and must be ≥ 0.7",
    ]
    assert report.counts(found)
    file, page = tmp_path / "results.json", tmp_path / "performance.md"
    report.write(found, file, page)
    assert json.loads(file.read_text("utf-8"))["void"] == told
    assert f"Void: {told}." in page.read_text("utf-8")


def test_a_bar_counts_where_some_runs_of_its_part_do():
    found = results(void="calls | call_rate in round 2: broke", turn_ratio_postgres=0.1)
    assert [one.split()[0] for one in report.missed(found)] == ["void:", "MISSED:"]


def test_a_run_of_a_busy_machine_replaces_nothing():
    found = results()
    for name in list(found["went"])[::2]:
        found["went"][name]["void"] = ["the machine was busy"]
    assert not report.counts(found)


def test_every_figure_is_of_a_part_and_every_part_has_one_with_a_bar():
    assert {figure.part for figure in FIGURES if figure.bar} == set(PARTS)
    assert {figure.part for figure in FIGURES} == set(PARTS)
    assert len({figure.key for figure in FIGURES}) == len(FIGURES)


def test_what_is_kept_by_hand_survives(tmp_path):
    file, page = tmp_path / "results.json", tmp_path / "performance.md"
    report.write(results(), file, page)
    by_hand = "# Performance\n\n{}\n## Where it goes\n\nThere.\n"
    page.write_text(by_hand.format(page.read_text("utf-8")), "utf-8")
    report.write(results(turn_ratio_postgres=0.55), file, page)
    written = report.with_figures("", report.render(json.loads(file.read_text("utf-8"))))
    assert "| **lone turn ÷ floor (b)** | 0.55 | ≥ 0.52 |" in written
    assert page.read_text("utf-8") == by_hand.format(written)
    assert json.loads(file.read_text("utf-8"))["runs"] == 5


@pytest.mark.parametrize("page", ["", "no marks\n", report.BEGINS + "\nhalf a page\n"])
def test_a_page_without_both_marks_is_kept_and_gets_the_figures_at_its_end(page):
    figures = f"{report.BEGINS}\n\nFigures.\n\n{report.ENDS}\n"
    assert report.with_figures(page, "Figures.\n") == page + figures


def test_of_some_parts_alone_their_bars_count_and_only_they_are_shown(tmp_path):
    figures = {
        "floor_b_postgres": 2000.0,
        "turn_ratio_postgres": 0.8,
        "call_ratio_postgres": 0.3,
        "peers_call_ratio_postgres": 1.3,
        "web_worker_share_mib_postgres": 120.0,
        "allocate_ratio_postgres": 0.7,
    }
    plan = MeasurePlan(3, 5, frozenset({"calls", "booking"}))
    ran = {name: Ran() for name in plan.parts}
    found = report.flatten(Measurement(figures), plan, MACHINE, 100, ran)
    assert found["parts"] == "booking calls"
    assert not report.counts(found)
    assert report.bars_missed(found) == ["call_ratio_postgres is 0.3, and must be ≥ 0.33"]
    assert [line.split("|")[1].strip() for line in report.table(found).splitlines()[2:]] == [
        f"*calls: {PARTS['calls']}*",
        "floor (b), answers a second",
        "**booking calls ÷ those of a usual application**",
        "**lone turn ÷ floor (b)**",
        "**booking call ÷ floor (b)**",
        "web worker after all calls, MiB",
        f"*booking: {PARTS['booking']}*",
        "**held and confirmed booking ÷ the same SQL by hand**",
    ]
    assert "Not measured in this run: tails; visits;" in report.render(found)
    report.write(found, tmp_path / "var" / "results.json", None)
    assert [one.name for one in (tmp_path / "var").iterdir()] == ["results.json"]
