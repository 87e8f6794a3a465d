"""Recount everything: what the tables say of each other, and where they contradict.

Each check is one statement over whole tables, made for hash joins; it gives one row for each
contradiction, and none on a store that is right. Nothing is decrypted, and nothing personal is
given: ids, counts, moments (UTC) and states. Checks that need no more than SQL are in `verify_sql`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
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

from models.booking.history import FREED, NOT_REACHED
from models.booking.tables import appointment, appointment_for, booking, history
from models.centres.tables import centre
from models.clock import Clock, local_midnight
from models.database import Database
from models.desk.tables import agent_case
from models.messages.tables import message
from models.operations.verify_sql import ORDER, PLACES, SERVICES, WRITTEN, Check
from models.partners.tables import partner_booking
from models.slots.holders import is_found
from models.slots.tables import place, slot
from models.waiting_list.tables import waiting_entry

# For each campaign the fewest and the most days between two appointments, both included.
Intervals = Mapping[str, tuple[int, int]]

# For the sorts and hashes of one connection that runs once a day.
_WORK_MEMORY = "128MB"
# Written out, not bound: a partial index is used only for its very words.
_CONFIRMED: ColumnElement[str] = literal_column("'confirmed'")
# Errors that pass do so within this.
_TOLD_IN = timedelta(hours=1)
_OFFERED: ColumnElement[str] = literal_column("'offered'")


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """A connection to which the store stands still while others write; it blocks no writer."""
    with database.snapshot() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SET LOCAL work_mem = '{_WORK_MEMORY}'"))
        # Every row is asked for, not the first ones soon, as PostgreSQL believes of a cursor.
        connection.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
        yield connection


def totals(connection: Connection) -> tuple[int, int]:
    """How many bookings and how many places there are."""
    bookings, places = (
        connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (booking, place)
    )
    return bookings, places


def checks(clock: Clock, intervals: Intervals) -> tuple[Check, ...]:
    """Every check, in the order in which an error is best understood."""
    return (
        _orphans(),
        *PLACES,
        _LOST_HOLD,
        *SERVICES,
        _doses(intervals),
        *WRITTEN,
        _untold(clock),
        _waiting_offer(clock),
        ORDER,
    )


def _orphans() -> Check:
    """Foreign keys forbid most of these, until one is dropped or half a dump is restored."""
    ids = booking.c.id.type
    references = (
        ("slot", slot, slot.c.centre_id, centre),
        ("place", place, place.c.slot_id, slot),
        ("place", place, place.c.booking_id, booking),
        ("booking", booking, booking.c.centre_id, centre),
        ("appointment", appointment, appointment.c.booking_id, booking),
        ("appointment", appointment, appointment.c.place_id, place),
        ("service done", appointment_for, appointment_for.c.appointment_id, appointment),
        ("service done", appointment_for, appointment_for.c.booking_id, booking),
        ("history line", history, history.c.booking_id, booking),
        ("message", message, message.c.booking_id, booking),
        ("order at a partner", partner_booking, partner_booking.c.booking_id, booking),
        ("case", agent_case, agent_case.c.booking_id, booking),
    )
    missing = (
        select(
            literal(what).label("what"),
            cast(table.c.id, ids).label("id"),
            literal(of.name).label("of"),
            cast(key, ids).label("missing"),
        )
        .select_from(table.outerjoin(of, of.c.id == key))
        .where(key.is_not(None), of.c.id.is_(None))
        for what, table, key, of in references
    )
    sentence = "{what} {id} is of {of} {missing}, which is not there"
    return Check("orphan", sentence, union_all(*missing))


def _doses(intervals: Intervals) -> Check:
    """A second dose comes after a first one, at the same centre, within the campaign's interval.

    Where a centre closed between the two, the second was moved to another one by a supervisor. Days
    are counted by the centre's calendar. Of a campaign that is not known any more, only the order
    can be told.
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
            # Of several services each stands for itself, and none of them has two doses.
            ~_is_of_several(second),
            or_(
                first.c.id.is_(None),
                first.c.start_at >= second.c.start_at,
                and_(first.c.centre_id != second.c.centre_id, ~moved),
                outside,
            ),
        ),
    )


def _is_of_several(appointment: Any) -> ColumnElement[bool]:
    """Whether the booking of an appointment is of several services."""
    one, other = appointment_for.alias("one"), appointment_for.alias("other")
    return exists().where(
        one.c.booking_id == appointment.c.booking_id,
        other.c.booking_id == appointment.c.booking_id,
        one.c.service != other.c.service,
    )


# Its holder could neither renew, nor book, nor give it back.
_LOST_HOLD = Check(
    "lost-hold",
    "place {place} is held by {holder} until {until}, and is not noted as a place of that holder",
    select(
        place.c.id.label("place"),
        place.c.held_by.label("holder"),
        place.c.hold_expires_at.label("until"),
    ).where(place.c.held_by.is_not(None), ~is_found()),
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


def _untold(clock: Clock) -> Check:
    """A change whose person has a number is in the outbox, and its words are found soon.

    But for bookings that were freed and taken back before anybody was told, or that were freed
    because nothing reached their person. What became a case is known to an agent.
    """
    newest = (
        select(history.c.booking_id, func.max(history.c.id).label("id"))
        .where(history.c.what.in_(["moved", "cancelled", "restored"]))
        .group_by(history.c.booking_id)
        .subquery()
    )
    told = exists().where(
        message.c.dedupe_key.in_(
            literal(f"{kind}:") + booking.c.id + ":" + cast(booking.c.version, String)
            for kind in ("booking_changed", "booking_cancelled")
        ),
        or_(
            message.c.error_code.is_distinct_from("error"),
            and_(message.c.state.in_(["pending", "sending"]), history.c.at > clock.at(-_TOLD_IN)),
        ),
    )
    return Check(
        "change-untold",
        "booking {booking} was changed (line {line} of the history, {at}: {what}), and its person "
        "was not told",
        select(
            booking.c.id.label("booking"), history.c.id.label("line"), history.c.at, history.c.what
        )
        .join(newest, newest.c.booking_id == booking.c.id)
        .join(history, history.c.id == newest.c.id)
        .where(
            booking.c.state.in_(["confirmed", "cancelled"]),
            booking.c.erased_at.is_(None),
            booking.c.phone_idx.is_not(None),
            history.c.why != NOT_REACHED,
            ~and_(history.c.what == "restored", history.c.why == FREED),
            ~told,
        ),
    )
