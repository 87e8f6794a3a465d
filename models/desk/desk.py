"""What a desk's screen is made of: a call's turns, a line's earlier contacts, what a desk holds.

Nothing here changes a place; notes of what was given lie in `queue_entry.known_enc`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, false, func, or_, select, update

from models.accounts.tables import staff, staff_act
from models.advisory_locks import one_after_another
from models.agents.tables import agent, leg
from models.booking.bookings import STAND_INS, opened
from models.booking.tables import appointment, booking
from models.call.tables import call, turn
from models.call.turns import Body
from models.centres.tables import centre
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.messages.tables import message
from models.prepared import Prepared
from models.queue import queues
from models.queue.tables import queue_entry
from models.rows import columns_of
from models.slots.holders import of_holders
from models.slots.slots import HeldAppointment, held_appointments
from models.slots.tables import place

# What is shown of one line, newest first.
MOST_CONTACTS = 12
# A call has some dozens of turns; turns before these do not help an agent.
MOST_TURNS = 200
_LIVE = ("waiting", "kept", "reserved", "talking")
# Under this name the desk keeps its own part of what is known of an entry.
DRAFT = "desk"


@dataclass(frozen=True)
class TurnRow:
    """One turn; `body` is None once it is erased. `at` is UTC."""

    number: int
    at: datetime
    step: str
    outcome: str
    body: Body | None


@dataclass(frozen=True)
class Contact:
    """A call of a line, or a time that it was in our line. `note` is what an agent wrote."""

    kind: str
    at: datetime
    state: str
    outcome: str = ""
    code: str = ""
    note: str = ""
    expected_at: datetime | None = None


def turns_of(connection: Connection, vault: Vault, call_id: str) -> list[TurnRow]:
    """All turns of a call, oldest first; the body of one that does not open is None."""
    statement = (
        select(turn)
        .where(turn.c.call_id == call_id, turn.c.outcome != "claimed")
        .order_by(turn.c.number.desc())
        .limit(MOST_TURNS)
    )
    rows = list(connection.execute(statement))[::-1]
    return [TurnRow(row.number, row.at, row.step, row.outcome, _body(row, vault)) for row in rows]


def _body(row: Row[Any], vault: Vault) -> Body | None:
    if not row.body_enc:
        return None
    try:
        return Body.open(row.body_enc, vault, row.call_id, row.number)
    except CannotOpen:
        return None


def remember(connection: Connection, vault: Vault, entry_id: str, draft: dict[str, Any]) -> bool:
    """Keep what an agent filled in, so that a page that was lost comes back to it."""
    found = queues.load(connection, vault, entry_id, lock=True)
    if found is None:
        return False
    # No change of the entry's state: processes that wait for such a change need not look again.
    known = queues.sealed_known(vault, entry_id, {**found.known, DRAFT: draft})
    statement = update(queue_entry).where(queue_entry.c.id == entry_id).values(**known)
    return connection.execute(statement).rowcount == 1


def alone(connection: Connection, holder: str) -> None:
    """Let only this transaction act for this desk until it ends: a repeated form waits here."""
    one_after_another(connection, [holder.encode()])


def held_by(
    connection: Connection,
    clock: Clock,
    holders: Collection[str],
    place_ids: Collection[int] | None = None,
) -> list[HeldAppointment]:
    """What these hold at this moment, soonest first; of these places alone, where they are given.

    A place of a closed day does not count as held.
    """
    mine = of_holders(holders)
    if place_ids is not None:
        mine = and_(place.c.held_by.in_(holders), place.c.id.in_(place_ids))
    return held_appointments(connection, clock, mine, place.c.blocked == false())


def places_of(connection: Connection, place_ids: Sequence[int]) -> dict[int, Any]:
    """Slot, centre and start (UTC) of places, by their ids; unknown ones are left out."""
    c = place.c
    statement = select(c.id.label("place_id"), c.slot_id, c.centre_id, c.start_at)
    found = connection.execute(statement.where(c.id.in_(place_ids)))
    return {row.place_id: row for row in found}


def bookings_of_keys(connection: Connection, keys: Collection[str]) -> dict[str, str]:
    """The bookings that were made under these idempotency keys: key to id."""
    statement = select(booking.c.idempotency_key, booking.c.id).where(
        booking.c.idempotency_key.in_(keys)
    )
    return {row.idempotency_key: row.id for row in connection.execute(statement)}


@dataclass(frozen=True)
class BookingSeen:
    """What a search shows of a booking, and looks at. `number` and `name` are None without one.

    `live`: an appointment of it is not cancelled. `is_stand_in`: it is none, and its person has
    another (`models.booking.bookings.STAND_IN`).
    """

    id: str
    reference: str
    number: str | None
    name: str | None
    channel: str
    live: bool
    is_stand_in: bool


def bookings_that_fit(
    connection: Connection,
    vault: Vault,
    *,
    reference: str = "",
    number: str = "",
    born: date | None = None,
    postcode: str = "",
) -> list[BookingSeen]:
    """The bookings that all of what is given fits: those that are ahead first, then newest.

    `number` is E.164. None are found where nothing is given by which one may be. One statement.
    """
    values = {
        "reference_idx": vault.index("reference", reference or None),
        "phone_idx": vault.index("phone", number or None),
        "dob_idx": vault.index("dob", born.isoformat() if born else None),
    }
    values = {name: index for name, index in values.items() if index is not None}
    if not values:
        return []
    known = values | ({"postcode": postcode} if postcode else {})
    which = (booking.c[name] == value for name, value in known.items())
    return [_seen(vault, row) for row in connection.execute(_SEEN.where(*which))]


def booking_seen(connection: Connection, vault: Vault, booking_id: str) -> BookingSeen | None:
    """The same of the booking with an id."""
    row = connection.execute(_SEEN.where(booking.c.id == booking_id)).one_or_none()
    return _seen(vault, row) if row else None


_LIVE_ONE = exists().where(
    appointment.c.booking_id == booking.c.id, appointment.c.state == "confirmed"
)
_SEEN = (
    select(
        booking.c.id,
        booking.c.channel,
        booking.c.state,
        booking.c.reference_enc,
        booking.c.phone_enc,
        booking.c.name_enc,
        _LIVE_ONE.label("live"),
    )
    .order_by((booking.c.state == "confirmed").desc(), booking.c.created_at.desc(), booking.c.id)
    .limit(MOST_CONTACTS)
)


def _seen(vault: Vault, row: Any) -> BookingSeen:
    return BookingSeen(
        id=row.id,
        reference=opened(vault, row, "reference") or "",
        number=opened(vault, row, "phone"),
        name=opened(vault, row, "name"),
        channel=row.channel,
        live=bool(row.live),
        is_stand_in=row.state in STAND_INS,
    )


def count_rings(connection: Connection, clock: Clock, line: bytes, within: timedelta) -> int:
    """How often a line rang lately."""
    statement = (
        select(func.count())
        .select_from(call)
        .where(call.c.caller_idx == line, call.c.started_at > clock.at(-within))
    )
    found: int = connection.execute(statement).scalar_one()
    return found


def contacts(
    connection: Connection,
    clock: Clock,
    vault: Vault,
    line: bytes,
    within: timedelta,
    *,
    but_calls: Collection[str] = (),
    but_entry: str = "",
) -> list[Contact]:
    """Calls and entries of a line in that time, newest first."""
    calls = (
        select(call.c.started_at, call.c.status)
        .where(
            call.c.caller_idx == line,
            call.c.started_at > clock.at(-within),
            call.c.id.not_in(list(but_calls)),
        )
        .order_by(call.c.started_at.desc())
        .limit(MOST_CONTACTS)
    )
    entries = (
        select(queue_entry)
        .where(
            queue_entry.c.phone_idx == line,
            queue_entry.c.created_at > clock.at(-within),
            queue_entry.c.id != but_entry,
        )
        .order_by(queue_entry.c.created_at.desc())
        .limit(MOST_CONTACTS)
    )
    found = [Contact("call", row.started_at, row.status) for row in connection.execute(calls)]
    for row in connection.execute(entries):
        note = vault.open_text(row.note_enc, f"queue_entry.note:{row.id}") or ""
        expected = row.expected_at if row.kind == "callback" and row.state in _LIVE else None
        kind = "promise" if expected else "entry"
        found.append(
            Contact(kind, row.created_at, row.state, row.outcome, row.wrapup_code, note, expected)
        )
    return sorted(found, key=lambda one: one.at, reverse=True)[:MOST_CONTACTS]


def count_texts(
    connection: Connection,
    clock: Clock,
    recipient: bytes | None,
    key: str,
    within: timedelta,
) -> int:
    """How many messages to a number (its look-up value), whose key begins so, in that time."""
    statement = (
        select(func.count())
        .select_from(message)
        .where(
            message.c.recipient_idx == recipient,
            message.c.dedupe_key.startswith(key, autoescape=True),
            message.c.created_at > clock.at(-within),
        )
    )
    found: int = connection.execute(statement).scalar_one()
    return found


def has_message(connection: Connection, key: str) -> bool:
    """Whether a message with this very dedupe key was stored."""
    statement = select(message.c.id).where(message.c.dedupe_key == key)
    return connection.execute(statement).first() is not None


def has_acted(  # noqa: PLR0917 (a sentence: which staff, what, to what, within what time)
    connection: Connection,
    clock: Clock,
    staff_id: str,
    what: str,
    subject: str,
    within: timedelta,
) -> bool:
    """Whether this member of staff did this to that subject lately."""
    statement = select(staff_act.c.id).where(
        staff_act.c.subject == subject,
        staff_act.c.staff_id == staff_id,
        staff_act.c.what == what,
        staff_act.c.at > clock.at(-within),
    )
    return connection.execute(statement.limit(1)).first() is not None


@dataclass(frozen=True)
class Now:
    """An agent at this moment, and the entry they have. Moments are UTC; nothing personal."""

    state: str
    since: datetime
    reason: str
    then_pause: str | None
    voice: str
    seen_at: datetime
    version: int
    entry_id: str | None
    entry_kind: str | None
    entry_state: str | None
    entry_version: int | None
    joined_at: datetime | None
    answered_at: datetime | None
    held_at: datetime | None
    call_id: str | None
    caller_gone: bool
    # When any line of the entry changed last.
    legs_at: datetime | None


_LEGS_AT = (
    select(func.max(leg.c.updated_at)).where(leg.c.entry_id == agent.c.entry_id).scalar_subquery()
)
# Each desk asks it each second.
_NOW = Prepared(
    select(
        *columns_of(Now, agent),
        queue_entry.c.kind.label("entry_kind"),
        queue_entry.c.state.label("entry_state"),
        queue_entry.c.version.label("entry_version"),
        queue_entry.c.joined_at,
        queue_entry.c.answered_at,
        queue_entry.c.held_at,
        queue_entry.c.call_id,
        call.c.ended_at.is_not(None).label("caller_gone"),
        _LEGS_AT.label("legs_at"),
    )
    .select_from(agent)
    .outerjoin(queue_entry, queue_entry.c.id == agent.c.entry_id)
    .outerjoin(call, call.c.id == queue_entry.c.call_id)
    .where(agent.c.staff_id == bindparam("who"))
)


def now_of(connection: Connection, staff_id: str) -> Now | None:
    """What an agent's page shows, in one statement; None for an account that was never ready."""
    rows = _NOW.rows(connection, {"who": staff_id})
    return Now(*rows[0]) if rows else None


def offices(connection: Connection, words: Sequence[str], limit: int = 8) -> list[Any]:
    """Centres whose name, town or postcode has all of these words, with their telephones.

    Without a telephone only those to which people come without an appointment.
    """
    c = centre.c
    statement = select(c.id, c.name, c.town, c.postcode, c.phones, c.walk_in).where(
        c.closed_at.is_(None), or_(c.phones != "[]", c.walk_in != "")
    )
    for word in words:
        like = [
            column.icontains(word, autoescape=True)
            for column in (centre.c.name, centre.c.town, centre.c.postcode)
        ]
        statement = statement.where(or_(*like))
    return list(connection.execute(statement.order_by(centre.c.town, centre.c.name).limit(limit)))


def colleagues(connection: Connection, but: str) -> list[Any]:
    """Other agents who could take a caller now, or soon: id, name, languages and state."""
    statement = (
        select(staff.c.id, staff.c.name, staff.c.languages, agent.c.state)
        .join(agent, agent.c.staff_id == staff.c.id)
        .where(
            staff.c.id != but,
            staff.c.disabled_at.is_(None),
            agent.c.state.in_(("ready", "talking", "wrapup")),
        )
        .order_by((agent.c.state == "ready").desc(), staff.c.name, staff.c.id)
        .limit(60)
    )
    return list(connection.execute(statement))
