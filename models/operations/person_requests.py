"""Requests of people: asked for, decided, done."""

from __future__ import annotations

import json

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from models.clock import Clock
from models.crypto import Vault
from models.operations.people import Given
from models.operations.tables import person_request
from models.rows import from_row

EXPORT, ERASE = "export", "erase"
# Asked for and not decided; erased here, and something is left to do; over.
ASKED, ERASED, DONE, REFUSED, LAPSED = "asked", "erased", "done", "refused", "lapsed"


@dataclass(frozen=True)
class PersonRequest:
    """A request as it is kept; `given` is None once it is decided. Moments are UTC."""

    id: str
    kind: str
    state: str
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str
    decided_at: datetime | None
    done_at: datetime | None
    given: Given | None
    counts: Mapping[str, int]


def add(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    request_id: str,
    kind: str,
    given: Given | None,
    *,
    reason: str,
    by: str,
) -> None:
    """Write a request down; `given` None: it is dealt with in this very transaction."""
    connection.execute(
        person_request.insert().values(
            id=request_id,
            kind=kind,
            state=ASKED,
            reason=reason,
            asked_by=by,
            asked_at=clock.at(),
            person_enc=None if given is None else _sealed(vault, request_id, given),
            updated_at=clock.at(),
        )
    )


def load(
    connection: Connection, vault: Vault, request_id: str, *, lock: bool = False
) -> PersonRequest | None:
    """A request; with `lock` no other transaction decides it until this one ends."""
    statement = select(person_request).where(person_request.c.id == request_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _opened(vault, row)


def open_ones(connection: Connection, vault: Vault) -> list[PersonRequest]:
    """Requests that are not over, oldest first."""
    statement = (
        select(person_request)
        .where(person_request.c.done_at.is_(None))
        .order_by(person_request.c.asked_at)
    )
    return [_opened(vault, row) for row in connection.execute(statement)]


def decide(
    connection: Connection,
    clock: Clock,
    request_id: str,
    state: str,
    *,
    by: str,
    counts: Mapping[str, int] | None = None,
) -> bool:
    """Note what became of a request that was asked for; False where it was decided before.

    Who it was about is forgotten with it.
    """
    statement = (
        update(person_request)
        .where(person_request.c.id == request_id, person_request.c.state == ASKED)
        .values(
            state=state,
            decided_by=by,
            decided_at=clock.at(),
            updated_at=clock.at(),
            person_enc=None,
            counts=json.dumps(dict(counts or {})),
            done_at=None if state == ERASED else clock.at(),
        )
    )
    return connection.execute(statement).rowcount == 1


def take_left(connection: Connection, vault: Vault, request_id: str) -> list[str]:
    """The ids at the provider that an earlier version kept with a request; then they are gone here.

    In the transaction that puts them down elsewhere.
    """
    row = person_request.c
    statement = select(row.provider_enc).where(row.id == request_id, row.provider_enc.is_not(None))
    sealed = connection.execute(statement.with_for_update()).scalar()
    told = vault.open_text(sealed, _where("provider", request_id))
    if not told:
        return []
    connection.execute(update(person_request).where(row.id == request_id).values(provider_enc=None))
    return [sid for ids in json.loads(told).values() for sid in ids]


def finish(connection: Connection, clock: Clock, request_id: str) -> bool:
    """Note that nothing is left to do; False where it was not erased, or finished before."""
    statement = (
        update(person_request)
        .where(person_request.c.id == request_id, person_request.c.state == ERASED)
        .values(state=DONE, done_at=clock.at(), updated_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def forget(connection: Connection, clock: Clock, *, undecided: timedelta, done: timedelta) -> int:
    """Let requests lapse that were not decided in time, and delete those over so long ago."""
    row = person_request.c
    connection.execute(
        update(person_request)
        .where(row.state == ASKED, row.asked_at < clock.at(-undecided))
        .values(state=LAPSED, person_enc=None, done_at=clock.at(), updated_at=clock.at())
    )
    old = and_(row.done_at.is_not(None), row.done_at < clock.at(-done))
    return connection.execute(delete(person_request).where(old)).rowcount


def _where(column: str, request_id: str) -> str:
    return f"person_request.{column}:{request_id}"


def _sealed(vault: Vault, request_id: str, given: Given) -> bytes | None:
    told = {"born": given.born.isoformat(), "number": given.number, "reference": given.reference}
    return vault.seal_text(json.dumps(told), _where("person", request_id))


def _opened(vault: Vault, row: Any) -> PersonRequest:
    told = vault.open_text(row.person_enc, _where("person", row.id))
    given = None
    if told:
        known = json.loads(told)
        given = Given(date.fromisoformat(known["born"]), known["number"], known["reference"])
    return from_row(
        PersonRequest,
        row,
        given=given,
        counts=json.loads(row.counts),
    )
