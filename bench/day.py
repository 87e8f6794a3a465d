"""A part of the national day, with every process that it has, beside what the plan says of it.

    python -m bench.day [--part 50] [--minutes 20] [--results FILE] [--page]

The whole day has 230 calls and 8,000 requests of the web a second. A fiftieth of them come here for
some minutes, at their rate and not as fast as they can: calls as the provider sends them, visitors
who book on the web (those that proxies hand on), texts by a worker to the exchange, which says of
each that it arrived. Beside them are a scheduler, a dispatcher, Redis and a PostgreSQL that waits
for the disk. Each process's seconds of processor and what the database wrote are compared with what
`flask capacity` plans for that rate by the costs in FILE, which `make bench` measured
(`bench/results.json`). With `--page` a day that counts is written into docs/scale.md and
`bench/day.json`.

The exit status is 0 where the plan is right within a fifth, 1 where it is not or where others had
the machine, 2 where nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, Final

import config

from bench import load, machine, report, servers, stock, traffic
from bench.load import Script, dealt
from bench.screens import dispatcher
from bench.servers import CannotMeasure, House, Web
from bench.visitors import VisitorFigures, VisitorsPlan, seen_by
from exchange.transport import HttpTransport
from launcher.ports import HOST
from services import logs
from services.operations.capacity import REQUESTS_A_VISIT, Assumed, Costs, Demand, busy

FIGURES: Final = Path(__file__).with_name("day.json")
PAGE: Final = config.ROOT / "docs" / "scale.md"
BEGINS: Final = "<!-- `python -m bench.day` writes from here. -->"
ENDS: Final = "<!-- `python -m bench.day` writes up to here. -->"
# Of the whole country, a second.
CALLS, VISITORS = 230.0, 8000.0
# The plan is right within this part of what is measured.
TOLERANCE: Final = 0.2
# Visitors for whom connections are kept, at most.
AT_ONCE: Final = 16
# Signed beforehand, and sent in so many seconds.
PIECE_SECONDS: Final = 60.0
# Of the day, before it counts: caches are filled, and the first log after a checkpoint is of whole
# pages.
WARM_SECONDS: Final = 60.0
MISSED, CANNOT = 1, 2
MIB: Final = 2**20


@dataclass(frozen=True)
class Compared:
    """What was planned and what was seen; without a plan it is told alone."""

    name: str
    unit: str
    seen: float
    planned: float | None = None

    @property
    def ratio(self) -> float | None:
        """What was seen for each one that was planned."""
        return self.seen / self.planned if self.planned else None

    @property
    def holds(self) -> bool:
        return self.ratio is None or abs(self.ratio - 1) <= TOLERANCE


@dataclass
class DayFigures:
    """What a part of the day took: seconds of processor by process, and bytes of the database."""

    seconds: float = 0.0
    calls: int = 0
    visits: int = 0
    processor: dict[str, float] = field(default_factory=dict)
    wal: int = 0
    files: int = 0
    commits: int = 0
    texts: int = 0
    faults: list[str] = field(default_factory=list)


def compared(seen: DayFigures, costs: Costs) -> list[Compared]:
    """Each line of the table; the plan is for the rates that there really were."""
    assumed = Assumed()
    calls, visits = seen.calls / seen.seconds, seen.visits / seen.seconds
    demand = Demand(calls, visits * REQUESTS_A_VISIT / assumed.seen_by_the_service, slots=0)
    plan, known = busy(demand, costs, assumed), costs.all()
    cores = {name: spent / seen.seconds for name, spent in seen.processor.items()}
    beside = [name for name in cores if name not in {"web", "database"}]
    return [
        Compared("web workers", "cores", cores["web"], plan.calls + plan.web),
        Compared("PostgreSQL", "cores", cores["database"], plan.database),
        Compared(
            "log (WAL)",
            "MiB a second",
            seen.wal / MIB / seen.seconds,
            calls * known["wal_bytes_a_call"] / MIB,
        ),
        Compared(
            "tables grow by",
            "MiB a second",
            seen.files / MIB / seen.seconds,
            calls * known["stored_bytes_a_call"] / MIB,
        ),
        Compared(
            "commits", "a second", seen.commits / seen.seconds, calls * known["commits_a_call"]
        ),
        Compared("texts", "a second", seen.texts / seen.seconds),
        *(Compared(name, "cores", cores[name]) for name in beside),
    ]


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


# ---------------------------------------------------------------- the processes


@dataclass(frozen=True)
class Cast:
    """All that runs, and how what it took is read: seconds of processor so far."""

    web: Web
    house: House
    took: Mapping[str, Callable[[], float]]

    def so_far(self) -> dict[str, float]:
        return {name: read() for name, read in self.took.items()}


@contextmanager
def cast(folder: Path, url: str, redis_url: str) -> Iterator[Cast]:
    """Every process of a service in production, and the exchange in the provider's place."""
    house = House(folder, servers.POSTGRES, url, redis_url)
    with ExitStack() as stack:
        web = stack.enter_context(servers.web(house, "service", "wiring:create_server"))
        took: dict[str, Callable[[], float]] = {
            "web": lambda: sum(map(servers.processor_seconds, web.workers())),
            "database": lambda: servers.server_seconds(url),
        }
        port = servers.provider_port()
        commands = {
            "worker": (sys.executable, "-m", "flask", "worker"),
            "scheduler": (sys.executable, "-m", "flask", "scheduler"),
            "exchange": (sys.executable, "-m", "simulator", "--port", str(port)),
        }
        at = {"SERVICE_URL": f"http://{HOST}:{web.port}", "SERVICE_PORT": str(web.port)}
        started = {}
        for name, command in commands.items():
            started[name] = stack.enter_context(
                servers.running(
                    *command,
                    environment=house.environment(name) | at,
                    log=folder / f"{name}.log",
                )
            )
            took[name] = _reader(started[name].pid)
        servers.wait_until(
            lambda: servers.responds(port), started["exchange"], "the exchange did not start"
        )
        with dispatcher(house) as writer:
            took["dispatcher"] = _reader(writer.pid)
            yield Cast(web, house, took)


def _reader(pid: int) -> Callable[[], float]:
    return lambda: servers.tree_seconds(pid)


# ---------------------------------------------------------------- the day


def live(part: float, minutes: float, folder: Path, redis_url: str) -> DayFigures:
    """Let a part of the day come for so many minutes. Raises CannotMeasure or Astray."""
    url = servers.postgres_url(folder)
    env = servers.environment(url, redis_url)
    for step in ("migrate", "demo"):
        servers.command(step, environment=env)
    servers.settle(url)
    with cast(folder, url, redis_url) as all_of_it, closing(stock.RowCounts(url)) as counts:
        postcodes = stock.choose_postcodes(url)
        service = HttpTransport(f"http://{HOST}:{all_of_it.web.port}", traffic.BASE)
        signer = traffic.Signer(traffic.rehearse(service, postcodes[0]))
        callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)
        come = _Coming(all_of_it.web, folder, signer, callers, CALLS / part)
        visits = VISITORS / part * Assumed.seen_by_the_service / REQUESTS_A_VISIT
        come.for_seconds(WARM_SECONDS)
        return _counted(all_of_it, counts, come, minutes * 60, (visits, postcodes))


def _counted(
    cast: Cast,
    counts: stock.RowCounts,
    come: _Coming,
    seconds: float,
    visits: tuple[float, list[str]],
) -> DayFigures:
    rate, postcodes = visits
    plan = VisitorsPlan(cast.web.port, AT_ONCE, seconds, time.time_ns() % 2**32, postcodes, rate)
    seen: list[VisitorFigures] = []
    figures = DayFigures()
    before, wrote, texts, began = cast.so_far(), counts.written(), counts.texts(), time.monotonic()
    visitors = threading.Thread(
        target=lambda: seen.append(seen_by(plan, cast.house.folder)), daemon=True
    )
    visitors.start()
    figures.calls = come.for_seconds(seconds)
    visitors.join()
    figures.seconds = time.monotonic() - began
    figures.processor = {name: spent - before[name] for name, spent in cast.so_far().items()}
    written = counts.written()
    if written is None or wrote is None:
        raise CannotMeasure("only PostgreSQL tells what it writes")
    figures.wal = written.wal - wrote.wal
    figures.files = written.files - wrote.files
    figures.commits = written.commits - wrote.commits
    figures.texts = counts.texts() - texts
    figures.faults = list(come.faults)
    if not seen:
        figures.faults.append("the visitors ended before the day did")
    else:
        figures.visits = seen[0].ends.get("booked", 0)
        figures.faults += seen[0].faults()
    return figures


class _Coming:
    """Calls that come at a rate, piece by piece: each is signed just before it is sent."""

    def __init__(
        self,
        web: Web,
        folder: Path,
        signer: traffic.Signer,
        callers: Iterator[traffic.TrafficCaller],
        rate: float,
    ) -> None:
        self._web, self._folder, self._signer = web, folder, signer
        self._callers, self._rate = callers, rate
        self.faults: list[str] = []

    def for_seconds(self, seconds: float) -> int:
        """Send calls for so long; returns how many came."""
        came = 0
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 1:
            count = max(round(self._rate * min(left, PIECE_SECONDS)), 1)
            calls = [self._signer.call(one) for one in islice(self._callers, count)]
            script = Script.write(
                self._folder / "day",
                [[request for call in some for request in call] for some in dealt(calls)],
            )
            seen = load.replay(script, self._web.port, rate=self._rate * self._signer.webhooks)
            self.faults += [f"calls: {fault}" for fault in seen.faults()]
            came += count
        return came


# ---------------------------------------------------------------- the command


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.day", description=__doc__.split("\n")[0])
    parser.add_argument("--part", type=float, default=50.0, help="one of so many (%(default)g)")
    parser.add_argument("--minutes", type=float, default=20.0, help="(%(default)g)")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path(__file__).with_name("results.json"),
        help="of make bench",
    )
    parser.add_argument(
        "--page", action="store_true", help="write docs/scale.md and bench/day.json"
    )
    options = parser.parse_args()
    try:
        costs = Costs(json.loads(options.results.read_text("utf-8")))
        logs.configure("ERROR")
        with (
            servers.ended_by_signals(),
            servers.workshop() as folder,
            servers.redis(folder) as redis_url,
            machine.OthersWatch(folder).watching() as others,
        ):
            seen = live(options.part, options.minutes, folder, redis_url)
    except (CannotMeasure, traffic.Astray, OSError, ValueError) as problem:
        print(f"bench.day: {problem}", file=sys.stderr)
        return CANNOT
    if taken := machine.too_busy(machine.others_share(others)):
        seen.faults.append(taken)
    lines = compared(seen, costs)
    print(table(lines))
    for fault in seen.faults:
        print(f"void: {fault}")
    if options.page and not seen.faults:
        write(options.part, seen, lines)
    return MISSED if seen.faults or not all(one.holds for one in lines) else 0


def write(part: float, seen: DayFigures, lines: Sequence[Compared]) -> None:
    """Write the page's part and the figures."""
    told = [asdict(one) for one in lines]
    found: dict[str, Any] = {"date": date.today().isoformat(), "part": part, **asdict(seen)}  # noqa: DTZ011
    FIGURES.write_text(json.dumps(found | {"lines": told}, indent=1) + "\n", "utf-8")
    words = (
        f"On {found['date']} one of {part:g} parts of that day came for {seen.seconds / 60:.0f}"
        f" minutes: {seen.calls:,} calls and {seen.visits:,} bookings on the web, on"
        f" {os.cpu_count()} cores that had nothing else to do."
    )
    page = PAGE.read_text("utf-8")
    text = f"{words}\n\n{table(lines)}"
    PAGE.write_text(report.with_figures(page, text, BEGINS, ENDS), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
