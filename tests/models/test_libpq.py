"""Statements that go to PostgreSQL without the driver's cursor, and what could go wrong."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    String,
    bindparam,
    column,
    func,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import libpq
from models.database import Database, unhurried
from models.prepared import Prepared, ask, ask_all, begin_with, together
from tests.support.locks import WAITING_ADVISORY
from tests.support.until import comes

pytestmark = pytest.mark.direct
# The service's role may make none.
MAKES_A_TABLE = pytest.mark.owner

ONE = Prepared(select(bindparam("given", type_=Integer).label("one")))
TWO = Prepared(select((bindparam("given", type_=BigInteger) + 1).label("two")))
ISOLATION = Prepared(
    select(func.current_setting("transaction_isolation", type_=String).label("level"))
)
KEY = bindparam("key", type_=BigInteger)
LOCK = Prepared(select(func.pg_advisory_xact_lock(KEY).label("taken")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, pool_size=4)
    yield made
    made.dispose()


def names(connection: Connection) -> list[str]:
    """What this connection has prepared, as the server knows it."""
    asked = text("SELECT name FROM pg_prepared_statements WHERE name LIKE 'allo%' ORDER BY name")
    return list(connection.execute(asked).scalars())


def one(connection: Connection, given: int = 7) -> list[tuple[int]]:
    return ONE.rows(connection, {"given": given})


def somebody_waits(database: Database) -> int:
    """Until a transaction waits for a lock of `LOCK`; the process of its connection."""
    with database.statement() as connection:
        assert comes(lambda: connection.execute(WAITING_ADVISORY).first() is not None)
        return int(connection.execute(WAITING_ADVISORY).scalar_one())


def ends(database: Database, pid: int) -> None:
    """End a connection from outside, as an operator would."""
    with database.statement() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def test_a_statement_is_prepared_once_for_each_size_of_its_values(database: Database):
    with database.statement() as connection:
        for given in (1, 2, 2**40, 3, 2**41):
            assert TWO.rows(connection, {"given": given}) == [(given + 1,)]
        assert len(names(connection)) == 2


def test_what_begins_and_ends_a_transaction_is_prepared_once(database: Database):
    asked = text("SELECT statement FROM pg_prepared_statements WHERE name LIKE 'around%'")
    for _ in range(3):
        with database.transaction() as connection:
            assert one(connection) == [(7,)]
            found = ask(connection, TWO, {"given": 7})
        assert found.rows() == [(8,)]
    with database.transaction() as connection:
        said = sorted(connection.execute(asked).scalars())
    assert said == ["BEGIN ISOLATION LEVEL READ COMMITTED", "COMMIT"]


def test_nobody_asks_whether_the_end_of_a_statement_is_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    """Each time that is asked lets go of the interpreter. Its result is asked for, and the sync."""
    with database.transaction() as connection:
        driver: Any = connection.connection.driver_connection
        prepared = libpq.of(connection)
        assert prepared is not None
        counted = _Counted(driver.pgconn)
        monkeypatch.setattr(prepared, "_pgconn", counted)
        three = [(ONE, {"given": given}) for given in range(3)]
        assert together(connection, three) == [[(given,)] for given in range(3)]
        # BEGIN, three statements and the sync.
        assert counted.not_busy == 5


class _Counted:
    """A connection of libpq that counts how often it said that a result is there."""

    def __init__(self, pgconn: Any) -> None:
        self._pgconn, self.not_busy = pgconn, 0

    def is_busy(self) -> int:
        busy: int = self._pgconn.is_busy()
        self.not_busy += not busy
        return busy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pgconn, name)


def test_rows_are_read_by_the_types_that_they_have(database: Database):
    """The types of columns are looked at once for each name; each size of a value has its own."""
    with database.statement() as connection:
        prepared = libpq.of(connection)
        assert prepared is not None
        for given in (1, 2, 2**40, 3, Decimal("1.5"), 2**41, 4, Decimal("2.5")):
            answers = prepared.run_all([(b"SELECT $1 AS given", [given])])
            assert answers is not None
            assert answers[0].rows(tuple) == [(given,)]
        assert len(names(connection)) == 3


def plans(connection: Connection) -> list[tuple[int, int]]:
    """How often what this connection has prepared ran by a plan for all values, and by its own."""
    asked = text(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name LIKE 'allo%'"
    )
    return [(row[0], row[1]) for row in connection.execute(asked)]


@pytest.mark.parametrize("once", [True, False])
def test_a_statement_that_is_planned_once_has_one_plan_for_all_values(
    database: Database, *, once: bool
):
    twice = (bindparam("given", type_=Integer) * 2).label("twice")
    doubled = Prepared(select(twice), planned_once=once)
    for number in range(3):
        with database.transaction() as connection:
            # The first begins the transaction, and the second is in it.
            assert doubled.rows(connection, {"given": number}) == [(2 * number,)]
            assert doubled.rows(connection, {"given": 7}) == [(14,)]
            mode = connection.execute(text("SHOW plan_cache_mode")).scalar_one()
            assert mode == "auto", "what else the transaction asks is planned as ever"
    with database.transaction() as connection:
        assert plans(connection) == ([(6, 0)] if once else [(1, 5)])


def test_what_is_planned_once_and_fails_tells_why_and_the_savepoint_is_left(database: Database):
    a_part = (literal_column("10") / bindparam("by", type_=Integer)).label("part")
    part = Prepared(select(a_part), planned_once=True)
    with database.transaction() as connection:
        with pytest.raises(DBAPIError, match="division by zero"), connection.begin_nested():
            part.rows(connection, {"by": 0})
        assert part.rows(connection, {"by": 5}) == [(2,)]
        assert connection.execute(text("SHOW plan_cache_mode")).scalar_one() == "auto"


def test_no_more_are_prepared_than_a_connection_keeps(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(libpq, "MOST", 1)
    with database.statement() as connection:
        assert one(connection) == [(7,)]
        assert TWO.rows(connection, {"given": 7}) == [(8,)]
        assert len(names(connection)) == 1


def test_nothing_is_prepared_behind_a_pool_that_gives_each_transaction_another_connection(
    database_url: str,
):
    url = f"{database_url}{'&' if '?' in database_url else '?'}pgbouncer=true"
    database = Database(url, pool_size=1)
    with database.statement() as connection:
        assert one(connection) == [(7,)]
        assert names(connection) == []
    database.dispose()


def undone(database: Database, work: Callable[[Connection], object]) -> None:
    """A transaction in which one prepared statement runs, then `work`, and which is rolled back."""

    def rolled_back() -> None:
        with database.transaction() as connection:
            assert one(connection) == [(7,)]
            work(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rolled_back()


def often(connection: Connection) -> None:
    """By itself the driver prepares what it is asked for the sixth time."""
    for _ in range(7):
        connection.execute(text("SELECT 1"))


def many(connection: Connection) -> None:
    """And what is written with many values."""
    connection.execute(text("CREATE TEMPORARY TABLE IF NOT EXISTS lot (one int)"))
    connection.execute(text("INSERT INTO lot VALUES (:one)"), [{"one": n} for n in range(3)])


def changed(connection: Connection) -> None:
    connection.execute(text("CREATE TEMPORARY TABLE IF NOT EXISTS more (one int)"))
    connection.execute(text("ALTER TABLE more ADD COLUMN two int"))
    connection.execute(text("DROP TABLE more"))


WAYS = pytest.mark.parametrize("work", [often, many, changed])


@WAYS
def test_what_is_prepared_stays_whatever_else_is_done_on_the_connection(
    database: Database, work: Callable[[Connection], object]
):
    """The driver lets go what it has prepared itself, and would take ours along."""
    for _ in range(3):
        undone(database, work)
        with database.transaction() as connection:
            work(connection)
            assert one(connection) == [(7,)]
            assert len(names(connection)) == 1


@WAYS
def test_after_going_back_to_a_savepoint_the_transaction_goes_on(
    database: Database, work: Callable[[Connection], object]
):
    """Again and again: what the driver had prepared meanwhile was not there the sixth time."""
    for _ in range(9):
        with database.transaction() as connection:
            assert one(connection) == [(7,)]
            savepoint = connection.begin_nested()
            work(connection)
            assert one(connection) == [(7,)]
            savepoint.rollback()
            assert one(connection) == [(7,)]
            assert len(names(connection)) == 1


def test_what_somebody_else_let_go_is_prepared_again(database: Database):
    with database.statement() as connection:
        assert one(connection) == [(7,)]
        connection.execute(text("DEALLOCATE ALL"))
        assert one(connection) == [(7,)]
        assert one(connection) == [(7,)]
        assert len(names(connection)) == 1


def test_in_a_transaction_it_fails_once(database: Database):
    with database.transaction() as connection:
        assert one(connection) == [(7,)]
        connection.execute(text("DEALLOCATE ALL"))
    with pytest.raises(DBAPIError), database.transaction() as connection:
        one(connection)
    with database.transaction() as connection:
        assert one(connection) == [(7,)]


def test_a_transaction_begins_as_it_is_to(database: Database):
    with database.transaction() as connection:
        assert ISOLATION.rows(connection) == [("read committed",)]
    with database.snapshot() as connection:
        assert ISOLATION.rows(connection) == [("repeatable read",)]
        assert ISOLATION.rows(connection) == [("repeatable read",)]
    with database.transaction() as connection:
        assert ISOLATION.rows(connection) == [("read committed",)]


def test_what_comes_back_with_a_transaction_under_way_is_rolled_back(database: Database):
    """However it came to it: whoever has the connection next would write into that transaction."""
    with database.transaction() as connection:
        driver: Any = connection.connection.driver_connection
    with database.engine.connect() as connection:
        again: Any = connection.connection.driver_connection
        assert again is driver
        driver.execute("CREATE TEMPORARY TABLE left_open (id int)")
    assert driver.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
    with database.transaction() as connection:
        asked = text("SELECT to_regclass('left_open') IS NULL")
        again = connection.connection.driver_connection
        assert again is driver
        assert connection.execute(asked).scalar_one()


def test_a_commit_that_fails_is_told_and_leaves_nothing(database: Database):
    """A place's booking must be there when the transaction ends."""
    book = text(
        "INSERT INTO place (slot_id, number, centre_id, start_at, booking_id)"
        " VALUES (1, 1, '1', now(), 'nobody')"
    )
    with database.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO centre (id, name, street, postcode, insee, town, departement,"
                " territory, time_zone, phones, booking_link, booking_mode, hours, notes, source,"
                " fingerprint, created_at, updated_at) VALUES ('1', '', '', '', '', '', '', '', '',"
                " '[]', '', 'ours', '{}', '', '', '', now(), now())"
            )
        )
        connection.execute(
            text("INSERT INTO slot (id, centre_id, start_at, capacity) VALUES (1, '1', now(), 1)")
        )

    def booked() -> None:
        with database.transaction() as connection:
            assert one(connection) == [(7,)]
            connection.execute(book)

    with pytest.raises(IntegrityError):
        booked()
    with database.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM place")).scalar_one() == 0


def test_a_transaction_begins_with_a_statement_in_one_round_trip(database: Database):
    asked = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    )
    with database.transaction() as connection:
        assert begin_with(connection, "SELECT pg_advisory_xact_lock(1)")
        assert connection.execute(asked).scalar_one() == 1
        assert one(connection) == [(7,)]
        # It is under way.
        assert not begin_with(connection, "SELECT pg_advisory_xact_lock(2)")
        assert connection.execute(asked).scalar_one() == 1
    with database.transaction() as connection:
        assert connection.execute(asked).scalar_one() == 0
    with database.statement() as connection:
        assert not begin_with(connection, "SELECT pg_advisory_xact_lock(1)")
    with database.snapshot() as connection:
        assert not begin_with(connection, "SELECT pg_advisory_xact_lock(1)")


def test_whoever_cannot_begin_hears_so_as_of_any_statement(database: Database):
    with pytest.raises(DBAPIError), database.transaction() as connection:
        begin_with(connection, "SELECT 1 / 0")
    with database.transaction() as connection:
        assert one(connection) == [(7,)]


def test_other_threads_go_on_while_one_waits_for_the_server(database: Database):
    """It would wait for ever: the lock is let go by a thread that must run meanwhile."""
    taken = threading.Event()

    def wait() -> None:
        with database.transaction() as connection:
            unhurried(connection)
            LOCK.rows(connection, {"key": 1})
            taken.set()

    waiting = threading.Thread(target=wait)
    with database.transaction() as connection:
        LOCK.rows(connection, {"key": 1})
        waiting.start()
        somebody_waits(database)
        assert not taken.is_set()
    waiting.join(10)
    assert taken.is_set()


def cut_off(
    database: Database,
    asks: Callable[[Connection], object],
    cuts: Callable[[threading.Thread, int], object],
) -> DBAPIError:
    """What a thread hears that waits for a lock and is cut off; `cuts` has it and its process."""
    errors: list[DBAPIError] = []

    def wait() -> None:
        try:
            with database.transaction() as connection:
                asks(connection)
        except DBAPIError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    with database.transaction() as connection:
        LOCK.rows(connection, {"key": 1})
        waiting.start()
        cuts(waiting, somebody_waits(database))
        waiting.join(10)
        assert not waiting.is_alive()
    (error,) = errors
    assert isinstance(error, DBAPIError)
    assert error.connection_invalidated
    return error


def test_whoever_is_cut_off_hears_of_a_connection_that_broke(database: Database):
    def asks(connection: Connection) -> None:
        unhurried(connection)
        LOCK.rows(connection, {"key": 1})

    def cuts(waiting: threading.Thread, _process: int) -> None:
        assert waiting.ident is not None
        database.set_free(waiting.ident)

    assert isinstance(cut_off(database, asks, cuts).orig, psycopg.OperationalError)
    # The next one has another connection.
    with database.transaction() as connection:
        assert one(connection) == [(7,)]


# ---------------------------------------------------------------- several in one round trip

LEFT = Prepared(select(column("one", Integer)).select_from(table("lot", column("one"))))
PUT = Prepared(
    table("lot", column("one", Integer))
    .insert()
    .values(one=bindparam("given", type_=Integer))
    .returning(column("one", Integer)),
    ("given",),
)
DIVIDED = Prepared(select((literal_column("1") / bindparam("by", type_=Integer)).label("divided")))


@pytest.fixture
def lot(database: Database) -> Iterator[Database]:
    with database.statement() as connection:
        connection.execute(text("CREATE TABLE lot (one int)"))
    yield database
    with database.statement() as connection:
        connection.execute(text("DROP TABLE lot"))


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements were sent before it was waited for them, for each time."""
    seen: list[int] = []
    at_once = libpq.Prepared._at_once

    def sent(self: libpq.Prepared, ready: Any, *, begins: bool, **how: bool) -> list[Any]:
        seen.append(len(ready) + begins)
        return at_once(self, ready, begins=begins, **how)

    monkeypatch.setattr(libpq.Prepared, "_at_once", sent)
    return seen


def given(number: int) -> dict[str, int]:
    return {"given": number}


def left(database: Database) -> list[int]:
    with database.statement() as connection:
        return sorted(row.one for row in LEFT.rows(connection))


@MAKES_A_TABLE
def test_each_sees_what_those_before_it_wrote(lot: Database, trips: list[int]):
    with lot.transaction() as connection:
        found = together(connection, [(PUT, given(1)), (LEFT, {}), (PUT, given(2)), (LEFT, {})])
        assert found == [[(1,)], [(1,)], [(2,)], [(1,), (2,)]]
        # Nobody else does before the transaction has ended.
        assert left(lot) == []
    assert left(lot) == [1, 2]
    assert trips == [5]


@MAKES_A_TABLE
def test_a_transaction_begins_with_its_first_statement(lot: Database, trips: list[int]):
    with lot.transaction() as connection:
        assert one(connection) == [(7,)]
        assert one(connection) == [(7,)]
        assert connection.execute(text("SELECT now() < clock_timestamp()")).scalar_one()
    assert trips == [2]


@MAKES_A_TABLE
@pytest.mark.parametrize("opened", ["statement", "transaction"])
def test_where_one_fails_nothing_stays_of_those_before_it(lot: Database, opened: str):
    asked = [(PUT, given(1)), (DIVIDED, {"by": 0}), (PUT, given(2))]
    with (
        pytest.raises(DBAPIError, match="division by zero"),
        getattr(lot, opened)() as connection,
    ):
        together(connection, asked)
    assert left(lot) == []
    with getattr(lot, opened)() as connection:
        assert together(connection, [(PUT, given(3)), (LEFT, {})]) == [[(3,)], [(3,)]]


@MAKES_A_TABLE
def test_a_first_statement_that_fails_leaves_a_connection_for_the_next(lot: Database):
    for _ in range(2):
        with pytest.raises(DBAPIError), lot.transaction() as connection:
            DIVIDED.rows(connection, {"by": 0})
        with lot.transaction() as connection:
            assert DIVIDED.rows(connection, {"by": 1}) == [(1,)]


@MAKES_A_TABLE
def test_after_one_failed_in_a_savepoint_the_transaction_goes_on(lot: Database):
    with lot.transaction() as connection:
        PUT.rows(connection, given(1))
        savepoint = connection.begin_nested()
        with pytest.raises(DBAPIError):
            together(connection, [(PUT, given(2)), (DIVIDED, {"by": 0})])
        savepoint.rollback()
        assert together(connection, [(PUT, given(3)), (ONE, given(7))]) == [[(3,)], [(7,)]]
    assert left(lot) == [1, 3]


@MAKES_A_TABLE
def test_what_somebody_else_let_go_is_asked_for_again_all_of_it(lot: Database):
    asked = [(ONE, given(7)), (PUT, given(1)), (LEFT, {})]
    with lot.statement() as connection:
        together(connection, asked)
        connection.execute(text("DEALLOCATE ALL"))
        assert together(connection, asked)[0] == [(7,)]
    assert left(lot) == [1, 1]


@MAKES_A_TABLE
def test_whoever_waited_for_a_lock_counts_what_was_written_meanwhile(lot: Database):
    """Each has its own view of the rows, and other threads go on while one waits."""
    counted: list[Any] = []

    def count() -> None:
        with lot.transaction() as connection:
            counted.extend(together(connection, [(LOCK, {"key": 1}), (LEFT, {})])[1])

    counting = threading.Thread(target=count)
    with lot.transaction() as connection:
        LOCK.rows(connection, {"key": 1})
        counting.start()
        somebody_waits(lot)
        PUT.rows(connection, given(1))
        assert counted == []
    counting.join(10)
    assert counted == [(1,)]


@MAKES_A_TABLE
@pytest.mark.parametrize("asked", [[(LOCK, {"key": 1})], [(LOCK, {"key": 1}), (ONE, given(7))]])
def test_whoever_is_cut_off_before_the_first_answer_hears_so(lot: Database, asked: list[Any]):
    cut_off(
        lot,
        lambda connection: together(connection, asked),
        lambda _waiting, process: ends(lot, process),
    )
    with lot.transaction() as connection:
        assert together(connection, [(ONE, given(7)), (TWO, given(7))]) == [[(7,)], [(8,)]]


@MAKES_A_TABLE
def test_a_server_that_is_gone_when_something_is_sent_is_told_as_such(lot: Database):
    with lot.transaction() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    ends(lot, pid)
    with pytest.raises(DBAPIError) as told, lot.transaction() as connection:
        together(connection, [(ONE, given(7)), (TWO, given(7))])
    assert told.value.connection_invalidated
    with lot.transaction() as connection:
        assert together(connection, [(ONE, given(7)), (TWO, given(7))]) == [[(7,)], [(8,)]]


# ---------------------------------------------------------------- what waits to be sent


def put(connection: Connection, number: int) -> None:
    ask(connection, PUT, given(number))


@MAKES_A_TABLE
def test_what_was_asked_goes_with_the_first_that_is_looked_at(lot: Database, trips: list[int]):
    with lot.transaction() as connection:
        put(connection, 1)
        before = ask(connection, LEFT)
        put(connection, 2)
        after = ask(connection, LEFT)
        assert trips == []
        assert (before.rows(), after.rows()) == ([(1,)], [(1,), (2,)])
        # With BEGIN.
        assert trips == [5]
        assert before.rows() == [(1,)], "it is answered once"
    assert left(lot) == [1, 2]
    assert trips == [5]


@MAKES_A_TABLE
def test_it_goes_with_what_is_asked_and_waited_for(lot: Database, trips: list[int]):
    with lot.transaction() as connection:
        put(connection, 1)
        assert LEFT.rows(connection) == [(1,)]
        put(connection, 2)
        assert together(connection, [(LEFT, {}), (ONE, given(7))]) == [[(1,), (2,)], [(7,)]]
    assert trips == [3, 3]


@MAKES_A_TABLE
def test_or_with_the_end_of_the_transaction(lot: Database, trips: list[int]):
    with lot.transaction() as connection:
        put(connection, 1)
        put(connection, 2)
        assert trips == []
    assert trips == [3]
    assert left(lot) == [1, 2]
    with lot.transaction() as connection:
        assert LEFT.rows(connection) == [(1,), (2,)]


@MAKES_A_TABLE
def test_or_before_what_the_driver_asks(lot: Database):
    there = text("SELECT one FROM lot ORDER BY one")
    with lot.transaction() as connection:
        put(connection, 1)
        assert connection.execute(there).scalars().all() == [1]
        put(connection, 2)
        connection.execute(text("INSERT INTO lot VALUES (:one)"), [{"one": n} for n in (3, 4)])
        put(connection, 5)
        assert connection.exec_driver_sql("SELECT count(*) FROM lot").scalar_one() == 5
        put(connection, 6)
        assert not begin_with(connection, "SELECT 1")
        assert connection.execute(there).scalars().all() == [1, 2, 3, 4, 5, 6]
    assert left(lot) == [1, 2, 3, 4, 5, 6]


@MAKES_A_TABLE
def test_of_a_transaction_that_is_undone_nothing_is_sent(lot: Database, trips: list[int]):
    def fails() -> None:
        with lot.transaction() as connection:
            put(connection, 1)
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    # The same connection.
    with lot.transaction() as connection:
        assert LEFT.rows(connection) == []
    with lot.transaction() as connection:
        put(connection, 2)
        connection.rollback()
    assert left(lot) == []
    assert trips == [2]


@MAKES_A_TABLE
def test_of_a_savepoint_what_is_undone_is_not_sent(lot: Database):
    with lot.transaction() as connection:
        put(connection, 1)
        savepoint = connection.begin_nested()
        put(connection, 2)
        savepoint.rollback()
        with connection.begin_nested():
            put(connection, 3)
        assert LEFT.rows(connection) == [(1,), (3,)]
    assert left(lot) == [1, 3]


@MAKES_A_TABLE
def test_nor_does_it_fail_there(lot: Database):
    with lot.transaction() as connection:
        put(connection, 1)
        savepoint = connection.begin_nested()
        ask(connection, DIVIDED, {"by": 0})
        savepoint.rollback()
        put(connection, 2)
    assert left(lot) == [1, 2]


@MAKES_A_TABLE
def test_what_fails_is_told_by_what_it_went_with_and_nothing_stays(lot: Database):
    def fails(then: Callable[[Connection], object]) -> None:
        with lot.transaction() as connection:
            put(connection, 1)
            ask(connection, DIVIDED, {"by": 0})
            put(connection, 2)
            then(connection)

    # The last one ends with COMMIT, which must not be told as done.
    for then in (one, lambda connection: connection.execute(text("SELECT 1")), id):
        with pytest.raises(DBAPIError, match="division by zero"):
            fails(then)
    assert left(lot) == []
    with lot.transaction() as connection:
        put(connection, 3)
    assert left(lot) == [3]


@MAKES_A_TABLE
def test_who_is_given_the_rows_may_ask_more(lot: Database, trips: list[int]):
    with lot.transaction() as connection:
        ask(connection, PUT, given(1), lambda rows: put(connection, 10 * rows[0].one))
        assert LEFT.rows(connection) == [(1,)], "it was not known before"
        assert LEFT.rows(connection) == [(1,), (10,)]
        ask(connection, PUT, given(2), lambda rows: put(connection, 10 * rows[0].one))
    assert left(lot) == [1, 2, 10, 20]
    # The last ones: what is followed, and what follows with COMMIT.
    assert trips == [3, 2, 1]


@MAKES_A_TABLE
@pytest.mark.parametrize("way", ["statement", "pooled", "kept"])
def test_where_nothing_waits_it_runs_at_once(
    lot: Database, monkeypatch: pytest.MonkeyPatch, way: str, database_url: str
):
    """Outside a transaction, behind a pool, or where too many are prepared already."""
    database = lot
    if way == "pooled":
        database = Database(f"{database_url}{'&' if '?' in database_url else '?'}pgbouncer=true")
    if way == "kept":
        monkeypatch.setattr(libpq, "MOST", 0)
    opened = database.statement if way == "statement" else database.transaction
    with opened() as connection:
        put(connection, 1)
        ask(connection, PUT, given(2), lambda rows: put(connection, 10 * rows[0].one))
        (one_of_all, all_of_all) = ask_all(connection, [(ONE, given(7)), (LEFT, {})])
        assert one_of_all.rows() == [(7,)]
        assert {row.one for row in all_of_all.rows()} >= {1, 2}
    assert left(lot) == [1, 2, 20]
    if way == "pooled":
        database.dispose()


@MAKES_A_TABLE
def test_whoever_waited_for_a_lock_that_was_asked_for_counts_what_was_written_meanwhile(
    lot: Database,
):
    counted: list[Any] = []

    def count() -> None:
        with lot.transaction() as connection:
            ask(connection, LOCK, {"key": 1})
            counted.extend(ask(connection, LEFT).rows())

    counting = threading.Thread(target=count)
    with lot.transaction() as connection:
        LOCK.rows(connection, {"key": 1})
        counting.start()
        somebody_waits(lot)
        put(connection, 1)
        assert counted == []
    counting.join(10)
    assert counted == [(1,)]


@MAKES_A_TABLE
def test_whoever_is_cut_off_while_what_waited_is_sent_hears_so(lot: Database):
    def asks(connection: Connection) -> None:
        put(connection, 1)
        ask(connection, LOCK, {"key": 1}).rows()

    cut_off(lot, asks, lambda _waiting, process: ends(lot, process))
    assert left(lot) == []
