"""The figures of the bench with their bars, and how they are written and shown."""

from __future__ import annotations

import json
import subprocess

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import config

from bench.load import CONNECTIONS
from bench.measure import Measurement, MeasurePlan
from bench.parts import ALL, PARTS, Ran
from bench.servers import POSTGRES_SETTINGS

Results = dict[str, Any]

BEGINS: Final = "<!-- `make bench` writes from here. -->"
ENDS: Final = "<!-- `make bench` writes up to here. -->"
# Where the machine was busy for most of it, there is nothing to replace the table with.
ENOUGH: Final = 2 / 3


class Figure(NamedTuple):
    """One figure: its key in the results, its title, its bar where it has one, and its part.

    One that is compared with a floor has its title in bold.
    """

    key: str
    title: str
    # "≥ 1.2" or "< 100".
    bar: str
    part: str

    def missed(self, value: object) -> str:
        """Return a sentence where `value` is not as it must be; "" where it is."""
        sign, _, bar = self.bar.partition(" ")
        if isinstance(value, int | float):
            if value < float(bar) if sign == "<" else value >= float(bar or value):
                return ""
        elif not bar:
            return ""
        return f"{self.key} is {'missing' if value is None else value}, and must be {self.bar}"


# By part: key, title and bar. These keys end with `_postgres` in the results, the next ones do not.
_OF_DATABASE: Final = {
    "calls": (
        ("floor_b", "floor (b), answers a second", ""),
        ("turn_rate", "lone turns a second", ""),
        ("call_rate", "webhooks of whole booking calls a second", ""),
        ("calls_per_second", "whole booking calls a second", ""),
        ("peers_calls_per_second", "the same in a usual application", ""),
        ("peers_call_ratio", "**booking calls ÷ those of a usual application**", "≥ 1.2"),
        ("turn_ratio", "**lone turn ÷ floor (b)**", "≥ 0.52"),
        ("call_ratio", "**booking call ÷ floor (b)**", "≥ 0.33"),
        ("worker_ms_a_webhook", "a worker's processor for a webhook of a call, ms", ""),
        ("database_ms_a_webhook", "PostgreSQL's processor for it, ms", ""),
        ("wal_bytes_a_call", "written to the database's log for a call, bytes", ""),
        ("stored_bytes_a_call", "by which a call makes the database larger, bytes", ""),
        ("commits_a_call", "commits of a call, statements that only read included", ""),
        ("writes_a_call", "of those: with something written", ""),
        ("web_worker_share_mib", "web worker after all calls, MiB", "< 130"),
        ("web_worker_mib", "the same with libraries that others have, too, MiB", ""),
        ("web_worker_together_mib", "workers and the process that starts them, MiB", ""),
    ),
    "tails": (
        ("turn_p99_ms", "lone turn at half its rate, p99, ms", "< 100"),
        ("call_p99_ms", "any webhook of calls at half their rate, p99, ms", "< 100"),
    ),
    "visits": (
        ("web_bookings_per_second", "whole bookings on the web a second", ""),
        ("peer_bookings_per_second", "the same in a usual application", ""),
        ("web_ratio_peer", "**bookings on the web ÷ those of a usual application**", "≥ 1"),
    ),
    "work": (
        ("board_cost_ratio", "**a turn's processor time, no screens ÷ 70 open**", "≥ 0.8"),
        ("queue_webhook_p99_ms", "**any webhook with people at work, p99, ms**", "< 150"),
        ("agent_action_p99_ms", "**an agent's act, p99, ms**", "< 300"),
        ("board_update_ms", "**from an event until a board shows it, at most, ms**", "< 2000"),
        ("screens_refused_percent", "answers to screens and agents: later, %", ""),
        ("staff_worker_share_mib", "web worker when people worked with it, too, MiB", "< 150"),
    ),
    "guards": (
        ("guards_call_ratio", "**a call's processor time, guards off ÷ on**", "≥ 0.95"),
        ("guards_visit_ratio", "**a visit's processor time, guards off ÷ on**", "≥ 0.9"),
    ),
    "booking": (
        ("allocate_ratio", "**held and confirmed booking ÷ the same SQL by hand**", "≥ 0.45"),
    ),
    "outbox": (
        ("outbox_ratio", "**texts that a worker delivers ÷ a bare loop on the client**", "≥ 0.7"),
    ),
    "look-ups": (("known_unknown_gap_ms", "look-ups of known and unknown apart, ms", "< 5"),),
}
_OF_ALL: Final = {
    "rush": (
        ("rush_capacity", "rush: booked by the web alone before and after, a second", ""),
        ("rush_goodput", "rush: booked, a second", ""),
        ("rush_visitors", "rush: people on the web", ""),
        ("rush_calls", "rush: calls", ""),
        ("rush_speaks_under_2s", "rush: calls that speak within 2 s, %", "≥ 100"),
        ("rush_call_p99_ms", "rush: any webhook of calls, p99, ms", "< 1000"),
        ("rush_goodput_ratio", "rush: booked ÷ what the web alone can on what is left", "≥ 0.9"),
        # A point under `phone_share_percent` of the campaign.
        ("rush_phone_share", "rush: telephone's share of what all want, %", "≥ 39"),
        ("rush_recovery_seconds", "rush: over after, s", "< 10"),
        ("rush_restart_speaks_under_2s", "rush, restart: speaks within 2 s, %", ""),
        ("rush_restart_call_p99_ms", "rush, restart: any webhook of calls, p99, ms", ""),
        ("rush_restart_goodput_ratio", "rush, restart: booked ÷ what the web alone can", ""),
        ("rush_restart_recovery_seconds", "rush, restart: over after, s", ""),
    ),
    "growth": (
        ("bytes_a_place", "a place with its slot and indexes, bytes", ""),
        ("search_p99_ms_100k", "search for pairs among 100,000 slots, p99, ms", ""),
        ("search_p99_ms_10m", "the same among 10,000,000 slots, ms", ""),
        ("search_growth_10m", "**search, 10 m ÷ 100 k slots**", "< 1.3"),
        ("outbox_p99_ms_10k", "due in the outbox among 10,000 rows, p99, ms", ""),
        ("outbox_p99_ms_10m", "the same among 10,000,000 rows, ms", ""),
        ("outbox_growth_10m", "**outbox, 10 m ÷ 10 k rows**", "< 1.1"),
    ),
}
FIGURES: Final = (
    *(
        Figure(f"{key}_postgres", title, bar, part)
        for part, figures in _OF_DATABASE.items()
        for key, title, bar in figures
    ),
    *(Figure(*of_one, part) for part, figures in _OF_ALL.items() for of_one in figures),
)


def flatten(
    seen: Measurement,
    plan: MeasurePlan,
    machine: Mapping[str, str | int],
    seconds: float,
    ran: Mapping[str, Ran],
) -> Results:
    """Return the results: figures under flat keys, and how each part went under `went`.

    A figure that could not be had is missing.
    """
    results: Results = {
        **{f"postgres_{name}": value for name, value in seen.facts.items()},
        **seen.figures,
        "wrk_cpu_share": round(seen.wrk_share, 3),
        "webhooks_of_a_call": seen.webhooks_of_a_call,
        "went": {name: asdict(one) for name, one in ran.items()},
        "parts": "all" if plan.parts == ALL else " ".join(sorted(plan.parts)),
        "connections": CONNECTIONS,
        "runs": plan.rounds,
        "seconds_of_a_run": plan.seconds,
        "bench_seconds": round(seconds),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        **machine,
    }
    results["void"] = "; ".join(void(results))
    return dict(sorted(results.items()))


def missed(results: Results) -> list[str]:
    """Return a sentence for each part that is void, and for every bar that is not reached."""
    bars = (f"MISSED: {sentence}" for sentence in bars_missed(results))
    return [*(f"void: {sentence}" for sentence in void(results)), *bars]


def void(results: Results) -> list[str]:
    """Return which parts count for nothing, or not in all of their runs, and why."""
    went = results["went"].items()
    return [f"{name}: {'; '.join(one['void'])}" for name, one in went if one["void"]]


def bars_missed(results: Results) -> list[str]:
    """Return a sentence for every bar that is not reached.

    Bars of parts that were not wanted are not looked at; of one that is void, figures that could
    not be had are named with it.
    """
    found = []
    for figure in FIGURES:
        part, value = results["went"].get(figure.part), results.get(figure.key)
        if part is None or (value is None and part["void"]):
            continue
        if sentence := figure.missed(value):
            found.append(sentence)
    return found


def counts(results: Results) -> bool:
    """Whether enough of a whole run counts to be kept."""
    went = results["went"].values()
    good = sum(not part["void"] for part in went)
    return results["parts"] == "all" and good >= ENOUGH * len(went)


def write(results: Results, results_file: Path, page: Path | None) -> None:
    """Write the results, and the table in the page; the rest of the page is kept."""
    results_file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
    results_file.write_text(text, "utf-8")
    if page is not None:
        before = page.read_text("utf-8") if page.exists() else ""
        page.write_text(with_figures(before, render(results)), "utf-8")


def with_figures(page: str, figures: str) -> str:
    """Return a page with these figures between its marks; at its end where it has not both."""
    before, _, rest = page.partition(BEGINS)
    _, is_there, after = rest.partition(ENDS)
    if not is_there:
        before, after = page, "\n"
    return f"{before}{BEGINS}\n\n{figures.strip()}\n\n{ENDS}{after}"


def table(results: Results) -> str:
    """Return the table of what was measured, for the page and for the terminal."""
    rows, part = ["| | | bar |", "|---|---:|---|"], ""
    for figure in FIGURES:
        value = results.get(figure.key)
        if value is None:
            continue
        if figure.part != part:
            part = figure.part
            rows.append(f"| *{part}: {PARTS[part]}* | | |")
        shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"  # noqa: PLR2004
        rows.append(f"| {figure.title} | {shown} | {figure.bar} |")
    return "\n".join(rows)


def render(results: Results) -> str:
    """Return the marked part of docs/performance.md: when and where, the table, the conditions."""
    r = defaultdict(str, {name: str(value) for name, value in results.items()})
    settings = ", ".join(f"`{name}` {r[f'postgres_{name}']}" for name in POSTGRES_SETTINGS)
    told_apart = "".join(f"\n{paragraph}\n" for paragraph in _told_apart(results))
    others = max((part["others"] for part in results["went"].values()), default=0)
    return f"""Measured {r["date"]} at commit {r["commit"]}, on {r["machine"]};
Python {r["python"]}. Medians of {r["runs"]} runs of {r["seconds_of_a_run"]} seconds each, floors
and service in turn; {results["bench_seconds"] / 60:.0f} minutes in all.
{told_apart}
{table(results)}

- A booking call had {r["webhooks_of_a_call"]} webhooks; wrk played calls on {r["connections"]}
  connections and took at most {results["wrk_cpu_share"]:.0%} of the machine, visitors
  of the web took at most {results.get("web_client_share_postgres", 0):.0%}.
- PostgreSQL {r["postgres_server_version"]}: {settings}. {r["versions"]}.
- The disk did {r["disk_syncs_per_second"]} synced writes a second; the machine's load
  was {r["load_before"]} at the start, and others had at most {others:.0%} of it during a part.
"""


def _told_apart(results: Results) -> Iterator[str]:
    """What is not in the table, or does not count, and which bars are missed."""
    for before, those in (
        ("Void: ", void(results)),
        ("Bars that are missed: ", bars_missed(results)),
        ("Not measured in this run: ", [name for name in PARTS if name not in results["went"]]),
    ):
        if those:
            yield f"{before}{'; '.join(those)}."


def commit() -> str:
    """The commit that is measured, and whether anything but figures was changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=config.ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "--short=12", "HEAD") or "unknown"
    # What this very command writes is no change to what it measured.
    changed = git("status", "--porcelain", "--", ".", ":!bench/results.json", ":!docs")
    return f"{head} with changes" if changed else head
