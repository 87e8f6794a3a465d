"""Changes to many bookings at once, and which people came to their appointment."""

from __future__ import annotations

from sqlalchemy import SmallInteger, String, Table, Text

from models.tables import RowId, index, key, may, metadata, must
from models.types import Instant, Sealed

# Changes to many bookings at once: closing a centre or a day, cutting capacity, moving an hour.
operation = Table(
    "operation",
    metadata,
    key("id", String(32)),
    must("kind", String(20)),
    must("centre_id", String(40)),
    must("who", String(60)),
    must("why", String(80), "empty: it is sealed now"),
    may("why_enc", Sealed, "as an operator or a secretary typed it"),
    must("at", Instant),
    may("undone_at", Instant),
    must("details", Text, "JSON: what was done, as undoing needs it"),
    index("ix_operation_centre_id", "centre_id", "at"),
)

# Which people came to an appointment, as the centre's secretary says.
attendance = Table(
    "attendance",
    metadata,
    key("booking_id", String(32), refers="booking.id"),
    key("dose", SmallInteger),
    must("start_at", Instant, "of the appointment that is meant"),
    must("state", String(8), "present, done, absent; empty: taken back"),
    must("who", String(60)),
    must("at", Instant),
    may("given_place", RowId, "made for somebody else, who has what an absent left"),
    index("ix_attendance_at", "at"),
)
