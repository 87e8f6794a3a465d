"""Hours and the cap of a number: neither touches a first confirmation (budgets: test_budgets)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sqlalchemy import select

from models.booking.tables import booking
from models.clock import FixedClock
from services.campaign.opening_hours import OpeningHours
from services.messages.deliver_message import DeliveryDependencies
from services.messages.topics import MANNERS, Topic
from tests.support.house import MOBILE, House, campaign_with, house, mornings
from tests.support.office import Office, Provider

WAITS = [topic for topic, manner in MANNERS.items() if not manner.any_hour]
CAPPED = [topic for topic, manner in MANNERS.items() if manner.capped]
# In winter Paris is an hour ahead of UTC, Réunion four, Guadeloupe four behind.
REUNION, GUADELOUPE = "+262692123456", "+590690123456"


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    hours = OpeningHours("Europe/Paris", (((0, 1440),),) * 7, (0, 1440))
    with house(
        database_url, campaign=campaign_with(texts_per_number=3, agents_hours=hours)
    ) as made:
        yield made


def at(office: Office, moment: str) -> None:
    clock = office.house.clock
    assert isinstance(clock, FixedClock)
    clock.moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)


def books(office: Office) -> str:
    """The id of a booking that lies ahead, for what is told of one."""
    office.house.opens_centre("1", starts=mornings(3))
    office.house.phone(MOBILE).goes_to("reference")
    with office.house.database.statement() as connection:
        return str(connection.execute(select(booking.c.id)).scalar_one())


# ---------------------------------------------------------------- hours


@pytest.mark.parametrize(
    ("number", "moment", "leaves"),
    [
        (MOBILE, "2026-11-25T06:59", "2026-11-25T07:00"),
        (MOBILE, "2026-11-25T07:00", None),
        (MOBILE, "2026-11-25T18:59", None),
        (MOBILE, "2026-11-25T19:00", "2026-11-26T07:00"),
        (MOBILE, "2026-11-25T23:30", "2026-11-26T07:00"),
        # A Sunday is a day like others for a text that is no advertising.
        (MOBILE, "2026-11-29T09:00", None),
        (REUNION, "2026-11-25T05:00", None),
        (REUNION, "2026-11-25T17:00", "2026-11-26T04:00"),
        (GUADELOUPE, "2026-11-25T09:00", "2026-11-25T12:00"),
        (GUADELOUPE, "2026-11-25T22:00", None),
        # Both changes of the clocks: eight o'clock is eight o'clock.
        (MOBILE, "2027-03-27T23:00", "2027-03-28T06:00"),
        (MOBILE, "2027-10-30T23:00", "2027-10-31T07:00"),
    ],
)
def test_what_may_wait_leaves_by_day_where_the_number_is(
    whole_office: Office, provider: Provider, number: str, moment: str, leaves: str | None
):
    office = whole_office
    at(office, moment)
    text = office.writes(number, topic=Topic.NEWS)
    if leaves is None:
        assert office.delivers(text) == "sent"
        return
    assert office.delivers(text) == "hours"
    row = office.row(text)
    assert (row.state, row.attempts, row.error_code) == ("pending", 0, "hours")
    assert row.due_at == datetime.fromisoformat(leaves).replace(tzinfo=UTC)
    # Nobody is alarmed at night by what waits for the morning.
    assert row.created_at == row.due_at
    at(office, leaves)
    assert office.sweeps() == 1
    assert office.state(text) == "sent"
    assert office.row(text).attempts == 1


@pytest.mark.parametrize("topic", list(Topic))
def test_at_night_only_what_is_waited_for_leaves(whole_office: Office, topic: Topic):
    at(whole_office, "2026-11-25T23:00")
    text = whole_office.writes(topic=topic)
    assert whole_office.delivers(text) == ("hours" if topic in WAITS else "sent")


# ---------------------------------------------------------------- the cap


def test_a_number_gets_so_many_texts_a_day_and_then_calls(whole_office: Office, provider: Provider):
    office = whole_office
    booking_id = books(office)
    for _ in range(3):
        assert office.delivers(office.writes(topic=Topic.OFFER)) == "sent"
    # Beyond it: by call what a call can tell, and nothing of the rest.
    assert office.delivers(office.writes(topic=Topic.REMINDER, booking_id=booking_id)) == "call"
    again = office.writes(topic=Topic.AGAIN)
    assert office.delivers(again) == "dropped"
    assert office.row(again).error_code == "cap"
    # What a booking cannot do without does not count, and is not counted.
    for topic in (Topic.CONFIRMATION, Topic.CHANGE, Topic.CANCELLATION, Topic.CLOSED):
        assert office.delivers(office.writes(topic=topic)) == "sent"
    # Others are others, and tomorrow is another day.
    assert office.delivers(office.writes("+33612000001", topic=Topic.AGAIN)) == "sent"
    office.later(hours=24, seconds=1)
    assert office.delivers(office.writes(topic=Topic.AGAIN)) == "sent"


@pytest.mark.parametrize("topic", list(Topic))
def test_the_cap_is_for_capped_topics_alone(whole_office: Office, topic: Topic):
    office = whole_office
    for _ in range(5):
        office.delivers(office.writes(topic=topic))
    sent = [row for row in office.house.messages() if row.state == "sent"]
    assert len(sent) == (3 if topic in CAPPED else 5)


# ---------------------------------------------------------------- first confirmations


def test_means_of_tools_know_no_hours(office: Office, provider: Provider):
    at(office, "2026-11-26T01:30")
    assert office.means == DeliveryDependencies()
    assert office.delivers(office.writes(topic=Topic.NEWS)) == "sent"
