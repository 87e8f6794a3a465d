"""Texts that people write to us: a row of `message` for each, with what was answered.

What was written is not kept, only what was answered; the row stands for the provider's id, so that
a copy of the same webhook finds it. An answer that leaves is counted like any other text.
"""

from __future__ import annotations

import json

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from models.booking.tables import booking
from models.clock import Clock
from models.crypto import Vault
from models.messages.budgets import NO_BUDGETS, Subjects, any_closed
from models.messages.tables import message, phone_line
from models.writes import insert_new

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
    # The turn of a conversation by text that answered this very text, where one did: its id and
    # number. The answer is kept there, and erased with it.
    turn: tuple[str, int] | None = None
    # How many answers of conversations by text it had in 24 hours; they are none of `answers`.
    talked: int = 0
    # The number of ours by which the newest booking of the number came in; None: the default.
    called: str | None = None


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
    statement = look_of(clock, vault, sid, number, budgets)
    return before_of(connection.execute(statement).one(), vault)


def look_of(
    clock: Clock, vault: Vault, sid: str, number: str, budgets: Subjects = NO_BUDGETS
) -> Select[Any]:
    """The statement of `look`, for code that reads more with it; one row comes of it."""
    index = vault.index("phone", number)
    language, called = (
        select(column)
        .where(booking.c.phone_idx == index)
        .order_by(booking.c.created_at.desc())
        .limit(1)
        for column in (booking.c.language, booking.c.called)
    )
    lately = (
        message.c.recipient_idx == index,
        message.c.kind == KIND,
        message.c.parts > 0,
        message.c.created_at > clock.at(-DAY),
    )
    answers = select(func.count()).where(*lately, message.c.call_id.is_(None))
    talked = select(func.count()).where(*lately, message.c.call_id.is_not(None))
    line = select(phone_line.c.stopped_at, phone_line.c.wrong_at).where(
        phone_line.c.phone_idx == index
    )
    before = select(message.c.id, message.c.payload_enc).where(
        message.c.dedupe_key == _key(sid), message.c.kind == KIND
    )
    known, earlier = line.subquery(), before.subquery()
    only = select(
        answers.scalar_subquery().label("answers"),
        talked.scalar_subquery().label("talked"),
        language.scalar_subquery().label("language"),
        called.scalar_subquery().label("called"),
        any_closed(budgets).label("spent"),
    ).subquery()
    return (
        select(only, known, earlier)
        .select_from(only)
        .outerjoin(known, known.c.stopped_at.is_not(None) | known.c.wrong_at.is_not(None))
        .outerjoin(earlier, earlier.c.id.is_not(None))
    )


def before_of(row: Any, vault: Vault) -> Before:
    """What a row of `look_of` tells."""
    answered: tuple[str, ...] | None = None
    at: tuple[str, int] | None = None
    if row.id is not None:
        sealed = vault.open_text(row.payload_enc, _where(row.id)) if row.payload_enc else None
        told = json.loads(sealed or "[]")
        if isinstance(told, dict):
            answered, at = (), (told["call"], told["turn"])
        else:
            answered = tuple(told)
    return Before(
        answered,
        row.stopped_at is not None,
        row.wrong_at is not None,
        row.language or "",
        row.answers,
        bool(row.spent),
        at,
        row.talked,
        row.called,
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
    call_id: str | None = None,
) -> bool:
    """Note a text and what is answered, in so many parts; False when it was noted before.

    `call_id` is that of the conversation by text that it is part of, where it is of one.
    """
    values = values_of(
        vault, message_id, sid, number, list(answer), topic=topic, parts=parts, call_id=call_id
    )
    return insert_new(connection, clock, message, values, *MOMENTS)


# The columns that get the moment at which a text is noted.
MOMENTS = ("due_at", "created_at", "updated_at", "sent_at")


def values_of(
    vault: Vault,
    message_id: str,
    sid: str,
    number: str,
    told: Sequence[str] | Mapping[str, Any],
    *,
    topic: str,
    parts: int,
    call_id: str | None = None,
) -> dict[str, Any]:
    """The row of a text, but for its moments. `told` is what is answered, or where that is kept."""
    answer = bool(told)
    return {
        "id": message_id,
        "kind": KIND,
        "dedupe_key": _key(sid),
        "recipient_enc": vault.seal_text(number, f"message.recipient:{message_id}"),
        "recipient_idx": vault.index("phone", number),
        "payload_enc": vault.seal_text(json.dumps(told, ensure_ascii=False), _where(message_id)),
        # It leaves with the answer to the webhook, and the provider does not report its delivery.
        "state": "sent" if answer else "dropped",
        "topic": topic,
        "way": "text" if answer else None,
        "parts": parts if answer else None,
        "booking_id": None,
        "call_id": call_id,
    }


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
