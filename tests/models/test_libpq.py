"""Statements that go to PostgreSQL without the driver's cursor, and what could go wrong."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator

import psycopg
import pytest

from sqlalchemy import BigInteger, Connection, Integer, String, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import libpq
from models.database import Database, unhurried
from models.prepared import Prepared, begin_with
from tests.support.until import comes

pytestmark = pytest.mark.direct

ONE = Prepared(select(bindparam("given", type_=Integer).label("one")))
TWO = Prepared(select((bindparam("given", type_=BigInteger) + 1).label("two")))
ISOLATION = Prepared(
    select(func.current_setting("transaction_isolation", type_=String).label("level"))
)
KEY = bindparam("key", type_=BigInteger)
LOCK = Prepared(select(func.pg_advisory_xact_lock(KEY).label("taken")))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    made = Database(postgres_url, pool_size=4)
    yield made
    made.dispose()


def names(connection: Connection) -> list[str]:
    """What this connection has prepared, as the server knows it."""
    asked = text("SELECT name FROM pg_prepared_statements WHERE name LIKE 'allo%' ORDER BY name")
    return list(connection.execute(asked).scalars())


def one(connection: Connection, given: int = 7) -> list[tuple[int]]:
    return ONE.rows(connection, {"given": given})


def test_a_statement_is_prepared_once_for_each_size_of_its_values(database: Database):
    with database.statement() as connection:
        for given in (1, 2, 2**40, 3, 2**41):
            assert TWO.rows(connection, {"given": given}) == [(given + 1,)]
        assert len(names(connection)) == 2


def test_no_more_are_prepared_than_a_connection_keeps(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(libpq, "MOST", 1)
    with database.statement() as connection:
        assert one(connection) == [(7,)]
        assert TWO.rows(connection, {"given": 7}) == [(8,)]
        assert len(names(connection)) == 1


def test_nothing_is_prepared_behind_a_pool_that_gives_each_transaction_another_connection(
    postgres_url: str,
):
    url = f"{postgres_url}{'&' if '?' in postgres_url else '?'}pgbouncer=true"
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
        seen = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        with database.statement() as other:
            assert comes(lambda: other.execute(seen).scalar_one() == 1)
        assert not taken.is_set()
    waiting.join(10)
    assert taken.is_set()


def test_whoever_is_cut_off_hears_of_a_connection_that_broke(database: Database):
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            with database.transaction() as connection:
                unhurried(connection)
                LOCK.rows(connection, {"key": 1})
        except DBAPIError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    with database.transaction() as connection:
        LOCK.rows(connection, {"key": 1})
        waiting.start()
        seen = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        with database.statement() as other:
            assert comes(lambda: other.execute(seen).scalar_one() == 1)
        assert waiting.ident is not None
        database.set_free(waiting.ident)
        waiting.join(10)
        assert not waiting.is_alive()
    (error,) = errors
    assert isinstance(error, DBAPIError)
    assert error.connection_invalidated
    assert isinstance(error.orig, psycopg.OperationalError)
    # The next one has another connection.
    with database.transaction() as connection:
        assert one(connection) == [(7,)]
