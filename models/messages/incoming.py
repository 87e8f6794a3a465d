"""Texts that people write to us: a row of `message` for each, with what was answered.

What was written is not kept, only what was answered; the row stands for the provider's id, so that
a copy of the same webhook finds it. An answer that leaves is counted like any other text.
"""

from __future__ import annotations

import json

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from models.booking.tables import booking
from models.clock import Clock
from models.crypto import Vault
from models.dialects import insert_new
from models.messages.budgets import NO_BUDGETS, Subjects, any_closed
from models.messages.tables import message, phone_line

KIND = "incoming"
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Before:
    """What is known when a text comes in.

    `answered`: what this very text was answered before, if it was. `language`: of the newest
    booking of the number, empty where there is none. `answers`: how many it had in 24 hours.
    """

    answered: tuple[str, ...] | None
    stopped: bool
    wrong: bool
    language: str
    answers: int
    # Whether a budget of texts is spent: then an answer is left out.
    spent: bool = False


def look(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    sid: str,
    number: str,
    budgets: Subjects = NO_BUDGETS,
) -> Before:
    """One statement. `sid` is the provider's id of the text, `number` (E.164) the writer's.

    `budgets` are those that an answer counts for.
    """
    index = vault.index("phone", number)
    language = (
        select(booking.c.language)
        .where(booking.c.phone_idx == index)
        .order_by(booking.c.created_at.desc())
        .limit(1)
    )
    answers = select(func.count()).where(
        message.c.recipient_idx == index,
        message.c.kind == KIND,
        message.c.parts > 0,
        message.c.created_at > clock.at(-DAY),
    )
    line = select(phone_line.c.stopped_at, phone_line.c.wrong_at).where(
        phone_line.c.phone_idx == index
    )
    before = select(message.c.id, message.c.payload_enc).where(
        message.c.dedupe_key == _key(sid), message.c.kind == KIND
    )
    known, earlier = line.subquery(), before.subquery()
    only = select(
        answers.scalar_subquery().label("answers"),
        language.scalar_subquery().label("language"),
        any_closed(budgets).label("spent"),
    ).subquery()
    row = connection.execute(
        select(only, known, earlier)
        .select_from(only)
        .outerjoin(known, known.c.stopped_at.is_not(None) | known.c.wrong_at.is_not(None))
        .outerjoin(earlier, earlier.c.id.is_not(None))
    ).one()
    answered = None
    if row.id is not None:
        sealed = vault.open_text(row.payload_enc, _where(row.id)) if row.payload_enc else None
        answered = tuple(json.loads(sealed or "[]"))
    return Before(
        answered,
        row.stopped_at is not None,
        row.wrong_at is not None,
        row.language or "",
        row.answers,
        bool(row.spent),
    )


def parts_answered(connection: Connection, since: datetime) -> int:
    """How many parts of answers left since then (UTC)."""
    statement = select(func.coalesce(func.sum(message.c.parts), 0)).where(
        message.c.kind == KIND, message.c.sent_at >= since
    )
    return int(connection.execute(statement).scalar_one())


def add(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    message_id: str,
    sid: str,
    number: str,
    answer: Sequence[str],
    *,
    topic: str,
    parts: int,
) -> bool:
    """Note a text and what is answered, in so many parts; False when it was noted before."""
    values = {
        "id": message_id,
        "kind": KIND,
        "dedupe_key": _key(sid),
        "recipient_enc": vault.seal_text(number, f"message.recipient:{message_id}"),
        "recipient_idx": vault.index("phone", number),
        "payload_enc": vault.seal_text(
            json.dumps(list(answer), ensure_ascii=False), _where(message_id)
        ),
        # It leaves with the answer to the webhook, and the provider does not report its delivery.
        "state": "sent" if answer else "dropped",
        "topic": topic,
        "way": "text" if answer else None,
        "parts": parts if answer else None,
        "booking_id": None,
    }
    moments = ("due_at", "created_at", "updated_at", "sent_at")
    return insert_new(connection, clock, message, values, *moments)


def bookings_ahead(
    connection: Connection, clock: Clock, vault: Vault, number: str, *, limit: int
) -> list[str]:
    """The bookings of a number (E.164) that are still ahead, oldest first."""
    statement = (
        select(booking.c.id)
        .where(
            booking.c.phone_idx == vault.index("phone", number),
            booking.c.state == "confirmed",
            booking.c.last_start_at > clock.at(),
        )
        .order_by(booking.c.created_at, booking.c.id)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def told_last(connection: Connection, vault: Vault, number: str) -> str | None:
    """The booking that the newest text to a number (E.164) was about."""
    statement = (
        select(message.c.booking_id)
        .where(
            message.c.recipient_idx == vault.index("phone", number),
            message.c.booking_id.is_not(None),
            message.c.sent_at.is_not(None),
        )
        .order_by(message.c.sent_at.desc())
        .limit(1)
    )
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


def _key(sid: str) -> str:
    return f"incoming:{sid}"


def _where(message_id: str) -> str:
    return f"message.payload:{message_id}"
