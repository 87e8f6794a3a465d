"""Appointments of one person in two bookings that begin soon after one another.

A caller who books is told nothing of the person's other booking (docs/decisions/0029), so these are
looked for beside the bookings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select

from models.booking.tables import appointment, booking, history
from models.clock import Clock, later_than
from models.desk.tables import agent_case

# What puts an appointment where it is, in the history of its booking.
_PUT_THERE = ("booked", "moved", "restored")
# The newest lines of all histories that are looked at, by the key of the table.
_NEWEST_LINES = 5000


def close_pairs(
    connection: Connection, clock: Clock, kind: str, *, lately: timedelta, within: timedelta
) -> Sequence[Any]:
    """Pairs that lie ahead and begin `within` each other, of what was changed `lately`.

    Of each: the changed `booking_id`, its `campaign`, `centre_id` and `start_at` (UTC), and of the
    other one `other_id`, `other_centre_id` and `other_start_at`. Those of which a case of this kind
    was opened since the change are left out.
    """
    newest = (
        select(history.c.booking_id, history.c.what, history.c.at)
        .order_by(history.c.id.desc())
        .limit(_NEWEST_LINES)
        .subquery()
    )
    changed = (
        select(newest.c.booking_id, func.max(newest.c.at).label("at"))
        .where(newest.c.what.in_(_PUT_THERE), newest.c.at > clock.at(-lately))
        .group_by(newest.c.booking_id)
        .subquery()
    )
    mine, theirs = booking.alias("mine"), booking.alias("theirs")
    one, other = appointment.alias("one"), appointment.alias("other")
    is_known = exists().where(
        agent_case.c.kind == kind,
        or_(agent_case.c.booking_id == mine.c.id, agent_case.c.booking_id == theirs.c.id),
        agent_case.c.created_at >= changed.c.at,
    )
    same_person = and_(
        theirs.c.dob_idx == mine.c.dob_idx,
        theirs.c.phone_idx == mine.c.phone_idx,
        theirs.c.rank == mine.c.rank,
        theirs.c.id != mine.c.id,
    )
    statement = (
        select(
            *(one.c.booking_id, mine.c.campaign, one.c.centre_id, one.c.start_at),
            theirs.c.id.label("other_id"),
            other.c.centre_id.label("other_centre_id"),
            other.c.start_at.label("other_start_at"),
        )
        .select_from(changed)
        .join(mine, mine.c.id == changed.c.booking_id)
        .join(one, and_(one.c.booking_id == mine.c.id, one.c.state == "confirmed"))
        .join(theirs, same_person)
        .join(other, and_(other.c.booking_id == theirs.c.id, other.c.state == "confirmed"))
        .where(
            one.c.start_at > clock.at(),
            other.c.start_at > later_than(one.c.start_at, -within),
            other.c.start_at < later_than(one.c.start_at, within),
            ~is_known,
        )
        .order_by(mine.c.created_at, mine.c.id, other.c.id)
    )
    return connection.execute(statement).all()
