"""Statements compiled once behave as SQLAlchemy's own: rows, counts, errors, lost connections."""

from __future__ import annotations

import pytest

from sqlalchemy import (
    BigInteger,
    Integer,
    bindparam,
    event,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError

from models.call.tables import call
from models.database import Connection, Database
from models.prepared import Prepared
from tests.support.house import House

ONE = Prepared(select(literal(1, Integer).label("one"), bindparam("given", type_=Integer)))
NEW_CALL = Prepared(insert(call).inline().execution_options(preserve_rowcount=True))


def new_call(service: House, call_id: str) -> dict[str, object]:
    at = service.clock.now()
    return {"id": call_id, "status": "ringing", "status_rank": 2, "started_at": at}


def test_rows_have_names(service: House):
    with service.database.statement() as connection:
        assert ONE.rows(connection, {"given": 7}) == [(1, 7)]
        assert ONE.rows(connection, {"given": 8})[0].one == 1


def test_moments_come_back_aware(service: House):
    with service.database.statement() as connection:
        assert NEW_CALL.count(connection, new_call(service, "CA1")) == 1
        started = Prepared(select(call.c.started_at)).rows(connection)
    assert started == [(service.clock.now(),)]


def test_a_value_may_be_of_another_size_each_time(service: House):
    """What a driver found out about one value says nothing of the next."""
    given = Prepared(select(bindparam("given", type_=BigInteger).label("one")))
    with service.database.statement() as connection:
        for one in (1, 2**40, None, -1, 70_000):
            assert given.rows(connection, {"given": one}) == [(one,)]


def test_a_missing_value_is_named(service: House):
    with service.database.statement() as connection, pytest.raises(StatementError, match="given"):
        ONE.rows(connection, {})


def test_a_broken_rule_is_sqlalchemys_error_without_the_values(service: House):
    with service.database.statement() as connection:
        NEW_CALL.count(connection, new_call(service, "CA-secret"))
        with pytest.raises(IntegrityError) as broken:
            NEW_CALL.count(connection, new_call(service, "CA-secret"))
        assert (
            "CA-secret"
            not in str(broken.value.orig.__class__) + str(broken.value).split("DETAIL")[0]
        )
        # The connection is as good as before.
        assert ONE.rows(connection, {"given": 1}) == [(1, 1)]


def test_a_transaction_that_fails_takes_its_prepared_statements_with_it(service: House):
    def fail() -> None:
        with service.database.transaction() as connection:
            NEW_CALL.count(connection, new_call(service, "CA2"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with service.database.statement() as connection:
        assert Prepared(select(call.c.id)).rows(connection) == []


def test_whoever_listens_to_statements_hears_them(service: House):
    heard = []

    def listen(_connection: Connection, _cursor: object, sql: str, *_more: object) -> None:
        heard.append(sql)

    for engine in service.database.engines:
        event.listen(engine, "before_cursor_execute", listen)
    with service.database.statement() as connection:
        assert ONE.rows(connection, {"given": 7}) == [(1, 7)]
    assert len(heard) == 1


@pytest.mark.direct
def test_after_a_restart_of_the_server_one_statement_fails_and_no_more(database_url: str):
    database = Database(database_url)
    try:
        with database.statement() as first, database.statement() as second:
            pids = [
                one.execute(text("SELECT pg_backend_pid()")).scalar_one() for one in (first, second)
            ]
        with database.transaction() as killer:
            for pid in pids:
                killer.execute(text("SELECT pg_terminate_backend(:pid, 1000)"), {"pid": pid})
        with database.statement() as connection, pytest.raises(OperationalError) as gone:
            ONE.rows(connection, {"given": 7})
        assert isinstance(gone.value, DBAPIError)
        assert gone.value.connection_invalidated
        for _ in pids:
            with database.statement() as connection:
                assert ONE.rows(connection, {"given": 7}) == [(1, 7)]
    finally:
        database.dispose()
