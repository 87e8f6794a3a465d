"""What operators say of centres over what their source says, and which command said it.

A centre is ours when an operator took it. A take keeps what was said before, so that it can be
taken back.
"""

from __future__ import annotations

import json

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from models.centres.tables import centre, centre_take
from models.clock import Clock
from models.rows import columns_of, from_row

# What a centre of which no source said anything goes back to.
UNSAID = "own_phone"


@dataclass(frozen=True)
class Word:
    """What an operator said of a centre; None of anything: nothing, the source's counts.

    `hours` is JSON as in models.centres.tables; `capacity` in places, `minutes` between two slots.
    """

    mode: str | None = None
    hours: str | None = None
    capacity: int | None = None
    minutes: int | None = None


@dataclass(frozen=True)
class TakeState:
    """A centre as a take looks at it. `closed_at` is UTC, `closes_on` a day there."""

    id: str
    name: str
    town: str
    departement: str
    time_zone: str
    booking_mode: str
    source_mode: str | None
    hours: str
    phones: str
    latitude: float | None
    longitude: float | None
    postcode: str
    walk_in: str
    closed_at: datetime | None
    closes_on: date | None
    word: Word
    spoken_name: str = ""
    source_name: str = ""

    @property
    def spoken(self) -> str:
        return self.spoken_name or self.name

    @property
    def of_source(self) -> str:
        return self.source_name or self.name

    @property
    def back_to(self) -> str:
        """How it is booked once an operator says nothing of it any more."""
        return self.source_mode or UNSAID


@dataclass(frozen=True)
class TakenBefore:
    """One centre of a take, and what an operator had said of it before."""

    take_id: str
    centre_id: str
    before: Word


_WORD = {
    "mode": centre.c.our_mode,
    "hours": centre.c.our_hours,
    "capacity": centre.c.slot_capacity,
    "minutes": centre.c.slot_minutes,
}


def states(
    connection: Connection,
    *,
    ids: Collection[str] = (),
    departement: str = "",
    every: bool = False,
    lock: bool = False,
) -> dict[str, TakeState]:
    """Centres by id: the named ones, those of a département that are open, or every open one.

    Unknown ids are left out; some hundred may be asked for at a time. With `lock` two commands on
    one centre go one after the other.
    """
    c = centre.c
    said = [column.label(f"word_{name}") for name, column in _WORD.items()]
    statement = select(*columns_of(TakeState, centre), *said).order_by(c.id)
    if every:
        statement = statement.where(c.closed_at.is_(None))
    elif departement:
        statement = statement.where(c.departement == departement, c.closed_at.is_(None))
    else:
        statement = statement.where(c.id.in_(ids))
    if lock:
        statement = statement.with_for_update(key_share=True)
    return {row.id: _state(row) for row in connection.execute(statement)}


def _state(row: Any) -> TakeState:
    mode = row.word_mode or ("ours" if row.booking_mode == "ours" else None)
    word = Word(mode, row.word_hours, row.word_capacity, row.word_minutes)
    return from_row(TakeState, row, word=word)


@dataclass(frozen=True)
class Said:
    """A word to write: how the centre is booked from now on, and what an operator says of it."""

    centre_id: str
    booking_mode: str
    word: Word


def say(connection: Connection, clock: Clock, said: Sequence[Said]) -> None:
    """Write what an operator says of centres."""
    if not said:
        return
    statement = (
        update(centre)
        .where(centre.c.id == bindparam("the_id"))
        .values(
            booking_mode=bindparam("the_booking_mode"),
            updated_at=clock.at(),
            **{column.name: bindparam(f"the_{name}") for name, column in _WORD.items()},
        )
    )
    rows = [
        {"the_id": row.centre_id, "the_booking_mode": row.booking_mode}
        | {f"the_{name}": value for name, value in asdict(row.word).items()}
        for row in said
    ]
    connection.execute(statement, rows)


def add(
    connection: Connection, clock: Clock, take_id: str, who: str, before: Sequence[TakeState]
) -> None:
    """Note which centres a command takes, with what was said of them until now."""
    if before:
        statement = insert(centre_take).values(take_id=take_id, who=who, at=clock.at())
        rows = [{"centre_id": row.id, "before": json.dumps(asdict(row.word))} for row in before]
        connection.execute(statement, rows)


def newest(connection: Connection) -> str | None:
    """The id of the last take of which something is in force."""
    c = centre_take.c
    statement = select(c.take_id).where(c.ended_at.is_(None)).order_by(c.id.desc()).limit(1)
    return connection.execute(statement).scalar_one_or_none()


def of_take(connection: Connection, take_id: str) -> list[TakenBefore]:
    """The centres of a take that are in force, in the order of their ids."""
    c = centre_take.c
    statement = (
        select(c.take_id, c.centre_id, c.before)
        .where(c.take_id == take_id, c.ended_at.is_(None))
        .order_by(c.centre_id)
    )
    return [
        TakenBefore(row.take_id, row.centre_id, Word(**json.loads(row.before)))
        for row in connection.execute(statement)
    ]


def end(connection: Connection, clock: Clock, centre_id: str, take_id: str | None = None) -> None:
    """A take of a centre is over, or all of them are."""
    c = centre_take.c
    statement = update(centre_take).where(c.centre_id == centre_id, c.ended_at.is_(None))
    if take_id is not None:
        statement = statement.where(c.take_id == take_id)
    connection.execute(statement.values(ended_at=clock.at()))
