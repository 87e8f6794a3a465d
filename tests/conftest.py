"""Fixtures for every test: databases, a Redis, and the shared material.

They may be used by several processes at a time (pytest-xdist): one PostgreSQL server a run, a
database a test, a Redis a process.
"""

from __future__ import annotations

import gc

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from sqlalchemy import make_url

from models.database import Database
from models.migrations.runner import upgrade
from tests.support import parts
from tests.support.keeper import ROOT, folder_of_a_run
from tests.support.pgbouncer import running_pgbouncer, through
from tests.support.postgres import (
    RESTRICTED_PASSWORD,
    PostgresServer,
    UsedAgain,
    as_restricted,
    forget_role,
    make_restricted,
    shared_server,
)
from tests.support.redis_server import running_redis
from tests.support.shared_work import share_statements
from tools.launcher.environment import inherited

# Fixtures that tests of several folders share.
pytest_plugins = [
    "tests.support.cheap_passwords",
    "tests.support.stages",
    "tests.support.imports",
    "tests.support.office",
]

_run_folder = pytest.StashKey[Path]()
_at_end = pytest.StashKey[ExitStack]()


# ---------------------------------------------------------------- the run

# Folders of tests that start processes, and fixtures that start a server for one test.
SLOW_FOLDERS = {"bench", "browser", "crash", "exchange", "launcher", "recipes", "simulator", "sip"}
SLOW_FIXTURES = {"own_postgres", "redis_url", "browser", "promtool"}
# Of tests on a database, `make check` runs those of these folders: there a place is given twice.
STORE_FOLDERS = {"booking", "call", "queue", "slots", "waiting_list"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update", action="store_true", help="write the recorded calls of tests/calls anew"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no slow folder for `make check`: to read tests takes as long as to run many of them."""
    is_check = "not slow" in config.getoption("markexpr")
    return True if is_check and collection_path.name in SLOW_FOLDERS else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow each test that starts something; other slow tests carry the mark themselves."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        folders = set(item.path.relative_to(ROOT).parts)
        is_store_test = "postgres_server" in fixtures
        if (
            SLOW_FIXTURES & fixtures
            or SLOW_FOLDERS & folders
            or (is_store_test and not STORE_FOLDERS & folders)
        ):
            item.add_marker("slow")


def pytest_configure(config: pytest.Config) -> None:
    worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[_run_folder] = Path(worker_input["run_folder"])
        return
    at_end = config.stash[_at_end] = ExitStack()
    config.stash[_run_folder] = at_end.enter_context(folder_of_a_run("allo-tests"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["run_folder"] = str(node.config.stash[_run_folder])


def pytest_unconfigure(config: pytest.Config) -> None:
    at_end = config.stash.get(_at_end, None)
    if at_end is not None:
        at_end.close()


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what stays to the end of the run.

    It would look through a million objects of modules and tests every few hundred tests; and most
    of what a test makes is gone without it, long before it has made so many.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """A temporary folder that all processes of this run share."""
    return pytestconfig.stash[_run_folder]


@pytest.fixture(scope="session")
def process_name(pytestconfig: pytest.Config) -> str:
    """The name of this process among those of the run, fit for file and database names."""
    worker_input: dict[str, Any] = getattr(pytestconfig, "workerinput", {})
    return str(worker_input.get("workerid", "main"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The material beside the checkout, or where ALLO_SHARED says; skips where there is none."""
    folder = Path(parts.environment("ALLO_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}: name the shared material with ALLO_SHARED")
    return folder


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def postgres_server(run_folder: Path, process_name: str) -> Iterator[PostgresServer]:
    """The run's PostgreSQL, or that of TEST_DATABASE_URL. It does not wait for the disk."""
    parts.require(parts.POSTGRES)
    prefix = f"{run_folder.name.replace('-', '_')}_{process_name}".lower()
    given = parts.environment("TEST_DATABASE_URL")
    if given:
        server = PostgresServer(given.replace("+psycopg", "", 1), prefix)
    else:
        server = shared_server(run_folder, prefix=prefix, environment=inherited())
    with server.one_connection():
        yield server


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """A migrated database to copy: migrations take longer than a copy."""
    url = postgres_server.create(name=f"{postgres_server.prefix}_template")
    upgrade(url)
    role = f"{postgres_server.prefix}_restricted"
    if parts.comes_restricted():
        make_restricted(url, role)
    yield f"{postgres_server.prefix}_template"
    postgres_server.drop(url)
    if parts.comes_restricted():
        forget_role(postgres_server.url, role)


@pytest.fixture(scope="session")
def _pgbouncer(postgres_server: PostgresServer) -> Iterator[str]:
    parts.require(parts.PGBOUNCER)
    owner = make_url(postgres_server.url)
    passwords = {
        str(owner.username): owner.password or "",
        f"{postgres_server.prefix}_restricted": RESTRICTED_PASSWORD,
    }
    with running_pgbouncer(postgres_server.url, passwords) as folder:
        yield folder


@pytest.fixture(scope="session")
def _postgres_database(
    postgres_server: PostgresServer, _postgres_template: str
) -> Iterator[UsedAgain]:
    database = UsedAgain(postgres_server, _postgres_template)
    yield database
    database.drop()


@pytest.fixture
def database_url(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, _postgres_database: UsedAgain
) -> Iterator[str]:
    """A migrated, empty database that no other test uses meanwhile."""
    marked = request.node.get_closest_marker
    # Such a test looks at the server itself.
    url = _postgres_database.take(only_new=bool(marked("owner") or marked("direct")))
    if parts.comes_restricted() and not marked("owner"):
        url = as_restricted(url, f"{postgres_server.prefix}_restricted")
    if parts.comes_pooled() and not (marked("owner") or marked("direct")):
        url = through(url, request.getfixturevalue("_pgbouncer"))
    yield url
    _postgres_database.give_back()


@pytest.fixture(scope="module")
def new_store(
    postgres_server: PostgresServer, _postgres_template: str
) -> Iterator[Callable[[], str]]:
    """Each call gives the URL of one more migrated, empty database of this file of tests."""
    made: list[str] = []

    def create() -> str:
        made.append(postgres_server.create(template=_postgres_template))
        return made[-1]

    yield create
    for url in made:
        postgres_server.drop(url)


@pytest.fixture
def empty_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of the test's own that nothing was ever migrated in."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def migrated_url(postgres_server: PostgresServer, _postgres_template: str) -> Iterator[str]:
    """A migrated database whose schema the test may change; it is dropped afterwards."""
    url = postgres_server.create(template=_postgres_template)
    yield url
    postgres_server.drop(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """`database_url`, opened."""
    opened = Database(database_url)
    share_statements(*opened.engines)
    yield opened
    opened.dispose()


# ---------------------------------------------------------------- Redis


@pytest.fixture(scope="session")
def _redis_server(run_folder: Path, process_name: str) -> Iterator[str]:
    parts.require(parts.REDIS)
    with running_redis(run_folder, f"redis-{process_name}", environment=inherited()) as url:
        yield url


@pytest.fixture
def redis_url(_redis_server: str) -> str:
    """The URL of a real, empty Redis that no other test uses meanwhile."""
    with redis.Redis.from_url(_redis_server) as client:
        client.flushall()
    return _redis_server
