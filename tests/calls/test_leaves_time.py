"""Appointments of one reference, and those of one call, leave time for the way between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from sqlalchemy import select

from models.booking.tables import appointment
from models.centres.geography import distance_km
from models.centres.tables import centre
from tests.calls.test_services import BOTH, ONLY_COVID, ONLY_FLU, SEVENTY, YES, autumn, changes
from tests.support.house import MOBILE, House, house, mornings
from tests.support.rows import rows_of

QUARTERS = [timedelta(minutes=15 * number) for number in range(12)]
# The default of a campaign.
LEAST, A_KILOMETRE = timedelta(minutes=30), timedelta(minutes=1)


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    """Three centres that do both, from 10 o'clock on each quarter of an hour of two mornings."""
    flu, covid = autumn()
    with house(database_url, campaign=flu, beside=(covid,)) as made:
        starts = [start + quarter for start in mornings(2) for quarter in QUARTERS]
        for gid, kilometres in (("1", 0.4), ("2", 4.1), ("3", 12.2)):
            made.opens_centre(gid, kilometres=kilometres, starts=starts, capacity=2)
        yield made


def visits(made: House) -> list[tuple[datetime, str]]:
    """When and where somebody is to come."""
    live = select(appointment.c.start_at, appointment.c.centre_id).where(
        appointment.c.state == "confirmed"
    )
    return sorted((row.start_at, row.centre_id) for row in rows_of(made.database, live))


def leaves_time(made: House) -> bool:
    """Whether whoever has all appointments of this house can keep them."""
    where = select(centre.c.id, centre.c.latitude, centre.c.longitude)
    stands = {row.id: (row.latitude, row.longitude) for row in rows_of(made.database, where)}
    found = visits(made)
    return all(
        then - first >= LEAST + A_KILOMETRE * distance_km(*stands[here], *stands[there])
        for (first, here), (then, there) in pairwise(found)
    )


def test_half_of_an_appointment_is_offered_where_the_other_half_leaves_time(service: House):
    service.phone(MOBILE).dials().answers("1", "1", SEVENTY, BOTH, YES, "75011", "1", "1")
    caller = changes(service, service.phone(MOBILE)).answers("2", "1")
    offers = service.session(caller.sid).offers
    (first, _), *_ = visits(service)
    assert len(offers) == 3
    for each in offers:
        apart = abs(datetime.fromisoformat(each.start_at) - first)
        assert apart >= LEAST + A_KILOMETRE * max(each.kilometres - 0.4, 0)
    caller.answers("2", "1").hears_text("C'est fait")
    assert len(visits(service)) == 2
    assert leaves_time(service)


def test_the_second_of_two_who_finds_nothing_beside_has_time_to_get_there(database_url: str):
    """One caller brings both: from the first's centre to the second's there is time."""
    flu, covid = autumn()
    with house(database_url, campaign=flu, beside=(covid,)) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(1), capacity=1)
        starts = [mornings(1)[0] + quarter for quarter in QUARTERS]
        made.opens_centre("2", kilometres=4.1, starts=starts, capacity=1)
        caller = made.phone(MOBILE).dials().answers("2", "2", SEVENTY, ONLY_FLU, "75011", "1", "1")
        caller.answers("1", "1", "03041958", ONLY_FLU)
        assert caller.step == "offers"
        caller.answers("1", "1")
        assert len(made.bookings()) == 2
        (first, _), (then, _) = visits(made)
        assert then - first == timedelta(minutes=45)


def test_a_couple_comes_to_one_centre_at_one_time(service: House):
    caller = service.phone(MOBILE).dials().answers("2", "2", SEVENTY, ONLY_FLU, "75011", "1", "1")
    caller.answers("1", "03041958", ONLY_FLU, "1", "1")
    assert len(set(visits(service))) == 1
    assert len(visits(service)) == 2


@pytest.mark.parametrize("born", [SEVENTY, "13031956"])
def test_whoever_asks_is_offered_the_same_whether_that_person_is_booked_or_not(
    service: House, born: str
):
    """Nothing of what another call booked is told: an agent gets a case."""
    service.phone(MOBILE).dials().answers("1", "1", SEVENTY, ONLY_FLU, "75011", "1", "1")
    (first,) = visits(service)
    caller = service.phone(MOBILE).dials().answers("1", "1", born, ONLY_COVID, YES, "75011")
    offers = service.session(caller.sid).offers
    assert [(datetime.fromisoformat(one.start_at), one.centre_id) for one in offers] == [
        (first[0], gid) for gid in ("1", "2", "3")
    ]
