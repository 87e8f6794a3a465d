"""What a restored store knows of what left before it was lost, and what it still means to send."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, or_, select, update

from models.accounts.tables import staff
from models.agents.tables import leg
from models.booking.tables import booking, history
from models.call.tables import call, turn
from models.clock import Clock
from models.crypto import Vault
from models.desk import lost_texts
from models.messages import outbox
from models.messages.outbox import ClaimedMessage
from models.messages.tables import message
from models.operations import provider_records
from models.queue.tables import PROMISED, queue_entry

# Why a message was dropped, or a promise ended: an agent looks at its person's case.
RESTORED = "restored"
_UNSENT = ("pending", "sending")


def newest_moment(connection: Connection) -> datetime | None:
    """The latest moment (UTC) of anything that happens all the time; None for an empty store."""
    moments = (func.max(message.c.updated_at), func.max(turn.c.at), func.max(history.c.at))
    found = [connection.execute(select(query)).scalar_one() for query in moments]
    return max((at for at in found if at is not None), default=None)


def texts_known(connection: Connection, sids: Collection[str]) -> set[str]:
    """Which of these ids of texts the store knows: as sent, as to be deleted, or in a case."""
    sent = select(message.c.provider_sid).where(message.c.provider_sid.in_(sids))
    return (
        set(connection.execute(sent).scalars())
        | provider_records.here(connection, sids)
        | lost_texts.here(connection, sids)
    )


def calls_known(connection: Connection, sids: Collection[str]) -> set[str]:
    """The same of calls."""
    came = select(call.c.id).where(call.c.id.in_(sids))
    rung = select(leg.c.provider_sid).where(leg.c.provider_sid.in_(sids))
    return (
        set(connection.execute(came).scalars())
        | set(connection.execute(rung).scalars())
        | provider_records.here(connection, sids)
        | lost_texts.here(connection, sids)
    )


def unsent_to(connection: Connection, vault: Vault, number: str) -> list[ClaimedMessage]:
    """Messages that wait for a number (E.164), the longest due first.

    Those that name no recipient before they leave are of the bookings of that number.
    """
    index = vault.index("phone", number)
    theirs = select(booking.c.id).where(booking.c.phone_idx == index)
    return outbox.unsent(
        connection,
        vault,
        or_(
            message.c.recipient_idx == index,
            message.c.recipient_idx.is_(None) & message.c.booking_id.in_(theirs),
        ),
    )


def unsent_of(connection: Connection, booking_id: str) -> list[str]:
    """Ids of messages about a booking that wait."""
    statement = select(message.c.id).where(
        message.c.booking_id == booking_id, message.c.state.in_(_UNSENT)
    )
    return list(connection.execute(statement).scalars())


def drop(connection: Connection, clock: Clock, message_ids: Sequence[str]) -> int:
    """They do not leave: an agent tells their person. Gives how many waited."""
    if not message_ids:
        return 0
    statement = (
        update(message)
        .where(message.c.id.in_(message_ids), message.c.state.in_(_UNSENT))
        .values(state="dropped", error_code=RESTORED, lease_until=None, updated_at=clock.at())
    )
    return connection.execute(statement).rowcount


def promises_to(connection: Connection, vault: Vault, number: str) -> list[str]:
    """Ids of live promises to ring a number (E.164), made before it was rung."""
    statement = select(queue_entry.c.id).where(
        queue_entry.c.phone_idx == vault.index("phone", number),
        PROMISED,
        queue_entry.c.state == "waiting",
    )
    return list(connection.execute(statement).scalars())


def staff_numbers(connection: Connection, vault: Vault) -> frozenset[str]:
    """Telephones of members of staff (E.164), who are rung about callers."""
    rows = connection.execute(select(staff.c.id, staff.c.phone_enc)).all()
    found = (vault.open_text(row.phone_enc, f"staff.phone:{row.id}") for row in rows)
    return frozenset(number for number in found if number)
