"""When people answer: hours of weekdays, public holidays, and the night of a clock change."""

from __future__ import annotations

import subprocess
import sys

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.campaign.opening_hours import OpeningHours, tomorrow_evening
from services.campaign.public_holidays import HOLIDAYS, from_library, public_holidays
from tests.campaign.open_minutes import open_minutes_between
from tests.support.house import CAMPAIGN, campaign_with

PARIS = ZoneInfo("Europe/Paris")
USUAL = CAMPAIGN.hours


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-11-25T07:59", False),
        ("2026-11-25T08:00", True),
        ("2026-11-25T19:59", True),
        ("2026-11-25T20:00", False),
        ("2026-11-28T12:00", True),  # a Saturday
        ("2026-11-29T12:00", False),  # a Sunday
        ("2026-12-25T12:00", False),
        ("2027-05-06T12:00", False),  # Ascension
    ],
)
def test_a_campaign_that_says_nothing_answers_on_working_days(moment: str, *, open_: bool):
    assert USUAL.is_open(at(moment)) is open_


def test_a_holiday_is_told_apart_from_a_sunday():
    assert USUAL.is_holiday(at("2026-12-25T12:00"))
    assert not USUAL.is_holiday(at("2026-11-29T12:00"))
    # All Saints of 2026 is a Sunday: there would be no hours otherwise.
    assert not USUAL.is_holiday(at("2026-11-01T12:00"))


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-25T12:00", "2026-11-25T12:00"),
        ("2026-11-25T06:00", "2026-11-25T08:00"),
        ("2026-11-25T20:00", "2026-11-26T08:00"),
        ("2026-11-28T20:00", "2026-11-30T08:00"),
        ("2026-12-24T21:00", "2026-12-26T08:00"),
    ],
)
def test_the_next_opening_leaves_out_sundays_and_holidays(moment: str, opens: str):
    found = USUAL.next_opening(at(moment))
    assert found == at(opens)
    assert found is not None
    assert found.tzinfo == PARIS


def test_it_closes_when_the_interval_ends():
    assert USUAL.closes_at(at("2026-11-25T12:00")) == at("2026-11-25T20:00")
    assert USUAL.closes_at(at("2026-11-25T21:00")) is None


def test_hours_of_a_campaign_have_a_zone_and_may_end_at_midnight():
    days = (((8 * 60, 12 * 60), (14 * 60, 24 * 60)), *[()] * 6)
    hours = campaign_with(agents_hours=OpeningHours("Indian/Reunion", days)).hours
    monday = datetime(2026, 11, 23, 13, tzinfo=ZoneInfo("Indian/Reunion"))
    assert not hours.is_open(monday)
    opens = hours.next_opening(monday)
    assert opens == monday + timedelta(hours=1)
    closes = hours.closes_at(monday + timedelta(hours=2))
    assert closes == monday + timedelta(hours=11)


def test_nobody_is_told_an_opening_that_never_comes():
    hours = OpeningHours("Europe/Paris", ((),) * 7)
    assert hours.next_opening(at("2026-11-25T12:00")) is None
    assert tomorrow_evening(hours, at("2026-11-25T12:00")) is None


@pytest.mark.parametrize(
    ("first", "last", "minutes"),
    [
        ("2026-11-25T19:00", "2026-11-26T09:00", 120),
        ("2026-11-28T19:30", "2026-11-30T08:30", 60),
        ("2026-11-25T21:00", "2026-11-25T23:00", 0),
        # The clocks go back on a Sunday, when nobody is there.
        ("2026-10-24T08:00", "2026-10-26T20:00", 24 * 60),
    ],
)
def test_open_minutes_are_those_in_which_somebody_answers(first: str, last: str, minutes: int):
    assert open_minutes_between(USUAL, at(first), at(last)) == minutes


def test_open_time_goes_by_in_open_hours_alone():
    found = USUAL.after_open(at("2026-11-28T19:30"), timedelta(hours=1))
    assert found == at("2026-11-30T08:30")


def test_tomorrow_evening_is_that_of_the_next_day_that_is_open():
    assert tomorrow_evening(USUAL, at("2026-11-25T12:00")) == at("2026-11-26T20:00")
    assert tomorrow_evening(USUAL, at("2026-11-28T12:00")) == at("2026-11-30T20:00")


def test_the_days_that_were_written_down_are_those_of_the_library():
    written = HOLIDAYS.read_text("utf-8").splitlines()[1:]
    years = sorted({int(line[:4]) for line in written})
    library = from_library(range(years[0], years[-1] + 1))
    assert [f"{day.isoformat()};{name}" for day, name in library.items()] == written
    assert years[-1] >= date.today().year + 2  # noqa: DTZ011


def test_other_years_are_asked_of_the_library():
    assert date(2019, 4, 22) in public_holidays(2019)


def test_a_web_worker_does_not_load_the_library():
    """It takes 11 MiB there."""
    code = (
        "import sys, datetime; from services.campaign.opening_hours import USUAL, OpeningHours;"
        "USUAL.is_open(datetime.datetime(2026, 12, 25, tzinfo=datetime.UTC));"
        "import ivr.waiting, ivr.voice; sys.exit('holidays' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
