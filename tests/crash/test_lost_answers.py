"""PostgreSQL is stopped hard in the middle of a call: its last answers may go, a booking never.

An answer that does nothing else does not wait for the disk. The server of these tests writes its
log only when a commit waits, so that what did not wait is surely lost.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sqlalchemy import func, select

from models.call.tables import turn
from models.migrations.runner import upgrade
from models.slots.tables import place
from tests.support.house import MOBILE, House, house, mornings
from tests.support.postgres import OwnServer
from tests.support.rows import doubles, rows_of

# The longest that PostgreSQL takes (milliseconds, and pages): nothing is written by the way.
SELDOM = {"wal_writer_delay": "10000", "wal_writer_flush_after": "131072"}


@pytest.fixture
def lazy(own_postgres: OwnServer) -> Iterator[tuple[OwnServer, House]]:
    """A service on a server that writes when it has to."""
    url = own_postgres.create()
    try:
        upgrade(url)
        own_postgres.sets(**SELDOM)
        with house(url) as made:
            made.opens_centre("1", starts=mornings(30), capacity=2)
            yield own_postgres, made
    finally:
        own_postgres.sets()
        own_postgres.drop(url)


def crashes(server: OwnServer, service: House) -> None:
    server.stops_hard()
    server.starts()
    service.database.renew()


def turns_of(service: House, call_id: str) -> int:
    statement = select(func.max(turn.c.number)).where(turn.c.call_id == call_id)
    return int(rows_of(service.database, statement)[0][0])


def test_who_was_answered_last_is_asked_again_and_booked_once(lazy: tuple[OwnServer, House]):
    server, service = lazy
    caller = service.phone(MOBILE).goes_to("offers")
    held = turns_of(service, caller.sid)
    caller.answers("1")
    assert caller.step == "confirm"
    assert turns_of(service, caller.sid) == held + 1
    crashes(server, service)
    # The offer was an effect, and is there; the answer after it is not.
    assert turns_of(service, caller.sid) == held
    assert service.held() == 3
    before = caller.documents[-2]
    caller.answers("1")
    assert caller.documents[-1] == before
    assert caller.step == "offers"
    caller.answers("1").answers("1")
    assert caller.step == "ready"
    assert len(service.bookings()) == 1
    assert doubles(service.database) == 0


def test_what_a_caller_was_told_is_booked_is_booked(lazy: tuple[OwnServer, House]):
    server, service = lazy
    caller = service.phone(MOBILE).goes_to("confirm").answers("1")
    (booked,) = service.bookings()
    crashes(server, service)
    assert [one.reference for one in service.bookings()] == [booked.reference]
    taken = select(func.count()).where(place.c.booking_id.is_not(None))
    assert rows_of(service.database, taken)[0][0] == 1
    # Their next key is answered where the call was.
    step = caller.step
    caller.answers("")
    assert caller.step == step


def test_a_call_whose_beginning_was_lost_is_greeted(lazy: tuple[OwnServer, House]):
    server, service = lazy
    caller = service.phone(MOBILE).goes_to("date_of_birth")
    crashes(server, service)
    caller.answers("12031942")
    assert caller.step == "welcome"
