"""What happened to a booking is written once: the database refuses every later change of it."""

from __future__ import annotations

from datetime import date

import pytest

from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from models.booking import bookings
from models.booking import history as lines
from models.booking.history import Change
from models.booking.tables import booking, history
from models.slots.tables import place
from services.privacy.erase_data import erase_data
from tests.support.house import MOBILE, House, mornings
from tests.support.rows import rows_of

BOOKED = Change("caller", "phone", "booked", details={"version": 1})
CHANGES = {
    "update": update(history).values(why=""),
    "delete": delete(history),
    "truncate": text("TRUNCATE history"),
}


@pytest.fixture
def written(service: House) -> House:
    """A service with one line of history."""
    with service.database.transaction() as connection:
        lines.add(connection, service.clock, service.store.vault, "B1", BOOKED)
    return service


def changes(house: House, verb: str) -> None:
    """Change the lines with every right that the migration took from the role.

    Then the trigger alone refuses, whoever the role of the tests is.
    """
    with house.database.transaction() as connection:
        connection.execute(text("GRANT UPDATE, DELETE, TRUNCATE ON history TO CURRENT_USER"))
        connection.execute(CHANGES[verb])  # type: ignore[call-overload]


def kept(house: House) -> list[Change]:
    with house.database.statement() as connection:
        return [line.change for line in lines.of_booking(connection, "B1")]


@pytest.mark.owner
@pytest.mark.parametrize("verb", CHANGES)
def test_a_line_is_neither_changed_nor_taken_away(written: House, verb: str):
    with pytest.raises(DBAPIError, match="history is append only"):
        changes(written, verb)
    assert kept(written) == [BOOKED]


def test_what_is_erased_on_schedule_leaves_every_line(written: House):
    erase_data(written.store)
    assert kept(written) == [BOOKED]


def test_the_services_own_role_has_lost_the_right_to_change_them(written: House):
    statement = text(
        "SELECT DISTINCT privilege_type FROM pg_class, aclexplode(relacl) "
        "WHERE oid = 'history'::regclass"
    )
    with written.database.statement() as connection:
        granted = set(connection.execute(statement).scalars())
    assert {"SELECT", "INSERT"} <= granted
    assert not granted & {"UPDATE", "DELETE", "TRUNCATE"}
    assert len(rows_of(written.database, select(history))) == 1


def test_a_booking_that_came_second_leaves_no_line(service: House):
    """Another transaction booked the person since it was looked."""
    service.opens_centre("1", starts=mornings(2), capacity=1)
    service.phone(MOBILE).books()
    (row,) = rows_of(service.database, select(place).where(place.c.booking_id.is_(None)).limit(1))
    new = bookings.NewBooking(
        id="B1",
        idempotency_key="other:1",
        channel="phone",
        campaign=service.campaign.name,
        centre_id="1",
        call_id=None,
        born=date(1942, 3, 12),
        number=MOBILE,
        postcode="75011",
        doses=((row.id, row.start_at),),
    )
    with service.database.transaction() as connection:
        added = bookings.add(
            connection, service.clock, service.store.vault, new, "4521000099", BOOKED
        )
    assert added is bookings.Added.REPEATED
    assert kept(service) == []
    assert len(rows_of(service.database, select(booking.c.id))) == 1
