"""Calls: the caller's number (encrypted), and what became of the call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Label, Update, bindparam, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from models import turn_days
from models.call.resume import rang_before
from models.call.tables import call, caller_pace
from models.clock import Clock
from models.crypto import Vault
from models.prepared import Prepared
from models.tables import nothing_personal
from models.waiting_list.tables import waiting_entry
from models.writes import hasty

# A status never moves backwards, in whatever order the provider's callbacks arrive. The last ones
# are ordered too: otherwise the first to arrive would win.
STATUS_RANK = {
    "queued": 0,
    "initiated": 1,
    "ringing": 2,
    "in-progress": 3,
    "answered": 3,
    "busy": 4,
    "no-answer": 5,
    "canceled": 6,
    "failed": 7,
    "completed": 8,
}
FIRST_FINAL_RANK = STATUS_RANK["busy"]


def is_over(status: str) -> bool:
    return STATUS_RANK.get(status, 0) >= FIRST_FINAL_RANK


@dataclass(frozen=True)
class Started:
    """A call that rings. `rang_before`: a call of this line was left before; `slow`: speak slowly.

    `is_offered`: a freed place is kept for a person who is rung at this number. `day`: on which it
    rang, that of its turns; None where the call was forgotten between two statements.
    """

    is_new: bool
    rang_before: bool
    slow: bool
    is_offered: bool = False
    day: date | None = None


def start(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    call_id: str,
    caller: str | None,
    called: str | None = None,
    *,
    may_be_lost: bool = False,
) -> Started:
    """Store a new call, and say what is known of its line. `caller` is E.164 or None.

    `called` is the number of ours that was dialled; None: the default. `may_be_lost`: it does not
    wait for the disk (`models.writes.hasty`).
    """
    line = vault.index("phone", caller)
    values = {
        "id": call_id,
        "caller_enc": vault.seal_text(caller, f"call.caller:{call_id}"),
        "caller_idx": line,
        "status": "ringing",
        "status_rank": STATUS_RANK["ringing"],
        "called": called,
        "the_call": call_id,
        "the_line": line,
    }
    found = _start(clock, may_be_lost=may_be_lost).rows(connection, values)
    is_new = bool(found)
    if not is_new:
        # A copy of the ring, or one that comes again because its answer was lost.
        found = _known_of(clock).rows(connection, {"the_call": call_id, "the_line": line})
    row = found[0]
    day = None if row.started_at is None else turn_days.day_of(row.started_at)
    return Started(is_new, row.earlier is not None, bool(row.slow), row.offered is not None, day)


@lru_cache
def _start(clock: Clock, *, may_be_lost: bool) -> Prepared:
    statement = (
        insert(call)
        .on_conflict_do_nothing()
        .values(started_at=hasty(clock.at()) if may_be_lost else clock.at())
        # Read by the statement that is written anyway: a ring is two round trips.
        .returning(call.c.started_at, *_of_line(clock))
    )
    return Prepared(statement)


@lru_cache
def _known_of(clock: Clock) -> Prepared:
    started = select(call.c.started_at).where(call.c.id == bindparam("the_call")).scalar_subquery()
    return Prepared(select(started.label("started_at"), *_of_line(clock)))


def _of_line(clock: Clock) -> tuple[Label[str], Label[bool], Label[str]]:
    line = bindparam("the_line", type_=call.c.caller_idx.type)
    slow = select(caller_pace.c.slow).where(caller_pace.c.caller_idx == line).scalar_subquery()
    offered = (
        select(waiting_entry.c.id)
        # To the letter what the index says.
        .where(waiting_entry.c.phone_idx == line, text("waiting_entry.state = 'offered'"))
        .limit(1)
        .scalar_subquery()
    )
    return rang_before(clock).label("earlier"), slow.label("slow"), offered.label("offered")


def caller_idx(connection: Connection, call_id: str) -> bytes | None:
    """The look-up value of the caller's number; None when it was withheld or is erased."""
    return connection.execute(
        select(call.c.caller_idx).where(call.c.id == call_id)
    ).scalar_one_or_none()


def called_of(connection: Connection, call_id: str | None) -> str | None:
    """The number of ours that a call came in by; None: the default, or the call is erased."""
    found: str | None = connection.execute(
        select(call.c.called).where(call.c.id == call_id)
    ).scalar_one_or_none()
    return found


def set_called(connection: Connection, call_id: str, called: str | None) -> None:
    """The call is one to this number of ours from here on; None: the default."""
    connection.execute(update(call).where(call.c.id == call_id).values(called=called))


def move_status(connection: Connection, clock: Clock, call_id: str, status: str) -> bool:
    """Advance the status of a call; False for an unknown call, an unknown or an earlier status."""
    if status not in STATUS_RANK:
        return False
    moved = _move(clock, ends=is_over(status))
    return moved.count(connection, status_values(call_id, status)) == 1


def status_values(call_id: str, status: str) -> dict[str, Any]:
    """What the statement of `moving` is given; the status is one of STATUS_RANK."""
    return {"the_call": call_id, "the_status": status, "the_rank": STATUS_RANK[status]}


def moving(clock: Clock, *, ends: bool) -> Update:
    """The statement that advances the status of a call; `ends`: to one that is the last."""
    statement = (
        update(call)
        .where(call.c.id == bindparam("the_call"), call.c.status_rank < bindparam("the_rank"))
        .values(status=bindparam("the_status"), status_rank=bindparam("the_rank"))
    )
    if ends:
        # The first end counts, whichever of the last statuses comes after it.
        statement = statement.values(ended_at=func.coalesce(call.c.ended_at, clock.at()))
    return statement


@lru_cache
def _move(clock: Clock, *, ends: bool) -> Prepared:
    return Prepared(moving(clock, ends=ends))


def erase_callers(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Erase the numbers of calls that began longer ago than `older_than`."""
    statement = (
        update(call)
        .where(
            call.c.started_at < clock.at(-older_than),
            or_(call.c.caller_enc.is_not(None), call.c.caller_idx.is_not(None)),
        )
        .values(nothing_personal(call))
    )
    return connection.execute(statement).rowcount
