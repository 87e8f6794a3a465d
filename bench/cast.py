"""Every process of a service in production, the exchange as the provider, and what they took.

The web and the exchange come first; the others are started one after the other, or all together.
"""

from __future__ import annotations

import contextlib
import sys
import time

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine, servers, stock
from bench.screens import dispatcher
from bench.servers import CannotMeasure, House, Web
from launcher.ports import HOST
from services import logs

WEB, DATABASE, WORKER, EXCHANGE = "web", "database", "worker", "exchange"
SCHEDULER, DISPATCHER = "scheduler", "dispatcher"
# What runs beside the web, in the order in which they are started.
BESIDE: Final = (WORKER, SCHEDULER, DISPATCHER)


@dataclass(frozen=True)
class Took:
    """What was taken in some seconds: of a processor by process, and of PostgreSQL.

    `commits` are all transactions that ended well, and `writes` those that wrote something.
    """

    seconds: float
    processor: Mapping[str, float]
    wal: int
    files: int
    commits: int
    writes: int


class Cast:
    """All that runs, and how what it took is read."""

    def __init__(self, house: House, web: Web, stack: ExitStack) -> None:
        self.house, self.web = house, web
        self._stack = stack
        self._took: dict[str, Callable[[], float]] = {
            WEB: lambda: sum(map(servers.processor_seconds, web.workers())),
            DATABASE: lambda: servers.server_seconds(house.database_url),
        }
        self.counts = stack.enter_context(contextlib.closing(stock.RowCounts(house.database_url)))

    def start(self, name: str) -> None:
        """Start one of the others. Raises CannotMeasure."""
        if name == DISPATCHER:
            process = self._stack.enter_context(dispatcher(self.house))
        elif name == EXCHANGE:
            port = servers.provider_port()
            process = self._run(name, "-m", "simulator", "--port", str(port))
            servers.wait_until(
                lambda: servers.responds(port), process, "the exchange did not start"
            )
        else:
            process = self._run(name, "-m", "flask", name)
        self._took[name] = lambda: servers.tree_seconds(process.pid)

    def _run(self, name: str, *arguments: str) -> servers.Process:
        at = {"SERVICE_URL": f"http://{HOST}:{self.web.port}", "SERVICE_PORT": str(self.web.port)}
        return self._stack.enter_context(
            servers.running(
                *(sys.executable, *arguments),
                environment=self.house.environment(name) | at,
                log=self.house.folder / f"{name}.log",
            )
        )

    def took(self, work: Callable[[], None]) -> Took:
        """Return what everybody takes while this is done. Raises CannotMeasure."""
        before, began = {name: read() for name, read in self._took.items()}, time.monotonic()
        wrote = self.counts.written()
        work()
        written, seconds = self.counts.written(), time.monotonic() - began
        if written is None or wrote is None:
            raise CannotMeasure("only PostgreSQL tells what it writes")
        return Took(
            seconds,
            {name: read() - before[name] for name, read in self._took.items()},
            written.wal - wrote.wal,
            written.files - wrote.files,
            written.commits - wrote.commits,
            written.writes - wrote.writes,
        )


@contextmanager
def stage() -> Iterator[tuple[Path, str, machine.OthersShare]]:
    """A folder and the URL of Redis for a measurement, and what others have of the machine."""
    logs.configure("ERROR")
    with (
        servers.ended_by_signals(),
        servers.workshop() as folder,
        servers.redis(folder) as redis_url,
        machine.OthersWatch(folder).watching() as others,
    ):
        yield folder, redis_url, others


def demonstration(folder: Path, redis_url: str, kind: type[House] = House) -> House:
    """A house with a PostgreSQL of the demonstration. Raises CannotMeasure.

    A `kind` of house may have settings of its own.
    """
    url = servers.postgres_url(folder)
    env = servers.environment(url, redis_url)
    for step in ("migrate", "demo"):
        servers.command(step, environment=env)
    servers.settle(url)
    return kind(folder, servers.POSTGRES, url, redis_url)


@contextmanager
def cast(folder: Path, redis_url: str, kind: type[House] = House) -> Iterator[Cast]:
    """The web and the exchange, in a house of the demonstration. Raises CannotMeasure."""
    house = demonstration(folder, redis_url, kind)
    with ExitStack() as stack:
        web = stack.enter_context(servers.web(house, "service", "wiring:create_server"))
        everybody = Cast(house, web, stack)
        everybody.start(EXCHANGE)
        yield everybody
