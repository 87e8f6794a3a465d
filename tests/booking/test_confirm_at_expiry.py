"""Confirming races a hold's end a thousand times, a millisecond before, at it and after it."""

from __future__ import annotations

import threading

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from sqlalchemy import bindparam, func, select, update

from models.booking.tables import appointment, booking
from models.slots import holders, places, slot_query
from models.slots.tables import place
from services.slots.hold_slot import HeldSlot
from tests.support.house import CAMPAIGN, House, campaign_with, mornings
from tests.support.rows import change, clock_of, confirms, doubles, holds, near, rows_of

ROUNDS = 1000
MS = timedelta(milliseconds=1)
OFFSETS = (-MS, timedelta(0), MS)


@pytest.fixture
def thousand(service: House) -> House:
    """A place for each round."""
    service.opens_centre("1", starts=mornings(20), capacity=50)
    return service


def end_of(service: House) -> datetime:
    return service.clock.now() + CAMPAIGN.hold_lease


def test_in_one_instant_a_place_is_either_the_holders_or_free(thousand: House):
    """The two conditions, of confirming and of being free, leave no gap and do not overlap."""
    ends = end_of(thousand)
    # Holders of their own, for booking gives back what else a holder has.
    holder = func.concat("CA-", place.c.id)
    change(
        thousand.database,
        update(place).values(held_by=holder, hold_expires_at=ends, hold_limit_at=ends),
    )
    ids = [row.id for row in rows_of(thousand.database, select(place.c.id).order_by(place.c.id))]
    assert len(ids) == ROUNDS
    with thousand.database.transaction() as connection:
        for place_id in ids:
            holders.note(connection, f"CA-{place_id}", [place_id])
    free = select(func.count()).where(
        place.c.id == bindparam("the_place"), slot_query.is_free(thousand.clock)
    )
    clock = clock_of(thousand)
    seen = {offset: set[tuple[bool, bool]]() for offset in OFFSETS}
    with thousand.database.engine.connect() as connection, connection.begin() as nothing_stays:
        for number, place_id in enumerate(ids):
            offset = OFFSETS[number % 3]
            clock.moment = ends + offset
            is_free = bool(connection.execute(free, {"the_place": place_id}).scalar_one())
            booked = places.book(connection, clock, f"CA-{place_id}", [place_id], "whoever")
            seen[offset].add((is_free, bool(booked)))
        nothing_stays.rollback()
    assert seen == {-MS: {(False, True)}, timedelta(0): {(True, False)}, MS: {(True, False)}}


@pytest.mark.parametrize("rounds", [150, pytest.param(1000, marks=pytest.mark.long)])
def test_many_confirmations_race_the_end_of_their_hold(service: House, rounds: int):
    """Two callers at once: exactly one of them has the place, and before the end it is the first.

    Who is late may still have it, taken anew, if the other one was not quicker.
    """
    service.opens_centre("1", starts=mornings(1))
    one_each = campaign_with(few_places=1000)
    service.campaign = one_each
    nearby = near(service)
    clock = clock_of(service)
    began = clock.moment
    together = threading.Barrier(2, timeout=20)

    def confirm(holder: str, held: HeldSlot) -> bool:
        together.wait()
        return confirms(service, holder, held) is not None

    def take(holder: str) -> bool:
        together.wait()
        return bool(holds(service, holder, near=nearby, holds=False))

    winners: dict[timedelta, set[str]] = {offset: set() for offset in OFFSETS}
    with ThreadPoolExecutor(2) as callers:
        for number in range(rounds):
            offset = OFFSETS[number % 3]
            clock.moment = began
            (held,) = holds(service, f"slow-{number}", near=nearby)
            clock.moment = began + CAMPAIGN.hold_lease + offset
            slow = callers.submit(confirm, f"slow-{number}", held)
            quick = callers.submit(take, f"quick-{number}")
            outcome = (slow.result(), quick.result())
            assert outcome.count(True) == 1, f"round {number}, {offset}: {outcome}"
            winners[offset].add("slow" if outcome[0] else "quick")
            # As before the round, for the next one.
            change(service.database, appointment.delete())
            change(
                service.database,
                update(place).values(booking_id=None, held_by=None, hold_expires_at=None),
            )
    assert winners[-MS] == {"slow"}
    assert doubles(service.database) == 0
    confirmed = rows_of(service.database, select(func.count()).select_from(booking))[0][0]
    assert confirmed >= rounds // 3
