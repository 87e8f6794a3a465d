"""A part of the national day, with every process that it has, beside what the plan says of it.

    python -m bench.day [--part 50] [--minutes 20] [--results FILE] [--page]

The whole day has 230 calls and 8,000 requests of the web a second. A fiftieth of them come here for
some minutes, at their rate and not as fast as they can: calls as the provider sends them, visitors
who book on the web (those that proxies hand on), texts by a worker to the exchange, which says of
each that it arrived. Beside them are a scheduler, a dispatcher, Redis and a PostgreSQL that waits
for the disk. Each process's seconds of processor and what the database wrote are compared with what
`flask capacity` plans for that rate by the costs in FILE, which `make bench` measured
(`bench/results.json`), and those in `bench/beside.json` (or `--beside FILE`), which
`python -m bench.beside` measured. With `--page` a day that counts is written into docs/scale.md and
`bench/day.json`.

The plan holds where it is right within a fifth; the exit status is that of bench/alone.py.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bench import beside, cast, stock
from bench.alone import Alone, Found
from bench.cast import BESIDE, DATABASE, DISPATCHER, SCHEDULER, WEB, WORKER, Cast
from bench.coming import DAY_CALLS, DAY_PARTS, CallsAtARate
from bench.servers import CannotMeasure
from bench.timing import Say
from bench.visitors import BOOKED, VisitorFigures, VisitorsPlan, seen_by
from models.database import POOL_SIZE
from services.operations.capacity import (
    PROCESSES,
    REQUESTS_A_VISIT,
    Assumed,
    Costs,
    NotMeasured,
    Rates,
    Running,
    at_rest,
    busy,
    read_costs,
    written,
)

ALONE: Final = Alone("bench.day", __doc__, Path(__file__).with_name("day.json"))
# Of the whole country, a second.
VISITORS: Final = 8000.0
# The plan is right within this part of what is measured.
TOLERANCE: Final = 0.2
# Visitors for whom connections are kept, at most.
AT_ONCE: Final = 16
# Of the day, before it counts: caches are filled, and the first log after a checkpoint is of whole
# pages.
WARM_SECONDS: Final = 60.0
# Connections of a worker for its signs of life, beside those of a job.
OF_SIGNS: Final = 3
MIB: Final = 2**20


@dataclass(frozen=True)
class Compared:
    """What was planned and what was seen; without a plan it is told alone."""

    name: str
    unit: str
    seen: float
    planned: float | None = None
    # What was planned is the most that there may be.
    at_most: bool = False

    @property
    def ratio(self) -> float | None:
        """What was seen for each one that was planned."""
        return self.seen / self.planned if self.planned else None

    @property
    def holds(self) -> bool:
        if self.ratio is None:
            return True
        return self.ratio <= 1 + TOLERANCE and (self.at_most or self.ratio >= 1 - TOLERANCE)


@dataclass
class DayFigures:
    """What a part of the day took: seconds of processor by process, and bytes of the database."""

    seconds: float = 0.0
    calls: int = 0
    webhooks: int = 0
    visits: int = 0
    pages: int = 0
    processor: dict[str, float] = field(default_factory=dict)
    wal: int = 0
    files: int = 0
    commits: int = 0
    writes: int = 0
    texts: int = 0
    connections: int = 0
    web_workers: int = 2
    faults: list[str] = field(default_factory=list)


def compared(seen: DayFigures, costs: Costs) -> list[Compared]:
    """Each line of the table; the plan is for the rates that there really were.

    Reminders of that day's bookings are due on other days: each booking has one text.
    """
    known, seconds = costs.all(), seen.seconds
    calls, visits = seen.calls / seconds, seen.visits / seconds
    come = Rates(calls, visits, calls + visits)
    running = Running(seen.web_workers)
    plan, of_database = busy(come, running, costs), written(come, running, costs)
    cores = {name: spent / seconds for name, spent in seen.processor.items()}
    rest = {name: known[f"{name}_rest_cores"] for name in PROCESSES}
    of_web = plan.calls + plan.web + plan.reports + rest[WEB] * seen.web_workers
    # Worker or scheduler delivers a text, as it happens: the first that looks when it is due.
    delivers = cores[WORKER] + cores[SCHEDULER]
    of_texts = plan.texts + plan.sweeps + rest[WORKER] + rest[SCHEDULER]
    lines = [
        Compared(
            "webhooks", "a second", seen.webhooks / seconds, calls * known["webhooks_of_a_call"]
        ),
        Compared("web pages", "a second", seen.pages / seconds, visits * REQUESTS_A_VISIT),
        Compared("bookings on the web", "a second", visits),
        Compared("texts", "a second", seen.texts / seconds, come.texts),
        Compared("web workers", "cores", cores[WEB], of_web),
        Compared("worker and scheduler", "cores", delivers, of_texts),
        Compared(DISPATCHER, "cores", cores[DISPATCHER], rest[DISPATCHER]),
        Compared("PostgreSQL", "cores", cores[DATABASE], plan.database),
        Compared("log (WAL)", "MiB a second", seen.wal / MIB / seconds, of_database.log / MIB),
        Compared(
            "tables grow by", "MiB a second", seen.files / MIB / seconds, of_database.stored / MIB
        ),
        Compared("commits", "a second", seen.commits / seconds, of_database.commits),
        Compared("commits of what only looks", "a second", at_rest(known, running, "commits")),
        Compared("transactions that wrote", "a second", seen.writes / seconds),
        Compared("connections", "at the end", seen.connections, _connections(seen), at_most=True),
    ]
    beside = [name for name in cores if name not in {WEB, DATABASE, DISPATCHER}]
    return lines + [Compared(name, "cores", cores[name]) for name in beside]


def _connections(seen: DayFigures) -> float:
    """The most that the pools of all processes may have; a worker has two, a job its own."""
    each = POOL_SIZE + POOL_SIZE // 2
    return each * (seen.web_workers + len(BESIDE)) + OF_SIGNS


def table(lines: Sequence[Compared]) -> str:
    """The lines as a table of the page."""
    rows = ["| | planned | seen | seen ÷ planned |", "|---|---:|---:|---:|"]
    for one in lines:
        planned_here = "not in the plan" if one.planned is None else f"{one.planned:.3g}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        mark = "" if one.holds else "**"
        rows.append(
            f"| {one.name}, {one.unit} | {planned_here} | {one.seen:.3g} | {mark}{ratio}{mark} |"
        )
    return "\n".join(rows)


# ---------------------------------------------------------------- the day


def live(part: float, minutes: float, folder: Path, redis_url: str, say: Say) -> DayFigures:
    """Let a part of the day come for so many minutes. Raises CannotMeasure or Astray."""
    with cast.cast(folder, redis_url) as everybody:
        for name in BESIDE:
            everybody.start(name)
        postcodes = stock.choose_postcodes(everybody.house.database_url)
        come = CallsAtARate(everybody.web, folder, postcodes, DAY_CALLS / part)
        visits = VISITORS / part * Assumed.seen_by_the_service / REQUESTS_A_VISIT
        come.for_seconds(WARM_SECONDS)
        say("it counts from now on")
        return _counted(everybody, come, minutes * 60, (visits, postcodes))


def _counted(
    everybody: Cast, come: CallsAtARate, seconds: float, visits: tuple[float, list[str]]
) -> DayFigures:
    rate, postcodes = visits
    port = everybody.web.port
    plan = VisitorsPlan(port, AT_ONCE, seconds, time.time_ns() % 2**32, postcodes, rate)
    seen: list[VisitorFigures] = []
    texts = everybody.counts.texts()
    came = 0

    def day() -> None:
        nonlocal came
        visitors = threading.Thread(
            target=lambda: seen.append(seen_by(plan, everybody.house.folder)), daemon=True
        )
        visitors.start()
        came = come.for_seconds(seconds)
        visitors.join()

    took = everybody.took(day)
    figures = DayFigures(
        **asdict(took),
        calls=came,
        webhooks=come.answers,
        texts=everybody.counts.texts() - texts,
        connections=everybody.counts.connections(),
        web_workers=len(everybody.web.workers()),
        faults=list(come.faults),
    )
    if not seen:
        figures.faults.append("the visitors ended before the day did")
    else:
        figures.visits = seen[0].ends.get(BOOKED, 0)
        figures.pages = seen[0].answers
        figures.faults += seen[0].faults()
    return figures


# ---------------------------------------------------------------- the command


def main() -> int:
    parser = ALONE.parser()
    parser.add_argument(
        "--part", type=float, default=DAY_PARTS, help="one of so many (%(default)g)"
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="(%(default)g)")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path(__file__).with_name("results.json"),
        help="of make bench",
    )
    parser.add_argument(
        "--beside", type=Path, default=beside.FIGURES, help="of python -m bench.beside"
    )
    options = parser.parse_args()
    try:
        costs = _costs(options.results, options.beside)
    except CannotMeasure as problem:
        return ALONE.cannot(problem)
    return ALONE.run(
        lambda folder, redis_url: told(
            options.part,
            live(options.part, options.minutes, folder, redis_url, print),
            costs,
        ),
        page=options.page,
    )


def _costs(results: Path, beside_calls: Path) -> Costs:
    """The costs to compare with. Raises CannotMeasure where a file has none that count."""
    try:
        costs, void = read_costs(results, beside_calls)
    except NotMeasured as problem:
        raise CannotMeasure(str(problem)) from None
    if void:
        raise CannotMeasure(f"there is nothing to compare with in {beside_calls}: {void}")
    return costs


def told(part: float, seen: DayFigures, costs: Costs) -> Found:
    """Return what is said of it, and written."""
    lines = compared(seen, costs)
    words = (
        f"One of {part:g} parts of that day came for {seen.seconds / 60:.0f}"
        f" minutes: {seen.calls:,} calls and {seen.visits:,} bookings on the web, on"
        f" {os.cpu_count()} cores that had nothing else to do."
    )
    missed = [
        f"{one.name} was {one.ratio:.2f} times what is planned" for one in lines if not one.holds
    ]
    figures = {"part": part, **asdict(seen), "lines": [asdict(one) for one in lines]}
    return Found(figures, table(lines), words, missed, seen.faults)


if __name__ == "__main__":
    sys.exit(main())
