"""Robots at a person's pace, and honest callers of the busiest hour, as the limits of an hour see.

A robot has one postcode, for it is after the places of a region. What it does not book alone goes
to a person, or waits for a proof; and the board says so within a minute.
"""

from __future__ import annotations

import random

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from sqlalchemy import func, select

from flows.world import Unbooked
from models.booking.reach import Proof
from models.booking.tables import booking
from models.desk.tables import agent_case
from models.slots.tables import place
from models.supervision import alerts
from services.booking.confirm_booking import Booked
from services.booking.reach import Reach
from services.slots.allocate import Channel, Holder
from services.store import ReachLimits
from services.supervision.booking_pace import WatchBookings
from tests.online.test_reach import comes
from tests.support.house import NOON, WITHHELD, House, a_mobile, campaign_with, house
from tests.support.rows import clock_of, holds, near, orders, request_for, rows_of

pytestmark = pytest.mark.slow

CENTRES = 12
# Each day has 96 places at each centre, as in a town hall.
HOURS = [timedelta(hours=7, minutes=20 * number) for number in range(24)]
FORGED = "TN-Validation-Failed-A"


def hours_of(days: int) -> list[datetime]:
    midnight = NOON.replace(hour=0)
    return [midnight + timedelta(days=day) + hour for day in range(1, days + 1) for hour in HOURS]


@pytest.fixture
def towns(database_url: str) -> Iterator[House]:
    """Three centres around one postcode, with the limits of production, and nine farther away."""
    with house(
        database_url,
        campaign=campaign_with(few_places=0, phone_share=0, per_number=2),
        reach=ReachLimits(),
    ) as made:
        for number in range(CENTRES):
            made.opens_centre(
                f"c{number}",
                kilometres=1.0 + 15 * (number // 3) + number % 3,
                starts=hours_of(10),
                capacity=4,
            )
        yield made


def born(number: int) -> date:
    return date(1932, 1, 2) + timedelta(days=3 * number)


def as_keys(day: date) -> str:
    return f"{day:%d%m%Y}"


class Watched:
    """The process that watches, while something goes on; the clock goes with it."""

    def __init__(self, made: House) -> None:
        self.made, self.watch = made, WatchBookings(made.store)
        self.began = made.clock.now()
        self.raised_after: timedelta | None = None

    def goes_on(self, seconds: float) -> None:
        clock_of(self.made).advance(timedelta(seconds=seconds))
        if self.raised_after is None and self.watch():
            self.raised_after = self.made.clock.now() - self.began


def booked(made: House) -> int:
    (row,) = rows_of(made.database, select(func.count()).select_from(booking))
    return int(row[0])


def rings(made: House, number: str, day: date) -> str:
    """A robot's call to the end of its wish; where it came to."""
    phone = made.phone(number).goes_to("confirm", born=as_keys(day))
    phone.answers("1")
    step = phone.step
    phone.hangs_up()
    return step


ROBOTS: dict[str, tuple[int, int, Callable[[int], tuple[str, date]]]] = {
    # How many calls in three minutes, how many may be booked alone, and who each says to be.
    "withheld": (60, 15, lambda number: (WITHHELD, born(number))),
    "numbers in a row": (120, 10, lambda number: (a_mobile(7000 + number), born(1))),
    "numbers in a row, other dates": (
        60,
        16,
        lambda number: (a_mobile(7000 + number), born(number)),
    ),
}


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize("seconds", [75, pytest.param(180, marks=pytest.mark.long)])
def test_a_robot_on_the_telephone_books_little_and_is_seen_within_a_minute(
    towns: House, kind: str, seconds: int
):
    calls, most, says = ROBOTS[kind]
    watched = Watched(towns)
    reached = []
    for number in range(calls * seconds // 180):
        reached.append(rings(towns, *says(number)))
        watched.goes_on(180 / calls)
    assert 0 < booked(towns) <= most
    # The others are with a person, or have a promise.
    assert {step for step in reached if step != "ready"} <= {"person", "queue", "reach", "ended"}
    assert watched.raised_after is not None
    assert watched.raised_after <= timedelta(seconds=60)
    with towns.database.statement() as connection:
        assert [alert.name for alert in alerts.raised(connection)] == ["booking_pace"]


@pytest.mark.parametrize("visits", [75, pytest.param(120, marks=pytest.mark.long)])
def test_a_robot_with_many_addresses_types_codes_that_it_does_not_get(towns: House, visits: int):
    watched = Watched(towns)
    for number in range(visits):
        comes(
            towns,
            a_mobile(1000 * number),
            born=born(number),
            address=f"198.51.{number // 200}.{number % 200}",
        )
        watched.goes_on(180 / 350)
    assert 0 < booked(towns) <= 60
    assert watched.raised_after is not None
    assert watched.raised_after <= timedelta(seconds=60)


def asks(  # noqa: PLR0917 (who asks, and for what)
    made: House, number: int, proof: Proof, centre: int, day: date, phone: str | None
) -> Booked | Unbooked:
    """A caller who chose a place of that centre, at once."""
    holder = f"CA{number:06d}"
    here = [place for place in near(made) if place.centre.id == f"c{centre}"]
    (held, *_) = holds(made, holder, near=here)
    request = replace(
        request_for(held, holder),
        holder=Holder(Channel.PHONE, holder),
        born=day,
        postcode=f"75{number % 20 + 1:03d}",
        number=phone,
        reach=Reach(proof),
    )
    return orders(made, request)


@pytest.mark.parametrize("callers", [300, pytest.param(3000, marks=pytest.mark.long)])
def test_in_an_honest_hour_no_number_is_asked_for_a_proof_because_it_is_new(
    towns: House, callers: int
):
    """One line in twenty-five is withheld, and no number was known before."""
    dice = random.Random(callers)  # noqa: S311 - no secret
    watched = Watched(towns)
    to_a_person = withheld = 0
    for number in range(callers):
        day = date(1931, 1, 1) + timedelta(days=dice.randrange(20 * 365))
        centre = dice.randrange(CENTRES)
        if number % 25 == 0:
            withheld += 1
            to_a_person += not isinstance(
                asks(towns, number, Proof.NONE, centre, day, None), Booked
            )
        else:
            phone = f"+33{dice.choice('1234567')}{dice.randrange(10**8):08d}"
            assert isinstance(asks(towns, number, Proof.LINE, centre, day, phone), Booked)
        watched.goes_on(3600 / callers)
    assert to_a_person <= withheld / 100
    assert watched.raised_after is None


def test_many_people_of_the_first_of_january_are_no_script(towns: House):
    """Where a birth date was not known, offices wrote that one."""
    for number in range(10):
        answer = asks(towns, number, Proof.LINE, 0, date(1940, 1, 1), a_mobile(1000 * number))
        assert isinstance(answer, Booked)


def test_an_hour_later_a_village_goes_on(towns: House):
    for number in range(8):
        assert isinstance(
            asks(towns, number, Proof.LINE, 0, born(number), a_mobile(7000 + number)), Booked
        )
    late = asks(towns, 8, Proof.LINE, 0, born(8), a_mobile(7008))
    assert late is Unbooked.NOT_PROVED
    clock_of(towns).advance(timedelta(minutes=61))
    assert isinstance(asks(towns, 9, Proof.LINE, 0, born(8), a_mobile(7008)), Booked)


def test_an_owner_books_on_their_line_whatever_strangers_booked_on_it(towns: House):
    """Strangers showed the number of a person, twice and three times as often as it may have."""
    number = a_mobile(1)
    for stranger in range(2):
        towns.phone(number).books(born=as_keys(born(stranger)))
    assert not rows_of(towns.database, select(agent_case.c.id))
    towns.phone(number).books(born=as_keys(born(5)))
    # An agent looks at what is too much on that line.
    (case,) = rows_of(towns.database, select(agent_case.c.kind))
    assert case.kind == "crowded_number"
    for stranger in range(6, 9):
        towns.phone(number).books(born=as_keys(born(stranger)))
    # From then on with an agent, who has the place that was chosen.
    phone = towns.phone(number).goes_to("confirm", born=as_keys(born(20)))
    (chosen,) = towns.session(phone.sid).choice.places
    phone.answers("1")
    assert phone.step in {"person", "queue"}
    (kept,) = rows_of(towns.database, select(place.c.held_by).where(place.c.id == chosen))
    assert kept.held_by == phone.sid


def test_a_number_that_carriers_know_as_forged_is_none(
    towns: House, monkeypatch: pytest.MonkeyPatch
):
    """The provider says so with the call: its owner is neither shown nor counted."""
    fine = towns.phone(a_mobile(1)).dials()
    assert towns.session(fine.sid).caller == a_mobile(1)
    forged = towns.phone(a_mobile(1))
    monkeypatch.setattr(type(forged), "first_params", lambda _: {"StirVerstat": FORGED})
    forged.dials()
    assert towns.session(forged.sid).caller == ""
