"""The hour of a promised call: when people answer the telephone, by the clock of their number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prompts.catalogue import load
from services.campaign.call_hours import next_call_at
from services.campaign.opening_hours import OpeningHours
from services.queue.promise_callback import RING_AFTER, due_from, promised_for
from services.queue.wait_estimate import Throughput
from tests.support.house import MOBILE, campaign_with

# As the demonstration: agents answer and people may be rung at any hour.
ALWAYS = OpeningHours("Europe/Paris", (((0, 24 * 60),),) * 7, (0, 24 * 60))
CAMPAIGN = campaign_with(agents_hours=ALWAYS)
REUNION = "+262692123456"
MIDNIGHT = datetime(2026, 12, 2, 23, 15, tzinfo=UTC)


@pytest.mark.parametrize("hour", [21, 22, 23, 0, 3, 6])
def test_nobody_is_rung_between_ten_at_night_and_eight(hour: int):
    moment = datetime(2026, 12, 2, hour, 5, tzinfo=UTC)
    at = promised_for(CAMPAIGN, MOBILE, moment, moment - timedelta(minutes=5))
    assert at is not None
    assert (at.hour, at.minute) == (8, 0)
    assert next_call_at(CAMPAIGN, MOBILE, moment) == at


def test_the_hour_is_told_by_the_clock_of_the_number():
    at = promised_for(CAMPAIGN, REUNION, MIDNIGHT, MIDNIGHT - timedelta(minutes=5))
    assert at is not None
    # Eight in Paris is eleven on La Réunion, where it is day as well.
    assert (at.hour, at.utcoffset()) == (11, timedelta(hours=4))


def test_of_a_later_day_agents_are_offered_it_from_the_hour_that_was_told():
    at = promised_for(CAMPAIGN, MOBILE, MIDNIGHT, MIDNIGHT - timedelta(hours=3))
    evening = MIDNIGHT - timedelta(hours=3)
    assert due_from(at, evening, Throughput()) == at
    # Agents who are at work take whoever is next.
    assert due_from(at, evening, Throughput(agents=2)) == evening + RING_AFTER
    # Of today, and where no hour was told, as soon as its turn comes.
    noon = datetime(2026, 12, 2, 11, 0, tzinfo=UTC)
    assert due_from(noon + timedelta(hours=1), noon, Throughput()) == noon + RING_AFTER
    assert due_from(None, noon, Throughput()) == noon + RING_AFTER


@pytest.mark.parametrize(("minute", "said"), [(0, "jusqu'à minuit."), (15, "jusqu'à minuit 15.")])
def test_midnight_is_said_by_its_name(minute: int, said: str):
    closes = datetime(2026, 12, 2, 0, minute, tzinfo=UTC)
    assert said in load("fr").say("person_hours_now", {"opens": closes, "closes": closes})
