"""A request has one time for all that it asks the store, and the queue of writers keeps to it."""

from __future__ import annotations

import fcntl
import math
import sqlite3
import threading

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from sqlalchemy import make_url, text

from models.database import SQLITE_BUSY_TIMEOUT_MS, Database, does_not_answer
from models.time_left import NotInTime, TimeLeft
from tests.support.until import wait_for


def test_all_waits_of_a_thread_end_together():
    now = [100.0]
    time_left = TimeLeft(lambda: now[0])
    assert time_left.left == math.inf
    assert time_left.of_wait(5) == 5
    with time_left.within(6):
        now[0] += 2
        assert (time_left.left, time_left.of_wait(5)) == (4, 4)
        with time_left.within(60):
            assert time_left.left == 4
        others: list[float] = []
        thread = threading.Thread(target=lambda: others.append(time_left.left))
        thread.start()
        thread.join()
        assert others == [math.inf]
        now[0] += 4
        with pytest.raises(NotInTime):
            time_left.check()
    time_left.check()


def test_who_has_waited_in_the_queue_waits_no_second_time():
    now = [100.0]
    time_left = TimeLeft(lambda: now[0])
    outer = time_left.queues()
    now[0] += 4
    inner = time_left.queues()
    assert time_left.of_wait(5) == 1
    time_left.is_through(queued=inner)
    now[0] += 4
    assert time_left.of_wait(5) == -3
    time_left.is_through(queued=outer)
    assert time_left.of_wait(5) == 5


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def queued_by_another(url: str) -> Iterator[None]:
    """Another process of this machine writes, and does not come to an end."""
    with open(f"{make_url(url).database}-writer", "w") as file:  # noqa: PTH123
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_whoever_has_a_limit_leaves_the_queue_of_writers(sqlite_url: str):
    with opened(sqlite_url) as database:
        with queued_by_another(sqlite_url):
            with database.within(0.05), pytest.raises(NotInTime) as told, database.transaction():
                raise AssertionError("there is one writer")
            assert does_not_answer(told.value)
            # Reading needs no turn.
            with database.within(5), database.statement() as connection:
                assert connection.execute(text("SELECT 1")).scalar_one() == 1
        with database.within(5), database.transaction() as connection:
            connection.execute(text("SELECT 1"))


def test_a_thread_that_writes_is_waited_for_no_longer_either(sqlite_url: str):
    with opened(sqlite_url) as database:
        found: list[Exception] = []

        def writes() -> None:
            try:
                with database.within(0.05), database.one_writer():
                    pass
            except Exception as error:  # noqa: BLE001
                found.append(error)

        with database.transaction():
            thread = threading.Thread(target=writes)
            thread.start()
            thread.join()
        assert [type(error) for error in found] == [NotInTime]


def busy_of(database: Database, seconds: float | None) -> int:
    """How long (milliseconds) a connection of this thread would wait for another writer."""
    asked = text("PRAGMA busy_timeout")
    if seconds is None:
        with database.statement() as connection:
            return int(connection.execute(asked).scalar_one())
    with database.within(seconds), database.statement() as connection:
        return int(connection.execute(asked).scalar_one())


def test_a_connection_waits_as_long_as_its_request_may(sqlite_url: str):
    with opened(sqlite_url) as database:
        assert busy_of(database, None) == SQLITE_BUSY_TIMEOUT_MS
        assert busy_of(database, 60) == SQLITE_BUSY_TIMEOUT_MS
        assert 0 < busy_of(database, 2) <= 2000
        # The same connection, for the next one who has no limit.
        assert busy_of(database, None) == SQLITE_BUSY_TIMEOUT_MS


def test_who_stood_behind_others_in_front_of_a_locked_file_waits_no_second_time(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
):
    """Six processes waited five seconds each, one after the other: thirty for the last of them."""
    with opened(sqlite_url) as database:
        now = [100.0]
        monkeypatch.setattr(database, "_time_left", TimeLeft(lambda: now[0]))
        busy: list[int] = []
        with database.statement() as connection:
            queue = database._queue
            assert queue is not None
            queue._thread.acquire()
            waited = threading.Event()

            def writes() -> None:
                with database.statement() as own:
                    waited.set()
                    with database.one_writer():
                        busy.append(own.execute(text("PRAGMA busy_timeout")).scalar_one())

            thread = threading.Thread(target=writes)
            thread.start()
            try:
                assert waited.wait(10)
                wait_for(lambda: database._time_left._queued, "it stands in the queue")
                now[0] += 4.5
            finally:
                queue._thread.release()
            thread.join()
            assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == 5000
        assert busy == [500]


def test_what_the_driver_says_of_a_locked_file_is_known_as_such(sqlite_url: str):
    file = make_url(sqlite_url).database
    assert file is not None
    with opened(sqlite_url) as database, closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for way in (database.transaction, lambda: together(database)):
            with pytest.raises(Exception) as told, database.within(0.05), way():  # noqa: PT011
                raise AssertionError("there is one writer")
            assert does_not_answer(told.value), told.value


@pytest.mark.parametrize("fails_at", ["the queue", "a connection", "the beginning", "the end"])
def test_whoever_fails_on_the_way_leaves_nothing_behind(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, fails_at: str
):
    with opened(sqlite_url) as database, monkeypatch.context() as broken:
        queue = database._queue
        assert queue is not None

        def fails(*_any: object) -> None:
            raise NotInTime("the time for the store is over")

        way = {
            "the queue": (queue, "_take_file"),
            "a connection": (database.engine, "connect"),
            "the beginning": (database.engine.dialect, "do_begin"),
            "the end": (database.engine.dialect, "do_commit"),
        }[fails_at]
        broken.setattr(*way, fails)
        with pytest.raises(NotInTime), database.transaction():
            assert fails_at == "the end"
        broken.undo()
        assert queue._depth == 0
        assert database._time_left._queued == {}
        assert not database.is_asked_by(threading.get_ident())
        # Nothing is out of the pools but what the next writer or reader gets.
        out = [one.pool.checkedout() for one in database.engines]  # type: ignore[attr-defined]
        assert out == [len(database._kept[one]) for one in database.engines]
        # Another thread is the next writer.
        done: list[int] = []

        def writes() -> None:
            with database.within(10), database.transaction() as connection:
                done.append(connection.execute(text("SELECT 1")).scalar_one())

        thread = threading.Thread(target=writes)
        thread.start()
        thread.join()
        assert done == [1]


def test_the_connection_of_an_outer_block_is_that_of_the_thread_again(sqlite_url: str):
    with opened(sqlite_url) as database, database.statement() as outer:
        thread = threading.get_ident()
        with database.transaction() as inner:
            assert database._taken[thread] is inner
        assert database._taken[thread] is outer


@contextmanager
def together(database: Database) -> Iterator[None]:
    with database.statement() as connection, database.together(connection):
        yield
