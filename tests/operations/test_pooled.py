"""Through a PgBouncer in transaction mode: calls book, limits hold, and no lock is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from models.database import Database
from models.migrations.runner import NotMigrated, upgrade
from models.migrations.schema import newest
from models.operations import health
from models.supervision import board
from services.findings import Level
from services.health import doctor
from tests.support import parts
from tests.support.house import House, a_mobile, mornings
from tests.support.pgbouncer import running_pgbouncer, through
from tests.support.postgres import (
    RESTRICTED_PASSWORD,
    PostgresServer,
    as_restricted,
    forget_role,
    make_restricted,
)

pytestmark = pytest.mark.owner
# Of this database alone: tests that run beside it have theirs on the same server.
LOCKS = (
    "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)


@pytest.fixture(scope="module")
def role(postgres_server: PostgresServer) -> str:
    return f"{postgres_server.prefix}_pooled"


def bouncer(server: PostgresServer, role: str, *, lenient: bool) -> Iterator[str]:
    parts.require(parts.PGBOUNCER)
    owner = make_url(server.url)
    passwords = {str(owner.username): owner.password or "", role: RESTRICTED_PASSWORD}
    with running_pgbouncer(server.url, passwords, lenient=lenient) as folder:
        yield folder


@pytest.fixture(scope="module")
def pooler(postgres_server: PostgresServer, role: str) -> Iterator[str]:
    yield from bouncer(postgres_server, role, lenient=False)


@pytest.fixture(scope="module")
def lenient_pooler(postgres_server: PostgresServer, role: str) -> Iterator[str]:
    yield from bouncer(postgres_server, role, lenient=True)


@pytest.fixture
def url_of_role(postgres_server: PostgresServer, database_url: str, role: str) -> Iterator[str]:
    """The database as the service's own role, past the pooler."""
    make_restricted(database_url, role)
    yield as_restricted(database_url, role)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}")
    forget_role(postgres_server.url, role)


@pytest.mark.parametrize("said", ["true", "prepared"])
def test_calls_book_through_it_as_the_role(url_of_role: str, pooler: str, said: str):
    made = House(through(url_of_role, pooler, said=said))
    assert made.database.is_pooled
    made.knows_postcodes()
    made.opens_centre("1", starts=mornings(2), capacity=10)

    def rings(number: int) -> None:
        made.phone(a_mobile(number)).books(born=f"1203{1940 + number}")

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(rings, range(8)))
    assert len(made.bookings()) == 8
    made.close()


def test_the_time_limit_is_the_roles(url_of_role: str, database_url: str, pooler: str):
    """At the start of a connection a pooler takes none."""
    limits = {}
    for whose, url in (("role", url_of_role), ("owner", database_url)):
        database = Database(through(url, pooler))
        with database.statement() as connection:
            limits[whose] = health.has_time_limit(connection)
        database.dispose()
    assert limits == {"role": True, "owner": False}
    assert doctor.time_limit(has_one=limits["owner"]).level is Level.WARNING


def test_an_address_that_does_not_say_so_is_refused_by_the_pooler(database_url: str, pooler: str):
    database = Database(through(database_url, pooler, said=""))
    with pytest.raises(OperationalError, match="unsupported startup parameter"):
        database.ping()
    database.dispose()


def test_nothing_of_one_is_left_to_the_next_on_the_same_connection(url_of_role: str, pooler: str):
    database = Database(through(url_of_role, pooler))
    with database.statement() as connection:
        assert board.summarise(connection)
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"
    # It could not be freed of the time limit: the owner does this, past the pooler.
    assert database.scrub(["booking"]).not_owned == ("booking",)
    database.dispose()


def test_migrations_go_past_it(database_url: str, pooler: str):
    with pytest.raises(NotMigrated, match="MIGRATION_DATABASE_URL"):
        upgrade(through(database_url, pooler))


def test_a_pooler_that_nobody_told_of_keeps_no_lock_of_a_migration(
    postgres_server: PostgresServer, lenient_pooler: str
):
    url = postgres_server.create()
    assert upgrade(through(url, lenient_pooler, said="")) == (None, newest())
    with psycopg.connect(url) as connection:
        assert connection.execute(LOCKS).fetchall() == []
    postgres_server.drop(url)


def test_another_word_for_a_pooler_is_none():
    with pytest.raises(ValueError, match="true, prepared or false"):
        Database("postgresql:///allo?pgbouncer=yes")
    assert not Database("postgresql:///allo?pgbouncer=false").is_pooled
