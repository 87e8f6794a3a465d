"""What went wrong, as the public page about the service tells it: since when, until when.

Moments are UTC. Of what a machine finds by itself at most one of a kind and subject goes on at a
time: a process that begins or ends one holds the lock of `one_at_a_time` until its transaction
ends.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, insert, or_, select, update

from models.advisory_locks import one_after_another
from models.clock import Clock
from models.public.tables import incident
from models.rows import columns_of

STORE: Final = "store"
OVERLOAD: Final = "overload"
PARTNER: Final = "partner"
TEXTS: Final = "texts"
TOLD: Final = "told"
SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True)
class Incident:
    """`text` is what an operator wrote in French; of PARTNER the name of the platform.

    `translations` has the text by the code of another language ("en"). `ended_at` is None while it
    goes on. `who`: SYSTEM, or the operator or supervisor who told it.
    """

    id: str
    kind: str
    text: str
    began_at: datetime
    ended_at: datetime | None
    who: str
    translations: Mapping[str, str]


_COLUMNS = columns_of(Incident, incident)


def _incidents(connection: Connection, statement: Select[Any]) -> list[Incident]:
    return [
        replace(Incident(*row), translations=json.loads(row.translations))
        for row in connection.execute(statement)
    ]


def one_at_a_time(connection: Connection) -> None:
    """Until this transaction ends, no other one that asks for it begins or ends an incident."""
    one_after_another(connection, [b"incident"])


def begin(
    connection: Connection,
    clock: Clock,
    incident_id: str,
    *,
    kind: str,
    text: str = "",
    translations: Mapping[str, str] | None = None,
    who: str = SYSTEM,
    began_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> None:
    """Write one; without `began_at` it begins now, with `ended_at` it is over already."""
    connection.execute(
        insert(incident).values(
            id=incident_id,
            kind=kind,
            text=text,
            translations=json.dumps(dict(translations or {}), sort_keys=True),
            began_at=began_at or clock.at(),
            ended_at=ended_at,
            who=who,
        )
    )


def end(connection: Connection, clock: Clock, incident_id: str) -> bool:
    """It is over; False where it was already, or there is none of that id."""
    statement = (
        update(incident)
        .where(incident.c.id == incident_id, incident.c.ended_at.is_(None))
        .values(ended_at=clock.at())
    )
    return bool(connection.execute(statement).rowcount)


def stretch(
    connection: Connection, incident_id: str, began_at: datetime, ended_at: datetime | None
) -> None:
    """Write when one really began and ended, as an outside observer saw it."""
    connection.execute(
        update(incident)
        .where(incident.c.id == incident_id)
        .values(began_at=began_at, ended_at=ended_at)
    )


def recent(connection: Connection, since: datetime, most: int) -> list[Incident]:
    """What goes on or ended after `since`, the newest first."""
    statement = (
        select(*_COLUMNS)
        .where(or_(incident.c.ended_at.is_(None), incident.c.ended_at >= since))
        .order_by(incident.c.began_at.desc(), incident.c.id)
        .limit(most)
    )
    return _incidents(connection, statement)


def latest(connection: Connection, most: int) -> list[Incident]:
    """The newest, whether they go on or not."""
    statement = select(*_COLUMNS).order_by(incident.c.began_at.desc(), incident.c.id).limit(most)
    return _incidents(connection, statement)
