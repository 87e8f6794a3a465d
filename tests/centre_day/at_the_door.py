"""A centre's door on a Thursday morning: people with numbers, and the links of their texts."""

from __future__ import annotations

import re

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from models.centres.centres import centre_state
from services.centre_day import secretary
from services.centre_day.find_people import FoundPeople, find_people
from services.centre_day.secretary import AtCentre
from tests.support.house import House, a_mobile

MORNING, LATER = (datetime(2026, 11, 26, hour, tzinfo=UTC) for hour in (8, 9))
NEXT_DAY = MORNING + timedelta(days=1)
FAR = "35000"


def opens_two_centres(made: House) -> None:
    """Of ours: places on two days, that of the door first; the other centre is far away."""
    made.opens_centre("1", kilometres=0.4, starts=[MORNING, LATER, NEXT_DAY], capacity=4)
    made.opens_centre("2", code=FAR, starts=[MORNING], capacity=4)


def books(made: House, number: int, born: str, *, code: str = "75011") -> tuple[str, str]:
    """Somebody books by telephone and gets a text; their reference, and the link in it."""
    made.phone(a_mobile(number)).goes_to("reach", born=born, code=code).answers("1").books()
    row = made.bookings()[-1]
    text = made.text_of(made.messages("sms")[-1])
    (link,) = re.findall(r"https://[a-z.]+/r/\w{15}", text)
    return row.reference, link


def at_centre(made: House, centre_id: str = "1") -> AtCentre:
    """A secretary of the centre, at the list of the morning."""
    with made.database.statement() as connection:
        centre = centre_state(connection, centre_id)
    assert centre is not None
    who = made.employs("secretary", centre_id=centre_id)
    return AtCentre(made.store, made.service(), who, secretary.day_of(centre, MORNING.date()))


def on_day(at: AtCentre, day: date) -> AtCentre:
    return replace(at, day=secretary.day_of(at.day.centre, day))


def finds(at: AtCentre, typed: str) -> FoundPeople:
    with at.store.database.transaction() as connection:
        return find_people(connection, at, typed, "fr")
