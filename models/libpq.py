"""A connection to PostgreSQL without the driver's cursor: prepared statements, each in one call.

The cursor of psycopg is Python that sends, waits and reads step by step. libpq does all of it in
one call, which lets other threads go on meanwhile. Values and rows are converted by the driver as
ever, and errors are the driver's own. Only statements that run all the time come here
(`models.prepared`), and beginnings and ends of their transactions (`models.database`).
"""

from __future__ import annotations

import select

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import psycopg

from psycopg import abc, pq
from psycopg.adapt import PyFormat, Transformer
from sqlalchemy import Connection
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# In a connection's `info`: what is prepared on it; at most so many statements.
KEPT = "libpq"
MOST = 200
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
# Around statements that are planned once, in a transaction: PostgreSQL else plans each of the first
# five runs anew, and all others too where it reckons that what it then knows of the values makes a
# cheaper plan. To plan a search takes four times as long as to run it.
_PLANNED_ONCE = b"SET LOCAL plan_cache_mode = force_generic_plan"
_AS_EVER = b"SET LOCAL plan_cache_mode TO DEFAULT"
_COMMIT = b"COMMIT"
# What was prepared is not there any more, or the table is another now.
_STALE = frozenset({"26000", "0A000"})
_DONE = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})
_SYNC = pq.ExecStatus.PIPELINE_SYNC
_IDLE, _INTRANS = pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS


# Its name, values, their formats, and the statement.
_Ready = tuple[bytes, Any, Any, "_Statement"]


class _Statement:
    """One statement on one connection: how its values go and its rows come, and its names.

    It has a name for each combination of types, which depend on the values: 7 is a smaller number
    than 70,000, and of nothing the type is not known. `read` is the name whose rows it read last.
    """

    __slots__ = ("formats", "names", "read", "transformer")

    def __init__(self, driver: psycopg.Connection[Any], values: int) -> None:
        self.transformer: abc.Transformer = Transformer(driver)
        self.formats = [PyFormat.AUTO] * values
        self.names: dict[tuple[int, ...] | None, bytes] = {}
        self.read = b""


class Answer:
    """What PostgreSQL answered to one statement."""

    __slots__ = ("_name", "_result", "_statement")

    def __init__(self, result: Any, name: bytes, statement: _Statement) -> None:
        self._result, self._name, self._statement = result, name, statement

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
        statement, result = self._statement, self._result
        transformer = statement.transformer
        # What reads a column is looked up by its type. What is prepared has the same types each
        # time: PostgreSQL refuses to run it once they are others.
        transformer.set_pgresult(result, set_loaders=statement.read != self._name)
        statement.read = self._name
        return transformer.load_rows(0, result.ntuples, make)


class Waiting(Protocol):
    """A statement of a transaction that is sent with the next one, or with COMMIT."""

    @property
    def sent(self) -> tuple[bytes, Sequence[Any]]:
        """With `$1`, `$2` … in it, and its values."""

    @property
    def planned_once(self) -> bool: ...

    @property
    def is_followed(self) -> bool:
        """Whether others wait to be sent until it is answered."""

    def answered(self, answer: Answer) -> None:
        """What PostgreSQL answered; others may wait from now on."""

    def ask_the_driver(self) -> None:
        """Run it by the driver's cursor, and hear the answer. Raises psycopg.Error."""


class Prepared:
    """What is prepared on one connection. Of one thread at a time, as the connection is.

    `waiting` is sent before anything else is, in that order.
    """

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.waiting: list[Waiting] = []
        self._driver, self._pgconn = driver, driver.pgconn
        self._statements: dict[bytes, _Statement] = {}
        # The names of what stands around them, such as BEGIN: PostgreSQL else reads it each time.
        self._around: dict[bytes, bytes] = {}
        self._named = 0
        self._readable = select.poll()
        self._readable.register(self._pgconn.socket, select.POLLIN)

    def may_wait(self) -> bool:
        """Whether a statement of now may wait: it is one of a transaction.

        Where another waits, it is one of the same.
        """
        return bool(self.waiting) or (not self._driver.autocommit and self._begins() is not None)

    def send_waiting(self) -> None:
        """Send what waits, and hear the answers. Raises psycopg.Error."""
        if self.waiting:
            self.run_all([])

    def commit(self) -> bool:
        """Send what waits, and COMMIT with it; False where COMMIT is still to be sent."""
        while any(one.is_followed for one in self.waiting):
            self.run_all([])
        return bool(self.waiting) and self.run_all([], commits=True) is not None

    def run_all(
        self,
        asked: Sequence[tuple[bytes, Sequence[Any]]],
        *,
        planned_once: bool = False,
        commits: bool = False,
    ) -> list[Answer] | None:
        """Run statements with `$1`, `$2` … in them, one after the other, in one round trip.

        What waits is run before them; `commits` ends the transaction after them.

        Each sees what those before it wrote, and what was committed until it began. Where one of
        them fails, those after it are not run, and nothing stays of those before it. Begins a
        transaction, in the same round trip, where the connection commits nothing by itself.
        `planned_once`: those of a transaction run by plans that hold for all values. None where the
        driver's cursor is to do it. Raises psycopg.Error.
        """
        waiting = self.waiting
        if waiting:
            self.waiting = []
            asked = [*(one.sent for one in waiting), *asked]
            planned_once = planned_once or any(one.planned_once for one in waiting)
        begins = self._begins()
        ready = self._all_ready(asked) if begins is not None else None
        if begins is None or ready is None:
            for one in waiting:
                one.ask_the_driver()
            return None
        planned_once = planned_once and not self._driver.autocommit
        if len(ready) == 1 and not begins and not planned_once and not commits:
            name, sent, formats, _ = ready[0]
            results = [self._pgconn.exec_prepared(name, sent, formats, pq.Format.BINARY)]
        else:
            results = self._at_once(
                ready, begins=begins, planned_once=planned_once, commits=commits
            )
        for result in results:
            if result.status not in _DONE:
                self._look_at_failure(result)
                return None
        answers = [
            Answer(result, one[0], one[3]) for result, one in zip(results, ready, strict=True)
        ]
        if not waiting:
            return answers
        for one, answer in zip(waiting, answers, strict=False):
            one.answered(answer)
        return answers[len(waiting) :]

    def _look_at_failure(self, result: Any) -> None:
        """Raises psycopg.Error, but where the driver's cursor can do all of it."""
        error = failure(self._driver, result)
        if error.sqlstate not in _STALE:
            raise error
        self._statements.clear()
        self._around.clear()
        if not self._driver.autocommit:
            raise error

    def _begins(self) -> bool | None:
        """Whether a transaction is to begin with the next statement; None: it may not be sent."""
        driver, status = self._driver, self._pgconn.transaction_status
        if status != _IDLE:
            return False if status == _INTRANS else None
        if driver.autocommit:
            return False
        return True if _begins_plainly(driver) else None

    def _all_ready(self, asked: Sequence[tuple[bytes, Sequence[Any]]]) -> list[_Ready] | None:
        """They as they are sent; None where too many are prepared already."""
        ready = []
        for sql, values in asked:
            one = self._ready(sql, values)
            if one is None:
                return None
            ready.append(one)
        return ready

    def _ready(self, sql: bytes, values: Sequence[Any]) -> _Ready | None:
        """A statement as it is sent, prepared; None where too many are prepared already."""
        statement = self._statements.get(sql)
        if statement is None:
            if len(self._statements) >= MOST:
                return None
            statement = self._statements[sql] = _Statement(self._driver, len(values))
        transformer = statement.transformer
        sent: Any = transformer.dump_sequence(values, statement.formats)
        types = transformer.types
        name = statement.names.get(types)
        if name is None:
            name = statement.names[types] = self._prepare(b"allo", sql, types)
        return name, sent, transformer.formats, statement

    def _at_once(
        self, ready: Sequence[_Ready], *, begins: bool, planned_once: bool, commits: bool
    ) -> list[Any]:
        """Send all of them, and only then wait; gives the result of each, or the one that failed.

        Raises psycopg.Error where the connection breaks.
        """
        first = [*([_BEGIN] if begins else ()), *([_PLANNED_ONCE] if planned_once else ())]
        last = [_COMMIT] if commits else [_AS_EVER] if planned_once else []
        before, after = [self._name_of(one) for one in first], [self._name_of(one) for one in last]
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        try:
            for name in before:
                pgconn.send_query_prepared(name, None)
            for name, sent, formats, _ in ready:
                pgconn.send_query_prepared(name, sent, formats, pq.Format.BINARY)
            for name in after:
                pgconn.send_query_prepared(name, None)
            pgconn.pipeline_sync()
            results = list(self._until_sync())
            _look_at(pgconn, results)
            pgconn.exit_pipeline_mode()
        except BaseException:
            # What of it was done is not known: this connection answers no other query.
            self._driver.close()
            raise
        failed = [one for one in results if one.status not in _DONE]
        return failed[:1] or results[len(before) : len(before) + len(ready)]

    def _until_sync(self) -> Iterator[Any]:
        """The result of each statement, as it comes."""
        pgconn = self._pgconn
        while True:
            # A thread that asks libpq for a result too early keeps all other threads waiting.
            while pgconn.is_busy():
                self._readable.poll()
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is not None:
                if result.status == _SYNC:
                    return
                yield result
                # The end of the statement came with its result. A thread that asks whether it is
                # there lets go of the interpreter for that, and wakes other threads in vain.
                pgconn.get_result()
            if pgconn.status == pq.ConnStatus.BAD:
                # That was all that came before the connection broke.
                return

    def _name_of(self, sql: bytes) -> bytes:
        """The name of what stands around statements, without values, prepared."""
        name = self._around.get(sql)
        if name is None:
            name = self._around[sql] = self._prepare(b"around", sql)
        return name

    def _prepare(self, kind: bytes, sql: bytes, types: Any = None) -> bytes:
        name = b"%b_%d" % (kind, self._named)
        result = self._pgconn.prepare(name, sql, types)
        if result.status not in _DONE:
            raise failure(self._driver, result)
        self._named += 1
        return name


def keep(driver: psycopg.Connection[Any], record: ConnectionPoolEntry) -> None:
    """Let the prepared statements of a new connection come here; the driver prepares none."""
    record.info[KEPT] = Prepared(driver)


def of(connection: Connection) -> Prepared | None:
    """What is prepared on the connection of an engine; None where the driver's cursor is used."""
    return _kept(connection.connection)


def _kept(dbapi_connection: PoolProxiedConnection) -> Prepared | None:
    try:
        found: Prepared | None = dbapi_connection.info.get(KEPT)
    except NotImplementedError:
        # SQLAlchemy asks the server for its version before the pool has the connection.
        return None
    return found


def begin_with(connection: Connection, sql: bytes) -> bool:
    """Begin a transaction and send a statement without values in it, in one round trip.

    False where one is under way already, or begins otherwise: nothing is sent then. Raises
    psycopg.Error.
    """
    driver: Any = connection.connection.driver_connection
    send_waiting(connection)
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


def _look_at(pgconn: pq.abc.PGconn, results: Sequence[Any]) -> None:
    """Raises psycopg.OperationalError where the connection broke before all had come."""
    if pgconn.status == pq.ConnStatus.BAD:
        told = next((one for one in results if one.status not in _DONE), None)
        why = told.get_error_message() if told is not None else pgconn.get_error_message()
        raise psycopg.OperationalError(why, info=told)


def failure(driver: psycopg.Connection[Any], result: Any) -> psycopg.Error:
    """The driver's error for an answer that is none."""
    if result.error_field(pq.DiagnosticField.SQLSTATE):
        return psycopg.errors.error_from_result(result)
    # The server gives each of its errors a number: this one is libpq's, and the server is gone.
    # Where it said a word before it went, libpq still takes the connection for a good one.
    driver.close()
    return psycopg.OperationalError(result.get_error_message(), info=result)


def send_waiting(connection: Connection) -> None:
    """Send what waits on the connection of an engine. Raises psycopg.Error."""
    kept = of(connection)
    if kept is not None:
        kept.send_waiting()


def commit(dbapi_connection: PoolProxiedConnection) -> None:
    """End a transaction, in the place of the driver."""
    driver: Any = dbapi_connection.driver_connection
    kept = _kept(dbapi_connection)
    if kept is not None and kept.waiting and kept.commit():
        return
    if driver.pgconn.transaction_status == _INTRANS:
        command(driver, _COMMIT)
    else:
        driver.commit()


def rollback(dbapi_connection: PoolProxiedConnection) -> None:
    """Undo a transaction; what waits in it is never sent.

    Of a connection that has none the pool asks for it, too, each time.
    """
    _forget_waiting(dbapi_connection)
    driver: Any = dbapi_connection.driver_connection
    if driver.pgconn.transaction_status != _IDLE:
        driver.rollback()


def _forget_waiting(dbapi_connection: PoolProxiedConnection) -> None:
    kept = _kept(dbapi_connection)
    if kept is not None:
        kept.waiting.clear()


def send_before_others(dialect: Any) -> None:
    """Let the cursors of a dialect, and its savepoints, send what waits before they do theirs."""

    def after_waiting(execute: Callable[..., None]) -> Callable[..., None]:
        def run(cursor: Any, *asked: Any, context: Any = None) -> None:
            # SQLAlchemy gives the context as the last of them.
            found = context or (asked[-1] if asked else None)
            if found is not None:
                send_waiting(found.root_connection)
            execute(cursor, *asked)

        return run

    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        setattr(dialect, name, after_waiting(getattr(dialect, name)))
    undo = dialect.do_rollback_to_savepoint

    def rollback_to_savepoint(connection: Connection, name: str) -> None:
        _forget_waiting(connection.connection)
        undo(connection, name)

    dialect.do_rollback_to_savepoint = rollback_to_savepoint
