"""What is asked of the store to know whether the service can work with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, exists, select, text

from models.centres.directory import is_bookable
from models.centres.tables import centre
from models.clock import Clock
from models.database import Database
from models.slots.tables import slot
from models.supervision import snapshots

# A row of a name that no process reads; it is taken back.
_TRY = "a try"


def write_and_undo(database: Database, clock: Clock) -> None:
    """Write a row and take it back. Raises as the store does, where it would not be written."""
    with database.transaction() as connection:
        tried = connection.begin_nested()
        snapshots.put(connection, clock, _TRY, {})
        tried.rollback()


def servers_now(connection: Connection) -> datetime:
    """What the database's own clock says (UTC)."""
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def server_version(connection: Connection) -> str:
    """What the database is, for people."""
    found = connection.execute(text("SHOW server_version")).scalar_one()
    return f"PostgreSQL {str(found).partition(' ')[0]}"


def has_time_limit(connection: Connection) -> bool:
    """Whether PostgreSQL ends a statement of this connection that takes too long."""
    return str(connection.execute(text("SHOW statement_timeout")).scalar_one()) != "0"


@dataclass(frozen=True)
class Connections:
    """How many the server admits from roles such as ours, and how many there are of anybody."""

    admitted: int
    taken: int


def connections(connection: Connection) -> Connections:
    """Of the whole server, whichever database they are to."""
    # Some are kept for superusers, and from version 16 on for a role of one's own.
    admitted, taken = connection.execute(
        text(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
            " - coalesce(current_setting('reserved_connections', true), '0')::int,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
    ).one()
    return Connections(admitted, taken)


@dataclass(frozen=True)
class ToGive:
    """Whether there is a centre whose places are ours to give, and whether it has slots ahead."""

    centre: bool
    slots: bool


def to_give(connection: Connection, clock: Clock, horizon: timedelta) -> ToGive:
    """Of open centres; slots that begin within `horizon` from now, taken or not."""
    ours = is_bookable()
    ahead = (
        select(slot.c.id)
        .join(centre, centre.c.id == slot.c.centre_id)
        .where(*ours, slot.c.start_at > clock.at(), slot.c.start_at < clock.at(horizon))
    )
    found = connection.execute(
        select(exists(select(centre.c.id).where(*ours)), exists(ahead))
    ).one()
    return ToGive(bool(found[0]), bool(found[1]))
