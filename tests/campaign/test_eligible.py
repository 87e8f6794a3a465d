"""Who may book: the age on the day of the appointment, leap days, years of birth, groups."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from services.campaign.campaign import CampaignOpening, Eligible
from services.campaign.opening_hours import OpeningHours
from tests.support.house import campaign_with

OPENS = datetime(2021, 1, 14, 7, tzinfo=UTC)
LATER = datetime(2021, 2, 20, 7, tzinfo=UTC)
BEFORE = OPENS - timedelta(seconds=1)


def test_the_age_is_that_of_the_day_of_the_appointment():
    campaign = campaign_with(minimum_age=75)
    born = date(1946, 3, 1)
    assert campaign.eligible_on(born, date(2021, 2, 28)) is None
    assert campaign.eligible_on(born, date(2021, 3, 1)) == Eligible(minimum_age=75)


@pytest.mark.parametrize(
    ("born", "age", "too_soon", "day"),
    [
        # 2021 has no 29 February: a year older on 1 March.
        (date(1944, 2, 29), 77, date(2021, 2, 28), date(2021, 3, 1)),
        # 2024 has one.
        (date(1944, 2, 29), 80, date(2024, 2, 28), date(2024, 2, 29)),
        # 1900 had none: nobody was born then, and somebody of 28 February is no exception.
        (date(1944, 2, 28), 77, date(2021, 2, 27), date(2021, 2, 28)),
    ],
)
def test_whoever_was_born_on_a_leap_day_is_older_on_the_first_of_march(born, age, too_soon, day):
    campaign = campaign_with(minimum_age=age)
    assert campaign.eligible_on(born, too_soon) is None
    assert campaign.eligible_on(born, day)
    assert campaign.opens_for(born) == CampaignOpening(None, day)


def test_years_of_birth_are_included_on_both_sides():
    years = Eligible(born_from=date(1939, 1, 1), born_until=date(1944, 12, 31))
    campaign = campaign_with(minimum_age=100, eligible=(years,))
    day = date(2021, 1, 18)
    assert campaign.eligible_on(date(1938, 12, 31), day) is None
    assert campaign.eligible_on(date(1939, 1, 1), day) == years
    assert campaign.eligible_on(date(1944, 12, 31), day) == years
    assert campaign.eligible_on(date(1945, 1, 1), day) is None


def test_a_group_is_for_those_who_certify_it_and_are_old_enough():
    carers = Eligible(group="soignants", minimum_age=50)
    campaign = campaign_with(eligible=(carers,))
    day, born = date(2021, 1, 18), date(1971, 1, 18)
    assert campaign.eligible_on(born, day) is None
    assert campaign.eligible_on(born, day, groups={"pompiers"}) is None
    assert campaign.eligible_on(born, day, groups={"soignants"}) == carers
    assert campaign.eligible_on(born, day - timedelta(days=1), groups={"soignants"}) is None


def test_each_class_books_from_its_own_moment():
    younger = Eligible(minimum_age=65, opens_at=LATER)
    campaign = campaign_with(opens_at=OPENS, eligible=(younger,))
    day, of_75, of_65 = date(2021, 3, 1), date(1940, 1, 1), date(1950, 1, 1)
    assert campaign.eligible_on(of_75, day, at=BEFORE) is None
    assert campaign.eligible_on(of_75, day, at=OPENS)
    assert campaign.eligible_on(of_65, day, at=LATER - timedelta(seconds=1)) is None
    assert campaign.eligible_on(of_65, day, at=LATER) == younger
    assert campaign.minimum_age_at(LATER - timedelta(seconds=1)) == 75
    assert campaign.minimum_age_at(LATER) == 65


def test_neither_groups_nor_years_of_birth_lower_the_age_that_is_enough():
    others = (Eligible(group="soignants"), Eligible(born_from=date(1939, 1, 1)))
    assert campaign_with(eligible=others).minimum_age_at(OPENS) == 75


def test_the_turn_of_somebody_is_the_way_to_the_earliest_appointment():
    younger = Eligible(minimum_age=65, opens_at=LATER)
    campaign = campaign_with(opens_at=OPENS, eligible=(younger,))
    assert campaign.opens_for(date(1940, 1, 1)) == CampaignOpening(OPENS, date(2015, 1, 1))
    # 75 only in five years, but 65 already: from the second moment on.
    assert campaign.opens_for(date(1950, 1, 1)) == CampaignOpening(LATER, date(2015, 1, 1))
    # 75 in a few days, before the others may book at all.
    assert campaign.opens_for(date(1946, 1, 20)) == CampaignOpening(OPENS, date(2021, 1, 20))
    # Not even 65 yet: may ring from then on, for a day in summer.
    assert campaign.opens_for(date(1956, 7, 1)) == CampaignOpening(LATER, date(2021, 7, 1))


def test_no_turn_comes_after_the_campaign_closes():
    closes = datetime(2021, 6, 30, 22, 30, tzinfo=UTC)  # 1 July, half past midnight in Paris
    campaign = campaign_with(closes_at=closes, horizon_days=10)
    assert campaign.opens_for(date(1946, 7, 11)) == CampaignOpening(None, date(2021, 7, 11))
    assert campaign.opens_for(date(1946, 7, 12)) is None
    assert campaign.eligible_on(date(1940, 1, 1), date(2021, 7, 1), at=closes) is None
    late = campaign_with(
        minimum_age=120, closes_at=LATER, eligible=(Eligible(minimum_age=65, opens_at=LATER),)
    )
    assert late.opens_for(date(1950, 1, 1)) is None


def test_agents_answer_by_the_clock_of_their_zone():
    morning = ((8 * 60, 12 * 60),)
    hours = OpeningHours("Europe/Paris", (morning, (), (), (), (), (), ((0, 24 * 60),)))
    # Mondays: eight o'clock is seven in winter's UTC and six in summer's.
    assert not hours.open_at(datetime(2021, 1, 18, 6, 59, tzinfo=UTC))
    assert hours.open_at(datetime(2021, 1, 18, 7, 0, tzinfo=UTC))
    assert hours.open_at(datetime(2021, 7, 19, 6, 0, tzinfo=UTC))
    assert not hours.open_at(datetime(2021, 1, 18, 11, 0, tzinfo=UTC))
    assert not hours.open_at(datetime(2021, 1, 19, 8, 0, tzinfo=UTC))
    # Saturday evening in UTC is Sunday there.
    assert hours.open_at(datetime(2021, 1, 16, 23, 30, tzinfo=UTC))
