"""Turns of calls: what was heard, the session after it, and the bytes that were answered.

The key (call, number) is the duplicate check: a copy of a webhook finds the stored answer, or
waits for the transaction that is to write it. See docs/decisions/0001. On PostgreSQL each
day has such a key for itself; what `day` of a call is, `models.turn_days` says.
"""

from __future__ import annotations

import hashlib

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models import turn_days
from models.call.tables import turn
from models.clock import Clock
from models.crypto import Vault
from models.prepared import Prepared
from models.slots.places import renewal
from models.slots.tables import place
from models.turn_days import lies_on
from models.writes import hasty


@dataclass(frozen=True)
class Body:
    """The personal part of a turn, sealed as one value."""

    heard: str
    session: str
    answer: str

    def seal(self, vault: Vault, call_id: str, number: int) -> bytes:
        # Lengths in front: escaping a document into JSON costs more than sealing it.
        plain = f"{len(self.heard)}:{len(self.session)}:{self.heard}{self.session}{self.answer}"
        return vault.seal(plain.encode(), _where(call_id, number))

    @classmethod
    def open(cls, sealed: bytes, vault: Vault, call_id: str, number: int) -> Body:
        """Raises models.crypto.CannotOpen."""
        plain = vault.open(sealed, _where(call_id, number)).decode()
        heard, session, rest = plain.split(":", 2)
        first, second = int(heard), int(heard) + int(session)
        return cls(rest[:first], rest[first:second], rest[second:])


@dataclass(frozen=True)
class StoredTurn:
    """A turn as found: `body` is None once erased, or while another worker is still writing it.

    `day` is the one that it lies in, and so will all other turns of its call.
    """

    number: int
    step: str
    body: Body | None
    day: date


def _where(call_id: str, number: int) -> str:
    return f"turn.body:{call_id}:{number}"


_LOOK = (
    select(turn.c.number, turn.c.step, turn.c.body_enc, turn.c.rang_on)
    .where(turn.c.call_id == bindparam("call"), turn.c.number <= bindparam("number"))
    .order_by(turn.c.number.desc())
    .limit(1)
)
_NEWEST = Prepared(_LOOK)
_DAY = turn_days.given("day")
_NEWEST_OF_DAY = Prepared(_LOOK.where(lies_on(turn.c.rang_on, _DAY)))


def newest(
    connection: Connection,
    vault: Vault,
    call_id: str,
    number: int = 32767,
    day: date | None = None,
) -> StoredTurn | None:
    """The newest turn of a call that is not later than `number`; of a day alone, where it is given.

    Without a day all that are kept are looked through.
    """
    values = {"call": call_id, "number": number, "day": day}
    found = (_NEWEST if day is None else _NEWEST_OF_DAY).rows(connection, values)
    if not found:
        return None
    row = found[0]
    body = row.body_enc and Body.open(row.body_enc, vault, call_id, row.number)
    return StoredTurn(row.number, row.step, body or None, row.rang_on)


def record(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    call_id: str,
    number: int,
    day: date,
    *,
    step: str,
    outcome: str,
    body: Body,
    about: str = "",
    lease: timedelta | None = None,
    may_be_lost: bool = False,
) -> bool:
    """Store a turn in one statement; False when a copy of it came first.

    `about` are the services that it is about, as "grippe+covid"; empty: none that has a name.
    `may_be_lost`: it does not wait for the disk (`models.writes.hasty`).

    With a `lease` the same statement renews what the call holds.
    """
    values = values_of(
        vault, call_id, number, day, step=step, outcome=outcome, body=body, about=about
    )
    if lease:
        values["the_holder"] = call_id
    return _record(clock, lease, may_be_lost=may_be_lost).count(connection, values) == 1


def renew(connection: Connection, clock: Clock, call_id: str, lease: timedelta) -> None:
    """Prolong what a call holds, in a transaction whose effect does not."""
    _renewal(clock, lease).count(connection, {"the_holder": call_id})


@lru_cache
def _renewal(clock: Clock, lease: timedelta) -> Prepared:
    return Prepared(renewal(clock, lease))


def values_of(
    vault: Vault,
    call_id: str,
    number: int,
    day: date,
    *,
    step: str,
    outcome: str,
    body: Body,
    about: str = "",
) -> dict[str, Any]:
    """What the statement of `insertion` is given."""
    # No name here may be a column of any table: SQLAlchemy would set that column in the CTE too.
    return {
        "the_call": call_id,
        "the_number": number,
        "the_step": step,
        "the_outcome": outcome,
        "the_body": body.seal(vault, call_id, number),
        "the_about": about or None,
        "the_day": day,
    }


def insertion(clock: Clock, *, may_be_lost: bool = False) -> Any:
    """A turn is written, and nothing where one of its number was."""
    return _insertion(
        at=hasty(clock.at()) if may_be_lost else clock.at(),
        step=bindparam("the_step"),
        outcome=bindparam("the_outcome"),
        body_enc=bindparam("the_body"),
        about=bindparam("the_about"),
    )


def _insertion(**columns: Any) -> Any:
    return (
        insert(turn)
        .on_conflict_do_nothing()
        .values(
            call_id=bindparam("the_call"),
            number=bindparam("the_number"),
            rang_on=turn_days.stored(turn_days.given("the_day")),
            **columns,
        )
    )


@lru_cache
def _record(clock: Clock, lease: timedelta | None, *, may_be_lost: bool) -> Prepared:
    statement = insertion(clock, may_be_lost=may_be_lost)
    if lease:
        held = renewal(clock, lease).returning(place.c.id).cte("renewed")
        statement = statement.add_cte(held)
    return Prepared(statement.execution_options(preserve_rowcount=True))


def lock(connection: Connection, call_id: str, number: int, day: date) -> bool:
    """Let copies of a turn wait until this transaction ends; False where it was answered before.

    What is done then is written by `record`, which would say whether a copy came first after all.
    """
    # No row that the answer would write anew: that is half of what a claim costs.
    _WAIT.rows(connection, {"lock": _lock_of(call_id, number)})
    # A copy that was quicker may just have committed, and whatever this one did then would fail:
    # its booking is there already.
    values = {"call": call_id, "n": number, "day": day}
    return not _THERE.rows(connection, values)


def _lock_of(call_id: str, number: int) -> int:
    """The lock of a turn: one number of 64 bits, as no other lock of ours has."""
    digest = hashlib.blake2b(f"{call_id}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


_LOCK = bindparam("lock", type_=BigInteger)
_WAIT = Prepared(select(func.pg_advisory_xact_lock(_LOCK).label("taken")))


def claim(connection: Connection, clock: Clock, call_id: str, number: int, day: date) -> bool:
    """Write a turn without its answer, which a request of the same number in the call waits for.

    False where the call is past it; one that is locked is waited for. `complete` writes the answer.
    """
    _WAIT.rows(connection, {"lock": _lock_of(call_id, number)})
    values = {"the_call": call_id, "the_number": number, "the_day": day}
    return _claim(clock).count(connection, values) == 1


@lru_cache
def _claim(clock: Clock) -> Prepared:
    statement = _insertion(at=clock.at(), step="", outcome="claimed")
    return Prepared(statement.execution_options(preserve_rowcount=True))


_THE_TURN = (
    turn.c.call_id == bindparam("call"),
    turn.c.number == bindparam("n"),
    lies_on(turn.c.rang_on, _DAY),
)
_THERE = Prepared(select(turn.c.number).where(*_THE_TURN))
_COMPLETE = Prepared(
    update(turn)
    .where(*_THE_TURN)
    .values(
        step=bindparam("s"),
        outcome=bindparam("o"),
        body_enc=bindparam("body"),
        about=bindparam("its_about"),
    )
)
_before = turn.alias("before")
# What an agent's webhook writes into a call goes on with what the call was about.
_COMPLETE_ALIKE = Prepared(
    update(turn)
    .where(*_THE_TURN)
    .values(
        step=bindparam("s"),
        outcome=bindparam("o"),
        body_enc=bindparam("body"),
        about=select(_before.c.about)
        .where(
            _before.c.call_id == turn.c.call_id,
            _before.c.number == turn.c.number - 1,
            _before.c.rang_on == turn.c.rang_on,
        )
        .scalar_subquery(),
    )
)


def complete(
    connection: Connection,
    vault: Vault,
    call_id: str,
    number: int,
    day: date,
    *,
    step: str,
    outcome: str,
    body: Body,
    about: str | None = None,
) -> None:
    """Write the answer of a claimed turn, in the transaction that claimed it.

    `about` as of `record`; None: what the turn before it was about.
    """
    sealed = body.seal(vault, call_id, number)
    values = {"call": call_id, "n": number, "day": day, "s": step, "o": outcome, "body": sealed}
    if about is None:
        _COMPLETE_ALIKE.count(connection, values)
    else:
        _COMPLETE.count(connection, values | {"its_about": about or None})


def oldest(connection: Connection) -> datetime | None:
    """When the first turn that is kept was (UTC). Reads all of them on PostgreSQL: once is enough.

    None where there is none.
    """
    found: datetime | None = connection.execute(select(func.min(turn.c.at))).scalar_one()
    return found


def erase_bodies(connection: Connection, since: datetime, until: datetime, most: int) -> int:
    """Erase what was heard and answered between two moments (UTC), `most` at a time.

    Gives how many; fewer than `most` says that none is left. Step and outcome stay.
    """
    some = _some(since, until, most).where(_SOME.c.body_enc.is_not(None))
    return connection.execute(update(turn).where(_KEY.in_(some)).values(body_enc=None)).rowcount


def delete_between(connection: Connection, since: datetime, until: datetime, most: int) -> int:
    """Delete turns between two moments (UTC) in the same way."""
    statement = delete(turn).where(_KEY.in_(_some(since, until, most)))
    return connection.execute(statement).rowcount


_SOME = turn.alias("some")
_KEY = tuple_(turn.c.call_id, turn.c.number, turn.c.rang_on)


def _some(since: datetime, until: datetime, most: int) -> Select[Any]:
    # By their keys: a row that is written anew meanwhile (another data key) is found all the same.
    return (
        select(_SOME.c.call_id, _SOME.c.number, _SOME.c.rang_on)
        .where(_SOME.c.at >= since, _SOME.c.at < until)
        .limit(most)
    )
