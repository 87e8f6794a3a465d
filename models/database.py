"""The engine, and the two ways to use it: single statements and transactions.

`Database.statement()` runs autocommitted statements, one round trip each: what a turn without
effect needs. `Database.transaction()` commits when its block ends and rolls back when it raises.
"""

from __future__ import annotations

import fcntl
import os
import threading

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

# Use cases hand connections on without knowing SQLAlchemy.
__all__ = ["Connection", "Database"]

# SQLite waits this long for another writer (milliseconds) before it gives up.
SQLITE_BUSY_TIMEOUT_MS = 5000
# A web worker has 16 threads.
POOL_SIZE = 16


class Database:
    """One database, PostgreSQL or SQLite.

    `url` is a SQLAlchemy URL; `postgresql://` means psycopg 3. Up to `pool_size` connections are
    kept for single statements, and half as many for transactions.
    """

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"max_overflow": 0, "pool_timeout": 4}
        if self.is_sqlite:
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            options["connect_args"] = {
                "timeout": SQLITE_BUSY_TIMEOUT_MS / 1000,
                "check_same_thread": False,
            }
        else:
            # A dead server is noticed within the five seconds that a turn may take.
            options["connect_args"] = {"connect_timeout": 3, "options": "-c statement_timeout=4000"}
            options["pool_use_lifo"] = True
            options["isolation_level"] = "READ COMMITTED"
        # Half as many: one turn in four needs a transaction, and a transaction is short.
        self.engine: Engine = create_engine(parsed, pool_size=max(pool_size // 2, 1), **options)
        # Connections of their own: switching one between the two modes costs more than the turn's
        # statements, and nothing is left to reset when each statement has committed by itself.
        options |= {
            "isolation_level": "AUTOCOMMIT",
            "pool_reset_on_return": None,
            "pool_size": pool_size,
        }
        self._autocommit: Engine = create_engine(parsed, **options)
        self.engines = (self.engine, self._autocommit)
        self._queue: WriterQueue | None = None
        if self.is_sqlite:
            if parsed.database:
                self._queue = WriterQueue(Path(f"{parsed.database}-writer"))
            for engine in self.engines:
                event.listen(engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_immediate)

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection on which every statement commits by itself."""
        with self._autocommit.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction: BEGIN IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL."""
        with self.one_writer(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def one_writer(self) -> Iterator[None]:
        """Around a write outside a transaction; nothing on PostgreSQL.

        SQLite has one writer at a time and lets the others sleep, up to a tenth of a second
        between two looks. Those of this machine queue here instead, and go on at once.
        """
        if self._queue is None:
            yield
            return
        with self._queue:
            yield

    @contextmanager
    def together(self, connection: Connection) -> Iterator[None]:
        """Around writes on a connection of `statement()`: SQLite commits them as one.

        Nothing on PostgreSQL, where whoever needs it writes them as one statement.
        """
        if not self.is_sqlite:
            yield
            return
        driver: Any = connection.connection.driver_connection
        with self.one_writer():
            driver.execute("BEGIN IMMEDIATE")
            try:
                yield
                driver.execute("COMMIT")
            except BaseException:
                driver.execute("ROLLBACK")
                raise

    def analyze(self) -> None:
        """Let PostgreSQL's planner count anew, after many rows came or went.

        Left to itself it does so within a minute, and plans the first calls as for empty tables.
        """
        if not self.is_sqlite:
            with self.statement() as connection:
                connection.execute(text("ANALYZE centre, postcode, slot, place"))

    def ping(self) -> None:
        """Raise SQLAlchemy's OperationalError unless the store answers."""
        with self.statement() as connection:
            connection.execute(text("SELECT 1"))

    def dispose(self) -> None:
        for engine in self.engines:
            engine.dispose()
        if self._queue is not None:
            self._queue.close()


class WriterQueue:
    """One writer of a file at a time: a lock among threads, and one among processes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = threading.RLock()
        self._depth = 0
        self._descriptor = -1

    def __enter__(self) -> None:
        self._thread.acquire()
        self._depth += 1
        if self._depth == 1:
            if self._descriptor < 0:
                self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_error: object) -> None:
        self._depth -= 1
        if not self._depth:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._thread.release()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: see _begin_immediate.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(
        "PRAGMA synchronous=NORMAL"
    )  # a power cut may lose the last commits: development only
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred BEGIN that turns into a writer fails with SQLITE_BUSY whatever the timeout. Only
    # the transactions' engine does this: a BEGIN on the other one would lose its writes.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
