"""Lines that the provider rings for us: an agent's, a supervisor's, a third person's.

A leg's state never moves backwards, in whatever order the provider tells of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from models.agents.tables import leg
from models.clock import Clock
from models.crypto import Vault
from models.rows import from_row, values_of
from models.writes import insert_new

_RANK = {"asked": 0, "ringing": 1, "answered": 2, "joined": 3, "ended": 4}


@dataclass(frozen=True)
class Leg:
    """A line that we ring. `to` is empty for a browser's."""

    id: str
    kind: str
    staff_id: str | None
    entry_id: str | None
    provider_sid: str | None
    state: str
    mode: str
    outcome: str
    created_at: datetime
    to: str = ""
    # Since when the person on it has their own microphone off; None: they are heard.
    muted_at: datetime | None = None


@dataclass(frozen=True)
class NewLeg:
    """A line to ring. `kind`: agent, supervisor, callback, third. `to`: E.164 or client:<id>."""

    id: str
    kind: str
    entry_id: str
    to: str
    staff_id: str | None = None
    mode: str = ""


def add(connection: Connection, clock: Clock, vault: Vault, new: NewLeg) -> None:
    values = values_of(new, leg) | {
        "state": "asked",
        "to_enc": vault.seal_text(new.to, f"leg.to:{new.id}"),
    }
    insert_new(connection, clock, leg, values, "created_at", "updated_at")


def _leg(row: Any, vault: Vault) -> Leg:
    return from_row(Leg, row, to=vault.open_text(row.to_enc, f"leg.to:{row.id}") or "")


def get(connection: Connection, vault: Vault, leg_id: str, *, lock: bool = False) -> Leg | None:
    """A leg by our own id."""
    statement = select(leg).where(leg.c.id == leg_id)
    if lock:
        statement = statement.with_for_update()
    found = connection.execute(statement).one_or_none()
    return None if found is None else _leg(found, vault)


def of_call(connection: Connection, vault: Vault, provider_sid: str) -> Leg | None:
    """A leg by the provider's id of its call."""
    found = connection.execute(select(leg).where(leg.c.provider_sid == provider_sid)).one_or_none()
    return None if found is None else _leg(found, vault)


def of_entry(
    connection: Connection,
    vault: Vault,
    entry_id: str,
    kinds: Collection[str] = (),
    *,
    live: bool = True,
) -> list[Leg]:
    """The legs of an entry, oldest first; those that are over too unless `live`."""
    statement = select(leg).where(leg.c.entry_id == entry_id).order_by(leg.c.created_at, leg.c.id)
    if kinds:
        statement = statement.where(leg.c.kind.in_(kinds))
    if live:
        statement = statement.where(leg.c.state != "ended")
    return [_leg(row, vault) for row in connection.execute(statement)]


def of_staff(connection: Connection, vault: Vault, staff_id: str, kind: str) -> Leg | None:
    """The newest leg of an agent that is not over."""
    statement = (
        select(leg)
        .where(
            leg.c.ended_at.is_(None),
            leg.c.staff_id == staff_id,
            leg.c.kind == kind,
            leg.c.state != "ended",
        )
        .order_by(leg.c.created_at.desc(), leg.c.id.desc())
        .limit(1)
    )
    found = connection.execute(statement).one_or_none()
    return None if found is None else _leg(found, vault)


def of_entrys_agent(
    connection: Connection, vault: Vault, entry_id: str, staff_id: str | None
) -> Leg | None:
    """The live line of an entry's agent: rung for it, or as the third person of a transfer."""
    theirs = [
        leg
        for leg in of_entry(connection, vault, entry_id, ("agent", "third"))
        if staff_id is not None and leg.staff_id == staff_id
    ]
    return theirs[-1] if theirs else None


def move(
    connection: Connection,
    clock: Clock,
    leg_id: str,
    state: str,
    *,
    provider_sid: str | None = None,
    outcome: str = "",
) -> bool:
    """Advance a leg; False for an unknown one, or a state that is not later.

    The provider's id is noted whatever the state, the first time that it is told.
    """
    if provider_sid:
        connection.execute(
            update(leg)
            .where(leg.c.id == leg_id, leg.c.provider_sid.is_(None))
            .values(provider_sid=provider_sid, updated_at=clock.at())
        )
    earlier = [name for name, rank in _RANK.items() if rank < _RANK[state]]
    values: dict[str, Any] = {"state": state, "updated_at": clock.at()}
    if state == "ended":
        values |= {"ended_at": clock.at(), "outcome": outcome}
    moved = connection.execute(
        update(leg).where(leg.c.id == leg_id, leg.c.state.in_(earlier)).values(values)
    )
    return moved.rowcount == 1


def set_mode(connection: Connection, clock: Clock, leg_id: str, mode: str) -> None:
    """How a supervisor is in a conversation from now on."""
    connection.execute(
        update(leg).where(leg.c.id == leg_id).values(mode=mode, updated_at=clock.at())
    )


def set_muted(connection: Connection, clock: Clock, leg_id: str, *, on: bool) -> bool:
    """Note that a joined line's own microphone is off or on; False when nothing changed by it."""
    there = leg.c.muted_at.is_(None) if on else leg.c.muted_at.is_not(None)
    changed = connection.execute(
        update(leg)
        .where(leg.c.id == leg_id, leg.c.state == "joined", there)
        .values(muted_at=clock.at() if on else None, updated_at=clock.at())
    )
    return changed.rowcount == 1
