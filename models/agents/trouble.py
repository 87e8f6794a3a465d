"""Calls of the menu whose newest turn went wrong."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, exists, select, true

from models import turn_days
from models.call.calls import FIRST_FINAL_RANK
from models.call.tables import call, turn
from models.clock import Clock
from models.queue.tables import LIVE, queue_entry


def goes_on(connection: Connection, call_id: str) -> bool:
    """Whether the call is not over, as far as the provider has reported."""
    statement = select(call.c.status_rank).where(call.c.id == call_id)
    rank = connection.execute(statement).scalar_one_or_none()
    return rank is not None and rank < FIRST_FINAL_RANK


@dataclass(frozen=True)
class TroubledTurn:
    """One turn of a call whose newest turn went wrong. `at` is UTC."""

    call_id: str
    number: int
    step: str
    outcome: str
    at: datetime


# Turns that went wrong, and those that say the same again.
WRONG = ("missed", "silent")
REPEATED = "repeated"
_MOST_IN_TROUBLE = 200


def in_trouble(
    connection: Connection,
    clock: Clock,
    within: timedelta,
    steps: Collection[str],
    *,
    call_id: str | None = None,
) -> list[TroubledTurn]:
    """The turns of calls of the menu whose newest turn, not older than that, went wrong.

    Calls that are over, at one of these `steps` or in the queue are left out. A call's turns come
    together, newest first. With `call_id`: of this call alone.
    """
    later = turn.alias("later")
    lately = turn_days.called_since(turn.c.rang_on, clock.now() - within)
    newest = (
        select(turn.c.call_id, turn.c.rang_on)
        .join(call, turn_days.is_of_call())
        .where(
            turn.c.call_id == call_id if call_id is not None else true(),
            turn.c.at > clock.at(-within),
            lately,
            turn.c.outcome.in_((*WRONG, REPEATED)),
            turn.c.step.not_in(steps),
            call.c.status_rank < FIRST_FINAL_RANK,
            ~exists().where(
                later.c.call_id == turn.c.call_id,
                later.c.number > turn.c.number,
                later.c.rang_on == turn.c.rang_on,
            ),
            ~exists().where(queue_entry.c.call_id == turn.c.call_id, LIVE),
        )
        .order_by(turn.c.at.desc())
        .limit(_MOST_IN_TROUBLE)
        .subquery()
    )
    statement = (
        select(turn.c.call_id, turn.c.number, turn.c.step, turn.c.outcome, turn.c.at)
        .join(
            newest,
            and_(newest.c.call_id == turn.c.call_id, newest.c.rang_on == turn.c.rang_on),
        )
        .where(lately)
        .order_by(turn.c.call_id, turn.c.number.desc())
    )
    return [TroubledTurn(*row) for row in connection.execute(statement)]
