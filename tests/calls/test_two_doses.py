"""A campaign in which everybody comes twice: one call, one reference, both appointments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sqlalchemy import select, update

from models.booking.tables import appointment
from models.slots.tables import place
from tests.support.house import LANDLINE, MOBILE, House, campaign_with, house, mornings
from tools.simulator import tongues
from tools.simulator.outcomes import after_confirmation, heard_reference


@pytest.fixture
def twice(database_url: str) -> Iterator[House]:
    """One centre with room for two people on each of 40 mornings."""
    with house(database_url, campaign=campaign_with(doses=2)) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(40), capacity=2)
        yield made


def starts_of(service: House) -> list[tuple[int, str]]:
    """Each booked appointment: which of the two, and its day."""
    statement = select(appointment.c.dose, place.c.start_at).join(
        place, place.c.id == appointment.c.place_id
    )
    with service.database.statement() as connection:
        rows = connection.execute(statement.order_by(appointment.c.dose)).all()
    return [(dose, start.date().isoformat()) for dose, start in rows]


def test_a_caller_who_only_listens_for_words_hears_the_booking_its_reference_and_the_text(
    twice: House,
):
    """As a person would, and a machine that calls: confirmed, then the ten digits."""
    caller = twice.phone(MOBILE).goes_to("offers").presses("1")
    assert after_confirmation(caller.spoken) == []
    caller.answers("1", "1")
    assert heard_reference(caller.spoken) == twice.bookings()[0].reference
    assert any(map(tongues.ends("text_promised").search, after_confirmation(caller.spoken)))


def test_where_the_second_goes_under_the_callers_feet_nothing_is_half_booked(twice: House):
    caller = twice.phone(LANDLINE).goes_to("confirm")
    chosen = twice.session(caller.sid).choice
    # Somebody else has all of the second slot, and this call's hold on it is no more.
    taken = update(place).where(place.c.slot_id == chosen.second_slot_id)
    until = twice.clock.at(timedelta(minutes=9))
    with twice.database.transaction() as connection:
        connection.execute(
            taken.values(held_by="another", hold_expires_at=until, hold_limit_at=until)
        )
    caller.presses("1").hears_text("Un de ces deux rendez-vous vient d'être pris")
    assert starts_of(twice) == []
    caller.presses("1").hears_text("Second : ")
    again = twice.session(caller.sid).choice
    assert again.second_slot_id != chosen.second_slot_id
    caller.answers("1", "1", "1")
    caller.hears_text("et de même avant le second").presses("2")
    assert caller.ended_normally
    assert len(starts_of(twice)) == 2
