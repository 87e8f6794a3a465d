"""On SQLite a connection that comes back is kept for the next thread; none waits for it in vain."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sqlalchemy import event, text

from models.database import Database

AT_MOST = 30.0


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Database]:
    """With one connection for statements."""
    database = Database(sqlite_url, pool_size=1)
    yield database
    database.dispose()


class Reader(threading.Thread):
    """Another thread of this process, which reads once."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self.found: list[Any] = []

    def run(self) -> None:
        try:
            with self._database.statement() as connection:
                self.found.append(driver_of(connection))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.found.append(error)


def driver_of(connection: Any) -> Any:
    return connection.connection.driver_connection


def taken_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a thread asks the pool of statements for a connection."""
    asked = threading.Event()
    really = database._autocommit.connect

    def connect() -> Any:
        asked.set()
        return really()

    monkeypatch.setattr(database._autocommit, "connect", connect)
    return asked


def test_a_statement_gets_the_connection_that_came_back_last(sqlite_url: str):
    database = Database(sqlite_url)
    out: list[object] = []
    event.listen(database._autocommit, "checkout", lambda *_told: out.append("out"))
    event.listen(database._autocommit, "checkin", lambda *_told: out.append("back"))
    with database.statement() as first, database.statement() as second:
        drivers = [driver_of(first), driver_of(second)]
    for _ in range(3):
        with database.statement() as again:
            assert driver_of(again) is drivers[0]
    assert out == ["out", "out"]
    database.dispose()
    assert out == ["out", "out", "back", "back"]


def test_one_on_which_something_was_begun_goes_back_to_its_pool(one: Database):
    back: list[object] = []
    event.listen(one._autocommit, "checkin", lambda *_told: back.append("back"))
    with one.statement() as connection:
        connection.execute(text("SELECT 1"))
    assert back == ["back"]
    with one.snapshot():
        pass
    assert back == ["back"]


def test_a_thread_that_waits_for_the_pool_gets_what_comes_back(
    one: Database, monkeypatch: pytest.MonkeyPatch
):
    asked = taken_out(one, monkeypatch)
    reader = Reader(one)
    with one.statement() as connection:
        mine = driver_of(connection)
        asked.clear()
        reader.start()
        assert asked.wait(AT_MOST)
    reader.join(AT_MOST)
    assert reader.found == [mine]


class Slow(list[Any]):
    """What is kept; another thread does something when one is about to be."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def append(self, one: Any) -> None:
        self._meanwhile()
        super().append(one)


def test_a_thread_that_comes_while_one_is_kept_does_not_miss_it(
    one: Database, monkeypatch: pytest.MonkeyPatch
):
    asked = taken_out(one, monkeypatch)
    reader = Reader(one)

    def comes() -> None:
        # Of this thread's connection alone, not again when it is the reader's.
        if not asked.is_set():
            reader.start()
            assert asked.wait(AT_MOST)

    with one.statement() as connection:
        mine = driver_of(connection)
        asked.clear()
        one._kept[one._autocommit] = Slow(comes)
    reader.join(AT_MOST)
    assert reader.found == [mine]


def test_a_thread_looks_again_once_others_know_that_it_wants_one(
    one: Database, monkeypatch: pytest.MonkeyPatch
):
    """One that is kept between the two looks is taken, for nobody would bring it to the pool."""

    def wanting() -> None:
        raise AssertionError("it was there")

    with one.statement() as connection:
        mine = connection
    kept = one._kept[one._autocommit]
    (pair,) = kept
    kept.clear()

    class Wanting(set[int]):
        def add(self, thread: int) -> None:
            super().add(thread)
            kept.append(pair)

    one._wanting = Wanting()
    monkeypatch.setattr(one._autocommit, "connect", wanting)
    with one.statement() as connection:
        assert connection is mine
    assert not one._wanting
