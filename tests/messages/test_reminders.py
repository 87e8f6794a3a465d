"""Everybody is reminded once, at the hour meant where they go, of what is still to come."""

from __future__ import annotations

import itertools

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import select, update

from flows.session import Offer
from models.booking import changes
from models.booking.tables import booking
from models.centres.tables import centre
from models.clock import FixedClock
from models.messages import reminders as rows
from models.messages.tables import message, reminder_plan
from models.slots.tables import place
from prompts.catalogue import load
from services.booking.change_booking import cancel, move
from services.booking.changed import By, Changed
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.campaign.campaign import Reminder
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.move_people import MoveOutcome
from services.centre_day.operation import OperationRequest
from services.centres.directory import Directory
from services.messages.reminders import calls_about, plan
from services.slots.allocate import Channel, Chosen, Holder
from services.work import Work
from tests.calls.telephone import Post
from tests.support.house import (
    CAMPAIGN,
    LANDLINE,
    MOBILE,
    NOON,
    House,
    a_mobile,
    campaign_with,
    house,
)
from tests.support.rows import change, clock_of, rows_of

PARIS = ZoneInfo("Europe/Paris")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_holders = itertools.count(1)


def local(text: str, zone: str = "Europe/Paris") -> datetime:
    """A moment by the clocks of a zone, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, clock=FixedClock(NOON)) as made:
        yield made


def opens(made: House, *starts: datetime, gid: str = "1", zone: str = "Europe/Paris") -> None:
    made.opens_centre(gid, starts=starts, capacity=9)
    change(made.database, update(centre).where(centre.c.id == gid).values(time_zone=zone))


def books(
    made: House,
    start: datetime,
    *,
    number: str = MOBILE,
    text: bool = True,
    calls: bool = False,
    gid: str = "1",
    born: date = date(1942, 3, 12),
    campaign: Any = None,
) -> str:
    """Somebody is booked at a start; gives the booking's id."""
    with made.database.transaction() as connection:
        row = connection.execute(
            select(place.c.id, place.c.slot_id)
            .where(
                place.c.centre_id == gid, place.c.start_at == start, place.c.booking_id.is_(None)
            )
            .limit(1)
        ).one()
        request = Request(
            holder=Holder(Channel.AGENT, f"desk:{next(_holders)}"),
            offer=Offer(
                place_id=row.id,
                slot_id=row.slot_id,
                centre_id=gid,
                name="Salle des fêtes",
                street="12 rue de la Paix",
                postcode="75011",
                town="Paris 11e",
                start_at=start.isoformat(),
                time_zone=PARIS.key,
                kilometres=0.0,
            ),
            born=born,
            postcode="75011",
            number=number,
            text_to=number if text else None,
            calls=calls,
        )
        booked = confirm_booking(
            Work(connection, made.store, campaign or made.campaign),
            request,
            catalogue=load("fr"),
            national_number="+33974750001",
        )
        assert isinstance(booked, Booked)
        found = changes.id_by_reference(connection, made.store.vault, booked.reference)
    assert found
    return found


def goes_to(made: House, moment: datetime) -> int:
    """Let it be that moment, and what plans look; gives how many messages it wrote."""
    now = made.clock.now()
    assert moment >= now
    clock_of(made).advance(moment - now)
    return plan(made.store, [made.campaign])


def reminders(made: House) -> list[str]:
    """What was written: the days before of each reminder, or evening."""
    rows = rows_of(made.database, select(message.c.dedupe_key).order_by(message.c.created_at))
    keys = [row.dedupe_key.split(":") for row in rows]
    return [key[2] if key[0] == "reminder" else key[0] for key in keys if key[0] != "confirmation"]


# ---------------------------------------------------------------- when


def test_two_days_before_at_ten_and_the_day_before_at_nine(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start)
    assert goes_to(service, local("2026-12-08 09:59")) == 0
    assert goes_to(service, local("2026-12-08 10:00")) == 1
    assert goes_to(service, local("2026-12-08 10:01")) == 0
    assert goes_to(service, local("2026-12-09 08:59")) == 0
    assert goes_to(service, local("2026-12-09 09:00")) == 1
    assert goes_to(service, local("2026-12-09 18:00")) == 0
    assert reminders(service) == ["days2", "days1"]


@pytest.mark.parametrize(
    ("zone", "utc"),
    [
        ("Indian/Reunion", "06:00"),
        ("America/Guadeloupe", "14:00"),
        ("Pacific/Noumea", "23:00"),
        ("Europe/Paris", "09:00"),
    ],
)
def test_the_hour_is_that_of_where_they_go(service: House, zone: str, utc: str):
    start = local("2026-12-10 14:00", zone)
    opens(service, start, zone=zone)
    books(service, start)
    hour = local("2026-12-08 10:00", zone)
    assert f"{hour:%H:%M}" == utc
    assert goes_to(service, hour - timedelta(minutes=1)) == 0
    assert goes_to(service, hour) == 1


@pytest.mark.parametrize(
    ("appointment", "two_days", "day_before"),
    [
        # The clocks go forward on Sunday, 28 March 2027, and back on Sunday, 25 October 2026.
        ("2027-03-29 10:00", "2027-03-27 09:00", "2027-03-28 07:00"),
        ("2026-10-26 10:00", "2026-10-24 08:00", "2026-10-25 08:00"),
        # On the very days, from their first minutes to their last.
        ("2027-03-28 00:05", "2027-03-26 09:00", "2027-03-27 08:00"),
        ("2027-03-28 23:55", "2027-03-26 09:00", "2027-03-27 08:00"),
        ("2026-10-25 00:05", "2026-10-23 08:00", "2026-10-24 07:00"),
        ("2026-10-25 23:55", "2026-10-23 08:00", "2026-10-24 07:00"),
    ],
)
def test_across_a_change_of_the_clocks_it_is_the_hour_on_the_wall(
    database_url: str, appointment: str, two_days: str, day_before: str
):
    start = local(appointment)
    with house(database_url, clock=FixedClock(start - timedelta(days=9))) as made:
        opens(made, start)
        books(made, start)
        for text in (two_days, day_before):
            moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
            assert goes_to(made, moment - timedelta(minutes=1)) == 0
            assert goes_to(made, moment) == 1


def test_in_the_hour_that_comes_twice_nobody_is_reminded_twice(database_url: str):
    """No campaign reminds at night; the hour before the other would be the one that comes twice."""
    campaign = campaign_with(reminders=(Reminder(1, 2 * 60 + 30),))
    start = local("2026-10-26 10:00")
    with house(database_url, clock=FixedClock(start - 9 * DAY), campaign=campaign) as made:
        opens(made, start)
        books(made, start)
        first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert goes_to(made, first) == 1
        assert goes_to(made, first + HOUR) == 0
        assert reminders(made) == ["days1"]


def test_an_hour_that_the_clocks_skip_comes_all_the_same(database_url: str):
    campaign = campaign_with(reminders=(Reminder(1, 2 * 60 + 30),))
    start = local("2027-03-29 10:00")
    with house(database_url, clock=FixedClock(start - 9 * DAY), campaign=campaign) as made:
        opens(made, start)
        books(made, start)
        assert goes_to(made, datetime(2027, 3, 28, 0, 59, tzinfo=UTC)) == 0
        assert goes_to(made, datetime(2027, 3, 28, 1, 30, tzinfo=UTC)) == 1


def test_what_missed_its_hour_is_made_up_for_before_the_evening_is_over(service: House):
    start, other = local("2026-12-10 14:00"), local("2026-12-14 14:00")
    opens(service, start, other)
    books(service, start)
    books(service, other, number=a_mobile(1))
    assert goes_to(service, local("2026-12-08 19:59")) == 1
    # Whose day passed in silence is reminded on the next.
    assert goes_to(service, local("2026-12-12 20:00")) == 0
    assert goes_to(service, local("2026-12-13 09:00")) == 1
    assert reminders(service) == ["days2", "days1"]


def test_a_day_that_is_cut_off_before_its_parts_are_kept_is_cut_again(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start)

    def dies(*_: Any) -> int:
        raise RuntimeError("the process dies here")

    with monkeypatch.context() as patched:
        patched.setattr(rows, "_cut", dies)
        with pytest.raises(RuntimeError):
            goes_to(service, local("2026-12-08 10:00"))
    assert rows_of(service.database, select(reminder_plan)) == []
    assert plan(service.store, [service.campaign]) == 1


# ---------------------------------------------------------------- whom


def test_whoever_has_just_booked_or_changed_something_is_not_reminded(service: House):
    start, later = local("2026-12-10 14:00"), local("2026-12-10 16:00")
    opens(service, start, later)
    changed = books(service, start, number=a_mobile(1))
    books(service, start, number=a_mobile(2))
    clock_of(service).advance(local("2026-12-08 02:00") - NOON)
    books(service, start, number=a_mobile(3))
    moves(service, changed, later)
    assert goes_to(service, local("2026-12-08 10:00")) == 1
    # On the day before they are like everybody else.
    assert goes_to(service, local("2026-12-09 09:00")) == 3


def moves(made: House, booking_id: str, to: datetime) -> None:
    with made.database.transaction() as connection:
        row = connection.execute(
            select(place.c.id, place.c.slot_id)
            .where(place.c.start_at == to, place.c.booking_id.is_(None))
            .limit(1)
        ).one()
        done = move(
            connection,
            made.store,
            made.campaign,
            Holder(Channel.AGENT, f"desk:{next(_holders)}"),
            booking_id,
            to={1: Chosen(row.id, row.slot_id, to)},
            by=By("a", Channel.AGENT, "asked for"),
        )
        assert isinstance(done, Changed), done


def cancels(made: House, booking_id: str) -> None:
    with made.database.transaction() as connection:
        done = cancel(
            connection,
            made.store,
            booking_id,
            (1,),
            by=By("a", Channel.AGENT, "asked for"),
        )
        assert isinstance(done, Changed), done


def test_a_landline_that_did_not_ask_for_calls_is_left_in_peace(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start, number=LANDLINE, text=False)
    assert goes_to(service, local("2026-12-08 10:00")) == 0
    assert goes_to(service, local("2026-12-09 09:00")) == 0


def test_whoever_declined_texts_gets_none(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start, text=False)
    assert goes_to(service, local("2026-12-08 10:00")) == 0


def test_who_asked_to_be_rung_is_rung_two_days_before_and_not_the_day_after_that(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start, number=LANDLINE, text=False, calls=True)
    assert goes_to(service, local("2026-12-08 10:00")) == 1
    assert goes_to(service, local("2026-12-09 09:00")) == 0


def test_the_evening_is_rung_once_and_made_up_for(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start, number=LANDLINE, text=False, calls=True)
    assert goes_to(service, local("2026-11-25 17:59")) == 0
    # Nothing ran on that evening.
    assert goes_to(service, local("2026-11-26 18:00")) == 1
    assert goes_to(service, local("2026-11-27 18:00")) == 0
    assert reminders(service) == ["evening"]


def test_each_campaign_has_reminders_of_its_own(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    other = campaign_with(name="other", reminders=(Reminder(3, 11 * 60),))
    books(service, start, number=a_mobile(1))
    books(service, start, number=a_mobile(2), campaign=other)
    clock_of(service).advance(local("2026-12-07 11:00") - NOON)
    assert plan(service.store, [service.campaign, other]) == 1
    clock_of(service).advance(DAY)
    assert plan(service.store, [service.campaign, other]) == 1
    assert sorted(reminders(service)) == ["days2", "days3"]


# ---------------------------------------------------------------- what becomes of it


def test_a_reminder_says_what_is_true_when_it_leaves(service: House):
    start = local("2026-12-10 14:00")
    later, another_day = start + 2 * HOUR, start + 4 * DAY
    opens(service, start, later, another_day)
    kept = books(service, start, number=a_mobile(1))
    gone = books(service, start, number=a_mobile(2))
    moved = books(service, start, number=a_mobile(3))
    put_off = books(service, start, number=a_mobile(4))
    post = Post(service)
    post.works()
    post.texts.sent.clear()
    assert goes_to(service, local("2026-12-08 10:00")) == 4
    cancels(service, gone)
    moves(service, moved, later)
    moves(service, put_off, another_day)
    post.works()
    sent = dict(post.texts.sent)
    assert "14h00" in sent[a_mobile(1)]
    told = {row.booking_id: row.state for row in _reminders_of(service)}
    assert told == {kept: "sent", gone: "dropped", moved: "sent", put_off: "dropped"}
    assert any("16h00" in body for to, body in post.texts.sent if to == a_mobile(3))


def test_an_appointment_that_has_begun_is_not_reminded_of(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start)
    post = Post(service)
    post.works()
    assert goes_to(service, local("2026-12-09 09:00")) == 1
    # The relay was down for a day.
    clock_of(service).advance(DAY + 6 * HOUR)
    post.works()
    assert [row.state for row in _reminders_of(service)] == ["dropped"]


def test_an_erased_booking_is_not_reminded_of(service: House):
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start)
    assert goes_to(service, local("2026-12-09 09:00")) == 1
    change(service.database, update(booking).values(phone_enc=None, phone_idx=None, dob_enc=None))
    Post(service).works()
    assert [row.state for row in _reminders_of(service)] == ["dropped"]


def test_nobody_is_named_in_what_is_planned(service: House):
    """No number, no date of birth, no word: ids alone."""
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start)
    goes_to(service, local("2026-12-09 09:00"))
    (row,) = _reminders_of(service)
    assert row.recipient_enc is None
    assert row.recipient_idx is None
    assert row.payload_enc is None


def _reminders_of(made: House) -> list[Any]:
    wanted = select(message).where(message.c.kind == "reminder")
    return list(rows_of(made.database, wanted))


# ---------------------------------------------------------------- what is offered


@pytest.mark.parametrize(
    ("now", "start", "evening", "before"),
    [
        # A Wednesday morning: the same evening, and two days before.
        ("2026-11-25 09:00", "2026-12-03 10:00", "2026-11-25 18:00", "2026-12-01 10:00"),
        # At night it is the next evening.
        ("2026-11-25 18:30", "2026-12-03 10:00", "2026-11-26 18:00", "2026-12-01 10:00"),
        # On a Sunday nobody is rung: the next morning.
        ("2026-11-29 11:00", "2026-12-10 10:00", "2026-11-30 08:00", "2026-12-08 10:00"),
        # Tomorrow already: the evening alone.
        ("2026-11-25 09:00", "2026-11-26 10:00", "2026-11-25 18:00", ""),
        # Tomorrow morning, and it is evening: nothing would come in time.
        ("2026-11-25 18:30", "2026-11-26 10:00", "", ""),
    ],
)
def test_what_is_offered_is_what_will_be(now: str, start: str, evening: str, before: str):
    found = calls_about([CAMPAIGN], [local(start)], PARIS, LANDLINE, local(now))
    told = [f"{one:%Y-%m-%d %H:%M}" if one else "" for one in (found.evening, found.before)]
    assert told == [evening, before]


def test_where_the_first_is_too_soon_the_call_before_the_second_is_offered():
    """Booked in the night for the next morning, as the first place of a whole country may be."""
    starts = [local("2026-11-26 08:00"), local("2026-12-17 08:00")]
    found = calls_about([CAMPAIGN], starts, PARIS, LANDLINE, local("2026-11-25 21:00"))
    assert found.evening is None
    assert found.before == local("2026-12-15 10:00")


def test_nobody_is_reminded_of_what_was_told_to_be_no_more(service: House):
    """The centre is closed, there is no other, and somebody is to ring them."""
    start = local("2026-12-10 14:00")
    opens(service, start)
    books(service, start)
    books(service, start, number=LANDLINE, text=False, calls=True, born=date(1944, 6, 5))
    directory = Directory(service.database, centres_fresh_seconds=0)
    life = CentreLife(service.store, Campaigns.fixed(service.campaign), directory=directory)
    report = life.close_centre("1", OperationRequest("la salle est inondée"))
    assert set(report.fates.values()) == {MoveOutcome.CASE}
    post = Post(service)
    for moment in ("2026-11-25 18:00", "2026-12-08 10:00", "2026-12-09 09:00"):
        assert goes_to(service, local(moment)) > 0
        post.works()
    assert {(row.state, row.error_code) for row in _reminders_of(service)} == {
        ("dropped", "needless")
    }
    (evening,) = rows_of(service.database, select(message).where(message.c.kind == "evening"))
    assert evening.state == "dropped"
