"""The database's machine is lost and its standby takes over: what was confirmed is there.

DATABASE_URL names both; the service finds the one that is written to by itself.
"""

from __future__ import annotations

import shutil
import tempfile

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from models.clock import DatabaseClock
from models.database import Database, does_not_answer
from models.migrations.runner import upgrade
from models.operations import leases
from models.operations.standbys import read
from models.replica import LOOK_EVERY, Replica
from services.health.leadership import Leadership
from services.health.standbys import FITS, check_standbys
from services.store import CryptographicChance
from tests.crash.standby import NAME, Standby, standby_of
from tests.support.house import House, house
from tests.support.postgres import OwnServer
from tests.support.rows import soon
from tests.support.until import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@dataclass
class Pair:
    """A server and the standby that follows it, and their address for the service."""

    server: OwnServer
    standby: Standby
    url: str

    @property
    def both(self) -> str:
        primary = make_url(self.url)
        hosts = f"{primary.query['host']},{self.standby.sockets}"
        return (
            f"postgresql://postgres@/{primary.database}?host={hosts}"
            "&target_session_attrs=read-write"
        )

    def follows(self) -> None:
        """Wait until a commit waits for the standby."""
        database = Database(self.url)
        with database.statement() as connection:
            wait_for(lambda: read(connection).synchronous == 1, "the standby follows")
        database.dispose()


@pytest.fixture
def folder(run_folder: Path) -> Iterator[Path]:
    """Short, for it holds sockets, and open to the user that a server runs as."""
    made = Path(tempfile.mkdtemp(dir=run_folder))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def pair(own_postgres: OwnServer, folder: Path) -> Iterator[Pair]:
    url = own_postgres.create()
    upgrade(url)
    with standby_of(own_postgres, folder) as standby:
        own_postgres.sets(synchronous_standby_names=NAME)
        made = Pair(own_postgres, standby, url)
        made.follows()
        try:
            yield made
        finally:
            with suppress(Exception):
                own_postgres.stops_hard()
            own_postgres.starts()
            own_postgres.sets()
            own_postgres.drop(url)


@pytest.fixture
def service(pair: Pair) -> Iterator[House]:
    with house(pair.both, clock=DatabaseClock(), chance=CryptographicChance()) as made:
        made.opens_centre("1", starts=soon(made, 20), capacity=2)
        yield made


def answers(service: House) -> bool:
    with suppress(DBAPIError), service.database.statement() as connection:
        return bool(connection.execute(text("SELECT 1")).scalar_one())
    return False


def test_callers_book_on_after_a_failover_and_nothing_confirmed_is_lost(pair: Pair, service: House):
    assert check_standbys(service.store, 1) == FITS
    lead = Leadership(service.store, "scheduler")
    assert lead.ask()
    for number in range(5):
        service.phone(f"+3361200000{number}").books()
    # Connections are open on the old one; a call is in the middle.
    in_the_middle = service.phone("+33612000009").goes_to("offers")
    pair.server.stops_hard()
    with pytest.raises(DBAPIError) as lost, service.database.statement() as connection:
        connection.execute(text("SELECT 1"))
    assert does_not_answer(lost.value)
    assert not answers(service)
    pair.standby.takes_over()
    wait_for(lambda: answers(service), "the other one is found", 20)
    in_the_middle.books()
    service.phone("+33612000010").books()
    assert len(service.bookings()) == 7
    # The lease came along: whoever works goes on.
    assert lead.ask()
    # No loss is accepted, and the new one waits for no other yet: that is told.
    finding = check_standbys(service.store, 1)
    assert "synchronous_standby_names is empty" in finding.says


def test_a_server_that_became_a_standby_is_left_although_it_still_answers(
    pair: Pair, service: House
):
    """As behind a pool whose connections outlive the change."""
    with service.database.statement() as connection:
        connection.execute(text("SET default_transaction_read_only = on"))
    refused = 0
    for number in range(20):
        with suppress(DBAPIError), service.database.statement() as connection:
            leases.give_up(connection, service.clock, "scheduler", str(number))
            continue
        refused += 1
    assert refused == 1


def test_lists_are_read_on_the_standby_that_follows(pair: Pair, service: House):
    database = str(make_url(pair.url).database)
    seconds = [0.0]
    replica = Replica(pair.standby.url_of(database), ticks=lambda: seconds[0])
    primary = Database(pair.both, replica=replica)
    lead = Leadership(service.store, "dispatcher")

    def is_a_standby() -> bool:
        seconds[0] += LOOK_EVERY
        lead.ask()
        return primary.read_late(
            lambda connection: bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar())
        )

    wait_for(is_a_standby, "the standby is read")
    # A commit that waits for it would wait for ever.
    pair.server.sets()
    pair.standby.stops()
    assert not is_a_standby()
    pair.standby.starts()
    primary.dispose()
