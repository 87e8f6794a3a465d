"""What a day needs: machines, connections, disk, the provider's limits and euros.

Costs are those that the bench measured on one machine, where the service and its PostgreSQL shared
the processors: what calls write in `bench/results.json`; what they and all else take of a
processor at the pace of a day, in `bench/beside.json`. Nothing is assumed in the place of a cost
that was not measured: a line that needs it says which part of the bench measures it. What is
assumed is in `Assumed`, each with its reason in docs/scale.md.
"""

from __future__ import annotations

import json
import math

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

# A processor that is asked for more than this makes callers wait for one another.
MOST_OF_A_CORE: Final = 0.6
# Of one node that fails, the others take the work.
SPARE_NODES: Final = 1
# From here on one primary is not enough: cores of the largest machines that are let by the hour.
LARGEST_PRIMARY: Final = 96
# Server connections of PgBouncer for each core of the primary: one works, others wait for the disk.
CONNECTIONS_A_CORE: Final = 4
SECONDS_AN_HOUR: Final = 3600
HOURS_A_DAY, DAYS_A_MONTH = 24, 30
MIB, GIB = 2**20, 2**30
MILLISECONDS: Final = 1000


@dataclass(frozen=True)
class Demand:
    """A day: `calls` that begin and `visitors` that come in a second, at its worst hours.

    `hours` are how many such hours the whole day is worth. `slots` are there to be booked.
    """

    calls: float
    visitors: float
    slots: int
    hours: float = 12.0
    cores_a_node: int = 8


@dataclass(frozen=True)
class Assumed:
    """What no bench can measure here; prices in euros, without tax."""

    # A call with a booking, from the ring to goodbye, and texts of a booking with its reminder.
    call_seconds: float = 130.0
    parts_a_booking: float = 4.0
    # Texts that are sent for a booking, those of its reminder included.
    texts_a_booking: float = 2.0
    # Of the requests of visitors, those that proxies with a short cache hand on to the service.
    seen_by_the_service: float = 1 / 16
    # Days for which the log is kept for a restore to any moment.
    log_days: float = 7.0
    euros_a_core_hour: float = 0.04
    euros_a_gib_month: float = 0.10
    euros_a_minute: float = 0.06
    euros_a_part: float = 0.08


@dataclass(frozen=True)
class Costs:
    """Measured costs, by the names of the bench's results; None where one was not measured."""

    results: Mapping[str, Any]

    def get(self, name: str) -> float | None:
        value = self.results.get(name)
        return float(value) if isinstance(value, int | float) and value > 0 else None

    def measured(self, name: str) -> float | None:
        """The same of a cost that may be nothing: a process that rests writes little or nothing."""
        value = self.results.get(name)
        return float(value) if isinstance(value, int | float) and value >= 0 else None

    def all(self) -> dict[str, float]:
        """Return every cost that a plan needs; one that was not measured is no number."""
        found = {
            **{name: self.get(f"{name}_postgres") for name in _OF_POSTGRES},
            **{name: self.get(name) for name in _OF_ALL},
            **{name: self.measured(name) for name in _BESIDE},
        }
        return {name: math.nan if value is None else value for name, value in found.items()}


class NotMeasured(ValueError):
    """A file has no measurement; the message names it, and the command that writes one."""


class CostsRead(NamedTuple):
    """Costs of two files; `void` says why those at the pace of a day are not among them."""

    costs: Costs
    void: str


def read_costs(results: Path, beside: Path) -> CostsRead:
    """Return what `make bench` and `python -m bench.beside` wrote into these files.

    What the second measured while others had the machine is left out, and so is what no file
    has. Raises NotMeasured where a file cannot be read as a measurement.
    """
    aside = _measurement(beside, "python -m bench.beside") if beside.exists() else {}
    void = str(aside.get("beside_void") or "")
    return CostsRead(
        Costs({**({} if void else aside), **_measurement(results, "make bench")}), void
    )


def _measurement(file: Path, command: str) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        raise NotMeasured(
            f"{file} has no measurement: `{command}` writes one, and an option names another"
        ) from None
    if not isinstance(found, dict):
        raise NotMeasured(f"{file} has no measurement, but something else")
    return found


_OF_POSTGRES: Final = ("wal_bytes_a_call", "stored_bytes_a_call", "commits_a_call")
_OF_ALL: Final = ("webhooks_of_a_call", "bytes_a_place", "disk_syncs_per_second")
# Costs that `python -m bench.beside` measures. A booking on the web and a call, without their
# texts; a text, with what the provider says of it afterwards, and its part of what delivers; and a
# second of each process where nobody comes.
OF_A_VISIT: Final = ("web_ms", "database_ms", "wal_bytes", "stored_bytes", "commits", "writes")
OF_A_CALL: Final = ("web_ms", "database_ms")
OF_DELIVERY: Final = ("worker_ms", "scheduler_ms")
OF_A_TEXT: Final = (*OF_DELIVERY, *OF_A_VISIT)
AT_REST: Final = ("database_cores", "wal_bytes", "commits", "writes")
# Kinds of processes. What the database does for the last two is measured of both together.
LEADERS: Final = "leaders"
PROCESSES: Final = ("web", "worker", "scheduler", "dispatcher")
ASKING: Final = ("web", "worker", LEADERS)
_BESIDE: Final = (
    *(f"visit_{what}" for what in OF_A_VISIT),
    *(f"call_{what}" for what in OF_A_CALL),
    *(f"text_{what}" for what in OF_A_TEXT),
    *(f"{who}_rest_cores" for who in PROCESSES),
    *(f"{who}_rest_{what}" for who in ASKING for what in AT_REST),
)
_CALLS: Final = "make bench ARGS='calls'"
# What measures a cost, where it is not the part `calls`.
MEASURED_BY: Final[Mapping[str, str]] = {
    "bytes_a_place": "make bench ARGS='growth'",
    **dict.fromkeys(_BESIDE, "python -m bench.beside"),
}


def measured_by(name: str) -> str:
    """Return the command that measures a cost."""
    return MEASURED_BY.get(name, _CALLS)


# Requests of a visit that books, in a browser that runs scripts, as those of the bench do.
REQUESTS_A_VISIT: Final = 8


@dataclass(frozen=True)
class PlanLine:
    """One line of the plan. `missing` names costs that were not measured: it has no value then."""

    name: str
    value: float | None
    unit: str
    why: str
    missing: tuple[str, ...] = ()


def plan(demand: Demand, costs: Costs, assumed: Assumed | None = None) -> list[PlanLine]:
    """Return the plan, line by line; each says how it was reckoned."""
    known = costs.all()
    return [
        PlanLine(one.name, None, one.unit, "", gone)
        if (gone := tuple(name for name in one.needs if math.isnan(known[name])))
        else PlanLine(one.name, one.value, one.unit, one.why)
        for one in _lines(demand, known, assumed or Assumed())
    ]


class Running(NamedTuple):
    """How many processes of each kind there are: each takes something where nobody comes.

    A leader is a scheduler with a dispatcher, of which one works.
    """

    web: float
    worker: float = 1
    leaders: float = 1


class Busy(NamedTuple):
    """Cores that work, before any room is left; no number where a cost was not measured.

    Of web workers: for `calls`, for pages of the `web`, and for `reports` of the provider on texts.
    Of workers: for `texts`; of schedulers: for `sweeps`, in which they find those that are due.
    `rest` is what all processes take where nobody comes.
    """

    calls: float
    web: float
    reports: float
    texts: float
    sweeps: float
    rest: float
    database: float


class Written(NamedTuple):
    """What PostgreSQL writes in a second: log and files in bytes, and its commits."""

    log: float
    stored: float
    commits: float


@dataclass(frozen=True)
class Rates:
    """What comes in a second: calls, bookings on the web, and texts of both."""

    calls: float
    visits: float
    texts: float


def rates(demand: Demand, assumed: Assumed) -> Rates:
    """Return what comes in a second; each call books, and each visit that reaches the service."""
    visits = demand.visitors * assumed.seen_by_the_service / REQUESTS_A_VISIT
    return Rates(demand.calls, visits, (demand.calls + visits) * assumed.texts_a_booking)


def busy(come: Rates, running: Running, costs: Costs) -> Busy:
    """Return the cores that work at such rates."""
    return _busy(come, running, costs.all())


def written(come: Rates, running: Running, costs: Costs) -> Written:
    """Return what PostgreSQL writes in a second at such rates."""
    return _written(come, running, costs.all())


def at_rest(known: Mapping[str, float], running: Running, what: str) -> float:
    """Return what all processes take in a second where nobody comes."""
    many = {"web": running.web, "worker": running.worker}
    kinds = PROCESSES if what == "cores" else ASKING
    return sum(many.get(who, running.leaders) * known[f"{who}_rest_{what}"] for who in kinds)


def _busy(come: Rates, running: Running, known: Mapping[str, float]) -> Busy:
    of_database = (
        come.calls * known["call_database_ms"]
        + come.visits * known["visit_database_ms"]
        + come.texts * known["text_database_ms"]
    )
    return Busy(
        come.calls * known["call_web_ms"] / MILLISECONDS,
        come.visits * known["visit_web_ms"] / MILLISECONDS,
        come.texts * known["text_web_ms"] / MILLISECONDS,
        come.texts * known["text_worker_ms"] / MILLISECONDS,
        come.texts * known["text_scheduler_ms"] / MILLISECONDS,
        at_rest(known, running, "cores"),
        of_database / MILLISECONDS + at_rest(known, running, "database_cores"),
    )


def _written(come: Rates, running: Running, known: Mapping[str, float]) -> Written:
    def of(what: str) -> float:
        return (
            come.calls * known[f"{what}_a_call"]
            + come.visits * known[f"visit_{what}"]
            + come.texts * known[f"text_{what}"]
        )

    return Written(
        of("wal_bytes") + at_rest(known, running, "wal_bytes"),
        of("stored_bytes"),
        of("commits") + at_rest(known, running, "commits"),
    )


class _Line(NamedTuple):
    name: str
    value: float
    unit: str
    why: str
    needs: tuple[str, ...] = ()


# Costs that a line needs.
_WEB_NEEDS: Final = ("visit_web_ms", "text_web_ms")
_TEXTS_NEED: Final = ("text_worker_ms", "text_scheduler_ms")
_NODES_NEED: Final = ("call_web_ms", *_WEB_NEEDS, *_TEXTS_NEED)


def _rest_needs(what: str) -> tuple[str, ...]:
    return tuple(f"{who}_rest_{what}" for who in (PROCESSES if what == "cores" else ASKING))


_DATABASE_NEEDS: Final = (
    *("call_database_ms", "visit_database_ms", "text_database_ms"),
    *_NODES_NEED,
    *_rest_needs("database_cores"),
)


def _written_needs(what: str) -> tuple[str, ...]:
    # As many processes rest as there are: their number is that of the nodes.
    rest = () if what == "stored_bytes" else (*_rest_needs(what), *_NODES_NEED)
    return (f"{what}_a_call", f"visit_{what}", f"text_{what}", *rest)


def _lines(demand: Demand, known: Mapping[str, float], assumed: Assumed) -> Iterator[_Line]:
    come = rates(demand, assumed)
    webhooks = known["webhooks_of_a_call"]
    yield _Line(
        "webhooks",
        demand.calls * webhooks,
        "a second",
        f"{demand.calls:g} calls × {webhooks:g} webhooks",
        ("webhooks_of_a_call",),
    )
    # Nothing of these three depends on how many processes there are.
    work = _busy(come, Running(0, 0, 0), known)
    for_calls = work.calls / MOST_OF_A_CORE
    for_texts = (work.texts + work.sweeps) / MOST_OF_A_CORE
    for_web = (work.web + work.reports) / MOST_OF_A_CORE
    yield _Line(
        "cores for calls",
        _up(for_calls),
        "cores",
        f"{demand.calls:g} calls × {known['call_web_ms']:.1f} ms of a worker ÷ {MOST_OF_A_CORE:g}",
        ("call_web_ms",),
    )
    yield _Line(
        "cores for the web",
        _up(for_web),
        "cores",
        f"{come.visits:.0f} bookings a second × {known['visit_web_ms']:.0f} ms and"
        f" {come.texts:.0f} reports on texts × {known['text_web_ms']:.1f} ms ÷ {MOST_OF_A_CORE:g}",
        _WEB_NEEDS,
    )
    yield _Line(
        "cores for texts",
        _up(for_texts),
        "cores",
        f"{come.texts:.0f} texts a second × {known['text_worker_ms']:.1f} ms of a process of the"
        f" worker and {known['text_scheduler_ms']:.1f} of a scheduler ÷ {MOST_OF_A_CORE:g}",
        _TEXTS_NEED,
    )
    nodes = _up((for_calls + for_web + for_texts) / demand.cores_a_node) + SPARE_NODES
    yield _Line(
        "stateless nodes",
        nodes,
        f"of {demand.cores_a_node} cores",
        f"those cores ÷ {demand.cores_a_node}, and {SPARE_NODES} that may fail",
        _NODES_NEED,
    )
    # A worker of the web for each core, and a process that delivers for each that texts need.
    running = Running(nodes * demand.cores_a_node, _up(for_texts))
    yield _Line(
        "cores of what only looks",
        at_rest(known, running, "cores"),
        "cores",
        "what these processes take where nobody comes, which is within the room that is left",
        (*_NODES_NEED, *_rest_needs("cores")),
    )
    work = _busy(come, running, known)
    primary = work.database / MOST_OF_A_CORE
    looking = at_rest(known, running, "database_cores")
    yield _Line(
        "cores of primaries",
        _up(primary),
        "cores",
        f"calls × {known['call_database_ms']:.1f} ms, bookings ×"
        f" {known['visit_database_ms']:.0f} ms, texts × {known['text_database_ms']:.1f} ms and"
        f" {looking:.2f} of what only looks ÷ {MOST_OF_A_CORE:g}",
        _DATABASE_NEEDS,
    )
    yield _Line(
        "cells",
        _up(primary / LARGEST_PRIMARY),
        "",
        f"in each a primary of {LARGEST_PRIMARY} cores at most, and a synchronous standby",
        _DATABASE_NEEDS,
    )
    yield _Line(
        "connections to PostgreSQL",
        _up(primary) * CONNECTIONS_A_CORE,
        "of PgBouncer",
        f"{CONNECTIONS_A_CORE} for each core of the primaries",
        _DATABASE_NEEDS,
    )
    of_database, syncs = _written(come, running, known), known["disk_syncs_per_second"]
    yield _Line(
        "commits",
        of_database.commits,
        "a second",
        f"{demand.calls:g} calls × {known['commits_a_call']:.1f}, bookings ×"
        f" {known['visit_commits']:.0f}, texts × {known['text_commits']:.0f} and"
        f" {at_rest(known, running, 'commits'):.0f} of what only looks; the disk of the bench syncs"
        f" {syncs:,.0f} times a second, commits of one moment share one, and those that wrote"
        " nothing need none",
        (*_written_needs("commits"), "disk_syncs_per_second"),
    )
    yield from _disk(demand, of_database, known, assumed)
    calls_a_day = demand.calls * SECONDS_AN_HOUR * demand.hours
    lines = demand.calls * assumed.call_seconds
    yield _Line(
        "lines at once", lines, "calls", f"{demand.calls:g} a second × {assumed.call_seconds:g} s"
    )
    bookings = come.calls + come.visits
    yield _Line(
        "texts",
        bookings * assumed.parts_a_booking,
        "parts a second",
        f"{bookings:.0f} bookings × {assumed.parts_a_booking:g}",
    )
    cores = nodes * demand.cores_a_node + 2 * _up(primary)
    yield _Line(
        "euros of machines",
        cores * HOURS_A_DAY * assumed.euros_a_core_hour,
        "a day",
        f"{cores:,.0f} cores, standbys included, × {HOURS_A_DAY} h × {assumed.euros_a_core_hour:g}",
        _DATABASE_NEEDS,
    )
    minutes = calls_a_day * assumed.call_seconds / 60
    yield _Line(
        "euros of calls",
        minutes * assumed.euros_a_minute,
        "a day",
        f"{minutes:,.0f} minutes × {assumed.euros_a_minute:g}",
    )
    parts_a_day = bookings * SECONDS_AN_HOUR * demand.hours * assumed.parts_a_booking
    yield _Line(
        "euros of texts",
        parts_a_day * assumed.euros_a_part,
        "a day",
        f"{parts_a_day:,.0f} parts × {assumed.euros_a_part:g}",
    )


def _disk(
    demand: Demand, of_database: Written, known: Mapping[str, float], assumed: Assumed
) -> Iterator[_Line]:
    place, seconds = known["bytes_a_place"], SECONDS_AN_HOUR * demand.hours
    of_log, of_tables = _written_needs("wal_bytes"), _written_needs("stored_bytes")
    yield _Line(
        "log (WAL)",
        of_database.log / MIB,
        "MiB a second",
        f"calls × {_kib(known, 'wal_bytes_a_call')}, bookings on the web ×"
        f" {_kib(known, 'visit_wal_bytes')}, texts × {_kib(known, 'text_wal_bytes')} and what only"
        " looks; as much to the standby and the archive",
        of_log,
    )
    archive = of_database.log * seconds * assumed.log_days / GIB
    tables = of_database.stored * seconds / GIB
    yield _Line(
        "archive of the log",
        archive,
        "GiB",
        f"of {demand.hours:g} hours a day, kept {assumed.log_days:g} days",
        of_log,
    )
    yield _Line(
        "tables grow by",
        tables,
        "GiB a day",
        f"calls × {_kib(known, 'stored_bytes_a_call')}, bookings on the web ×"
        f" {_kib(known, 'visit_stored_bytes')}, texts × {_kib(known, 'text_stored_bytes')}",
        of_tables,
    )
    slots = demand.slots * place / GIB
    yield _Line(
        "slots", slots, "GiB", f"{demand.slots:,} places × {place:.0f} bytes", ("bytes_a_place",)
    )
    months = 2 * (tables + slots) + archive
    yield _Line(
        "euros of disks",
        months * assumed.euros_a_gib_month / DAYS_A_MONTH,
        "a day",
        f"{months:,.0f} GiB, on a standby too, × {assumed.euros_a_gib_month:g} ÷ {DAYS_A_MONTH}",
        (*of_log, *of_tables, "bytes_a_place"),
    )


def _kib(known: Mapping[str, float], name: str) -> str:
    return f"{known[name] / 1024:.1f} KiB"


def _up(value: float) -> float:
    """The next whole number; what is not known stays so."""
    return value if math.isnan(value) else float(math.ceil(value))
