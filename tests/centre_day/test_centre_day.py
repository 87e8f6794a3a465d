"""A centre's day: one mark for two secretaries, one place for two people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

import pytest

from sqlalchemy import select, update

from models.booking.tables import appointment
from models.centre_day import attendance
from models.centres.centres import centre_state
from models.queue import queues
from models.slots import slots
from models.slots.tables import place
from models.waiting_list import positions
from models.waiting_list.tables import waiting_entry
from models.waiting_list.waiting import Waiter
from services.accounts.staff import read_acts
from services.booking.confirm_booking import Booked
from services.centre_day import secretary, secretary_hours
from services.centre_day.secretary import AtCentre, AttendanceState, RingAnswer, WalkIn
from services.centre_day.secretary_hours import DayHours, HoursRefused
from services.desk.booking import BookingRefused, Made, Refusal
from services.privacy.erase_data import erase_data
from services.slots.allocate import Allocate, Channel, Holder
from services.waiting_list import entries as waiting_list
from services.work import Work
from tests.support.house import CAMPAIGN, MOBILE, House, a_mobile
from tests.support.race import at_once

# Half past six in Paris, of a day whose slots were at nine, at ten and at a quarter to seven.
EVENING = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)
MORNING, LATER, LAST = (
    datetime(2026, 11, 26, hour, minute, tzinfo=UTC) for hour, minute in ((8, 0), (9, 0), (17, 45))
)
BORN = date(1942, 3, 12)
NONCE = "a" * 24


def at_centre(made: House, centre_id: str = "1", **who: Any) -> AtCentre:
    with made.database.statement() as connection:
        centre = centre_state(connection, centre_id)
    assert centre is not None
    day = secretary.day_of(centre, secretary.today_of(centre, made.clock.now()))
    return AtCentre(
        made.store, made.service(), made.employs("secretary", centre_id=centre_id, **who), day
    )


@pytest.fixture
def evening(service: House) -> House:
    """Two places at each of three hours, two of which are past; two people booked at nine."""
    service.opens_centre("1", kilometres=0.4, starts=[MORNING, LATER, LAST], capacity=2)
    service.opens_centre("2", kilometres=50.0, starts=[MORNING], capacity=2)
    for number in (1, 2):
        service.phone(a_mobile(number)).books(born=f"1203194{number}")
    service.clock.moment = EVENING  # type: ignore[attr-defined]
    return service


def people(at: AtCentre) -> list[attendance.Comes]:
    return secretary.read_day(at).people


def say(
    at: AtCentre, one: attendance.Comes, state: AttendanceState, seen: str
) -> secretary.Marked | None:
    with at.store.database.transaction() as connection:
        return secretary.mark(connection, at, one.booking_id, one.dose, state=state, seen=seen)


def book(at: AtCentre, born: date = BORN, **more: Any) -> Made | BookingRefused:
    with at.store.database.transaction() as connection:
        nonce = more.pop("nonce", NONCE)
        return secretary.book_now(connection, at, WalkIn(born, nonce, **more))


def count(at: AtCentre) -> secretary.DayCounts:
    with at.store.database.statement() as connection:
        marks = attendance.marks(connection, at.day.centre.id, at.day.window)
        hours = slots.counts(connection, at.store.clock, at.day.centre.id, at.day.window)
    return secretary.counts(list(marks.values()), hours, at.store.clock.now())


def test_of_two_secretaries_the_second_is_shown_what_the_first_one_said(evening: House):
    one, other = at_centre(evening), at_centre(evening)
    first, second = people(one)
    assert (first.born[:4], len(first.ends), first.state) == ("1941", 4, "")
    assert say(one, first, AttendanceState.PRESENT, "").done  # type: ignore[union-attr]
    late = say(other, first, AttendanceState.ABSENT, "")
    assert late is not None
    assert (late.done, late.mark.state, late.mark.who) == (False, "present", one.who.id)
    # The same by both is one; and so is a copy of the form.
    again = say(other, first, AttendanceState.PRESENT, "")
    assert again is not None
    assert (again.done, again.mark.who) == (True, one.who.id)
    assert say(other, first, AttendanceState.OPEN, "present").done  # type: ignore[union-attr]
    assert say(other, first, AttendanceState.ABSENT, "").done  # type: ignore[union-attr]
    assert [one.state for one in people(one)] == ["absent", ""]
    # Nobody of another centre says anything about them, by whatever id.
    elsewhere = at_centre(evening, "2")
    assert say(elsewhere, second, AttendanceState.PRESENT, "") is None
    assert people(elsewhere) == []
    acts = [(each.act.what, each.act.details.get("after")) for each in read_acts(evening.store)]
    marked = [after for what, after in acts if what == "attendance"]
    assert marked == ["absent", "", "present"]
    assert [what for what, _ in acts].count("read_list") == 3
    # A person who is moved is expected anew, at the hour and on the day to which they go.
    with evening.database.transaction() as connection:
        moved = update(appointment).where(appointment.c.booking_id == first.booking_id)
        connection.execute(moved.values(start_at=LATER))
    assert {one.state for one in people(one)} == {""}
    # After a day it is too late for a mark; before the hour, for an absence.
    evening.clock.moment = MORNING - timedelta(minutes=1)  # type: ignore[attr-defined]
    early = say(one, second, AttendanceState.ABSENT, "")
    assert early is not None
    assert (early.done, early.too_early) == (False, True)
    evening.clock.moment = MORNING + timedelta(days=2)  # type: ignore[attr-defined]
    assert say(one, second, AttendanceState.PRESENT, "").too_early  # type: ignore[union-attr]
    # What was said goes with what else is known of the person.
    evening.clock.moment = MORNING + timedelta(days=90)  # type: ignore[attr-defined]
    assert erase_data(evening.store)["attendance"] == 1


def test_the_last_places_of_the_evening_are_given_once(evening: House):
    one, other = at_centre(evening), at_centre(evening)
    assert (count(one).free_ahead, count(one).free_past, count(one).left) == (2, 2, 0)
    # The soonest that is still ahead goes first; the same form twice is one booking.
    made = book(one, number=MOBILE, name="Lucette")
    assert isinstance(made, Made)
    assert book(one, number=MOBILE, name="Lucette") == Made(made.booking_ids, repeated=True)
    found = next(each for each in people(one) if each.booking_id == made.booking_ids[0])
    assert (found.start_at, found.state, found.name) == (LAST, "present", "Lucette")
    assert [row.recipient_enc is not None for row in evening.messages("sms")][-1]
    assert book(other, nonce="b" * 24, number=MOBILE) == BookingRefused(
        Refusal.KNOWN, 0, made.booking_ids[0]
    )
    assert book(other, date(2001, 1, 1), nonce="c" * 24) == BookingRefused(Refusal.TOO_YOUNG, 0)
    with pytest.raises(ValueError, match="form"):
        book(other, nonce="short")
    assert count(one).free_ahead == 1
    # Two at a time take the last ones of today: nobody gets one twice, nobody is refused.
    got = at_once(
        *[
            partial(book, (one, other)[number % 2], date(1943, 1, number), nonce=f"{number:024d}")
            for number in range(1, 5)
        ]
    )
    assert sum(isinstance(each, Made) for each in got) == 3
    assert [each.why for each in got if isinstance(each, BookingRefused)] == [Refusal.GONE]
    with evening.database.statement() as connection:
        taken = connection.execute(
            select(appointment.c.place_id).where(appointment.c.state == "confirmed")
        ).scalars()
        ids = list(taken)
    assert len(ids) == len(set(ids)) == 6


def test_what_an_absent_person_left_is_given_once_and_only_when_somebody_says_so(evening: House):
    at = at_centre(evening)
    with evening.database.transaction() as connection:
        connection.execute(update(place).where(place.c.booking_id.is_(None)).values(blocked=True))
    first, second = people(at)
    assert book(at) == BookingRefused(Refusal.GONE)
    say(at, first, AttendanceState.ABSENT, "")
    assert (count(at).absent, count(at).left) == (1, 1)
    bookings = len(evening.bookings())
    made = book(at, nonce="b" * 24)
    assert isinstance(made, Made)
    # Their booking stays what it is, and there is nothing left of it to give.
    assert len(evening.bookings()) == bookings + 1
    assert {one.shown for one in people(at)} == {"given", "", "present"}
    assert (count(at).absent, count(at).left) == (1, 0)
    assert book(at, date(1943, 1, 1), nonce="c" * 24) == BookingRefused(Refusal.GONE)
    # Here they are after all: it is said, and that somebody else had it.
    came = say(at, first, AttendanceState.PRESENT, "absent")
    assert came is not None
    assert (came.done, came.given) == (True, True)
    # One dose more than planned, which a secretary alone can know.
    extra = book(at, date(1943, 1, 1), nonce="d" * 24, extra=True)
    assert isinstance(extra, Made)
    assert read_acts(evening.store)[0].act.what == "attendance"
    assert "extra_place" in {one.act.what for one in read_acts(evening.store)}
    # What was made of an absence and not taken is gone with it.
    say(at, second, AttendanceState.ABSENT, "")
    with evening.database.transaction() as connection:
        allocator = Allocate(
            Work(connection, evening.store, CAMPAIGN), Holder(Channel.AGENT, "desk:somebody")
        )
        held = secretary._hold_any(connection, at, allocator)
        assert held is not None
        connection.execute(update(place).where(place.c.id == held.place_id).values(held_by=None))
    assert count(at).free_past == 1
    back = say(at, second, AttendanceState.PRESENT, "absent")
    assert back is not None
    assert (back.done, back.given) == (True, False)
    assert count(at).to_give == 0


def waits(made: House, number: int, **more: Any) -> str:
    who = Waiter(
        born=BORN,
        number=a_mobile(number),
        postcode="75011",
        latitude=48.859,
        longitude=2.378,
        territory="metropole",
        kilometres=30,
        **more,
    )
    with made.database.transaction() as connection:
        return waiting_list.join(Work(connection, made.store, made.campaign), who)


@pytest.mark.parametrize("doses", [1, 2])
def test_whoever_waits_longest_is_rung_with_a_place_kept_for_them(evening: House, doses: int):
    evening.campaign = replace(evening.campaign, doses=doses)
    if doses == 2:
        evening.opens_slots("1", [LAST + timedelta(days=21)], capacity=2)
    entries = []
    for number in (7, 8, 9):
        evening.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
        entries.append(waits(evening, number))
    one, other = at_centre(evening), at_centre(evening)

    def ring(at: AtCentre) -> secretary.NextToRing | None:
        with evening.database.transaction() as connection:
            return secretary.ring_next(connection, at)

    def answers(at: AtCentre, entry_id: str, answer: RingAnswer) -> Any:
        with evening.database.transaction() as connection:
            return secretary.answered(connection, at, entry_id, answer)

    first, second = ring(one), ring(other)
    assert first is not None
    assert second is not None
    assert [first.entry_id, second.entry_id] == entries[:2]
    assert (first.number, first.born, first.start_at) == (a_mobile(7), BORN, LAST)
    assert evening.held() == 2 * doses
    # Both see who is being rung, and by whom; each look at a number is written down.
    assert {each.who for each in secretary.read_day(one).ringing} == {one.who.id, other.who.id}
    # Nobody of another centre can answer for them.
    assert answers(at_centre(evening, "2"), first.entry_id, RingAnswer.COMES) is None
    booked = answers(one, first.entry_id, RingAnswer.COMES)
    assert isinstance(booked, Booked)
    assert answers(one, first.entry_id, RingAnswer.COMES) is None
    assert booked.reference[-4:] in {each.ends for each in people(one)}
    # Whoever does not answer keeps their position, and is not rung again this evening.
    assert answers(other, second.entry_id, RingAnswer.SILENT) is None
    with evening.database.statement() as connection:
        assert positions.people_ahead(connection, second.entry_id) == 0
        told = select(waiting_entry.c.offers, waiting_entry.c.state)
        row = connection.execute(told.where(waiting_entry.c.id == second.entry_id)).one()
    assert tuple(row) == (0, "waiting")
    third = ring(other)
    assert third is not None
    assert third.entry_id == entries[2]
    # A place that is kept in vain is free again by itself, and its person on the list.
    evening.clock.advance(timedelta(minutes=11))  # type: ignore[attr-defined]
    assert answers(other, third.entry_id, RingAnswer.COMES) is None
    assert waiting_list.advance(evening.store, lambda: [evening.campaign]) == 1
    with evening.database.statement() as connection:
        standing = waiting_list.position(connection, evening.store, third.entry_id)
    assert standing is not None
    assert standing.state == "waiting"
    assert ring(other) is None
    assert queues.CALLBACK not in {row.kind for row in evening.messages()}


def test_hours_are_opened_and_closed_with_a_look_first(service: House):
    service.opens_centre("1", kilometres=0.4, starts=[MORNING, LATER, LAST], capacity=1)
    service.opens_centre("2", kilometres=4.1, starts=[LATER + timedelta(days=1)], capacity=3)
    service.phone(a_mobile(1)).books(born="12031941")
    base = at_centre(service)
    tomorrow = replace(base, day=secretary.day_of(base.day.centre, MORNING.date()))
    opened = secretary_hours.open_hours(tomorrow, DayHours(time(14), time(15)), 15, 2)
    assert (opened.slots, opened.places) == (4, 8)
    again = secretary_hours.open_hours(tomorrow, DayHours(time(14), time(15)), 15, 2)
    assert (again.slots, again.places) == (0, 0)
    for hours, every, why in (
        (DayHours(time(15), time(14)), 15, "hours"),
        (DayHours(), 15, "hours"),
        (DayHours(time(14), time(15)), 0, "figures"),
        (DayHours(time(14), time(14, 10)), 15, "figures"),
    ):
        with pytest.raises(HoursRefused, match=why):
            secretary_hours.open_hours(tomorrow, hours, every, 2)
    with pytest.raises(HoursRefused, match="past"):
        secretary_hours.open_hours(base, DayHours(time(8), time(9)), 15, 2)
    # Only those hours; a look changes nothing.
    nine = DayHours(time(9), time(10))
    found = secretary_hours.look_at_closing(tomorrow, nine)
    assert (found.people, found.moved, found.blocked) == (1, 1, 1)
    with pytest.raises(HoursRefused, match="changed"):
        secretary_hours.close_hours(tomorrow, nine, why="panne", people=0)
    with pytest.raises(HoursRefused, match="why"):
        secretary_hours.close_hours(tomorrow, nine, why=" ", people=1)
    assert len(people(tomorrow)) == 1
    done = secretary_hours.close_hours(tomorrow, nine, why="panne de réfrigérateur", people=1)
    assert (done.people, done.moved) == (1, 1)
    # It would not be true that the place is closed that day.
    assert '"kind": "hours_closed"' in service.text_of(service.messages("booking_changed")[-1])
    with pytest.raises(HoursRefused, match="nothing"):
        secretary_hours.look_at_closing(tomorrow, nine)
    with service.database.statement() as connection:
        day = slots.counts(connection, service.clock, "1", tomorrow.day.window)
    assert [(one.start_at, one.blocked) for one in day if one.blocked] == [(MORNING, 1)]
    (closed,) = secretary.read_day(tomorrow).closed
    # Nobody of another centre opens it again.
    elsewhere = at_centre(service, "2")
    with pytest.raises(HoursRefused, match="unknown"):
        secretary_hours.reopen(elsewhere, closed.id)
    assert secretary_hours.reopen(tomorrow, closed.id) == 1
    assert secretary.read_day(tomorrow).closed == []
    assert [one.start_at for one in people(tomorrow)] == [MORNING]
    acts = [one.act.what for one in read_acts(service.store)]
    assert [act for act in acts if act.startswith("hours")] == [
        "hours_reopened", "hours_closed", "hours_opened", "hours_opened",
    ]  # fmt: skip
