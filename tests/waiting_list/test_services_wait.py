"""The waiting list by service: a freed place is offered to those whom it can serve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from models.waiting_list.waiting import Waiter
from services.campaign.campaign import Campaign
from services.slots.give_back import UNDO_WITHIN
from services.waiting_list import entries
from services.work import Work
from tests.booking.test_services import (
    BOTH,
    COVID,
    GRIPPE,
    autumn,
    booked,
    cancels,
    opens,
    verified,
)
from tests.support.house import House, mornings
from tests.support.rows import PARIS, clock_of

__all__ = ["autumn"]


def waits(made: House, campaign: Campaign, number: str) -> str:
    who = Waiter(
        born=date(1941, 5, 5),
        number=number,
        postcode="75011",
        rank=1,
        language="fr",
        latitude=PARIS[0],
        longitude=PARIS[1],
        territory="metropole",
        kilometres=50.0,
    )
    with made.database.transaction() as connection:
        return entries.join(Work(connection, made.store, campaign), who)


def sweeps(made: House) -> None:
    """After the time in which a cancellation can be taken back."""
    clock_of(made).advance(UNDO_WITHIN + timedelta(minutes=1, seconds=30))
    known = {one.name: one for one in BOTH}
    entries.advance(made.store, known.get, lambda: BOTH)


def offered(made: House, entry_id: str) -> bool:
    with made.database.statement() as connection:
        found = entries.position(connection, made.store, entry_id)
    return found is not None and found.state == entries.EntryState.OFFERED


@pytest.mark.parametrize(
    ("serves", "goes_to"),
    [((), "grippe"), (("grippe",), "grippe"), (("grippe", "covid"), "grippe")],
)
def test_the_bookings_own_service_comes_first(autumn: House, serves: Sequence[str], goes_to: str):
    opens(autumn, mornings(1), *serves)
    file = booked(autumn, [GRIPPE])
    covid = waits(autumn, COVID, "+33611111111")
    grippe = waits(autumn, GRIPPE, "+33622222222")
    cancels(autumn, file)
    sweeps(autumn)
    assert (offered(autumn, grippe), offered(autumn, covid)) == (True, False)
    assert verified(autumn) == []


@pytest.mark.parametrize(("serves", "is_offered"), [(("grippe",), False), ((), True)])
def test_another_service_has_what_it_can_be_served_at(
    autumn: House, serves: Sequence[str], *, is_offered: bool
):
    opens(autumn, mornings(1), *serves)
    file = booked(autumn, [GRIPPE])
    covid = waits(autumn, COVID, "+33611111111")
    cancels(autumn, file)
    sweeps(autumn)
    assert offered(autumn, covid) is is_offered
    assert verified(autumn) == []


def test_a_place_that_one_half_keeps_is_offered_to_nobody(autumn: House):
    opens(autumn, mornings(1))
    file = booked(autumn, BOTH)
    covid = waits(autumn, COVID, "+33611111111")
    cancels(autumn, file, "covid")
    sweeps(autumn)
    assert not offered(autumn, covid)
    cancels(autumn, file, "grippe")
    sweeps(autumn)
    assert offered(autumn, covid)
    assert verified(autumn) == []
