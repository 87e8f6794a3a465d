"""From what was seen to `bench/results.json`, the table of `docs/performance.md`, and a summary."""

from __future__ import annotations

import json
import subprocess

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import config

from bench.figures import FIGURES
from bench.load import CONNECTIONS
from bench.measure import Measurement, MeasurePlan
from bench.parts import ALL, PARTS, Ran
from bench.servers import POSTGRES_SETTINGS

Results = dict[str, Any]

BEGINS: Final = "<!-- `make bench` writes from here. -->"
ENDS: Final = "<!-- `make bench` writes up to here. -->"
# Where the machine was busy for most of it, there is nothing to replace the table with.
ENOUGH: Final = 2 / 3


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
    return [f"void: {sentence}" for sentence in void(results)] + bars_missed(results)


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
    good = sum(not one["void"] for one in went)
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
    went = results["went"].items()
    others = max((one["others"] for _, one in went), default=0)
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
- Seconds of each part: {", ".join(f"{name} {one['seconds']:.0f}" for name, one in went)}.
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
