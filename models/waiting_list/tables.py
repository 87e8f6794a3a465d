"""People on the waiting list, and what they were offered."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, SmallInteger, String, Table

from models.tables import index, key, may, metadata, must
from models.types import Instant, LookUp, LookUpWay, Sealed

_WAITS = "state IN ('waiting', 'offered')"
_OFFERED = "state = 'offered'"

waiting_entry = Table(
    "waiting_entry",
    metadata,
    key("id", String(32)),
    must("campaign", String(40)),
    must("state", String(10), "waiting, offered, taken, gone"),
    must("class_rank", SmallInteger, default=0),
    may("centre_id", String(40), "null: anywhere within `kilometres`"),
    may("latitude", Float, personal=True),
    may("longitude", Float, personal=True),
    may("band", SmallInteger, "latitude in tenths of a degree, rounded down", personal=True),
    may("territory", String(16), personal=True),
    may("kilometres", Float),
    must("doses", SmallInteger, default=1),
    may("not_before", Instant),
    may("person_enc", Sealed, "JSON: birth date, rank, language"),
    may("person_idx", LookUp(way=LookUpWay.PERSON)),
    may("phone_enc", Sealed),
    may("phone_idx", LookUp("phone", "phone_enc")),
    must("offers", SmallInteger, default=0),
    may("offered_until", Instant),
    must("created_at", Instant),
    must("updated_at", Instant),
    may("called", String(16), "the number of ours that it came in by; null: the default"),
    may(
        "beside",
        String(200),
        "other campaigns of the same appointment, each between commas; null: none",
    ),
    index("ix_waiting_entry_centre", "centre_id", "class_rank", "created_at", where=_WAITS),
    # Where many wait, the first of them all are looked at in order; where few do, the entries that
    # are near.
    index("ix_waiting_entry_order", "territory", "class_rank", "created_at", "id", where=_WAITS),
    index("ix_waiting_entry_near", "territory", "band", "longitude", where=_WAITS),
    index("ix_waiting_entry_offered_until", "offered_until", where=_OFFERED),
    index("uq_waiting_entry_person", "person_idx", where=_WAITS, unique=True),
    # Each incoming call asks whether a place is kept for a person of its number. There are few of
    # these.
    index("ix_waiting_entry_offered_phone", "phone_idx", where=_OFFERED),
)

# Every offer of a freed place, and what became of it: which entry was first, and how long people
# take.
waiting_offer = Table(
    "waiting_offer",
    metadata,
    key("id", String(32), "of the message that tells of it"),
    must("entry_id", String(32)),
    must("campaign", String(40)),
    must("class_rank", SmallInteger),
    must("waits_since", Instant, "its place in the order, then"),
    must("slot_id", BigInteger, "of the first appointment"),
    must("offered_at", Instant),
    must("tells_at", Instant, "its time counts from then"),
    may("ended_at", Instant),
    must("outcome", String(8), "taken, refused, lapsed, untold, booked, left, gone", default=""),
    index("ix_waiting_offer_entry_id", "entry_id"),
    index("ix_waiting_offer_ended_at", "ended_at"),
)
