"""Slots of centres and their places. One row of `place` is one place that one person can take.

See docs/decisions/0002.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from models.tables import RowId, index, key, may, metadata, must
from models.types import Instant

# Services by name, so that what a slot serves is one number.
service = Table(
    "service",
    metadata,
    key("name", String(20)),
    must("bit", SmallInteger, "a power of two; slot.services has it", unique=True),
)

slot = Table(
    "slot",
    metadata,
    key("id", RowId),
    must("centre_id", String(40), refers="centre.id"),
    must("start_at", Instant),
    must("capacity", SmallInteger),
    must("services", SmallInteger, "the bits of those it serves; 0: all", default=0),
    must("apart", Boolean, "opened for hours told apart from the centre's own", default=False),
    UniqueConstraint("centre_id", "start_at"),
    CheckConstraint("capacity > 0", name="capacity"),
)

place = Table(
    "place",
    metadata,
    key("id", RowId),
    must("slot_id", RowId, refers="slot.id"),
    must("number", SmallInteger, "1 to the capacity of the slot"),
    # Copied from the slot, which never moves, so that one index finds the nearest free place.
    must("centre_id", String(40)),
    must("start_at", Instant),
    must(
        "lot",
        SmallInteger,
        "0 to 99, spread over a centre: the phone's below the campaign's share",
        default=99,
    ),
    may("released_at", Instant, "nobody gets it before; null: from the start"),
    must("services", SmallInteger, "as those of its slot", default=0),
    must("blocked", Boolean, default=False),
    may("held_by", String(40), "the call, web session or desk that holds it"),
    may("hold_expires_at", Instant, "renewed by each turn of a live call"),
    may("hold_limit_at", Instant, "no renewal goes beyond this"),
    # Checked at commit: the conditional write on the place comes first, the booking after it.
    may(
        "booking_id",
        String(32),
        refers=ForeignKey("booking.id", deferrable=True, initially="DEFERRED"),
    ),
    UniqueConstraint("slot_id", "number"),
    # A holder's places are found by `held_place`.
    index("ix_place_free", "centre_id", "start_at", "lot", "id", where="booking_id IS NULL"),
    index("ix_place_booking_id", "booking_id", where="booking_id IS NOT NULL"),
)

# No key is kept: a place may be noted twice. With an index on who holds a place, each hold would be
# written into every index of that place (docs/decisions/0002).
held_place = Table(
    "held_place",
    metadata,
    must("holder", String(40), "who held it then; whether they do says the place"),
    must("place_id", BigInteger),
    index("ix_held_place", "holder", "place_id"),
)
