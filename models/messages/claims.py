"""Messages that are due, and who delivers them: a relay claims each until its lease runs out.

Several relays may take some at once: each takes what no other has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    String,
    bindparam,
    case,
    exists,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from models.call.tables import call
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.messages.outbox import ClaimedMessage, is_due, opened, write_claimed
from models.messages.phone_lines import REMEMBERED, Remembered
from models.messages.tables import message, phone_line
from models.online.tables import visit
from models.prepared import Prepared
from models.rows import columns_of


def due(
    connection: Connection, clock: Clock, kinds: Sequence[str], *, limit: int, latest: bool = True
) -> list[str]:
    """Ids of messages to deliver now: what became due first of each kind, and last of all kinds.

    So a confirmation that was just written does not wait behind ten thousand reminders. Without
    `latest`: in the order in which they became due.
    """
    found = _due_ids(clock, tuple(kinds), limit, latest=False).rows(connection)
    if len(found) < limit or not latest:
        return [row.id for row in found]
    # Half as many of what became due last.
    newest = _due_ids(clock, tuple(kinds), max(1, limit // 2), latest=True).rows(connection)
    return list(dict.fromkeys(row.id for row in [*newest, *found]))[:limit]


@lru_cache
def _due_ids(clock: Clock, kinds: tuple[str, ...], limit: int, *, latest: bool) -> Prepared:
    """What became due first, or `latest`."""

    def in_order(moment: ColumnElement[Any]) -> ColumnElement[Any]:
        return moment.desc() if latest else moment

    # Each kind by itself, so that the index gives them in order and no more is read.
    each = [
        select(message.c.id, message.c.due_at)
        .where(message.c.kind == kind, is_due(clock))
        .order_by(in_order(message.c.due_at))
        .limit(limit)
        .subquery(f"kind_{number}")
        for number, kind in enumerate(kinds)
    ]
    together = union_all(*(select(part.c.id, part.c.due_at) for part in each)).subquery()
    return Prepared(select(together.c.id).order_by(in_order(together.c.due_at)).limit(limit))


def claim(
    connection: Connection, clock: Clock, vault: Vault, message_id: str, lease: timedelta
) -> ClaimedMessage | None:
    """Take a message that is due, for `lease`; None when another relay has it or it is done."""
    look, take = _claiming(clock, lease)
    found = look.rows(connection, {"of_id": message_id})
    if not found:
        return None
    taken = take.rows(connection, {"of_id": message_id})
    if not taken:
        return None
    (before,) = found
    line = None
    if before.kind is not None:
        line = Remembered(*before[2:])
    client = bytes(before.client) if before.client else None
    claimed = opened(taken[0], vault)
    return replace(claimed, ambiguous=before.state == "sending", line=line, client=client)


@dataclass(frozen=True)
class TakenMessages:
    """What a relay took at once; those `unreadable`, by their ids, are put aside."""

    claimed: list[ClaimedMessage]
    unreadable: list[str]


def take(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    kinds: Sequence[str],
    lease: timedelta,
    put_aside_for: timedelta,
    *,
    limit: int,
    latest: bool = True,
) -> TakenMessages:
    """Claim about so many messages that are due, in one transaction; others skip them meanwhile.

    In the order of `due`: each kind has its part of them, what became due first, and with `latest`
    half of it what became due last. One that cannot be opened is not due for `put_aside_for`.
    """
    kinds = tuple(kinds)
    waiting = _waiting_kinds(clock, kinds).rows(connection)
    if not waiting:
        return TakenMessages([], [])
    share = -(-limit // len(waiting))
    first = share - share // 2 if latest else share
    found = _taking(clock, kinds, latest=False).rows(connection, {"share": first})
    if latest and share > first and len(found) >= first:
        newest = _taking(clock, kinds, latest=True).rows(connection, {"share": share})
        found = [*_others(newest, found, share - first), *found]
    opened: dict[str, ClaimedMessage] = {}
    unreadable = []
    for row in found:
        try:
            opened[row.id] = _taken(row, vault)
        except CannotOpen:
            unreadable.append(row.id)
    for message_id in unreadable:
        put_aside(connection, clock, message_id, put_aside_for)
    if not opened:
        return TakenMessages([], unreadable)
    # Locked, so that no other relay has changed them: asked once more all the same.
    taken = connection.execute(_take(clock, lease), {"of_ids": list(opened)}).scalars()
    ours = set(taken)
    return TakenMessages([message for message in opened.values() if message.id in ours], unreadable)


def _others(newest: Sequence[Any], found: Sequence[Any], most: int) -> list[Any]:
    """So many of each kind that are not among those that were found.

    Of many that became due in one moment, as a day's reminders do, which are the first and which
    the last is whatever order the database reads them in: both may be the same.
    """
    there, counted = {row.id for row in found}, Counter[str]()
    others = []
    for row in newest:
        if row.id not in there and counted[row.kind] < most:
            counted[row.kind] += 1
            others.append(row)
    return others


def _taken(row: Any, vault: Vault) -> ClaimedMessage:
    return replace(
        opened(row, vault),
        attempts=row.attempts + 1,
        ambiguous=row.state == "sending",
        line=None if row.line_kind is None else Remembered(*row[-len(REMEMBERED) :]),
        client=bytes(row.client) if row.client else None,
    )


@lru_cache
def _waiting_kinds(clock: Clock, kinds: tuple[str, ...]) -> Prepared:
    """Those kinds of which something is due: one look at the index for each."""
    each = [
        select(literal(kind, String).label("kind")).where(
            exists().where(message.c.kind == kind, is_due(clock))
        )
        for kind in kinds
    ]
    return Prepared(union_all(*each))


@lru_cache
def _taking(clock: Clock, kinds: tuple[str, ...], *, latest: bool) -> Prepared:
    """Lock so many of each kind that no other relay has locked, with what is known beside them."""
    moment = message.c.due_at.desc() if latest else message.c.due_at
    names = dict.fromkeys([*(col.name for col in _CLAIMED), "state", "recipient_idx", "due_at"])
    columns = [message.c[name] for name in names]
    each = [
        select(*columns)
        .where(message.c.kind == kind, is_due(clock))
        .order_by(moment)
        .limit(bindparam("share", type_=Integer))
        .with_for_update(skip_locked=True)
        .subquery(f"kind_{number}")
        for number, kind in enumerate(kinds)
    ]
    rows = union_all(*(select(part) for part in each)).subquery("taken")
    known = [column.label(f"line_{column.name}") for column in REMEMBERED]
    return Prepared(
        select(
            *(rows.c[name] for name in names),
            func.coalesce(call.c.caller_idx, visit.c.place_idx).label("client"),
            *known,
        )
        .select_from(rows)
        .outerjoin(phone_line, phone_line.c.phone_idx == rows.c.recipient_idx)
        .outerjoin(call, call.c.id == rows.c.call_id)
        .outerjoin(visit, visit.c.id == rows.c.call_id)
        .order_by(rows.c.due_at.desc() if latest else rows.c.due_at)
    )


@lru_cache
def _take(clock: Clock, lease: timedelta) -> ReturningUpdate[Any]:
    return (
        update(message)
        .where(message.c.id.in_(bindparam("of_ids", expanding=True)), is_due(clock))
        .values(
            state="sending",
            attempts=message.c.attempts + 1,
            lease_until=clock.at(lease),
            updated_at=clock.at(),
        )
        .returning(message.c.id)
    )


def leave(connection: Connection, clock: Clock, claimed: Sequence[ClaimedMessage]) -> None:
    """Put back what was taken and not begun: it is due as before, and no try is counted."""
    for taken in claimed:
        values: dict[str, Any] = {"attempts": message.c.attempts - 1}
        if taken.ambiguous:
            values["lease_until"] = clock.at()
        else:
            values |= {"state": "pending", "lease_until": None}
        write_claimed(connection, clock, taken, **values)


_CLAIMED = (
    *columns_of(ClaimedMessage, message), message.c.recipient_enc, message.c.payload_enc,
)  # fmt: skip


@lru_cache
def _claiming(clock: Clock, lease: timedelta) -> tuple[Prepared, Prepared]:
    this = message.c.id == bindparam("of_id")
    look = (
        select(
            message.c.state,
            func.coalesce(call.c.caller_idx, visit.c.place_idx).label("client"),
            *REMEMBERED,
        )
        .select_from(message)
        .outerjoin(phone_line, phone_line.c.phone_idx == message.c.recipient_idx)
        .outerjoin(call, call.c.id == message.c.call_id)
        .outerjoin(visit, visit.c.id == message.c.call_id)
        .where(this, is_due(clock))
        .with_for_update(skip_locked=True, of=message)
    )
    take = (
        update(message)
        .where(this, is_due(clock))
        .values(
            state="sending",
            attempts=message.c.attempts + 1,
            lease_until=clock.at(lease),
            updated_at=clock.at(),
        )
        .returning(*_CLAIMED)
    )
    return Prepared(look), Prepared(take)


def put_aside(connection: Connection, clock: Clock, message_id: str, after: timedelta) -> None:
    """One that cannot be opened, and so not be claimed, is not due again before `after`."""
    waits = message.c.state == "pending"
    statement = (
        update(message)
        .where(message.c.id == message_id, is_due(clock))
        .values(
            due_at=case((waits, clock.at(after)), else_=message.c.due_at),
            lease_until=case((waits, None), else_=clock.at(after)),
            error_code="unreadable",
            updated_at=clock.at(),
        )
    )
    connection.execute(statement)
