"""A request has one time for all that it asks the store."""

from __future__ import annotations

import math
import threading

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sqlalchemy import text

from models.database import Database
from models.time_left import NotInTime, TimeLeft


def test_all_waits_of_a_thread_end_together():
    now = [100.0]
    time_left = TimeLeft(lambda: now[0])
    assert time_left.left == math.inf
    with time_left.within(6):
        now[0] += 2
        assert time_left.left == 4
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


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


@pytest.mark.parametrize("fails_at", ["a connection", "the beginning", "the end"])
def test_whoever_fails_on_the_way_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch, fails_at: str
):
    with opened(database_url) as database, monkeypatch.context() as broken:

        def fails(*_any: object) -> None:
            raise NotInTime("the time for the store is over")

        way = {
            "a connection": (database.engine, "connect"),
            "the beginning": (database.engine.dialect, "do_begin"),
            "the end": (database.engine.dialect, "do_commit"),
        }[fails_at]
        broken.setattr(*way, fails)
        with pytest.raises(NotInTime), database.transaction():
            assert fails_at == "the end"
        broken.undo()
        assert not database.is_asked_by(threading.get_ident())
        # Nothing is out of the pools.
        out = [one.pool.checkedout() for one in database.engines]  # type: ignore[attr-defined]
        assert out == [0, 0]
        # Another thread is the next writer.
        done: list[int] = []

        def writes() -> None:
            with database.within(10), database.transaction() as connection:
                done.append(connection.execute(text("SELECT 1")).scalar_one())

        thread = threading.Thread(target=writes)
        thread.start()
        thread.join()
        assert done == [1]


def test_the_connection_of_an_outer_block_is_that_of_the_thread_again(database_url: str):
    with opened(database_url) as database, database.statement() as outer:
        thread = threading.get_ident()
        with database.transaction() as inner:
            assert database._taken[thread] is inner
        assert database._taken[thread] is outer
