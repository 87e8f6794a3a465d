"""Offers of freed places: one row for each, with what became of it.

The row is written with the offer and ended with it. So it tells later which entry was first, how
long people take to answer, and whether an entry was passed over. It names an entry of the list and
no person.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from models.clock import Clock
from models.crypto import Vault
from models.messages.tables import message, phone_line
from models.queue.tables import queue_entry
from models.waiting_list.tables import waiting_entry, waiting_offer
from models.waiting_list.waiting import WaitingListEntry, of_row
from models.writes import insert_new


class OfferOutcome(StrEnum):
    """What became of an offer."""

    TAKEN = "taken"
    REFUSED = "refused"
    LAPSED = "lapsed"  # no answer came in time
    UNTOLD = "untold"  # it was never sent
    BOOKED = "booked"  # its person had an appointment by then
    LEFT = "left"  # its person left the list
    GONE = "gone"  # the place went, or its campaign


def add(
    connection: Connection,
    clock: Clock,
    entry: WaitingListEntry,
    *,
    offer_id: str,
    slot_id: int,
    tells_at: datetime | None,
) -> None:
    """Note an offer of a slot to an entry, as the entry is; its id is that of its message.

    `tells_at` (UTC): its time counts from then; None: from now.
    """
    values: dict[str, Any] = {
        "id": offer_id,
        "entry_id": entry.id,
        "campaign": entry.campaign,
        "class_rank": entry.class_rank,
        "waits_since": entry.created_at,
        "slot_id": slot_id,
        "outcome": "",
    }
    if tells_at is None:
        insert_new(connection, clock, waiting_offer, values, "offered_at", "tells_at")
    else:
        later = values | {"tells_at": tells_at}
        insert_new(connection, clock, waiting_offer, later, "offered_at")


def end(connection: Connection, clock: Clock, entry_id: str, outcome: OfferOutcome) -> None:
    """The offer that an entry has is over; nothing where it has none. The entry must be locked.

    A call that was to tell it, and has not begun, is not made any more.
    """
    row = connection.execute(
        update(waiting_offer)
        .where(waiting_offer.c.entry_id == entry_id, waiting_offer.c.ended_at.is_(None))
        .values(outcome=str(outcome), ended_at=clock.at())
        .returning(waiting_offer.c.id)
    ).one_or_none()
    if row is None:
        return
    connection.execute(
        update(queue_entry)
        .where(
            queue_entry.c.message_id == row.id,
            queue_entry.c.kind == "callback",
            queue_entry.c.state == "waiting",
        )
        .values(
            state="left",
            outcome="needless",
            ended_at=clock.at(),
            updated_at=clock.at(),
            version=queue_entry.c.version + 1,
        )
    )


def forget(connection: Connection, clock: Clock, entry_id: str) -> None:
    """The offer that an entry has was never told: it may be asked about that hour again.

    The offer does not count, and what was to tell it is dropped.
    """
    mine = select(waiting_offer.c.id).where(
        waiting_offer.c.entry_id == entry_id, waiting_offer.c.ended_at.is_(None)
    )
    connection.execute(
        update(message)
        .where(message.c.id.in_(mine.scalar_subquery()))
        .values(
            # The key stands for being asked; its id keeps it unique.
            dedupe_key=literal("untold:") + message.c.id,
            updated_at=clock.at(),
        )
    )
    uncount(connection, entry_id)


def uncount(connection: Connection, entry_id: str) -> None:
    """The offer that an entry has does not count, for they could not have answered it."""
    connection.execute(
        update(waiting_entry)
        .where(waiting_entry.c.id == entry_id, waiting_entry.c.offers > 0)
        .values(offers=waiting_entry.c.offers - 1)
    )


def was_told(connection: Connection, entry_id: str) -> bool:
    """Whether the offer that an entry has was sent: a text that the provider took, or a call made.

    What could not be sent for good counts, too: the number cannot be reached. True of an offer of
    an earlier version, which stored no message.
    """
    rung = exists().where(queue_entry.c.message_id == message.c.id, queue_entry.c.tries > 0)
    waits = or_(
        message.c.state.in_(("pending", "sending")),
        and_(message.c.state == "sent", message.c.way == "call", ~rung),
    )
    statement = (
        select(message.c.id)
        .join(waiting_offer, waiting_offer.c.id == message.c.id)
        .where(waiting_offer.c.entry_id == entry_id, waiting_offer.c.ended_at.is_(None), waits)
    )
    return connection.execute(statement).first() is None


# What tells an offer is dropped with this where no call may be made before it is over.
TOO_LATE = "late"


def untellable(
    connection: Connection, *, limit: int = 1, only: str | None = None
) -> list[tuple[str, str, str]]:
    """Entries, with their campaigns, whose offer waits for an answer that cannot come, and why.

    The message with the offer was dropped (its code), or a person at that number has said since
    that the number is not that of the person who waits ("wrong"). With `only` this entry alone,
    which is locked then: none where another transaction has it.
    """
    why = func.coalesce(message.c.error_code, "wrong").label("why")
    wrong = phone_line.c.wrong_at >= waiting_offer.c.offered_at
    statement = (
        select(waiting_entry.c.id, waiting_entry.c.campaign, why)
        .select_from(waiting_entry)
        .join(
            waiting_offer,
            and_(
                waiting_offer.c.entry_id == waiting_entry.c.id, waiting_offer.c.ended_at.is_(None)
            ),
        )
        .join(message, message.c.id == waiting_offer.c.id)
        .outerjoin(phone_line, phone_line.c.phone_idx == waiting_entry.c.phone_idx)
        .where(_offered(), or_(message.c.state == "dropped", wrong))
        .order_by(waiting_entry.c.offered_until, waiting_entry.c.id)
        .limit(limit)
    )
    if only is not None:
        statement = statement.where(waiting_entry.c.id == only)
        statement = statement.with_for_update(of=waiting_entry, skip_locked=True)
    return [(row.id, row.campaign, row.why) for row in connection.execute(statement)]


def is_over(connection: Connection, message_id: str) -> bool:
    """Whether the offer that a message tells of has ended."""
    statement = select(waiting_offer.c.id).where(
        waiting_offer.c.id == message_id, waiting_offer.c.ended_at.is_not(None)
    )
    return connection.execute(statement).first() is not None


def slots_asked(connection: Connection, entry_id: str) -> tuple[int, ...]:
    """The slots that an entry was asked about, each as the first of two; none is offered twice."""
    key = f"waiting:{entry_id}:"
    statement = select(message.c.dedupe_key).where(
        message.c.dedupe_key >= key, message.c.dedupe_key < f"waiting:{entry_id};"
    )
    return tuple(int(key_.removeprefix(key)) for key_ in connection.execute(statement).scalars())


def of_line(connection: Connection, vault: Vault, number: str, born: str) -> list[WaitingListEntry]:
    """Entries of a number (E.164) and a birth date (ISO 8601) that are offered something.

    The offer that ends first comes first.
    """
    statement = (
        select(waiting_entry)
        .where(
            _offered(),
            waiting_entry.c.phone_idx == vault.index("phone", number or None),
            waiting_entry.c.person_enc.is_not(None),
        )
        .order_by(waiting_entry.c.offered_until, waiting_entry.c.id)
    )
    found = [of_row(row, vault) for row in connection.execute(statement)]
    return [entry for entry in found if entry.born.isoformat() == born]


def _offered() -> ColumnElement[bool]:
    return waiting_entry.c.state == literal("offered", literal_execute=True)


# ---------------------------------------------------------------- figures


def counts(
    connection: Connection, clock: Clock, since: datetime
) -> tuple[int, int, dict[str, int], list[float]]:
    """Offers of all campaigns: how many are out, and how many of these wait for their hour.

    Then what became of those that ended since a moment (UTC), and the seconds that each answer
    took, from when the offer was told.
    """
    out, untold = connection.execute(
        select(func.count(), func.count().filter(waiting_offer.c.tells_at > clock.at())).where(
            waiting_offer.c.ended_at.is_(None)
        )
    ).one()
    ended = connection.execute(
        select(waiting_offer.c.outcome, func.count())
        .where(waiting_offer.c.ended_at >= since)
        .group_by(waiting_offer.c.outcome)
    )
    answered = connection.execute(
        select(waiting_offer.c.tells_at, waiting_offer.c.ended_at).where(
            waiting_offer.c.ended_at >= since,
            waiting_offer.c.outcome.in_((OfferOutcome.TAKEN, OfferOutcome.REFUSED)),
        )
    )
    seconds = [max((row[1] - row[0]).total_seconds(), 0.0) for row in answered]
    return out, untold, {row[0]: row[1] for row in ended}, seconds


def delete_old(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete offers that ended so long ago; gives how many."""
    over = waiting_offer.c.ended_at < clock.at(-after)
    return connection.execute(delete(waiting_offer).where(over)).rowcount
