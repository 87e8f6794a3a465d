"""How far what is erased in many small transactions has come."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from models.operations.tables import erasure
from models.writes import upsert


def reached(connection: Connection, step: str) -> datetime | None:
    """Until when (UTC) a step has erased; None where it never ran."""
    statement = select(erasure.c.reached).where(erasure.c.step == step)
    return connection.execute(statement).scalar_one_or_none()


def note(connection: Connection, step: str, until: datetime) -> None:
    """A step has erased what is older, in the transaction that did."""
    upsert(connection, erasure, {"step": step, "reached": until})
