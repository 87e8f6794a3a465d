"""An entry of the waiting list that is for two services at once, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from sqlalchemy import select

from models.slots.tables import place
from models.waiting_list import positions, waiting
from models.waiting_list.tables import waiting_entry
from models.waiting_list.waiting import Waiter
from prompts.catalogue import load
from services.booking.confirm_booking import Booked
from services.campaign.campaign import Campaign
from services.waiting_list import entries
from services.waiting_list.entries import EntryState
from services.waiting_list.freed_slot_offers import offer_freed
from services.work import Work
from tests.booking.test_services import (
    APART,
    BOTH,
    COVID,
    GRIPPE,
    autumn,
    books,
    file_of,
    live,
    opens,
    verified,
)
from tests.support.house import MOBILE, House, mornings
from tests.support.rows import PARIS, clock_of, rows_of
from tests.waiting_list.test_services_wait import offered

__all__ = ["autumn"]

BORN = date(1942, 3, 12)
NEXT_TO = timedelta(minutes=10)


def waits(
    made: House, campaigns: Sequence[Campaign], number: str = MOBILE, born: date = BORN
) -> str:
    """Whoever wants all of these at once."""
    first, *beside = campaigns
    who = Waiter(
        born=born,
        number=number,
        postcode="75011",
        latitude=PARIS[0],
        longitude=PARIS[1],
        territory="metropole",
        kilometres=50.0,
    )
    with made.database.transaction() as connection:
        found = entries.join(Work(connection, made.store, first, tuple(beside)), who)
    clock_of(made).advance(timedelta(seconds=1))
    return found


def comes_free(made: House, campaigns: Sequence[Campaign] = BOTH) -> int:
    """All places of the centre come free; gives how many were offered."""
    with made.database.transaction() as connection:
        found = connection.execute(select(place.c.id).order_by(place.c.start_at)).scalars().all()
        first, *others = campaigns
        return offer_freed(Work(connection, made.store, first, others=tuple(others)), found)


def takes(made: House, entry_id: str, campaigns: Sequence[Campaign] = BOTH) -> Booked:
    first = next(one for one in campaigns if one.name == wants(made, entry_id)[0])
    with made.database.transaction() as connection:
        done = entries.accept(
            Work(connection, made.store, first, others=tuple(campaigns)),
            entry_id,
            catalogue=load("fr"),
            national_number="+33974750001",
        )
    assert isinstance(done, Booked)
    return done


def wants(made: House, entry_id: str) -> tuple[str, ...]:
    with made.database.statement() as connection:
        entry = waiting.load(connection, made.store.vault, entry_id)
    assert entry is not None
    return entry.campaigns


def test_a_place_for_both_is_both_in_one_appointment(autumn: House):
    entry = waits(autumn, BOTH)
    opens(autumn, mornings(1))
    assert comes_free(autumn) == 1
    done = takes(autumn, entry)
    file = file_of(autumn, done.reference)
    assert set(live(file)) == {"grippe", "covid"}
    assert len(file.appointments) == 1
    assert verified(autumn) == []


@pytest.mark.parametrize("service", ["grippe", "covid"])
def test_a_place_for_one_of_both_goes_to_whoever_wants_that_one(autumn: House, service: str):
    both = waits(autumn, BOTH)
    campaign = next(one for one in BOTH if one.service == service)
    alone = waits(autumn, [campaign], "+33611111111")
    opens(autumn, mornings(1), service)
    assert comes_free(autumn) == 1
    assert (offered(autumn, both), offered(autumn, alone)) == (False, True)
    assert wants(autumn, both) == (GRIPPE.name, COVID.name)


def test_two_neighbouring_places_are_offered_together(autumn: House):
    entry = waits(autumn, APART)
    start = mornings(1)[0]
    opens(autumn, [start], "grippe")
    opens(autumn, [start + timedelta(hours=4)], "covid")
    assert comes_free(autumn, APART) == 0
    opens(autumn, [start + NEXT_TO], "covid")
    assert comes_free(autumn, APART) == 1
    assert offered(autumn, entry)
    done = takes(autumn, entry, APART)
    assert live(file_of(autumn, done.reference)) == {"grippe": start, "covid": start + NEXT_TO}
    assert verified(autumn) == []


@pytest.mark.parametrize(("has", "left"), [(GRIPPE, COVID), (COVID, GRIPPE)])
def test_who_gets_one_of_both_elsewhere_waits_for_the_other(
    autumn: House, has: Campaign, left: Campaign
):
    entry = waits(autumn, BOTH)
    opens(autumn, mornings(1), has.service)
    assert isinstance(books(autumn, [has]), Booked)
    # What is free now is for the other alone, and behind them nobody is passed over.
    opens(autumn, [mornings(2)[1]], left.service)
    assert comes_free(autumn) == 1
    assert offered(autumn, entry)
    assert wants(autumn, entry) == (left.name,)
    assert set(live(file_of(autumn, takes(autumn, entry).reference))) == {left.service}
    assert verified(autumn) == []


def test_who_gets_one_of_both_while_both_are_offered_takes_the_other(autumn: House):
    entry = waits(autumn, BOTH)
    opens(autumn, mornings(1))
    assert comes_free(autumn) == 1
    opens(autumn, [mornings(2)[1]], "covid")
    assert isinstance(books(autumn, [COVID]), Booked)
    assert set(live(file_of(autumn, takes(autumn, entry).reference))) == {"grippe"}
    assert verified(autumn) == []


def test_of_two_places_the_one_that_is_not_needed_goes_to_the_next(autumn: House):
    entry = waits(autumn, APART)
    start = mornings(1)[0]
    opens(autumn, [start], "grippe")
    opens(autumn, [start + NEXT_TO], "covid")
    assert comes_free(autumn, APART) == 1
    opens(autumn, [mornings(2)[1]], "covid")
    assert isinstance(books(autumn, [COVID]), Booked)
    behind = waits(autumn, [COVID], "+33611111111", date(1940, 1, 1))
    takes(autumn, entry, APART)
    assert offered(autumn, behind)
    assert verified(autumn) == []


def test_who_has_both_elsewhere_waits_no_more(autumn: House):
    entry = waits(autumn, BOTH)
    opens(autumn, mornings(1))
    assert isinstance(books(autumn, BOTH), Booked)
    opens(autumn, [mornings(2)[1]])
    assert comes_free(autumn) == 0
    with autumn.database.statement() as connection:
        found = entries.position(connection, autumn.store, entry)
    assert found is not None
    assert found.state is EntryState.TAKEN


def test_what_has_closed_is_waited_for_no_more(autumn: House):
    entry = waits(autumn, BOTH)
    closed = replace(COVID, closes_at=autumn.clock.now() - timedelta(minutes=1))
    opens(autumn, mornings(1), "grippe")
    assert comes_free(autumn, (GRIPPE, closed)) == 1
    assert offered(autumn, entry)
    assert wants(autumn, entry) == (GRIPPE.name,)


def test_an_offer_that_runs_out_leaves_both_waited_for(autumn: House):
    entry = waits(autumn, BOTH)
    opens(autumn, mornings(1))
    assert comes_free(autumn) == 1
    clock_of(autumn).advance(GRIPPE.waiting_offer + timedelta(minutes=1))
    assert entries.advance(autumn.store, lambda: BOTH) == 1
    assert wants(autumn, entry) == (GRIPPE.name, COVID.name)


def test_those_who_want_one_of_them_are_ahead_of_who_wants_both(autumn: House):
    waits(autumn, [COVID], "+33611111111")
    waits(autumn, [GRIPPE], "+33622222222")
    entry = waits(autumn, BOTH)
    with autumn.database.statement() as connection:
        assert positions.people_ahead(connection, entry) == 2
    assert len(rows_of(autumn.database, select(waiting_entry.c.id))) == 3
