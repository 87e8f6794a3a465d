"""The servers a measurement needs, each ended when its block ends, however that happens."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psycopg

from psycopg import sql
from sqlalchemy import make_url

import config

from bench import floors, traffic
from exchange.testing.ports import free_port
from models.crypto import Vault
from models.database import Database
from services.store import NO_LIMITS, Store
from tests.support.keeper import held, wait_for_keepers
from tests.support.postgres import shared_server
from tools.launcher.environment import exports, inherited
from tools.launcher.ports import HOST
from tools.launcher.processes import signal_group
from tools.launcher.redis_server import find_redis_server, redis_answers, redis_arguments

START_SECONDS = 40.0
SERVICE = "app.web:create_server"
CAMPAIGN = Path(__file__).with_name("one_dose.toml")
# What decides how long a commit takes.
POSTGRES_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")


class CannotMeasure(Exception):
    """One sentence: what is missing or did not start, and what to do about it."""


@dataclass(frozen=True)
class Web:
    """A running web server; `workers` answer its requests."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """Process ids of the workers, which are the children of the server."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text("ascii").split() if _is_worker(int(pid))]


@dataclass(frozen=True)
class House:
    """What the web servers of one database share, with settings of their own beside the bench's.

    `name` begins the names of its files.
    """

    folder: Path
    name: str
    database_url: str
    redis_url: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def environment(self, name: str = "") -> dict[str, str]:
        """Every setting, as `make run` writes them out; the same for the service and the floor.

        Without a name, for a command alone, there is no folder of counters.
        """
        made = settings(self.database_url, self.redis_url)
        env = exports(made, redis_url=self.redis_url, base=inherited())
        del env["PROMETHEUS_MULTIPROC_DIR"]
        if name:
            metrics = self.folder / f"metrics-{self.name}-{name}"
            metrics.mkdir(exist_ok=True)
            env["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
        return env | {setting.upper(): value for setting, value in self.settings.items()}

    def command(self, *arguments: str) -> str:
        """Run one of the service's own commands to its end. Raises CannotMeasure."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=config.ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise CannotMeasure(f"flask {' '.join(arguments)} failed: {''.join(last)}")
        return done.stdout


# Parts and calls that no measurement comes near.
PLENTY = 100_000_000


def settings(database_url: str, redis_url: str) -> config.Settings:
    """Return the settings of the service that is measured; nothing of `.env` is in them."""
    return config.Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=database_url,
        redis_url=redis_url,
        public_base_url=traffic.BASE,
        twilio_auth_token=traffic.TOKEN,
        twilio_account_sid=traffic.ACCOUNT,
        campaign=str(CAMPAIGN),
        log_level="INFO",
        # All visitors of a measurement come from one address, and type back no code.
        unproved_per_address=0,
        unproved_per_birth_date=0,
        unproved_per_number=0,
        bookings_without_number=0,
        # Nor are they as slow as people.
        holds_per_address=0,
        offers_stay_seconds=0,
        seconds_per_answer=0,
        seconds_to_book=0,
        # Agents are rung as fast as they become free, by a provider that is ours.
        twilio_api_base_url=f"http://{HOST}:{provider_port()}",
        calls_per_second=100.0,
        # A bench writes to a few numbers from one address, more than a nation does in a day.
        sms_parts_per_day=PLENTY,
        sms_parts_per_number=PLENTY // 100,
        sms_parts_per_client=PLENTY,
        sms_parts_per_prefix=PLENTY,
        calls_per_day=PLENTY,
    )


@functools.cache
def provider_port() -> int:
    """Where the provider of this measurement is, whenever there is one (bench/at_work.py)."""
    return free_port()


def tree_seconds(pid: int) -> float:
    """Return what a process and all that it started have had of a core; 0 where it has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        # The name in brackets may have blanks in it; what follows it has not.
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    own = sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(tree_seconds(int(child)) for child in children)


def workers_seconds(web: Web) -> float:
    """Return the same of all workers of a server."""
    return sum(map(tree_seconds, web.workers()))


def server_seconds(database_url: str) -> float:
    """Return the same of a PostgreSQL on this machine."""
    with psycopg.connect(floors.libpq(make_url(database_url)), autocommit=True) as connection:
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    return tree_seconds(int(Path(folder, "postmaster.pid").read_text("ascii").split()[0]))


def end_by_signals() -> None:
    """Make SIGTERM and SIGHUP unwind the blocks, as Ctrl-C does."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder for the whole measurement, with a short name: it holds sockets."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="allo-bench-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(wait_for_keepers, folder / "alive")
        stack.enter_context(held(folder / "alive"))
        yield folder


def postgres_url(folder: Path) -> str:
    """Start (once) the PostgreSQL of this measurement, which waits for the disk; a new database."""
    server = shared_server(folder, prefix="bench", environment=inherited(), durable=True)
    return server.create()


def beside(database_url: str, name: str, template: str = "") -> str:
    """Return a new database on the same server.

    A part that is repeated begins with nothing: what its first try left is removed. It is a copy of
    the database `template` there, where one is named: no process may be connected to it.
    """
    url = make_url(database_url)
    with psycopg.connect(floors.libpq(url.set(database="postgres")), autocommit=True) as server:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        of = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        server.execute(sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), of))
    return url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def opened(database_url: str) -> Iterator[Database]:
    """A database with one connection, which is closed when its block ends."""
    database = Database(database_url, pool_size=1)
    try:
        yield database
    finally:
        database.dispose()


def store_of(database_url: str) -> Store:
    """The service's store on a database, with a key of the bench's own."""
    return Store(Database(database_url, pool_size=2), Vault([bytes(range(32))]), reach=NO_LIMITS)


# Tables with something in them, which a server that runs all day looks at by itself. One that is
# told of an empty one reads it whole from then on, and not its index, until it is told of another.
_FILLED = """
SELECT string_agg(quote_ident(relname), ', ' ORDER BY relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""


def settle(database_url: str) -> None:
    """Let the planner know what is there now, as a server that runs all day does by itself."""
    with opened(database_url) as database, database.statement() as connection:
        # It is no statement of the service, and takes as long as it takes.
        connection.exec_driver_sql("SET statement_timeout = 0")
        filled = connection.exec_driver_sql(_FILLED).scalar_one()
        connection.exec_driver_sql(f"VACUUM ANALYZE {filled or ''}")
        connection.exec_driver_sql("CHECKPOINT")


def postgres_facts(database_url: str) -> dict[str, str]:
    """Return the version, and the settings that say what a commit means."""
    with psycopg.connect(floors.libpq(make_url(database_url))) as connection:
        query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
        rows = connection.execute(query, (["server_version", *POSTGRES_SETTINGS],)).fetchall()
    return {name: str(value) for name, value in rows}


@contextmanager
def running(
    *command: str, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, and all its children with it."""
    with (log or Path(os.devnull)).open("ab") as output:
        # A group of its own, so that Ctrl-C is ours to pass on.
        process = subprocess.Popen(
            command,
            cwd=config.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The Redis that `make run` would use; gives its URL. Raises CannotMeasure."""
    server = find_redis_server()
    if server is None:
        raise CannotMeasure("no Redis found; on Debian: apt-get install redis-server")
    socket_path = folder / "redis.sock"
    url = f"unix://{socket_path}"
    with running(str(server), *redis_arguments(socket_path)) as process:
        wait_until(lambda: redis_answers(url), process, str(server))
        yield url


# Two workers as the service has; eight threads each, as many as have a connection to the database.
USUAL = (
    "granian --interface wsgi --factory app.web:create_server --workers 2 --blocking-threads 8"
    ' --port "$SERVICE_PORT" --http 1 --log-level error'
)


@contextmanager
def web(house: House, name: str, factory: str = SERVICE, line: str = "") -> Iterator[Web]:
    """Run an application by a line, or as Procfile.dev runs the service. Raises CannotMeasure."""
    lines = (config.ROOT / "Procfile.dev").read_text("utf-8").splitlines()
    (of_service,) = (line.removeprefix("web:") for line in lines if line.startswith("web:"))
    port = free_port()
    env = house.environment(name) | {"SERVICE_PORT": str(port)}
    log = house.folder / f"{house.name}-{name}.log"
    command = f"exec {(line or of_service.strip()).replace(SERVICE, factory)}"
    with running("/bin/sh", "-c", command, environment=env, log=log) as process:
        # A floor knows no /healthz; any answer at all shows that it serves.
        wait_until(lambda: responds(port), process, f"the web server of {name}", log)
        yield Web(name, port, process)


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[Any], what: str, log: Path | None = None
) -> None:
    """Raise CannotMeasure where the process ends, or `what` is not ready in its time."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text("utf-8", "replace").strip().splitlines()[-3:] if log else []
            raise CannotMeasure(f"{what} did not start: {' / '.join(last)}")
        time.sleep(0.1)


def responds(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(timeout=6)
    except subprocess.TimeoutExpired:
        process.kill()
    signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _is_worker(pid: int) -> bool:
    # multiprocessing starts a resource tracker beside the workers.
    with contextlib.suppress(OSError):
        return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
