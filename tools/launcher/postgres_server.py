"""The PostgreSQL of this copy, where DATABASE_URL names none: shared by all that uses it.

`make run` and each `flask …` that asks the store have a share of it. The first one starts it, by a
keeper (`tools.launcher.postgres_keeper`), and it stops once the last one is gone, killed or not.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time

from contextlib import suppress
from pathlib import Path
from typing import IO

import psycopg

from psycopg import errors, sql

import config

from tools.launcher.errors import CannotStart
from tools.launcher.postgres_keeper import beside

# Seconds. After a crash the server first reads what it had written last.
START_DEADLINE = 90.0
STOP_DEADLINE = 60.0
LOOKS_EVERY = 0.03
CONNECT_SECONDS = 5


class OwnPostgres:
    """A server on `data`, and this process's share of it."""

    def __init__(self, data: Path = config.POSTGRES) -> None:
        self._data = data
        self.sockets = config.socket_folder(data, ".s.PGSQL.5432")
        self._share: IO[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._keepers: list[subprocess.Popen[bytes]] = []

    def url(self, database: str) -> str:
        return config.own_postgres_url(database, self._data)

    def share(self) -> None:
        """Take a share of the server, which runs until the last share ends. Start no server."""
        if self._share is None:
            self._data.parent.mkdir(parents=True, exist_ok=True)
            self._share = beside(self._data, "users").open("ab")
            # One that is stopping at this moment is waited for.
            fcntl.flock(self._share, fcntl.LOCK_SH)

    def ensure(self, database: str) -> None:
        """Have a share of the server, which answers and has this database. Raises CannotStart."""
        with self._one_at_a_time:
            if self._share is not None and self._is_kept():
                return
            self.share()
            old = self._data.with_name(f"{database}.sqlite3")
            if old.exists() and not self._data.exists():
                print(
                    f"PostgreSQL starts anew in {self._data}; {old} has the data of before, which"
                    " nothing reads any more",
                    file=sys.stderr,
                )
            try:
                self._start(database)
            except BaseException:
                self._give_back()
                raise

    def leave(self) -> None:
        """Give the share back, and wait until the server has stopped, unless others use it."""
        self._give_back()
        deadline = time.monotonic() + STOP_DEADLINE
        while self._is_kept():
            if self._is_used() or time.monotonic() > deadline:
                return
            time.sleep(LOOKS_EVERY)
        for keeper in self._keepers:
            keeper.wait()

    def _give_back(self) -> None:
        if self._share is not None:
            self._share.close()
            self._share = None

    def _start(self, database: str) -> None:
        keeper: subprocess.Popen[bytes] | None = None
        deadline = time.monotonic() + START_DEADLINE
        while not (self._is_kept() and self._has(database)):
            # One that ends well has found another, which may be gone since.
            if not self._is_kept() and (keeper is None or keeper.poll() == 0):
                keeper = self._start_keeper()
            if (keeper is not None and keeper.poll()) or time.monotonic() > deadline:
                raise self._cannot_start()
            time.sleep(LOOKS_EVERY)

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        keeper = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tools.launcher.postgres_keeper",
                str(self._data),
                str(self.sockets),
            ],
            cwd=config.ROOT,
            # It needs none of our secrets, and is not ended with the run that it may outlive.
            env={"PATH": config.environment().get("PATH", "")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._keepers.append(keeper)
        return keeper

    def _has(self, database: str) -> bool:
        """Whether the keeper's server answers; a database that is not there yet is made.

        One that has lost its keeper answers too, until the next keeper stops it.
        """
        if not beside(self._data, "keeper").stat().st_size:
            return False
        found = "SELECT 1 FROM pg_database WHERE datname = %s"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database))
        try:
            with psycopg.connect(
                self.url("postgres"), autocommit=True, connect_timeout=CONNECT_SECONDS
            ) as connection:
                if not connection.execute(found, [database]).fetchone():
                    # Another process may be as quick.
                    with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                        connection.execute(create)
        except psycopg.OperationalError:
            return False
        return True

    def _is_kept(self) -> bool:
        return _is_held(beside(self._data, "keeper"), fcntl.LOCK_SH)

    def _is_used(self) -> bool:
        """Tell whether a process has a share; a keeper that stops the server has all of it."""
        users = beside(self._data, "users")
        # Looked at twice: a keeper may take or give back all of it in between.
        return all(
            _is_held(users, fcntl.LOCK_EX) and not _is_held(users, fcntl.LOCK_SH) for _ in range(2)
        )

    def _cannot_start(self) -> CannotStart:
        log = beside(self._data, "log")
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        told = [line for line in lines if "FATAL" in line or "error" in line] or lines
        said = f" ({told[-1].strip()})" if told else ""
        return CannotStart(
            f"the PostgreSQL that comes with the service does not start{said}; see {log}, or name"
            " a running one: DATABASE_URL=postgresql:///allo make run"
        )


def _is_held(file: Path, how: int) -> bool:
    """Tell whether a process holds a lock that keeps this one from being had."""
    try:
        with file.open("ab") as lock:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
