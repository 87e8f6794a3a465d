"""A cancellation can be taken back for ten minutes, and nobody loses anything by that.

Meanwhile its places are kept: nobody finds them, and whoever waits for one gets it afterwards. A
scheduler that is dead delays that and loses nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from sqlalchemy import select, update

from jobs.scheduler import tidy
from models.booking.changes import BookingDetails
from models.slots.tables import place
from models.waiting_list.waiting import Waiter
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import By, Cancelled, Moved, Restored, Unchanged, WhyNot
from services.campaign.campaigns import Campaigns
from services.slots.allocate import Channel, Chosen, Holder
from services.slots.give_back import PASSED_ON_BEFORE, UNDO_GRACE, UNDO_WITHIN
from services.waiting_list.entries import EntryState, advance, join, position
from services.work import Work
from tests.booking.test_changes import books, read, slot_on
from tests.support.house import LANDLINE, House, campaign_with, mornings
from tests.support.race import at_once
from tests.support.rows import change, clock_of, confirms, holds, rows_of

CALLER = By("caller", Channel.PHONE)
SECOND = timedelta(seconds=1)
# From here on a scheduler passes it on; from there on it is free without one.
SETTLED = UNDO_WITHIN + UNDO_GRACE - PASSED_ON_BEFORE
FREE = UNDO_WITHIN + UNDO_GRACE


@pytest.fixture
def full(service: House) -> House:
    """One centre with a single place, which is booked."""
    service.opens_centre("1", starts=mornings(1))
    return service


@pytest.fixture
def pairs(service: House) -> House:
    service.campaign = campaign_with(doses=2, horizon_days=60)
    service.opens_centre("1", starts=mornings(50))
    return service


def cancels(house: House, file: BookingDetails, *doses: int) -> None:
    with house.database.transaction() as connection:
        done = cancel(connection, house.store, file.id, set(doses) or None, by=CALLER)
    assert isinstance(done, Cancelled)


def takes_back(house: House, file: BookingDetails) -> Restored | Unchanged:
    with house.database.transaction() as connection:
        holder = Holder(Channel.PHONE, "CA-undo")
        return undo_cancel(connection, house.store, house.campaign, holder, file.id, by=CALLER)


def waits(house: House, number: str = LANDLINE) -> str:
    who = Waiter(date(1940, 5, 6), number, "75011", centre_id="1")
    with house.database.transaction() as connection:
        return join(Work(connection, house.store, house.campaign), who)


def state(house: House, entry: str) -> EntryState:
    with house.database.statement() as connection:
        standing = position(connection, house.store, entry)
    assert standing is not None
    return standing.state


def advances(house: House) -> int:
    return advance(house.store, lambda: [house.campaign])


def holders(house: House) -> dict[int, str]:
    """Who has which place on their name."""
    statement = select(place.c.id, place.c.held_by).where(place.c.held_by.is_not(None))
    return {row.id: row.held_by for row in rows_of(house.database, statement)}


def test_nobody_else_finds_what_can_still_be_taken_back(full: House):
    file = books(full)
    cancels(full, file)
    clock_of(full).advance(UNDO_WITHIN)

    assert holds(full, "CA-quick") == []

    assert isinstance(takes_back(full, file), Restored)
    assert read(full, file.id).live == file.live
    assert holders(full) == {}


def test_with_somebody_waiting_it_is_taken_back_just_the_same(full: House):
    file = books(full)
    entry = waits(full)
    cancels(full, file)
    clock_of(full).advance(UNDO_WITHIN)
    assert advances(full) == 0
    assert state(full, entry) is EntryState.WAITING

    assert isinstance(takes_back(full, file), Restored)

    clock_of(full).advance(FREE)
    assert advances(full) == 0
    assert full.messages("waiting_offer") == []


def test_who_waits_has_it_offered_afterwards_before_anybody_sees_it(full: House):
    file = books(full)
    entry = waits(full)
    cancels(full, file)
    clock_of(full).advance(SETTLED - SECOND)
    assert advances(full) == 0
    clock_of(full).advance(SECOND)
    assert holds(full, "CA-quick") == []

    assert advances(full) == 1

    assert state(full, entry) is EntryState.OFFERED
    assert holders(full) == {file.live[0].place_id: f"waiting:{entry}"}
    assert holds(full, "CA-quick") == []
    assert takes_back(full, file) == Unchanged(WhyNot.TOO_LATE)
    assert advances(full) == 0


def test_with_a_dead_scheduler_it_is_everybodys_at_the_end_of_the_hold(full: House):
    file = books(full)
    cancels(full, file)
    clock_of(full).advance(FREE - SECOND)
    assert holds(full, "CA-quick") == []
    clock_of(full).advance(SECOND)
    (quick,) = holds(full, "CA-quick")
    assert quick.place.place_id == file.live[0].place_id
    # Back to life, the scheduler takes nothing away from anybody.
    advances(full)
    tidy(full.store)
    assert confirms(full, "CA-quick", quick) is not None


def test_a_scheduler_back_to_life_offers_what_is_still_free(full: House):
    file = books(full)
    entry = waits(full)
    cancels(full, file)
    clock_of(full).advance(timedelta(hours=1))
    assert advances(full) == 1
    assert state(full, entry) is EntryState.OFFERED


def test_two_schedulers_pass_it_on_once(full: House):
    file = books(full)
    waits(full)
    cancels(full, file)
    clock_of(full).advance(SETTLED)
    at_once(partial(advances, full), partial(advances, full))
    assert len(full.messages("waiting_offer")) == 1


def test_of_a_campaign_that_is_no_more_the_place_is_free(full: House):
    cancels(full, books(full))
    clock_of(full).advance(SETTLED)
    full.campaigns = Campaigns.fixed(replace(full.campaign, name="another"))
    assert advance(full.store, tuple) == 1
    assert holders(full) == {}
    assert len(holds(full, "CA-quick")) == 1


def test_a_blocked_place_is_kept_for_nobody(full: House):
    file = books(full)
    there = place.c.id == file.live[0].place_id
    change(full.database, update(place).where(there).values(blocked=True))
    cancels(full, file)
    assert holders(full) == {}
    assert takes_back(full, file) == Unchanged(WhyNot.GONE)


def test_what_a_closing_blocks_meanwhile_is_offered_to_nobody(full: House):
    file = books(full)
    entry = waits(full)
    cancels(full, file)
    there = place.c.id == file.live[0].place_id
    change(full.database, update(place).where(there).values(blocked=True))
    assert takes_back(full, file) == Unchanged(WhyNot.GONE)
    clock_of(full).advance(SETTLED)
    advances(full)
    assert state(full, entry) is EntryState.WAITING


def test_both_doses_are_kept_and_come_back(pairs: House):
    file = books(pairs)
    cancels(pairs, file)
    kept = {one.place_id: f"undo:{file.id}" for one in file.live}
    assert holders(pairs) == kept
    assert isinstance(takes_back(pairs, file), Restored)
    assert read(pairs, file.id).live == file.live


@pytest.mark.parametrize("then", ["the first", "a move"])
def test_what_no_undo_reaches_any_more_is_freed_at_once(pairs: House, then: str):
    """Only the newest change can be taken back: what the one before kept goes to who waits."""
    pairs.campaign = campaign_with(doses=2, horizon_days=60)
    file = books(pairs)
    first, second = file.live
    cancels(pairs, file, 2)
    assert holders(pairs) == {second.place_id: f"undo:{file.id}"}
    if then == "the first":
        cancels(pairs, file, 1)
        assert holders(pairs) == {first.place_id: f"undo:{file.id}"}
        assert isinstance(takes_back(pairs, file), Restored)
        assert read(pairs, file.id).live == (first,)
    else:
        with pairs.database.transaction() as connection:
            holder, to = Holder(Channel.PHONE, "CA-move"), slot_on(pairs, 3)
            args = (connection, pairs.store, pairs.campaign, holder, file.id)
            chosen = Chosen(0, to.slot_id, to.start_at)
            assert isinstance(move(*args, to={1: chosen}, by=CALLER), Moved)
    assert holders(pairs) == {}


def test_tidying_up_takes_nothing_from_who_can_take_it_back(full: House):
    file = books(full)
    cancels(full, file)
    clock_of(full).advance(UNDO_WITHIN)
    tidy(full.store)
    assert isinstance(takes_back(full, file), Restored)
