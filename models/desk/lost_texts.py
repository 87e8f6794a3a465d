"""What the provider tells of people unknown to a restored store, each with its case."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from models.clock import Clock
from models.crypto import Vault
from models.desk.tables import agent_case, lost_text
from models.writes import insert_new

TEXT, RANG, CAME = "text", "rang", "came"


@dataclass(frozen=True)
class LostText:
    """`kind`: TEXT; RANG, we rang and a person answered; CAME, a person rang us.

    `sid` is the provider's id, `number` is E.164, `at` is UTC; `body` is empty for a call.
    """

    id: str
    case_id: str
    kind: str
    sid: str
    number: str
    body: str
    at: datetime


def add(connection: Connection, clock: Clock, vault: Vault, new: LostText) -> bool:
    """Keep one; False where the provider's id is here already."""
    values = {
        "id": new.id,
        "case_id": new.case_id,
        "kind": new.kind,
        "provider_sid": new.sid,
        "number_enc": vault.seal_text(new.number, f"lost_text.number:{new.id}"),
        "number_idx": vault.index("phone", new.number),
        "body_enc": vault.seal_text(new.body or None, f"lost_text.body:{new.id}"),
        "at": new.at,
    }
    return insert_new(connection, clock, lost_text, values, "created_at")


def open_case_of(connection: Connection, vault: Vault, number: str, kind: str) -> str | None:
    """The open case of that kind to which what was found for a number (E.164) belongs."""
    statement = (
        select(agent_case.c.id)
        .join(lost_text, lost_text.c.case_id == agent_case.c.id)
        .where(
            lost_text.c.number_idx == vault.index("phone", number),
            agent_case.c.kind == kind,
            agent_case.c.closed_at.is_(None),
        )
        .order_by(agent_case.c.created_at, agent_case.c.id)
        .limit(1)
    )
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


def of_case(connection: Connection, vault: Vault, case_id: str) -> list[LostText]:
    """What belongs to a case, in the order in which it left. Raises CannotOpen."""
    order = (lost_text.c.at, lost_text.c.provider_sid)
    statement = select(lost_text).where(lost_text.c.case_id == case_id).order_by(*order)
    return [_lost(row, vault) for row in connection.execute(statement)]


def _lost(row: Any, vault: Vault) -> LostText:
    return LostText(
        id=row.id,
        case_id=row.case_id,
        kind=row.kind,
        sid=row.provider_sid,
        number=vault.open_text(row.number_enc, f"lost_text.number:{row.id}") or "",
        body=vault.open_text(row.body_enc, f"lost_text.body:{row.id}") or "",
        at=row.at,
    )


def here(connection: Connection, sids: Collection[str]) -> set[str]:
    """Which of these ids of the provider are kept already."""
    statement = select(lost_text.c.provider_sid).where(lost_text.c.provider_sid.in_(sids))
    return set(connection.execute(statement).scalars())
