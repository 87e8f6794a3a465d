"""Two doses: a pair or nothing, from the search to the booking, by the centre's own calendar."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import func, select, update

from models.booking.tables import appointment, booking, history
from models.slots.tables import place
from services.slots.allocate import Allocate, Channel, Holder
from services.slots.hold_slot import HeldSlot
from services.work import Work
from tests.support.house import House, campaign_with, house, mornings
from tests.support.locks import WAITING
from tests.support.rows import (
    PARIS,
    change,
    clock_of,
    confirms,
    holds,
    near,
    opens_centre_at,
    rows_of,
)

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
TWO = campaign_with(doses=2)
(FIRST,) = mornings(1)
ZONE = "Europe/Paris"
# Territory, position and zone of centres whose clocks do different things.
SOMEWHERE = {
    "Paris": ("metropole", PARIS, "Europe/Paris"),
    "Réunion": ("974", (-20.88, 55.45), "Indian/Reunion"),
    "Guadeloupe": ("971", (16.24, -61.53), "America/Guadeloupe"),
    "Martinique": ("972", (14.61, -61.07), "America/Martinique"),
    "Guyane": ("973", (4.92, -52.31), "America/Cayenne"),
    "Mayotte": ("976", (-12.78, 45.23), "Indian/Mayotte"),
    "Saint-Pierre": ("975", (46.78, -56.18), "America/Miquelon"),
}


@pytest.fixture
def two_doses(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=TWO) as made:
        yield made


def local(day: date, hour: int, minute: int = 0, zone: str = ZONE) -> datetime:
    """A moment of a centre's own clock, in UTC."""
    return datetime.combine(day, time(hour, minute), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def pairs(held: list[HeldSlot]) -> list[tuple[datetime, datetime]]:
    return [(one.place.start_at, one.second.start_at) for one in held if one.second]


def pair_of(held: list[HeldSlot]) -> tuple[datetime, datetime]:
    (found,) = pairs(held)
    return found


def nothing_booked(service: House) -> bool:
    counts = [
        rows_of(service.database, select(func.count()).select_from(table))[0][0]
        for table in (booking, appointment, history)
    ]
    booked = select(func.count()).where(place.c.booking_id.is_not(None))
    return counts == [0, 0, 0] and rows_of(service.database, booked)[0][0] == 0


# ---------------------------------------------------------------- what is offered


def test_the_interval_is_the_campaigns(two_doses: House):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + 42 * DAY])
    assert holds(two_doses, "CA-1") == []
    six_weeks = campaign_with(doses=2, second_after_days=(42, 49))
    assert pair_of(holds(two_doses, "CA-1", campaign=six_weeks)) == (FIRST, FIRST + 42 * DAY)


def test_the_second_is_at_the_centre_of_the_first(two_doses: House):
    two_doses.opens_centre("1", kilometres=1, starts=[FIRST])
    two_doses.opens_centre("2", kilometres=2, starts=[FIRST + 21 * DAY])
    assert holds(two_doses, "CA-1") == []
    two_doses.opens_slots("2", [FIRST])
    (held,) = holds(two_doses, "CA-1")
    assert held.second
    assert held.place.centre_id == held.second.centre_id == "2"


@pytest.mark.parametrize(
    "values",
    [
        {"blocked": True},
        {"held_by": "CA-other", "hold_expires_at": FIRST, "hold_limit_at": FIRST},
        {"released_at": FIRST},
    ],
)
def test_a_second_that_is_not_to_be_had_is_none(two_doses: House, values: dict[str, object]):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + 21 * DAY])
    second = place.c.start_at == FIRST + 21 * DAY
    change(two_doses.database, update(place).where(second).values(**values))
    assert holds(two_doses, "CA-1") == []
    assert two_doses.held() == (1 if "held_by" in values else 0)


def test_a_first_without_a_second_makes_room_for_a_later_one_with_it(two_doses: House):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + DAY, FIRST + 29 * DAY])
    assert pair_of(holds(two_doses, "CA-1")) == (FIRST + DAY, FIRST + 29 * DAY)


def test_the_last_second_is_offered_to_one_caller_and_the_other_hears_the_truth(two_doses: House):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + DAY, FIRST + 22 * DAY])
    assert len(holds(two_doses, "CA-1")) == 1
    assert holds(two_doses, "CA-2") == []
    # And no first is kept from anybody without a second.
    assert two_doses.held() == 2


def test_three_offers_are_three_pairs(two_doses: House):
    for gid in ("1", "2", "3"):
        two_doses.opens_centre(gid, kilometres=int(gid), starts=mornings(40))
    held = holds(two_doses, "CA-1")
    assert pairs(held) == [(FIRST, FIRST + 21 * DAY)] * 3
    assert two_doses.held() == 6


def test_one_centre_gives_three_pairs_of_different_places(two_doses: House):
    two_doses.opens_centre("1", starts=mornings(40))
    held = holds(two_doses, "CA-1")
    ids = [one.place.place_id for one in held] + [one.second.place_id for one in held if one.second]
    assert len(held) == 3
    assert len(set(ids)) == 6 == two_doses.held()


# ---------------------------------------------------------------- by the centre's calendar


@pytest.mark.parametrize(
    ("days", "hour", "pairs_offered"),
    [(20, 23, 0), (21, 0, 1), (21, 8, 1), (21, 10, 1), (28, 18, 1), (28, 23, 1), (29, 0, 0)],
)
def test_days_are_counted_by_the_calendar_whatever_the_hour(
    two_doses: House, days: int, hour: int, pairs_offered: int
):
    """A first at ten: the afternoon of the 28th day is not too late, nor the early 21st."""
    day = date(2026, 11, 26)
    first, second = local(day, 10), local(day + days * DAY, hour)
    two_doses.opens_centre("1", starts=[first, second])
    assert pairs(holds(two_doses, "CA-1")) == [(first, second)] * pairs_offered


@pytest.mark.parametrize("name", SOMEWHERE)
@pytest.mark.parametrize("day", [date(2026, 10, 10), date(2026, 11, 26), date(2027, 3, 5)])
def test_days_are_days_when_the_clocks_change_in_between(two_doses: House, name: str, day: date):
    """France's clocks change on 25 October 2026 and 28 March 2027, Miquelon's at other times."""
    territory, position, zone = SOMEWHERE[name]
    clock_of(two_doses).moment = local(day - 2 * DAY, 12, zone=zone)
    first, too_early, earliest, latest, too_late = (
        local(day + days * DAY, hour, zone=zone)
        for days, hour in ((0, 9), (20, 23), (21, 0), (28, 23), (29, 0))
    )
    opens_centre_at(
        two_doses,
        "1",
        *position,
        territory=territory,
        time_zone=zone,
        starts=[first, too_early, too_late],
    )
    nearby = near(two_doses, *position, territory)
    assert holds(two_doses, "CA-1", near=nearby) == []
    for second in (latest, earliest):
        two_doses.opens_slots("1", [second])
        assert pair_of(holds(two_doses, "CA-1", near=nearby)) == (first, second)
        change(
            two_doses.database, update(place).where(place.c.start_at == second).values(blocked=True)
        )
    assert holds(two_doses, "CA-1", near=nearby) == []


@pytest.mark.parametrize("changes_on", [date(2026, 10, 25), date(2027, 3, 28)])
def test_nine_oclock_stays_nine_oclock_when_the_clocks_change(two_doses: House, changes_on: date):
    day = changes_on - 10 * DAY
    clock_of(two_doses).moment = local(day - DAY, 12)
    first = local(day, 9)
    seconds = [local(day + 21 * DAY, hour) for hour in (8, 9, 10)]
    two_doses.opens_centre("1", starts=sorted([first, *seconds]))
    assert pair_of(holds(two_doses, "CA-1")) == (first, seconds[1])
    assert (seconds[1] - first) % DAY != timedelta(0), "the clocks did not change in between"


def test_the_second_is_at_the_hour_of_the_first_where_that_is_free(two_doses: House):
    day = date(2026, 11, 26)
    seconds = [local(day + 21 * DAY, hour) for hour in (8, 14, 16)]
    two_doses.opens_centre("1", starts=sorted([local(day, 14), *seconds]))
    assert pair_of(holds(two_doses, "CA-1")) == (local(day, 14), seconds[1])


# ---------------------------------------------------------------- held, renewed, booked


def test_both_are_renewed_by_each_answer(two_doses: House):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + 21 * DAY])
    caller = two_doses.phone().goes_to("offers")
    for _ in range(4):
        clock_of(two_doses).advance(3 * MINUTE)
        caller.presses("9")
        assert two_doses.held() == 2
    caller.goes_to("reference")
    assert [(row.dose, row.start_at) for row in two_doses.bookings()] == [
        (1, FIRST),
        (2, FIRST + 21 * DAY),
    ]
    assert len({row.reference for row in two_doses.bookings()}) == 1


def test_both_are_booked_and_every_other_pair_goes_back(two_doses: House):
    for gid in ("1", "2", "3"):
        two_doses.opens_centre(gid, kilometres=int(gid), starts=mornings(40))
    held = holds(two_doses, "CA-1")
    assert confirms(two_doses, "CA-1", held[1])
    assert two_doses.held() == 0
    second = held[1].second
    assert second
    booked = select(place.c.id).where(place.c.booking_id.is_not(None)).order_by(place.c.id)
    assert [row.id for row in rows_of(two_doses.database, booked)] == sorted(
        [held[1].place.place_id, second.place_id]
    )
    (line,) = rows_of(two_doses.database, select(history.c.what))
    assert line == ("booked",)


def takes(service: House, place_id: int) -> None:
    """Somebody else has this place now."""
    change(
        service.database,
        update(place)
        .where(place.c.id == place_id)
        .values(
            held_by="CA-quicker",
            hold_expires_at=service.clock.now() + 4 * MINUTE,
            hold_limit_at=service.clock.now() + 20 * MINUTE,
        ),
    )


@pytest.mark.parametrize("gone", ["first", "second", "both"])
def test_when_one_is_gone_neither_is_booked_and_the_other_is_free(two_doses: House, gone: str):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + 21 * DAY])
    (held,) = holds(two_doses, "CA-1")
    assert held.second
    clock_of(two_doses).advance(5 * MINUTE)
    lost = {
        "first": [held.place.place_id],
        "second": [held.second.place_id],
        "both": [held.place.place_id, held.second.place_id],
    }[gone]
    for place_id in lost:
        takes(two_doses, place_id)
    assert confirms(two_doses, "CA-1", held) is None
    assert nothing_booked(two_doses)
    # What is left is free for anybody.
    assert two_doses.held() == len(lost)


@pytest.mark.parametrize("gone", [1, 2])
def test_another_place_of_the_same_slot_serves_for_either(two_doses: House, gone: int):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + 21 * DAY], capacity=2)
    (held,) = holds(two_doses, "CA-1")
    assert held.second
    clock_of(two_doses).advance(5 * MINUTE)
    takes(two_doses, held.place.place_id if gone == 1 else held.second.place_id)
    assert confirms(two_doses, "CA-1", held)
    rows = two_doses.bookings()
    assert [(row.dose, row.start_at) for row in rows] == [(1, FIRST), (2, FIRST + 21 * DAY)]


def test_a_second_that_goes_between_look_and_hold_leaves_no_first_held(
    two_doses: House, monkeypatch: pytest.MonkeyPatch
):
    """Two transactions look at the same second at once: one of them holds nothing in the end."""
    two_doses.opens_centre("1", kilometres=1, starts=[FIRST, FIRST + 21 * DAY])
    two_doses.opens_centre("2", kilometres=2, starts=[FIRST, FIRST + 21 * DAY])
    seconds = Allocate._seconds

    def too_late(self: Allocate, firsts: dict[str, datetime], *rest: object, **more: object):
        found = seconds(self, firsts, *rest, **more)  # type: ignore[arg-type]
        lost = found.pop("1", None)
        if lost:
            change_in(self, lost.place_id)
        return found

    def change_in(allocator: Allocate, place_id: int) -> None:
        allocator.connection.execute(
            update(place).where(place.c.id == place_id).values(held_by="CA-quicker")
        )

    with monkeypatch.context() as contested:
        contested.setattr(Allocate, "_seconds", too_late)
        held = holds(two_doses, "CA-1")
    assert [one.near.centre.id for one in held] == ["2"]
    mine = select(place.c.centre_id).where(place.c.held_by == "CA-1")
    assert rows_of(two_doses.database, mine) == [("2",), ("2",)]


def test_nobody_hears_no_because_of_a_second_that_was_only_nearly_taken(two_doses: House):
    two_doses.opens_centre("1", starts=[FIRST, FIRST + 21 * DAY])
    nearby = near(two_doses)
    second = place.c.start_at == FIRST + 21 * DAY
    with ThreadPoolExecutor(1) as caller:
        with two_doses.database.engine.connect() as somebody_else:
            somebody_else.begin()
            somebody_else.execute(update(place).where(second).values(held_by="CA-quicker"))
            asked = caller.submit(holds, two_doses, "CA-second", near=nearby)
            while not asked.done() and not rows_of(two_doses.database, WAITING)[0][0]:
                pass
            somebody_else.rollback()
        assert pairs(asked.result()) == [(FIRST, FIRST + 21 * DAY)]


def test_a_second_alone_can_be_held_for_a_first_that_stays(two_doses: House):
    """As when a second appointment is moved: same centre, same rules."""
    starts = [FIRST, *(FIRST + days * DAY for days in (20, 22, 29))]
    two_doses.opens_centre("1", starts=starts)
    with two_doses.database.transaction() as connection:
        allocator = Allocate(
            Work(connection, two_doses.store, TWO), Holder(Channel.AGENT, "desk-1")
        )
        held = allocator.hold_second(FIRST, "1", ZoneInfo(ZONE))
        assert held
        assert held.start_at == FIRST + 22 * DAY
        assert allocator.hold_second(FIRST, "1", ZoneInfo(ZONE)) is None
