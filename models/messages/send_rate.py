"""How many texts a second leave: permits given one after the other, shared by all processes.

A bucket (`rate_bucket`) owes what was given ahead of time: its `tokens` are never above 0, and 0
says that the next may leave now. So no two permits of a bucket are closer than its rate allows,
however long nothing left before. Permits of the sender and of the account are taken together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, or_, select, update

from models.agents.tables import rate_bucket
from models.clock import Clock
from models.messages.tables import message
from models.prepared import Prepared
from models.writes import insert_new

_NOW = timedelta()
# A permit that misses its limit by less is within it: sums of fractions are not exact.
_ABOUT = timedelta(milliseconds=1)
# Reports that did not come for so long do not come any more, and stop nothing.
_REPORTED_WITHIN = timedelta(minutes=10)
# States of a row of the outbox that has not left.
_UNSENT = ("pending", "sending")


@dataclass(frozen=True)
class Bucket:
    """`name` has 20 letters at most; `cost` is what one text takes of `per_second`."""

    name: str
    per_second: float
    cost: float = 1.0


@dataclass(frozen=True)
class Permit:
    """`wait`: how long until the text may leave; not `given`: until it may ask again."""

    wait: timedelta
    given: bool


def take(
    connection: Connection, clock: Clock, buckets: Sequence[Bucket], within: timedelta
) -> Permit:
    """Take the next permit of all buckets, if it comes `within` that time; in a transaction.

    The rows are locked until it commits, in the order of their names: two processes that read the
    same row would give one permit twice, and two that locked in different orders would wait for
    each other.
    """
    if not buckets:
        return Permit(_NOW, given=True)
    ordered = sorted(buckets, key=lambda one: one.name)
    rows = _rows(connection, clock, ordered)
    balances = [_balance(rows[bucket.name], bucket) for bucket in ordered]
    wait = max(_until(*pair, within) for pair in zip(balances, ordered, strict=True))
    if wait > within + _ABOUT:
        return Permit(wait - within, given=False)
    for bucket in ordered:
        row = rows[bucket.name]
        values = {
            "the_bucket": bucket.name,
            # What is owed from now on, so that the next permit is behind this one.
            "new_tokens": -1 - wait.total_seconds() * bucket.per_second,
            # A clock that was set back must not be paid for twice when it goes on.
            "new_at": max(row.moment, row.at),
        }
        _WRITE.count(connection, values)
    return Permit(wait, given=True)


def _rows(connection: Connection, clock: Clock, buckets: Sequence[Bucket]) -> dict[str, Row[Any]]:
    """The rows of the buckets, locked; a bucket that is not known yet is made."""
    names = {f"bucket_{number}": one.name for number, one in enumerate(buckets)}
    statement = _locking(clock, len(buckets))
    found = {row.name: row for row in statement.rows(connection, names)}
    missing = [bucket.name for bucket in buckets if bucket.name not in found]
    if not missing:
        return found
    for name in missing:
        insert_new(connection, clock, rate_bucket, {"name": name, "tokens": 0.0}, "at")
    return {row.name: row for row in statement.rows(connection, names)}


def _until(balance: float, bucket: Bucket, within: timedelta) -> timedelta:
    """How long until a permit of that cost, where so much is owed.

    What costs more than one comes later by the rest, or it would come too soon behind the others.
    It never waits for longer than anybody would: else it would wait for ever.
    """
    cost = min(bucket.cost, 1 + within.total_seconds() * bucket.per_second)
    return timedelta(seconds=max((cost - 1 - balance) / bucket.per_second, 0.0))


def _balance(row: Row[Any], bucket: Bucket) -> float:
    since = max((row.moment - row.at).total_seconds(), 0.0)
    owed: float = row.tokens + since * bucket.per_second
    return min(0.0, owed)


@lru_cache
def _locking(clock: Clock, number: int) -> Prepared:
    names: list[BindParameter[str]] = [bindparam(f"bucket_{place}") for place in range(number)]
    found = (
        select(
            rate_bucket.c.name,
            rate_bucket.c.tokens,
            rate_bucket.c.at,
            clock.at().label("moment"),
        )
        .where(or_(*(rate_bucket.c.name == name for name in names)))
        .order_by(rate_bucket.c.name)
    )
    return Prepared(found.with_for_update())


_WRITE = Prepared(
    update(rate_bucket)
    .where(rate_bucket.c.name == bindparam("the_bucket"))
    .values(tokens=bindparam("new_tokens"), at=bindparam("new_at"))
)


def parts_unreported(connection: Connection, clock: Clock) -> int:
    """Parts of texts that the provider took lately and of which it has reported nothing yet."""
    statement = select(func.coalesce(func.sum(message.c.parts), 0)).where(
        message.c.sent_at > clock.at(-_REPORTED_WITHIN),
        message.c.state == "sent",
        message.c.way == "text",
    )
    return int(connection.execute(statement).scalar_one())


def count_due(connection: Connection, clock: Clock, kinds: Sequence[str]) -> int:
    """How many messages of these kinds could leave now."""
    statement = select(func.count()).where(
        message.c.kind.in_(kinds),
        message.c.state.in_(_UNSENT),
        message.c.due_at <= clock.at(),
    )
    return connection.execute(statement).scalar_one()
