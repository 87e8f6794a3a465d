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
from launcher.environment import exports, inherited
from launcher.ports import HOST
from launcher.processes import signal_group
from launcher.redis_server import find_redis_server, redis_answers, redis_arguments
from models.crypto import Vault
from models.database import Database
from models.migrations.runner import upgrade
from services.store import NO_LIMITS, Store
from tests.support.keeper import held, wait_for_keepers
from tests.support.postgres import shared_server

START_SECONDS = 40.0
CAMPAIGN = Path(__file__).with_name("one_dose.toml")
# What decides how long a commit takes, and how much is kept in memory.
POSTGRES_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_connections",
)


class CannotMeasure(Exception):
    """One sentence: what is missing or did not start, and what to do about it."""


@dataclass(frozen=True)
class Web:
    """A running web server; `workers` answer its requests."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

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

    def environment(self, name: str) -> dict[str, str]:
        """Every setting, as `make run` writes them out; the same for the service and the floors."""
        metrics = self.folder / f"metrics-{self.name}-{name}"
        metrics.mkdir(exist_ok=True)
        changed = {setting.upper(): value for setting, value in self.settings.items()}
        made = environment(self.database_url, self.redis_url)
        return made | {"PROMETHEUS_MULTIPROC_DIR": str(metrics)} | changed


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


def environment(database_url: str, redis_url: str) -> dict[str, str]:
    """Return the same for a process of its own, as `make run` writes it out.

    But for the folder of counters, which `make run` makes and a command alone has no use for.
    """
    made = settings(database_url, redis_url)
    env = exports(made, redis_url=redis_url, base=inherited())
    return {name: value for name, value in env.items() if name != "PROMETHEUS_MULTIPROC_DIR"}


def processor_seconds(pid: int) -> float:
    """Return what a process has had of a core since it began, its threads together."""
    return _ticks(pid, 2) / os.sysconf("SC_CLK_TCK")


def workers_seconds(web: Web) -> float:
    """Return the same of all workers of a server."""
    return sum(map(processor_seconds, web.workers()))


def tree_seconds(pid: int) -> float:
    """Return the same of a process and of all that it started; of those that ended it knows."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        own = _ticks(pid, 4) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0
    return own + sum(tree_seconds(int(one)) for one in children)


def server_seconds(database_url: str) -> float:
    """Return the same of all processes that a PostgreSQL on this machine has or had."""
    with psycopg.connect(floors.libpq(make_url(database_url)), autocommit=True) as connection:
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    return tree_seconds(int(Path(folder, "postmaster.pid").read_text("ascii").split()[0]))


def _ticks(pid: int, fields: int) -> int:
    # The name in brackets may have blanks in it; what follows it has not.
    after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return sum(map(int, after_name[11 : 11 + fields]))


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP unwind the blocks, as Ctrl-C does."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


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
    the database `template` there, where one is named: nobody may be connected to it.
    """
    url = make_url(database_url)
    with psycopg.connect(floors.libpq(url.set(database="postgres")), autocommit=True) as server:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        of = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        server.execute(sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), of))
    return url.set(database=name).render_as_string(hide_password=False)


def migrate(database_url: str) -> None:
    """Make all tables."""
    upgrade(database_url)


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
        facts = {}
        for name in ("server_version", *POSTGRES_SETTINGS):
            row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            facts[name] = str(row[0]) if row else ""
    return facts


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
        wait_until(lambda: redis_answers(url), process, f"{server} did not start")
        yield url


def command(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run one of the service's own commands to its end. Raises CannotMeasure."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        cwd=config.ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise CannotMeasure(f"flask {' '.join(arguments)} failed: {''.join(last)}")
    return done.stdout


@contextmanager
def web(house: House, name: str, factory: str) -> Iterator[Web]:
    """Run an application as Procfile.dev runs the service. Raises CannotMeasure."""
    line = web_line().replace("wiring:create_server", factory)
    if factory not in line:
        raise CannotMeasure("the web line of Procfile.dev does not start wiring:create_server")
    with _served(house, name, line) as server:
        yield server


# Two workers as the service has; eight threads each, as many as have a connection to the database.
_USUAL = (
    "granian --interface wsgi --factory {factory} --workers 2 --blocking-threads 8"
    ' --port "$SERVICE_PORT" --http 1 --log-level error'
)


@contextmanager
def usual(house: House, name: str, factory: str) -> Iterator[Web]:
    """Run a Flask application as its author would: by a server's threads. Raises CannotMeasure."""
    with _served(house, name, _USUAL.format(factory=factory)) as server:
        yield server


@contextmanager
def _served(house: House, name: str, line: str) -> Iterator[Web]:
    port = free_port()
    env = house.environment(name) | {"SERVICE_PORT": str(port)}
    log = house.folder / f"{house.name}-{name}.log"
    with running("/bin/sh", "-c", f"exec {line}", environment=env, log=log) as process:
        server = Web(name, port, process, log)
        _wait_until_served(server)
        yield server


def web_line() -> str:
    """Return the web line of Procfile.dev."""
    for line in (config.ROOT / "Procfile.dev").read_text("utf-8").splitlines():
        if line.startswith("web:"):
            return line.removeprefix("web:").strip()
    raise CannotMeasure("Procfile.dev has no web line")


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[Any], sentence: Callable[[], str] | str
) -> None:
    """Raise CannotMeasure with the sentence where the process ends, or is not ready in its time."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotMeasure(sentence if isinstance(sentence, str) else sentence())
        time.sleep(0.1)


def _wait_until_served(server: Web) -> None:
    def sentence() -> str:
        last = server.log.read_text("utf-8", "replace").strip().splitlines()[-3:]
        return f"the web server of {server.name} did not start: {' / '.join(last)}"

    # A floor knows no /healthz; any answer at all shows that it serves.
    wait_until(lambda: responds(server.port), server.process, sentence)


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
