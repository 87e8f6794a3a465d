"""No connection outlives its database, whoever still had one when the database was closed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from sqlalchemy import event, select, text

from models import attempts
from models.attempts import EVERYBODY, Subject, attempt
from models.clock import DatabaseClock
from models.database import Database

Opens = Callable[[], AbstractContextManager[Any]]
WAYS: dict[str, Callable[[Database], AbstractContextManager[Any]]] = {
    "a statement": Database.statement,
    "a transaction": Database.transaction,
}


@pytest.fixture(params=list(WAYS))
def opened(request: pytest.FixtureRequest, database: Database) -> Opens:
    return lambda: WAYS[request.param](database)


@pytest.fixture
def closed(database: Database) -> list[Any]:
    """The driver's connections that were closed, in order."""
    found: list[Any] = []
    for engine in database.engines:
        event.listen(engine, "close", lambda driver, _record: found.append(driver))
    return found


def driver_of(connection: Any) -> Any:
    connection.execute(text("SELECT 1"))
    return connection.connection.driver_connection


@pytest.mark.parametrize("lets_go", [Database.dispose, Database.renew])
def test_one_that_is_out_when_the_database_lets_go_is_closed_when_it_comes_back(
    database: Database, opened: Opens, closed: list[Any], lets_go: Callable[[Database], None]
):
    """As of the thread that reads the centres again while its web worker ends."""
    with opened() as connection:
        driver = driver_of(connection)
        lets_go(database)
        assert closed == []
    assert closed == [driver]


def test_one_that_is_made_afterwards_is_closed_when_it_comes_back(
    database: Database, opened: Opens, closed: list[Any]
):
    database.dispose()
    with opened() as connection:
        driver = driver_of(connection)
    assert closed == [driver]


def test_where_one_broke_the_others_are_closed_when_they_come_back(
    database: Database, closed: list[Any]
):
    """models.prepared gives up all connections of an engine of which one is gone."""
    with database.statement() as one, database.statement() as other:
        drivers = {driver_of(one), driver_of(other)}
        one.engine.dispose()
        assert closed == []
    assert set(closed) == drivers


def test_others_stay_open_for_the_next(database: Database, opened: Opens, closed: list[Any]):
    with opened() as connection:
        driver = driver_of(connection)
    with opened() as connection:
        assert driver_of(connection) is driver
    assert closed == []


def test_none_stays_open_where_a_server_forks(database: Database, opened: Opens, closed: list[Any]):
    with opened() as connection:
        driver = driver_of(connection)
    database.renew()
    assert closed == [driver]
    with opened() as connection:
        assert driver_of(connection) is not driver


def test_that_of_the_last_writer_is_not_used_once_its_pool_was_given_up(
    database: Database, closed: list[Any]
):
    """As models.prepared does where a connection of the engine is gone."""
    with database.transaction() as connection:
        driver = driver_of(connection)
    database.engine.dispose()
    with database.transaction() as connection:
        assert driver_of(connection) is not driver
    assert closed == [driver]


def test_what_a_writer_leaves_begun_is_rolled_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as broken:
        broken.setattr(database.engine.dialect, "do_commit", lambda _connection: None)
        with database.transaction() as connection:
            assert attempts.begin(connection, DatabaseClock(), [Subject("left", EVERYBODY)])
    with database.transaction() as connection:
        assert connection.execute(select(attempt)).all() == []
