"""The freeze of everything that leaves, from a restore until it is known what left before it.

It is a row that every claim of a message and of a call looks at in its own statement: so no process
of any machine sends while it lasts, whether or not it was told.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select, text, update

from models.agents.tables import intent
from models.clock import Clock
from models.database import Database
from models.messages.outbox import MAIL
from models.messages.tables import FROZEN, message, outbox_freeze
from models.rows import columns_of
from models.writes import insert_new

# To the letter what the index says, or it would not be used.
_FROZEN = text("outbox_freeze.state = 'frozen'")


@dataclass(frozen=True)
class OutboxFreeze:
    """Moments are UTC. `began_by`, `ended_by`: operator and an account of the machine.

    `since_at` is the moment from which on the provider is asked what left. `counts` is what came of
    it.
    """

    id: str
    since_at: datetime
    began_at: datetime
    began_by: str
    reconciled_at: datetime | None
    ended_at: datetime | None
    counts: Mapping[str, int]


_COLUMNS = columns_of(OutboxFreeze, outbox_freeze)


def is_on(connection: Connection) -> bool:
    """Whether a freeze lasts."""
    return bool(connection.execute(select(FROZEN)).scalar_one())


def current(connection: Connection) -> OutboxFreeze | None:
    """The one that lasts; None where what is due leaves."""
    row = connection.execute(select(*_COLUMNS).where(_FROZEN)).one_or_none()
    return _freeze(row)


def newest(connection: Connection) -> OutboxFreeze | None:
    """The one that began last, over or not."""
    order = (outbox_freeze.c.began_at.desc(), outbox_freeze.c.id)
    row = connection.execute(select(*_COLUMNS).order_by(*order).limit(1)).one_or_none()
    return _freeze(row)


def _freeze(row: Any) -> OutboxFreeze | None:
    if row is None:
        return None
    return replace(OutboxFreeze(*row), counts=json.loads(row.counts))


def wait_for_claims(database: Database) -> None:
    """Wait until every claim has ended that began before a freeze was committed.

    Such a claim may not have seen the freeze, and sends after it. Each table is waited for by
    itself: a transaction that writes to both in another order is never in the way. Raises
    SQLAlchemy's errors where one of them does not end within the time of a statement.
    """
    for table in ("message", "intent"):
        with database.transaction() as connection:
            connection.execute(text(f"LOCK TABLE {table} IN EXCLUSIVE MODE"))


def begin(
    connection: Connection, clock: Clock, freeze_id: str, *, since: datetime, by: str
) -> bool:
    """Freeze from now on; False where a freeze lasts already."""
    values = {"id": freeze_id, "state": "frozen", "since_at": since, "began_by": by}
    if not insert_new(connection, clock, outbox_freeze, values, "began_at"):
        return False
    # What mails left before is listed nowhere: none goes twice, and its text or call goes on.
    mails = and_(message.c.kind == MAIL, message.c.state.in_(("pending", "sending")))
    nothing = {"state": "dropped", "error_code": "restored", "lease_until": None}
    connection.execute(update(message).where(mails).values(**nothing))
    return True


def note(
    connection: Connection,
    clock: Clock,
    freeze_id: str,
    counts: Mapping[str, int],
    *,
    complete: bool,
) -> None:
    """Keep what came of looking; `complete`: all that the provider lists was looked at."""
    values: dict[str, Any] = {"counts": json.dumps(dict(counts), sort_keys=True)}
    if complete:
        values["reconciled_at"] = clock.at()
    this = outbox_freeze.c.id == freeze_id
    connection.execute(update(outbox_freeze).where(this).values(**values))


def end(connection: Connection, clock: Clock, by: str) -> bool:
    """Let everything leave again; False where nothing was frozen."""
    over = {"state": "ended", "ended_at": clock.at(), "ended_by": by}
    return connection.execute(update(outbox_freeze).where(_FROZEN).values(**over)).rowcount == 1


def being_sent(connection: Connection, clock: Clock) -> int:
    """How many messages and calls back were claimed before the freeze and may be leaving now."""
    texts = (
        select(func.count())
        .select_from(message)
        .where(
            text("message.state IN ('pending', 'sending')"),
            message.c.state == "sending",
            message.c.lease_until > clock.at(),
        )
    )
    calls = (
        select(func.count())
        .select_from(intent)
        .where(
            text("intent.state IN ('pending', 'doing')"),
            intent.c.state == "doing",
            intent.c.kind == "dial_callback",
            intent.c.lease_until > clock.at(),
        )
    )
    return sum(connection.execute(count).scalar_one() for count in (texts, calls))


def waiting(connection: Connection) -> int:
    """How many messages wait, due or not, until the freeze ends."""
    unsent = text("message.state IN ('pending', 'sending')")
    statement = select(func.count()).select_from(message).where(unsent)
    return connection.execute(statement).scalar_one()
