"""One node against two: how many webhooks of booking calls more, with one database for both.

    python -m bench.scaling [--cores 0.35] [--rounds 3] [--seconds 8] [--page]

Two nodes run on this machine, each in a control group that gives it a part of one core. PostgreSQL,
Redis and the load have what is left, so that a node is at its limit and the database is not. In
each round one node has the load, then the other, then both; a round's ratio is both ÷ the mean of
each alone. What PostgreSQL has of a processor for a webhook is told beside it: that part is shared,
and ends where its machine does. With `--page` the table is written into docs/scale.md and the
figures into `bench/scaling.json`.

The exit status is that of bench/alone.py; where nobody may make a control group, nothing can be
measured.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import time

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from bench import cast, load, machine, servers, stock, traffic
from bench.alone import Alone, Found
from bench.load import CONNECTIONS, LoadRun, Script
from bench.servers import CannotMeasure, House, Web
from bench.timing import Say
from exchange.transport import HttpTransport
from launcher.ports import HOST

ALONE: Final = Alone("bench.scaling", __doc__, Path(__file__).with_name("scaling.json"))
# Two nodes answer so many times what one does.
LEAST: Final = 1.8
# Of a core, for each node: two of them, the load and the database fit into two cores.
CORES: Final = 0.35
ROUNDS, SECONDS = 3, 8.0
# Not counted: caches are filled, and connections made.
WARM_SECONDS: Final = 4.0
# A node that had less than this of its part was not what was full.
FULL: Final = 0.9
# Webhooks a second that a core answers at the most, so that no script ends early.
MOST_OF_A_CORE: Final = 2500.0
MILLISECONDS: Final = 1000


@dataclass(frozen=True)
class Ran:
    """A run over some nodes: webhooks a second, and what was had of a processor meanwhile."""

    rate: float
    # Of each node, in cores.
    nodes: tuple[float, ...]
    # PostgreSQL's milliseconds for each webhook.
    database_ms: float


@dataclass(frozen=True)
class Scaling:
    """What was seen: webhooks a second of one node (the mean of both) and of two."""

    one_rate: float
    two_rate: float
    ratio: float
    database_ms_one: float
    database_ms_two: float
    cores_a_node: float

    @property
    def cores_of_the_database(self) -> float:
        """Cores of PostgreSQL for each core of nodes."""
        return self.database_ms_two / (2 * self.cores_a_node * MILLISECONDS / self.two_rate)


def scaling(rounds: Sequence[tuple[Ran, Ran, Ran]], cores: float) -> Scaling:
    """Return what rounds of (one node, the other, both) say; the ratio is their median.

    Raises CannotMeasure where a node did not use its part of a core: something else was full.
    """
    for alone, other, both in rounds:
        for had in (*alone.nodes, *other.nodes, *both.nodes):
            if had < cores * FULL:
                raise CannotMeasure(
                    f"a node had {had:.2f} of a core where it may have {cores:g}: it was not full"
                )
    ones = [(alone.rate + other.rate) / 2 for alone, other, _ in rounds]
    twos = [both.rate for *_, both in rounds]
    return Scaling(
        one_rate=statistics.median(ones),
        two_rate=statistics.median(twos),
        ratio=statistics.median(two / one for one, two in zip(ones, twos, strict=True)),
        database_ms_one=statistics.median(alone.database_ms for alone, *_ in rounds),
        database_ms_two=statistics.median(both.database_ms for *_, both in rounds),
        cores_a_node=cores,
    )


class _Nodes:
    """Nodes of one house, and the calls that ring at them."""

    def __init__(self, house: House, webs: Sequence[Web]) -> None:
        self._house, self._webs = house, webs
        postcodes = stock.choose_postcodes(house.database_url)
        service = HttpTransport(f"http://{HOST}:{webs[0].port}", traffic.BASE)
        self._signer = traffic.Signer(traffic.rehearse(service, postcodes[0]))
        self._callers: Iterator[traffic.TrafficCaller] = traffic.callers(
            postcodes, seed=time.time_ns() % 2**32
        )

    def run(self, which: Sequence[int], cores: float, seconds: float) -> Ran:
        """Let calls ring at these nodes, each as fast as it answers. Raises CannotMeasure."""
        webs = [self._webs[number] for number in which]
        scripts = [self._script(number, cores * seconds) for number in which]
        before = [_seconds(web) for web in webs]
        database = servers.server_seconds(self._house.database_url)
        with ThreadPoolExecutor(len(webs)) as pool:
            seen: list[LoadRun] = list(
                pool.map(
                    lambda pair: load.replay(pair[0], pair[1].port, seconds=seconds),
                    zip(scripts, webs, strict=True),
                )
            )
        database = servers.server_seconds(self._house.database_url) - database
        if faults := [fault for one in seen for fault in one.faults()]:
            raise CannotMeasure("; ".join(faults))
        if any(one.finished for one in seen):
            raise CannotMeasure("the script ended before the time was up")
        return Ran(
            sum(one.rate for one in seen),
            tuple(
                (_seconds(web) - had) / one.seconds
                for web, had, one in zip(webs, before, seen, strict=True)
            ),
            MILLISECONDS * database / sum(one.answers for one in seen),
        )

    def _script(self, number: int, core_seconds: float) -> Script:
        each = math.ceil(core_seconds * MOST_OF_A_CORE / self._signer.webhooks / CONNECTIONS)
        some = islice(self._callers, each * CONNECTIONS)
        return Script.of_calls(
            self._house.folder / f"node-{number}", [self._signer.call(one) for one in some]
        )


def _seconds(web: Web) -> float:
    return sum(map(servers.processor_seconds, (web.process.pid, *web.workers())))


def measure(  # noqa: PLR0917 (all of the same measurement)
    folder: Path, redis_url: str, say: Say, cores: float, rounds: int, seconds: float
) -> Scaling:
    """Run the rounds. Raises CannotMeasure or Astray."""
    house = cast.demonstration(folder, redis_url)
    with ExitStack() as stack:
        webs = []
        for name in ("one", "other"):
            limit = stack.enter_context(machine.core_limit(f"{os.getpid()}-{name}", cores))
            web = stack.enter_context(servers.web(house, name, "wiring:create_server"))
            limit(web.process.pid, *web.workers())
            webs.append(web)
        nodes = _Nodes(house, webs)
        for which in ((0,), (1,)):
            nodes.run(which, cores, WARM_SECONDS)
        seen = []
        for number in range(1, rounds + 1):
            alone, other, both = (
                nodes.run(which, cores, seconds) for which in ((0,), (1,), (0, 1))
            )
            seen.append((alone, other, both))
            say(
                f"round {number}: {alone.rate:.0f} and {other.rate:.0f} webhooks a second alone,"
                f" {both.rate:.0f} together"
            )
    return scaling(seen, cores)


# ---------------------------------------------------------------- the command


def main() -> int:
    parser = ALONE.parser()
    parser.add_argument("--cores", type=float, default=CORES, help="of a node (%(default)g)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(%(default)d)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a run (%(default)g)")
    options = parser.parse_args()
    return ALONE.run(
        lambda folder, redis_url: told(
            measure(folder, redis_url, print, options.cores, options.rounds, options.seconds)
        ),
        page=options.page,
    )


def told(found: Scaling) -> Found:
    """Return what is said of it, and written."""
    words = (
        f"Each node had {found.cores_a_node:g} of a core. For each core of nodes PostgreSQL had"
        f" {found.cores_of_the_database:.2f}."
    )
    missed = [f"two nodes answer {found.ratio:.2f} times what one does, at least {LEAST:g}"]
    return Found(asdict(found), table(found), words, missed if found.ratio < LEAST else [])


def table(found: Scaling) -> str:
    """Return the figures as a table of the page."""
    return "\n".join(
        (
            "| nodes | webhooks a second | PostgreSQL's processor for a webhook, ms |",
            "|---:|---:|---:|",
            f"| 1 | {found.one_rate:,.0f} | {found.database_ms_one:.2f} |",
            f"| 2 | {found.two_rate:,.0f} | {found.database_ms_two:.2f} |",
            f"| **2 ÷ 1** | **{found.ratio:.2f}** (≥ {LEAST:g}) | |",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
