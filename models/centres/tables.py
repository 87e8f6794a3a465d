"""Centres, and postcodes with their towns."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, CheckConstraint, Date, Float, SmallInteger, String, Table, Text

from models.tables import RowId, index, key, may, metadata, must
from models.types import Instant

BOOKING_MODES = ("ours", "partner", "own_phone", "reserved")
# How people come to a centre: without an appointment alone, or with one or without.
WALK_IN_ONLY: Final = "only"
WALK_IN_ALSO: Final = "also"

centre = Table(
    "centre",
    metadata,
    key("id", String(40), "gid of the official file"),
    must("name", Text, "as it is written: see services.centres.centre_names"),
    must("spoken_name", Text, "as it is said; empty: like name", default=""),
    must("source_name", Text, "as the source has it; empty: like name", default=""),
    may("our_name", Text, "an operator's word, over what was made of the source's; null: none"),
    may("our_spoken_name", Text, "like our_name, as it is said; null: none"),
    must("street", Text, default=""),
    must("postcode", String(5)),
    must("insee", String(5), default=""),
    must("town", Text),
    must("departement", String(3)),
    must("territory", String(16), "land that no sea cuts: see models.centres.geography"),
    may("latitude", Float),
    may("longitude", Float),
    must("roughly", Boolean, "the position is its town's, for the source has none", default=False),
    must("time_zone", String(40)),
    must("phones", Text, "JSON list, E.164 or short numbers", default="[]"),
    must("booking_link", Text, default=""),
    must("booking_mode", String(10)),
    must("walk_in", String(4), "without an appointment: only, also, or empty for not", default=""),
    must("wheelchair", String(3), "access with one: yes, no, or empty: not told", default=""),
    may("our_wheelchair", String(3), "an operator's word over the source's; null: none"),
    may("source_mode", String(10), "as the source has it; what giving a centre back restores"),
    may("our_mode", String(10), "an operator's word, over the source's; null: none"),
    must("hours", Text, 'JSON {"0": [["09:00","12:00"]]}, 0 = Monday', default="{}"),
    may("our_hours", Text, "like hours, an operator's word over them; null: none"),
    may("slot_capacity", SmallInteger, "places of a slot that is opened; null: not said"),
    may("slot_minutes", SmallInteger, "between two slots that are opened; null: not said"),
    must("notes", Text, default=""),
    may("opens_on", Date),
    may("closes_on", Date),
    must("source", String(20)),
    must("fingerprint", String(64), "hash of what the source said; equal = unchanged"),
    may("closed_at", Instant, "gone from the source; never deleted, bookings point here"),
    must("created_at", Instant),
    must("updated_at", Instant),
    CheckConstraint(f"booking_mode IN {BOOKING_MODES}", name="booking_mode"),
)

# Which centres a command made ours or changed, and what they were before: for taking it back.
centre_take = Table(
    "centre_take",
    metadata,
    key("id", RowId),
    must("take_id", String(32), "of one command: all that it took"),
    must("centre_id", String(40), refers="centre.id", index=True),
    must("who", String(60), "the account at the command line"),
    must("at", Instant),
    must("before", Text, "JSON: mode, hours, capacity and minutes that an operator had said"),
    may("ended_at", Instant, "taken back, or the centre given back"),
    index("ix_centre_take_take_id", "take_id"),
)

# What an operator said a centre is called, each word with its time: for taking the last one back.
centre_name = Table(
    "centre_name",
    metadata,
    key("id", RowId),
    must("centre_id", String(40), refers="centre.id", index=True),
    must("who", String(60), "the account at the command line"),
    must("at", Instant),
    may("before_name", Text, "our_name of the centre until then; null: none"),
    may("before_spoken_name", Text, "our_spoken_name of the centre until then; null: none"),
    may("ended_at", Instant, "taken back"),
)

postcode = Table(
    "postcode",
    metadata,
    key("code", String(5)),
    must("main_town", Text),
    must(
        "towns", Text, "JSON list of {insee, name, departement, latitude, longitude, inhabitants}"
    ),
    must("departement", String(3), "of the main town"),
    must("territory", String(16)),
    may("latitude", Float),
    may("longitude", Float),
    must("fingerprint", String(64)),
)
