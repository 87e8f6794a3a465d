"""Rows about one person, once it is known where they are: counted, exported and erased."""

from __future__ import annotations

import json

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, auto
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    delete,
    or_,
    select,
    update,
)

from models.accounts.tables import act_reason, staff, staff_act
from models.agents.tables import intent, leg
from models.attempts import attempt
from models.booking.history import TYPED
from models.booking.tables import (
    appointment,
    appointment_for,
    booking,
    history,
    history_reason,
)
from models.call.tables import call, caller_pace, resume_code, text_conversation, turn
from models.centre_day.tables import attendance
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.desk.tables import agent_case, lost_text
from models.messages import erase_messages
from models.messages.tables import budget, message, phone_line
from models.online.tables import reach_code, visit
from models.operations.people import Trail, opened_body
from models.partners.bookings import nothing_to_ask
from models.partners.tables import partner_booking
from models.queue.queues import LIVE, end_all
from models.queue.tables import callback_request, queue_entry
from models.slots.holders import of_holders
from models.slots.tables import place
from models.tables import nothing_personal
from models.types import LookUp, Sealed
from models.waiting_list.tables import waiting_entry, waiting_offer

# The key of a booking begins with it once its person is erased.
_KEY = "erased:"


class Erasing(Enum):
    """What becomes of a kind of rows when their person is erased.

    BLANK: they stay without what is personal. ELSEWHERE: `erase` itself says it, or they stay.
    """

    BLANK = auto()
    DELETE = auto()
    ELSEWHERE = auto()


@dataclass(frozen=True)
class Kind:
    """A table with rows about people, as an export tells it and an erasure leaves it.

    `which` gives the condition for a person's rows. `left_out` are columns that tell nothing of a
    person: keys of ours, and hashes.
    """

    table: Table
    which: Callable[[Trail], ColumnElement[bool] | None]
    order: str
    erasing: Erasing = Erasing.ELSEWHERE
    left_out: frozenset[str] = field(default_factory=frozenset)


def _in(column: Any, name: str) -> Callable[[Trail], ColumnElement[bool] | None]:
    def which(trail: Trail) -> ColumnElement[bool] | None:
        ids = getattr(trail, name)
        return column.in_(ids) if ids else None

    return which


def _of_line(column: Any) -> Callable[[Trail], ColumnElement[bool] | None]:
    return lambda trail: None if trail.line is None else column == trail.line


def _attempts(trail: Trail) -> ColumnElement[bool] | None:
    return attempt.c.subject_idx.in_(trail.hashes) if trail.hashes else None


def _asked_calls(trail: Trail) -> ColumnElement[bool] | None:
    ways: list[ColumnElement[bool]] = []
    if trail.calls:
        ways.append(callback_request.c.call_id.in_(trail.calls))
    if trail.line is not None:
        ways.append(callback_request.c.phone_idx == trail.line)
    return or_(*ways) if ways else None


def _codes(trail: Trail) -> ColumnElement[bool] | None:
    ways: list[ColumnElement[bool]] = []
    if trail.visits:
        ways.append(reach_code.c.visit_id.in_(trail.visits))
    if trail.line is not None:
        ways.append(reach_code.c.phone_idx == trail.line)
    return or_(*ways) if ways else None


def _lost(trail: Trail) -> ColumnElement[bool] | None:
    theirs = select(agent_case.c.id).where(agent_case.c.booking_id.in_(trail.bookings))
    ways: list[ColumnElement[bool]] = []
    if trail.bookings:
        ways.append(lost_text.c.case_id.in_(theirs))
    if trail.line is not None:
        ways.append(lost_text.c.number_idx == trail.line)
    return or_(*ways) if ways else None


def _acts(trail: Trail) -> ColumnElement[bool] | None:
    return staff_act.c.subject.in_(trail.subjects) if trail.subjects else None


def _reasons(trail: Trail) -> ColumnElement[bool] | None:
    acts = _acts(trail)
    return None if acts is None else act_reason.c.id.in_(select(staff_act.c.id).where(acts))


def _changes(trail: Trail) -> ColumnElement[bool] | None:
    """What was typed when their bookings were changed."""
    if not trail.bookings:
        return None
    lines = select(history.c.id).where(history.c.booking_id.in_(trail.bookings))
    return history_reason.c.id.in_(lines)


_BLANK, _DELETE = Erasing.BLANK, Erasing.DELETE
# Every table that a person is in, in the order of an export.
KINDS: tuple[Kind, ...] = (
    Kind(
        booking, _in(booking.c.id, "bookings"), "created_at", _BLANK, frozenset({"idempotency_key"})
    ),
    Kind(appointment, _in(appointment.c.booking_id, "bookings"), "start_at", _BLANK),
    Kind(appointment_for, _in(appointment_for.c.booking_id, "bookings"), "id", _BLANK),
    Kind(history, _in(history.c.booking_id, "bookings"), "id"),
    Kind(history_reason, _changes, "id"),
    Kind(attendance, _in(attendance.c.booking_id, "bookings"), "start_at", _DELETE),
    Kind(agent_case, _in(agent_case.c.booking_id, "bookings"), "created_at"),
    Kind(lost_text, _lost, "at", _DELETE),
    Kind(
        message,
        _in(message.c.id, "messages"),
        "created_at",
        left_out=frozenset({"dedupe_key"}),
    ),
    Kind(call, _in(call.c.id, "calls"), "started_at", _BLANK),
    Kind(turn, _in(turn.c.call_id, "calls"), "at", _BLANK),
    Kind(text_conversation, _in(text_conversation.c.call_id, "calls"), "began_at", _DELETE),
    Kind(resume_code, _in(resume_code.c.call_id, "calls"), "expires_at", _DELETE),
    Kind(queue_entry, _in(queue_entry.c.id, "entries"), "created_at", _BLANK),
    Kind(callback_request, _asked_calls, "created_at", _BLANK),
    Kind(leg, _in(leg.c.entry_id, "entries"), "created_at", _BLANK),
    Kind(intent, _in(intent.c.entry_id, "entries"), "created_at", _BLANK),
    Kind(waiting_entry, _in(waiting_entry.c.id, "waiting"), "created_at", _BLANK),
    Kind(waiting_offer, _in(waiting_offer.c.entry_id, "waiting"), "offered_at"),
    Kind(visit, _in(visit.c.id, "visits"), "created_at", _BLANK),
    Kind(reach_code, _codes, "asked_at", _DELETE),
    # What a partner calls its appointments is needed until they are cancelled there.
    Kind(
        partner_booking,
        _in(partner_booking.c.id, "orders"),
        "created_at",
        _BLANK,
        frozenset({"key"}),
    ),
    Kind(phone_line, _of_line(phone_line.c.phone_idx), "updated_at", _DELETE),
    Kind(caller_pace, _of_line(caller_pace.c.caller_idx), "at", _DELETE),
    Kind(attempt, _attempts, "at", _DELETE),
    Kind(staff_act, _acts, "id"),
    Kind(act_reason, _reasons, "id"),
)
_ROLE = "role"


def count(connection: Connection, trail: Trail) -> dict[str, int]:
    """How many rows of each kind there are; kinds without any are left out."""
    return {name: len(rows) for name, rows in _rows(connection, trail).items() if rows}


def read(connection: Connection, vault: Vault, trail: Trail) -> dict[str, list[dict[str, Any]]]:
    """All that is kept about a person, by table: columns by name, opened; hashes are left out.

    Of a call in which another person spoke as well, what was heard is left out (GDPR, article
    15.4). Staff are told by their role: who they are is no one's datum but theirs (CJEU, C-579/21).
    """
    found_roles = connection.execute(select(staff.c.id, staff.c.role))
    roles = {row.id: row.role for row in found_roles}
    found: dict[str, list[dict[str, Any]]] = {}
    rows = _rows(connection, trail)
    for kind in KINDS:
        name = kind.table.name
        told = [_told(vault, kind, row, trail, roles) for row in rows[name]]
        if told:
            found[name] = told
    return found


def _rows(connection: Connection, trail: Trail) -> dict[str, Sequence[Row[Any]]]:
    found: dict[str, Sequence[Row[Any]]] = {}
    for kind in KINDS:
        which = kind.which(trail)
        statement = select(kind.table).order_by(kind.table.c[kind.order])
        found[kind.table.name] = (
            [] if which is None else connection.execute(statement.where(which)).all()
        )
    return found


def _told(
    vault: Vault, kind: Kind, row: Row[Any], trail: Trail, roles: Mapping[str, str]
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for column in kind.table.columns:
        value = getattr(row, column.name)
        if value is None or isinstance(column.type, LookUp) or column.name in kind.left_out:
            continue
        if isinstance(column.type, Sealed):
            told |= _unsealed(vault, kind.table, row, column.name, trail)
        elif column.name in {"staff_id", "who"}:
            told[_ROLE if column.name == "staff_id" else "who"] = roles.get(value, value)
        else:
            told[column.name] = value
    return told


def _unsealed(
    vault: Vault, table: Table, row: Row[Any], column: str, trail: Trail
) -> dict[str, Any]:
    name = column.removesuffix("_enc")
    if table is turn:
        body = opened_body(vault, row)
        if row.call_id in trail.mixed:
            return {"heard": None, "left_out": "somebody else spoke in this call, too"}
        if body is None:
            return {}
        return {"heard": body.heard, "session": _json(body.session), "answer": body.answer}
    try:
        text = vault.open_text(getattr(row, column), f"{table.name}.{name}:{row.id}")
    except CannotOpen:
        return {name: None, "left_out": "it does not open with the keys of today"}
    return {name: _json(text or "")}


def _json(text: str) -> Any:
    """What a text says; a number or a date stays the text that it is."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


# ---------------------------------------------------------------- erasing


def names_of(connection: Connection, vault: Vault, trail: Trail) -> list[str]:
    """The names that the person gave: for bookings, and for appointments at partners."""
    given = select(booking).where(booking.c.id.in_(trail.bookings))
    found = _names(connection, vault, given)
    for row in connection.execute(
        select(partner_booking).where(partner_booking.c.id.in_(trail.orders))
    ):
        told = vault.open_text(row.order_enc, f"partner_booking.order:{row.id}")
        visitor = json.loads(told)["visitor"] if told else {}
        found.append(
            " ".join(name for name in (visitor.get("first_name"), visitor.get("last_name")) if name)
        )
    return [name for name in found if name]


def other_names(connection: Connection, vault: Vault, born: date, trail: Trail) -> list[str]:
    """The names that others of this birth date gave for bookings that are not erased."""
    same = booking.c.dob_idx == vault.index("dob", born.isoformat())
    others = select(booking).where(same, booking.c.id.not_in(trail.bookings))
    return _names(connection, vault, others)


def _names(connection: Connection, vault: Vault, statement: Select[Any]) -> list[str]:
    named = statement.where(booking.c.name_enc.is_not(None))
    return [
        vault.open_text(row.name_enc, f"booking.name:{row.id}") or ""
        for row in connection.execute(named)
    ]


def provider_ids(connection: Connection, trail: Trail) -> set[str]:
    """What the provider has of this person, by its own ids: texts, and calls."""
    texts = select(message.c.provider_sid).where(
        message.c.id.in_(trail.messages), message.c.provider_sid.is_not(None)
    )
    legs = select(leg.c.provider_sid).where(
        leg.c.entry_id.in_(trail.entries), leg.c.provider_sid.is_not(None)
    )
    sids = list(connection.execute(texts).scalars())
    rung = list(connection.execute(legs).scalars())
    lost = _lost(trail)
    if lost is not None:
        sids += connection.execute(select(lost_text.c.provider_sid).where(lost)).scalars()
    # A conversation by text has turns as a call has, and no id of the provider's.
    return {*sids, *(sid for sid in (*trail.calls, *rung) if sid.startswith("CA"))}


def erase(connection: Connection, clock: Clock, trail: Trail) -> None:
    """Erase a person from all tables but those that are only added to; safe to repeat.

    Lines of `history` and `staff_act` stay: they hold ids and moments, which lead nowhere then. The
    reasons that staff typed stay too, sealed, as long as their acts. Those of changes go, but for
    lines of earlier versions, which are chained with them.
    """
    for kind in KINDS:
        which = kind.which(trail)
        if which is None:
            continue
        if kind.erasing is Erasing.BLANK:
            nothing = nothing_personal(kind.table)
            connection.execute(update(kind.table).where(which).values(nothing))
        elif kind.erasing is Erasing.DELETE:
            connection.execute(delete(kind.table).where(which))
    now = clock.at()
    theirs = booking.c.id.in_(trail.bookings)
    connection.execute(
        update(booking).where(theirs).values(idempotency_key=_KEY + booking.c.id, erased_at=now)
    )
    connection.execute(
        update(agent_case)
        .where(agent_case.c.booking_id.in_(trail.bookings), agent_case.c.closed_at.is_(None))
        .values(closed_at=now)
    )
    typed = select(history.c.id).where(
        history.c.booking_id.in_(trail.bookings), history.c.why == TYPED
    )
    connection.execute(delete(history_reason).where(history_reason.c.id.in_(typed)))
    erase_messages.erase_some(connection, trail.messages)
    connection.execute(delete(budget).where(budget.c.subject.in_(trail.hashes)))


def forget_at_partners(connection: Connection, trail: Trail) -> None:
    """Erase what partners call the person, but for appointments that are to be cancelled there.

    Those go with the hourly erasure, once the partner was told.
    """
    theirs = partner_booking.c.id.in_(trail.orders)
    connection.execute(
        update(partner_booking)
        .where(theirs, nothing_to_ask())
        .values(patient_ref="", appointment_refs="[]")
    )


def end_entries(connection: Connection, clock: Clock, trail: Trail) -> None:
    """Take the person out of the queue, and withdraw what they were promised."""
    if trail.entries:
        entry = queue_entry.c
        live = (entry.id.in_(trail.entries), entry.state.in_(LIVE))
        end_all(connection, clock, "erased", *live)


def holders_of(connection: Connection, trail: Trail) -> list[str]:
    """The names under which this person holds places that are not booked."""
    names = [*trail.calls, *trail.visits]
    if trail.line is not None:
        names += [f"{kind}:{trail.line.hex()}" for kind in ("resume", "other")]
    statement = select(place.c.held_by).where(of_holders(names)).distinct()
    return list(connection.execute(statement).scalars())
