"""A connection that one test closed and the next one opens has nothing of the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from models.database import Database
from tests.support.postgres import UsedAgain

PID = text("SELECT pg_backend_pid()")
LEFT = text(
    "SELECT current_setting('statement_timeout'),"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    "   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),"
    " to_regclass('pg_temp.mine'), (SELECT count(*) FROM pg_prepared_statements),"
    " (SELECT count(*) FROM pg_listening_channels())"
)


@pytest.fixture
def again(postgres_server, _postgres_template) -> Iterator[UsedAgain]:
    """What tests take one after the other, apart from the one of this run."""
    made = UsedAgain(postgres_server, _postgres_template)
    yield made
    made.drop()


def said(database: Database, *words: str) -> int:
    """Say it on a connection that lasts until the database is closed; the server's process."""
    with database.statement() as connection:
        for one in words:
            connection.execute(text(one))
        return process(connection)


def process(connection: Connection) -> int:
    return int(connection.execute(PID).scalar_one())


def test_the_next_test_has_the_connection_and_nothing_that_was_said_on_it(again):
    first = Database(again.take())
    with first.statement() as connection:
        as_made = connection.execute(LEFT).one()
    before = said(
        first,
        "SET statement_timeout = 77",
        "SELECT pg_advisory_lock(5)",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "PREPARE asked AS SELECT 2",
        "LISTEN anything",
        *["SELECT count(*) FROM booking"] * 8,
    )
    first.dispose()
    again.give_back()
    second = Database(again.take())
    with second.statement() as connection:
        assert process(connection) == before
        assert connection.execute(LEFT).one() == as_made
    # What the first one's driver had prepared is prepared anew.
    assert said(second, *["SELECT count(*) FROM booking"] * 8) == before
    second.dispose()
    again.give_back()


def test_within_a_test_what_was_closed_is_not_seen_again(again):
    database = Database(again.take())
    before = said(database)
    database.renew()
    assert said(database) != before
    database.dispose()
    again.give_back()


def test_what_a_test_closed_itself_is_closed(again):
    database = Database(again.take())
    with database.statement() as connection:
        driver: Any = connection.connection.driver_connection
        driver.close()
        with pytest.raises(OperationalError):
            process(connection)
    database.dispose()
    again.give_back()
    assert driver.closed


def test_what_the_server_ended_is_not_given_to_the_next(again):
    database = Database(again.take())
    ended = said(database)
    database.dispose()
    again.give_back()
    with psycopg.connect(again.take(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
    database = Database(again.take())
    assert said(database) != ended
    database.dispose()
    again.give_back()


def test_what_nobody_closed_is_ended_with_its_test(again):
    left = Database(again.take())
    before = said(left)
    again.give_back()
    database = Database(again.take())
    with database.statement() as connection:
        alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        assert connection.execute(alive, {"pid": before}).scalar_one() == 0
    database.dispose()
    left.dispose()
    again.give_back()


def test_whoever_looks_at_the_server_itself_finds_none_from_before(again):
    database = Database(again.take())
    before = said(database)
    database.dispose()
    again.give_back()
    for only_new in (True, False):
        database = Database(again.take(only_new=only_new))
        with database.statement() as connection:
            alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
            assert connection.execute(alive, {"pid": before}).scalar_one() == 0
        database.dispose()
        again.give_back()
