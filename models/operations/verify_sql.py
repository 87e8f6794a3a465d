"""Contradictions that a plain statement of SQL finds (models.operations.verify has the rest)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from models.types import Instant

# Rows that are read at a time, so that a store where all is wrong needs no more memory.
_ROWS = 1000
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


def _check(kind: str, sentence: str, sql: str) -> Check:
    moments = {name: Instant for name in _MOMENTS if f"{{{name}}}" in sentence}
    return Check(kind, sentence, text(_SAID + sql).columns(**moments))


PLACES = (
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


SERVICES = (
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


WRITTEN = (
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


# A person waits for a partner's answer, and no message in the outbox asks the partner.
ORDER = _check(
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
