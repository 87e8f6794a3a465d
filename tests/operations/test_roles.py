"""The role that the docs give the service: it works with it, and cannot touch what is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from psycopg import sql
from psycopg.errors import InsufficientPrivilege, RaiseException
from sqlalchemy import make_url, text

from models.all_tables import metadata
from models.migrations import runner
from services.accounts.staff import record_act
from services.operations.erase_data import erase_data
from services.operations.going_live import Installation, missing
from services.operations.traces import Chainer, TraceKeys
from services.operations.verify_traces import verify_traces
from tests.support.house import CAMPAIGN, NOON, House
from tests.support.keeper import ROOT
from tests.support.postgres import PostgresServer

SCRIPT = (ROOT / "deploy" / "roles.sql").read_text("utf-8")
RECORDED = ("history", "staff_act", "trace_link", "trace_cut", "trace_anchor")
DAY = timedelta(days=1)


def driver_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def service_url(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    """The database as an account of the role; roles belong to the whole server."""
    role, account = f"{postgres_server.prefix}_service", f"{postgres_server.prefix}_account"
    script = SCRIPT.replace("allo_service", role)
    owner = driver_url(postgres_url)
    with psycopg.connect(owner, autocommit=True) as server:
        for _ in range(2):
            server.execute(script)
        names = {"account": sql.Identifier(account), "role": sql.Identifier(role)}
        server.execute(
            sql.SQL("CREATE ROLE {account} LOGIN PASSWORD 'x' IN ROLE {role}").format(**names)
        )
    yield (
        make_url(postgres_url)
        .set(username=account, password="x")
        .render_as_string(hide_password=False)
    )
    with psycopg.connect(owner, autocommit=True) as server:
        server.execute(sql.SQL("DROP OWNED BY {role}").format(**names))
        server.execute(sql.SQL("DROP ROLE {account}").format(**names))
        server.execute(sql.SQL("DROP ROLE {role}").format(**names))


@pytest.fixture
def service(service_url: str) -> Iterator[House]:
    made = House(service_url)
    yield made
    made.close()


def test_the_service_works_with_it(service: House, postgres_url: str):
    """A call, a second one that cancels, acts, the chain, what is erased: all as the role."""
    owner = House(postgres_url)
    owner.knows_postcodes()
    owner.opens_centre("1", starts=[NOON + DAY, NOON + 2 * DAY])
    owner.close()
    service.phone().books()
    assert len(service.bookings()) == 1
    with service.database.transaction() as connection:
        record_act(connection, service.store, "anna", "searched", "", "rappelle")
    chainer = Chainer(service.store, TraceKeys(["a secret"]))
    assert chainer() == 2
    assert chainer.mark("history")
    assert verify_traces(chainer, [], limit=5, say=print) == 0
    service.clock.advance(100 * DAY)  # type: ignore[attr-defined]
    assert erase_data(service.store)["bookings"] == 1
    chainer.cut("staff_act")


@pytest.mark.parametrize("table", RECORDED)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "DROP TABLE {table}",
        "ALTER TABLE {table} DISABLE TRIGGER USER",
        "DROP TRIGGER {trigger} ON {table}",
        "CREATE TABLE beside (id int)",
        "SET session_replication_role = replica",
        (
            "CREATE OR REPLACE FUNCTION {table}_is_append_only() RETURNS trigger "
            "LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
        ),
    ],
)
def test_it_cannot_touch_what_is_recorded(service: House, statement: str, table: str):
    recorded(service)
    done = statement.format(table=table, trigger=f"{table}_no_change")
    with pytest.raises((InsufficientPrivilege, RaiseException)):
        as_role(service, done)


@pytest.mark.parametrize("table", RECORDED)
def test_it_cannot_change_a_column_of_what_is_recorded(service: House, table: str):
    recorded(service)
    for column in metadata.tables[table].columns:
        with pytest.raises(InsufficientPrivilege):
            as_role(service, f"UPDATE {table} SET {column.name} = {column.name}")  # noqa: S608


def test_it_cannot_delete_the_reason_of_an_act_that_is_there(service: House):
    recorded(service)
    with pytest.raises(RaiseException, match="act_reason is append only"):
        as_role(service, "DELETE FROM act_reason")


def test_it_cannot_say_how_far_the_database_is(service: House):
    with pytest.raises(InsufficientPrivilege):
        as_role(service, "UPDATE alembic_version SET version_num = '0001'")


def recorded(service: House) -> None:
    """A line in each table: a trigger of rows refuses nothing where there is no row."""
    with service.database.transaction() as connection:
        for statement in (
            (
                "INSERT INTO history (booking_id, at, who, channel, what, why, details)"
                " VALUES ('B1', now(), 'caller', 'phone', 'booked', '', '{}')"
            ),
            (
                "INSERT INTO trace_cut (chain, position, chained, at, key_name, proof)"
                " VALUES ('staff_act', 9, '', now(), '', '')"
            ),
            (
                "INSERT INTO trace_anchor (chain, position, chained, at, way)"
                " VALUES ('history', 1, '', now(), 'file')"
            ),
            # By the clock on the wall, as the triggers look at it.
            (
                "INSERT INTO trace_link (chain, position, row_id, at, linked_at, digest, chained,"
                " key_name) VALUES ('staff_act', 10, 1, now(), now(), '', '', '')"
            ),
        ):
            connection.execute(text(statement))
        record_act(connection, service.store, "anna", "searched", "", "rappelle")
        connection.execute(
            text(
                "INSERT INTO staff_act (at, staff_id, what, subject, details)"
                " VALUES (now(), 'anna', 'x', '', '{}')"
            )
        )


def as_role(service: House, statement: str) -> None:
    """Raises psycopg.Error."""
    url = driver_url(service.database.url.render_as_string(hide_password=False))
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def test_the_schema_is_for_the_owner_to_change_and_the_sentence_says_so(service_url: str):
    with pytest.raises(runner.NotAllowed, match="the role that owns the tables"):
        runner.downgrade(service_url, "0017")


def test_as_that_role_it_can_be_said_what_is_missing(service: House):
    """`flask setup` reads with the account of the service, too."""
    installed = Installation(
        production=False,
        national_number="+33974750001",
        caller_id="+33974750001",
        sms_sender="AlloRDV",
        account_sid="",
        auth_token="",
        api_base_url="",
    )
    found = missing(service.store, CAMPAIGN, installed)
    assert [one.what for one in found] == [
        "postcodes",
        "directory",
        "centres",
        "agent",
        "supervisor",
    ]
