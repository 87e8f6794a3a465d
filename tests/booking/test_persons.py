"""One person, one appointment for each dose, on whatever channel; and nobody learns who has one."""

from __future__ import annotations

import itertools
import re

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from sqlalchemy import event, func, select, text

from flows.world import Unbooked
from models.booking.bookings import STAND_INS
from models.booking.reach import Proof
from models.booking.tables import appointment, booking, history
from models.call.tables import turn
from models.slots.tables import place
from services.booking.confirm_booking import Booked, NoReference
from services.booking.reach import Reach
from services.slots.allocate import Channel, Holder
from tests.support.house import (
    LANDLINE,
    MOBILE,
    House,
    Phone,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import change, holds, orders, request_for, rows_of

BORN = date(1942, 3, 12)
CHANNELS = (Channel.PHONE, Channel.WEB, Channel.PARTNER, Channel.AGENT)
STRANGERS = CHANNELS[:3]
PERSON_NEEDED = Unbooked.PERSON


@pytest.fixture
def roomy(database_url: str) -> Iterator[House]:
    """Places for all; the numbers may have many bookings unless a test says otherwise."""
    with house(database_url, campaign=campaign_with(per_number=50)) as made:
        made.opens_centre("1", starts=mornings(30), capacity=4)
        yield made


def asks(
    service: House,
    holder: str,
    *,
    channel: Channel = Channel.PHONE,
    born: date = BORN,
    number: str | None = MOBILE,
    proof: Proof = Proof.LINE,
    **more: Any,
) -> Booked | Unbooked:
    """Somebody looks for a slot on a channel and confirms it for a person."""
    held = holds(service, holder, channel=channel)[0]
    request = replace(
        request_for(held, holder),
        holder=Holder(channel, holder),
        born=born,
        number=number,
        call_id=None,
        # Called from, or proved by a code: what a number without a proof meets is in
        # tests/online/test_reach.py.
        reach=Reach(proof),
        **more,
    )
    return orders(service, request)


def stored(service: House) -> dict[str, list[Any]]:
    """What a confirmation writes, and every place with who has it (holds that ran out: nobody).

    Without stand-ins: what they are is in test_reveals_nobody.py.
    """
    real = select(booking.c.id).where(booking.c.state.not_in(STAND_INS))
    found: dict[str, list[Any]] = {
        table.name: sorted(map(repr, rows_of(service.database, select(table).where(of.in_(real)))))
        for table, of in (
            (booking, booking.c.id),
            (appointment, appointment.c.booking_id),
            (history, history.c.booking_id),
        )
    }
    places = select(place.c.id, place.c.booking_id, place.c.held_by).order_by(place.c.id)
    return found | {"place": [tuple(row) for row in rows_of(service.database, places)]}


def bookings_of(service: House) -> int:
    real = select(func.count()).where(booking.c.state.not_in(STAND_INS))
    return int(rows_of(service.database, real)[0][0])


def is_no_booking(done: Booked | Unbooked, channel: Channel) -> bool:
    """Whether a person who is booked was told as anybody is on this channel, and has nothing new.

    Staff are told that there is a booking.
    """
    if channel in STRANGERS:
        return isinstance(done, Booked) and done.stand_in
    return done is PERSON_NEEDED


# ---------------------------------------------------------------- twice


@pytest.mark.parametrize("first", CHANNELS)
@pytest.mark.parametrize("again", CHANNELS)
def test_nobody_is_booked_twice_on_any_two_channels(roomy: House, first: Channel, again: Channel):
    assert isinstance(asks(roomy, "one", channel=first), Booked)
    before = stored(roomy)
    assert is_no_booking(asks(roomy, "two", channel=again), again)
    # Not a place, not a booking, not a line of one: as if nobody had asked.
    assert stored(roomy) == before
    assert roomy.held() == 0


def test_confirmation_by_telephone_books_once_when_repeated(roomy: House):
    """A person without a number has no person key: the idempotency key refuses the copy."""
    held = holds(roomy, "CA-1")[0]
    request = request_for(held, "CA-1")
    assert isinstance(orders(roomy, request), Booked)
    before = stored(roomy)
    with pytest.raises(NoReference):
        orders(roomy, request)
    assert stored(roomy) == before
    assert bookings_of(roomy) == 1


def test_a_repeat_leaves_no_confirmation_behind(roomy: House):
    asks(roomy, "one", text_to=MOBILE)
    confirmed = [row.dedupe_key for row in roomy.messages()]
    asks(roomy, "two", text_to=LANDLINE)
    later = [row for row in roomy.messages() if row.dedupe_key not in confirmed]
    # A reminder to the one who is booked is no confirmation, and goes nowhere else.
    assert all(row.dedupe_key.startswith("booked_already:") for row in later)
    vault = roomy.store.vault
    assert {row.recipient_idx for row in later} <= {vault.index("phone", MOBILE)}


def test_two_doses_are_two_appointments_of_one_person_and_count_once(database_url: str):
    with house(database_url, campaign=campaign_with(doses=2)) as service:
        service.opens_centre("1", starts=mornings(40), capacity=2)
        assert isinstance(asks(service, "one"), Booked)
        before = stored(service)
        assert is_no_booking(asks(service, "two"), Channel.PHONE)
        assert stored(service) == before
        assert len(before["appointment"]) == 2


def test_a_person_is_one_for_each_campaign(roomy: House):
    assert isinstance(asks(roomy, "one"), Booked)
    roomy.campaign = replace(roomy.campaign, name="another")
    assert isinstance(asks(roomy, "two"), Booked)


def test_who_cancelled_may_book_again(roomy: House):
    assert isinstance(asks(roomy, "one"), Booked)
    for table in (appointment, booking):
        change(roomy.database, table.update().values(state="cancelled"))
    assert isinstance(asks(roomy, "two"), Booked)


# ---------------------------------------------------------------- not the same person


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"rank": 2}, id="a twin on the same phone"),
        pytest.param({"number": LANDLINE}, id="a namesake with another phone"),
        pytest.param({"number": None}, id="somebody without a phone"),
        pytest.param({"born": date(1944, 1, 1)}, id="the spouse"),
    ],
)
def test_who_is_somebody_else_gets_theirs(roomy: House, other: dict[str, Any]):
    assert isinstance(asks(roomy, "one"), Booked)
    assert isinstance(asks(roomy, "two", **other), Booked)
    assert bookings_of(roomy) == 2
    assert roomy.held() == 0


def test_the_second_twin_is_booked_once_as_well(roomy: House):
    for rank in (1, 2):
        assert isinstance(asks(roomy, f"twin-{rank}", rank=rank), Booked)
        assert is_no_booking(asks(roomy, f"again-{rank}", rank=rank), Channel.PHONE)
    assert isinstance(asks(roomy, "a third one", rank=3), Booked)


def test_without_a_phone_a_birth_date_is_not_enough_to_refuse_anybody(roomy: House):
    for number in range(3):
        assert isinstance(asks(roomy, f"CA-{number}", number=None), Booked)
    assert (
        rows_of(
            roomy.database,
            select(appointment.c.person_idx).where(appointment.c.person_idx.is_not(None)),
        )
        == []
    )


def test_a_care_home_with_one_line_gets_a_place_for_each(roomy: House):
    """Twelve people, born when they were born, at one number: an agent books them."""
    roomy.campaign = replace(roomy.campaign, per_number=2)
    for month in range(1, 13):
        done = asks(
            roomy,
            "desk-1",
            channel=Channel.AGENT,
            born=date(1930, month, 1),
            number=LANDLINE,
            idempotency_suffix=str(month),
        )
        assert isinstance(done, Booked)
    assert bookings_of(roomy) == 12
    assert roomy.held() == 0


# ---------------------------------------------------------------- too many for one number


@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.WEB, Channel.PARTNER])
def test_above_the_campaigns_number_a_person_is_needed(service: House, channel: Channel):
    service.opens_centre("1", starts=mornings(3), capacity=1)
    for month in (1, 2):
        assert isinstance(asks(service, f"CA-{month}", born=date(1930, month, 1)), Booked)
    before = stored(service)
    third = asks(service, "3", channel=channel, born=date(1930, 3, 1), proof=Proof.CODE)
    assert third == PERSON_NEEDED
    assert stored(service) == before
    assert service.held() == 0, "the place is kept from others for nothing"
    # Another number, an agent, and whoever gives no number are not concerned.
    assert isinstance(asks(service, "desk-1", channel=Channel.AGENT, born=date(1930, 3, 1)), Booked)


def test_the_number_is_the_campaigns(service: House):
    service.opens_centre("1", starts=mornings(5))
    service.campaign = replace(service.campaign, per_number=1)
    assert isinstance(asks(service, "CA-1", born=date(1930, 1, 1)), Booked)
    second = asks(service, "CA-2", born=date(1930, 2, 1), proof=Proof.CODE)
    assert second == PERSON_NEEDED
    service.campaign = replace(service.campaign, per_number=2)
    assert isinstance(asks(service, "CA-3", born=date(1930, 2, 1)), Booked)


def test_what_was_cancelled_does_not_count(service: House):
    service.opens_centre("1", starts=mornings(5))
    for month in (1, 2):
        asks(service, f"CA-{month}", born=date(1930, month, 1))
    for table in (appointment, booking):
        change(service.database, table.update().values(state="cancelled"))
    assert isinstance(asks(service, "CA-3", born=date(1930, 3, 1)), Booked)


# ---------------------------------------------------------------- what a stranger hears

# Two numbers whose last two digits, which are read out, are the same. Both have three times what
# the campaign lets a number have: the next caller is told of a person, booked or not.
BOOKED_ALREADY, TOO_MANY = "+33612340078", "+33612350078"


def last_answer(phone: Phone, born: str) -> bytes:
    phone.goes_to("confirm", born=born)
    phone.presses("1")
    return phone.documents[-1]


def two_strangers(service: House) -> tuple[Phone, Phone]:
    """One has an appointment already; the number of the other has six of other people."""
    for year in range(1942, 1948):
        service.phone(BOOKED_ALREADY).books(born=f"1203{year}")
    for year in range(1936, 1942):
        service.phone(TOO_MANY).books(born=f"1203{year}")
    return service.phone(BOOKED_ALREADY), service.phone(TOO_MANY)


def test_a_stranger_hears_the_same_whoever_is_booked(service: House):
    """Byte for byte: who rings learns nothing from us about who has an appointment."""
    service.opens_centre("1", starts=mornings(30), capacity=4)
    already, too_many = two_strangers(service)
    heard = last_answer(already, "12031942"), last_answer(too_many, "12031942")
    assert heard[0] == heard[1]
    assert already.step == too_many.step == "person"
    assert bookings_of(service) == 12
    # What each chose is kept for the person who will book it.
    assert service.held() >= 2
    # And so it goes on, whatever they press.
    for keys in ("9", "7", "", "*", "1"):
        already.answers(keys)
        too_many.answers(keys)
        assert already.documents[-1] == too_many.documents[-1]


def test_both_are_as_many_turns_and_leave_the_same_statistics(service: House):
    service.opens_centre("1", starts=mornings(30), capacity=4)
    found = []
    for phone in two_strangers(service):
        last_answer(phone, "12031942")
        steps = select(turn.c.step, turn.c.outcome).where(turn.c.call_id == phone.sid)
        found.append(sorted(tuple(row) for row in rows_of(service.database, steps)))
    assert found[0] == found[1]


def looks(service: House, person: str) -> list[tuple[str, Any]]:
    """The statements, with their values, in which a booking looks for a person of that word."""
    sent: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        if statement.startswith("SELECT") and "person_idx" in statement:
            sent.append((statement, values))

    event.listen(service.database.engine, "before_cursor_execute", keep)
    try:
        asks(service, person, for_other=True)
    finally:
        event.remove(service.database.engine, "before_cursor_execute", keep)
    return sent


def plan_of(service: House, statement: str, values: Any) -> str:
    """How it is carried out by whoever knows none of its values."""
    numbers = itertools.count(1)
    numbered = re.sub(r"%\(\w+\)s", lambda _: f"${next(numbers)}", statement)
    with service.database.transaction() as connection:
        # A table of a few rows is read whole, wherever that can be done.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        driver: Any = connection.connection.driver_connection
        rows = driver.execute(f"EXPLAIN (GENERIC_PLAN) {numbered}").fetchall()
    return "\n".join(map(str, rows))


def test_a_person_is_found_by_an_index_however_many_are_booked(roomy: House):
    """It is asked in each booking: by the number of all bookings it would become slower."""
    sent = looks(roomy, "one")
    assert len(sent) == 2
    # Of so few rows PostgreSQL takes any of the indexes that have live appointments alone.
    for statement, values in sent:
        plan = plan_of(roomy, statement, values)
        assert "uq_appointment" in plan, plan
        assert not re.search(r"Seq Scan on (appointment|booking)", plan), plan
