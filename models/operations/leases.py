"""Which process of a kind works, where several run: a row with a holder and an end.

A row, and no advisory lock: a lock belongs to a connection, and a pool in front of the database
(PgBouncer in transaction mode) gives that connection to the next process.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.operations.tables import process_lease


def take(connection: Connection, clock: Clock, name: str, holder: str, lease: timedelta) -> bool:
    """Take a lease, or prolong one's own; False while another process has it. One statement."""
    new = insert(process_lease).values(
        name=name, holder=holder, since=clock.at(), until=clock.at(lease)
    )
    mine = process_lease.c.holder == holder
    statement = new.on_conflict_do_update(
        index_elements=["name"],
        set_={
            "holder": holder,
            "since": case((mine, process_lease.c.since), else_=clock.at()),
            "until": clock.at(lease),
        },
        where=or_(mine, process_lease.c.until <= clock.at()),
    )
    return connection.execute(statement.returning(process_lease.c.name)).first() is not None


def give_up(connection: Connection, clock: Clock, name: str, holder: str) -> None:
    """Let another process have it at once; does nothing where another has it."""
    mine = (process_lease.c.name == name, process_lease.c.holder == holder)
    connection.execute(update(process_lease).where(*mine).values(until=clock.at()))


def holder_of(connection: Connection, name: str) -> tuple[str, datetime] | None:
    """Who has or had it last, and until when (UTC); None where no process ever had."""
    columns = select(process_lease.c.holder, process_lease.c.until)
    found = connection.execute(columns.where(process_lease.c.name == name)).one_or_none()
    return (found.holder, found.until) if found else None
