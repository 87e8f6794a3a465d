"""What operators say a centre is called, over what was made of its source's name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from models.centres.centres import locked
from models.centres.tables import centre, centre_name
from models.clock import Clock
from models.rows import columns_of


@dataclass(frozen=True)
class NamedState:
    """A centre with its names: in force, of its source, and what an operator said (None: nothing).

    `spoken_name` and `source_name` are empty where they are like `name`.
    """

    id: str
    town: str
    name: str
    spoken_name: str
    source_name: str
    our_name: str | None
    our_spoken_name: str | None

    @property
    def of_source(self) -> str:
        return self.source_name or self.name

    @property
    def spoken(self) -> str:
        return self.spoken_name or self.name

    @property
    def corrected(self) -> bool:
        """Whether an operator said one of them."""
        return (self.our_name or self.our_spoken_name) is not None


def state(connection: Connection, centre_id: str) -> NamedState | None:
    """A centre, locked, so that of two commands the second sees what the first said."""
    return locked(connection, NamedState, centre_id)


@dataclass(frozen=True)
class Naming:
    """What is written of a centre's names."""

    name: str
    spoken_name: str
    source_name: str
    our_name: str | None
    our_spoken_name: str | None


def write(connection: Connection, clock: Clock, centre_id: str, naming: Naming) -> None:
    """Call a centre so from now on."""
    values = {column.name: getattr(naming, column.name) for column in columns_of(Naming, centre)}
    connection.execute(
        update(centre).where(centre.c.id == centre_id).values(updated_at=clock.at(), **values)
    )


def note(connection: Connection, clock: Clock, before: NamedState, who: str) -> None:
    """Keep what an operator had said until now."""
    connection.execute(
        insert(centre_name).values(
            centre_id=before.id,
            who=who,
            at=clock.at(),
            before_name=before.our_name,
            before_spoken_name=before.our_spoken_name,
        )
    )


def take_back(
    connection: Connection, clock: Clock, centre_id: str
) -> tuple[str | None, str | None] | None:
    """What an operator had said before the last word, which is over; None where there is none."""
    c = centre_name.c
    newest = select(func.max(c.id)).where(c.centre_id == centre_id, c.ended_at.is_(None))
    row = connection.execute(
        select(c.id, c.before_name, c.before_spoken_name).where(c.id == newest.scalar_subquery())
    ).first()
    if row is None:
        return None
    connection.execute(update(centre_name).where(c.id == row.id).values(ended_at=clock.at()))
    return row.before_name, row.before_spoken_name
