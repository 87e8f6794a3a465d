"""Time: UTC inside, the centre's own clock and calendar outside, wherever the centre is."""

from __future__ import annotations

import csv
import io
import itertools

from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import literal, select

from models.centres import geography
from models.clock import FixedClock
from models.slots.tables import place, slot
from models.types import Instant
from services.slots.open_slots import day_starts
from tests.support.house import MOBILE, NOON, House, a_mobile, campaign_with, house
from tests.support.rows import knows_postcode, opens_centre_at, rows_of

# A postcode of each land with its position and the offset of its clock from UTC in winter.
LANDS = {
    "75011": (48.859, 2.378, "+01:00"),
    "97400": (-20.882, 55.450, "+04:00"),
    "97100": (15.997, -61.726, "-04:00"),
    "97200": (14.609, -61.069, "-04:00"),
    "97300": (4.938, -52.331, "-03:00"),
    "97600": (-12.781, 45.228, "+03:00"),
    "97500": (46.778, -56.177, "-03:00"),
}
lands = pytest.mark.parametrize("code", LANDS)
_lines = itertools.count()


def zone_of(code: str) -> str:
    return geography.time_zone(geography.departement("", code))


def local(code: str, day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=ZoneInfo(zone_of(code)))


@contextmanager
def service_at(url: str, code: str, *, now: datetime = NOON, **changes: Any):
    """A house with one centre in the land of a postcode."""
    campaign = campaign_with(few_places=0, **changes)
    with house(url, clock=FixedClock(now), campaign=campaign) as service:
        latitude, longitude, _ = LANDS[code]
        territory = geography.territory(geography.departement("", code), code)
        if code != "75011":
            knows_postcode(service, code, latitude, longitude, territory)
        opens_centre_at(
            service, "1", latitude, longitude, territory=territory, time_zone=zone_of(code)
        )
        yield service


def runs(service: House, *arguments: str) -> list[dict[str, str]]:
    """A command that succeeds; gives what it prints as CSV."""
    result = service.app.test_cli_runner().invoke(args=arguments)
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def opens_day(service: House, day: date, hours: str, *, every: int = 60) -> None:
    runs(
        service,
        *("slots", "open", "--centre", "1", "--from", day.isoformat(), "--days", "1"),
        *("--hours", hours, "--every", str(every)),
    )


def offered(service: House, code: str, *, born: str = "12031942") -> list[datetime]:
    """The local starts that a caller hears, each from a line of their own."""
    caller = service.phone(a_mobile(next(_lines))).goes_to("postcode", born=born).answers(code, "1")
    found = service.session(caller.sid).offers
    caller.hangs_up()
    return [one.local_start for one in found]


# ---------------------------------------------------------------- every land has its clock


def test_the_lands_are_not_all_one():
    assert {zone_of(code) for code in LANDS} == {
        "Europe/Paris",
        "Indian/Reunion",
        "America/Guadeloupe",
        "America/Martinique",
        "America/Cayenne",
        "Indian/Mayotte",
        "America/Miquelon",
    }


@lands
def test_nine_oclock_is_the_centres_nine_oclock_everywhere(database_url: str, code: str):
    """Opened, listed, spoken, written and exported; in the database it is UTC."""
    day, offset = date(2026, 11, 27), LANDS[code][2]
    with service_at(database_url, code) as service:
        opens_day(service, day, "09:00-10:00")
        (listed,) = runs(service, "slots", "list", "--centre", "1")
        assert listed["start"] == f"2026-11-27T09:00:00{offset}"
        for table in (slot, place):
            (row,) = rows_of(service.database, select(table.c.start_at))
            assert row.start_at.utcoffset() == timedelta()
            assert row.start_at == datetime.fromisoformat(listed["start"])
        caller = service.phone(MOBILE).goes_to("offers", code=code)
        caller.hears_text("vendredi 27 novembre à 9 heures")
        caller.goes_to("reach").presses("1")
        caller.hears_text("vendredi 27 novembre à 9 heures").presses("1")
        (text,) = service.messages("sms")
        assert "27/11" in service.text_of(text) or "27 nov" in service.text_of(text)
        assert "9h" in service.text_of(text).replace(" ", "")
        (exported,) = runs(service, "bookings", "export")
        assert exported["start"] == f"2026-11-27T09:00{offset}"
        assert exported["created_at"] == "2026-11-25T08:00:00+00:00"


# ---------------------------------------------------------------- when clocks change


@pytest.mark.parametrize(
    ("code", "day", "starts"),
    [
        # Paris: three o'clock comes after two, or two comes twice: then the first one counts.
        ("75011", date(2027, 3, 28), ["01:00+01", "01:30+01", "03:00+02", "03:30+02"]),
        (
            "75011",
            date(2026, 10, 25),
            ["01:00+02", "01:30+02", "02:00+02", "02:30+02", "03:00+01", "03:30+01"],
        ),
        # Saint-Pierre changes with its neighbours over there, on other days.
        ("97500", date(2027, 3, 14), ["01:00-03", "01:30-03", "03:00-02", "03:30-02"]),
        (
            "97500",
            date(2026, 11, 1),
            ["01:00-02", "01:30-02", "02:00-03", "02:30-03", "03:00-03", "03:30-03"],
        ),
        # Here no clock ever changes.
        (
            "97400",
            date(2027, 3, 28),
            ["01:00+04", "01:30+04", "02:00+04", "02:30+04", "03:00+04", "03:30+04"],
        ),
        (
            "97200",
            date(2026, 10, 25),
            ["01:00-04", "01:30-04", "02:00-04", "02:30-04", "03:00-04", "03:30-04"],
        ),
    ],
)
def test_the_hour_that_is_missing_and_the_hour_that_comes_twice(
    database_url: str, code: str, day: date, starts: list[str]
):
    now = datetime.combine(day - timedelta(days=3), time(8), tzinfo=UTC)
    with service_at(database_url, code, now=now) as service:
        opens_day(service, day, "01:00-04:00", every=30)
        listed = [row["start"] for row in runs(service, "slots", "list", "--centre", "1")]
        assert [f"{one[11:16]}{one[19:22]}" for one in listed] == starts
        # Once more, and nothing is there twice.
        opens_day(service, day, "01:00-04:00", every=30)
        assert [row["start"] for row in runs(service, "slots", "list", "--centre", "1")] == listed


@pytest.mark.parametrize("day", [date(2026, 10, 25), date(2027, 3, 28), date(2027, 1, 20)])
def test_a_working_day_has_as_many_slots_whatever_the_clocks_do_at_night(day: date):
    starts = day_starts((("08:00", "20:00"),), day, "Europe/Paris", 10)
    assert len(set(starts)) == len(starts) == 72


@pytest.mark.parametrize("first", [date(2026, 10, 8), date(2027, 3, 10)])
@pytest.mark.parametrize(("hour", "minute"), [(0, 15), (23, 45)])
@pytest.mark.parametrize("apart", [21, 28])
def test_two_doses_across_a_change_of_clocks(
    database_url: str, first: date, hour: int, minute: int, apart: int
):
    """Three to four weeks by the calendar: the same hour of the clock, not so many hours later."""
    now = datetime.combine(first - timedelta(days=2), time(8), tzinfo=UTC)
    with service_at(database_url, "75011", now=now, doses=2) as service:

        def opens(days: int) -> None:
            day = first + timedelta(days=days)
            service.opens_slots("1", [local("75011", day, hour, minute)])

        opens(0)
        # A day too soon and a day too late is no second one.
        opens(20)
        opens(29)
        assert offered(service, "75011") == []
        opens(apart)
        service.phone(MOBILE).books()
        booked = runs(service, "bookings", "export")
        starts = [datetime.fromisoformat(row["start"]) for row in booked]
        assert [start.date() for start in starts] == [first, first + timedelta(days=apart)]
        assert {(start.hour, start.minute) for start in starts} == {(hour, minute)}
        result = service.app.test_cli_runner().invoke(args=["store", "verify"])
        assert result.stdout.splitlines()[-1] == "1 bookings, 4 places, 0 contradictions"
        assert result.exit_code == 0


def test_a_second_dose_that_only_hours_would_allow_is_not_offered(database_url: str):
    """Twenty-one times 24 hours after 00:30 is 23:30 of the day before when an hour comes twice."""
    first = date(2026, 10, 8)
    now = datetime(2026, 10, 6, 8, tzinfo=UTC)
    with service_at(database_url, "75011", now=now, doses=2) as service:
        starts = [local("75011", first, 0, 30), local("75011", date(2026, 10, 28), 23, 30)]
        service.opens_slots("1", sorted(start.astimezone(UTC) for start in starts))
        assert offered(service, "75011") == []


# ---------------------------------------------------------------- age on the day


@lands
def test_old_enough_from_midnight_of_the_centres_own_birthday(database_url: str, code: str):
    """In Réunion the day begins four hours before UTC's, in Guadeloupe four hours after it."""
    with service_at(database_url, code) as service:
        before, birthday = date(2026, 12, 9), date(2026, 12, 10)
        starts = [local(code, before, 23, 45), local(code, before, 12)]
        service.opens_slots("1", sorted(start.astimezone(UTC) for start in starts))
        assert offered(service, code, born="10121951") == []
        # Who is old enough already, has these.
        assert offered(service, code, born="09121951")
        service.opens_slots("1", [local(code, birthday, 0, 15)])
        assert offered(service, code, born="10121951") == [local(code, birthday, 0, 15)]


@pytest.mark.parametrize(
    ("age", "now", "too_early", "reached"),
    [
        # No 29 February: on 1 March.
        (75, datetime(2027, 2, 15, 8, tzinfo=UTC), date(2027, 2, 28), date(2027, 3, 1)),
        (76, datetime(2028, 2, 15, 8, tzinfo=UTC), date(2028, 2, 28), date(2028, 2, 29)),
    ],
)
@pytest.mark.parametrize("code", ["75011", "97400", "97100"])
def test_who_was_born_on_29_february(  # noqa: PLR0917
    database_url: str, code: str, age: int, now: datetime, too_early: date, reached: date
):
    with service_at(database_url, code, now=now, minimum_age=age) as service:
        service.opens_slots("1", [local(code, too_early, 23, 45)])
        assert offered(service, code, born="29021952") == []
        service.opens_slots("1", [local(code, reached, 0, 15)])
        assert offered(service, code, born="29021952") == [local(code, reached, 0, 15)]


def test_other_ways_to_search_do_not_lead_to_a_day_too_early(database_url: str):
    """Other days, a part of the day, and once more from the beginning when nothing else is left."""
    code, birthday = "97100", date(2026, 12, 10)
    with service_at(database_url, code) as service:
        # UTC has the tenth of December already.
        early = local(code, birthday - timedelta(days=1), 21)
        service.opens_slots("1", [early, local(code, birthday, 15)])
        caller = service.phone(MOBILE).goes_to("postcode", born="10121951").answers(code)
        for keys in (("4", "1"), ("4", "2", "2"), ("4", "3")):
            caller.answers(*keys)
            offers = service.session(caller.sid).offers
            assert [offer.local_start for offer in offers] == [local(code, birthday, 15)]


def test_a_clock_is_asked_though_the_same_statement_was_compiled_with_a_moment(database_url: str):
    with house(database_url) as service, service.database.statement() as connection:
        after = timedelta(minutes=1)
        for moment in (service.clock.now() + after, service.clock.at(after)):
            statement = select(literal(1)).where(literal(service.clock.now(), Instant()) < moment)
            assert connection.execute(statement).scalar_one_or_none() == 1
