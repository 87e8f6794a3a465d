"""Whose places are whose: how the places of a holder are found.

An index on `place.held_by` would have each hold written into every index of its place, for a row
stays where it is only as long as no index knows what changes. So each hold is noted in
`held_place`, and the place itself says whether it is one still. A note is never missing; what is
over is forgotten by `forget`. See docs/decisions/0002.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    String,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.sql.dml import ReturningUpdate

from models.slots.tables import held_place, place


def of_holder(holder: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Of a place that says that it is held by this one, live or not."""
    return and_(place.c.held_by == holder, _noted(held_place.c.holder == holder))


def of_holders(holders: Collection[str]) -> ColumnElement[bool]:
    """The same of any of these."""
    return and_(place.c.held_by.in_(holders), _noted(held_place.c.holder.in_(holders)))


def of_any_holder() -> ColumnElement[bool]:
    """Of a place that says that it is held, by whomever."""
    return and_(place.c.held_by.is_not(None), _noted())


def is_found() -> ColumnElement[bool]:
    """Of a place that is held: whether it is among what is looked through for its holder."""
    noted = exists().where(
        held_place.c.place_id == place.c.id, held_place.c.holder == place.c.held_by
    )
    return and_(place.c.held_by.is_not(None), noted)


def _noted(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    # An array is read first, and each of its places by its id, whatever PostgreSQL believes of how
    # many there are. It would else read all places where it knows little of the notes.
    ids = select(held_place.c.place_id).where(*which).scalar_subquery()
    return place.c.id == any_(func.array(ids))


def noting(held: ReturningUpdate[Any]) -> Executable:
    """A statement that holds places for `:the_holder`, and notes them; it returns what `held` does.

    What it returns has the `id` of each place.
    """
    taken = held.cte("taken")
    values = select(bindparam("the_holder", type_=String), taken.c.id)
    noted = insert(held_place).from_select(["holder", "place_id"], values).cte("noted")
    return select(taken).add_cte(noted)


def note(connection: Connection, holder: str, place_ids: Sequence[int]) -> None:
    """Note what this transaction has held for `holder`, by another statement."""
    if place_ids:
        rows = [{"holder": holder, "place_id": place_id} for place_id in place_ids]
        connection.execute(insert(held_place), rows)


def forget(connection: Connection) -> None:
    """Take away the notes of places that their holder has no more.

    One that a transaction makes meanwhile is not seen, and stays.
    """
    still = exists().where(
        place.c.id == held_place.c.place_id, place.c.held_by == held_place.c.holder
    )
    connection.execute(delete(held_place).where(~still))
