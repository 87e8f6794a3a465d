"""What machines that watch the service read of the store beside counters; nothing personal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select, text

from models.booking.tables import booking
from models.clock import Clock
from models.messages.budgets import ALL
from models.messages.tables import budget
from models.queue.tables import IN_LINE, queue_entry

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Replication:
    """What the database says of its replicas: how many follow, and how far the last one is behind.

    `seconds` and `bytes` are None where the role may not see it, or nothing follows.
    """

    replicas: int
    seconds: float | None
    bytes: float | None


def on_the_line(connection: Connection) -> tuple[int, datetime | None]:
    """How many callers wait on the line for a person, and since when the first does (UTC)."""
    statement = select(func.count(), func.min(queue_entry.c.joined_at)).where(
        IN_LINE, queue_entry.c.kind == "call"
    )
    row = connection.execute(statement).one()
    return row[0], row[1]


def booked(connection: Connection, clock: Clock) -> tuple[int, datetime | None]:
    """How many bookings were made within a day, and when the last one was (UTC)."""
    statement = select(func.count(), func.max(booking.c.created_at)).where(
        booking.c.created_at > clock.at(-_DAY)
    )
    row = connection.execute(statement).one()
    return row[0], row[1]


def spent(connection: Connection, day: date, kind: str) -> float:
    """What part of a budget of the day is spent, by number or by money: 1 is all of it."""
    row = connection.execute(
        select(
            budget.c.units, budget.c.most_units, budget.c.millieuros, budget.c.most_millieuros
        ).where(budget.c.day == day, budget.c.kind == kind, budget.c.subject == ALL)
    ).one_or_none()
    if row is None:
        return 0.0
    by_number: float = row.units / max(row.most_units, 1)
    by_money: float = row.millieuros / max(row.most_millieuros, 1)
    return max(by_number, by_money)


def replication(connection: Connection) -> Replication | None:
    """None on a server that itself follows another."""
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        return None
    # What the role may not see is null: `GRANT pg_read_all_stats` shows it. A replica that has
    # everything says nothing of its delay while nothing is written.
    row = connection.execute(
        text(
            "SELECT count(*), max(extract(epoch FROM replay_lag)),"
            " max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) FROM pg_stat_replication"
        )
    ).one()
    replicas, seconds, behind = row
    return Replication(
        replicas,
        None if seconds is None else float(seconds),
        None if behind is None else float(behind),
    )
