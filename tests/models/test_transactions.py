"""How a transaction ends: committed, or rolled back, and the next one begins anew."""

from __future__ import annotations

import pytest

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from models.call.tables import call
from models.clock import DatabaseClock
from models.database import Connection, Database
from models.prepared import Prepared
from models.slots.tables import place
from tests.support.house import House, mornings

_NEW = Prepared(insert(call).inline().execution_options(preserve_rowcount=True))


def _store(connection: Connection, call_id: str) -> None:
    at = DatabaseClock().now()
    values = {"id": call_id, "status": "ringing", "status_rank": 2, "started_at": at}
    assert _NEW.count(connection, values) == 1


def _stored(database: Database) -> list[str]:
    with database.statement() as connection:
        return list(connection.execute(select(call.c.id).order_by(call.c.id)).scalars())


def _store_and_fail(database: Database, call_id: str) -> None:
    with database.transaction() as connection:
        _store(connection, call_id)
        raise KeyError(call_id)


def test_it_is_committed_at_its_end_and_rolled_back_by_an_error(database: Database):
    with database.transaction() as connection:
        _store(connection, "one")
    with pytest.raises(KeyError, match="two"):
        _store_and_fail(database, "two")
    with database.transaction() as connection:
        _store(connection, "three")
    assert _stored(database) == ["one", "three"]


def _book_for_none(database: Database) -> None:
    with database.transaction() as connection:
        _store(connection, "one")
        # Their booking is looked for when the transaction ends.
        booked = connection.execute(update(place).values(booking_id="none"))
        assert booked.rowcount


def test_what_cannot_be_committed_is_rolled_back(service: House):
    service.opens_centre("1", starts=mornings(1))
    with pytest.raises(IntegrityError):
        _book_for_none(service.database)
    with service.database.transaction() as connection:
        _store(connection, "two")
    assert _stored(service.database) == ["two"]


def test_one_that_ended_in_its_block_ends_no_second_time(database: Database):
    with database.transaction() as connection:
        _store(connection, "one")
        connection.rollback()
    with database.transaction() as connection:
        _store(connection, "two")
    assert _stored(database) == ["two"]
