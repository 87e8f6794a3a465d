"""What a day needs: machines, connections, disk, the provider's limits and euros.

Costs are those that the bench measured on one machine (`bench/results.json`), where the service and
its PostgreSQL shared the processors. Nothing is assumed in the place of a cost that was not
measured: a line that needs it says which part of the bench measures it. What is assumed is in
`Assumed`, each with its reason in docs/scale.md.
"""

from __future__ import annotations

import math
import re

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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

    @property
    def cores(self) -> float | None:
        """Processors of the machine that was measured."""
        told = self.get("cores")
        if told is not None:
            return told
        found = re.search(r"(\d+) cores", str(self.results.get("machine", "")))
        return float(found[1]) if found else None

    @property
    def machine_ms(self) -> float | None:
        """Milliseconds of all processors for a webhook, those of the database included."""
        cores, rate = self.cores, self.get("call_rate_postgres")
        if cores is None or rate is None:
            return None
        asked_by = self.get("wrk_cpu_share") or 0.0
        return MILLISECONDS * cores * (1 - asked_by) / rate

    @property
    def database_ms(self) -> float | None:
        """What of it was not the web workers'."""
        whole, workers = self.machine_ms, self.get("worker_ms_a_webhook_postgres")
        if whole is None or workers is None:
            return None
        return max(whole - workers, 0.0)

    @property
    def visit_ms(self) -> float | None:
        """Milliseconds of all processors for a whole booking on the web."""
        cores, rate = self.cores, self.get("web_bookings_per_second_postgres")
        if cores is None or rate is None:
            return None
        asked_by = self.get("web_client_share_postgres") or 0.0
        return MILLISECONDS * cores * (1 - asked_by) / rate

    def all(self) -> dict[str, float]:
        """Return every cost that a plan needs; one that was not measured is no number."""
        found = {
            name: self.get(f"{name}_postgres") for name in _OF_POSTGRES
        } | {name: self.get(name) for name in _OF_ALL} | {
            "machine_ms": self.machine_ms,
            "database_ms": self.database_ms,
            "visit_ms": self.visit_ms,
        }  # fmt: skip
        return {name: math.nan if value is None else value for name, value in found.items()}


_OF_POSTGRES: Final = (
    "worker_ms_a_webhook",
    "wal_bytes_a_call",
    "stored_bytes_a_call",
    "commits_a_call",
)
_OF_ALL: Final = ("webhooks_of_a_call", "bytes_a_place", "disk_syncs_per_second")
# Which part of the bench measures a cost, where it is not `calls`.
MEASURED_BY: Final[Mapping[str, str]] = {"visit_ms": "visits", "bytes_a_place": "growth"}
# Requests of a visit that books, as the bench's visitors send them.
REQUESTS_A_VISIT: Final = 13


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


class Busy(NamedTuple):
    """Cores that work, before any room is left; no number where a cost was not measured."""

    calls: float
    web: float
    database: float


def busy(demand: Demand, costs: Costs, assumed: Assumed | None = None) -> Busy:
    """Return the cores that work at such a rate: web workers' for calls and pages, PostgreSQL's."""
    return _busy(demand, costs.all(), assumed or Assumed())


def _busy(demand: Demand, known: Mapping[str, float], assumed: Assumed) -> Busy:
    rate = demand.calls * known["webhooks_of_a_call"]
    visits = _visits(demand, assumed) * known["visit_ms"]
    # As much of a visit is the database's as of a webhook.
    share = known["database_ms"] / known["machine_ms"]
    return Busy(
        rate * known["worker_ms_a_webhook"] / MILLISECONDS,
        visits * (1 - share) / MILLISECONDS,
        (rate * known["database_ms"] + visits * share) / MILLISECONDS,
    )


def _visits(demand: Demand, assumed: Assumed) -> float:
    """Bookings on the web a second."""
    return demand.visitors * assumed.seen_by_the_service / REQUESTS_A_VISIT


class _Line(NamedTuple):
    name: str
    value: float
    unit: str
    why: str
    needs: tuple[str, ...] = ()


def _lines(demand: Demand, known: Mapping[str, float], assumed: Assumed) -> Iterator[_Line]:
    webhooks, worker_ms = known["webhooks_of_a_call"], known["worker_ms_a_webhook"]
    database_ms, visit_ms = known["database_ms"], known["visit_ms"]
    of_calls = ("webhooks_of_a_call", "worker_ms_a_webhook")
    of_primary = ("webhooks_of_a_call", "machine_ms", "database_ms", "visit_ms")
    rate = demand.calls * webhooks
    yield _Line(
        "webhooks",
        rate,
        "a second",
        f"{demand.calls:g} calls × {webhooks:g} webhooks",
        of_calls[:1],
    )
    work = _busy(demand, known, assumed)
    for_calls = work.calls / MOST_OF_A_CORE
    yield _Line(
        "cores for calls",
        _up(for_calls),
        "cores",
        f"webhooks × {worker_ms:.2f} ms of a worker ÷ {MOST_OF_A_CORE:g}",
        of_calls,
    )
    share = database_ms / known["machine_ms"]
    visits = _visits(demand, assumed)
    for_visits = work.web / MOST_OF_A_CORE
    yield _Line(
        "cores for the web",
        _up(for_visits),
        "cores",
        f"{visits:.0f} bookings a second × {visit_ms:.0f} ms, {1 - share:.0%} of it in workers,"
        f" ÷ {MOST_OF_A_CORE:g}",
        of_primary,
    )
    nodes = _up((for_calls + for_visits) / demand.cores_a_node) + SPARE_NODES
    yield _Line(
        "stateless nodes",
        nodes,
        f"of {demand.cores_a_node} cores",
        f"those cores ÷ {demand.cores_a_node}, and {SPARE_NODES} that may fail",
        (*of_calls, *of_primary),
    )
    primary = work.database / MOST_OF_A_CORE
    yield _Line(
        "cores of primaries",
        _up(primary),
        "cores",
        f"webhooks × {database_ms:.2f} ms and {share:.0%} of the visits ÷ {MOST_OF_A_CORE:g}",
        of_primary,
    )
    yield _Line(
        "cells",
        _up(primary / LARGEST_PRIMARY),
        "",
        f"in each a primary of {LARGEST_PRIMARY} cores at most, and a synchronous standby",
        of_primary,
    )
    yield _Line(
        "connections to PostgreSQL",
        _up(primary) * CONNECTIONS_A_CORE,
        "of PgBouncer",
        f"{CONNECTIONS_A_CORE} for each core of the primaries",
        of_primary,
    )
    commits, syncs = known["commits_a_call"], known["disk_syncs_per_second"]
    yield _Line(
        "commits",
        demand.calls * commits,
        "a second",
        f"{demand.calls:g} calls × {commits:.1f}; the disk of the bench syncs {syncs:,.0f} times a"
        " second, and commits of one moment share one",
        ("commits_a_call", "disk_syncs_per_second"),
    )
    yield from _disk(demand, known, assumed)
    calls_a_day = demand.calls * SECONDS_AN_HOUR * demand.hours
    lines = demand.calls * assumed.call_seconds
    yield _Line(
        "lines at once", lines, "calls", f"{demand.calls:g} a second × {assumed.call_seconds:g} s"
    )
    parts = demand.calls * assumed.parts_a_booking
    yield _Line(
        "texts", parts, "parts a second", f"{demand.calls:g} bookings × {assumed.parts_a_booking:g}"
    )
    cores = nodes * demand.cores_a_node + 2 * _up(primary)
    yield _Line(
        "euros of machines",
        cores * HOURS_A_DAY * assumed.euros_a_core_hour,
        "a day",
        f"{cores:,.0f} cores, standbys included, × {HOURS_A_DAY} h × {assumed.euros_a_core_hour:g}",
        (*of_calls, *of_primary),
    )
    minutes = calls_a_day * assumed.call_seconds / 60
    yield _Line(
        "euros of calls",
        minutes * assumed.euros_a_minute,
        "a day",
        f"{minutes:,.0f} minutes × {assumed.euros_a_minute:g}",
    )
    parts_a_day = calls_a_day * assumed.parts_a_booking
    yield _Line(
        "euros of texts",
        parts_a_day * assumed.euros_a_part,
        "a day",
        f"{parts_a_day:,.0f} parts × {assumed.euros_a_part:g}",
    )


def _disk(demand: Demand, known: Mapping[str, float], assumed: Assumed) -> Iterator[_Line]:
    log, stored, place = (
        known[name] for name in ("wal_bytes_a_call", "stored_bytes_a_call", "bytes_a_place")
    )
    calls_a_day = demand.calls * SECONDS_AN_HOUR * demand.hours
    yield _Line(
        "log (WAL)",
        demand.calls * log / MIB,
        "MiB a second",
        f"{demand.calls:g} calls × {log / 1024:.1f} KiB; as much to the standby and the archive",
        ("wal_bytes_a_call",),
    )
    archive, tables = calls_a_day * log * assumed.log_days / GIB, calls_a_day * stored / GIB
    yield _Line(
        "archive of the log",
        archive,
        "GiB",
        f"{calls_a_day:,.0f} calls a day, kept {assumed.log_days:g} days",
        ("wal_bytes_a_call",),
    )
    yield _Line(
        "tables grow by",
        tables,
        "GiB a day",
        f"{calls_a_day:,.0f} calls × {stored / 1024:.1f} KiB",
        ("stored_bytes_a_call",),
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
        ("wal_bytes_a_call", "stored_bytes_a_call", "bytes_a_place"),
    )


def _up(value: float) -> float:
    """The next whole number; what is not known stays so."""
    return value if math.isnan(value) else float(math.ceil(value))
