"""A connection to PostgreSQL without the driver's cursor: prepared statements, each in one call.

The cursor of psycopg is Python that sends, waits and reads step by step. libpq does all of it in
one call, which lets other threads go on meanwhile. Values and rows are converted by the driver as
ever, and errors are the driver's own. Only statements that run all the time come here
(`models.prepared`), and beginnings and ends of their transactions (`models.database`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from psycopg import abc, pq
from psycopg.adapt import PyFormat, Transformer
from sqlalchemy import Connection
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# In a connection's `info`: what is prepared on it; at most so many statements.
KEPT = "libpq"
MOST = 200
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
# What was prepared is not there any more, or the table is another now.
_STALE = frozenset({"26000", "0A000"})
_DONE = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})
_IDLE, _INTRANS = pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS


class _Statement:
    """One statement on one connection: how its values go and its rows come, and its names.

    It has a name for each combination of types, which depend on the values: 7 is a smaller number
    than 70,000, and of nothing the type is not known.
    """

    __slots__ = ("formats", "names", "transformer")

    def __init__(self, driver: psycopg.Connection[Any], values: int) -> None:
        self.transformer: abc.Transformer = Transformer(driver)
        self.formats = [PyFormat.AUTO] * values
        self.names: dict[tuple[int, ...] | None, bytes] = {}


class Answer:
    """What PostgreSQL answered to one statement."""

    __slots__ = ("_result", "_transformer")

    def __init__(self, result: Any, transformer: abc.Transformer) -> None:
        self._result, self._transformer = result, transformer

    @property
    def count(self) -> int:
        """How many rows it wrote, or gave."""
        return self._result.command_tuples or 0

    @property
    def types(self) -> list[int]:
        """The numbers of the types of its columns."""
        return [self._result.ftype(number) for number in range(self._result.nfields)]

    def rows(self, make: Callable[[Sequence[Any]], Any]) -> list[Any]:
        """Its rows as Python values, each made of a tuple."""
        self._transformer.set_pgresult(self._result)
        return self._transformer.load_rows(0, self._result.ntuples, make)


class Prepared:
    """What is prepared on one connection. Of one thread at a time, as the connection is."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self._driver, self._pgconn = driver, driver.pgconn
        self._statements: dict[bytes, _Statement] = {}
        self._named = 0

    def run(self, sql: bytes, values: Sequence[Any]) -> Answer | None:
        """Run a statement with `$1`, `$2` … in it; None where the driver's cursor is to do it.

        Begins a transaction where the connection commits nothing by itself. Raises psycopg.Error.
        """
        if not self._may_ask():
            return None
        statement = self._statements.get(sql)
        if statement is None:
            if len(self._statements) >= MOST:
                return None
            statement = self._statements[sql] = _Statement(self._driver, len(values))
        transformer = statement.transformer
        sent = transformer.dump_sequence(values, statement.formats)
        types = transformer.types
        name = statement.names.get(types)
        if name is None:
            name = self._prepare(statement, sql, types)
        result = self._pgconn.exec_prepared(
            name,
            sent,  # type: ignore[arg-type]
            transformer.formats,
            pq.Format.BINARY,
        )
        if result.status not in _DONE:
            error = failure(self._driver, result)
            if error.sqlstate not in _STALE:
                raise error
            self._statements.clear()
            if not self._driver.autocommit:
                raise error
            return None
        return Answer(result, transformer)

    def _may_ask(self) -> bool:
        """Whether a statement may be sent; begins a transaction where one is to be."""
        driver, status = self._driver, self._pgconn.transaction_status
        if status != _IDLE:
            return status == _INTRANS
        if driver.autocommit:
            return True
        if not _begins_plainly(driver):
            return False
        command(driver, _BEGIN)
        return True

    def _prepare(self, statement: _Statement, sql: bytes, types: Any) -> bytes:
        name = b"allo_%d" % self._named
        result = self._pgconn.prepare(name, sql, types)
        if result.status not in _DONE:
            raise failure(self._driver, result)
        self._named += 1
        statement.names[types] = name
        return name


def keep(driver: psycopg.Connection[Any], record: ConnectionPoolEntry) -> None:
    """Let the prepared statements of a new connection come here; the driver prepares none."""
    record.info[KEPT] = Prepared(driver)


def of(connection: Connection) -> Prepared | None:
    """What is prepared on the connection of an engine; None where the driver's cursor is used."""
    kept: Prepared | None = connection.connection.info.get(KEPT)
    return kept


def begin_with(connection: Connection, sql: bytes) -> bool:
    """Begin a transaction and send a statement without values in it, in one round trip.

    False where one is under way already, or begins otherwise: nothing is sent then. Raises
    psycopg.Error.
    """
    driver: Any = connection.connection.driver_connection
    if driver.pgconn.transaction_status != _IDLE or not _begins_plainly(driver):
        return False
    command(driver, _BEGIN + b"; " + sql)
    return True


def _begins_plainly(driver: psycopg.Connection[Any]) -> bool:
    level = psycopg.IsolationLevel.READ_COMMITTED
    return not driver.autocommit and driver.isolation_level is level and not driver.read_only


def command(driver: psycopg.Connection[Any], sql: bytes) -> None:
    """Send a statement without values. Raises psycopg.Error."""
    result = driver.pgconn.exec_(sql)
    if result.status not in _DONE:
        raise failure(driver, result)


def failure(driver: psycopg.Connection[Any], result: Any) -> psycopg.Error:
    """The driver's error for an answer that is none."""
    if driver.pgconn.status == pq.ConnStatus.BAD:
        # What broke has no number of an error.
        return psycopg.OperationalError(result.get_error_message(), info=result)
    return psycopg.errors.error_from_result(result)


def commit(dbapi_connection: PoolProxiedConnection) -> None:
    """End a transaction, in the place of the driver."""
    driver: Any = dbapi_connection.driver_connection
    if driver.pgconn.transaction_status == _INTRANS:
        command(driver, b"COMMIT")
    else:
        driver.commit()
