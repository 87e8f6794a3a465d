"""The waiting list by service: a freed place is offered to those whom it can serve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from sqlalchemy import select

from models.slots.tables import place
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
    moves,
    opens,
    verified,
)
from tests.support.house import House, mornings
from tests.support.rows import PARIS, clock_of, rows_of

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
    entries.advance(made.store, lambda: BOTH)


def offered(made: House, entry_id: str) -> bool:
    with made.database.statement() as connection:
        found = entries.position(connection, made.store, entry_id)
    return found is not None and found.state == entries.EntryState.OFFERED


@pytest.mark.parametrize(
    ("serves", "goes_to"),
    [((), "covid"), (("grippe",), "grippe"), (("grippe", "covid"), "covid")],
)
def test_whoever_waits_longest_comes_first_whatever_service(
    autumn: House, serves: Sequence[str], goes_to: str
):
    opens(autumn, mornings(1), *serves)
    file = booked(autumn, [GRIPPE])
    covid = waits(autumn, COVID, "+33611111111")
    clock_of(autumn).advance(timedelta(seconds=1))
    grippe = waits(autumn, GRIPPE, "+33622222222")
    cancels(autumn, file)
    sweeps(autumn)
    assert offered(autumn, grippe) is (goes_to == "grippe")
    assert offered(autumn, covid) is (goes_to == "covid")
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


# ---------------------------------------------------------------- freed by a move, and passed on


def moves_away(made: House, serves: Sequence[str]) -> None:
    """Somebody with influenza has the first of two places, and moves to the second."""
    first, second = mornings(2)
    opens(made, [first], *serves)
    file = booked(made, [GRIPPE])
    opens(made, [second])
    moves(made, file, second, [GRIPPE])


@pytest.mark.parametrize(("serves", "is_offered"), [(("grippe",), False), ((), True)])
def test_what_a_move_frees_is_for_all_whom_it_serves(
    autumn: House, serves: Sequence[str], *, is_offered: bool
):
    covid = waits(autumn, COVID, "+33611111111")
    moves_away(autumn, serves)
    assert offered(autumn, covid) is is_offered
    assert verified(autumn) == []


def test_it_is_offered_once(autumn: House):
    entries_of = [waits(autumn, one, f"+3361111111{n}") for n, one in enumerate((COVID, GRIPPE))]
    moves_away(autumn, ())
    assert [offered(autumn, one) for one in entries_of] == [True, False]
    assert verified(autumn) == []


def test_what_one_declines_goes_to_whoever_waits_for_another_service(autumn: House):
    covid = waits(autumn, COVID, "+33611111111")
    clock_of(autumn).advance(timedelta(seconds=1))
    grippe = waits(autumn, GRIPPE, "+33622222222")
    moves_away(autumn, ())
    with autumn.database.transaction() as connection:
        assert entries.decline(Work(connection, autumn.store, COVID, others=BOTH), covid)
    assert offered(autumn, grippe)
    assert not offered(autumn, covid)


def test_what_nobody_takes_in_time_goes_to_whoever_waits_for_another_service(autumn: House):
    covid = waits(autumn, COVID, "+33611111111")
    clock_of(autumn).advance(timedelta(seconds=1))
    grippe = waits(autumn, GRIPPE, "+33622222222")
    moves_away(autumn, ())
    assert offered(autumn, covid)
    clock_of(autumn).advance(COVID.waiting_offer + timedelta(minutes=1))
    assert entries.advance(autumn.store, lambda: BOTH) == 1
    assert offered(autumn, grippe)


def test_new_places_go_to_all_services_in_one_order(autumn: House):
    covid = waits(autumn, COVID, "+33611111111")
    clock_of(autumn).advance(timedelta(seconds=1))
    grippe = waits(autumn, GRIPPE, "+33622222222")
    opens(autumn, mornings(1))
    (found,) = rows_of(autumn.database, select(place.c.id))
    with autumn.database.transaction() as connection:
        autumn.store.publish_places_freed(connection, [found.id])
    assert (offered(autumn, covid), offered(autumn, grippe)) == (True, False)
