"""What partners have, and what is to be booked there."""

from __future__ import annotations

from sqlalchemy import Boolean, Float, Integer, SmallInteger, String, Table, Text

from models.tables import RowId, index, key, may, metadata, must
from models.types import Instant, Sealed

# How reading a partner goes: a failure changes nothing but the age of its data.
partner_feed = Table(
    "partner_feed",
    metadata,
    key("platform", String(20)),
    may("tried_at", Instant),
    may("read_at", Instant, "when everything was read last"),
    must("error", String(80), default=""),
    may("pause_until", Instant, "not asked again before"),
    must("details", Text, "JSON of counts", default="{}"),
)

# A centre as a partner has it. `centre_id` is ours that it was found to be.
partner_centre = Table(
    "partner_centre",
    metadata,
    key("id", String(80), "doctolib:practice-165752"),
    must("platform", String(20)),
    must("name", Text),
    must("street", Text, default=""),
    must("postcode", String(5), default=""),
    must("town", Text, default=""),
    must("territory", String(16), default=""),
    may("latitude", Float),
    may("longitude", Float),
    must("time_zone", String(40), default="Europe/Paris"),
    must("phone", String(20), "E.164 or short", default=""),
    must("link", Text, default=""),
    must("phone_only", Boolean, default=False),
    may("centre_id", String(40), "ours; null: not known to be one"),
    must("matched", String(8), "link, id, likeness, person, unsure, none", default="none"),
    must("candidates", Text, "JSON: [[id, score]]", default="[]"),
    may("next_at", Instant, "first free slot known, for the public"),
    must("free", Integer, default=0),
    must("read_at", Instant, "the age of what is known of it"),
    may("gone_at", Instant),
    must(
        "service",
        String(20),
        "what its slots are for; empty: for the one service without a name",
        default="",
    ),
    index("ix_partner_centre_centre_id", "centre_id"),
)

partner_slot = Table(
    "partner_slot",
    metadata,
    key("id", RowId),
    must("partner_centre_id", String(80), refers="partner_centre.id"),
    must("start_at", Instant),
    must("dose", SmallInteger, "1, 2, 3; 0: not told"),
    must("motive", Text, default=""),
    must("bookable_for", String(20), "public, age, professionals"),
    may("seconds_at", Instant, "of the second appointment that comes with it"),
    must("read_at", Instant),
    index("uq_partner_slot", "partner_centre_id", "start_at", "dose", "motive", unique=True),
)

# An appointment that is to be booked at a partner for a person: the outbox asks the partner.
partner_booking = Table(
    "partner_booking",
    metadata,
    key("id", String(32)),
    must("key", String(80), "the same form twice is one", unique=True),
    must("platform", String(20)),
    must("centre_id", String(40)),
    must("state", String(10), "asked, booked, refused, unsure, undoing, undone"),
    must("channel", String(8)),
    must("holder", String(40), "the name that its places are held under"),
    may("booking_id", String(32), "ours, once both sides have it"),
    may("order_enc", Sealed, "JSON: who comes, and how to reach them"),
    must("patient_ref", String(40), default=""),
    must("appointment_refs", Text, "JSON, by dose", default="[]"),
    must("error", String(20), default=""),
    must("created_at", Instant),
    must("updated_at", Instant),
    index("ix_partner_booking_booking_id", "booking_id"),
    index("ix_partner_booking_state", "state", "updated_at"),
)
