"""From what was seen to `bench/results.json`, figures in `docs/performance.md`, and a summary."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import config

from bench.load import CONNECTIONS
from bench.measure import PARTS, Measurement, MeasurePlan
from bench.servers import KINDS, POSTGRES, POSTGRES_SETTINGS
from bench.sip import CALLS

Results = dict[str, float | int | str | None]


class Figure(NamedTuple):
    """One figure: its key in the results, its title, and its bar where it has one.

    One that is compared with a floor has its title in bold.
    """

    name: str
    title: str
    # The least that it may be, or what it must stay under; of both databases, or one for each.
    least: tuple[float, ...] = ()
    under: tuple[float, ...] = ()

    @property
    def bar(self) -> str:
        """The bar as it is shown."""
        signs = ("≥", self.least), ("<", self.under)
        return " / ".join(f"{sign} {one:g}" for sign, bars in signs for one in bars)

    def missed(self, key: str, value: float | str | None, database: int = 0) -> list[str]:
        """Return a sentence where `value`, which has `key` in the results, is not as it must be."""
        bars = self.least or self.under
        if not bars:
            return []
        bar = bars[min(database, len(bars) - 1)]
        reached = isinstance(value, float) and (value >= bar if self.least else value < bar)
        wanted = "at least" if self.least else "under"
        return [] if reached else [f"{key} is {value}, and must be {wanted} {bar:g}"]


# Of each database.
OF_EACH: Final = (
    Figure("floor_a", "floor (a), answers a second"),
    Figure("floor_b", "floor (b), answers a second"),
    Figure("turn_rate", "lone turns a second"),
    Figure("call_rate", "webhooks of whole booking calls a second"),
    Figure("calls_per_second", "whole booking calls a second"),
    Figure("turn_ratio", "**lone turn ÷ floor (b)**", least=(0.5, 0.35)),
    Figure("call_ratio", "**booking call ÷ floor (b)**", least=(0.35, 0.25)),
    Figure("turn_p99_ms", "lone turn at half its rate, p99, ms", under=(100,)),
    Figure("call_p99_ms", "any webhook of calls at half their rate, p99, ms"),
    Figure("allocate_ratio", "**held and confirmed booking ÷ the same SQL by hand**", least=(0.5,)),
    Figure(
        "outbox_ratio",
        "**texts that a worker delivers ÷ a bare loop on the provider's client**",
        least=(0.7,),
    ),
    Figure("allocations_one_slot", "bookings a second, 16 processes on one slot's places"),
    Figure("allocations_apart", "bookings a second, 16 processes, a slot for each"),
    Figure("slots_rows_per_second", "`flask slots open`, slots a second (two places each)"),
    Figure("slots_memory_growth", "memory of opening 28 days ÷ of 7 days", under=(1.2,)),
    Figure("postcodes_rows_per_second", "`flask postcodes import`, rows a second"),
    Figure("centres_rows_per_second", "`flask centres import`, rows a second"),
    Figure("known_unknown_gap_ms", "look-ups of known and unknown apart, ms", under=(5,)),
    Figure(
        "board_cost_ratio", "**a lone turn's processor time, no screens ÷ 70 open**", least=(0.8,)
    ),
    Figure("queue_webhook_p99_ms", "**any webhook with people at work, p99, ms**", under=(150,)),
    Figure("agent_action_p99_ms", "**an agent's act, p99, ms**", under=(300,)),
    Figure(
        "board_update_ms", "**from an event until a board shows it, at most, ms**", under=(2000,)
    ),
    Figure("web_bookings_per_second", "whole bookings on the web a second"),
    Figure("peer_bookings_per_second", "the same in a usual Flask application"),
    Figure("web_ratio_floor_a", "**answers of web bookings ÷ floor (a)**"),
    Figure("web_ratio_peer", "**bookings on the web ÷ those of a usual application**"),
    Figure("web_worker_mib", "web worker after all calls, MiB resident", under=(150,)),
    Figure(
        "web_worker_mib_after_screens", "the same when people worked with it, MiB", under=(150,)
    ),
)
# Measured once.
ONCE: Final = (
    Figure("search_p99_ms_100k", "search for pairs among 100,000 slots, p99, ms"),
    Figure("search_p99_ms_10m", "the same among 10,000,000 slots, ms"),
    Figure("search_growth_10m", "**search, 10 m ÷ 100 k slots**", under=(1.5,)),
    Figure("outbox_p99_ms_10k", "due in the outbox among 10,000 rows, p99, ms"),
    Figure("outbox_p99_ms_10m", "the same among 10,000,000 rows, ms"),
    Figure("outbox_growth_10m", "**outbox, 10 m ÷ 10 k rows**", under=(1.5,)),
    Figure("understand_p99_ms", "a spoken sentence, p99, ms of processor time", under=(5,)),
    Figure("room_rate", "page of the waiting room, answers a second"),
    Figure("room_constant_rate", "a constant answer of its length, answers a second"),
    Figure("room_page_bytes", "bytes of that page"),
    Figure("room_ratio", "**waiting room ÷ constant**", least=(0.7,)),
    Figure("rush_capacity", "rush: what the web alone can book, a second"),
    Figure("rush_visitors", "rush: people on the web"),
    Figure("rush_calls", "rush: calls"),
    Figure("rush_speaks_under_2s", "rush: calls that speak within 2 s, %", least=(100,)),
    Figure("rush_call_p99_ms", "rush: any webhook of calls, p99, ms", under=(1000,)),
    Figure("rush_goodput_ratio", "rush: booked ÷ what the web alone can book", least=(0.9,)),
    # A point under `phone_share_percent` of the campaign.
    Figure("rush_phone_share", "rush: telephone's share of what all want, %", least=(39,)),
    Figure("rush_phone_share_floor", "rush: the share that the telephone has, %"),
    Figure("rush_recovery_seconds", "rush: over after, s", under=(10,)),
    Figure("rush_room_empty_seconds", "rush: no visitor waits after, s"),
    Figure("rush_restart_speaks_under_2s", "rush, restart: speaks within 2 s, %"),
    Figure("rush_restart_call_p99_ms", "rush, restart: any webhook of calls, p99, ms"),
    Figure("rush_restart_goodput_ratio", "rush, restart: booked ÷ what the web alone can book"),
    Figure("rush_restart_recovery_seconds", "rush, restart: over after, s"),
    Figure("sip_calls_right", f"telephones: calls right, of {CALLS}", least=(CALLS,)),
    Figure("sip_max_gap_ms", "telephones: longest time between two packets, ms", under=(60,)),
    Figure("sip_lost", "telephones: packets lost on the way to who rings", under=(1,)),
    Figure("sip_first_sound_ms", "telephones: first sound, the slowest, ms", under=(300,)),
    Figure("sip_first_call_ms", "telephones: the same of a prompt never said before, ms"),
    Figure("sip_cached_prompt_ms", "telephones: a prompt that was said before, ms", under=(1,)),
    Figure("sip_cpu_per_call", "telephones: % of a core for a call"),
    Figure("sip_rss_mib", "telephones with who speaks, MiB resident", under=(150,)),
)
# Figures of a part that is left out where its packages are not installed.
EXTRA: Final = "sip_"
# Characters of a title in the terminal.
TITLE: Final = 72
BEGINS: Final = "<!-- `make bench` writes from here. -->"
ENDS: Final = "<!-- `make bench` writes up to here; the rest is kept by hand. -->"
SYNC_SECONDS: Final = 1.0


def flatten(
    outcomes: Mapping[str, Measurement],
    plan: MeasurePlan,
    machine: Mapping[str, str | int],
    seconds: float,
    more: Measurement,
) -> Results:
    """Return the results under flat keys; a figure that could not be had is None.

    `more`: of the parts that are measured once, and not for each database.
    """
    results: Results = {}
    for kind, seen in outcomes.items():
        floor, turns, calls = map(seen.median, ("floor_b", "turn_rate", "call_rate"))
        found = {
            "floor_a": _quotient(seen.median("floor_a"), 1, 1),
            "floor_b": _quotient(floor, 1, 1),
            "turn_rate": _quotient(turns, 1, 1),
            "turn_ratio": _quotient(turns, floor, 3),
            "call_rate": _quotient(calls, 1, 1),
            "call_ratio": _quotient(calls, floor, 3),
            "calls_per_second": _quotient(calls, seen.webhooks_of_a_call, 1),
        }
        results |= {f"{name}_{kind}": value for name, value in found.items()}
        results |= {f"{kind}_{name}": value for name, value in seen.facts.items()}
        results |= seen.store
    every = (*outcomes.values(), more)
    results |= more.store
    results |= {
        "wrk_cpu_share": round(max(seen.wrk_share for seen in every), 3),
        "webhooks_of_a_call": max(seen.webhooks_of_a_call for seen in every),
        "void": "; ".join(sentence for seen in every for sentence in seen.void),
        "parts": "all" if plan.parts == PARTS else " ".join(sorted(plan.parts)),
        "connections": CONNECTIONS,
        "runs": plan.rounds,
        "seconds_of_a_run": plan.seconds,
        "bench_seconds": round(seconds),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        **machine,
    }
    return dict(sorted(results.items()))


def machine(folder: Path) -> dict[str, str | int]:
    """Return what this machine is; `folder` is where the databases lie."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {_system()}",
        "python": platform.python_version(),
        "disk": _file_system(folder),
        "disk_syncs_per_second": _syncs_per_second(folder),
        "load_before": f"{os.getloadavg()[0]:.2f}",
    }


def missed(results: Results) -> list[str]:
    """Return a sentence for every bar that is not reached, and for void runs.

    Of some parts alone, bars of the others are not looked at.
    """
    every = [
        (f"{figure.name}_{kind}", figure, number)
        for figure in OF_EACH
        for number, kind in enumerate(KINDS)
    ] + [(figure.name, figure, 0) for figure in ONCE]
    left_out = EXTRA if not any(name.startswith(EXTRA) for name in results) else ()
    found = [f"void: {results['void']}"] if results["void"] else []
    for key, figure, number in every:
        value = results.get(key)
        if not key.startswith(left_out) and (value is not None or results["parts"] == "all"):
            found += figure.missed(key, value, number)
    return found


def write(results: Results, results_file: Path, page: Path | None) -> None:
    """Write the results, and the figures in the page; the rest of the page is kept."""
    results_file.parent.mkdir(parents=True, exist_ok=True)
    results_file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if page is not None:
        before = page.read_text("utf-8") if page.exists() else ""
        page.write_text(with_figures(before, render(results)), "utf-8")


def with_figures(page: str, figures: str) -> str:
    """Return a page with these figures between its marks; at its end where it has not both."""
    before, _, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not ends:
        before, after = page, "\n"
    return f"{before}{BEGINS}\n\n{figures.strip()}\n\n{ENDS}{after}"


def summary(results: Results) -> str:
    """Return a table for the terminal, of what was measured."""
    lines = [f"{'':<{TITLE}}{'PostgreSQL':>12}{'SQLite':>12}  bar"]
    of_each = [(figure, _of_each(figure, results), 12) for figure in OF_EACH]
    once = [(figure, [results.get(figure.name)], 24) for figure in ONCE]
    for figure, values, wide in of_each + once:
        if any(value is not None for value in values):
            shown = "".join(f"{_shown(value):>{wide}}" for value in values)
            lines.append(f"{figure.title.replace('**', ''):<{TITLE}}{shown}  {figure.bar}".rstrip())
    return "\n".join(lines)


def render(results: Results) -> str:
    """Return the figures of docs/performance.md: when and where, two tables, the conditions."""
    r = defaultdict(lambda: "—", {name: _shown(value) for name, value in results.items()})
    of_each = "\n".join(
        f"| {figure.title} | {' | '.join(map(_shown, _of_each(figure, results)))} | {figure.bar} |"
        for figure in OF_EACH
    )
    has_telephones = any(name.startswith(EXTRA) for name in results)
    once = "\n".join(
        f"| {figure.title} | {r[figure.name]} | {figure.bar} |"
        for figure in ONCE
        if has_telephones or not figure.name.startswith(EXTRA)
    )
    void = f"\nNot all runs count: {r['void']}.\n" if results["void"] else ""
    left_out = "Telephones over SIP were left out: their packages are missing, or see above."
    settings = ", ".join(f"`{name}` {r[f'{POSTGRES}_{name}']}" for name in POSTGRES_SETTINGS)
    return f"""Measured {r["date"]} at commit {r["commit"]}, on {r["machine"]};
Python {r["python"]}. Medians of {r["runs"]} runs of {r["seconds_of_a_run"]} seconds each, floors
and service in turn.
{void}
| | PostgreSQL | SQLite | bar |
|---|---:|---:|---|
{of_each}

| measured once | | bar |
|---|---:|---|
{once}

{"" if has_telephones else left_out}

- A booking call had {r["webhooks_of_a_call"]} webhooks; wrk played calls on {r["connections"]}
  connections and took at most {_percent(results.get("wrk_cpu_share"))} of the machine, visitors
  of the web took at most {_percent(results.get("web_client_share_postgres"))}.
- PostgreSQL {r["postgres_server_version"]}: {settings}. SQLite {r["sqlite_version"]}.
- The disk ({r["disk"]}) did {r["disk_syncs_per_second"]} synced writes a second; the machine's load
  was {r["load_before"]} at the start.
"""


def _of_each(figure: Figure, results: Results) -> list[float | str | None]:
    return [results.get(f"{figure.name}_{kind}") for kind in KINDS]


def _percent(share: float | str | None) -> str:
    return f"{float(share or 0):.0%}"


def _shown(value: float | str | None) -> str:
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"  # noqa: PLR2004


def _quotient(value: float | None, by: float | None, digits: int) -> float | None:
    """The value, as a part of another, where both are known."""
    return round(value / by, digits) if value and by else None


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=config.ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    # What this very command writes is no change to what it measured.
    changed = git("status", "--porcelain", "--", ".", ":!bench/results.json", ":!docs")
    return f"{commit} with changes" if changed else commit


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.exists():
        for line in file.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _file_system(folder: Path) -> str:
    done = subprocess.run(
        ["df", "--output=fstype", folder], capture_output=True, text=True, check=False
    )
    return (done.stdout.split() or ["unknown"])[-1]


def _syncs_per_second(folder: Path) -> int:
    """How often a second one process can append 8 KiB and wait for the disk."""
    file = folder / "sync"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < SYNC_SECONDS:
            os.write(descriptor, b"x" * 8192)
            os.fdatasync(descriptor)
            count += 1
        return round(count / (time.perf_counter() - started))
    finally:
        os.close(descriptor)
        file.unlink()
