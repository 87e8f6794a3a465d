"""Conversations by text: which one a number has, and its newest turn.

A text that comes in costs one statement to look and one to write, as a turn of a call does. The
turn and the row that stands for the text are written together: where another text was quicker,
neither is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from models.call import turns
from models.call.tables import text_conversation, turn
from models.call.turns import Body
from models.clock import Clock
from models.crypto import Vault
from models.messages import incoming
from models.messages.budgets import NO_BUDGETS, Subjects
from models.messages.incoming import Before
from models.messages.tables import message
from models.prepared import Prepared
from models.writes import insert_new


@dataclass(frozen=True)
class Talk:
    """The conversation of a number. `body` is None where its newest turn was erased, or has none.

    `at` (UTC) is when that turn was, and `day` the one that it lies in.
    """

    call_id: str
    number: int = -1
    at: datetime | None = None
    body: Body | None = None
    day: date | None = None


def look(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    sid: str,
    phone: str,
    budgets: Subjects = NO_BUDGETS,
) -> tuple[Before, Talk | None]:
    """What is known when a text comes in, and the conversation of its number; one statement."""
    newest = (
        select(func.max(turn.c.number))
        .where(turn.c.call_id == text_conversation.c.call_id)
        .correlate(text_conversation)
        .scalar_subquery()
    )
    talk = (
        select(
            text_conversation.c.call_id, turn.c.number, turn.c.at, turn.c.body_enc, turn.c.rang_on
        )
        .select_from(text_conversation)
        .outerjoin(
            turn, and_(turn.c.call_id == text_conversation.c.call_id, turn.c.number == newest)
        )
        .where(text_conversation.c.phone_idx == vault.index("phone", phone))
        .subquery()
    )
    statement = (
        incoming.look_of(clock, vault, sid, phone, budgets)
        .add_columns(talk)
        .outerjoin(talk, talk.c.call_id.is_not(None))
    )
    row = connection.execute(statement).one()
    before = incoming.before_of(row, vault)
    if row.call_id is None:
        return before, None
    if row.number is None:
        return before, Talk(row.call_id)
    body = Body.open(row.body_enc, vault, row.call_id, row.number) if row.body_enc else None
    return before, Talk(row.call_id, row.number, row.at, body, row.rang_on)


def answer_of(connection: Connection, vault: Vault, call_id: str, number: int) -> str:
    """What a turn was answered; empty once that is erased."""
    statement = select(turn.c.body_enc).where(turn.c.call_id == call_id, turn.c.number == number)
    sealed = connection.execute(statement).scalar_one_or_none()
    return Body.open(sealed, vault, call_id, number).answer if sealed else ""


def begin(  # noqa: PLR0917
    connection: Connection, clock: Clock, vault: Vault, phone: str, call_id: str, earlier: str
) -> bool:
    """Make `call_id` the conversation of a number, in the place of `earlier` (empty: it had none).

    False where another text of this number was quicker: of two, one begins.
    """
    new = insert(text_conversation).values(
        phone_idx=vault.index("phone", phone), call_id=call_id, began_at=clock.at()
    )
    statement = new.on_conflict_do_update(
        index_elements=[text_conversation.c.phone_idx],
        set_={"call_id": new.excluded.call_id, "began_at": new.excluded.began_at},
        where=text_conversation.c.call_id == earlier,
    ).execution_options(preserve_rowcount=True)
    return connection.execute(statement).rowcount == 1


def end(connection: Connection, call_id: str) -> bool:
    """The number has no conversation any more; its turns are erased when they are due."""
    statement = delete(text_conversation).where(text_conversation.c.call_id == call_id)
    return connection.execute(statement).rowcount == 1


def forget(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Delete which conversation a number had, where it began longer ago than `older_than`."""
    lately = exists().where(
        turn.c.call_id == text_conversation.c.call_id, turn.c.at >= clock.at(-older_than)
    )
    statement = delete(text_conversation).where(
        text_conversation.c.began_at < clock.at(-older_than), ~lately
    )
    return connection.execute(statement).rowcount


# ---------------------------------------------------------------- a text and its turn


@dataclass(frozen=True)
class AnsweredText:
    """A text that came in, and the turn that answers it in so many parts.

    `sid` is the provider's id of the text, `phone` (E.164) who wrote it; `day`: the turn's.
    """

    message_id: str
    sid: str
    phone: str
    call_id: str
    number: int
    day: date
    topic: str
    parts: int

    def values(self, vault: Vault) -> dict[str, Any]:
        """The row of the text, but for its moments."""
        told = {"call": self.call_id, "turn": self.number}
        return incoming.values_of(
            vault,
            self.message_id,
            self.sid,
            self.phone,
            told,
            topic=self.topic,
            parts=self.parts,
            call_id=self.call_id,
        )


def note(connection: Connection, clock: Clock, vault: Vault, text: AnsweredText) -> bool:
    """Note a text whose answer is that of a turn; False when it was noted before."""
    return insert_new(connection, clock, message, text.values(vault), *incoming.MOMENTS)


def record(
    connection: Connection,
    clock: Clock,
    vault: Vault,
    text: AnsweredText,
    *,
    step: str,
    outcome: str,
    body: Body,
    about: str,
) -> bool:
    """Store a turn and the text that it answers; False when another text was quicker."""
    values = turns.values_of(
        vault,
        text.call_id,
        text.number,
        text.day,
        step=step,
        outcome=outcome,
        body=body,
        about=about,
    )
    row = text.values(vault)
    values |= {f"text_{column}": value for column, value in row.items()}
    return _both(clock, tuple(row)).count(connection, values) == 1


@lru_cache
def _both(clock: Clock, columns: tuple[str, ...]) -> Prepared:
    """The text only where its turn went in: who lost the race has written nothing at all."""
    told = turns.insertion(clock).returning(turn.c.number).cte("told")
    given = [bindparam(f"text_{name}", type_=message.c[name].type) for name in columns]
    row = select(*given, *(clock.at() for _ in incoming.MOMENTS)).select_from(told)
    statement = insert(message).from_select([*columns, *incoming.MOMENTS], row)
    return Prepared(statement.execution_options(preserve_rowcount=True))
