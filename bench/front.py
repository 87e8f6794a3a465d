"""The crowd at the door: new connections over TLS to nginx, and the telephone beside them.

    python -m bench.front [--seconds 20] [--page]

nginx has the configuration of deploy/nginx.conf, with a certificate (ECDSA P-256) made for it.
Behind it are the service and a PostgreSQL. Visitors come as fast as they can: each opens a
connection, asks for one of the pages that are seen first, and closes it. Booking calls come over
the same nginx meanwhile, at a tenth of the rate that the service can answer here: first alone, then
beside the crowd. Visitors that the service saw are those of nginx's log for which it asked it.

All of it, the load as well, shares this machine. So what nginx has of a processor for a connection
is told, and by it how many cores the whole country's connections need. With `--page` the table is
written into docs/scale.md and the figures into `bench/front.json`.

The exit status is that of bench/alone.py.
"""

from __future__ import annotations

import http.client
import math
import os
import sys
import time

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from bench import cast, load, machine, servers, stock, traffic
from bench import crowd as crowds
from bench.alone import Alone, Found
from bench.cast import Cast
from bench.crowd import Came, CrowdPlan
from bench.load import CONNECTIONS, LoadRun, Script
from bench.measure import AT_WORK
from bench.servers import CannotMeasure, House
from bench.timing import Say, p99
from exchange.transport import HttpTransport
from launcher.ports import HOST
from tests.support import parts, proxies

ALONE: Final = Alone("bench.front", __doc__, Path(__file__).with_name("front.json"))
# The whole country's connections a second, and how many of their requests the service may see.
VISITORS: Final = 8000.0
MOST_SEEN: Final = 500.0
MOST_MS: Final = 300.0
# Of a machine that stands in front; it should be busy to this part at the most.
CORES, BUSY = 8, 0.6
# Whom nginx answers for, and what a visitor sees first.
NAME: Final = traffic.BASE.removeprefix("https://")
PAGES: Final = ("/", "/rendez-vous", "/etat")
WARM_TIMES: Final = 20
# Processes of visitors, and how many seconds the crowd comes before the calls and stays after them.
PROCESSES: Final = 2
EARLIER, LATER = 1.5, 1.0
# As long as a run of wrk may be.
MOST_SECONDS: Final = load.LONGEST - 10.0
# How fast the telephone is at all: it is asked so long, by as many calls as there can be.
FULL_SECONDS: Final = 4.0
MOST_WEBHOOKS: Final = 4000.0
# At fewer a second a connection has nothing to say for so long that nginx closes it.
LEAST_WEBHOOKS: Final = 16.0
# Of all connections, so many may have gone on with the TLS session of an earlier one.
MOST_RESUMED: Final = 0.01
MILLISECONDS: Final = 1000
# At the end of a line of nginx's log, as deploy/nginx.conf has it: here with what TLS did.
LOG_ENDS: Final = "' $upstream_response_time'"
LOG_ENDS_HERE: Final = "' $upstream_response_time $ssl_session_reused'"
# Of such a line, between blanks.
_STATUS, _METHOD, _NODE, _RESUMED = 1, 2, 5, -1


class _Behind(House):
    """The service has one proxy in front of it."""

    def environment(self, name: str) -> dict[str, str]:
        return super().environment(name) | {"PROXY_HOPS": "1"}


@dataclass(frozen=True)
class Logged:
    """What nginx wrote of the crowd: its requests, and of them those that the service saw."""

    requests: int
    seen: int
    resumed: int
    # Answers that were no page.
    others: int


@dataclass(frozen=True)
class Spent:
    """Seconds of processor, by whom; `interrupts` are nobody's: of the network, for all."""

    nginx: float
    service: float
    interrupts: float

    def __sub__(self, before: Spent) -> Spent:
        return Spent(
            self.nginx - before.nginx,
            self.service - before.service,
            self.interrupts - before.interrupts,
        )


@dataclass(frozen=True)
class Front:
    """What was seen. Milliseconds of processor are those of one connection."""

    connections: int
    seconds: float
    seen: int
    webhooks_a_second: float
    alone_ms: float
    beside_ms: float
    nginx_ms: float
    service_ms: float
    load_ms: float
    interrupts_ms: float
    cores_here: int

    @property
    def rate(self) -> float:
        """New connections a second."""
        return self.connections / self.seconds

    @property
    def seen_of_all(self) -> float:
        """Requests a second that the service would see of the whole country's.

        Some are asked anew each second, and some more while an answer is awaited: only the latter
        grow with the crowd, so that this is the most.
        """
        return VISITORS * self.seen / self.connections

    @property
    def cores(self) -> float:
        """Cores of nginx for the whole country's connections, what the network takes included."""
        return VISITORS * (self.nginx_ms + self.interrupts_ms) / MILLISECONDS

    def missed(self) -> list[str]:
        """A sentence for each bar that is not reached."""
        found = []
        if self.seen_of_all >= MOST_SEEN:
            found.append(
                f"of {VISITORS:,.0f} visitors a second the service would see"
                f" {self.seen_of_all:,.0f}"
            )
        if self.beside_ms >= MOST_MS:
            found.append(f"one webhook in a hundred took {self.beside_ms:.0f} ms beside the crowd")
        if self.rate < VISITORS and self.cores > CORES:
            found.append(f"{VISITORS:,.0f} connections a second need {self.cores:.1f} cores")
        return found


def logged(lines: Iterable[str]) -> Logged:
    """Return what lines of nginx's log say of the crowd; the telephone's are left out."""
    requests = seen = resumed = others = 0
    for line in lines:
        words = line.rstrip("\n").split(" ")
        if words[_METHOD] != "GET":
            continue
        requests += 1
        seen += words[_NODE] != "-"
        resumed += words[_RESUMED] == "r"
        others += words[_STATUS] != "200"
    return Logged(requests, seen, resumed, others)


def figures(
    crowd: Came,
    log: Logged,
    webhooks: tuple[int, float],
    p99_ms: tuple[float, float],
    spent: tuple[Spent, Spent],
) -> Front:
    """Put together what was seen.

    `webhooks` are how many came, and how many a second; the pairs are without the crowd and with
    it. What the telephone alone took is not the crowd's: as many webhooks came both times.

    Raises CannotMeasure where the crowd was not what it should be.
    """
    if not crowd.answers or not log.requests:
        raise CannotMeasure("no visitor was answered")
    if crowd.refused or crowd.broken or log.others:
        raise CannotMeasure(
            f"of {log.requests} visitors {max(crowd.refused, log.others)} got no page,"
            f" and {crowd.broken} connections broke"
        )
    if log.resumed > MOST_RESUMED * log.requests:
        raise CannotMeasure(
            f"{log.resumed} of {log.requests} connections went on with an earlier one's TLS session"
        )
    count, (alone, beside) = crowd.answers, spent
    cores = os.cpu_count() or 1

    def each(seconds: float) -> float:
        return max(MILLISECONDS * seconds / count, 0.0)

    return Front(
        connections=count,
        seconds=crowd.seconds,
        seen=log.seen,
        webhooks_a_second=webhooks[1],
        alone_ms=p99_ms[0],
        beside_ms=p99_ms[1],
        nginx_ms=each(beside.nginx - alone.nginx),
        service_ms=each(beside.service - alone.service),
        load_ms=each(crowd.processor),
        interrupts_ms=each(beside.interrupts - alone.interrupts),
        cores_here=cores,
    )


# ---------------------------------------------------------------- nginx


@contextmanager
def nginx(folder: Path, node: int) -> Iterator[tuple[servers.Process, int, Path]]:
    """The nginx of deploy/ in front of a port: its process, its port with TLS, and its log.

    Raises CannotMeasure.
    """
    folder.mkdir()
    place = proxies.make_place(folder, node)
    file = proxies.nginx_file(place)
    text = file.read_text("utf-8")
    # As many processes as an operator has, and not a test's one.
    for old, new in (
        ("worker_processes 1;", "worker_processes auto;"),
        (LOG_ENDS, LOG_ENDS_HERE),
        # Webhooks are signed for that name.
        (proxies.NAME, NAME),
    ):
        if old not in text:
            raise CannotMeasure(f"deploy/nginx.conf has no {old}")
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    errors = folder / "nginx.log"
    with servers.running(*proxies.command("nginx", file), log=errors) as process:
        servers.wait_until(
            lambda: proxies.listens(place),
            process,
            lambda: f"nginx did not start: {errors.read_text('utf-8', 'replace').strip()[-300:]}",
        )
        yield process, place.tls, folder / "access.log"


# ---------------------------------------------------------------- who comes


class _Telephone:
    """Booking calls over nginx."""

    def __init__(self, everybody: Cast, port: int) -> None:
        house = everybody.house
        postcodes = stock.choose_postcodes(house.database_url)
        service = HttpTransport(f"http://{HOST}:{everybody.web.port}", traffic.BASE)
        self._signer = traffic.Signer(traffic.rehearse(service, postcodes[0]))
        self._callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)
        self._file, self._port = house.folder / "calls", port

    def full(self) -> float:
        """Webhooks a second that are answered at the most. Raises CannotMeasure."""
        script = self._script(math.ceil(MOST_WEBHOOKS * FULL_SECONDS / self._signer.webhooks))
        seen = load.replay(script, self._port, seconds=FULL_SECONDS, site=traffic.BASE)
        _good(seen)
        if seen.finished:
            raise CannotMeasure("the calls ended before the time was up")
        return seen.rate

    def calls(self, rate: float, seconds: float) -> Script:
        """Calls for so long, at so many webhooks a second; each connection has one at least."""
        return self._script(max(math.ceil(rate * seconds / self._signer.webhooks), CONNECTIONS))

    def ring(self, script: Script, rate: float) -> float:
        """Let them come; the slowest of a hundred webhooks, in milliseconds.

        Raises CannotMeasure.
        """
        _good(load.replay(script, self._port, rate=rate, site=traffic.BASE))
        return p99(script.times_ms(), "webhooks")

    def _script(self, count: int) -> Script:
        calls = [self._signer.call(one) for one in islice(self._callers, count)]
        return Script.of_calls(self._file, calls)


def _good(seen: LoadRun) -> None:
    if seen.bad_status or seen.broken:
        raise CannotMeasure(
            f"{seen.bad_status} webhooks were refused, and {seen.broken} connections broke"
        )


def _warm(port: int) -> None:
    """Ask the service itself for each page, until every worker has it in memory.

    A crowd comes to a service that runs since long.
    """
    for path in PAGES * WARM_TIMES:
        connection = http.client.HTTPConnection(HOST, port, timeout=load.LONGEST)
        try:
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            connection.getresponse().read()
        finally:
            connection.close()


# ---------------------------------------------------------------- both


def measure(folder: Path, redis_url: str, say: Say, seconds: float) -> Front:
    """Let the telephone ring, then once more beside the crowd. Raises CannotMeasure or Astray."""
    if said := parts.lacking(parts.NGINX):
        raise CannotMeasure(said)
    with cast.cast(folder, redis_url, _Behind) as everybody:
        return at_the_door(everybody, say, seconds)


def at_the_door(everybody: Cast, say: Say, seconds: float) -> Front:
    """The same, of processes that run. Raises CannotMeasure or Astray."""
    folder = everybody.house.folder
    with nginx(folder / "nginx", everybody.web.port) as (process, port, log):
        telephone = _Telephone(everybody, port)
        rate = telephone.full() * AT_WORK
        if rate < LEAST_WEBHOOKS:
            raise CannotMeasure(
                f"a tenth of what the telephone can is {rate:.0f} webhooks a second: the machine is"
                f" too busy, at least {LEAST_WEBHOOKS:g} are needed"
            )
        say(f"the telephone rings at {rate:.0f} webhooks a second, a tenth of what it can")

        def spent() -> Spent:
            web = sum(map(servers.processor_seconds, everybody.web.workers()))
            return Spent(servers.tree_seconds(process.pid), web, machine.interrupt_seconds())

        calls, began = telephone.calls(rate, seconds), spent()
        alone_ms = telephone.ring(calls, rate)
        alone = spent() - began
        say(f"alone, its p99 is {alone_ms:.1f} ms; now the crowd comes")
        again = telephone.calls(rate, seconds)
        _warm(everybody.web.port)
        # It is there when the first call rings, and still when the last one does.
        plan = CrowdPlan(port, NAME, PAGES, again.requests / rate + EARLIER + LATER)
        began = spent()
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(crowds.come, plan, folder, PROCESSES)
            time.sleep(EARLIER)
            beside_ms = telephone.ring(again, rate)
            crowd = coming.result()
        beside = spent() - began
    # nginx has ended, and its log is whole.
    with log.open(encoding="utf-8") as lines:
        wrote = logged(lines)
    webhooks = again.requests, rate
    return figures(crowd, wrote, webhooks, (alone_ms, beside_ms), (alone, beside))


# ---------------------------------------------------------------- the command


def main() -> int:
    parser = ALONE.parser()
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run (%(default)g)")
    options = parser.parse_args()
    if not 1 <= options.seconds <= MOST_SECONDS:
        parser.error(f"--seconds is from 1 to {MOST_SECONDS:g}")
    return ALONE.run(
        lambda folder, redis_url: told(measure(folder, redis_url, print, options.seconds)),
        page=options.page,
    )


def told(found: Front) -> Found:
    """Return what is said of it, and written."""
    return Found(asdict(found), table(found), means(found), found.missed())


def table(found: Front) -> str:
    """Return the figures as a table of the page."""
    whole = f"{VISITORS:,.0f}"
    rows = (
        ("new connections a second, with TLS", f"{found.rate:,.0f}", ""),
        ("of which the service saw, a second", f"{found.seen / found.seconds:,.1f}", ""),
        (
            f"**of {whole} a second it would see**",
            f"**{found.seen_of_all:,.0f}**",
            f"< {MOST_SEEN:g}",
        ),
        ("webhooks a second beside them", f"{found.webhooks_a_second:,.0f}", ""),
        ("their p99 without the crowd, ms", f"{found.alone_ms:,.1f}", ""),
        ("**their p99 beside the crowd, ms**", f"**{found.beside_ms:,.1f}**", f"< {MOST_MS:g}"),
        ("processor for a connection, ms: nginx", f"{found.nginx_ms:.3f}", ""),
        ("the same: the service", f"{found.service_ms:.3f}", ""),
        ("the same: the load", f"{found.load_ms:.3f}", ""),
        ("the same: interrupts, of both ends", f"{found.interrupts_ms:.3f}", ""),
        (
            f"**cores of nginx for {whole} a second**",
            f"**{found.cores:.1f}**",
            f"≤ {CORES}, or {whole} here",
        ),
    )
    lines = [f"| {name} | {value} | {bar} |".replace("|  |", "| |") for name, value, bar in rows]
    return "\n".join(("| | | bar |", "|---|---:|---|", *lines))


def means(found: Front) -> str:
    """Return in words what it means on a machine of eight cores."""
    return (
        f"nginx, the service, PostgreSQL and the load shared {found.cores_here} cores. By what"
        f" nginx and the network had of a processor for a connection, {VISITORS:,.0f} a second take"
        f" {found.cores:.1f} cores, {100 * found.cores / CORES:.0f} % of a machine of {CORES};"
        f" busy to {100 * BUSY:.0f} %, that machine takes"
        f" {CORES * BUSY * VISITORS / found.cores:,.0f} a second."
    )


if __name__ == "__main__":
    sys.exit(main())
