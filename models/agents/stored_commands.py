"""Provider commands as they are stored: claimed by one process, done once."""

from __future__ import annotations

import json

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from models.agents.tables import intent, leg
from models.clock import Clock
from models.crypto import Vault
from models.messages.tables import FROZEN
from models.rows import columns_of, from_row, values_of

UNDONE = ("pending", "doing")
# To the letter what the index says, or it would not be used.
_UNDONE = text("intent.state IN ('pending', 'doing')")
# After a restore no caller is rung back: it may have been done before. Who is on the line goes on.
_MAY_LEAVE = or_(intent.c.kind != "dial_callback", ~FROZEN)


@dataclass(frozen=True)
class ClaimedCommand:
    """A provider command to carry out until its lease runs out.

    `ambiguous`: an earlier try may have reached the provider. `age` is since it was stored.
    """

    id: str
    kind: str
    staff_id: str | None
    entry_id: str | None
    leg_id: str | None
    arguments: Mapping[str, Any]
    attempts: int
    ambiguous: bool
    created_at: datetime


@dataclass(frozen=True)
class Pending:
    """A provider command as a page shows it: not done yet, or failed with the provider's code."""

    id: str
    kind: str
    state: str
    error_code: str | None
    leg_id: str | None
    created_at: datetime


@dataclass(frozen=True)
class NewCommand:
    """Something to ask of the provider. The same `key` (80 letters) twice is one provider command.

    `kind` is a services.agents.command_store.CommandKind. `at_once`: the process that stores the
    command does not carry it out itself, so the dispatcher need not wait.
    """

    kind: str
    key: str
    staff_id: str | None = None
    entry_id: str | None = None
    leg_id: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    at_once: bool = False


def add(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    made: str,
    new: NewCommand,
    not_before: timedelta,
) -> str:
    """Store a provider command by the id `made`; gives that, or the id of the one that has its key.

    Other processes leave it alone `not_before`, unless it is `at_once`.
    """
    shown = json.dumps(new.arguments)
    row = values_of(new, intent) | {
        "id": made,
        "arguments_enc": vault.seal_text(shown, f"intent.arguments:{made}"),
        "state": "pending",
        "created_at": clock.at(),
        "updated_at": clock.at(),
        "lease_until": clock.at() if new.at_once else clock.at(not_before),
    }
    statement = insert(intent).on_conflict_do_nothing().values(**row)
    statement = statement.execution_options(preserve_rowcount=True)
    if connection.execute(statement).rowcount == 1:
        return made
    found: str = connection.execute(select(intent.c.id).where(intent.c.key == new.key)).scalar_one()
    return found


def undone(connection: Connection, clock: Clock, limit: int = 200) -> list[tuple[str, str | None]]:
    """Ids of provider commands that no process carries out, oldest first, each with its entry's."""
    statement = (
        select(intent.c.id, intent.c.entry_id)
        .where(_UNDONE, _is_free(clock), _MAY_LEAVE)
        .order_by(intent.c.created_at, intent.c.id)
        .limit(limit)
    )
    return [(row.id, row.entry_id) for row in connection.execute(statement)]


def _is_free(clock: Clock) -> ColumnElement[bool]:
    """Free to claim: never tried and left alone for long enough, or its lease has run out."""
    return or_(intent.c.lease_until.is_(None), intent.c.lease_until <= clock.at())


def claim(
    connection: Connection, clock: Clock, vault: Vault, wanted: str, lease: timedelta
) -> ClaimedCommand | None:
    """Take a provider command for `lease`; None when another process has it, or it is over.

    The process that has just stored a command need not wait for it to be free.
    """
    may = and_(
        intent.c.id == wanted,
        or_(
            and_(intent.c.state == "pending", or_(intent.c.attempts == 0, _is_free(clock))),
            and_(intent.c.state == "doing", _is_free(clock)),
        ),
        _MAY_LEAVE,
    )
    before = connection.execute(
        select(intent.c.state).where(may).with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if before is None:
        return None
    row = connection.execute(
        update(intent)
        .where(may)
        .values(
            state="doing",
            attempts=intent.c.attempts + 1,
            lease_until=clock.at(lease),
            updated_at=clock.at(),
        )
        .returning(intent)
    ).one_or_none()
    if row is None:
        return None
    arguments = json.loads(vault.open_text(row.arguments_enc, f"intent.arguments:{row.id}") or "{}")
    return from_row(ClaimedCommand, row, arguments=arguments, ambiguous=before == "doing")


def change_claimed(
    connection: Connection, clock: Clock, claimed: ClaimedCommand, **values: Any
) -> bool:
    """Change a command that is claimed; False when another process has taken it over."""
    ours = (
        intent.c.id == claimed.id,
        intent.c.state == "doing",
        intent.c.attempts == claimed.attempts,
    )
    statement = update(intent).where(*ours).values(**values, updated_at=clock.at())
    return connection.execute(statement).rowcount == 1


def settle(connection: Connection, clock: Clock, entry_id: str, kinds: Sequence[str]) -> int:
    """What was asked of these kinds is seen to have happened, or is not wanted any more."""
    return connection.execute(
        update(intent)
        .where(intent.c.entry_id == entry_id, intent.c.kind.in_(kinds), intent.c.state.in_(UNDONE))
        .values(state="done", lease_until=None, updated_at=clock.at())
    ).rowcount


def error_codes(connection: Connection, ids: Collection[str]) -> list[str]:
    """Why some of these failed, oldest first."""
    statement = (
        select(intent.c.error_code)
        .where(intent.c.id.in_(ids), intent.c.state == "failed")
        .order_by(intent.c.created_at)
    )
    return [code for code in connection.execute(statement).scalars() if code]


def pending_of(connection: Connection, entry_id: str) -> list[Pending]:
    """What is not done of an entry, and what could not be, oldest first."""
    statement = (
        select(*columns_of(Pending, intent))
        .where(intent.c.entry_id == entry_id, intent.c.state != "done")
        .order_by(intent.c.created_at, intent.c.id)
    )
    return [Pending(*row) for row in connection.execute(statement)]


def delete_old(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Delete old legs and provider commands: they hold numbers and are of no more use."""
    old = clock.at(-older_than)
    commands = delete(intent).where(intent.c.created_at < old, intent.c.state.not_in(UNDONE))
    lines = delete(leg).where(leg.c.created_at < old, leg.c.state == "ended")
    return sum(connection.execute(statement).rowcount for statement in (commands, lines))
