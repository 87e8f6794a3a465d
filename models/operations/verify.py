"""Recount everything: what the tables say of each other, and where they contradict.

Each check is one statement over whole tables, made for hash joins; it gives one row for each
contradiction, and none on a store that is right. Nothing is decrypted, and nothing personal is
given: ids, counts, moments (UTC) and states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from models.partners.tables import partner_booking
from models.slots.holders import is_found
from models.slots.tables import place, slot
from models.types import Instant
from models.waiting_list.tables import waiting_entry

# For each campaign the fewest and the most days between two appointments, both included.
Intervals = Mapping[str, tuple[int, int]]

# Rows that are read at a time, so that a store where all is wrong needs no more memory.
_ROWS = 1000
# For the sorts and hashes of one connection that runs once a day.
_WORK_MEMORY = "128MB"
# Written out, not bound: a partial index is used only for its very words.
_CONFIRMED: ColumnElement[str] = literal_column("'confirmed'")
# Errors that pass do so within this.
_TOLD_IN = timedelta(hours=1)
_OFFERED: ColumnElement[str] = literal_column("'offered'")
# Columns of a row that are moments, by the name that the sentence has for them.
_MOMENTS = ("at", "cancelled", "other_start", "start", "until")
# What the appointments of each booking say, live ones and all. `centre` is of the first live dose:
# a second one may have been moved elsewhere since.
_SAID = """
    WITH said AS (
        SELECT booking_id, count(*) AS number,
            sum(CASE WHEN state = 'confirmed' THEN 1 ELSE 0 END) AS live,
            coalesce(
                min(CASE WHEN state = 'confirmed' AND dose = 1 THEN centre_id END),
                min(CASE WHEN state = 'confirmed' THEN centre_id END)
            ) AS centre,
            max(CASE WHEN state = 'confirmed' THEN start_at END) AS last_live,
            min(start_at) AS first, max(start_at) AS last
        FROM appointment GROUP BY booking_id
    )
"""


@dataclass(frozen=True)
class Check:
    """`sentence` tells a row of `statement` in words: its columns go in by name."""

    kind: str
    sentence: str
    statement: Any

    def found(self, connection: Connection) -> Iterator[str]:
        """Run it; one sentence for each contradiction, as they come from the database."""
        streamed = {"yield_per": _ROWS}
        with connection.execute(self.statement, execution_options=streamed) as rows:
            for row in rows.mappings():
                values = {name: _told(value) for name, value in row.items()}
                yield self.sentence.format_map(values)


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
        *_PLACES,
        _LOST_HOLD,
        *_SERVICES,
        _doses(intervals),
        *_WRITTEN,
        _untold(clock),
        _waiting_offer(clock),
        _ORDER,
    )


def _check(kind: str, sentence: str, sql: str) -> Check:
    moments = {name: Instant for name in _MOMENTS if f"{{{name}}}" in sentence}
    return Check(kind, sentence, text(_SAID + sql).columns(**moments))


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


_PLACES = (
    _check(
        "place-given-twice",
        "place {place} has {number} live appointments, the first of booking {first} and the last "
        "of booking {last}",
        """
        SELECT place_id AS place, count(*) AS number,
            min(booking_id) AS first, max(booking_id) AS last
        FROM appointment WHERE state = 'confirmed'
        GROUP BY place_id HAVING count(*) > 1
        """,
    ),
    _check(
        "dose-given-twice",
        "booking {booking} has {number} live appointments for dose {dose}",
        """
        SELECT booking_id AS booking, dose, count(*) AS number
        FROM appointment WHERE state = 'confirmed'
        GROUP BY booking_id, dose HAVING count(*) > 1
        """,
    ),
    # The key itself is not told: two bookings say enough. Twice in one booking is told above.
    _check(
        "person-twice",
        "one person has {number} live appointments for dose {dose}, in bookings {first} to {last}",
        """
        SELECT dose, count(*) AS number, min(booking_id) AS first, max(booking_id) AS last
        FROM appointment WHERE state = 'confirmed' AND person_idx IS NOT NULL
        GROUP BY person_idx, dose HAVING min(booking_id) <> max(booking_id)
        """,
    ),
    # A place given twice can carry but one of its bookings: that is told above.
    _check(
        "appointment-without-place",
        "appointment {appointment} (booking {booking}, dose {dose}) is on place {place}, which "
        "carries booking {carried}",
        """
        SELECT a.id AS appointment, a.booking_id AS booking, a.dose, p.id AS place,
            p.booking_id AS carried
        FROM appointment a JOIN place p ON p.id = a.place_id
        WHERE a.state = 'confirmed' AND (p.booking_id IS NULL OR p.booking_id <> a.booking_id)
            AND NOT EXISTS (
                SELECT 1 FROM appointment other
                WHERE other.place_id = a.place_id AND other.state = 'confirmed'
                    AND other.id <> a.id
            )
        """,
    ),
    _check(
        "place-without-appointment",
        "place {place} carries booking {booking}, which has no live appointment there",
        """
        SELECT p.id AS place, p.booking_id AS booking
        FROM place p JOIN booking b ON b.id = p.booking_id
            LEFT JOIN appointment a ON a.place_id = p.id AND a.booking_id = p.booking_id
                AND a.state = 'confirmed'
        WHERE p.booking_id IS NOT NULL AND a.id IS NULL
        """,
    ),
    # A place that differs from its slot is reported once, below, and not here.
    _check(
        "appointment-copy",
        "appointment {appointment} (booking {booking}) is at centre {centre} at {start}, its place "
        "{place} at centre {other_centre} at {other_start}",
        """
        SELECT a.id AS appointment, a.booking_id AS booking, a.centre_id AS centre,
            a.start_at AS start, p.id AS place, p.centre_id AS other_centre,
            p.start_at AS other_start
        FROM appointment a JOIN place p ON p.id = a.place_id JOIN slot s ON s.id = p.slot_id
        WHERE a.state = 'confirmed' AND (a.centre_id <> s.centre_id OR a.start_at <> s.start_at)
        """,
    ),
    _check(
        "place-copy",
        "place {place} is at centre {centre} at {start}, its slot {slot} at centre {other_centre} "
        "at {other_start}",
        """
        SELECT p.id AS place, p.centre_id AS centre, p.start_at AS start, s.id AS slot,
            s.centre_id AS other_centre, s.start_at AS other_start
        FROM place p JOIN slot s ON s.id = p.slot_id
        WHERE p.centre_id <> s.centre_id OR p.start_at <> s.start_at
        """,
    ),
    # The sum tells 1, 1, 3 from 1, 2, 3 without sorting. A capacity is a small integer, whose
    # square need not be one.
    _check(
        "capacity",
        "slot {slot} has a capacity of {capacity} and {places} places, numbered {first} to {last}",
        """
        SELECT s.id AS slot, s.capacity, coalesce(n.places, 0) AS places, n.first, n.last
        FROM slot s LEFT JOIN (
            SELECT slot_id, count(*) AS places, min(number) AS first, max(number) AS last,
                sum(number) AS total
            FROM place GROUP BY slot_id
        ) n ON n.slot_id = s.id
        WHERE n.places IS NULL OR n.places <> s.capacity OR n.first <> 1 OR n.last <> s.capacity
            OR n.total * 2 <> CAST(s.capacity AS INTEGER) * (CAST(s.capacity AS INTEGER) + 1)
        """,
    ),
    _check(
        "half-hold",
        "place {place} has {there} of the 3 columns of a hold",
        """
        SELECT place, there FROM (
            SELECT id AS place, CASE WHEN held_by IS NULL THEN 0 ELSE 1 END
                + CASE WHEN hold_expires_at IS NULL THEN 0 ELSE 1 END
                + CASE WHEN hold_limit_at IS NULL THEN 0 ELSE 1 END AS there
            FROM place
        ) AS counted WHERE there IN (1, 2)
        """,
    ),
    _check(
        "booked-and-held",
        "place {place} carries booking {booking} and is held by {holder} until {until}",
        """
        SELECT id AS place, booking_id AS booking, held_by AS holder, hold_expires_at AS until
        FROM place WHERE booking_id IS NOT NULL AND held_by IS NOT NULL
        """,
    ),
    # A hold without an owner: of a booking that has cancelled nothing there (see places.UNDO).
    _check(
        "undo-hold",
        "place {place} is held as {holder} until {until}, and no such booking was cancelled there",
        """
        SELECT p.id AS place, p.held_by AS holder, p.hold_expires_at AS until
        FROM place p LEFT JOIN appointment a ON a.place_id = p.id
            AND a.booking_id = substr(p.held_by, length('undo:') + 1) AND a.state = 'cancelled'
        WHERE p.held_by IS NOT NULL AND p.held_by LIKE 'undo:%' AND a.id IS NULL
        """,
    ),
    _check(
        "booking-state",
        "booking {booking} is {state}, with {live} live of {number} appointments, cancelled at "
        "{cancelled}",
        """
        SELECT b.id AS booking, b.state, coalesce(said.live, 0) AS live,
            coalesce(said.number, 0) AS number, b.cancelled_at AS cancelled
        FROM booking b LEFT JOIN said ON said.booking_id = b.id
        WHERE said.booking_id IS NULL
            OR b.state NOT IN ('confirmed', 'cancelled', 'stand_in', 'stood_down')
            OR b.state IN ('stand_in', 'stood_down') AND said.live > 0
            OR b.state = 'confirmed' AND (said.live = 0 OR b.cancelled_at IS NOT NULL)
            OR b.state = 'cancelled' AND (said.live > 0 OR b.cancelled_at IS NULL)
        """,
    ),
    # A cancelled booking keeps where and when it was: there only the bounds can be told. So does a
    # stand-in, which has no live appointment.
    _check(
        "booking-copy",
        "booking {booking} says centre {centre} and last start {start}, its appointments say "
        "{other_centre} and {other_start}",
        """
        SELECT b.id AS booking, b.centre_id AS centre, b.last_start_at AS start,
            coalesce(said.centre, b.centre_id) AS other_centre,
            coalesce(said.last_live, said.last) AS other_start
        FROM booking b JOIN said ON said.booking_id = b.id
        WHERE b.centre_id <> said.centre OR b.last_start_at <> said.last_live
            OR said.last_live IS NULL
                AND (b.last_start_at < said.first OR b.last_start_at > said.last)
        """,
    ),
)


_SERVICES = (
    # A booking whose campaign got a name later has no rows at all, and the key on its appointment.
    _check(
        "appointment-without-service",
        "appointment {appointment} (booking {booking}) is live, and nothing is to be done there",
        """
        SELECT a.id AS appointment, a.booking_id AS booking
        FROM appointment a
        WHERE a.state IN ('confirmed', 'stand_in')
            AND a.booking_id IN (SELECT booking_id FROM appointment_for)
            AND NOT EXISTS (
                SELECT 1 FROM appointment_for f
                WHERE f.appointment_id = a.id AND f.state = a.state
            )
        """,
    ),
    _check(
        "service-without-appointment",
        "{service} of booking {booking} is {state}, its appointment {appointment} is {other}",
        """
        SELECT f.service, f.booking_id AS booking, f.state, a.id AS appointment,
            CASE WHEN a.booking_id <> f.booking_id THEN 'of another booking' ELSE a.state END
                AS other
        FROM appointment_for f JOIN appointment a ON a.id = f.appointment_id
        WHERE f.state IN ('confirmed', 'stand_in') AND a.state <> f.state
            OR a.booking_id <> f.booking_id
        """,
    ),
    # The key itself is not told. A booking that a person has twice is told of by its service.
    _check(
        "person-twice-for-service",
        "one person has {number} live appointments for dose {dose} of {service}, in bookings"
        " {first} to {last}",
        """
        SELECT service, dose, count(*) AS number, min(booking_id) AS first,
            max(booking_id) AS last
        FROM (
            SELECT service, dose, person_idx, booking_id FROM appointment_for
            WHERE state = 'confirmed' AND person_idx IS NOT NULL
            UNION ALL
            SELECT f.service, a.dose, a.person_idx, a.booking_id
            FROM appointment a JOIN appointment_for f
                ON f.person_idx = a.person_idx AND f.dose = a.dose AND f.state = 'confirmed'
            WHERE a.state = 'confirmed' AND a.person_idx IS NOT NULL
        ) AS there
        GROUP BY service, dose, person_idx HAVING count(*) > 1
        """,
    ),
    _check(
        "service-given-twice",
        "booking {booking} has {number} live appointments for dose {dose} of {service}",
        """
        SELECT booking_id AS booking, service, dose, count(*) AS number
        FROM appointment_for WHERE state = 'confirmed'
        GROUP BY booking_id, service, dose HAVING count(*) > 1
        """,
    ),
    _check(
        "place-without-service",
        "{service} of booking {booking} is to be done on place {place}, which does not serve it",
        """
        SELECT f.service, f.booking_id AS booking, p.id AS place
        FROM appointment_for f JOIN appointment a ON a.id = f.appointment_id
            JOIN place p ON p.id = a.place_id
            LEFT JOIN service named ON named.name = f.service
        WHERE f.state = 'confirmed' AND p.services <> 0
            AND (named.bit IS NULL OR (p.services & named.bit) = 0)
        """,
    ),
    _check(
        "place-serves",
        "place {place} serves {services}, more than its slot {slot} says with {other}",
        """
        SELECT p.id AS place, p.services, s.id AS slot, s.services AS other
        FROM place p JOIN slot s ON s.id = p.slot_id
        WHERE s.services <> 0 AND (p.services = 0 OR (p.services & s.services) <> p.services)
        """,
    ),
)


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


_WRITTEN = (
    # An erased booking says no more whether it had a phone. The release before wrote no history: a
    # booking that it made while this one was being deployed has a phone, and no person key.
    _check(
        "history-missing",
        "booking {booking} is live, and no line of the history says that it was booked",
        """
        SELECT b.id AS booking
        FROM booking b LEFT JOIN history h ON h.booking_id = b.id AND h.what = 'booked'
        WHERE b.state = 'confirmed' AND h.id IS NULL AND b.erased_at IS NULL
            AND NOT EXISTS (
                SELECT 1 FROM appointment keyless
                WHERE keyless.booking_id = b.id AND keyless.person_idx IS NULL
                    AND b.phone_idx IS NOT NULL
                    AND NOT EXISTS (
                        SELECT 1 FROM appointment_for f WHERE f.booking_id = b.id
                    )
            )
        """,
    ),
    # Against the appointments: a state that they contradict is told above. Of a cancellation that
    # leaves the first dose, the details say that it was kept.
    _check(
        "history-state",
        "booking {booking} has {live} live appointments, and its last line of the history (id "
        "{line}, {at}) says {what}",
        """
        SELECT said.booking_id AS booking, said.live, h.id AS line, h.at, h.what
        FROM (
            SELECT booking_id, max(id) AS id FROM history
            WHERE what IN ('booked', 'moved', 'cancelled', 'restored') GROUP BY booking_id
        ) newest
            JOIN history h ON h.id = newest.id JOIN said ON said.booking_id = newest.booking_id
            JOIN booking b ON b.id = newest.booking_id AND b.state IN ('confirmed', 'cancelled')
        WHERE (said.live > 0)
            = (h.what = 'cancelled' AND h.details NOT LIKE '%"became":"kept%')
        """,
    ),
    # Whether a text was ordered stands in the history: numbers would have to be decrypted. An
    # erased message has given up its key.
    _check(
        "confirmation-missing",
        "booking {booking} was made with a text to be sent, which is not in the outbox",
        r"""
        SELECT b.id AS booking
        FROM booking b JOIN history h ON h.booking_id = b.id
            LEFT JOIN message m ON m.dedupe_key = 'confirmation:' || b.id || '\:1'
        WHERE b.erased_at IS NULL AND h.what = 'booked' AND h.details LIKE '%"text"\:true%'
            AND m.id IS NULL
        """,
    ),
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


# A person waits for a partner's answer, and no message in the outbox asks the partner.
_ORDER = _check(
    "partner-order",
    "order {order} at a partner is {state}, and no message in the outbox asks for it",
    """
    SELECT o.id AS "order", o.state
    FROM partner_booking o LEFT JOIN message m
        ON m.dedupe_key = 'partner:' || o.id AND m.state IN ('pending', 'sending')
    WHERE o.state IN ('asked', 'unsure') AND m.id IS NULL
    """,
)


def _told(value: Any) -> Any:
    if value is None:
        return "none"
    return value.isoformat() if isinstance(value, datetime) else value
