"""Whoever asks a server that has just been stopped hard is told that there is no store.

It has said a word of warning to each connection before it went. libpq reads that where it wanted to
hear that the connection is gone, and gives an error without a number.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sqlalchemy import Integer, bindparam, select
from sqlalchemy.exc import OperationalError

from models.database import Connection, Database, does_not_answer
from models.prepared import Prepared
from tests.support.postgres import OwnServer

ONE = Prepared(select(bindparam("given", type_=Integer).label("one")))
GIVEN = {"given": 1}


def ask(connection: Connection) -> object:
    return ONE.rows(connection, GIVEN)


@pytest.fixture
def database(own_postgres: OwnServer) -> Iterator[Database]:
    made = Database(own_postgres.create())
    yield made
    made.dispose()


@pytest.mark.parametrize("opened", ["statement", "transaction"])
def test_it_is_told_as_a_store_that_is_away(
    own_postgres: OwnServer,
    database: Database,
    opened: str,
):
    with getattr(database, opened)() as connection:
        ask(connection)
    own_postgres.stops_hard()
    try:
        with (
            pytest.raises(OperationalError) as raised,
            getattr(database, opened)() as connection,
        ):
            ask(connection)
        assert does_not_answer(raised.value)
        assert raised.value.connection_invalidated
    finally:
        own_postgres.starts()
    with getattr(database, opened)() as connection:
        ask(connection)
