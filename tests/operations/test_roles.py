"""The role that the docs give the service: it works with it, and cannot touch what is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from click.testing import CliRunner, Result
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, RaiseException
from sqlalchemy import make_url, text

from commands.db import make
from models.all_tables import metadata
from models.database import Database
from models.migrations.runner import NotMigrated, upgrade
from models.migrations.schema import newest, revision
from models.operations import grants
from models.supervision import board
from services.accounts.staff import record_act
from services.privacy.erase_data import erase_data
from services.privacy.traces import Chainer, TraceKeys
from services.privacy.verify_traces import verify_traces
from services.setup.going_live import Installation, missing
from tests.operations.next_migration import add_next_migration
from tests.support.house import CAMPAIGN, NOON, House
from tests.support.keeper import ROOT
from tests.support.locks import driver_url
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.owner
SCRIPT = (ROOT / "deploy" / "roles.sql").read_text("utf-8")
RECORDED = ("history", "staff_act", "trace_link", "trace_cut", "trace_anchor")
DAY = timedelta(days=1)


@pytest.fixture
def service_url(postgres_server: PostgresServer, database_url: str) -> Iterator[str]:
    """The database as an account of the role; roles belong to the whole server."""
    role, account = f"{postgres_server.prefix}_service", f"{postgres_server.prefix}_account"
    script = SCRIPT.replace("allo_service", role)
    owner = driver_url(database_url)
    with psycopg.connect(owner, autocommit=True) as server:
        for _ in range(2):
            server.execute(script)
        names = {"account": sql.Identifier(account), "role": sql.Identifier(role)}
        server.execute(
            sql.SQL("CREATE ROLE {account} LOGIN PASSWORD 'x' IN ROLE {role}").format(**names)
        )
    yield (
        make_url(database_url)
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


def test_the_service_works_with_it(service: House, database_url: str):
    """A call, a second one that cancels, acts, the chain, what is erased: all as the role."""
    owner = House(database_url)
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


def test_the_schema_is_for_the_owner_to_change_and_the_sentence_says_so(
    service_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    add_next_migration(monkeypatch, tmp_path)
    with pytest.raises(NotMigrated, match="the role that owns the tables"):
        upgrade(service_url)


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


# ---------------------------------------------------------------- the command


def test_the_file_is_what_the_command_says():
    assert grants.script("allo_service") == SCRIPT


def runs(url: str, *arguments: str) -> Result:
    """`flask db grant …` as whoever `url` names."""
    return CliRunner().invoke(make(lambda: Database(url)), ["grant", *arguments])


@pytest.fixture
def fresh_role(postgres_server: PostgresServer, database_url: str) -> Iterator[str]:
    role = f"{postgres_server.prefix}_fresh"
    yield role
    with psycopg.connect(driver_url(database_url), autocommit=True) as server:
        name = sql.Identifier(role)
        if server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            server.execute(sql.SQL("DROP OWNED BY {}").format(name))
            server.execute(sql.SQL("DROP ROLE {}").format(name))


def test_the_command_makes_a_role_that_books_and_makes_it_again(database_url: str, fresh_role: str):
    for _ in range(2):
        granted = runs(database_url, fresh_role)
        assert granted.exit_code == 0, granted.output
    with psycopg.connect(driver_url(database_url), autocommit=True) as server:
        # What a later migration makes is the role's, too.
        server.execute("CREATE TABLE later (id serial)")
        server.execute(f"SET ROLE {fresh_role}")
        server.execute("INSERT INTO later DEFAULT VALUES")
        with pytest.raises(InsufficientPrivilege):
            server.execute("DROP TABLE later")
        server.execute("RESET ROLE")
        server.execute("DROP TABLE later")
    owner = Database(database_url)
    as_fresh = Database(
        make_url(database_url).set(username=fresh_role).render_as_string(hide_password=False)
    )
    with as_fresh.statement() as connection:
        assert grants.missing(connection, metadata.tables) == []
        assert grants.owned(connection) == []
        limit = connection.execute(text("SHOW statement_timeout")).scalar_one()
    assert limit == "4s"
    with owner.statement() as connection:
        assert "booking" in grants.owned(connection)
    owner.dispose()
    as_fresh.dispose()


@pytest.mark.parametrize(
    ("role", "sentence"),
    [
        ("Allo; DROP", "is no name for the service's role"),
        ("postgres", "postgres is a superuser"),
    ],
)
def test_a_role_that_would_hold_nothing_back_is_refused(
    database_url: str, role: str, sentence: str
):
    refused = runs(database_url, role)
    assert refused.exit_code == 1
    assert sentence in refused.output


def test_a_role_that_owns_a_table_is_refused(database_url: str, fresh_role: str):
    assert runs(database_url, fresh_role).exit_code == 0
    with psycopg.connect(driver_url(database_url), autocommit=True) as server:
        server.execute(f"ALTER TABLE history OWNER TO {fresh_role}")
    refused = runs(database_url, fresh_role)
    assert refused.exit_code == 1
    assert f"{fresh_role} owns history" in refused.output


def test_whoever_may_not_grant_is_told_so(service_url: str, fresh_role: str):
    refused = runs(service_url, fresh_role)
    assert refused.exit_code == 1
    assert "run this as the owner of the tables" in refused.output


@pytest.fixture
def poor_house(postgres_server: PostgresServer, database_url: str) -> Iterator[House]:
    """As after a restore: the role is there, and no right came with the tables."""
    role = sql.Identifier(f"{postgres_server.prefix}_poor")
    with psycopg.connect(driver_url(database_url), autocommit=True) as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
    url = make_url(database_url).set(username=f"{postgres_server.prefix}_poor", password="x")
    made = House(url.render_as_string(hide_password=False))
    yield made
    made.close()
    with psycopg.connect(driver_url(database_url), autocommit=True) as server:
        server.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_command_whose_role_lacks_a_right_says_what_grants_it(poor_house: House):
    command = poor_house.app.test_cli_runner()
    for words in (
        ["restore", "begin", "--since", "2026-11-25T07:00"],
        ["restore", "status"],
        ["store", "verify"],
        ["bookings", "export"],
        ["staff", "list"],
    ):
        said = command.invoke(args=words)
        assert said.exit_code == 1
        assert isinstance(said.exception, SystemExit)
        last = said.output.splitlines()[-1]
        assert last.startswith(
            "Error: the database's role lacks a right (permission denied for table "
        )
        assert f"run `flask db grant {poor_house.database.url.username}`" in last


def test_the_doctor_says_so_too(poor_house: House):
    said = poor_house.app.test_cli_runner().invoke(args=["doctor"]).output
    assert "the database's role lacks a right (permission denied for table alembic_version)" in said
    assert "-> run flask db grant ROLE as the owner of the tables, after each flask migrate" in said
    assert "start the database" not in said
    said = poor_house.app.test_cli_runner().invoke(args=["setup", "--check"]).output
    assert "the database's role lacks a right (permission denied for table" in said
    assert "flask db grant ROLE" in said


def test_before_the_tables_there_is_nothing_to_grant(postgres_server: PostgresServer):
    url = postgres_server.create()
    refused = runs(url, "allo_of_tests")
    postgres_server.drop(url)
    assert refused.exit_code == 1
    assert "run flask migrate first" in refused.output


def test_a_set_up_migrates_as_the_owner(postgres_server: PostgresServer, fresh_role: str):
    """The service's role owns nothing and may make nothing, and `flask setup` runs with it."""
    owners = postgres_server.create()
    with psycopg.connect(driver_url(owners), autocommit=True) as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(fresh_role)))
    as_fresh = make_url(owners).set(username=fresh_role).render_as_string(hide_password=False)
    made = House(as_fresh)
    made.settings.migration_database_url = owners
    try:
        told = made.app.test_cli_runner().invoke(args=["setup"], input="y\n" * 3).output
    finally:
        made.close()
    there = Database(owners)
    with there.statement() as connection:
        reached = revision(connection)
    there.dispose()
    postgres_server.drop(owners)
    assert reached == newest(), told
    # It cannot read what was made before it has its rights.
    assert "database: the database's role lacks a right" in told
    assert "flask db grant" in told


def test_the_summaries_that_the_board_needs_are_made_as_the_role(service: House):
    """Only an owner may make them: they were refused every ten seconds."""
    with service.database.statement() as connection:
        assert board.summarise(connection)


@pytest.mark.parametrize(
    ("taken", "lacking"),
    [
        ("REVOKE UPDATE ON place FROM {role}", ["UPDATE on place"]),
        (
            "REVOKE USAGE ON SEQUENCE appointment_id_seq FROM {role}",
            ["USAGE on appointment_id_seq"],
        ),
    ],
)
def test_what_the_role_lacks_is_named(
    service: House,
    postgres_server: PostgresServer,
    database_url: str,
    taken: str,
    lacking: list[str],
):
    with service.database.statement() as connection:
        assert grants.missing(connection, metadata.tables) == []
    with psycopg.connect(driver_url(database_url), autocommit=True) as server:
        server.execute(taken.format(role=f"{postgres_server.prefix}_service"))
    with service.database.statement() as connection:
        assert grants.missing(connection, metadata.tables) == lacking
