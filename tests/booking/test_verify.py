"""`flask store verify`: nothing to say of a store that is right; each error by its name."""

# ruff: noqa: S608 - the statements are made of ids of the test's own rows

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sqlalchemy import func, select

from models.booking.changes import find_by_reference
from models.booking.history import NOT_REACHED
from models.booking.tables import appointment, appointment_for, booking, history
from models.clock import FixedClock
from models.database import Database
from models.messages.tables import message
from models.operations import verify
from models.slots.tables import place, slot
from services.booking import change_booking
from services.booking.changed import By, Cancelled, Moved, Restored
from services.slots.allocate import Channel, Chosen, Holder
from tests.booking.test_services import BOTH, GRIPPE, booked, opens
from tests.support.approvals import for_two
from tests.support.house import LANDLINE, MOBILE, NOON, House, campaign_with, house, mornings
from tests.support.rows import clock_of, holds, rows_of

# Rows are changed behind the triggers' back, which the owner alone may do.
pytestmark = [pytest.mark.owner, pytest.mark.slow]

TWO_DOSES = campaign_with(doses=2)
OTHER_MOBILE = "+33698765432"


@pytest.fixture
def two_doses(database_url: str) -> Iterator[House]:
    """Three centres with forty mornings of three places each."""
    with house(database_url, campaign=TWO_DOSES) as made:
        for gid, kilometres in (("1", 0.4), ("2", 4.1), ("3", 12.2)):
            made.opens_centre(gid, kilometres=kilometres, starts=mornings(40), capacity=3)
        yield made


def verified(service: House, *options: str) -> tuple[int, list[str]]:
    """Exit status and lines of the command, without those about the chain (test_traces.py)."""
    result = service.app.test_cli_runner().invoke(args=["store", "verify", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr == ""
    return result.exit_code, [
        line for line in result.stdout.splitlines() if not line.startswith("traces: ")
    ]


def behind_the_back(database: Database, *statements: str) -> None:
    """Change rows as nobody may."""
    url = database.url.set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as server:
        for statement in statements:
            server.execute(statement)


def test_an_empty_store(two_doses: House):
    assert verified(two_doses) == (0, ["0 bookings, 360 places, 0 contradictions"])


def test_a_varied_day_leaves_no_contradiction(two_doses: House):
    service, connect = two_doses, two_doses.database.transaction
    service.phone().books(born="12031942")
    service.phone(OTHER_MOBILE).books(born="01021941")
    service.phone(LANDLINE).books(born="29021940")
    service.phone("+33687654321").books(born="05051943")
    cut = service.phone("+33611111111").goes_to("confirm")
    service.phone("+33622222222").goes_to("offers")
    cut.hangs_up()
    assert service.held() > 0
    references = list(dict.fromkeys(row.reference for row in service.bookings()))
    assert len(references) == 4
    by = By("caller", Channel.PHONE)
    with connect() as connection:
        files = [
            find_by_reference(connection, service.store.vault, reference)
            for reference in references
        ]
    first, second, third, fourth = (file for file in files if file)
    with connect() as connection:
        args = (connection, service.store)
        assert isinstance(change_booking.cancel(*args, first.id, by=by), Cancelled)
        assert isinstance(change_booking.cancel(*args, second.id, [2], by=by), Cancelled)
        assert isinstance(change_booking.cancel(*args, third.id, by=by), Cancelled)
        holder = Holder(Channel.PHONE, "back")
        restored = change_booking.undo_cancel(*args, TWO_DOSES, holder, third.id, by=by)
        assert isinstance(restored, Restored)
    (held, *_) = holds(service, "mover", campaign=TWO_DOSES)
    with connect() as connection:
        other = connection.execute(
            select(place)
            .where(
                place.c.booking_id.is_(None),
                place.c.centre_id == fourth.centre_id,
                place.c.start_at == fourth.appointments[1].start_at + timedelta(days=1),
            )
            .limit(1)
        ).one()
        moved = change_booking.move(
            *(connection, service.store, TWO_DOSES, Holder(Channel.PHONE, "mover"), fourth.id),
            to={2: Chosen(other.id, other.slot_id, other.start_at)},
            by=by,
        )
        assert isinstance(moved, Moved), held
    service.phone("+33633333333").goes_to("confirm")
    assert verified(service) == (0, ["4 bookings, 360 places, 0 contradictions"])
    clock_of(service).advance(timedelta(hours=1))
    assert verified(service)[0] == 0


@pytest.mark.parametrize("closes", ["1", "9"])
def test_a_second_dose_that_a_closed_centre_sent_elsewhere_is_right(database_url: str, closes: str):
    """Whichever of the two centres comes first by name."""
    with house(database_url, campaign=TWO_DOSES) as service:
        service.opens_centre(closes, kilometres=1, starts=mornings(40))
        service.phone().books()
        service.opens_centre("5", kilometres=2, starts=mornings(40))
        clock_of(service).advance(timedelta(days=5))
        arguments = ["centres", "close", closes, "--why", "flood", "--yes"]
        runner = service.app.test_cli_runner()
        result = for_two(service, lambda: runner.invoke(args=arguments))
        assert result.exit_code == 0, result.output
        centres = [row.centre_id for row in rows_of(service.database, CENTRES_BY_DOSE)]
        assert centres == [closes, "5"]
        assert verified(service)[0] == 0


CENTRES_BY_DOSE = select(appointment.c.centre_id).order_by(appointment.c.dose)


# ---------------------------------------------------------------- one error each


@dataclass
class Rows:
    """Two bookings of two doses at one centre, and some places that nobody has."""

    service: House

    def __post_init__(self) -> None:
        for number, born in ((MOBILE, "12031942"), (OTHER_MOBILE, "01021941")):
            # To the calling number, which is where the text goes.
            self.service.phone(number).goes_to("reach", born=born).answers("1", "1", "1", "1")
        database = self.service.database
        ids = rows_of(database, select(booking.c.id).order_by(booking.c.created_at, booking.c.id))
        self.one, self.other = (row.id for row in ids)
        rows = rows_of(database, select(appointment).order_by(appointment.c.dose))
        self.doses = {(row.booking_id, row.dose): row for row in rows}
        self.free = rows_of(
            database,
            select(place)
            .where(place.c.booking_id.is_(None), place.c.held_by.is_(None), place.c.number == 3)
            .order_by(place.c.id),
        )[-1]

    def slot_of(self, place_id: int) -> int:
        found = select(place.c.slot_id).where(place.c.id == place_id)
        return int(rows_of(self.service.database, found)[0].slot_id)

    def moment(self, at: Any) -> str:
        """As SQL writes it."""
        return f"{at:%Y-%m-%d %H:%M:%S.%f}+00"

    def without(self, table: str, constraint: str) -> list[str]:
        return [f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"]

    def unguarded_history(self) -> list[str]:
        return [
            "DROP TRIGGER history_no_change ON history",
            "GRANT DELETE ON history TO CURRENT_USER",
        ]


@dataclass(frozen=True)
class Broken:
    """The statements that break the store, and what is to be said of it."""

    statements: Sequence[str]
    sentence: str


Breaks = Callable[[Rows], Broken]


def two_on_one_place(rows: Rows) -> Broken:
    mine, theirs = rows.doses[rows.one, 2], rows.doses[rows.other, 2]
    return Broken(
        [
            "DROP INDEX uq_appointment_place",
            f"UPDATE appointment SET place_id = {mine.place_id} WHERE id = {theirs.id}",
            f"UPDATE place SET booking_id = NULL WHERE id = {theirs.place_id}",
        ],
        f"place-given-twice: place {mine.place_id} has 2 live appointments, the first of booking "
        f"{min(rows.one, rows.other)} and the last of booking {max(rows.one, rows.other)}",
    )


def two_of_one_dose(rows: Rows) -> Broken:
    mine = rows.doses[rows.one, 2]
    columns = "booking_id, dose, centre_id, start_at, state, person_idx"
    # A place of the very slot that nobody has.
    twin = (
        f"(SELECT min(id) FROM place WHERE slot_id = {rows.slot_of(mine.place_id)} "
        "AND booking_id IS NULL)"
    )
    return Broken(
        [
            "DROP INDEX uq_appointment_booking_dose",
            "DROP INDEX uq_appointment_person_dose",
            (
                f"INSERT INTO appointment ({columns}, place_id) "
                f"SELECT {columns}, {twin} FROM appointment WHERE id = {mine.id}"
            ),
            f"UPDATE place SET booking_id = '{rows.one}' WHERE id = {twin}",
        ],
        f"dose-given-twice: booking {rows.one} has 2 live appointments for dose 2",
    )


def one_person_twice(rows: Rows) -> Broken:
    mine, theirs = rows.doses[rows.one, 1], rows.doses[rows.other, 1]
    return Broken(
        [
            "DROP INDEX uq_appointment_person_dose",
            (
                "UPDATE appointment SET person_idx = (SELECT person_idx FROM appointment "
                f"WHERE id = {mine.id}) WHERE id = {theirs.id}"
            ),
        ],
        f"person-twice: one person has 2 live appointments for dose 1, in bookings "
        f"{min(rows.one, rows.other)} to {max(rows.one, rows.other)}",
    )


def place_lost(rows: Rows) -> Broken:
    mine = rows.doses[rows.one, 1]
    return Broken(
        [f"UPDATE place SET booking_id = NULL WHERE id = {mine.place_id}"],
        f"appointment-without-place: appointment {mine.id} (booking {rows.one}, dose 1) is on "
        f"place {mine.place_id}, which carries booking none",
    )


def place_of_another(rows: Rows) -> Broken:
    return Broken(
        [f"UPDATE place SET booking_id = '{rows.one}' WHERE id = {rows.free.id}"],
        f"place-without-appointment: place {rows.free.id} carries booking {rows.one}, which has no "
        "live appointment there",
    )


def larger_than_its_places(rows: Rows) -> Broken:
    return Broken(
        [f"UPDATE slot SET capacity = 4 WHERE id = {rows.free.slot_id}"],
        f"capacity: slot {rows.free.slot_id} has a capacity of 4 and 3 places, numbered 1 to 3",
    )


def a_number_left_out(rows: Rows) -> Broken:
    return Broken(
        [f"UPDATE place SET number = 4 WHERE id = {rows.free.id}"],
        f"capacity: slot {rows.free.slot_id} has a capacity of 3 and 3 places, numbered 1 to 4",
    )


def no_place_at_all(rows: Rows) -> Broken:
    return Broken(
        [f"DELETE FROM place WHERE slot_id = {rows.free.slot_id}"],
        f"capacity: slot {rows.free.slot_id} has a capacity of 3 and 0 places, numbered none to "
        "none",
    )


def place_at_another_hour(rows: Rows) -> Broken:
    free, later = rows.free, rows.free.start_at + timedelta(hours=1)
    return Broken(
        [f"UPDATE place SET start_at = '{rows.moment(later)}' WHERE id = {free.id}"],
        f"place-copy: place {free.id} is at centre {free.centre_id} at {later.isoformat()}, its "
        f"slot {free.slot_id} at centre {free.centre_id} at {free.start_at.isoformat()}",
    )


def told_another_hour(rows: Rows) -> Broken:
    mine = rows.doses[rows.one, 2]
    later = mine.start_at + timedelta(minutes=10)
    return Broken(
        [
            f"UPDATE appointment SET start_at = '{rows.moment(later)}' WHERE id = {mine.id}",
            f"UPDATE booking SET last_start_at = '{rows.moment(later)}' WHERE id = '{rows.one}'",
        ],
        f"appointment-copy: appointment {mine.id} (booking {rows.one}) is at centre "
        f"{mine.centre_id} at {later.isoformat()}, its place {mine.place_id} at centre "
        f"{mine.centre_id} at {mine.start_at.isoformat()}",
    )


def noted(holder: str, place_id: int) -> str:
    return f"INSERT INTO held_place (holder, place_id) VALUES ('{holder}', {place_id})"


def half_a_hold(rows: Rows) -> Broken:
    return Broken(
        [
            f"UPDATE place SET held_by = 'somebody' WHERE id = {rows.free.id}",
            noted("somebody", rows.free.id),
        ],
        f"half-hold: place {rows.free.id} has 1 of the 3 columns of a hold",
    )


def booked_and_held(rows: Rows) -> Broken:
    mine, until = rows.doses[rows.one, 1], rows.service.clock.now()
    at = rows.moment(until)
    return Broken(
        [
            (
                f"UPDATE place SET held_by = 'somebody', hold_expires_at = '{at}', "
                f"hold_limit_at = '{at}' WHERE id = {mine.place_id}"
            ),
            noted("somebody", mine.place_id),
        ],
        f"booked-and-held: place {mine.place_id} carries booking {rows.one} and is held by "
        f"somebody until {until.isoformat()}",
    )


def kept_for_nobody(rows: Rows) -> Broken:
    """Of a booking that is live: nothing of it was cancelled."""
    until = rows.service.clock.now() + timedelta(hours=1)
    at = rows.moment(until)
    return Broken(
        [
            (
                f"UPDATE place SET held_by = 'undo:{rows.one}', hold_expires_at = '{at}', "
                f"hold_limit_at = '{at}' WHERE id = {rows.free.id}"
            ),
            noted(f"undo:{rows.one}", rows.free.id),
        ],
        f"undo-hold: place {rows.free.id} is held as undo:{rows.one} until {until.isoformat()}, "
        "and no such booking was cancelled there",
    )


def cancelled_alone(rows: Rows) -> Broken:
    at = rows.service.clock.now()
    return Broken(
        [
            (
                f"UPDATE booking SET state = 'cancelled', cancelled_at = '{rows.moment(at)}' "
                f"WHERE id = '{rows.one}'"
            )
        ],
        f"booking-state: booking {rows.one} is cancelled, with 2 live of 2 appointments, cancelled "
        f"at {at.isoformat()}",
    )


def another_last_start(rows: Rows) -> Broken:
    mine = rows.doses[rows.one, 2]
    later = mine.start_at + timedelta(days=1)
    return Broken(
        [f"UPDATE booking SET last_start_at = '{rows.moment(later)}' WHERE id = '{rows.one}'"],
        f"booking-copy: booking {rows.one} says centre {mine.centre_id} and last start "
        f"{later.isoformat()}, its appointments say {mine.centre_id} and "
        f"{mine.start_at.isoformat()}",
    )


def second_alone(rows: Rows) -> Broken:
    first, second = rows.doses[rows.one, 1], rows.doses[rows.one, 2]
    return Broken(
        [
            f"UPDATE appointment SET state = 'cancelled' WHERE id = {first.id}",
            f"UPDATE place SET booking_id = NULL WHERE id = {first.place_id}",
        ],
        f"doses: booking {rows.one}: dose 2 is at centre {second.centre_id} at "
        f"{second.start_at.isoformat()}, the one before at centre none at none",
    )


def second_too_late(rows: Rows) -> Broken:
    first, second = rows.doses[rows.one, 1], rows.doses[rows.one, 2]
    # By the calendar of the centre: 23:30 UTC is the next day in Paris, the twenty-ninth.
    later = (first.start_at + timedelta(days=28)).replace(hour=23, minute=30)
    at, there = rows.moment(later), rows.slot_of(second.place_id)
    mine = f"SELECT id FROM place WHERE slot_id = {there}"
    return Broken(
        [
            f"UPDATE slot SET start_at = '{at}' WHERE id = {there}",
            f"UPDATE place SET start_at = '{at}' WHERE slot_id = {there}",
            (
                f"UPDATE appointment SET start_at = '{at}' WHERE place_id IN ({mine}) "
                f"AND booking_id = '{rows.one}'"
            ),
            f"UPDATE booking SET last_start_at = '{at}' WHERE id = '{rows.one}'",
            # Whoever else is there goes, too.
            *_cancels(rows, rows.other),
        ],
        f"doses: booking {rows.one}: dose 2 is at centre {second.centre_id} at {later.isoformat()},"
        f" the one before at centre {first.centre_id} at {first.start_at.isoformat()}",
    )


def _cancels(rows: Rows, booking_id: str) -> list[str]:
    at = rows.moment(rows.service.clock.now())
    return [
        f"UPDATE appointment SET state = 'cancelled' WHERE booking_id = '{booking_id}'",
        f"UPDATE place SET booking_id = NULL WHERE booking_id = '{booking_id}'",
        f"UPDATE booking SET state = 'cancelled', cancelled_at = '{at}' WHERE id = '{booking_id}'",
        (
            "INSERT INTO history (booking_id, at, who, channel, what, why, details) VALUES "
            f"('{booking_id}', '{at}', 'tests', 'agent', 'cancelled', '{NOT_REACHED}', '{{}}')"
        ),
    ]


def no_line_of_history(rows: Rows) -> Broken:
    return Broken(
        [*rows.unguarded_history(), f"DELETE FROM history WHERE booking_id = '{rows.one}'"],
        f"history-missing: booking {rows.one} is live, and no line of the history says that it was "
        "booked",
    )


def another_last_line(rows: Rows) -> Broken:
    at = rows.service.clock.now()
    return Broken(
        [
            (
                "INSERT INTO history (id, booking_id, at, who, channel, what, why, details) VALUES "
                f"(99, '{rows.one}', '{rows.moment(at)}', 'tests', 'web', 'cancelled', "
                f"'{NOT_REACHED}', '{{}}')"
            )
        ],
        f"history-state: booking {rows.one} has 2 live appointments, and its last line of the "
        f"history (id 99, {at.isoformat()}) says cancelled",
    )


def no_text(rows: Rows) -> Broken:
    return Broken(
        [f"DELETE FROM message WHERE booking_id = '{rows.one}'"],
        f"confirmation-missing: booking {rows.one} was made with a text to be sent, which is not "
        "in the outbox",
    )


def booked_by_nobody(rows: Rows) -> Broken:
    return Broken(
        [
            *rows.without("place", "fk_place_booking_id_booking"),
            f"UPDATE place SET booking_id = 'nobody' WHERE id = {rows.free.id}",
        ],
        f"orphan: place {rows.free.id} is of booking nobody, which is not there",
    )


def offered_nothing(rows: Rows) -> Broken:
    now = rows.service.clock.now()
    later = now + timedelta(hours=2)
    at = rows.moment(now)
    return Broken(
        [
            (
                "INSERT INTO waiting_entry "
                "(id, campaign, state, offered_until, created_at, updated_at) VALUES "
                f"('patient', 'tests', 'offered', '{rows.moment(later)}', '{at}', '{at}')"
            )
        ],
        f"waiting-offer: waiting entry patient is offered a place until {later.isoformat()}, and "
        "nothing is held for it",
    )


def _order(rows: Rows, state: str, booking_id: str) -> str:
    at = rows.moment(rows.service.clock.now())
    return (
        "INSERT INTO partner_booking (id, key, platform, centre_id, state, channel, holder, "
        f"booking_id, created_at, updated_at) VALUES ('order', 'W1:1', 'keldoc', '1', '{state}', "
        f"'web', 'partner:order', {booking_id}, '{at}', '{at}')"
    )


def asked_by_nobody(rows: Rows) -> Broken:
    state = "unsure"
    return Broken(
        [_order(rows, state, "NULL")],
        f"partner-order: order order at a partner is {state}, and no message in the outbox asks "
        "for it",
    )


def _moved(rows: Rows) -> tuple[int, str]:
    """A line of the history that says that a booking was moved, an hour ago and more."""
    before = rows.service.clock.now() - timedelta(hours=2)
    columns = "booking_id, at, who, channel, what, why, details"
    behind_the_back(
        rows.service.database,
        (
            f"INSERT INTO history ({columns}) VALUES ('{rows.one}', '{rows.moment(before)}', "
            "'operator', 'supervisor', 'moved', '', '{}')"
        ),
    )
    found = select(func.max(history.c.id)).where(history.c.booking_id == rows.one)
    line = rows_of(rows.service.database, found)[0][0]
    return line, (
        f"change-untold: booking {rows.one} was changed (line {line} of the history, "
        f"{before.isoformat()}: moved), and its person was not told"
    )


def changed_in_silence(rows: Rows) -> Broken:
    _, sentence = _moved(rows)
    return Broken([], sentence)


def changed_and_never_written(rows: Rows) -> Broken:
    """Its message has been tried for two hours, and there are no words for it."""
    _, sentence = _moved(rows)
    at = rows.moment(rows.service.clock.now())
    return Broken(
        [
            (
                "INSERT INTO message (id, kind, dedupe_key, booking_id, state, attempts, due_at, "
                "error_code, created_at, updated_at, topic) VALUES ('told', 'booking_changed', "
                f"'booking_changed:{rows.one}:1', '{rows.one}', 'sending', 9, '{at}', 'error', "
                f"'{at}', '{at}', 'closed')"
            )
        ],
        sentence,
    )


def booked_at_a_partner_alone(rows: Rows) -> Broken:
    return Broken(
        [_order(rows, "booked", "'nobody'")],
        "orphan: order at a partner order is of booking nobody, which is not there",
    )


ERRORS: tuple[Breaks, ...] = (
    two_on_one_place,
    two_of_one_dose,
    one_person_twice,
    place_lost,
    place_of_another,
    larger_than_its_places,
    a_number_left_out,
    no_place_at_all,
    place_at_another_hour,
    told_another_hour,
    half_a_hold,
    booked_and_held,
    kept_for_nobody,
    cancelled_alone,
    another_last_start,
    second_alone,
    second_too_late,
    no_line_of_history,
    another_last_line,
    no_text,
    booked_by_nobody,
    offered_nothing,
    asked_by_nobody,
    changed_in_silence,
    changed_and_never_written,
    booked_at_a_partner_alone,
)


@pytest.mark.parametrize("breaks", ERRORS, ids=lambda one: str(one.__name__))
def test_an_error_is_named_alone_and_exactly(two_doses: House, breaks: Breaks):
    rows = Rows(two_doses)
    assert verified(two_doses)[0] == 0
    broken = breaks(rows)
    behind_the_back(two_doses.database, *broken.statements)
    status, lines = verified(two_doses)
    assert lines[:-1] == [broken.sentence]
    assert lines[-1].endswith(" places, 1 contradictions")
    assert status == 1


def test_a_hold_that_is_not_noted_is_named_where_its_holder_would_not_find_it(two_doses: House):
    rows = Rows(two_doses)
    until = two_doses.clock.now() + timedelta(minutes=4)
    behind_the_back(
        two_doses.database,
        (
            f"UPDATE place SET held_by = 'somebody', hold_expires_at = '{rows.moment(until)}', "
            f"hold_limit_at = '{rows.moment(until)}' WHERE id = {rows.free.id}"
        ),
    )
    status, lines = verified(two_doses)
    told = f"lost-hold: place {rows.free.id} is held by somebody until {until.isoformat()}"
    assert lines[:-1] == [f"{told}, and is not noted as a place of that holder"]
    assert status == 1


# ---------------------------------------------------------------- of two services


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    """Three mornings of two places, each for both services."""
    with house(database_url, campaign=GRIPPE) as made:
        made.opens_centre("1")
        opens(made, mornings(3), "grippe", "covid", capacity=2)
        yield made


@dataclass
class Halves:
    """Two bookings, each of influenza and Covid in one appointment."""

    service: House

    def __post_init__(self) -> None:
        for holder, number in (("CA-1", MOBILE), ("CA-2", OTHER_MOBILE)):
            booked(self.service, BOTH, holder=holder, number=number)
        rows = rows_of(
            self.service.database, select(appointment_for).order_by(appointment_for.c.id)
        )
        # Influenza and Covid of the one and of the other.
        self.mine, self.my_covid, self.theirs, _ = rows
        mine = select(appointment).where(appointment.c.id == self.mine.appointment_id)
        self.place_id = rows_of(self.service.database, mine)[0].place_id


def nothing_to_be_done(rows: Halves) -> Broken:
    mine = rows.mine
    return Broken(
        [
            (
                "UPDATE appointment_for SET state = 'cancelled' "
                f"WHERE appointment_id = {mine.appointment_id}"
            )
        ],
        f"appointment-without-service: appointment {mine.appointment_id} "
        f"(booking {mine.booking_id}) is live, and nothing is to be done there",
    )


def half_of_another(rows: Halves) -> Broken:
    mine, theirs = rows.my_covid, rows.theirs
    return Broken(
        [
            (
                f"UPDATE appointment_for SET booking_id = '{theirs.booking_id}', "
                f"state = 'cancelled' WHERE id = {mine.id}"
            )
        ],
        f"service-without-appointment: covid of booking {theirs.booking_id} is cancelled, its "
        f"appointment {mine.appointment_id} is of another booking",
    )


def one_person_twice_for_one(rows: Halves) -> Broken:
    mine, theirs = rows.mine, rows.theirs
    return Broken(
        [
            "DROP INDEX uq_appointment_for_person_dose",
            (
                "UPDATE appointment_for SET person_idx = (SELECT person_idx FROM appointment_for "
                f"WHERE id = {mine.id}) WHERE id = {theirs.id}"
            ),
        ],
        f"person-twice-for-service: one person has 2 live appointments for dose 1 of grippe, in "
        f"bookings {min(mine.booking_id, theirs.booking_id)} to "
        f"{max(mine.booking_id, theirs.booking_id)}",
    )


def one_service_twice(rows: Halves) -> Broken:
    mine = rows.mine
    columns = "appointment_id, booking_id, service, campaign, dose, state"
    return Broken(
        [
            "DROP INDEX uq_appointment_for_booking_service",
            (
                f"INSERT INTO appointment_for ({columns}) "
                f"SELECT {columns} FROM appointment_for WHERE id = {mine.id}"
            ),
        ],
        f"service-given-twice: booking {mine.booking_id} has 2 live appointments for dose 1 of "
        "grippe",
    )


def place_for_the_other_alone(rows: Halves) -> Broken:
    grippe = "(SELECT bit FROM service WHERE name = 'grippe')"
    return Broken(
        [f"UPDATE place SET services = {grippe} WHERE id = {rows.place_id}"],
        f"place-without-service: covid of booking {rows.mine.booking_id} is to be done on place "
        f"{rows.place_id}, which does not serve it",
    )


def place_for_more_than_its_slot(rows: Halves) -> Broken:
    free = rows_of(
        rows.service.database,
        select(place).where(place.c.booking_id.is_(None)).order_by(place.c.id),
    )[-1]
    return Broken(
        [f"UPDATE place SET services = 0 WHERE id = {free.id}"],
        f"place-serves: place {free.id} serves 0, more than its slot {free.slot_id} says with "
        f"{free.services}",
    )


HALVES: tuple[Callable[[Halves], Broken], ...] = (
    nothing_to_be_done,
    half_of_another,
    one_person_twice_for_one,
    one_service_twice,
    place_for_the_other_alone,
    place_for_more_than_its_slot,
)


@pytest.mark.parametrize("breaks", HALVES, ids=lambda one: str(one.__name__))
def test_an_error_of_a_service_is_named_alone_and_exactly(
    autumn: House, breaks: Callable[[Halves], Broken]
):
    rows = Halves(autumn)
    assert verified(autumn)[0] == 0
    broken = breaks(rows)
    behind_the_back(autumn.database, *broken.statements)
    status, lines = verified(autumn)
    assert lines[:-1] == [broken.sentence]
    assert lines[-1].endswith(" places, 1 contradictions")
    assert status == 1


def test_every_check_has_its_error():
    """The kinds that the errors above are told by, and those that there are."""
    kinds = {one.kind for one in verify.checks(FixedClock(NOON), {})}
    source = Path(__file__).read_text("utf-8")
    assert {kind for kind in kinds if f'f"{kind}: ' not in source} == set()


def test_only_so_many_of_a_kind_are_named_and_all_are_counted(two_doses: House):
    behind_the_back(two_doses.database, "UPDATE slot SET capacity = 9 WHERE id <= 50")
    status, lines = verified(two_doses, "--limit", "2")
    assert (status, len(lines)) == (1, 4)
    assert lines[2:] == ["capacity: 48 more", "0 bookings, 360 places, 50 contradictions"]
    assert verified(two_doses, "--limit", "0")[1] == ["capacity: 50 more", lines[-1]]


def test_nothing_personal_is_said(two_doses: House):
    """Everything is broken at once, and what is said holds no number, birth date or reference."""
    rows = Rows(two_doses)
    reference = two_doses.bookings()[0].reference
    broken = ", ".join(f"'{one}'" for one in (rows.one, rows.other))
    behind_the_back(
        two_doses.database,
        "UPDATE place SET booking_id = NULL",
        f"UPDATE booking SET state = 'gone', last_start_at = created_at WHERE id IN ({broken})",
        "DELETE FROM message",
    )
    status, lines = verified(two_doses)
    assert (status, len(lines)) == (1, 11)
    said = "\n".join(lines)
    for personal in (MOBILE[3:], OTHER_MOBILE[3:], "1942", "1941", reference, "75011"):
        assert personal not in said


def test_others_go_on_booking_and_are_seen_whole(two_doses: House):
    """What is booked between two checks is in none of them, and nobody waits for the recount."""
    service = two_doses
    service.phone().books()
    with verify.snapshot(service.database) as connection:
        before = verify.totals(connection)
        booking_meanwhile = threading.Thread(
            target=lambda: service.phone(OTHER_MOBILE).books(born="01021941")
        )
        booking_meanwhile.start()
        booking_meanwhile.join(30)
        assert len({row.reference for row in service.bookings()}) == 2
        assert verify.totals(connection) == before
        for check in verify.checks(service.clock, {}):
            assert list(check.found(connection)) == [], check.kind
        counted = select(func.count()).select_from(history)
        assert connection.execute(counted).scalar_one() == 1
    with verify.snapshot(service.database) as connection:
        assert verify.totals(connection)[0] == before[0] + 1


def test_the_recount_can_change_nothing(database_url: str, two_doses: House):
    with (
        pytest.raises(Exception, match="read-only"),
        verify.snapshot(two_doses.database) as connection,
    ):
        connection.execute(slot.delete())


def test_what_the_release_before_booked_has_no_history_and_is_no_error(two_doses: House):
    rows = Rows(two_doses)
    behind_the_back(
        two_doses.database,
        *rows.unguarded_history(),
        "DELETE FROM history",
        "UPDATE appointment SET person_idx = NULL",
    )
    assert verified(two_doses)[0] == 0


def test_an_erased_booking_needs_no_message(two_doses: House):
    rows = Rows(two_doses)
    at = rows.moment(two_doses.clock.now())
    behind_the_back(
        two_doses.database,
        f"UPDATE booking SET erased_at = '{at}'",
        "UPDATE message SET dedupe_key = 'erased:' || id",
    )
    assert rows_of(two_doses.database, select(message.c.id))
    assert verified(two_doses)[0] == 0
