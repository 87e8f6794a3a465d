"""Calls whose line was cut: what is left of them, the call that goes on with it, and its codes.

What was said lies in a call's newest turn. The call that takes it up closes that turn in the same
transaction, so that two calls at once never go on with the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    ScalarSelect,
    and_,
    bindparam,
    delete,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.call.tables import call, resume_code, turn
from models.call.turns import Body
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.prepared import Prepared
from models.slots.slot_query import is_held
from models.slots.tables import place
from models.turn_days import is_of_call, lies_on

# A call whose end was not reported is over, too, when it was silent for so long: no question and no
# wait of ours takes half of that.
SILENT_FOR = timedelta(minutes=3)
# No call that began longer ago than this can have been cut a moment ago.
LONGEST_CALL = timedelta(hours=3)
# Of the calls of one line, no more than the newest of these are looked at.
MOST_CALLS = 5
# The outcome of a turn from which another call has gone on.
TAKEN_UP = "taken up"


@dataclass(frozen=True)
class InterruptedCall:
    """What a call that is over, or seems so, was left with. `day` is that of its turns.

    `left_at` (UTC) is when it ended, as far as that was told, else when it was heard last.
    """

    call_id: str
    number: int
    body: Body
    day: date
    left_at: datetime


def _is_left(clock: Clock, table: Any) -> ColumnElement[bool]:
    """Over, or silent for so long that it must be: a call in progress cannot be taken up."""
    lately = exists().where(is_of_call(calls=table), turn.c.at > clock.at(-SILENT_FOR))
    return or_(table.c.ended_at.is_not(None), ~lately)


def rang_before(clock: Clock) -> ScalarSelect[str]:
    """Of `:the_line` but not `:the_call`, a call that is left; for the statement of the ring."""
    earlier = call.alias("earlier")
    return (
        select(earlier.c.id)
        .where(
            earlier.c.caller_idx == bindparam("the_line", type_=call.c.caller_idx.type),
            earlier.c.id != bindparam("the_call"),
            earlier.c.started_at >= clock.at(-LONGEST_CALL),
            _is_left(clock, earlier),
        )
        .order_by(earlier.c.started_at.desc())
        .limit(1)
        .scalar_subquery()
    )


def left_by_line(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    caller_idx: bytes,
    call_id: str,
    within: timedelta,
) -> list[InterruptedCall]:
    """What the calls of a line were left with less than `within` ago, newest first.

    `call_id` is the call that asks.
    """
    values = {"the_line": caller_idx, "the_call": call_id}
    return _opened(_of_line(clock, within).rows(connection, values), vault)


@lru_cache
def _of_line(clock: Clock, within: timedelta) -> Prepared:
    statement = (
        _newest_turns(clock, within)
        .where(
            call.c.caller_idx == bindparam("the_line", type_=call.c.caller_idx.type),
            call.c.id != bindparam("the_call"),
            call.c.started_at >= clock.at(-LONGEST_CALL),
        )
        .order_by(call.c.started_at.desc(), call.c.id.desc())
        .limit(MOST_CALLS)
    )
    return Prepared(statement)


def left_by_call(
    connection: Connection, clock: Clock, vault: Vault, call_id: str, within: timedelta
) -> InterruptedCall | None:
    """What one call was left with less than `within` ago."""
    found = _opened(_of_call(clock, within).rows(connection, {"the_call": call_id}), vault)
    return found[0] if found else None


@lru_cache
def _of_call(clock: Clock, within: timedelta) -> Prepared:
    return Prepared(_newest_turns(clock, within).where(call.c.id == bindparam("the_call")))


def _newest_turns(clock: Clock, within: timedelta) -> Any:
    other = turn.alias("other")
    newest = select(func.max(other.c.number)).where(is_of_call(other))
    return (
        select(
            call.c.id,
            turn.c.number,
            turn.c.body_enc,
            turn.c.rang_on,
            func.coalesce(call.c.ended_at, turn.c.at).label("left_at"),
        )
        .select_from(call)
        .join(turn, and_(is_of_call(), turn.c.number == newest.scalar_subquery()))
        .where(
            turn.c.at >= clock.at(-within),
            turn.c.body_enc.is_not(None),
            turn.c.outcome != TAKEN_UP,
            # `_is_left` of the call itself, for its newest turn is at hand.
            or_(call.c.ended_at.is_not(None), turn.c.at <= clock.at(-SILENT_FOR)),
        )
    )


def _opened(rows: Sequence[Any], vault: Vault) -> list[InterruptedCall]:
    found = []
    for row in rows:
        try:
            body = Body.open(row.body_enc, vault, row.id, row.number)
        except CannotOpen:
            continue
        found.append(InterruptedCall(row.id, row.number, body, row.rang_on, row.left_at))
    return found


def close(connection: Connection, vault: Vault, left: InterruptedCall, session: str) -> bool:
    """Leave `session` in its place; False when another call was quicker."""
    body = replace(left.body, session=session)
    statement = (
        update(turn)
        .where(
            turn.c.call_id == left.call_id,
            turn.c.number == left.number,
            lies_on(turn.c.rang_on, literal(left.day, Date)),
            turn.c.outcome != TAKEN_UP,
        )
        .values(outcome=TAKEN_UP, body_enc=body.seal(vault, left.call_id, left.number))
    )
    return connection.execute(statement).rowcount == 1


def kept_until(
    connection: Connection, clock: Clock, holders: Collection[str], place_ids: Collection[int]
) -> datetime | None:
    """Until when these places are all held by some of `holders` (UTC); None when they are not."""
    statement = select(func.count(), func.min(place.c.hold_expires_at)).where(
        place.c.id.in_(place_ids),
        place.c.held_by.in_(holders),
        is_held(clock),
        place.c.blocked == false(),
    )
    count, until = connection.execute(statement).one()
    return until if place_ids and count == len(place_ids) else None


# ---------------------------------------------------------------- codes


def add_code(
    connection: Connection, clock: Clock, code_idx: bytes, call_id: str, lasts: timedelta
) -> bool:
    """Store a code for a call; False when it is another call's and still counts."""
    statement = insert(resume_code).values(
        code_idx=code_idx, call_id=call_id, expires_at=clock.at(lasts)
    )
    statement = statement.on_conflict_do_update(
        index_elements=[resume_code.c.code_idx],
        set_={
            "call_id": statement.excluded.call_id,
            "expires_at": statement.excluded.expires_at,
        },
        where=resume_code.c.expires_at <= clock.at(),
    )
    # SQLAlchemy keeps the row count of an INSERT only when it is asked to.
    statement = statement.execution_options(preserve_rowcount=True)
    return connection.execute(statement).rowcount == 1


def call_of_code(connection: Connection, clock: Clock, code_idx: bytes) -> str | None:
    """The call that a code is for, while it counts."""
    statement = select(resume_code.c.call_id).where(
        resume_code.c.code_idx == code_idx, resume_code.c.expires_at > clock.at()
    )
    return connection.execute(statement).scalar_one_or_none()


def pass_codes(
    connection: Connection, clock: Clock, from_call: str, to_call: str, lasts: timedelta
) -> None:
    """The caller went on in another call: their code is for that one now."""
    connection.execute(
        update(resume_code)
        .where(resume_code.c.call_id == from_call)
        .values(call_id=to_call, expires_at=clock.at(lasts))
    )


def forget_codes(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Delete codes that ran out longer ago than `older_than`."""
    statement = delete(resume_code).where(resume_code.c.expires_at < clock.at(-older_than))
    return connection.execute(statement).rowcount
