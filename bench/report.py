"""From what was seen to `bench/results.json`, the table of `docs/performance.md`, and a summary."""

from __future__ import annotations

import json
import subprocess

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import config

from bench.figures import FIGURES, Figure
from bench.load import CONNECTIONS
from bench.measure import Measurement, MeasurePlan
from bench.parts import ALL, PARTS, SERVERS_SECONDS, Ran
from bench.servers import POSTGRES_SETTINGS

Results = dict[str, Any]

# Characters of a title in the terminal.
TITLE: Final = 72
BEGINS: Final = "<!-- `make bench` writes from here. -->"
ENDS: Final = "<!-- `make bench` writes up to here. -->"
# Where the machine was busy for most of it, there is nothing to replace the table with.
ENOUGH: Final = 2 / 3


def flatten(
    outcomes: Mapping[str, Measurement],
    plan: MeasurePlan,
    machine: Mapping[str, str | int],
    seconds: float,
    ran: Mapping[str, Ran],
) -> Results:
    """Return the results: figures under flat keys, and how each part went under `went`.

    A figure that could not be had is missing. `outcomes` are by database; what belongs to none is
    under "".
    """
    results: Results = {}
    for kind, seen in outcomes.items():
        results |= {f"{kind}_{name}": value for name, value in seen.facts.items()}
        results |= seen.figures
    every = outcomes.values()
    results |= {
        "wrk_cpu_share": round(max(seen.wrk_share for seen in every), 3),
        "webhooks_of_a_call": max(seen.webhooks_of_a_call for seen in every),
        "void": "; ".join(_void(ran)),
        "went": {title: one.told() for title, one in ran.items()},
        "parts": "all" if plan.parts == ALL else " ".join(sorted(plan.parts)),
        "connections": CONNECTIONS,
        "runs": plan.rounds,
        "seconds_of_a_run": plan.seconds,
        "bench_seconds": round(seconds),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        **machine,
    }
    return dict(sorted(results.items()))


def _void(ran: Mapping[str, Ran]) -> Iterator[str]:
    for title, one in ran.items():
        for sentence in one.void:
            yield f"{title}: {sentence}"


def missed(results: Results) -> list[str]:
    """Return a sentence for each part that is void, and for every bar that is not reached."""
    return [f"void: {sentence}" for sentence in void(results)] + bars_missed(results)


def void(results: Results) -> list[str]:
    """Return which parts count for nothing, or not in all of their runs, and why."""
    return [f"{title}: {told}" for title, one in results["went"].items() if (told := one["void"])]


def bars_missed(results: Results) -> list[str]:
    """Return a sentence for every bar that is not reached.

    Bars of parts that were not wanted, or are left out, are not looked at; of one that is void,
    figures that could not be had are named with it.
    """
    found = []
    for figure in FIGURES:
        for place in figure.places():
            part, value = results["went"].get(place.part), results.get(place.key)
            if part is None or part["left_out"] or (value is None and part["void"]):
                continue
            if sentence := figure.missed(place, value):
                found.append(sentence)
    return found


def counts(results: Results) -> bool:
    """Whether enough of a whole run counts to be kept."""
    went = results["went"].values()
    good = sum(not (one["void"] or one["left_out"]) for one in went)
    return results["parts"] == "all" and good >= ENOUGH * len(went)


def write(results: Results, results_file: Path, page: Path | None) -> None:
    """Write the results, and the table in the page; the rest of the page is kept."""
    results_file.parent.mkdir(parents=True, exist_ok=True)
    results_file.write_text(as_text(results), "utf-8")
    if page is not None:
        before = page.read_text("utf-8") if page.exists() else ""
        page.write_text(with_figures(before, render(results)), "utf-8")


def as_text(results: Results) -> str:
    return json.dumps(results, indent=2, ensure_ascii=False) + "\n"


def with_figures(page: str, figures: str, begins: str = BEGINS, ends: str = ENDS) -> str:
    """Return a page with these figures between its marks; at its end where it has not both."""
    before, _, rest = page.partition(begins)
    _, is_there, after = rest.partition(ends)
    if not is_there:
        before, after = page, "\n"
    return f"{before}{begins}\n\n{figures.strip()}\n\n{ends}{after}"


def _rows(results: Results) -> Iterator[tuple[Figure, list[Any]]]:
    """Figures that were had, with their values: one, or one for each database."""
    for figure in FIGURES:
        values = [results.get(place.key) for place in figure.places()]
        if any(value is not None for value in values):
            yield figure, values


def summary(results: Results) -> str:
    """Return a table for the terminal, of what was measured."""
    lines = [f"{'':<{TITLE}}{'PostgreSQL':>12}{'SQLite':>12}  bar"]
    for figure, values in _rows(results):
        wide = 24 // len(values)
        shown = "".join(f"{_shown(value):>{wide}}" for value in values)
        lines.append(f"{figure.title.replace('**', ''):<{TITLE}}{shown}  {figure.bar}".rstrip())
    return "\n".join(lines)


def render(results: Results) -> str:
    """Return the marked part of docs/performance.md: when and where, the table, the conditions."""
    rows, part = [], ""
    for figure, values in _rows(results):
        if figure.part != part:
            part = figure.part
            rows.append(f"| *{part}: {PARTS[part].what}* | | | |")
        shown = [_shown(value) for value in values]
        cells = " | ".join(shown if len(shown) > 1 else [*shown, ""])
        rows.append(f"| {figure.title} | {cells} | {figure.bar} |")
    r = defaultdict(str, {name: str(value) for name, value in results.items()})
    settings = ", ".join(f"`{name}` {r[f'postgres_{name}']}" for name in POSTGRES_SETTINGS)
    told_apart = "".join(f"\n{paragraph}\n" for paragraph in _told_apart(results))
    table = "\n".join(rows)
    visitors = max(
        (share for key, share in results.items() if key.startswith("web_client_share_")), default=0
    )
    return f"""Measured {r["date"]} at commit {r["commit"]}, on {r["machine"]};
Python {r["python"]}. Medians of {r["runs"]} runs of {r["seconds_of_a_run"]} seconds each, floors
and service in turn; {results["bench_seconds"] / 60:.0f} minutes in all.
{told_apart}
| | PostgreSQL | SQLite | bar |
|---|---:|---:|---|
{table}

- A booking call had {r["webhooks_of_a_call"]} webhooks; wrk played calls on {r["connections"]}
  connections and took at most {results.get("wrk_cpu_share", 0):.0%} of the machine, visitors
  of the web took at most {visitors:.0%}.
- PostgreSQL {r["postgres_server_version"]}: {settings}. SQLite {r["sqlite_version"]}.
  {r["versions"]}.
- The disk ({r["disk"]}) did {r["disk_syncs_per_second"]} synced writes a second; the machine's load
  was {r["load_before"]} at the start{_others(results)}.
- Seconds of each part, of as many as it takes by the plan: {", ".join(_seconds(results))}.
"""


def _told_apart(results: Results) -> Iterator[str]:
    """What is not in the table, or does not count, and which bars are missed."""
    went = results["went"]
    measured = {title.rpartition(": ")[2] for title in went}
    for before, those in (
        ("Void: ", void(results)),
        ("Bars that are missed: ", bars_missed(results)),
        ("Left out: ", [title for title, one in went.items() if one["left_out"]]),
        ("Not measured in this run: ", [name for name in PARTS if name not in measured]),
    ):
        if those:
            yield f"{before}{'; '.join(those)}."


def _seconds(results: Results) -> Iterator[str]:
    """How long each part took beside what it is known to take, and what no part counts."""
    left = float(results["bench_seconds"])
    for title, one in results["went"].items():
        planned = PARTS[title.rpartition(": ")[2]].seconds
        left -= one["seconds"]
        yield f"{title} {one['seconds']:.0f} of {planned:g}"
    yield f"servers {left:.0f} of {SERVERS_SECONDS:g}"


def _others(results: Results) -> str:
    shares = [share for one in results["went"].values() if (share := one.get("others")) is not None]
    return f", and others had at most {max(shares):.0%} of it during a part" if shares else ""


def _shown(value: Any) -> str:
    if value is None:
        return "—"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"  # noqa: PLR2004


def commit() -> str:
    """The commit that is measured, and whether anything but figures was changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=config.ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "--short=12", "HEAD") or "unknown"
    # What this very command writes is no change to what it measured.
    written = (":!bench/*.json", ":!bench/history", ":!docs")
    changed = git("status", "--porcelain", "--", ".", *written)
    return f"{head} with changes" if changed else head
