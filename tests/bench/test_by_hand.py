"""The floor under the slot store does what the service does, statement for statement."""

from __future__ import annotations

import contextlib
import re

from sqlalchemy import func, select

from bench import store
from bench.store import ByHand
from models.booking.tables import appointment, booking, history
from models.database import Database
from models.messages.tables import message
from models.slots.tables import place
from tests.support.rows import on_the_wire

HOLDER = "CA" + "0" * 31
VERB = re.compile(r"\b(UPDATE|INSERT INTO|SELECT|BEGIN|COMMIT)\b *(\w+)?")


def statements(sent: list[str]) -> list[str]:
    """The verb of each statement, and the table of one that writes, in order."""
    found = [VERB.search(re.sub(r"\s+", " ", one)) for one in sent]
    assert all(found), sent
    return [
        f"{one[1]} {one[2]}" if one[1] in {"UPDATE", "INSERT INTO"} else one[1]
        for one in found
        if one
    ]


def rows(database: Database) -> list[int]:
    counted = (booking, appointment, history, message)
    with database.statement() as connection:
        booked = select(func.count()).where(place.c.booking_id.is_not(None))
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in counted
        ] + [connection.execute(booked).scalar_one()]


def test_both_leave_the_same_rows(database_url: str):
    (centre,) = store.fill(database_url, 1, 3, 1)
    database = Database(database_url, pool_size=1)
    try:
        with contextlib.closing(ByHand(database_url)) as by_hand:
            assert by_hand.allocate(centre, HOLDER + "1")
        assert rows(database) == [1, 1, 1, 1, 1]
        with contextlib.closing(store.ServiceBookings(database_url)) as service:
            assert service.allocate(centre, HOLDER + "2")
        assert rows(database) == [2, 2, 2, 2, 2]
    finally:
        database.dispose()


def test_the_service_sends_what_is_written_by_hand(database_url: str):
    (centre,) = store.fill(database_url, 1, 3, 1)
    with contextlib.closing(store.ServiceBookings(database_url)) as service:
        assert service.allocate(centre, HOLDER + "1")
        with on_the_wire(service.store.database) as sent:
            assert service.allocate(centre, HOLDER + "2")
    # All of them: a look more costs as much as a write.
    assert statements(sent) == [
        "BEGIN",
        "UPDATE place",
        "COMMIT",
        "BEGIN",
        "SELECT",
        "UPDATE place",
        "INSERT INTO booking",
        # The appointment and the line of history are in that statement.
        "INSERT INTO message",
        "COMMIT",
    ]


def test_nothing_is_booked_where_nothing_is_free(database_url: str):
    (centre,) = store.fill(database_url, 1, 1, 1)
    with contextlib.closing(ByHand(database_url)) as by_hand:
        assert by_hand.allocate(centre, HOLDER + "1")
        assert not by_hand.allocate(centre, HOLDER + "2")
    with contextlib.closing(store.ServiceBookings(database_url)) as service:
        assert not service.allocate(centre, HOLDER + "3")
