"""Recount everything: what the tables say of each other, and where they contradict.

Each check is one statement over whole tables, made for hash joins on PostgreSQL and for the indexes
that are there on SQLite; it gives one row for each contradiction, and none on a store that is
right. Nothing is decrypted, and nothing personal is given: ids, counts, moments (UTC) and states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
)

from models.booking.tables import appointment, booking, history
from models.centres.tables import centre
from models.clock import Clock, local_midnight
from models.database import Database
from models.desk.tables import agent_case
from models.messages.tables import message
from models.partners.bookings import GOES_ON
from models.partners.tables import partner_booking
from models.slots.places import UNDO
from models.slots.tables import place, slot
from models.waiting_list.tables import waiting_entry

# For each campaign the fewest and the most days between two appointments, both included.
Intervals = Mapping[str, tuple[int, int]]

# Rows that are read at a time, so that a store where all is wrong needs no more memory.
_ROWS = 1000
# For the sorts and hashes of one connection that runs once a day.
_WORK_MEMORY = "128MB"
# Written out, not bound: SQLite uses a partial index only for its very words.
_CONFIRMED: ColumnElement[str] = literal_column("'confirmed'")
_CANCELLED: ColumnElement[str] = literal_column("'cancelled'")
_OFFERED: ColumnElement[str] = literal_column("'offered'")
# Lines of the history that say whether a booking is live; of a cancellation that leaves the first
# dose, the details say that it was kept.
_SAYS_STATE = ("booked", "moved", "cancelled", "restored")
_KEPT_SOME = '%"became":"kept%'
_TEXT_ORDERED = '%"text":true%'


@dataclass(frozen=True)
class Check:
    """`sentence` tells a row of `statement` in words: its columns go in by name."""

    kind: str
    sentence: str
    statement: Select[Any] | Any

    def found(self, connection: Connection) -> Iterator[str]:
        """Run it; one sentence for each contradiction, as they come from the database."""
        streamed = {"yield_per": _ROWS}
        with connection.execute(self.statement, execution_options=streamed) as rows:
            for row in rows.mappings():
                values = {name: _told(value) for name, value in row.items()}
                yield self.sentence.format_map(values)


@dataclass(frozen=True)
class Totals:
    bookings: int
    places: int


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """A connection to which the store stands still while others write; it blocks no writer."""
    with database.snapshot() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SET LOCAL work_mem = '{_WORK_MEMORY}'"))
            # Every row is asked for, not the first ones soon, as PostgreSQL believes of a cursor.
            connection.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
        yield connection


def totals(connection: Connection) -> Totals:
    def rows(table: Any) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    return Totals(bookings=rows(booking), places=rows(place))


def checks(clock: Clock, intervals: Intervals) -> tuple[Check, ...]:
    """Every check, in the order in which an error is best understood."""
    return (
        _orphans(),
        *_GIVEN_TWICE,
        _appointment_without_place(),
        *_COPIES,
        _capacity(),
        _half_hold(),
        *_HOLDS,
        _booking_state(),
        _booking_copies(),
        _doses(intervals),
        _history_missing(),
        _history_state(),
        _CONFIRMATION_MISSING,
        _waiting_offer(clock),
        _PARTNER_ORDER,
    )


# ---------------------------------------------------------------- rows without what they hang on


def _orphans() -> Check:
    """Foreign keys forbid most of these, until one is dropped or half a dump is restored."""

    def missing(what: str, table: Any, key: Any, other: Any, of: str) -> Select[Any]:
        return (
            select(
                literal(what).label("what"),
                cast(table.c.id, booking.c.id.type).label("id"),
                literal(of).label("of"),
                cast(key, booking.c.id.type).label("missing"),
            )
            .select_from(table.outerjoin(other, other.c.id == key))
            .where(key.is_not(None), other.c.id.is_(None))
        )

    return Check(
        "orphan",
        "{what} {id} is of {of} {missing}, which is not there",
        union_all(
            missing("slot", slot, slot.c.centre_id, centre, "centre"),
            missing("place", place, place.c.slot_id, slot, "slot"),
            missing("place", place, place.c.booking_id, booking, "booking"),
            missing("booking", booking, booking.c.centre_id, centre, "centre"),
            missing("appointment", appointment, appointment.c.booking_id, booking, "booking"),
            missing("appointment", appointment, appointment.c.place_id, place, "place"),
            missing("history line", history, history.c.booking_id, booking, "booking"),
            missing("message", message, message.c.booking_id, booking, "booking"),
            missing(
                "order at a partner",
                partner_booking,
                partner_booking.c.booking_id,
                booking,
                "booking",
            ),
            missing("case", agent_case, agent_case.c.booking_id, booking, "booking"),
        ),
    )


# ---------------------------------------------------------------- given twice


_GIVEN_TWICE = (
    Check(
        "place-given-twice",
        "place {place} has {number} live appointments, the first of booking {first} and the last "
        "of booking {last}",
        select(
            appointment.c.place_id.label("place"),
            func.count().label("number"),
            func.min(appointment.c.booking_id).label("first"),
            func.max(appointment.c.booking_id).label("last"),
        )
        .where(appointment.c.state == _CONFIRMED)
        .group_by(appointment.c.place_id)
        .having(func.count() > 1),
    ),
    Check(
        "dose-given-twice",
        "booking {booking} has {number} live appointments for dose {dose}",
        select(
            appointment.c.booking_id.label("booking"),
            appointment.c.dose,
            func.count().label("number"),
        )
        .where(appointment.c.state == _CONFIRMED)
        .group_by(appointment.c.booking_id, appointment.c.dose)
        .having(func.count() > 1),
    ),
    # The key itself is not told: two bookings say enough.
    Check(
        "person-twice",
        "one person has {number} live appointments for dose {dose}, in bookings {first} to {last}",
        select(
            appointment.c.dose,
            func.count().label("number"),
            func.min(appointment.c.booking_id).label("first"),
            func.max(appointment.c.booking_id).label("last"),
        )
        .where(appointment.c.state == _CONFIRMED, appointment.c.person_idx.is_not(None))
        .group_by(appointment.c.person_idx, appointment.c.dose)
        # Twice in one booking is told above.
        .having(func.min(appointment.c.booking_id) != func.max(appointment.c.booking_id)),
    ),
)


# ---------------------------------------------------------------- places and appointments


def _appointment_without_place() -> Check:
    other = appointment.alias("other")
    return Check(
        "appointment-without-place",
        "appointment {appointment} (booking {booking}, dose {dose}) is on place {place}, which "
        "carries booking {carried}",
        select(
            appointment.c.id.label("appointment"),
            appointment.c.booking_id.label("booking"),
            appointment.c.dose,
            appointment.c.place_id.label("place"),
            place.c.booking_id.label("carried"),
        )
        .join(place, place.c.id == appointment.c.place_id)
        .where(
            appointment.c.state == _CONFIRMED,
            place.c.booking_id.is_distinct_from(appointment.c.booking_id),
            # A place given twice can carry but one of them: told above.
            ~exists().where(
                other.c.place_id == appointment.c.place_id,
                other.c.state == _CONFIRMED,
                other.c.id != appointment.c.id,
            ),
        ),
    )


_COPIES = (
    Check(
        "place-without-appointment",
        "place {place} carries booking {booking}, which has no live appointment there",
        select(place.c.id.label("place"), place.c.booking_id.label("booking"))
        .join(booking, booking.c.id == place.c.booking_id)
        .outerjoin(
            appointment,
            and_(
                appointment.c.place_id == place.c.id,
                appointment.c.booking_id == place.c.booking_id,
                appointment.c.state == _CONFIRMED,
            ),
        )
        .where(place.c.booking_id.is_not(None), appointment.c.id.is_(None)),
    ),
    Check(
        "appointment-copy",
        "appointment {appointment} (booking {booking}) is at centre {centre} at {start}, its place "
        "{place} at centre {other_centre} at {other_start}",
        select(
            appointment.c.id.label("appointment"),
            appointment.c.booking_id.label("booking"),
            appointment.c.centre_id.label("centre"),
            appointment.c.start_at.label("start"),
            place.c.id.label("place"),
            place.c.centre_id.label("other_centre"),
            place.c.start_at.label("other_start"),
        )
        .join(place, place.c.id == appointment.c.place_id)
        # A place that differs from its slot is reported once, below, and not here.
        .join(slot, slot.c.id == place.c.slot_id)
        .where(
            appointment.c.state == _CONFIRMED,
            or_(
                appointment.c.centre_id != slot.c.centre_id,
                appointment.c.start_at != slot.c.start_at,
            ),
        ),
    ),
    Check(
        "place-copy",
        "place {place} is at centre {centre} at {start}, its slot {slot} at centre {other_centre} "
        "at {other_start}",
        select(
            place.c.id.label("place"),
            place.c.centre_id.label("centre"),
            place.c.start_at.label("start"),
            slot.c.id.label("slot"),
            slot.c.centre_id.label("other_centre"),
            slot.c.start_at.label("other_start"),
        )
        .join(slot, slot.c.id == place.c.slot_id)
        .where(or_(place.c.centre_id != slot.c.centre_id, place.c.start_at != slot.c.start_at)),
    ),
)


def _capacity() -> Check:
    numbers = (
        select(
            place.c.slot_id,
            func.count().label("places"),
            func.min(place.c.number).label("first"),
            func.max(place.c.number).label("last"),
            # Tells 1, 1, 3 from 1, 2, 3 without sorting.
            func.sum(place.c.number).label("sum"),
        )
        .group_by(place.c.slot_id)
        .subquery()
    )
    capacity = cast(slot.c.capacity, Integer)
    return Check(
        "capacity",
        "slot {slot} has a capacity of {capacity} and {places} places, numbered {first} to {last}",
        select(
            slot.c.id.label("slot"),
            slot.c.capacity,
            func.coalesce(numbers.c.places, 0).label("places"),
            numbers.c.first,
            numbers.c.last,
        )
        .outerjoin(numbers, numbers.c.slot_id == slot.c.id)
        .where(
            or_(
                numbers.c.places.is_(None),
                numbers.c.places != capacity,
                numbers.c.first != 1,
                numbers.c.last != capacity,
                numbers.c.sum * 2 != capacity * (capacity + 1),
            )
        ),
    )


def _half_hold() -> Check:
    columns = (place.c.held_by, place.c.hold_expires_at, place.c.hold_limit_at)
    there = [case((column.is_not(None), 1), else_=0) for column in columns]
    return Check(
        "half-hold",
        "place {place} has {there} of the 3 columns of a hold",
        select(place.c.id.label("place"), sum(there[1:], start=there[0]).label("there")).where(
            sum(there[1:], start=there[0]).in_((1, 2))
        ),
    )


_HOLDS = (
    Check(
        "booked-and-held",
        "place {place} carries booking {booking} and is held by {holder} until {until}",
        select(
            place.c.id.label("place"),
            place.c.booking_id.label("booking"),
            place.c.held_by.label("holder"),
            place.c.hold_expires_at.label("until"),
        ).where(place.c.booking_id.is_not(None), place.c.held_by.is_not(None)),
    ),
    # A hold without an owner: of a booking that has cancelled nothing there.
    Check(
        "undo-hold",
        "place {place} is held as {holder} until {until}, and no such booking was cancelled there",
        select(
            place.c.id.label("place"),
            place.c.held_by.label("holder"),
            place.c.hold_expires_at.label("until"),
        )
        .select_from(place)
        .outerjoin(
            appointment,
            and_(
                appointment.c.booking_id == func.substr(place.c.held_by, len(UNDO) + 1),
                appointment.c.place_id == place.c.id,
                appointment.c.state == _CANCELLED,
            ),
        )
        .where(
            place.c.held_by.is_not(None),
            place.c.held_by.like(f"{UNDO}%"),
            appointment.c.id.is_(None),
        ),
    ),
)


# ---------------------------------------------------------------- bookings


def _of_bookings() -> Any:
    """What the appointments of each booking say, live ones and all."""
    live = appointment.c.state == _CONFIRMED
    return (
        select(
            appointment.c.booking_id,
            func.sum(case((live, 1), else_=0)).label("live"),
            func.count().label("number"),
            # Of the first live dose: a second one may have been moved elsewhere since.
            func.coalesce(
                func.min(case((and_(live, appointment.c.dose == 1), appointment.c.centre_id))),
                func.min(case((live, appointment.c.centre_id))),
            ).label("centre"),
            func.max(case((live, appointment.c.start_at))).label("last_live"),
            func.min(appointment.c.start_at).label("first"),
            func.max(appointment.c.start_at).label("last"),
        )
        .group_by(appointment.c.booking_id)
        .subquery("said")
    )


def _booking_state() -> Check:
    said = _of_bookings()
    live = func.coalesce(said.c.live, 0)
    return Check(
        "booking-state",
        "booking {booking} is {state}, with {live} live of {number} appointments, cancelled at "
        "{cancelled}",
        select(
            booking.c.id.label("booking"),
            booking.c.state,
            live.label("live"),
            func.coalesce(said.c.number, 0).label("number"),
            booking.c.cancelled_at.label("cancelled"),
        )
        .outerjoin(said, said.c.booking_id == booking.c.id)
        .where(
            or_(
                said.c.booking_id.is_(None),
                booking.c.state.not_in(("confirmed", "cancelled")),
                and_(
                    booking.c.state == "confirmed",
                    or_(live == 0, booking.c.cancelled_at.is_not(None)),
                ),
                and_(
                    booking.c.state == "cancelled", or_(live > 0, booking.c.cancelled_at.is_(None))
                ),
            )
        ),
    )


def _booking_copies() -> Check:
    """A cancelled booking keeps where and when it was: there only the bounds can be told."""
    said = _of_bookings()
    last = booking.c.last_start_at
    return Check(
        "booking-copy",
        "booking {booking} says centre {centre} and last start {start}, its appointments say "
        "{other_centre} and {other_start}",
        select(
            booking.c.id.label("booking"),
            booking.c.centre_id.label("centre"),
            last.label("start"),
            func.coalesce(said.c.centre, booking.c.centre_id).label("other_centre"),
            func.coalesce(said.c.last_live, said.c.last).label("other_start"),
        )
        .join(said, said.c.booking_id == booking.c.id)
        .where(
            or_(
                booking.c.centre_id != said.c.centre,
                last != said.c.last_live,
                and_(said.c.last_live.is_(None), or_(last < said.c.first, last > said.c.last)),
            )
        ),
    )


def _doses(intervals: Intervals) -> Check:
    """A second dose comes after a first one, at the same centre, within the campaign's interval.

    Where a centre closed between the two, the second was moved to another one by a supervisor. Days
    are counted by the centre's calendar. Of a campaign that is not known any more, only the
    order can be told.
    """
    first, second = appointment.alias("first"), appointment.alias("second")
    moved = exists().where(
        history.c.booking_id == second.c.booking_id,
        history.c.what == "moved",
        history.c.channel == "supervisor",
    )
    # Where there is no first one, that is said anyway.
    start = func.coalesce(first.c.start_at, second.c.start_at)
    outside: ColumnElement[bool] = false()
    if intervals:
        outside = case(
            *(
                (
                    booking.c.campaign == name,
                    or_(
                        second.c.start_at < local_midnight(start, least, centre.c.time_zone),
                        second.c.start_at >= local_midnight(start, most + 1, centre.c.time_zone),
                    ),
                )
                for name, (least, most) in sorted(intervals.items())
            ),
            else_=false(),
        )
    return Check(
        "doses",
        "booking {booking}: dose {dose} is at centre {centre} at {start}, the one before at centre "
        "{other_centre} at {other_start}",
        select(
            second.c.booking_id.label("booking"),
            second.c.dose,
            second.c.centre_id.label("centre"),
            second.c.start_at.label("start"),
            first.c.centre_id.label("other_centre"),
            first.c.start_at.label("other_start"),
        )
        .select_from(second)
        .join(booking, booking.c.id == second.c.booking_id)
        .join(centre, centre.c.id == second.c.centre_id)
        .outerjoin(
            first,
            and_(
                first.c.booking_id == second.c.booking_id,
                first.c.dose == second.c.dose - 1,
                first.c.state == _CONFIRMED,
            ),
        )
        .where(
            second.c.state == _CONFIRMED,
            second.c.dose > 1,
            or_(
                first.c.id.is_(None),
                first.c.start_at >= second.c.start_at,
                and_(first.c.centre_id != second.c.centre_id, ~moved),
                outside,
            ),
        ),
    )


# ---------------------------------------------------------------- what was written down


def _history_missing() -> Check:
    booked = history.alias("booked")
    keyless = appointment.alias("keyless")
    return Check(
        "history-missing",
        "booking {booking} is live, and no line of the history says that it was booked",
        select(booking.c.id.label("booking"))
        .outerjoin(booked, and_(booked.c.booking_id == booking.c.id, booked.c.what == "booked"))
        .where(
            booking.c.state == "confirmed",
            booked.c.id.is_(None),
            # An erased booking says no more whether it had a phone.
            booking.c.erased_at.is_(None),
            # The release before wrote no history. A booking that it made while this one was being
            # deployed has a phone, and no person key.
            ~exists().where(
                keyless.c.booking_id == booking.c.id,
                keyless.c.person_idx.is_(None),
                booking.c.phone_idx.is_not(None),
            ),
        ),
    )


def _history_state() -> Check:
    """Against the appointments: a state that they contradict is told above."""
    last = (
        select(history.c.booking_id, func.max(history.c.id).label("id"))
        .where(history.c.what.in_(_SAYS_STATE))
        .group_by(history.c.booking_id)
        .subquery("last")
    )
    said = _of_bookings()
    ended = and_(history.c.what == "cancelled", history.c.details.not_like(_KEPT_SOME))
    return Check(
        "history-state",
        "booking {booking} has {live} live appointments, and its last line of the history (id "
        "{line}, {at}) says {what}",
        select(
            said.c.booking_id.label("booking"),
            said.c.live,
            history.c.id.label("line"),
            history.c.at,
            history.c.what,
        )
        .select_from(last)
        .join(history, history.c.id == last.c.id)
        .join(said, said.c.booking_id == last.c.booking_id)
        .where(or_(and_(said.c.live > 0, ended), and_(said.c.live == 0, ~ended))),
    )


# Whether a text was ordered stands in the history: numbers would have to be decrypted.
_CONFIRMATION_MISSING = Check(
    "confirmation-missing",
    "booking {booking} was made with a text to be sent, which is not in the outbox",
    select(booking.c.id.label("booking"))
    .join(history, history.c.booking_id == booking.c.id)
    .outerjoin(
        message,
        message.c.dedupe_key == literal("confirmation:") + booking.c.id + literal(":1"),
    )
    .where(
        # An erased message has given up its key.
        booking.c.erased_at.is_(None),
        history.c.what == "booked",
        history.c.details.like(_TEXT_ORDERED),
        message.c.id.is_(None),
    ),
)


def _waiting_offer(clock: Clock) -> Check:
    """An offer that ran out has ended: the next run offers the place to another person."""
    return Check(
        "waiting-offer",
        "waiting entry {entry} is offered a place until {until}, and nothing is held for it",
        select(waiting_entry.c.id.label("entry"), waiting_entry.c.offered_until.label("until"))
        .outerjoin(
            place,
            and_(
                place.c.held_by == literal("waiting:") + waiting_entry.c.id,
                place.c.held_by.is_not(None),
                place.c.hold_expires_at > clock.at(),
            ),
        )
        .where(
            waiting_entry.c.state == _OFFERED,
            or_(
                waiting_entry.c.offered_until.is_(None), waiting_entry.c.offered_until > clock.at()
            ),
            place.c.id.is_(None),
        ),
    )


# A person waits for a partner's answer, and no message in the outbox asks the partner.
_PARTNER_ORDER = Check(
    "partner-order",
    "order {order} at a partner is {state}, and no message in the outbox asks for it",
    select(partner_booking.c.id.label("order"), partner_booking.c.state)
    .outerjoin(
        message,
        and_(
            message.c.dedupe_key == literal("partner:") + partner_booking.c.id,
            message.c.state.in_(("pending", "sending")),
        ),
    )
    .where(partner_booking.c.state.in_(GOES_ON), message.c.id.is_(None)),
)


def _told(value: Any) -> Any:
    if value is None:
        return "none"
    return value.isoformat() if isinstance(value, datetime) else value
