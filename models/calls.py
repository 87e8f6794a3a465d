"""Calls: who rang (encrypted), and what became of the line."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from sqlalchemy import Connection, bindparam, func, or_, select, update

from models.clock import Clock
from models.crypto import Vault
from models.dialects import insert_new
from models.prepared import Prepared
from models.tables import call

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


def start(
    connection: Connection, clock: Clock, vault: Vault, call_id: str, caller: str | None
) -> bool:
    """Store a new call; False when it is known already. `caller` is E.164 or None."""
    values = {
        "id": call_id,
        "caller_enc": vault.seal_text(caller, f"call.caller:{call_id}"),
        "caller_idx": vault.index("phone", caller),
        "status": "ringing",
        "status_rank": STATUS_RANK["ringing"],
    }
    return insert_new(connection, clock, call, values, "started_at")


def caller_idx(connection: Connection, call_id: str) -> bytes | None:
    """The look-up value of the caller's number; None when it was withheld or is erased."""
    return connection.execute(
        select(call.c.caller_idx).where(call.c.id == call_id)
    ).scalar_one_or_none()


def move_status(connection: Connection, clock: Clock, call_id: str, status: str) -> bool:
    """Advance the status of a call; False for an unknown call, an unknown or an earlier status."""
    rank = STATUS_RANK.get(status)
    if rank is None:
        return False
    values = {"the_call": call_id, "the_status": status, "the_rank": rank}
    return _move(clock, ends=is_over(status)).count(connection, values) == 1


@lru_cache
def _move(clock: Clock, *, ends: bool) -> Prepared:
    statement = (
        update(call)
        .where(call.c.id == bindparam("the_call"), call.c.status_rank < bindparam("the_rank"))
        .values(status=bindparam("the_status"), status_rank=bindparam("the_rank"))
    )
    if ends:
        # The first end counts, whichever of the last statuses comes after it.
        statement = statement.values(ended_at=func.coalesce(call.c.ended_at, clock.at()))
    return Prepared(statement)


def erase_callers(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Erase the numbers of calls that began longer ago than `older_than`."""
    statement = (
        update(call)
        .where(
            call.c.started_at < clock.at(-older_than),
            or_(call.c.caller_enc.is_not(None), call.c.caller_idx.is_not(None)),
        )
        .values(caller_enc=None, caller_idx=None)
    )
    return connection.execute(statement).rowcount
