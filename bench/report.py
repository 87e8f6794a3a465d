"""From what was seen to `bench/results.json`, `docs/performance.md` and a summary."""

from __future__ import annotations

import json
import operator
import os
import platform
import subprocess
import time

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import config

from bench.at_work import ACT_EVERY, WAITING
from bench.load import CONNECTIONS, MOST_OF_THE_MACHINE
from bench.measure import PARTS, WATCHERS, Measurement, MeasurePlan
from bench.servers import POSTGRES, POSTGRES_SETTINGS, SQLITE
from bench.sip import A_SECOND, CALLS

Results = dict[str, float | int | str | None]

# The least each may be.
LEAST: Final = {
    "call_ratio_postgres": 0.35,
    "turn_ratio_postgres": 0.5,
    "call_ratio_sqlite": 0.25,
    "turn_ratio_sqlite": 0.35,
    "allocate_ratio_postgres": 0.5,
    "allocate_ratio_sqlite": 0.5,
    "outbox_ratio_postgres": 0.7,
    "outbox_ratio_sqlite": 0.7,
    "board_cost_ratio": 0.9,
    "room_ratio": 0.7,
    "rush_speaks_under_2s": 100.0,
    "rush_goodput_ratio": 0.9,
    # A point under `phone_share_percent` of the campaign.
    "rush_phone_share": 39.0,
    "sip_calls_right": float(CALLS),
}
# What each must stay under.
UNDER: Final = {
    "turn_p99_ms_postgres": 100.0,
    "turn_p99_ms_sqlite": 100.0,
    "web_worker_mib": 150.0,
    "web_worker_mib_after_screens": 150.0,
    "queue_webhook_p99_ms_postgres": 150.0,
    "queue_webhook_p99_ms_sqlite": 150.0,
    "agent_action_p99_ms_postgres": 300.0,
    "agent_action_p99_ms_sqlite": 300.0,
    "board_update_ms_postgres": 2000.0,
    "board_update_ms_sqlite": 2000.0,
    "search_growth_10m": 1.5,
    "outbox_growth_10m": 1.5,
    "understand_p99_ms": 5.0,
    "slots_memory_growth_postgres": 1.2,
    "slots_memory_growth_sqlite": 1.2,
    "known_unknown_gap_ms_postgres": 5.0,
    "known_unknown_gap_ms_sqlite": 5.0,
    "rush_call_p99_ms": 1000.0,
    "rush_recovery_seconds": 10.0,
    "sip_max_gap_ms": 60.0,
    "sip_lost": 1.0,
    "sip_first_sound_ms": 300.0,
    "sip_cached_prompt_ms": 1.0,
    "sip_rss_mib": 150.0,
}
# Figures of a part that is left out where its packages are not installed.
EXTRA: Final = "sip_"
# Of each database, with the title in the table; what is compared with a floor is set in bold.
OF_EACH: Final = (
    ("floor_a", "floor (a), answers a second"),
    ("floor_b", "floor (b), answers a second"),
    ("turn_rate", "lone turns a second"),
    ("call_rate", "webhooks of whole booking calls a second"),
    ("calls_per_second", "whole booking calls a second"),
    ("turn_ratio", "**lone turn ÷ floor (b)**"),
    ("call_ratio", "**booking call ÷ floor (b)**"),
    ("turn_p99_ms", "lone turn at half its rate, p99, ms"),
    ("call_p99_ms", "any webhook of calls at half their rate, p99, ms"),
    ("allocate_ratio", "**held and confirmed booking ÷ the same SQL by hand**"),
    ("outbox_ratio", "**texts that a worker delivers ÷ a bare loop on the provider's client**"),
    ("allocations_one_slot", "bookings a second, 16 processes on one slot's places"),
    ("allocations_apart", "bookings a second, 16 processes, a slot for each"),
    ("slots_rows_per_second", "`flask slots open`, slots a second (two places each)"),
    ("slots_memory_growth", "memory of opening 28 days ÷ of 7 days"),
    ("postcodes_rows_per_second", "`flask postcodes import`, rows a second"),
    ("centres_rows_per_second", "`flask centres import`, rows a second"),
    ("known_unknown_gap_ms", "look-ups of known and unknown apart, ms"),
    ("board_cost_ratio", "**lone turns with 70 screens open ÷ with none**"),
    ("queue_webhook_p99_ms", "**any webhook with people at work, p99, ms**"),
    ("agent_action_p99_ms", "**an agent's act, p99, ms**"),
    ("board_update_ms", "**from an event until a board shows it, at most, ms**"),
    ("web_bookings_per_second", "whole bookings on the web a second"),
    ("peer_bookings_per_second", "the same in a usual Flask application"),
    ("web_ratio_floor_a", "**answers of web bookings ÷ floor (a)**"),
    ("web_ratio_peer", "**bookings on the web ÷ those of a usual application**"),
)
# The terminal's titles of what is measured once, in order.
ONCE: Final = (
    ("search_growth_10m", "search, 10 m ÷ 100 k slots"),
    ("outbox_growth_10m", "outbox, 10 m ÷ 10 k rows"),
    ("understand_p99_ms", "understanding, p99, ms"),
    ("room_ratio", "waiting room ÷ constant"),
    ("rush_speaks_under_2s", "rush: speaks in 2 s, %"),
    ("rush_call_p99_ms", "rush: p99 of calls, ms"),
    ("rush_goodput_ratio", "rush: booked ÷ capacity"),
    ("rush_phone_share", "rush: telephone's share, %"),
    ("rush_recovery_seconds", "rush: over after, s"),
    ("rush_room_empty_seconds", "rush: no visitor waits after, s"),
    ("rush_restart_speaks_under_2s", "rush, restart: speaks in 2 s, %"),
    ("rush_restart_recovery_seconds", "rush, restart: over after, s"),
    ("sip_calls_right", "telephones: calls right"),
    ("sip_max_gap_ms", "telephones: largest gap, ms"),
    ("sip_cpu_per_call", "telephones: % of a core each"),
    ("sip_first_sound_ms", "telephones: first sound, ms"),
    ("sip_rss_mib", "telephones, MiB"),
    ("web_worker_mib", "web worker, MiB"),
    ("web_worker_mib_after_screens", "the same after screens, MiB"),
)
# Characters of a title in the terminal.
TITLE: Final = 72
HAND_BEGINS = "<!-- Kept by hand from here: `make bench` copies it over. -->"
HAND_ENDS = "<!-- Kept by hand up to here. -->"
HAND_EMPTY = "## Where the time goes\n\n`python -m bench profile` tells.\n"
SYNC_SECONDS = 1.0


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
    for kind in (POSTGRES, SQLITE):
        seen = outcomes[kind]
        base = seen.median("floor_b")
        for name in ("call", "turn"):
            rate = seen.median(f"{name}_rate")
            results[f"{name}_ratio_{kind}"] = _rounded(rate / base if rate and base else None, 3)
            results[f"{name}_rate_{kind}"] = _rounded(rate, 1)
            results[f"{name}_p99_ms_{kind}"] = _rounded(seen.p99_ms.get(name), 1)
        calls = seen.median("call_rate")
        per_call = calls / seen.webhooks_of_a_call if calls and seen.webhooks_of_a_call else None
        results[f"calls_per_second_{kind}"] = _rounded(per_call, 1)
        results[f"floor_a_{kind}"] = _rounded(seen.median("floor_a"), 1)
        results[f"floor_b_{kind}"] = _rounded(base, 1)
        for name, value in seen.facts.items():
            results[f"{kind}_{name}"] = value
        results |= seen.store
    results |= more.store
    both = (results.get(f"board_cost_ratio_{kind}") for kind in (POSTGRES, SQLITE))
    results["board_cost_ratio"] = min((one for one in both if isinstance(one, float)), default=None)
    every = (*outcomes.values(), more)
    results |= {
        "web_worker_mib": _largest(seen.worker_mib for seen in every),
        "web_worker_mib_after_screens": _largest(seen.worker_mib_after_screens for seen in every),
        "wrk_cpu_share": _rounded(max(seen.wrk_share for seen in every), 3),
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
    found = [f"void: {results['void']}"] if results["void"] else []
    left_out = EXTRA if not any(name.startswith(EXTRA) for name in results) else ()
    for bars, wanted, reached in (
        (LEAST, "at least", operator.ge),
        (UNDER, "under", operator.lt),
    ):
        for name, bar in bars.items():
            value = results.get(name)
            if name.startswith(left_out) or (value is None and results["parts"] != "all"):
                continue
            if not isinstance(value, float) or not reached(value, bar):
                found.append(f"{name} is {value}, and must be {wanted} {bar:g}")
    return found


def write(results: Results, results_file: Path, page: Path | None) -> None:
    """Write both files, or the first one; what is kept by hand in the page is kept."""
    results_file.parent.mkdir(parents=True, exist_ok=True)
    results_file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if page is None:
        return
    before = page.read_text("utf-8") if page.exists() else ""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(results, by_hand(before)), "utf-8")


def by_hand(page: str) -> str:
    """Return the part of a page that people wrote."""
    _, begins, rest = page.partition(HAND_BEGINS)
    kept, ends, _ = rest.partition(HAND_ENDS)
    return kept.strip() + "\n" if begins and ends else HAND_EMPTY


def summary(results: Results) -> str:
    """Return a table for the terminal, of what was measured."""
    lines = [f"{'':<{TITLE}}{'PostgreSQL':>12}{'SQLite':>12}  bar"]
    for name, title in OF_EACH:
        values = [results.get(f"{name}_{kind}") for kind in (POSTGRES, SQLITE)]
        if values != [None, None]:
            lines.append(_line(title, "".join(f"{_shown(value):>12}" for value in values), name))
    for name, title in ONCE:
        if results.get(name) is not None:
            lines.append(_line(title, f"{_shown(results[name]):>24}", name))
    return "\n".join(lines)


def _line(title: str, values: str, name: str) -> str:
    return f"{title.replace('**', ''):<{TITLE}}{values}  {_bar(name)}".rstrip()


def render(results: Results, hand: str) -> str:
    """Return docs/performance.md."""
    r = defaultdict(lambda: "—", {name: _shown(value) for name, value in results.items()})
    rows = "\n".join(
        f"| {title} | {r[f'{name}_postgres']} | {r[f'{name}_sqlite']} | {_bar(name)} |"
        for name, title in OF_EACH
    )
    settings = ", ".join(f"`{name}` {r[f'{POSTGRES}_{name}']}" for name in POSTGRES_SETTINGS)
    void = f"\nNot all runs count: {r['void']}.\n" if results["void"] else ""
    return f"""# Performance

What the service answers on one machine, compared with floors taken in the same run. `make bench`
writes this page and `bench/results.json` anew; only the marked part is kept. Compare ratios, not
rates: a rate belongs to its machine.

Measured {r["date"]} at commit {r["commit"]}, on {r["machine"]}; Python {r["python"]}. Medians of
{r["runs"]} runs of {r["seconds_of_a_run"]} seconds each, floors and service in turn.
{void}
| | PostgreSQL | SQLite | bar |
|---|---:|---:|---|
{rows}

The slowest of a hundred searches for the nearest pairs of appointments, with two doses, takes
{r["search_p99_ms_10m"]} ms among 10,000,000 slots and {r["search_p99_ms_100k"]} ms among 100,000 on
PostgreSQL: **{r["search_growth_10m"]}** times as long (bar: < 1.5).

The slowest of a hundred looks at what is due in the outbox, with the claim of one of it, takes
{r["outbox_p99_ms_10m"]} ms among 10,000,000 rows and {r["outbox_p99_ms_10k"]} ms among 10,000 on
PostgreSQL: **{r["outbox_growth_10m"]}** times as long (bar: < 1.5).

The slowest of a hundred spoken sentences takes {r["understand_p99_ms"]} ms to understand (dates,
postcodes, digits, telephone numbers, towns; processor time; bar: < 5).

{_the_rush(r)}

A web worker took {r["web_worker_mib"]} MiB after all calls, and when people had worked with it,
too, {r["web_worker_mib_after_screens"]} MiB (resident; bar: < 150).

{_telephones(r)}

## What each figure means

- **Floor (a)** is a Flask application that checks the signature with the provider's own library and
  answers a constant document of usual length. **Floor (b)** does the same with one `SELECT` and one
  `UPDATE` by primary key in between, on the raw driver with a connection for each thread, each
  committed by itself, in a table of 100,000 rows. They are in `bench/floors.py`.
- A **lone turn** moves a call's session and does nothing else: the date of birth, one step back,
  the date again. It reads the call's newest turn and stores the next.
- A **booking call** is all {r["webhooks_of_a_call"]} webhooks of a caller with a mobile, from the
  ring to goodbye and the status callback: a search near one of 400 postcodes all over the country,
  three slots held, one booked, a message for the outbox and a wake-up for the worker through Redis.
  It is a campaign of one dose (`bench/one_dose.toml`), so that releases can be compared.
- **p99** is with half the rate of the table, at which requests leave on time and not when the one
  before is answered. It counts from the moment a request was due, so that waiting behind a slow
  answer on the same connection counts too. The moments are whole milliseconds, rounded up, so the
  figure is up to a millisecond too large.
- **Bookings on the web** are all pages of a visit, from the first question to the reference, six
  visitors at a time who read each page for its form (`bench/visitors.py`; here they took at most
  {100 * float(results.get("web_client_share_postgres") or 0):.0f} % of the machine themselves).
  The usual application asks the same with Flask-WTF, an ORM and a session in a cookie
  (`bench/peers/form_handler.py`); it keeps no places for anybody, and seals nothing.
- **The rush** is open: nobody waits for an answer before the next one comes. A proxy with 64
  connections is in front of the web, visitors come from as many places, think up to a second at
  each page, wait as the waiting room says, and give up ten seconds after the last one came. What
  the web alone can book is measured just before, with six at a time. It is over when somebody new
  gets through to the second question with no answer slower than a second (`bench/rush.py`).
- **Screens**: 20 boards and 50 desks that ask each second, each on its own connection. The
  dispatcher runs with and without them, as in production; pairs of runs, one after the other.
- **People at work**: {WAITING} callers in the line, who ask for what they hear each half minute; 50
  agents with callers, each of whom does something every {ACT_EVERY:g} seconds (hold, search for
  slots, take back, hang up, wrap up, and the next caller comes); the 70 screens; and booking calls
  at a quarter of the rate of the table. *Any webhook* is of all of them. The provider answers at
  once (`bench/at_work.py`). An event is an agent's pause, from the click until the last of
  {WATCHERS} boards, which ask each second, shows its reason.
- **Look-ups apart**: 1,000 by a reference that exists, with another birth date, in turn with 1,000
  by one that does not; the same by a calling number with a booking and by one without; each in a
  transaction of its own. Of both, the larger difference of the medians: what a stranger could learn
  from the time (`bench/lookups.py`).
- **The same SQL by hand** is one held and confirmed booking as raw statements of the driver, in the
  same two transactions, with the sealed values ready made (`bench/by_hand.py`); one connection,
  slices one after the other.

## How it is measured

- Service and floors run under the same line of `Procfile.dev`, one under load at a time, with the
  same settings, logs at INFO to a file, on the same database server.
- wrk replays requests that were signed beforehand, on {r["connections"]} connections. A connection
  plays call after call, and each webhook leaves when the one before it was answered, so the order
  within a call is right. The service keeps nothing of a call in a worker's memory, so that it
  matters to nobody that a call stays with one worker. Every run has new calls.
- A run counts only when no answer had a status of 400 or more, the database holds the bookings (or
  turns) that were asked for, give or take the one webhook that each connection has under way when
  time is up, and wrk took at most {MOST_OF_THE_MACHINE:.0%} of the machine (here at most
  {100 * float(results["wrk_cpu_share"] or 0):.0f} %). One that does not count is repeated once.
  At half the rate the database is not counted; there the run must keep up with its own schedule.
- **Durability.** PostgreSQL {r["postgres_server_version"]} with its own defaults: {settings};
  a commit is on the disk before the caller hears of it. SQLite {r["sqlite_version"]} in WAL with
  `synchronous=NORMAL`, as in development: a power cut may lose the last commits. The same for
  floors and service. The disk ({r["disk"]}) did {r["disk_syncs_per_second"]} synced
  writes a second.
- The tables are vacuumed and analysed once before the runs, as autovacuum would have done.

## To repeat it

```
make bench                          # under 15 minutes; needs wrk (Debian: apt-get install wrk)
make bench ARGS=--quick             # a short trial, written to var/bench
make bench ARGS='calls booking'     # lone turn, booking call, booking ÷ SQL by hand: 4 minutes
.venv/bin/python -m bench profile   # where the time of one webhook goes
```

Nothing else should run meanwhile: the machine's load was {r["load_before"]} at the start. It
ends with 1 when a bar is missed or a run does not count.

{HAND_BEGINS}

{hand.strip()}

{HAND_ENDS}
"""


def _the_rush(r: Mapping[str, str]) -> str:
    def figure(name: str) -> str:
        return r[f"rush_{name}"]

    return f"""## The rush

Ten times what the web can book ({figure("capacity")} a second) at a stroke on PostgreSQL, fifty
people on the web for each caller: {figure("visitors")} people on the web and {figure("calls")}
calls. With the database server stopped hard in the middle and started again, in the last column.

| | rush | bar | with a restart |
|---|---:|---|---:|
| calls that speak within 2 s, % | {figure("speaks_under_2s")} | 100 | \
{figure("restart_speaks_under_2s")} |
| any webhook of calls, p99, ms | {figure("call_p99_ms")} | < 1000 | \
{figure("restart_call_p99_ms")} |
| people booked ÷ what the web alone can book | {figure("goodput_ratio")} | ≥ 0.9 | \
{figure("restart_goodput_ratio")} |
| the telephone's share of places that all want, % (it has {figure("phone_share_floor")}) | \
{figure("phone_share")} | ≥ 39 | |
| over after, s | {figure("recovery_seconds")} | < 10 | \
{figure("restart_recovery_seconds")} |
| nobody waits any more (the others gave up, and are seen to have gone), after, s | \
{figure("room_empty_seconds")} | | |

![The rush, second by second](pictures/rush.svg)

The waiting room's page is answered {r["room_rate"]} times a second, a constant answer of
its {r["room_page_bytes"]} bytes by the same server {r["room_constant_rate"]}
times: **{r["room_ratio"]}** of it (bar: ≥ 0.7)."""


def _telephones(r: Mapping[str, str]) -> str:
    if "sip_calls_right" not in r:
        return "Telephones over SIP were left out: their packages are missing, or see above."
    return f"""## Telephones over SIP

{CALLS} calls at once, {A_SECOND:g} more each second until then, in one process on one core; who
rings is on another. Each presses three times four keys into what is said (`bench/sip.py`).

| | here | bar |
|---|---:|---|
| calls whose keys were all understood, of {CALLS} | {r["sip_calls_right"]} | {CALLS} |
| the longest time between two packets of a call, ms | {r["sip_max_gap_ms"]} | < 60 |
| packets lost on the way to who rings | {r["sip_lost"]} | 0 |
| from the answer to the first sound, the slowest, ms | \
{r["sip_first_sound_ms"]} | < 300 |
| the same of the first call, whose prompt was never said before, ms | \
{r["sip_first_call_ms"]} | |
| a prompt that was said before, ms | {r["sip_cached_prompt_ms"]} | < 1 |
| of a core for a call, % | {r["sip_cpu_per_call"]} | |
| resident with who speaks, MiB | {r["sip_rss_mib"]} | < 150 |"""


def _bar(name: str) -> str:
    """The bar of a figure; of both databases, where they have different ones."""
    for sign, bars in (("≥", LEAST), ("<", UNDER)):
        names = (name, f"{name}_{POSTGRES}", f"{name}_{SQLITE}")
        found = dict.fromkeys(f"{sign} {bars[one]:g}" for one in names if one in bars)
        if found:
            return " / ".join(found)
    return ""


def _shown(value: float | str | None) -> str:
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"  # noqa: PLR2004


def _largest(values: Iterable[float]) -> float | None:
    """The largest, with one digit; None where nothing was measured, which is 0."""
    return _rounded(max(values) or None, 1)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


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
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text("utf-8").splitlines():
        _, mounted, this, *_ = line.split()
        if folder.is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, this
    return kind


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
