"""What was booked in the last hour: without a proof at one centre, and on lines that resemble."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, DateTime, ScalarSelect, bindparam, func, select

from models import attempts
from models.attempts import Subject, attempt
from models.booking.tables import booking
from models.clock import Clock
from models.slots.tables import slot

HOUR = timedelta(hours=1)
# Around an appointment, so that all of its centre's day is within.
_HALF_A_DAY = timedelta(hours=12)
_A_WEEK = timedelta(days=7)
PROOF_ASKED = "proof_asked"
_PROVED = ("line", "code", "agent")


@dataclass(frozen=True)
class CentreHour:
    """A centre's bookings of the last hour, without a proof and with one, and its places of a day.

    The day is that of the appointment that is asked for.
    """

    unproved: int
    proved: int
    places: int


@dataclass(frozen=True)
class AskedAt:
    """Where a booking is asked for, by which channel, and for when (UTC)."""

    centre_id: str
    channel: str
    start: datetime


def values_of(where: AskedAt) -> dict[str, Any]:
    """The binds of `of_centre`."""
    return {
        "the_centre": where.centre_id,
        "the_channel": where.channel,
        "the_morning": where.start - _HALF_A_DAY,
        "the_evening": where.start + _HALF_A_DAY,
    }


def of_centre(clock: Clock, *unproved: ColumnElement[bool]) -> tuple[ColumnElement[Any], ...]:
    """The columns of a CentreHour; of its bookings without a proof, those that meet `unproved`.

    Those of another channel are left out: a script on the site uses up no caller's.
    """
    there = (
        booking.c.centre_id == bindparam("the_centre"),
        booking.c.created_at > clock.at(-HOUR),
    )
    moment = DateTime(timezone=True)
    places = (
        select(func.coalesce(func.sum(slot.c.capacity), 0))
        .where(
            slot.c.centre_id == bindparam("the_centre"),
            slot.c.start_at > bindparam("the_morning", type_=moment),
            slot.c.start_at < bindparam("the_evening", type_=moment),
        )
        .scalar_subquery()
    )
    return (
        _count(
            *there, booking.c.reach == "", booking.c.channel == bindparam("the_channel"), *unproved
        ).label("unproved_here"),
        _count(*there, booking.c.reach.in_(_PROVED)).label("proved_here"),
        places.label("places_here"),
    )


def centre_hour(row: Any) -> CentreHour:
    """What these columns say."""
    return CentreHour(row.unproved_here, row.proved_here, row.places_here)


def on_lines(clock: Clock) -> tuple[ColumnElement[Any], ...]:
    """How many were booked from lines in a row with `:the_row`, and as one person `:the_alike`."""
    lately = (booking.c.reach == "line", booking.c.created_at > clock.at(-HOUR))
    return (
        _count(booking.c.prefix_idx == bindparam("the_row"), *lately).label("in_a_row"),
        _count(booking.c.alike_idx == bindparam("the_alike"), *lately).label("alike"),
    )


def asked_lately(connection: Connection, clock: Clock, within: timedelta) -> dict[str, int]:
    """By centre: bookings of callers and visitors, and those for which a proof was asked first."""
    booked = (
        select(booking.c.centre_id, func.count())
        .where(
            booking.c.created_at > clock.at(-within),
            booking.c.channel.in_(("phone", "web")),
            booking.c.reach != "agent",
        )
        .group_by(booking.c.centre_id)
    )
    proofs = (
        select(attempt.c.subject_idx, func.count())
        .where(attempt.c.kind == PROOF_ASKED, attempt.c.at > clock.at(-within))
        .group_by(attempt.c.subject_idx)
    )
    asked = Counter({row[0]: row[1] for row in connection.execute(booked)})
    asked.update({bytes(row[0]).decode(): row[1] for row in connection.execute(proofs)})
    return dict(asked)


def proof_asked(connection: Connection, clock: Clock, centre_id: str) -> None:
    """Note that a proof was asked before a booking at this centre."""
    attempts.add(connection, clock, [Subject(PROOF_ASKED, centre_id.encode())], good=False)


def places_a_day(
    connection: Connection, clock: Clock, centre_ids: Collection[str]
) -> dict[str, float]:
    """How many places these centres have on an average day of the coming week that has any."""
    day = func.date_trunc("day", slot.c.start_at)
    statement = (
        select(slot.c.centre_id, func.sum(slot.c.capacity), func.count(day.distinct()))
        .where(
            slot.c.centre_id.in_(centre_ids),
            slot.c.start_at > clock.at(),
            slot.c.start_at < clock.at(_A_WEEK),
        )
        .group_by(slot.c.centre_id)
    )
    return {row[0]: int(row[1]) / row[2] for row in connection.execute(statement)}


def _count(*which: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.count()).select_from(booking).where(*which).scalar_subquery()
