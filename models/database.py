"""The engine, and the two ways to use it: single statements and transactions.

`Database.statement()` runs autocommitted statements, one round trip each: what a turn without
effect needs. `Database.transaction()` commits when its block ends and rolls back when it raises.
"""

from __future__ import annotations

import os
import re
import socket
import threading

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneLeft
from sqlalchemy.pool import Pool

from models.addresses import read_url
from models.replica import Replica
from models.time_left import NotInTime, TimeLeft

# Use cases hand connections on without knowing SQLAlchemy.
__all__ = ["Connection", "Database", "NotDurable"]

# At least as many as a web worker has threads; half as many come on top for transactions. Five
# processes must fit into the hundred that PostgreSQL admits by itself.
POOL_SIZE = 12
# What a webhook's statement may take (milliseconds).
STATEMENT_TIMEOUT_MS = 4000
# How many statements a connection keeps prepared: more than the service has that run all the time.
MOST_PREPARED = 300
# Seconds that a server has to take a connection, and the least that the driver can wait for it.
CONNECT_SECONDS = 3
LEAST_CONNECT_SECONDS = 2
# In the address of a database: that a pooler is in between, which gives each transaction another
# connection. `prepared`: one that keeps statements prepared (PgBouncer from 1.21 on).
POOLER = "pgbouncer"
POOLED, PREPARED, NOT_POOLED = "true", "prepared", "false"
# How often in all a transaction is tried that conflicts with others. When several want the same key
# at once, one succeeds with each try.
TRIES = 6
# PostgreSQL's words for it: two waited for each other, or both wrote the same key.
_IN_THE_WAY = frozenset({"40P01", "40001", "23505"})
_T = TypeVar("_T")
# In a connection's `info`: what was entered around its statement.
_ENTERED = "around"
# With one of these off, PostgreSQL says that a commit is done before it would survive a crash.
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
# Where PostgreSQL may have a setting from, and how to take it away there.
_REMEDIES = {
    "database": "ALTER DATABASE {database} RESET {name}",
    "user": "ALTER ROLE {role} RESET {name}",
    "database user": "ALTER ROLE {role} IN DATABASE {database} RESET {name}",
    "command line": "start the server without it",
}
_REMEDY = "ALTER SYSTEM SET {name} = on, then SELECT pg_reload_conf()"


@dataclass(frozen=True)
class Scrubbed:
    """What `Database.scrub` did.

    `not_owned` are tables that the role may not look after. `still_seen`: an older transaction, as
    of a back-up, may still read what was erased, so that its bytes were kept.
    """

    not_owned: tuple[str, ...] = ()
    still_seen: bool = False


# The transactions that have begun by now have lower numbers.
_BEGUN = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
# Whether one of those still runs, or a session in this database reads as it was before one of those
# ended. Of other roles a role without pg_read_all_stats is told nothing.
_STILL_SEEN = text(
    "SELECT pg_snapshot_xmin(pg_current_snapshot()) < CAST(:begun AS xid8) OR EXISTS"
    " (SELECT FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid()"
    " AND age(backend_xmin) > age(CAST(CAST(:begun AS xid8) AS xid)))"
)
# Where PostgreSQL keeps values of columns by which it plans, and who may write it anew.
STATISTICS = "pg_statistic"
_OWNS_DATABASE = text(
    "SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()"
)
# So many looks whether they have ended, and seconds from one to the next.
SEEN_LOOKS, SEEN_BETWEEN = 100, 0.1


class NotDurable(Exception):
    """One sentence: the setting with which the database loses bookings, and what to do about it."""


# What may be raised where the store is asked, of which `does_not_answer` says what it means.
STORE_ERRORS: tuple[type[Exception], ...] = (DBAPIError, NoneLeft, NotDurable, NotInTime)
# PostgreSQL's words for a server that others write to now.
_READ_ONLY = "25006"
# What was prepared is not there any more, or its table is another now.
_STALE = frozenset({"26000", "0A000"})
# And for a role that may not do what it asked for.
_NO_RIGHT = "42501"


def lacks_right(error: BaseException) -> bool:
    """Whether the role may not do what it asked for, so that nothing but a grant helps."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == _NO_RIGHT


def first_line(error: BaseException) -> str:
    """What the database or its driver says, without the statement and its values."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def unhurried(connection: Connection) -> None:
    """Lift the statement timeout for this transaction: no caller or visitor waits for its work."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))


def does_not_answer(error: BaseException) -> bool:
    """Whether the store is what failed, so that the same may go well in a moment.

    A statement that is wrong in itself is a mistake of ours.
    """
    if isinstance(error, NoneLeft | NotDurable | NotInTime):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return (
        isinstance(error, OperationalError)
        or error.connection_invalidated
        or getattr(error.orig, "sqlstate", None) in {_READ_ONLY, *_IN_THE_WAY}
    )


class Database:
    """One database.

    `url` is one of models.addresses. Up to `pool_size` connections are kept for single statements,
    and half as many for transactions. With `durable` no connection is used on which a commit could
    be lost: making one raises NotDurable. `replica` is what `read_late` asks first.

    With `pgbouncer=true` or `prepared` in its query, nothing is asked of a connection that must
    last longer than a transaction: the time limit of statements is the role's (`flask db grant`).
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = POOL_SIZE,
        durable: bool = False,
        replica: Replica | None = None,
    ) -> None:
        parsed = read_url(url)
        self.url = parsed
        self._replica = replica
        pooler = _pooler_of(parsed)
        self.is_pooled = pooler != NOT_POOLED
        parsed = parsed.difference_update_query([POOLER])
        options: dict[str, Any] = {
            "max_overflow": 0,
            "pool_timeout": 4,
            "pool_use_lifo": True,
            # Errors are logged, and values are personal.
            "hide_parameters": True,
            "isolation_level": "READ COMMITTED",
            "connect_args": _how_to_connect(pooler),
        }
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
        # All that this process may have at once.
        self.most_connections = pool_size + max(pool_size // 2, 1)
        self._is_closed = False
        # By thread: what it has at the moment, and the driver's connection that it is making.
        self._taken: dict[int, Connection | None] = {}
        self._making: dict[int, Any] = {}
        self._time_left = TimeLeft()
        for engine in self.engines:
            if durable:
                event.listen(engine, "connect", _refuse_haste)
            event.listen(engine, "handle_error", _leave_the_connection)
            event.listen(engine, "do_connect", self._connect)
            # Before anything is asked on it, which may never be answered.
            event.listen(engine, "connect", self._made, insert=True)

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Let this thread wait for the store no longer than this in all, whatever it asks.

        A wait that would take longer raises NotInTime, or what the driver says. A question that
        the server has already is ended from outside, by `set_free`.
        """
        return self._time_left.within(seconds)

    def is_asked_by(self, thread: int) -> bool:
        """Whether a thread has a connection at the moment."""
        return self._taken.get(thread) is not None

    def statement(self) -> AbstractContextManager[Connection]:
        """A connection on which every statement commits by itself."""
        return self._connection(self._autocommit)

    def read_late(self, work: Callable[[Connection], _T]) -> _T:
        """Read what may be some seconds old: on the replica where one keeps up, else here.

        For lists and figures alone; never for what decides who gets a place. `work` only reads, and
        is done again here where the replica fails in the middle of it.
        """
        replica = self._replica
        if replica is not None and replica.keeps_up():
            try:
                with replica.statement() as connection:
                    return work(connection)
            except STORE_ERRORS as error:
                replica.failed(error)
        with self.statement() as connection:
            return work(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, READ COMMITTED."""
        with self._connection(self.engine) as connection, connection.begin():
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """To read several times of one and the same moment; it holds up no writer."""
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            self._connection(self.engine) as connection,
            connection.execution_options(**options).begin(),
        ):
            yield connection

    @contextmanager
    def _connection(self, engine: Engine) -> Iterator[Connection]:
        """A connection of this thread, which `set_free` can cut off."""
        pool, thread = engine.pool, threading.get_ident()
        # Nothing is begun for a request whose time is over.
        self._time_left.check()
        before = self._taken.get(thread)
        try:
            with engine.connect() as connection:
                self._making.pop(thread, None)
                self._taken[thread] = connection
                try:
                    yield connection
                finally:
                    self._taken[thread] = before
        finally:
            self._is_done(engine, pool)

    def _is_done(self, engine: Engine, pool: Pool) -> None:
        """A connection of an engine that had this pool was put back, or could not be had."""
        self._making.pop(threading.get_ident(), None)
        # SQLAlchemy leaves connections that were out when their engine was disposed of to the
        # garbage: they came back to a pool which is not used any more.
        if pool is not engine.pool:
            pool.dispose()
        if self._is_closed:
            engine.pool.dispose()

    def _connect(self, dialect: Any, _record: Any, words: Any, options: dict[str, Any]) -> Any:
        """Connect within the time that is left. Raises NotInTime."""
        left = self._time_left.left
        if left >= CONNECT_SECONDS:
            return None
        # Less than the driver can wait: it would end after the request's time.
        if left < LEAST_CONNECT_SECONDS / 2:
            raise NotInTime("no time is left to connect")
        return dialect.connect(*words, **options | {"connect_timeout": LEAST_CONNECT_SECONDS})

    def _made(self, driver: Any, _record: Any) -> None:
        driver.prepared_max = MOST_PREPARED
        self._making[threading.get_ident()] = driver

    def retried(self, work: Callable[[Connection], _T]) -> _T:
        """Do `work` in a transaction, and again at once where another one conflicted with it.

        For facts that are reported once only. A try that fails is rolled back; `work` changes
        nothing but the store. Raises what the last of TRIES raised.
        """
        for left in reversed(range(TRIES)):
            try:
                with self.transaction() as connection:
                    return work(connection)
            except DBAPIError as error:
                if not left or getattr(error.orig, "sqlstate", None) not in _IN_THE_WAY:
                    raise
        raise AssertionError("unreachable")

    def analyze(self) -> None:
        """Let the planner count anew, after many rows came or went.

        Left to itself it does so within a minute, and plans the first calls as for empty tables.
        A table that another connection counts at this moment is left to it.
        """
        with self.statement() as connection:
            connection.execute(text("ANALYZE (SKIP_LOCKED) centre, postcode, slot, place"))

    def scrub(self, tables: Sequence[str], *, rewrite: bool = False) -> Scrubbed:
        """Let the bytes of rows that were erased go, as far as the database can.

        PostgreSQL makes room of what no transaction sees any more; those bytes stay in the files
        until something is written over them, unless `rewrite` writes these tables and their indexes
        anew, which holds up everybody who uses them meanwhile. It needs the tables' owner; and the
        database's, for the values that the planner gathered of them. Safe to repeat.

        Neither takes away what an older transaction may still read: those that run are waited for,
        ten seconds at most.
        """
        if self.is_pooled:
            return Scrubbed(not_owned=tuple(tables))
        owned = text(
            "SELECT relname FROM pg_class WHERE oid = to_regclass(:name)"
            " AND pg_has_role(relowner, 'USAGE')"
        )
        others = []
        with self.statement() as connection:
            connection.execute(text("SET statement_timeout = 0"))
            try:
                still_seen = _is_still_seen(connection)
                for table in tables:
                    if connection.execute(owned, {"name": table}).one_or_none() is None:
                        others.append(table)
                        continue
                    how = "FULL" if rewrite else "INDEX_CLEANUP ON"
                    connection.execute(text(f"VACUUM ({how}, ANALYZE) {table}"))
                if rewrite:
                    if connection.execute(_OWNS_DATABASE).scalar_one():
                        # A session begun meanwhile, as autovacuum's, may see what the planner
                        # knew before.
                        still_seen = _is_still_seen(connection) or still_seen
                        connection.execute(text(f"VACUUM (FULL) {STATISTICS}"))
                    else:
                        others.append(STATISTICS)
            finally:
                connection.execute(text(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}"))
        return Scrubbed(not_owned=tuple(others), still_seen=still_seen)

    def around_statements(self, around: Callable[[str], AbstractContextManager[None]]) -> None:
        """Let `around` be entered for each statement from now on, with its verb and tables.

        No value is in what it is told. A statement that fails leaves it as an error does.
        """
        for engine in self.engines:
            _listen(engine, around)

    def set_free(self, thread: int) -> None:
        """Cut off what a thread waits for: it gets the error of a connection that broke."""
        connection, made = self._taken.get(thread), self._making.get(thread)
        if connection is None and made is None:
            return
        try:
            # One that is being made is asked before the thread has it.
            driver: Any = made or (connection and connection.connection.driver_connection)
            cut = socket.socket(fileno=os.dup(driver.pgconn.socket))
        except Exception:  # noqa: BLE001 (it has just come back)
            return
        with cut:
            cut.shutdown(socket.SHUT_RDWR)

    def renew(self) -> None:
        """Make new connections from now on; those in use are closed when they are given back."""
        for engine in self.engines:
            engine.dispose()
        if self._replica is not None:
            self._replica.dispose()

    def ping(self) -> None:
        """Raise SQLAlchemy's OperationalError unless the store answers."""
        with self.statement() as connection:
            connection.execute(text("SELECT 1"))

    def answers_durably(self) -> bool:
        """Make one connection and let it go; False when the store does not answer.

        Raises NotDurable where a `durable` one was wanted. Nothing stays open that a server which
        forks after this would share among its workers.
        """
        try:
            self.ping()
        except NotDurable:
            raise
        except Exception:  # noqa: BLE001 (later connections are looked at, too)
            return False
        finally:
            self.renew()
        return True

    def dispose(self) -> None:
        """Close every connection; one that is in use is closed when it is given back."""
        self._is_closed = True
        for engine in self.engines:
            pool = engine.pool
            engine.dispose()
            # A thread may have given one back between the closing and the end of the pool.
            pool.dispose()
        if self._replica is not None:
            self._replica.dispose()


# Tables after these words; a value never is, for statements have theirs apart.
_TABLES = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(?:ONLY\s+)?\"?([a-z_]+)")
_MOST_TABLES = 3


def statement_name(sql: str) -> str:
    """The verb and the tables of a statement: "SELECT turn"."""
    verb = sql.split(None, 1)[0].upper() if sql.strip() else ""
    tables = list(dict.fromkeys(_TABLES.findall(sql)))[:_MOST_TABLES]
    return " ".join([verb, ", ".join(tables)]).strip()


def _listen(engine: Engine, around: Callable[[str], AbstractContextManager[None]]) -> None:
    def before(connection: Any, _cursor: Any, sql: str, *_more: Any) -> None:
        entered = around(statement_name(sql))
        entered.__enter__()
        connection.info.setdefault(_ENTERED, []).append(entered)

    def after(connection: Any, *_more: Any) -> None:
        connection.info[_ENTERED].pop().__exit__(None, None, None)

    def failed(context: Any) -> None:
        # One that failed before it began, to connect, has none.
        entered = context.connection.info.get(_ENTERED) if context.connection else None
        if entered:
            error = context.original_exception
            with suppress(type(error)):
                entered.pop().__exit__(type(error), error, error.__traceback__)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)


def _leave_the_connection(context: ExceptionContext) -> None:
    """No connection that was made until now is used again, as where one broke.

    A server that is only read now is no server of ours any more: after a failover the one that was
    written to may live on with our connections, or a pool in front of it may. And what was prepared
    is of no use once its table is another, as after a migration, or once it was let go by others.
    """
    if getattr(context.original_exception, "sqlstate", None) in {_READ_ONLY, *_STALE}:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = True


def _pooler_of(url: URL) -> str:
    """What the address says of a pooler. Raises ValueError for another word."""
    said = str(url.query.get(POOLER, NOT_POOLED)).lower()
    if said not in {POOLED, PREPARED, NOT_POOLED}:
        raise ValueError(f"{POOLER} in the address of the database is true, prepared or false")
    return said


def _how_to_connect(pooler: str) -> dict[str, Any]:
    """How the driver connects: a dead server is noticed within the five seconds of a turn."""
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        # The same for a server that vanishes without a word, with its whole machine.
        "tcp_user_timeout": 4000,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 2,
    }
    if pooler == POOLED:
        # The connection that prepared a statement may not be the one that is asked to run it.
        options["prepare_threshold"] = None
    if pooler == NOT_POOLED:
        return options | {"options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"}
    return options


def _refuse_haste(connection: Any, _record: Any) -> None:
    sql = (
        "SELECT name, source, current_database(), current_user FROM pg_settings"
        " WHERE name = ANY(%s) AND setting = 'off' ORDER BY name LIMIT 1"
    )
    try:
        found = connection.execute(sql, (list(DURABLE),)).fetchone()
        connection.rollback()
    except BaseException:
        connection.close()
        raise
    if found is None:
        return
    connection.close()
    name, source, database, role = found
    remedy = _REMEDIES.get(source, _REMEDY).format(name=name, database=database, role=role)
    raise NotDurable(
        f"PostgreSQL has {name} = off, so a crash would lose bookings that callers were told of;"
        f" remedy: {remedy}"
    )


def _is_still_seen(connection: Connection) -> bool:
    """Wait until no session reads as it was before now; True where one does in the end."""
    begun = {"begun": connection.execute(_BEGUN).scalar_one()}
    for _ in range(SEEN_LOOKS):
        if not connection.execute(_STILL_SEEN, begun).scalar_one():
            return False
        connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": SEEN_BETWEEN})
    return True
