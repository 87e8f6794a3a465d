"""What may be some seconds old is read on the replica, as long as one keeps up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.exc import DBAPIError

from models.centres.tables import centre
from models.clock import DatabaseClock
from models.database import Database
from models.operations import leases
from models.operations.tables import LEASE_SECONDS, process_lease
from models.replica import LEFT_ALONE, LOOK_EVERY, MOST_LATE, Replica
from tests.support.house import House, mornings
from tests.support.postgres import PostgresServer

CLOCK = DatabaseClock()


@dataclass
class Copied:
    """A database whose replica is another one, so that one can see which was asked."""

    primary: Database
    replica: Replica
    copy: Database
    seconds: float = 0.0

    def later(self, seconds: float) -> None:
        self.seconds += seconds

    def lives(self, database: Database, *, ago: float = 0.0) -> None:
        """A process that works prolongs its lease, which comes to the copy as all rows do."""
        with database.transaction() as connection:
            leases.take(connection, CLOCK, "dispatcher", "a", timedelta(seconds=LEASE_SECONDS))
            moment = CLOCK.at(timedelta(seconds=LEASE_SECONDS - ago))
            connection.execute(update(process_lease).values(until=moment))

    def asked(self) -> str:
        """The database that answers."""

        def name(connection: Connection) -> str:
            return str(connection.execute(text("SELECT current_database()")).scalar_one())

        return "copy" if self.primary.read_late(name) == self.copy.url.database else "primary"


@pytest.fixture
def copied(
    database_url: str, postgres_server: PostgresServer, _postgres_template: str
) -> Iterator[Copied]:
    url = postgres_server.create(template=_postgres_template)
    copy = Database(url)
    made: list[Copied] = []
    replica = Replica(url, ticks=lambda: made[0].seconds if made else 0.0)
    primary = Database(database_url, replica=replica)
    made.append(Copied(primary, replica, copy))
    yield made[0]
    primary.dispose()
    copy.dispose()
    postgres_server.drop(url)


def test_a_copy_that_keeps_up_is_read(copied: Copied):
    copied.lives(copied.copy)
    assert copied.asked() == "copy"


def test_a_copy_that_is_late_or_follows_nobody_is_not(copied: Copied):
    assert copied.asked() == "primary"
    copied.lives(copied.copy, ago=MOST_LATE + 1)
    copied.later(LOOK_EVERY)
    assert copied.asked() == "primary"
    copied.lives(copied.copy)
    copied.later(LOOK_EVERY)
    assert copied.asked() == "copy"


def test_when_the_copy_is_gone_the_primary_serves(copied: Copied, postgres_server: PostgresServer):
    copied.lives(copied.copy)
    assert copied.asked() == "copy"
    name, url = copied.copy.url.database, copied.copy.url
    copied.copy.dispose()
    postgres_server.drop(url.render_as_string(hide_password=False))
    # In the middle of a question, and then without asking it again for a while.
    assert copied.asked() == "primary"
    assert copied.asked() == "primary"
    assert not copied.replica.keeps_up()
    made = postgres_server.create(name=str(name), template=f"{postgres_server.prefix}_template")
    again = Database(made)
    copied.lives(again)
    again.dispose()
    copied.later(LEFT_ALONE)
    assert copied.asked() == "copy"


def test_nothing_is_written_on_it(copied: Copied):
    """Where REPLICA_DATABASE_URL names the primary by mistake."""
    copied.lives(copied.copy)
    assert copied.replica.keeps_up()
    with copied.replica.statement() as connection, pytest.raises(DBAPIError, match="read-only"):
        connection.execute(text("DELETE FROM process_lease"))


def test_a_booking_is_decided_by_the_primary_and_lists_come_from_the_copy(
    copied: Copied, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """The copy has no centre and no slot at all, and a caller books; the public list is its own."""
    copied.lives(copied.copy)
    made = House(database_url)
    made.database.dispose()
    made.database, made.store = copied.primary, replace(made.store, database=copied.primary)
    made.knows_postcodes()
    made.opens_centre("1", starts=mornings(3))

    def count(connection: Connection) -> Any:
        return connection.execute(select(func.count()).select_from(centre)).scalar_one()

    assert copied.primary.read_late(count) == 0
    made.phone().books()
    assert len(made.bookings()) == 1
    assert "Centre 1" not in made.application().test_client().get("/centres").text
    made.close()
