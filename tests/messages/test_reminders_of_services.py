"""Whoever has two services at once is reminded once, as either of their campaigns says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import select

from models.booking.changes import BookingDetails, find_by_reference
from models.booking.tables import appointment
from models.clock import FixedClock
from models.messages.tables import message
from services.booking.confirm_booking import Booked
from services.campaign.campaign import Campaign, Reminder
from services.messages.reminders import ahead_of, calls_about, plan
from services.messages.whose import of_booking
from tests.booking.test_services import (
    COVID,
    GRIPPE,
    cancels,
    holds,
    live,
    moves,
    opens,
    orders,
)
from tests.calls.telephone import Post
from tests.support.house import LANDLINE, MOBILE, NOON, House, house
from tests.support.rows import clock_of, request_for, rows_of

PARIS = ZoneInfo("Europe/Paris")
HALF = timedelta(minutes=30)
# Influenza reminds three days before at nine, Covid a day before at ten; both two days before.
FLU = replace(GRIPPE, reminders=(Reminder(3, 9 * 60), Reminder(2, 11 * 60)), evening_call=None)
JAB = replace(COVID, reminders=(Reminder(2, 10 * 60, by_call=True), Reminder(1, 10 * 60)))
ONE_PLACE, TWO_PLACES = (FLU, JAB), (replace(FLU, together_in="two"), JAB)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


START = local("2026-12-10 14:00")


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    with house(database_url, clock=FixedClock(NOON), campaign=FLU, beside=[JAB]) as made:
        made.opens_centre("1")
        yield made


def books(
    made: House,
    campaigns: Sequence[Campaign],
    *,
    number: str = MOBILE,
    text: bool = True,
    born: date = date(1942, 3, 12),
    holder: str = "CA-1",
) -> BookingDetails:
    """Whoever wants these has the first place that serves them, and it in writing."""
    (held, *_) = holds(made, holder, campaigns)
    request = replace(
        request_for(held, holder),
        number=number,
        text_to=number if text else None,
        calls=not text,
        born=born,
    )
    done = orders(made, campaigns, request)
    assert isinstance(done, Booked)
    with made.database.statement() as connection:
        found = find_by_reference(connection, made.store.vault, done.reference)
    assert found is not None
    return found


def goes_to(made: House, text: str) -> int:
    """Let it be that moment, and what plans look; gives how many reminders it wrote."""
    clock_of(made).advance(local(text) - made.clock.now())
    return plan(made.store, [FLU, JAB])


def reminders(made: House) -> list[tuple[int, str, str]]:
    """Of which appointment, and how many days before, each was written; what became of it."""
    wanted = select(message).where(message.c.kind == "reminder").order_by(message.c.created_at)
    numbers = {
        str(row.id): row.dose
        for row in rows_of(made.database, select(appointment.c.id, appointment.c.dose))
    }
    keys = [(row.dedupe_key.split(":"), row.state) for row in rows_of(made.database, wanted)]
    return [(numbers[key[1]], key[2], state) for key, state in keys]


def told(made: House, post: Post) -> list[str]:
    post.texts.sent.clear()
    post.works()
    return [body for _, body in post.texts.sent]


def test_both_in_one_place_are_reminded_of_by_both_plans_and_never_twice(autumn: House):
    opens(autumn, [START])
    books(autumn, ONE_PLACE)
    assert goes_to(autumn, "2026-12-07 08:59") == 0
    assert goes_to(autumn, "2026-12-07 09:00") == 1
    # Two days before is a day of both: the earlier hour counts.
    assert goes_to(autumn, "2026-12-08 09:59") == 0
    assert goes_to(autumn, "2026-12-08 10:00") == 1
    assert goes_to(autumn, "2026-12-08 11:00") == 0
    assert goes_to(autumn, "2026-12-09 10:00") == 1
    assert [(dose, what) for dose, what, _ in reminders(autumn)] == [
        (1, "days3"),
        (1, "days2"),
        (1, "days1"),
    ]


def test_two_neighbouring_places_are_one_reminder_that_tells_both_hours(autumn: House):
    opens(autumn, [START], "grippe")
    opens(autumn, [START + HALF], "covid")
    books(autumn, TWO_PLACES)
    post = Post(autumn)
    post.works()
    for moment in ("2026-12-07 09:00", "2026-12-08 11:00", "2026-12-09 10:00"):
        assert goes_to(autumn, moment) == 1
        (text,) = told(autumn, post)
        assert "14h00" in text
        assert "14h30" in text
        assert not {"grippe", "covid", "vacc", "second"} & set(text.lower().split())


def test_what_is_left_of_a_cancelled_half_keeps_its_own_plan(autumn: House):
    opens(autumn, [START], "grippe")
    opens(autumn, [START + HALF], "covid")
    cancels(autumn, books(autumn, TWO_PLACES), "grippe")
    assert goes_to(autumn, "2026-12-07 09:00") == 0
    assert goes_to(autumn, "2026-12-08 10:00") == 1
    (text,) = [one for one in told(autumn, Post(autumn)) if "rappel" in one]
    assert "14h30" in text
    assert "14h00" not in text
    assert [(dose, what) for dose, what, _ in reminders(autumn)] == [(2, "days2")]


def test_each_of_two_halves_on_days_of_their_own_has_its_own_plan(autumn: House):
    later = local("2026-12-14 14:00")
    opens(autumn, [START, later], capacity=2)
    file = books(autumn, ONE_PLACE)
    moves(autumn, file, later, [JAB], service="covid")
    # Covid is on the 14th now, influenza on the 10th still.
    days = ["2026-12-07", "2026-12-08", "2026-12-09", "2026-12-11", "2026-12-12", "2026-12-13"]
    assert [goes_to(autumn, f"{day} 12:00") for day in days] == [1, 1, 0, 0, 1, 1]
    assert [(dose, what) for dose, what, _ in reminders(autumn)] == [
        (1, "days3"),
        (1, "days2"),
        (2, "days2"),
        (2, "days1"),
    ]


def test_the_first_and_the_second_of_two_halves_are_told_by_their_days(autumn: House):
    """A half that moved to an earlier day is the first of the two now."""
    opens(autumn, [local("2026-12-07 09:00"), START], capacity=2)
    file = books(autumn, ONE_PLACE)
    assert set(live(file).values()) == {local("2026-12-07 09:00")}
    moves(autumn, file, START, [FLU], service="grippe")
    post = Post(autumn)
    post.works()
    goes_to(autumn, "2026-12-06 10:00")
    (text,) = told(autumn, post)
    assert "votre premier rendez-vous" in text
    goes_to(autumn, "2026-12-08 11:00")
    (text,) = told(autumn, post)
    assert "votre second rendez-vous" in text


def test_what_is_cancelled_between_the_plan_and_the_text_is_not_told_and_the_rest_is(
    autumn: House,
):
    opens(autumn, [START], "grippe")
    opens(autumn, [START + HALF], "covid")
    file = books(autumn, TWO_PLACES)
    post = Post(autumn)
    post.works()
    assert goes_to(autumn, "2026-12-08 11:00") == 1
    cancels(autumn, file, "grippe")
    texts = told(autumn, post)
    (reminder,) = [text for text in texts if "rappel" in text.lower()]
    assert "14h30" in reminder
    assert "14h00" not in reminder
    cancels(autumn, file, "covid")
    assert goes_to(autumn, "2026-12-09 10:00") == 0


def test_who_is_rung_is_rung_as_the_campaign_that_rings_says(autumn: House):
    """Influenza makes no call in the evening, nor before; Covid does."""
    opens(autumn, [START])
    books(autumn, ONE_PLACE, number=LANDLINE, text=False)
    offered = calls_about(ONE_PLACE, [START], PARIS, LANDLINE, autumn.clock.now())
    assert offered.evening == local("2026-11-25 18:00")
    assert offered.before == local("2026-12-08 10:00")
    assert goes_to(autumn, "2026-11-25 18:00") == 1
    assert goes_to(autumn, "2026-12-07 09:00") == 0
    assert goes_to(autumn, "2026-12-08 10:00") == 1


def test_the_desk_sees_what_will_be_written(autumn: House):
    opens(autumn, [START])
    file = books(autumn, ONE_PLACE)
    zones = {"1": "Europe/Paris"}
    named = {one.name: one for one in ONE_PLACE}
    ahead = ahead_of(named.get, file, zones, autumn.clock.now(), texted=True)
    assert [one.at for one in ahead] == [
        local("2026-12-07 09:00"),
        local("2026-12-08 10:00"),
        local("2026-12-09 10:00"),
    ]


def test_two_of_one_telephone_with_different_needs_are_told_apart(autumn: House):
    """She has influenza and he has Covid: a text says whose it is all the same."""
    opens(autumn, [START, START + HALF], capacity=2)
    hers = books(autumn, [FLU], born=date(1940, 5, 1))
    his = books(autumn, [JAB], born=date(1938, 2, 3), holder="CA-2")
    with autumn.database.transaction() as connection:
        for file in (hers, his):
            whose = of_booking(connection, autumn.store, file)
            assert whose is not None
            assert whose.born == file.born


def test_one_with_both_on_days_of_their_own_is_one_person(autumn: House):
    opens(autumn, [START, START + HALF], capacity=2)
    first = books(autumn, [FLU])
    books(autumn, [JAB], holder="CA-2")
    with autumn.database.transaction() as connection:
        assert of_booking(connection, autumn.store, first) is None
