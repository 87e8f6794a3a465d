"""`flask capacity`: machines, connections, disk, the provider's limits and euros for a day.

Calls and places cost what `make bench` measured last on one machine; what was measured once stands
here with its day. A line whose cost was not measured says what measures it: docs/scale.md.
"""

from __future__ import annotations

import json
import math

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

# A day: each sets its number, in this order as the options are shown.
OPTIONS: Final[Mapping[str, tuple[float, str]]] = {
    "calls": (230.0, "That begin, a second."),
    "visitors": (8000.0, "Requests of the web that come to the proxies, a second."),
    "slots": (10_000_000, "Places."),
    "hours": (12.0, "Hours at that rate that the day is worth."),
    "cores": (8, "Of a stateless node."),
    "euros_a_minute": (0.06, "Of a call, without tax."),
    "euros_a_part": (0.08, "Of a text, without tax."),
    "euros_a_core_hour": (0.04, "Of a machine, without tax."),
}
# Costs in the bench's results, by the part that measures them.
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": (
        *("webhooks_of_a_call", "worker_ms_a_webhook_postgres", "database_ms_a_webhook_postgres"),
        *("wal_bytes_a_call_postgres", "stored_bytes_a_call_postgres", "commits_a_call_postgres"),
        "disk_syncs_per_second",
    ),
    "growth": ("bytes_a_place",),
}
# Measured once, on 1 December 2026, at a fiftieth of the day's pace: milliseconds of processors,
# bytes and commits of a booking on the web without its text, and of a text.
VISIT: Final = {"web": 20.7, "database": 4.36, "wal": 57_649, "stored": 6_526, "commits": 12.8}
TEXT: Final = {"web": 6.07, "database": 3.14, "wal": 27_769, "stored": 764, "commits": 5.35}
DELIVERY: Final = {"worker_ms": 4.53, "scheduler_ms": 0.52}
# The same of a second of each process where no visitor comes, in cores, bytes and commits. A leader
# is a scheduler with a dispatcher, of which one works.
WEB_AT_REST: Final = {"cores": 0.0019, "database": 0.0012, "wal": 16_209, "commits": 1.7}
WORKER_AT_REST: Final = {"cores": 0.0007, "database": 0.0003, "wal": 0, "commits": 0.05}
LEADER_AT_REST: Final = {"cores": 0.0485, "database": 0.0268, "wal": 577, "commits": 83}
# At the day's pace a worker finds a colder machine than at its limit, where the bench measures.
COLDER: Final = 1.43
ASSUMED: Final[Mapping[str, float]] = {
    # A processor that is asked for more makes callers wait for one another.
    "most": 0.6,
    # Cores of the largest machines that are let by the hour.
    "largest": 96,
    # Connections of PgBouncer for a core: one works, others wait for the disk.
    "pool": 4,
    # Proxies hand on one of sixteen requests of the web; a visit that books has eight of these.
    "visits_a_request": 1 / 16 / 8,
    # Of a booking by telephone, and of any with its reminder.
    "call_seconds": 130.0,
    "texts_a_booking": 2.0,
    "parts_a_booking": 4.0,
    "log_days": 7.0,
    "euros_a_gib_month": 0.10,
}
KIB, MIB, GIB = 2**10, 2**20, 2**30
NOTHING: Final = "{} has no measurement: `make bench` writes one, and --results names another"


class Line(NamedTuple):
    """A line: name and unit of its value, how that came about, and parts whose costs it needs."""

    name: str
    unit: str
    why: str
    parts: tuple[str, ...] = ("calls",)


LINES: Final = (
    Line("webhooks", "a second", "{calls:g} calls × {each:g} webhooks"),
    Line("cores for calls", "cores", "{calls:g} calls × {call_ms:.1f} ms of a worker ÷ {most:g}"),
    Line(
        *("cores for the web", "cores"),
        "{visits:.0f} bookings a second × {visit_web:.0f} ms and {sent:.0f} reports on texts ×"
        " {text_web:.1f} ms ÷ {most:g}",
        (),
    ),
    Line(
        *("cores for texts", "cores"),
        "{sent:.0f} texts a second × {worker_ms:.1f} ms of a process of the worker and"
        " {scheduler_ms:.1f} of a scheduler ÷ {most:g}",
        (),
    ),
    Line("stateless nodes", "of {cores:g} cores", "those cores ÷ {cores:g}, and 1 that may fail"),
    Line(
        *("cores of what only looks", "cores"),
        "what these processes take where nobody comes, which is within the room that is left",
    ),
    Line(
        *("cores of primaries", "cores"),
        "calls × {call_database:.1f} ms, bookings × {visit_database:.0f} ms, texts ×"
        " {text_database:.1f} ms and {rest_database:.2f} of what only looks ÷ {most:g}",
    ),
    Line("cells", "", "in each a primary of {largest:g} cores at most, and a synchronous standby"),
    Line("connections to PostgreSQL", "of PgBouncer", "{pool:g} for each core of the primaries"),
    Line(
        *("commits", "a second"),
        "{calls:g} calls × {call_commits:.1f}, bookings × {visit_commits:.0f}, texts ×"
        " {text_commits:.0f} and {rest_commits:.0f} of what only looks; the disk of the bench syncs"
        " {syncs:,.0f} times a second, commits of one moment share one, and those that wrote"
        " nothing need none",
    ),
    Line(
        *("log (WAL)", "MiB a second"),
        "calls × {call_wal_kib:.1f} KiB, bookings on the web × {visit_wal_kib:.1f} KiB, texts ×"
        " {text_wal_kib:.1f} KiB and what only looks; as much to the standby and the archive",
    ),
    Line("archive of the log", "GiB", "of {hours:g} hours a day, kept {log_days:g} days"),
    Line(
        *("tables grow by", "GiB a day"),
        "calls × {call_stored_kib:.1f} KiB, bookings on the web × {visit_stored_kib:.1f} KiB, texts"
        " × {text_stored_kib:.1f} KiB",
    ),
    Line("slots", "GiB", "{places:,.0f} places × {place:.0f} bytes", ("growth",)),
    Line(
        *("euros of disks", "a day"),
        "{disks:,.0f} GiB, on a standby too, × {euros_a_gib_month:g} ÷ 30",
        ("calls", "growth"),
    ),
    Line("lines at once", "calls", "{calls:g} a second × {call_seconds:g} s", ()),
    Line("texts", "parts a second", "{bookings:.0f} bookings × {parts_a_booking:g}", ()),
    Line(
        *("euros of machines", "a day"),
        "{all_cores:,.0f} cores, standbys included, × 24 h × {euros_a_core_hour:g}",
    ),
    Line("euros of calls", "a day", "{minutes:,.0f} minutes × {euros_a_minute:g}", ()),
    Line("euros of texts", "a day", "{parts_a_day:,.0f} parts × {euros_a_part:g}", ()),
)


def _up(value: float) -> float:
    """The next whole number; what is not known stays so."""
    return value if math.isnan(value) else float(math.ceil(value))


def reckoned(day: Mapping[str, float], results: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of all lines, and of what they tell of; one not measured is no number."""
    v = {**{name: usual for name, (usual, _) in OPTIONS.items()}, **ASSUMED, **DELIVERY, **day}
    costs = {name: _cost(results.get(name)) for part in PARTS.values() for name in part}
    v["each"], worker, database, wal, stored, commits, v["syncs"], v["place"] = costs.values()
    v |= {**costs, "places": v["slots"]}
    v["call_ms"] = v["each"] * worker * COLDER
    call = {"database": v["each"] * database, "wal": wal, "stored": stored, "commits": commits}
    for who, cost in (("call", call), ("visit", VISIT), ("text", TEXT)):
        v |= {f"{who}_{what}": float(one) for what, one in cost.items()}
        v |= {f"{who}_{what}_kib": cost[what] / KIB for what in ("wal", "stored")}
    # What comes in a second: each call books, and each visit that reaches the service.
    v["visits"] = v["visitors"] * v["visits_a_request"]
    v["bookings"] = v["calls"] + v["visits"]
    v["sent"] = v["bookings"] * v["texts_a_booking"]

    def of_all(what: str) -> float:
        come = ("call", v["calls"]), ("visit", v["visits"]), ("text", v["sent"])
        return sum(rate * v[f"{who}_{what}"] for who, rate in come)

    v["webhooks"] = v["calls"] * v["each"]
    busy = {
        "cores for calls": v["calls"] * v["call_ms"],
        "cores for the web": v["visits"] * v["visit_web"] + v["sent"] * v["text_web"],
        "cores for texts": v["sent"] * (v["worker_ms"] + v["scheduler_ms"]),
    }
    # Milliseconds in a second become cores, with room.
    busy = {name: ms / 1000 / v["most"] for name, ms in busy.items()}
    v |= {name: _up(cores) for name, cores in busy.items()}
    nodes = v["stateless nodes"] = _up(sum(busy.values()) / v["cores"]) + 1
    for what, leader in LEADER_AT_REST.items():
        workers = v["cores for texts"] * WORKER_AT_REST[what]
        v[f"rest_{what}"] = nodes * v["cores"] * WEB_AT_REST[what] + workers + leader
    v["cores of what only looks"] = v["rest_cores"]
    primaries = _up((of_all("database") / 1000 + v["rest_database"]) / v["most"])
    v["cores of primaries"], v["cells"] = primaries, _up(primaries / v["largest"])
    v["connections to PostgreSQL"] = primaries * v["pool"]
    v["commits"] = of_all("commits") + v["rest_commits"]
    log, seconds = of_all("wal") + v["rest_wal"], 3600 * v["hours"]
    v["log (WAL)"] = log / MIB
    v["archive of the log"] = log * seconds * v["log_days"] / GIB
    v["tables grow by"] = of_all("stored") * seconds / GIB
    v["slots"] = v["places"] * v["place"] / GIB
    v["disks"] = 2 * (v["tables grow by"] + v["slots"]) + v["archive of the log"]
    v["euros of disks"] = v["disks"] * v["euros_a_gib_month"] / 30
    v["lines at once"] = v["calls"] * v["call_seconds"]
    v["texts"] = v["bookings"] * v["parts_a_booking"]
    v["all_cores"] = nodes * v["cores"] + 2 * primaries
    v["euros of machines"] = v["all_cores"] * 24 * v["euros_a_core_hour"]
    v["minutes"], v["parts_a_day"] = v["lines at once"] * seconds / 60, v["texts"] * seconds
    v["euros of calls"] = v["minutes"] * v["euros_a_minute"]
    v["euros of texts"] = v["parts_a_day"] * v["euros_a_part"]
    return v


def told(line: Line, values: Mapping[str, float]) -> tuple[bool, str]:
    """Return whether the costs of a line were measured, and the line as it is printed."""
    for part in line.parts:
        if names := ", ".join(name for name in PARTS[part] if math.isnan(values[name])):
            by = f"{names} (make bench ARGS='{part}')"
            return False, f"{line.name:<28}{'?':>12}  not measured: {by}"
    one, unit = values[line.name], line.unit.format(**values)
    value = f"{one:,.0f}" if one >= 10 else f"{one:.1f}".removesuffix(".0")  # noqa: PLR2004
    return True, f"{line.name:<28}{value:>12} {unit:<18} {line.why.format(**values)}"


def _cost(value: object) -> float:
    """A measured cost; what was not measured is no number."""
    return float(value) if isinstance(value, int | float) and value > 0 else math.nan


def make(results: Path) -> click.Command:
    """The command `capacity`; `results` is what `make bench` wrote."""

    def capacity(file: Path, **day: float) -> None:
        """Say what a day needs, by costs that `make bench` measured; docs/scale.md has the reasons.

        Exit status 1 where a cost was not measured: its line says which part of the bench does.
        """
        try:
            found = json.loads(file.read_text("utf-8"))
            where = [found.get(name, "unknown") for name in ("date", "commit", "machine")]
        except (OSError, ValueError, AttributeError):
            raise click.ClickException(NOTHING.format(file)) from None
        click.echo("By what was measured {} at commit {}, on {}.".format(*where))
        values = reckoned(day, found)
        lines = [told(line, values) for line in LINES]
        click.echo("\n".join(line for _, line in lines))
        if not all(measured for measured, _ in lines):
            click.get_current_context().exit(1)

    options: list[click.Parameter] = [
        click.Option(
            [f"--{name.replace('_', '-')}"],
            type=click.IntRange(1) if isinstance(usual, int) else float,
            default=usual,
            show_default=True,
            help=what,
        )
        for name, (usual, what) in OPTIONS.items()
    ]
    path, what = click.Path(path_type=Path), "Of another run of the bench."
    options.append(click.Option(["--results", "file"], type=path, default=results, help=what))
    example = "Example: flask capacity --calls 230 --visitors 8000"
    return click.Command("capacity", None, capacity, options, capacity.__doc__, example)
