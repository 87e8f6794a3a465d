"""What was asked for at each centre lately, and how many places it has on a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Connection, func, select

from models import attempts
from models.attempts import Subject, attempt
from models.booking.tables import booking
from models.clock import Clock
from models.slots.tables import slot

_A_WEEK = timedelta(days=7)
PROOF_ASKED = "proof_asked"


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
