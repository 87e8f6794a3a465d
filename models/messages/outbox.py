"""The outbox: every message that must be sent outside, stored with what caused it.

States: pending → sending → sent → delivered | undelivered | failed; or dropped, where the message
is not needed any more. A row in `sending` whose lease ran out is ambiguous: the relay died, or the
answer of the provider was lost. Whatever fails leaves a row that follows it up (`FOLLOW_UP`), in
the same transaction, so that no delivery failure goes unnoticed.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.called import BY_BOOKING
from models.clock import Clock
from models.crypto import Vault
from models.messages.phone_lines import Remembered
from models.messages.tables import FROZEN, message
from models.prepared import Prepared
from models.rows import from_row, record, values_of
from models.writes import insert_new

# Ids in one statement.
MOST_IDS = 1000
_AT_ONCE = timedelta()
UNSENT = ("pending", "sending")
# Totally ordered, the last ones too: what is kept must not depend on the order of arrival.
# `dropped` comes before `sent`: what a report says of a message that we thought better of is the
# truth, for it had left.
STATE_RANK = {
    "pending": 0,
    "sending": 1,
    "dropped": 2,
    "sent": 3,
    "failed": 4,
    "undelivered": 5,
    "delivered": 6,
}
FAILING = ("failed", "undelivered")
# The kind of a row that looks, a moment later, at what became of one that failed.
FOLLOW_UP = "follow_up"
# The kind of a row that an operator had sent again, in the place of one that failed.
RESEND = "resend"
# The kind of a row that goes to an address of e-mail, beside the text or call of the same thing.
MAIL = "mail"
# How their dedupe keys begin, before the id of the message that failed.
FOLLOWS = {FOLLOW_UP: "follows:", RESEND: "resend:"}
# Reports of one message may contradict each other, and come in any order: what follows from them
# waits until they are all there.
SETTLE = timedelta(minutes=1)
# The code of a message that a budget holds back.
HELD = "budget"
# The code of a message whose person, once rung, wanted no more calls about that booking.
NOT_WANTED = "not wanted"
# Where a notice's payload keeps the words that went.
SENT_BODY = "sent"
# `json.dumps` makes an encoder each time that it is told how to write.
_as_json = json.JSONEncoder(ensure_ascii=False).encode


def followed(kind: str, dedupe_key: str) -> str | None:
    """The message whose failure a row looks at, or in whose place it goes; None for all others."""
    begins = FOLLOWS.get(kind)
    is_there = begins is not None and dedupe_key.startswith(begins)
    return dedupe_key.removeprefix(begins or "") if is_there else None


@record(frozen=True)
class NewMessage:
    """Something to deliver. `payload` is what its kind needs; it is encrypted at rest.

    `due_at` (UTC): not before that moment; None for at once.
    """

    id: str
    kind: str
    dedupe_key: str
    recipient: str
    payload: dict[str, Any]
    booking_id: str | None = None
    call_id: str | None = None
    due_at: datetime | None = None
    # One of services.messages.topics.Topic: what it tells of.
    topic: str = ""
    # The number of ours that it is of; None: that of its booking or call.
    called: str | None = None
    # `dropped` for one that is written like any other, and never leaves.
    state: str = "pending"
    # The keyed hash of its recipient's number, where it is known; None: `add` makes it.
    recipient_idx: bytes | None = None


@dataclass(frozen=True)
class ClaimedMessage:
    """A message that this relay may deliver until its lease runs out.

    `ambiguous` says that an earlier try may have reached the provider.
    """

    id: str
    kind: str
    recipient: str
    payload: dict[str, Any]
    attempts: int
    ambiguous: bool
    created_at: datetime
    booking_id: str | None = None
    call_id: str | None = None
    topic: str = ""
    dedupe_key: str = ""
    # What is remembered of its recipient's line, if anything is.
    line: Remembered | None = None
    # The keyed hash of who caused it: a visitor's address or a calling line, where it is known.
    client: bytes | None = None
    # A budget held it back since then (UTC); a supervisor sent it all the same.
    held_at: datetime | None = None
    let_go_by: str | None = None
    # The number of ours that its call or booking came in by; None: the default.
    called: str | None = None

    @property
    def follows(self) -> str | None:
        """The message whose failure this one looks at, or in whose place it goes."""
        return followed(self.kind, self.dedupe_key)


@dataclass(frozen=True)
class StoredMessage:
    """A message as it is kept; nothing of it is claimed. Moments are UTC."""

    claimed: ClaimedMessage
    state: str
    way: str | None
    error_code: str | None
    updated_at: datetime
    sent_at: datetime | None = None


@dataclass(frozen=True)
class Retry:
    """Another try `after` so long. `ambiguous`: not before it was looked up at the provider."""

    after: timedelta
    code: str
    ambiguous: bool = False


def add(connection: Connection, clock: Clock, vault: Vault, new: NewMessage) -> bool:
    """Store a message; False when one with its dedupe key is there already."""
    payload = _as_json(new.payload)
    values = values_of(new, message)
    values |= {
        "recipient_enc": vault.seal_text(new.recipient, _where("recipient", new.id)),
        "recipient_idx": new.recipient_idx or vault.index("phone", new.recipient),
        "payload_enc": vault.seal_text(payload, _where("payload", new.id)),
    }
    if new.due_at is None:
        del values["due_at"]
        moments = ("due_at", "created_at", "updated_at")
        return insert_new(connection, clock, message, values, *moments, looked_up=(BY_BOOKING,))
    # Its age, by which alerts are raised and rows are erased, counts from when it may leave.
    values["created_at"] = new.due_at
    return insert_new(connection, clock, message, values, "updated_at", looked_up=(BY_BOOKING,))


def take_back(connection: Connection, message_id: str, *, leaves: bool) -> None:
    """Remove a message that this transaction has stored, unless it leaves; one statement for both.

    Going back to a savepoint would make the driver forget every statement that it has prepared.
    """
    _TAKE_BACK.count(connection, {"the_message": message_id, "leaves": leaves})


_TAKE_BACK = Prepared(
    delete(message).where(
        message.c.id == bindparam("the_message"), not_(bindparam("leaves", type_=Boolean))
    ),
)


def load(
    connection: Connection, vault: Vault, message_id: str, *, lock: bool = False
) -> StoredMessage | None:
    """A message as it is kept, whatever its state; None where there is none."""
    statement = select(message).where(message.c.id == message_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else from_row(StoredMessage, row, claimed=opened(row, vault))


def unsent(
    connection: Connection, vault: Vault, which: ColumnElement[bool]
) -> list[ClaimedMessage]:
    """Those that wait, due or not, the longest due first; nothing of them is claimed."""
    unsent = message.c.state.in_([literal_column(f"'{state}'") for state in UNSENT])
    statement = select(message).where(unsent, which).order_by(message.c.due_at, message.c.id)
    return [opened(row, vault) for row in connection.execute(statement)]


def opened(row: Any, vault: Vault) -> ClaimedMessage:
    """Open a row. Recipient and payload are empty where they are made at sending, or erased."""
    return from_row(
        ClaimedMessage,
        row,
        recipient=vault.open_text(row.recipient_enc, _where("recipient", row.id)) or "",
        payload=json.loads(vault.open_text(row.payload_enc, _where("payload", row.id)) or "{}"),
        ambiguous=False,
        line=None,
        client=None,
    )


def about_to_text(
    connection: Connection,
    clock: Clock,
    vault: Vault,
    claimed: ClaimedMessage,
    *,
    body: str,
    parts: int,
    lease: timedelta,
) -> bool:
    """Keep the words and the recipient of a notice before it is sent; False when taken over.

    Should the answer be lost, it is these words that are looked for at the provider.
    """
    payload = _as_json({**claimed.payload, SENT_BODY: body})
    return write_claimed(
        connection,
        clock,
        claimed,
        payload_enc=vault.seal_text(payload, _where("payload", claimed.id)),
        way="text",
        parts=parts,
        lease_until=clock.at(lease),
        **_addressed(vault, claimed),
    )


def told_by_call(
    connection: Connection, clock: Clock, vault: Vault, claimed: ClaimedMessage
) -> bool:
    """A call is promised that tells it; False when another relay has taken it over."""
    return write_claimed(
        connection,
        clock,
        claimed,
        way="call",
        state="sent",
        lease_until=None,
        sent_at=func.coalesce(message.c.sent_at, clock.at()),
        **_addressed(vault, claimed),
    )


def drop(connection: Connection, clock: Clock, claimed: ClaimedMessage, why: str) -> bool:
    """A message need not be delivered any more; `why` is a word of 12 letters at most."""
    over = {"state": "dropped", "error_code": why, "lease_until": None}
    return write_claimed(connection, clock, claimed, **over)


def put_off(
    connection: Connection, clock: Clock, claimed: ClaimedMessage, at: datetime, why: str
) -> bool:
    """It is not to go before `at` (UTC), and its try does not count; `why` as in `drop`.

    Its age, by which alerts are raised, counts from then, as that of what was promised for later.
    """
    return _wait_until(connection, clock, claimed, at, error_code=why)


def await_permit(
    connection: Connection, clock: Clock, claimed: ClaimedMessage, after: timedelta, why: str
) -> bool:
    """The provider's pace has no permit for it before `after`; its try does not count.

    Unlike `put_off` it goes on ageing: it could leave, and does not.
    """
    return write_claimed(
        connection,
        clock,
        claimed,
        state="pending",
        due_at=clock.at(after),
        lease_until=None,
        attempts=message.c.attempts - 1,
        error_code=why,
    )


def hold(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    claimed: ClaimedMessage,
    at: datetime,
    why: str,
) -> bool:
    """A budget of the day (`why`) is spent: it waits until `at` (UTC), or for a supervisor.

    As for `put_off` its try does not count, and its age counts from then.
    """
    return _wait_until(
        connection,
        clock,
        claimed,
        at,
        error_code=HELD,
        held_at=func.coalesce(message.c.held_at, clock.at()),
        held_why=why,
        **_addressed(vault, claimed),
    )


def let_go(
    connection: Connection, clock: Clock, message_ids: Sequence[str], staff_id: str
) -> list[str]:
    """Send what a budget held back all the same, by a supervisor's word; gives the ids of those."""
    gone: list[str] = []
    for start in range(0, len(message_ids), MOST_IDS):
        statement = (
            update(message)
            .where(
                message.c.id.in_(message_ids[start : start + MOST_IDS]),
                message.c.held_at.is_not(None),
                message.c.state == "pending",
                message.c.let_go_by.is_(None),
            )
            .values(let_go_by=staff_id, due_at=clock.at(), updated_at=clock.at())
        )
        gone += connection.execute(statement.returning(message.c.id)).scalars()
    return gone


def _wait_until(
    connection: Connection, clock: Clock, claimed: ClaimedMessage, at: datetime, **values: Any
) -> bool:
    """Put a message back that is not to go before `at` (UTC); its try does not count."""
    return write_claimed(
        connection,
        clock,
        claimed,
        state="pending",
        due_at=at,
        created_at=at,
        lease_until=None,
        attempts=message.c.attempts - 1,
        **values,
    )


def write_claimed(
    connection: Connection, clock: Clock, claimed: ClaimedMessage, **values: Any
) -> bool:
    """Change a message that this relay has claimed; False when another has taken it over."""
    ours = (
        message.c.id == claimed.id,
        message.c.state == "sending",
        message.c.attempts == claimed.attempts,
    )
    statement = update(message).where(*ours).values(**values, updated_at=clock.at())
    return connection.execute(statement).rowcount == 1


def _addressed(vault: Vault, claimed: ClaimedMessage) -> dict[str, Any]:
    return {
        "recipient_enc": vault.seal_text(claimed.recipient, _where("recipient", claimed.id)),
        "recipient_idx": vault.index("phone", claimed.recipient),
    }


def sent(
    connection: Connection,
    clock: Clock,
    message_id: str,
    provider_sid: str | None,
    parts: int = 1,
    *,
    way: str = "text",
) -> None:
    """The provider has this text. A status that came back quicker than this is not undone.

    By another `way` (mail) no provider reports, and there is no provider's id.
    """
    values = {"of_id": message_id, "of_sid": provider_sid, "of_parts": parts, "of_way": way}
    _sent(clock).count(connection, values)


@lru_cache
def _sent(clock: Clock) -> Prepared:
    this = message.c.id == bindparam("of_id")
    # A claim waits for the disk before anything is sent. This note need not: should the server
    # crash and forget it, the message is in doubt, looked up, and found.
    hurried = func.set_config("synchronous_commit", "off", literal_column("true"))
    this = and_(this, hurried.is_not(None))
    earlier = message.c.state.in_([literal(state, String) for state in _before("sent")])
    return Prepared(
        update(message)
        .where(this)
        .values(
            provider_sid=bindparam("of_sid"),
            way=bindparam("of_way"),
            parts=bindparam("of_parts"),
            lease_until=None,
            updated_at=clock.at(),
            sent_at=func.coalesce(message.c.sent_at, clock.at()),
            error_code=case((earlier, None), else_=message.c.error_code),
            state=case((earlier, "sent"), else_=message.c.state),
        )
    )


def keep(connection: Connection, clock: Clock, claimed: ClaimedMessage, lease: timedelta) -> bool:
    """Prolong a claim before sending; False when another relay has taken it over meanwhile."""
    return write_claimed(connection, clock, claimed, lease_until=clock.at(lease))


def put_back(connection: Connection, clock: Clock, claimed: ClaimedMessage, again: Retry) -> None:
    """Try again later; an ambiguous message stays in `sending` so that it is looked up."""
    values: dict[str, Any] = {"error_code": again.code}
    if again.ambiguous:
        values["lease_until"] = clock.at(again.after)
    else:
        values |= {"state": "pending", "due_at": clock.at(again.after), "lease_until": None}
    write_claimed(connection, clock, claimed, **values)


def move_state(
    connection: Connection,
    clock: Clock,
    message_id: str,
    state: str,
    *,
    provider_sid: str | None = None,
    error_code: str | None = None,
) -> bool:
    """Advance a state; False for an unknown message or a state that is not later.

    A state of `FAILING` leaves a row that follows it up, whether or not something better was known
    already: what is done about it must not depend on which came first.
    """
    values: dict[str, Any] = {"state": state, "updated_at": clock.at(), "lease_until": None}
    if state in ("sent", "delivered"):
        values["sent_at"] = func.coalesce(message.c.sent_at, clock.at())
    if provider_sid:
        values["provider_sid"] = provider_sid
    if state == "delivered":
        # What went wrong on the way is no news any more.
        values["error_code"] = None
    elif error_code or state in FAILING:
        values["error_code"] = error_code
    statement = (
        update(message)
        .where(message.c.id == message_id, message.c.state.in_(_before(state)))
        .values(**values)
    )
    moved = connection.execute(statement).rowcount == 1
    if state in FAILING:
        follow(connection, clock, FOLLOW_UP, message_id, after=SETTLE)
    return moved


def _before(state: str) -> list[str]:
    return [name for name, rank in STATE_RANK.items() if rank < STATE_RANK[state]]


def follow(
    connection: Connection,
    clock: Clock,
    kind: str,
    message_id: str,
    *,
    after: timedelta = _AT_ONCE,
) -> bool:
    """Leave the row of a kind of `FOLLOWS` for a message, due `after` a while; once for each."""
    key = f"{FOLLOWS[kind]}{message_id}"
    # Its id comes from the one it follows, so that two processes at once write the same row.
    row_id = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    moment = clock.at(after)
    # Finished texts of an earlier version have no topic.
    topic = case(
        (and_(message.c.topic == "", message.c.kind == "sms"), "confirmation"),
        else_=message.c.topic,
    )
    names = ["id", "kind", "dedupe_key", "booking_id", "call_id", "topic", "state"]
    names += ["due_at", "created_at", "updated_at", "called"]
    values = select(
        literal(row_id, String),
        literal(kind, String),
        literal(key, String),
        message.c.booking_id,
        message.c.call_id,
        topic,
        literal("pending", String),
        moment,
        moment,
        clock.at(),
        message.c.called,
    ).where(message.c.id == message_id)
    new = insert(message).from_select(names, values).on_conflict_do_nothing()
    # Told by what comes back: not every driver counts the rows of an INSERT.
    return connection.execute(new.returning(message.c.id)).first() is not None


def note_parts(connection: Connection, message_id: str, parts: int) -> None:
    """Note the parts of a text whose answer was lost and whose fate the provider reported later."""
    statement = update(message).where(message.c.id == message_id, message.c.way.is_(None))
    connection.execute(statement.values(way="text", parts=parts))


def is_due(clock: Clock) -> Any:
    """Whether a message may be claimed now: it waits, or its lease ran out."""
    # Whatever is being sent was due before that: the index is read up to now, and no further.
    return and_(
        message.c.due_at <= clock.at(),
        # As the index of what has not left is written, or it would not be used.
        message.c.state.in_([literal_column(f"'{state}'") for state in UNSENT]),
        or_(message.c.state == "pending", message.c.lease_until <= clock.at()),
        # After a restore nothing is due: it may have left before.
        ~FROZEN,
    )


def _where(column: str, message_id: str) -> str:
    return f"message.{column}:{message_id}"
