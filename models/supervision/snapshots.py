"""What screens show: written by one process each second, read by all.

`at` moves with every writing, the body only when it changed. So its tag answers "nothing new" to a
screen that has it, and `at` alone tells a screen that the writing process has stopped.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, null, select, update

from models.clock import Clock
from models.prepared import Prepared
from models.supervision.tables import snapshot
from models.writes import upsert

_DIGITS = 32


@dataclass(frozen=True)
class Snapshot:
    """`at` is when it was last found true (UTC); `body` is JSON, None where the tag was known."""

    name: str
    at: datetime
    tag: str
    body: str | None


def put(connection: Connection, clock: Clock, name: str, body: Mapping[str, Any]) -> str:
    """Store what is true now; gives its tag. One small write where nothing changed."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    tag = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    same = (
        update(snapshot).where(snapshot.c.name == name, snapshot.c.tag == tag).values(at=clock.at())
    )
    if connection.execute(same).rowcount:
        return tag
    upsert(connection, snapshot, {"name": name, "at": clock.at(), "tag": tag, "body": text})
    return tag


_GET = Prepared(
    select(
        snapshot.c.at,
        snapshot.c.tag,
        case((snapshot.c.tag == bindparam("known_tag"), null()), else_=snapshot.c.body).label(
            "body"
        ),
    ).where(snapshot.c.name == bindparam("the_name"))
)


def get(connection: Connection, name: str, known_tag: str = "") -> Snapshot | None:
    """The newest one of a name; without its body if a screen has that already (`known_tag`)."""
    found = _GET.rows(connection, {"the_name": name, "known_tag": known_tag})
    return Snapshot(name, *found[0]) if found else None


def newest_at(connection: Connection) -> datetime | None:
    """When the process that writes them wrote one last (UTC); None: it never did."""
    found: datetime | None = connection.execute(select(func.max(snapshot.c.at))).scalar_one()
    return found
