"""Bookings, their appointments and their history."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
)

from models.tables import APPEND_ONLY, RowId, index, key, may, metadata, must
from models.types import Instant, LookUp, LookUpWay, Sealed

_LIVE = "state = 'confirmed'"

booking = Table(
    "booking",
    metadata,
    key("id", String(32)),
    must("idempotency_key", String(64), unique=True),
    may("reference_enc", Sealed),
    may("reference_idx", LookUp("reference", "reference_enc"), unique=True),
    must("channel", String(8)),
    must("campaign", String(40)),
    must("centre_id", String(40), refers="centre.id"),
    must("state", String(10)),
    may("call_id", String(40), personal=True),
    may("dob_enc", Sealed),
    may("dob_idx", LookUp("dob", "dob_enc")),
    may("phone_enc", Sealed),
    may("phone_idx", LookUp("phone", "phone_enc")),
    may("postcode", String(5), personal=True),
    must("rank", SmallInteger, "2: a second person of one birth date on one phone", default=1),
    must("version", SmallInteger, "counts changes; each has one message of its own", default=1),
    may("name_enc", Sealed, "taken by agents and the web only"),
    may("mail_enc", Sealed, "an address of e-mail; where an agent or a visitor types it"),
    may("mail_idx", LookUp("mail", "mail_enc")),
    must("created_at", Instant),
    may("cancelled_at", Instant),
    must("last_start_at", Instant, "retention counts from here"),
    may("erased_at", Instant),
    must("language", String(2), default="fr"),
    must(
        "calls",
        Boolean,
        "wants to be rung: the same evening, and before the appointment",
        default=False,
    ),
    may(
        "reach",
        String(8),
        "what proved its number: line, code, agent; empty: nothing; null: of an earlier version",
    ),
    may(
        "place_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of the client address or the line that booked on a number without a proof",
    ),
    may(
        "name_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of the name; this and the next two for 48 hours",
    ),
    may(
        "prefix_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of the number without its last two digits",
    ),
    may("client_idx", LookUp(way=LookUpWay.LAPSES), "keyed hash of the client address"),
    may(
        "alike_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of birth date and postcode; for 48 hours",
    ),
    may("called", String(16), "the number of ours that its call came in by; null: the default"),
    index("ix_booking_dob_idx", "dob_idx"),
    index("ix_booking_phone_idx", "phone_idx"),
    index("ix_booking_mail_idx", "mail_idx", where="mail_idx IS NOT NULL"),
    index("ix_booking_last_start_at", "last_start_at"),
    index("ix_booking_created_at", "created_at"),
    index("ix_booking_unproved_dob", "dob_idx", "created_at", where="reach = ''"),
    index("ix_booking_place_idx", "place_idx", "created_at", where="place_idx IS NOT NULL"),
    # Columns that the hourly limits count (models.booking.hourly).
    index("ix_booking_centre_reach", "centre_id", "reach", "created_at"),
    index("ix_booking_prefix_idx", "prefix_idx", "created_at", where="reach = 'line'"),
    index("ix_booking_alike_idx", "alike_idx", "created_at", where="reach = 'line'"),
    # Few: their persons are told beside the bookings.
    index("ix_booking_stand_in", "created_at", where="state = 'stand_in'"),
)

appointment = Table(
    "appointment",
    metadata,
    key("id", RowId),
    must("booking_id", String(32), refers="booking.id"),
    must("dose", SmallInteger),
    must("place_id", RowId, refers="place.id"),
    must("centre_id", String(40)),
    must("start_at", Instant),
    must("state", String(10)),
    may(
        "person_idx",
        LookUp(way=LookUpWay.PERSON),
        "keyed hash of campaign, birth date, phone and rank; null without a phone",
    ),
    # Law 1: whatever the code does, one place never carries two live appointments.
    index("uq_appointment_place", "place_id", where=_LIVE, unique=True),
    index("uq_appointment_booking_dose", "booking_id", "dose", where=_LIVE, unique=True),
    # One person, one appointment for each dose.
    index(
        "uq_appointment_person_dose",
        "person_idx",
        "dose",
        where=f"{_LIVE} AND person_idx IS NOT NULL",
        unique=True,
    ),
    index("ix_appointment_booking_id", "booking_id"),
    index("ix_appointment_centre_start", "centre_id", "start_at"),
    index("ix_appointment_start_at", "start_at"),
)

# What is done in an appointment, where its campaign is of a named service: two services in one
# place are two rows. A campaign without such a name has none, and the appointment says it all.
appointment_for = Table(
    "appointment_for",
    metadata,
    key("id", RowId),
    must("appointment_id", RowId, refers="appointment.id"),
    must("booking_id", String(32), refers="booking.id"),
    must("service", String(20)),
    must("campaign", String(40)),
    must("dose", SmallInteger, "of the service"),
    must("state", String(10)),
    may(
        "person_idx",
        LookUp(way=LookUpWay.PERSON),
        "as that of an appointment, of this campaign; null without a phone",
    ),
    # One person, one appointment for each dose of a service; and one for each of a booking.
    index(
        "uq_appointment_for_person_dose",
        "person_idx",
        "dose",
        where=f"{_LIVE} AND person_idx IS NOT NULL",
        unique=True,
    ),
    index(
        "uq_appointment_for_booking_service",
        "booking_id",
        "service",
        "dose",
        where=_LIVE,
        unique=True,
    ),
    index("ix_appointment_for_booking_id", "booking_id"),
    index("ix_appointment_for_appointment_id", "appointment_id"),
)

# Groups of live bookings that share one value, as a process behind counts them.
booking_cluster = Table(
    "booking_cluster",
    metadata,
    key("id", String(32)),
    must("kind", String(8), "name, born, number, address"),
    must("value_idx", LookUp(way=LookUpWay.LAPSES), "the keyed hash that they share"),
    must("people", Integer),
    must("first_at", Instant),
    must("last_at", Instant),
    must("seen_at", Instant, "when it was counted last"),
    UniqueConstraint("kind", "value_idx"),
)

# Such groups that a supervisor freed, for as long as that is of use.
freed_cluster = Table(
    "freed_cluster",
    metadata,
    key("id", String(32)),
    must("kind", String(8)),
    must("people", Integer),
    must("staff_id", String(32)),
    must("booking_ids", Text, "JSON"),
    must("freed_at", Instant),
    may("undone_at", Instant),
    index("ix_freed_cluster_freed_at", "freed_at"),
)


def is_live(table: Any) -> ColumnElement[bool]:
    """Whether an appointment of a person, or what is done in it, is live.

    To the letter of the index of persons: PostgreSQL would plan each statement with a bound value
    anew.
    """
    return and_(table.c.state == literal_column("'confirmed'"), table.c.person_idx.is_not(None))


# Append only: triggers of the migrations refuse every UPDATE and DELETE.
history = Table(
    "history",
    metadata,
    key("id", RowId),
    must("booking_id", String(32)),
    must("at", Instant),
    must("who", String(60), "caller, system, or a staff id"),
    must("channel", String(10)),
    must("what", String(20)),
    must("why", String(80), "a word of ours; typed: sealed in history_reason; empty: none"),
    must("details", Text, "JSON of ids and moments; nothing personal"),
    index("ix_history_booking_id", "booking_id"),
    # A spike of cancellations is looked for each minute.
    index("ix_history_cancelled", "at", where="what = 'cancelled'"),
    info={APPEND_ONLY: True},
)

# Why a booking was changed, where an operator typed it: names and numbers come into such words. A
# table of its own, for a line never changes, sealed bytes change with the data key, and what was
# typed goes with the booking. No foreign key: that would need the right to change `history`.
history_reason = Table(
    "history_reason",
    metadata,
    key("id", RowId, "of the line", autoincrement=False),
    must("why_enc", Sealed),
)

# While one lasts, only agents cancel: too many were cancelled by machine.
cancel_freeze = Table(
    "cancel_freeze",
    metadata,
    key("id", String(32)),
    must("began_at", Instant),
    must("until_at", Instant, "put off while the spike goes on"),
    must("cancelled", Integer, "in the ten minutes before it"),
    may("lifted_at", Instant),
    may("lifted_by", String(32), "a staff id"),
    index("ix_cancel_freeze_until_at", "until_at"),
)
