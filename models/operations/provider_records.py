"""What the provider keeps of a person and is to delete: ids of its records, until they are gone.

An id comes here in the transaction that takes it, or the number beside it, out of our own rows: so
none is lost in between. That is so whether a time ran out or a person asked to be erased.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import Connection, SmallInteger, String, Table, delete, func, null, select, update
from sqlalchemy.dialects.postgresql import insert

from models.agents.tables import leg
from models.call.tables import call
from models.clock import Clock
from models.desk.tables import lost_text
from models.messages.tables import message
from models.tables import index, key, may, metadata, must
from models.types import Instant

provider_record = Table(
    "provider_record",
    metadata,
    key("sid", String(40), "the provider's id of a text or a call"),
    must("due_at", Instant, "is asked to be deleted from then on"),
    must("tries", SmallInteger, default=0),
    must("error_code", String(12), "the provider's, of the last try", default=""),
    must("created_at", Instant),
    may("request_id", String(32), "the erasure that a person asked for; null: a time ran out"),
    index("ix_provider_record_due_at", "due_at"),
    index("ix_provider_record_request", "request_id", where="request_id IS NOT NULL"),
)

# Rows of one statement.
_AT_ONCE = 500


def take_messages(connection: Connection, clock: Clock, _after: timedelta) -> int:
    """Put down what the provider calls messages that are erased, and forget it with them."""
    erased = (message.c.recipient_enc.is_(None), message.c.provider_sid.is_not(None))
    taken = 0
    while True:
        chosen = select(message.c.id, message.c.provider_sid).where(*erased).limit(_AT_ONCE)
        found = connection.execute(chosen).all()
        if not found:
            return taken
        _put(connection, clock, [sid for _, sid in found])
        ids = message.c.id.in_([one for one, _ in found])
        connection.execute(update(message).where(ids).values(provider_sid=null()))
        taken += len(found)


def take_calls(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Put down calls whose number is erased next: those that began longer ago than `after`."""
    old = (call.c.started_at < clock.at(-after), call.c.caller_enc.is_not(None))
    found = list(connection.execute(select(call.c.id).where(*old)).scalars())
    for start in range(0, len(found), _AT_ONCE):
        _put(connection, clock, found[start : start + _AT_ONCE])
    return len(found)


def take_lines(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Erase the people we rang longer ago than `after`, and put their calls down."""
    statement = (
        update(leg)
        .where(leg.c.created_at < clock.at(-after), leg.c.to_enc.is_not(None))
        .values(to_enc=None)
        .returning(leg.c.provider_sid)
    )
    found = [sid for sid in connection.execute(statement).scalars() if sid]
    for start in range(0, len(found), _AT_ONCE):
        _put(connection, clock, found[start : start + _AT_ONCE])
    return len(found)


def take_lost(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Erase what was found for cases after a restore longer ago than `after`, and put it down."""
    statement = (
        delete(lost_text)
        .where(lost_text.c.created_at < clock.at(-after))
        .returning(lost_text.c.provider_sid)
    )
    found = list(connection.execute(statement).scalars())
    for start in range(0, len(found), _AT_ONCE):
        _put(connection, clock, found[start : start + _AT_ONCE])
    return len(found)


def take_person(
    connection: Connection, clock: Clock, request_id: str, sids: Collection[str]
) -> None:
    """Put down what the provider has of a person who is erased on request."""
    found = sorted(sids)
    for start in range(0, len(found), _AT_ONCE):
        _put(connection, clock, found[start : start + _AT_ONCE], request_id)


def left_of(connection: Connection, request_id: str) -> int:
    """How many records of an erasure that was asked for the provider still has."""
    statement = select(func.count()).select_from(provider_record)
    theirs = statement.where(provider_record.c.request_id == request_id)
    return connection.execute(theirs).scalar_one()


def here(connection: Connection, sids: Collection[str]) -> set[str]:
    """Which of these ids are of records that wait to be deleted there."""
    statement = select(provider_record.c.sid).where(provider_record.c.sid.in_(sids))
    return set(connection.execute(statement).scalars())


def due(
    connection: Connection, clock: Clock, *, limit: int, request_id: str | None = None
) -> list[str]:
    """Ids of what is to be deleted now, what has waited longest first.

    With a request: all of that erasure, at whatever time it was put off to.
    """
    which = provider_record.c.due_at <= clock.at()
    if request_id is not None:
        which = provider_record.c.request_id == request_id
    statement = (
        select(provider_record.c.sid)
        .where(which)
        .order_by(provider_record.c.due_at, provider_record.c.sid)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def gone(connection: Connection, sid: str) -> None:
    """The provider has it no more, and we have not either."""
    connection.execute(delete(provider_record).where(provider_record.c.sid == sid))


def put_off(
    connection: Connection, clock: Clock, sid: str, after: timedelta, error_code: str
) -> None:
    """It was not deleted: it is asked for again after this time."""
    statement = update(provider_record).where(provider_record.c.sid == sid)
    connection.execute(
        statement.values(
            due_at=clock.at(after), tries=provider_record.c.tries + 1, error_code=error_code[:12]
        )
    )


def waiting(connection: Connection) -> int:
    """How many records the provider still has that it should not."""
    return connection.execute(select(func.count()).select_from(provider_record)).scalar_one()


def _put(
    connection: Connection, clock: Clock, sids: Sequence[str], request_id: str | None = None
) -> None:
    # What a time ran out for is a person's, too, once they asked.
    made = insert(provider_record)
    statement = made.on_conflict_do_nothing()
    if request_id is not None:
        new = {"request_id": request_id}
        statement = made.on_conflict_do_update(index_elements=["sid"], set_=new)
    rows = [
        {"sid": sid, "due_at": clock.at(), "created_at": clock.at(), "request_id": request_id}
        for sid in dict.fromkeys(sids)
    ]
    if rows:
        connection.execute(statement.values(rows))
