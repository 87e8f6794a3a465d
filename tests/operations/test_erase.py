"""Personal data dies on time, and the counts of a season outlive it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sqlalchemy import Connection, String, func, select, text, update

from models.booking.tables import appointment, booking
from models.call.tables import call, turn
from models.clock import FixedClock
from models.messages.tables import message
from models.queue.tables import queue_entry
from models.slots.tables import place
from models.tables import nothing_personal
from services.messages.delivery_failures import record_delivery
from services.privacy.erase_data import STEPS, NotAllErased, erase_data
from services.queue.promise_callback import promise
from tests.support.house import MOBILE, House, house, mornings
from tests.support.rows import change, clock_of, confirms, holds, rows_of

DAY = timedelta(days=1)
# Per table, the columns that it declares to be personal, and those that hold a text.
PERSONAL = {table: list(nothing_personal(table)) for table in (booking, appointment)}
PERSONAL[message] = ["recipient_enc", "recipient_idx", "payload_enc"]


def books_with_a_text(service: House, number: str = MOBILE) -> None:
    service.phone(number).goes_to("reach").answers("1").goes_to("reference").answers("1")


def personal(service: House) -> list[object]:
    """What is still known of people who booked."""
    selects = [select(*(table.c[name] for name in names)) for table, names in PERSONAL.items()]
    rows = [row for statement in selects for row in rows_of(service.database, statement)]
    return [value for row in rows for value in row if value is not None]


@pytest.fixture
def booked(service: House) -> House:
    service.opens_centre("1", starts=mornings(40), capacity=2)
    books_with_a_text(service)
    return service


def test_three_months_and_a_day_after_the_appointment_nobody_is_known(booked: House):
    (row,) = booked.bookings()
    clock_of(booked).moment = row.start_at + 88 * DAY
    assert erase_data(booked.store)["bookings"] == 0
    assert personal(booked)

    clock_of(booked).moment = row.start_at + 93 * DAY
    erased = erase_data(booked.store)
    assert (erased["bookings"], erased["messages"]) == (1, 1)
    assert personal(booked) == []


def test_erasure_clears_every_personal_column_of_booking(service: House):
    service.opens_centre("1", starts=mornings(1))
    (held,) = holds(service, "CA-1")
    assert confirms(service, "CA-1", held)
    names = PERSONAL[booking]
    assert {"reference_enc", "phone_idx", "mail_idx", "postcode"} <= set(names)
    texts = {name for name in names if isinstance(booking.c[name].type, String)}
    filled = {name: "75011" if name in texts else b"somebody" for name in names}
    assert change(service.database, update(booking).values(filled)) == 1
    (row,) = rows_of(service.database, select(booking))
    assert {name: row._mapping[name] for name in names} == filled

    clock_of(service).advance(200 * DAY)
    assert erase_data(service.store)["bookings"] == 1
    (row,) = rows_of(service.database, select(booking))
    assert {name: row._mapping[name] for name in names} == dict.fromkeys(names)


@pytest.mark.parametrize(
    ("appointment_on", "last_day"),
    [
        (datetime(2027, 2, 1, 9, tzinfo=UTC), datetime(2027, 5, 2, 9, tzinfo=UTC)),
        (datetime(2026, 11, 30, 9, tzinfo=UTC), datetime(2027, 3, 1, 9, tzinfo=UTC)),
        (datetime(2027, 7, 15, 9, tzinfo=UTC), datetime(2027, 10, 16, 9, tzinfo=UTC)),
    ],
)
def test_three_months_are_three_months_in_february_too(
    database_url: str, appointment_on: datetime, last_day: datetime
):
    """The order says "three months at the latest", and the shortest three have 89 days."""
    with house(database_url, clock=FixedClock(appointment_on - 5 * DAY)) as service:
        service.opens_centre("1", starts=[appointment_on])
        books_with_a_text(service)
        clock_of(service).moment = last_day
        erase_data(service.store)
        assert personal(service) == []


def test_erasing_again_erases_nothing_more(booked: House):
    clock_of(booked).advance(200 * DAY)
    first = erase_data(booked.store)
    before = everything(booked)
    again = erase_data(booked.store)
    assert first["bookings"] == first["messages"] == 1
    assert set(again.values()) == {0}
    assert everything(booked) == before


def test_what_was_cut_off_in_the_middle_is_finished_the_next_time(
    booked: House, monkeypatch: pytest.MonkeyPatch
):
    clock_of(booked).advance(200 * DAY)
    with monkeypatch.context() as broken:
        broken.setattr("models.messages.erase_messages.erase_due", _dies)
        with pytest.raises(NotAllErased, match=r"^bookings$"):
            erase_data(booked.store)
    with monkeypatch.context() as broken:
        broken.setitem(STEPS, "turns", (_dies, DAY))
        with pytest.raises(NotAllErased, match=r"^turns$"):
            erase_data(booked.store)
    erase_data(booked.store)
    assert personal(booked) == []
    assert (
        rows_of(booked.database, select(turn.c.body_enc).where(turn.c.body_enc.is_not(None))) == []
    )


def test_only_what_is_due_is_erased(booked: House):
    books_with_a_text(booked, "+33612345679")
    first, second = rows_of(booked.database, select(booking.c.id).order_by(booking.c.id))
    with booked.database.transaction() as connection:
        connection.execute(
            booking.update()
            .where(booking.c.id == second.id)
            .values(last_start_at=booked.clock.now() + 200 * DAY)
        )
    clock_of(booked).advance(200 * DAY)
    assert erase_data(booked.store)["bookings"] == 1
    left = rows_of(booked.database, select(booking.c.id).where(booking.c.phone_enc.is_not(None)))
    assert left == [(second.id,)]
    texts = select(message.c.booking_id).where(message.c.payload_enc.is_not(None))
    assert rows_of(booked.database, texts) == [(second.id,)]
    assert first.id != second.id


def test_the_counts_stay_and_the_export_goes_on(booked: House):
    (text,) = booked.messages("sms")
    record_delivery(booked.store, "SM" + "1" * 32, "delivered", message_id=text.id)
    before = statistics(booked)
    (row,) = booked.bookings()
    clock_of(booked).advance(200 * DAY)
    erase_data(booked.store)

    assert statistics(booked) == before
    (erased,) = booked.bookings()
    assert erased.reference == ""
    assert (erased.centre_id, erased.start_at, erased.state) == (
        row.centre_id,
        row.start_at,
        row.state,
    )
    exported = booked.app.test_cli_runner().invoke(args=["bookings", "export"])
    assert exported.exit_code == 0, exported.output
    assert exported.output.splitlines()[1].startswith(",phone,1,")


def test_the_place_of_an_erased_booking_stays_taken(booked: House):
    clock_of(booked).advance(200 * DAY)
    erase_data(booked.store)
    assert rows_of(
        booked.database, select(func.count()).where(place.c.booking_id.is_not(None))
    ) == [(1,)]


def test_what_was_said_in_a_call_is_gone_after_a_day(booked: House):
    bodies = select(func.count()).where(turn.c.body_enc.is_not(None))
    callers = select(func.count()).where(call.c.caller_enc.is_not(None))
    steps = rows_of(booked.database, select(turn.c.step, turn.c.outcome).order_by(turn.c.number))
    clock_of(booked).advance(timedelta(hours=24) - timedelta(seconds=1))
    erase_data(booked.store)
    assert rows_of(booked.database, bodies) == [(len(steps),)]

    clock_of(booked).advance(timedelta(seconds=2))
    erased = erase_data(booked.store)
    assert (erased["turns"], erased["calls"]) == (len(steps), 1)
    assert rows_of(booked.database, bodies) == rows_of(booked.database, callers) == [(0,)]
    # Where people got stuck is no secret, and is still known.
    assert (
        rows_of(booked.database, select(turn.c.step, turn.c.outcome).order_by(turn.c.number))
        == steps
    )
    assert len(booked.bookings()) == 1


def test_a_number_that_was_erased_leaves_no_trace_and_may_be_promised_again(service: House):
    """A promise of long ago neither names anybody nor stands in the way of a new one."""
    store = service.store
    with service.database.transaction() as connection:
        assert promise(connection, store, MOBILE, None, {}).is_new
    clock_of(service).advance(200 * DAY)
    erase_data(store)
    (row,) = rows_of(service.database, select(queue_entry))
    assert (row.phone_enc, row.phone_idx, row.known_enc) == (None, None, None)
    assert row.state == "lost"
    with service.database.transaction() as connection:
        assert promise(connection, store, MOBILE, None, {}).is_new


def statistics(service: House) -> list[object]:
    return [
        rows_of(service.database, statement)
        for statement in (
            select(booking.c.channel, booking.c.campaign, booking.c.centre_id, func.count())
            .group_by(booking.c.channel, booking.c.campaign, booking.c.centre_id),
            select(appointment.c.state, appointment.c.dose, func.count())
            .group_by(appointment.c.state, appointment.c.dose),
            select(message.c.kind, message.c.state, func.count())
            .group_by(message.c.kind, message.c.state),
            select(turn.c.step, turn.c.outcome, func.count())
            .group_by(turn.c.step, turn.c.outcome).order_by(turn.c.step, turn.c.outcome),
        )
    ]  # fmt: skip


def everything(service: House) -> list[object]:
    return [rows_of(service.database, select(table)) for table in (booking, message, turn, call)]


def _dies(*_: object) -> list[str]:
    raise ZeroDivisionError


def test_a_step_that_fails_holds_up_no_other(booked: House, monkeypatch: pytest.MonkeyPatch):
    clock_of(booked).advance(200 * DAY)
    with monkeypatch.context() as broken:
        broken.setattr("models.messages.erase_messages.erase_due", _dies)
        with pytest.raises(NotAllErased):
            erase_data(booked.store)
    # Its own is undone as a whole; the turns of the call were another's to erase.
    again = erase_data(booked.store)
    assert again["bookings"] > 0
    assert again["turns"] == 0


# Pooled, the limit is the role's: tests/operations/test_pooled.py.
@pytest.mark.direct
def test_what_was_missed_for_days_may_take_longer_than_a_webhook(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    """Of an opening, all is due at once: what is stopped half-way then is stopped for ever."""
    limits: list[str] = []

    def looks(connection: Connection, *_: object) -> int:
        limits.append(connection.execute(text("SHOW statement_timeout")).scalar_one())
        return 0

    monkeypatch.setitem(STEPS, "visits", (looks, DAY))
    erase_data(service.store)
    with service.database.transaction() as connection:
        looks(connection)
    assert limits == ["0", "4s"]
