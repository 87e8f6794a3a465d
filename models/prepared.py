"""Statements that run thousands of times a second: compiled once, run by the driver alone.

SQLAlchemy writes the SQL and converts values; what is left out is its work around each execution,
which costs more than the statement itself, and the driver's (`models.libpq`). Errors are
SQLAlchemy's own, without the values.
"""

from __future__ import annotations

import re

from collections import namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import BindParameter, Connection, LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from models import libpq
from models.libpq import Answer

Values = Mapping[str, Any]
_Convert = Callable[[Any], Any]
_Then = Callable[[list[Any]], None]
_NONE: Values = {}
# Where a value goes, as the driver has it; a doubled sign is passed over.
_BY_NAME = re.compile(r"%%|%\((\w+)\)s")


class Prepared:
    """One statement. `columns` are those of an INSERT that get their values when it runs.

    `planned_once`: its plan is the same for all values, and a transaction that runs it does not
    plan it again. Not for one whose best plan depends on them.
    """

    def __init__(
        self, statement: Any, columns: Collection[str] = (), *, planned_once: bool = False
    ) -> None:
        self._statement, self._planned_once = statement, planned_once
        self._columns = list(columns) or None
        self._plan: _Plan | None = None

    def rows(self, connection: Connection, values: Values = _NONE) -> list[Any]:
        """Run it and give its rows as named tuples. Raises sqlalchemy.exc.DBAPIError."""
        plan = self._plan or self.plan(connection)
        if plan.is_open or _is_listened_to(connection):
            return list(connection.execute(self._statement, values))
        return plan.rows(connection, values)

    def count(self, connection: Connection, values: Values = _NONE) -> int:
        """Run it and give the number of rows it wrote. Raises sqlalchemy.exc.DBAPIError."""
        plan = self._plan or self.plan(connection)
        if plan.is_open or _is_listened_to(connection):
            return connection.execute(self._statement, values).rowcount
        return plan.count(connection, values)

    def plan(self, connection: Connection) -> _Plan:
        """How it is run."""
        if self._plan is None:
            self._plan = _Plan(
                self._statement,
                connection.dialect,
                self._columns,
                planned_once=self._planned_once,
            )
        return self._plan


class _Plan:
    """The SQL, where each value goes, and what the rows are."""

    def __init__(
        self, statement: Any, dialect: Dialect, columns: list[str] | None, *, planned_once: bool
    ) -> None:
        self.planned_once = planned_once
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - DDL is never prepared
        self._dialect = dialect
        # An IN of unknown length gets its final form only when it runs.
        self.is_open = bool(compiled.post_compile_params)
        self.sql, names = self._written_out(compiled)
        # psycopg takes bytes as they are, and encodes a str each time.
        self._sent = self.sql.encode()
        # What could not be written out is converted once; the rest has a place and a key.
        self._known: dict[str, Any] = {}
        self._given: list[tuple[str, str, _Convert | None]] = []
        self._computed: list[tuple[str, BindParameter[Any], _Convert | None]] = []
        for name in names:
            self._sort(name, compiled.binds[name])
        self._places = [place for place, *_ in self._given]
        self._get = _getter([key for _, key, _ in self._given])
        self._converted = [(place, convert) for place, _, convert in self._given if convert]
        exported = list(getattr(statement, "exported_columns", ()))
        self._row: Any = namedtuple("Row", [str(column.key) for column in exported])  # type: ignore[misc]  # noqa: PYI024
        self._types = [column.type for column in exported]
        self.gives_rows = bool(self._types)
        self._readers: list[tuple[int, _Convert]] | None = None
        self._numbered, self._order = _numbered(self.sql)

    def _written_out(self, compiled: SQLCompiler) -> tuple[str, list[str]]:
        """The SQL with what the statement itself knows in it, and the names of what is left.

        As a value beside it, a word such as a state hides from PostgreSQL that a partial index will
        do, and it plans the statement again for each value.
        """
        names = list(compiled.binds)
        if self.is_open:
            return compiled.string, names
        constants = {
            name: written
            for name, bind in compiled.binds.items()
            if (written := self._constant(bind)) is not None
        }
        left = [name for name in names if name not in constants]
        return _BY_NAME.sub(
            lambda one: constants.get(one[1], one[0]) if one[1] else one[0], compiled.string
        ), left

    def _constant(self, bind: BindParameter[Any]) -> str | None:
        """A plain value as SQL; None for what is given when it runs, and for any other value."""
        if bind.required or bind.callable is not None:
            return None
        convert = bind.type.dialect_impl(self._dialect).bind_processor(self._dialect)
        value = bind.value if convert is None else convert(bind.value)
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return f"({value!r})" if value < 0 else repr(value)
        if isinstance(value, str):
            return "'{}'".format(value.replace("'", "''").replace("%", "%%"))
        return None

    def _sort(self, place: str, bind: BindParameter[Any]) -> None:
        processor = bind.type.dialect_impl(self._dialect).bind_processor(self._dialect)
        # The driver takes bytes as they are: wrapped in a view of them they are stored alike.
        is_bytes = isinstance(bind.type, LargeBinary)
        convert: _Convert | None = None if is_bytes else processor
        if bind.required:
            self._given.append((place, bind.key, convert))
        elif bind.callable is not None:
            self._computed.append((place, bind, convert))
        else:
            self._known[place] = bind.value if convert is None else convert(bind.value)

    def rows(self, connection: Connection, values: Values) -> list[Any]:
        filled = self.filled(values)
        answers = _asked(connection, [(self, filled)])
        if answers is not None:
            return self.rows_of(answers[0])
        return self.by_the_driver(connection, filled)

    def by_the_driver(self, connection: Connection, filled: Any) -> list[Any]:
        """Run it by the driver's cursor; gives its rows, where it has any."""
        cursor = self._run(connection, filled)
        if not self.gives_rows:
            return []
        if self._readers is None:
            self._find_readers([column[1] for column in cursor.description])
        return self._read(cursor.fetchall())

    def rows_of(self, answer: Answer) -> list[Any]:
        """The rows that PostgreSQL answered with."""
        if self._readers is None:
            self._find_readers(answer.types)
        if not self._readers:
            return answer.rows(self._row._make)
        return self._read(answer.rows(tuple))

    def sent(self, filled: Any) -> tuple[bytes, list[Any]]:
        """The statement with numbers in it, and its values, as libpq has them."""
        return self._numbered, [filled[name] for name in self._order]

    def count(self, connection: Connection, values: Values) -> int:
        filled = self.filled(values)
        answers = _asked(connection, [(self, filled)])
        if answers is not None:
            return answers[0].count
        written: int = self._run(connection, filled).rowcount
        return written

    def filled(self, values: Values) -> Any:
        """What the driver is given: what it knows, and these values, converted."""
        filled = self._known | dict(zip(self._places, self._get(values), strict=True))
        for place, read in self._converted:
            filled[place] = read(filled[place])
        for place, bind, convert in self._computed:
            value = bind.effective_value
            filled[place] = value if convert is None else convert(value)
        return filled

    def _run(self, connection: Connection, filled: Any) -> Any:
        """The driver's cursor, once it has run it."""
        # That of the pool would only ask the driver's for a cursor.
        driver: Any = connection.connection.dbapi_connection
        cursor = driver.cursor()
        try:
            cursor.execute(self._sent, filled)
        except self._dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, error, self.sql) from error
        return cursor

    def _find_readers(self, given: Sequence[Any]) -> None:
        """Which conversion a type needs depends on what the driver says it gives."""
        readers = map(self._reader, self._types, given)
        self._readers = [(n, reader) for n, reader in enumerate(readers) if reader]

    def _read(self, found: list[Any]) -> list[Any]:
        """Rows as the driver gives them as named ones, with our types."""
        if not self._readers:
            return [self._row._make(row) for row in found]
        rows = []
        for row in found:
            changed = list(row)
            for number, reader in self._readers:
                changed[number] = reader(changed[number])
            rows.append(self._row._make(changed))
        return rows

    def _reader(self, wanted: Any, given: Any) -> _Convert | None:
        read: _Convert | None = wanted.dialect_impl(self._dialect).result_processor(
            self._dialect, given
        )
        return read


def _getter(keys: Sequence[str]) -> Callable[[Values], tuple[Any, ...]]:
    """What takes the values of these keys, in one call and in their order."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda values: tuple(values[key] for key in keys)


def together(connection: Connection, asked: Sequence[tuple[Prepared, Values]]) -> list[list[Any]]:
    """Run several statements, one after the other, and give the rows of each.

    In one round trip; where one of them is planned once, all are. Each is by itself, as if it were
    run alone: it sees what those before it wrote, and waits for locks. Raises
    sqlalchemy.exc.DBAPIError; the statements after the one that failed are not run then.
    """
    plans = [one.plan(connection) for one, _ in asked]
    if not any(plan.is_open for plan in plans) and not _is_listened_to(connection):
        filled = [plan.filled(values) for plan, (_, values) in zip(plans, asked, strict=True)]
        answers = _asked(connection, list(zip(plans, filled, strict=True)))
        if answers is not None:
            return [plan.rows_of(answer) for plan, answer in zip(plans, answers, strict=True)]
    return [one.rows(connection, values) for one, values in asked]


class Asked:
    """A statement that was asked, and may not have been sent yet."""

    __slots__ = ("_connection", "_filled", "_found", "_plan", "_then")

    def __init__(
        self, connection: Connection, plan: _Plan, filled: Any, then: _Then | None = None
    ) -> None:
        self._connection, self._plan, self._filled, self._then = connection, plan, filled, then
        self._found: list[Any] | None = None

    def rows(self) -> list[Any]:
        """Its rows, which are waited for. Raises sqlalchemy.exc.DBAPIError."""
        if self._found is None:
            send(self._connection)
        assert self._found is not None  # noqa: S101 - all that waits has been answered
        return self._found

    # What `models.libpq` asks of what waits.

    @property
    def sent(self) -> tuple[bytes, list[Any]]:
        return self._plan.sent(self._filled)

    @property
    def planned_once(self) -> bool:
        return self._plan.planned_once

    @property
    def is_followed(self) -> bool:
        return self._then is not None

    def answered(self, answer: Answer) -> None:
        self.is_found(self._plan.rows_of(answer))

    def ask_the_driver(self) -> None:
        self.is_found(self._plan.by_the_driver(self._connection, self._filled))

    def is_found(self, rows: list[Any]) -> None:
        self._found = rows
        if self._then is not None:
            self._then(rows)


def ask(
    connection: Connection,
    statement: Prepared,
    values: Values = _NONE,
    then: _Then | None = None,
) -> Asked:
    """Ask a statement in its turn; it is sent when something else of the transaction is.

    It goes in one round trip with those after it, up to the first whose rows are looked at, or with
    COMMIT. Outside a transaction it runs at once. `then` is
    given its rows when they have come, and may ask more. A failure is told by whatever it was sent
    with: sqlalchemy.exc.DBAPIError.
    """
    plan = statement.plan(connection)
    waiting = _waiting(connection, plan)
    asked = Asked(connection, plan, plan.filled(values) if waiting is not None else None, then)
    if waiting is not None:
        waiting.append(asked)
    elif plan.gives_rows:
        asked.is_found(statement.rows(connection, values))
    else:
        statement.count(connection, values)
        asked.is_found([])
    return asked


def ask_all(connection: Connection, asked: Sequence[tuple[Prepared, Values]]) -> list[Asked]:
    """The same of several that give rows; those that run at once do so in one round trip."""
    plans = [statement.plan(connection) for statement, _ in asked]
    if _waiting(connection, plans[0]) is not None:
        return [ask(connection, *each) for each in asked]
    found = [Asked(connection, plan, None) for plan in plans]
    for one, rows in zip(found, together(connection, asked), strict=True):
        one.is_found(rows)
    return found


def _waiting(connection: Connection, plan: _Plan) -> list[Any] | None:
    """Where a statement waits to be sent with others; None where it runs at once."""
    if plan.is_open or _is_listened_to(connection):
        return None
    kept = libpq.of(connection)
    return kept.waiting if kept is not None and kept.may_wait() else None


def _asked(connection: Connection, asked: Sequence[tuple[_Plan, Any]]) -> list[Answer] | None:
    """What PostgreSQL answers to these; None where the driver's cursor is to ask."""
    prepared = libpq.of(connection)
    if prepared is None:
        return None
    try:
        answers: list[Answer] | None = prepared.run_all(
            [plan.sent(filled) for plan, filled in asked],
            planned_once=any(plan.planned_once for plan, _ in asked),
        )
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, error, "; ".join(plan.sql for plan, _ in asked)) from error
    return answers


def send(connection: Connection) -> None:
    """Send what waits, for what follows may happen only once it was written.

    Raises sqlalchemy.exc.DBAPIError.
    """
    try:
        libpq.send_waiting(connection)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, error, "what waited") from error


def begin_with(connection: Connection, sql: str) -> bool:
    """On PostgreSQL: begin a transaction with a statement without values, in one round trip.

    False where one is under way already, and nothing is sent. Raises sqlalchemy.exc.DBAPIError.
    """
    try:
        return libpq.begin_with(connection, sql.encode())
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, error, sql) from error


def _wrapped(connection: Connection, error: Exception, sql: str) -> BaseException:
    """The error as SQLAlchemy would raise it; connections that are gone are not used again."""
    dialect = connection.dialect
    driver = connection.connection.driver_connection
    gone = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if gone:
        connection.invalidate(error)
        # Where one connection broke, the server did: the others need not be tried one by one.
        connection.engine.dispose()
    return DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=gone,
        dialect=dialect,
    )


def _numbered(sql: str) -> tuple[bytes, list[str]]:
    """A statement of psycopg as libpq has it, and the names of its values in that order."""
    numbers: dict[str, int] = {}

    def number(one: re.Match[str]) -> str:
        return f"${numbers.setdefault(one[1], len(numbers) + 1)}" if one[1] else "%"

    return _BY_NAME.sub(number, sql).encode(), list(numbers)


def _is_listened_to(connection: Connection) -> bool:
    # A listener for statements (a tracer, a test that breaks them) hears these too.
    return bool(connection.engine.dispatch.before_cursor_execute)
