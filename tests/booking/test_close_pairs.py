"""What leaves no time between two appointments: refused where it is known, else a case."""

from __future__ import annotations

import threading

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from sqlalchemy import select

from flows.session import Commitment
from models.booking import changes
from models.booking.changes import BookingDetails
from models.centres.tables import centre
from models.desk import cases
from models.slots.tables import slot
from services.booking import change_booking
from services.booking.changed import Moved, Unchanged, WhyNot
from services.booking.close_pairs import NO_TIME, look_after
from services.campaign.campaign import Campaign
from services.slots.allocate import Chosen
from services.slots.free_days import free_hours
from services.slots.leave_time import leaves_time
from services.work import Work
from tests.booking.test_services import (
    AGENT,
    BOTH,
    COVID,
    DESK,
    GRIPPE,
    again,
    booked,
    live,
    verified,
)
from tests.call.test_two_services import Caller
from tests.support.house import LANDLINE, House, house, mornings
from tests.support.race import at_once
from tests.support.rows import change, clock_of, near, rows_of

MORNING = mornings(1)[0]
# The way to centre 2 is ten kilometres, to centre 3 fifty.
KILOMETRES = {"1": 0.0, "2": 10.0, "3": 50.0}
STARTS = [MORNING + timedelta(minutes=5 * number) for number in range(40)]


def three_centres(url: str) -> Iterator[House]:
    with house(url, campaign=GRIPPE, beside=(COVID,)) as made:
        for gid, kilometres in KILOMETRES.items():
            made.opens_centre(gid, kilometres=kilometres, starts=STARTS, capacity=2)
        yield made


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    yield from three_centres(database_url)


def moves(  # noqa: PLR0917 (what, and to where)
    made: House, file: BookingDetails, dose: int, service: str, centre: str, minutes: int
) -> Moved | Unchanged:
    """Move what is done of a service to a centre, so long after the first slot of the morning."""
    start = MORNING + timedelta(minutes=minutes)
    there = select(slot.c.id).where(slot.c.start_at == start, slot.c.centre_id == centre)
    (found,) = rows_of(made.database, there)
    with made.database.transaction() as connection:
        return change_booking.move(
            connection,
            made.store,
            GRIPPE if service == "grippe" else COVID,
            DESK,
            file.id,
            to={dose: Chosen(0, found.id, start)},
            by=AGENT,
            service=service,
        )


# ---------------------------------------------------------------- of one reference


@pytest.mark.parametrize(
    ("centre", "minutes", "is_time"),
    [("1", 25, False), ("1", 30, True), ("2", 35, False), ("2", 45, True), ("3", 75, False)],
)
def test_a_half_moves_only_to_where_the_other_leaves_time(
    town: House, centre: str, minutes: int, *, is_time: bool
):
    file = booked(town, BOTH)
    done = moves(town, file, 1, "covid", centre, minutes)
    assert isinstance(done, Moved) == is_time
    assert is_time or done == Unchanged(WhyNot.NO_TIME)
    assert verified(town) == []


def test_the_campaign_says_how_much_time(town: House):
    file = booked(town, BOTH)
    brisk = replace(COVID, between=timedelta(minutes=5), travel_minutes=0.5)
    there = [("2", MORNING + timedelta(minutes=15))]
    other = Commitment("", file.live[0].centre_id, file.live[0].start_at.isoformat())
    with town.database.statement() as connection:
        for campaign, is_time in ((COVID, False), (brisk, True)):
            work = Work(connection, town.store, campaign, commitments=(other,))
            assert leaves_time(work, there) == is_time


def test_two_halves_that_move_at_once_never_meet(town: House):
    """Each leaves time for where the other is; both would not."""
    file = booked(town, BOTH)
    assert isinstance(moves(town, file, 1, "covid", "1", 180), Moved)
    done = at_once(
        partial(moves, town, file, 1, "grippe", "2", 100),
        partial(moves, town, file, 2, "covid", "1", 95),
    )
    assert sum(isinstance(one, Moved) for one in done) == 1, done
    assert Unchanged(WhyNot.NO_TIME) in done
    assert verified(town) == []


def test_with_the_lock_off_two_halves_meet(database_url: str, monkeypatch: pytest.MonkeyPatch):
    """What the booking's lock is for."""
    both_read = threading.Barrier(2, timeout=20)
    locked = changes.load

    def unlocked(*given: Any, lock: bool = False) -> BookingDetails | None:
        found = locked(*given)
        both_read.wait()
        return found

    for town in three_centres(database_url):
        file = booked(town, BOTH)
        moves(town, file, 1, "covid", "1", 180)
        monkeypatch.setattr(changes, "load", unlocked)
        at_once(
            partial(moves, town, file, 1, "grippe", "2", 100),
            partial(moves, town, file, 2, "covid", "1", 95),
        )
        monkeypatch.undo()
        starts = live(again(town, file))
        assert abs(starts["grippe"] - starts["covid"]) == timedelta(minutes=5)


# ---------------------------------------------------------------- of one call


def search_of(caller: Caller, *commitments: Commitment, companion: bool = False) -> list[Any]:
    """What a call is offered for the Covid, whose people have these appointments."""
    with caller.turn() as world:
        search = replace(
            caller.search(world, COVID.name),
            commitments=tuple(replace(one, companion=companion) for one in commitments),
        )
        return list(world.hold_nearest(search))


def there(offers: list[Any]) -> dict[str, timedelta]:
    """How long after the first slot of the morning each centre is offered."""
    return {one.centre_id: datetime.fromisoformat(one.start_at) - MORNING for one in offers}


def test_what_else_is_booked_in_a_call_leaves_time_for_what_it_booked(town: House):
    caller = Caller(town)
    (flu,) = [
        Commitment("1234567890", one.centre_id, one.start_at)
        for one in search_of(caller)
        if one.centre_id == "1"
    ]
    found = there(search_of(caller, flu))
    assert found == {
        "1": timedelta(minutes=30),
        "2": timedelta(minutes=40),
        "3": timedelta(minutes=80),
    }


def test_a_centre_without_a_position_is_as_far_as_people_are_sent(town: House):
    change(
        town.database,
        centre.update().where(centre.c.id == "1").values(latitude=None, longitude=None),
    )
    other = Commitment("", "1", MORNING.isoformat())
    with town.database.statement() as connection:
        work = Work(connection, town.store, COVID, commitments=(other,))
        far = timedelta(minutes=30 + COVID.radius_kilometres)
        assert not leaves_time(work, [("2", MORNING + far - timedelta(minutes=1))])
        assert leaves_time(work, [("2", MORNING + far)])


def test_whoever_chooses_a_day_first_is_shown_no_hour_that_leaves_no_time(town: House):
    other = Commitment("", "1", MORNING.isoformat())
    with town.database.statement() as connection:
        work = Work(connection, town.store, COVID, commitments=(other,))
        found = free_hours(work, DESK, near(town), town.clock.now(), MORNING.date())
    shown = {one.near.centre.id: one.slots[0].start_at - MORNING for one in found}
    assert shown == {
        "1": timedelta(minutes=30),
        "2": timedelta(minutes=40),
        "3": timedelta(minutes=80),
    }


# ---------------------------------------------------------------- known to the store alone


def waiting(made: House) -> list[Any]:
    with made.database.statement() as connection:
        return [one for one in cases.waiting(connection, limit=9) if one.kind == NO_TIME]


def looks(made: House) -> int:
    known: dict[str, Campaign] = {one.name: one for one in BOTH}
    return look_after(made.store, known.get)


def test_what_only_the_store_sees_is_a_case_once(town: House):
    flu = booked(town, [GRIPPE])
    covid = booked(town, [COVID], holder="CA-2")
    # Somebody else of the same telephone, and the same birth date elsewhere: other people.
    booked(town, [COVID], holder="CA-3", born=date(1943, 1, 1))
    booked(town, [COVID], holder="CA-4", number=LANDLINE)
    assert looks(town) == 1
    (case,) = waiting(town)
    assert case.booking_id in {flu.id, covid.id}
    assert case.why.startswith("2026-11-2")
    assert looks(town) == 0
    # After it was closed, only what moves again is looked at.
    with town.database.transaction() as connection:
        cases.close(connection, town.store.clock, case.id)
    assert looks(town) == 0
    clock_of(town).advance(timedelta(minutes=1))
    assert isinstance(moves(town, covid, 1, "covid", "2", 35), Moved)
    assert looks(town) == 1


def test_what_leaves_time_is_no_case(town: House):
    booked(town, [GRIPPE])
    covid = booked(town, [COVID], holder="CA-2")
    assert isinstance(moves(town, covid, 1, "covid", "2", 40), Moved)
    assert looks(town) == 0


def test_who_comes_along_comes_to_the_same_centre_at_the_same_time(town: House):
    caller = Caller(town)
    flu = Commitment("1234567890", "1", MORNING.isoformat())
    found = there(search_of(caller, flu, companion=True))
    assert found["1"] == timedelta()
    assert found["2"] == timedelta(minutes=40)
