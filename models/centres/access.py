"""Access to centres with a wheelchair: what the source says, and an operator's word over it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from models.centres.centres import locked
from models.centres.tables import centre
from models.clock import Clock


@dataclass(frozen=True)
class Access:
    """What the source says ("yes", "no", empty for nothing), and an operator (None: nothing)."""

    id: str
    name: str
    wheelchair: str
    our_wheelchair: str | None

    @property
    def told(self) -> str:
        """What counts."""
        return self.wheelchair if self.our_wheelchair is None else self.our_wheelchair


def told(connection: Connection, centre_id: str) -> str:
    """What counts of a centre; empty where no person told it."""
    said = func.coalesce(centre.c.our_wheelchair, centre.c.wheelchair)
    return connection.execute(select(said).where(centre.c.id == centre_id)).scalar() or ""


def state(connection: Connection, centre_id: str) -> Access | None:
    """A centre, locked, so that of two commands the second sees what the first said."""
    return locked(connection, Access, centre_id)


def write(connection: Connection, clock: Clock, centre_id: str, word: str | None) -> None:
    """Say so from now on; None takes an operator's word back."""
    connection.execute(
        update(centre)
        .where(centre.c.id == centre_id)
        .values(our_wheelchair=word, updated_at=clock.at())
    )
