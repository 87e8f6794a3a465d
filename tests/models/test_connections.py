"""Connections of the store: what is prepared on them, errors, and what could go wrong."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
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

from models.database import Database, unhurried
from models.prepared import Prepared
from tests.support.locks import WAITING_ADVISORY
from tests.support.until import comes

pytestmark = pytest.mark.direct
# The service's role may make none.
MAKES_A_TABLE = pytest.mark.owner

ONE = Prepared(select(bindparam("given", type_=Integer).label("one")))
ISOLATION = Prepared(
    select(func.current_setting("transaction_isolation", type_=String).label("level"))
)
KEY = bindparam("key", type_=BigInteger)
LOCK = Prepared(select(func.pg_advisory_xact_lock(KEY).label("taken")))
LEFT = Prepared(select(column("one", Integer)).select_from(table("lot", column("one"))))
PUT = Prepared(
    table("lot", column("one", Integer)).insert().values(one=bindparam("given", type_=Integer))
)
DIVIDED = Prepared(select((literal_column("1") / bindparam("by", type_=Integer)).label("divided")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, pool_size=4)
    yield made
    made.dispose()


@pytest.fixture
def lot(database: Database) -> Iterator[Database]:
    with database.statement() as connection:
        connection.execute(text("CREATE TABLE lot (one int)"))
    yield database
    with database.statement() as connection:
        connection.execute(text("DROP TABLE lot"))


def prepared(connection: Connection) -> list[str]:
    """What this connection has prepared of `ONE`, as the server knows it."""
    asked = text("SELECT name FROM pg_prepared_statements WHERE statement LIKE '% AS one'")
    return list(connection.execute(asked).scalars())


def one(connection: Connection, given: int = 7) -> list[tuple[int]]:
    return ONE.rows(connection, {"given": given})


def often(connection: Connection) -> None:
    """The driver prepares what it is asked for the sixth time."""
    for _ in range(7):
        assert one(connection) == [(7,)]


def a_transaction_waits(database: Database) -> int:
    """Until a transaction waits for a lock of `LOCK`; the process of its connection."""
    with database.statement() as connection:
        assert comes(lambda: connection.execute(WAITING_ADVISORY).first() is not None)
        return int(connection.execute(WAITING_ADVISORY).scalar_one())


def ends(database: Database, pid: int) -> None:
    """End a connection from outside, as an operator would."""
    with database.statement() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def given(number: int) -> dict[str, int]:
    return {"given": number}


def left(database: Database) -> list[int]:
    with database.statement() as connection:
        return sorted(row.one for row in LEFT.rows(connection))


@pytest.mark.parametrize(("pooler", "count"), [("false", 1), ("prepared", 1), ("true", 0)])
def test_behind_a_pool_that_gives_each_transaction_another_connection_nothing_is_prepared(
    database_url: str, pooler: str, count: int
):
    url = f"{database_url}{'&' if '?' in database_url else '?'}pgbouncer={pooler}"
    database = Database(url, pool_size=1)
    with database.statement() as connection:
        often(connection)
        assert len(prepared(connection)) == count
    database.dispose()


@MAKES_A_TABLE
def test_what_is_prepared_finds_few_rows_by_an_index_of_them_alone(lot: Database):
    """A bound constant hides the index from a plan for all values: none such may be kept."""
    state = column("state", String)
    waiting = Prepared(select(column("one")).select_from(table("lot", state)).where(state == "due"))
    with lot.statement() as connection:
        connection.execute(text("ALTER TABLE lot ADD state text"))
        connection.execute(text("CREATE INDEX ix_lot_due ON lot (one) WHERE state = 'due'"))

        def plan() -> str:
            for _ in range(9):
                waiting.rows(connection)
            asked = "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%FROM lot%'"
            (name,) = connection.execute(text(asked)).scalars()
            rows = connection.execute(text(f"EXPLAIN EXECUTE {name}('due')")).scalars()
            return "\n".join(rows)

        # As on the first day: there is nothing to find.
        assert "Scan on lot" in plan()
        fill = "INSERT INTO lot SELECT n, CASE WHEN n < 4 THEN 'due' ELSE 'done' END"
        connection.execute(text(f"{fill} FROM generate_series(1, 5000) AS n"))
        connection.execute(text("ANALYZE lot"))
        assert "ix_lot_due" in plan()
        assert len(waiting.rows(connection)) == 3


@pytest.mark.parametrize("opened", ["statement", "transaction"])
def test_what_was_let_go_by_others_fails_once(database: Database, opened: str):
    with getattr(database, opened)() as connection:
        often(connection)
        # Past the driver, which would hear of it.
        driver: Any = connection.connection.driver_connection
        driver.pgconn.exec_(b"DEALLOCATE ALL")
    with pytest.raises(DBAPIError) as raised, getattr(database, opened)() as connection:
        one(connection)
    assert raised.value.connection_invalidated
    with getattr(database, opened)() as connection:
        often(connection)


def test_after_going_back_to_a_savepoint_the_transaction_goes_on(database: Database):
    """Again and again, whatever was prepared meanwhile."""
    for _ in range(9):
        with database.transaction() as connection:
            assert one(connection) == [(7,)]
            savepoint = connection.begin_nested()
            often(connection)
            savepoint.rollback()
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
        a_transaction_waits(database)
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
        cuts(waiting, a_transaction_waits(database))
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


@MAKES_A_TABLE
def test_a_first_statement_that_fails_leaves_a_connection_for_the_next(lot: Database):
    for _ in range(2):
        with pytest.raises(DBAPIError), lot.transaction() as connection:
            DIVIDED.rows(connection, {"by": 0})
        with lot.transaction() as connection:
            assert DIVIDED.rows(connection, {"by": 1}) == [(1,)]


@MAKES_A_TABLE
def test_where_one_fails_nothing_stays_of_those_before_it(lot: Database):
    def fails() -> None:
        with lot.transaction() as connection:
            PUT.count(connection, given(1))
            DIVIDED.rows(connection, {"by": 0})

    with pytest.raises(DBAPIError, match="division by zero"):
        fails()
    assert left(lot) == []
    with lot.transaction() as connection:
        PUT.count(connection, given(3))
    assert left(lot) == [3]


@MAKES_A_TABLE
def test_after_one_failed_in_a_savepoint_the_transaction_goes_on(lot: Database):
    with lot.transaction() as connection:
        PUT.count(connection, given(1))
        savepoint = connection.begin_nested()
        PUT.count(connection, given(2))
        with pytest.raises(DBAPIError):
            DIVIDED.rows(connection, {"by": 0})
        savepoint.rollback()
        PUT.count(connection, given(3))
        assert one(connection) == [(7,)]
    assert left(lot) == [1, 3]


@MAKES_A_TABLE
def test_of_a_transaction_that_is_undone_nothing_stays(lot: Database):
    def fails() -> None:
        with lot.transaction() as connection:
            PUT.count(connection, given(1))
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    with lot.transaction() as connection:
        PUT.count(connection, given(2))
        connection.rollback()
    assert left(lot) == []


@MAKES_A_TABLE
def test_whoever_waited_for_a_lock_counts_what_was_written_meanwhile(lot: Database):
    counted: list[Any] = []

    def count() -> None:
        with lot.transaction() as connection:
            LOCK.rows(connection, {"key": 1})
            counted.extend(LEFT.rows(connection))

    counting = threading.Thread(target=count)
    with lot.transaction() as connection:
        LOCK.rows(connection, {"key": 1})
        counting.start()
        a_transaction_waits(lot)
        PUT.count(connection, given(1))
        assert counted == []
    counting.join(10)
    assert counted == [(1,)]


@MAKES_A_TABLE
@pytest.mark.parametrize("writes", [False, True])
def test_whoever_is_ended_while_they_wait_hears_so_and_nothing_stays(
    lot: Database, *, writes: bool
):
    def asks(connection: Connection) -> None:
        if writes:
            PUT.count(connection, given(1))
        LOCK.rows(connection, {"key": 1})

    cut_off(lot, asks, lambda _waiting, process: ends(lot, process))
    assert left(lot) == []


@MAKES_A_TABLE
def test_a_server_that_is_gone_when_something_is_sent_is_told_as_such(lot: Database):
    with lot.transaction() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    ends(lot, pid)
    with pytest.raises(DBAPIError) as told, lot.transaction() as connection:
        one(connection)
    assert told.value.connection_invalidated
    with lot.transaction() as connection:
        assert one(connection) == [(7,)]


def test_no_more_are_prepared_than_a_connection_keeps(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("models.database.MOST_PREPARED", 1)
    made = Database(database_url, pool_size=1)
    try:
        with made.statement() as connection:
            for wanted in range(6):
                for _ in range(10):
                    connection.exec_driver_sql(f"SELECT {wanted} AS given")
            driver: Any = connection.connection.driver_connection
            (kept,) = driver.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        # One is let go of with the next statement.
        assert 1 <= kept <= 2
    finally:
        made.dispose()
