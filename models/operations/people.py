"""All rows about one person, in every table: found, read and erased.

A person is a birth date and a number, or a reference; a number may be shared by a couple or a home.
What names a birth date is told apart by it. What has the number alone (calls, the pace of a line,
its texts) is the person's where no other is known on that number, and stays where one is.
"""

from __future__ import annotations

import json

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    delete,
    exists,
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
from models.call.turns import Body
from models.centre_day.tables import attendance
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.desk.tables import agent_case, lost_text
from models.messages import erase_messages
from models.messages.tables import budget, message, phone_line
from models.online.tables import reach_code, visit
from models.partners.bookings import nothing_to_ask
from models.partners.tables import partner_booking
from models.queue.queues import LIVE, end_all
from models.queue.tables import callback_request, queue_entry
from models.slots.holders import of_holders
from models.slots.tables import place
from models.tables import nothing_personal
from models.turn_days import is_of_call
from models.types import LookUp, Sealed
from models.waiting_list.tables import waiting_entry, waiting_offer

# A statement has only so many parameters.
_AT_ONCE = 500
# An entry of the queue that an agent has at this moment.
_BUSY = ("reserved", "talking", "wrapup")
# What the key of a message is once its person is erased; see `models.messages.outbox`.
_KEY = "erased:"


@dataclass(frozen=True)
class Given:
    """What a person proved: a birth date, a number (E.164), ten digits of a reference.

    Number or reference may be empty.
    """

    born: date
    number: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Candidate:
    """A booking, or an entry of the waiting list, that may be of the person who is meant."""

    id: str
    rank: int
    number: str
    reference: str = ""


@dataclass(frozen=True)
class Trail:
    """Where a person is: the keys of rows by table.

    `line` is the keyed hash of their number where no other is known on it. `mixed` are calls in
    which another person gave a birth date, too. `hashes` are all keyed hashes of this person.
    """

    bookings: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    visits: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    line: bytes | None = None
    hashes: tuple[bytes, ...] = ()
    shared: bool = False
    # Whether the birth date stands in any of these rows: a number alone proves no person.
    proved: bool = False

    @property
    def subjects(self) -> tuple[str, ...]:
        """The ids that acts of staff name."""
        return (*self.bookings, *self.calls, *self.entries, *self.waiting, *self.orders)


# ---------------------------------------------------------------- who is meant


def bookings_of(connection: Connection, vault: Vault, given: Given) -> list[Candidate]:
    """Bookings of a birth date with this number or reference, oldest first."""
    ways: list[ColumnElement[bool]] = []
    if given.reference:
        ways.append(booking.c.reference_idx == vault.index("reference", given.reference))
    if given.number:
        ways.append(booking.c.phone_idx == vault.index("phone", given.number))
    born = booking.c.dob_idx == vault.index("dob", given.born.isoformat())
    statement = select(booking).where(born, or_(*ways)).order_by(booking.c.created_at, booking.c.id)
    return [
        Candidate(
            row.id,
            row.rank,
            vault.open_text(row.phone_enc, f"booking.phone:{row.id}") or "",
            vault.open_text(row.reference_enc, f"booking.reference:{row.id}") or "",
        )
        for row in connection.execute(statement)
    ]


def waiting_of(connection: Connection, vault: Vault, given: Given) -> list[Candidate]:
    """Entries of the waiting list of a birth date on this number."""
    if not given.number:
        return []
    line = waiting_entry.c.phone_idx == vault.index("phone", given.number)
    found = []
    for row in connection.execute(select(waiting_entry).where(line)):
        person = _person(vault, row)
        if person.get("born") == given.born.isoformat():
            found.append(Candidate(row.id, int(person.get("rank", 1)), given.number))
    return found


def find(  # noqa: PLR0917 (each is one thing that was found before)
    connection: Connection,
    clock: Clock,
    vault: Vault,
    given: Given,
    booked: Sequence[Candidate],
    waits: Sequence[Candidate],
    kept: timedelta,
) -> Trail:
    """Every row of a person whose bookings and entries of the waiting list these are.

    `kept` is how long bodies of calls and web sessions are kept: what is older is not looked into.
    """
    look = _Look(connection, clock, vault, given, kept)
    ids = tuple(row.id for row in booked)
    waiting = tuple(row.id for row in waits)
    look.others(ids, waiting)
    began = look.calls_of_bookings(ids)
    entries = look.entries(began)
    calls, mixed = look.calls([*began, *look.calls_of_entries(entries)])
    visits = look.visits(began)
    return Trail(
        bookings=ids,
        calls=calls,
        mixed=mixed,
        entries=entries,
        messages=look.messages(ids, calls, waiting),
        waiting=waiting,
        visits=visits,
        orders=look.orders(ids),
        line=look.line if look.line and not look.shared else None,
        hashes=look.hashes(booked, calls),
        shared=look.shared,
        proved=bool(ids or waiting or visits) or look.is_named,
    )


def with_new_messages(connection: Connection, vault: Vault, given: Given, trail: Trail) -> Trail:
    """The same with messages that were written since it was found, as by a cancellation."""
    line = vault.index("phone", given.number or None)
    theirs = _messages(trail.bookings, trail.calls, trail.waiting, trail.shared, line)
    found = connection.execute(select(message.c.id).where(theirs)).scalars()
    return replace(trail, messages=tuple(found))


def _messages(
    ids: Collection[str],
    calls: Collection[str],
    waiting: Collection[str],
    shared: bool,  # noqa: FBT001
    line: bytes | None,
) -> ColumnElement[bool]:
    nobodys = message.c.booking_id.is_(None)
    offered = select(waiting_offer.c.id).where(waiting_offer.c.entry_id.in_(waiting))
    theirs = [
        message.c.booking_id.in_(ids),
        and_(nobodys, message.c.call_id.is_not(None), message.c.call_id.in_(calls)),
        message.c.id.in_(offered),
    ]
    if line is not None and not shared:
        theirs.append(message.c.recipient_idx == line)
    return or_(*theirs)


class _Look:
    """One look for one person."""

    def __init__(
        self, connection: Connection, clock: Clock, vault: Vault, given: Given, kept: timedelta
    ) -> None:
        self._connection = connection
        self._vault = vault
        self._given = given
        self._born = given.born.isoformat()
        self._since = clock.at(-kept)
        self.line = vault.index("phone", given.number or None)
        self.shared = False
        # Whether the birth date was given in a call, or for a place in a queue.
        self.is_named = False

    def _all(self, statement: Any) -> Sequence[Row[Any]]:
        return self._connection.execute(statement).all()

    def others(self, ids: Collection[str], waiting: Collection[str]) -> None:
        """Find out whether another person is known on the number."""
        if self.line is None:
            return
        booked = select(booking.c.id).where(
            booking.c.phone_idx == self.line, booking.c.id.not_in(ids)
        )
        waits = select(waiting_entry.c.id).where(
            waiting_entry.c.phone_idx == self.line, waiting_entry.c.id.not_in(waiting)
        )
        self.shared = bool(self._all(booked.limit(1)) or self._all(waits.limit(1)))
        if not self.shared:
            self.shared = any(
                self._known(row).get("born", self._born) != self._born
                for row in self._all(
                    select(queue_entry).where(queue_entry.c.phone_idx == self.line)
                )
            )

    def calls_of_bookings(self, ids: Collection[str]) -> list[str]:
        statement = select(booking.c.call_id).where(
            booking.c.id.in_(ids), booking.c.call_id.is_not(None)
        )
        return [row.call_id for row in self._all(statement)]

    def entries(self, began: Collection[str]) -> tuple[str, ...]:
        entry = queue_entry.c
        theirs = or_(entry.call_id.in_(began), entry.origin_call_id.in_(began))
        if self.line is not None:
            theirs = or_(theirs, entry.phone_idx == self.line)
        found = []
        for row in self._all(select(queue_entry).where(theirs)):
            born = self._known(row).get("born", "")
            self.is_named = self.is_named or born == self._born
            if born == self._born or (not born and not self.shared):
                found.append(row.id)
        return tuple(found)

    def calls_of_entries(self, entries: Collection[str]) -> list[str]:
        entry = queue_entry.c
        statement = select(entry.call_id, entry.origin_call_id).where(entry.id.in_(entries))
        return [call_id for row in self._all(statement) for call_id in row if call_id]

    def calls(self, known: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The person's calls, and those of them in which another person spoke, too."""
        withheld = and_(call.c.caller_idx.is_(None), call.c.started_at > self._since)
        theirs = or_(call.c.id.in_(known), withheld)
        if self.line is not None:
            theirs = or_(theirs, call.c.caller_idx == self.line)
        found, mixed = [], []
        rows = self._all(select(call).where(theirs))
        said = self._said([row.id for row in rows])
        for row in rows:
            births, numbers = said[row.id]
            of_line = self.line is not None and row.caller_idx == self.line
            mine = self._born in births
            if row.caller_idx is None and row.id not in known:
                mine = mine and bool(self._given.number) and self._given.number in numbers
            elif of_line and not self.shared:
                self.is_named = self.is_named or mine
                mine = True
            if mine or row.id in known:
                found.append(row.id)
                if births - {self._born}:
                    mixed.append(row.id)
        for call_id, (births, _) in self._said(self._conversations()).items():
            mine = self._born in births
            self.is_named = self.is_named or mine
            if mine or not self.shared:
                found.append(call_id)
                if births - {self._born}:
                    mixed.append(call_id)
        return tuple(found), tuple(mixed)

    def _conversations(self) -> list[str]:
        """What was written from the number: its turns are kept as those of a call are."""
        if self.line is None:
            return []
        statement = select(text_conversation.c.call_id)
        theirs = statement.where(text_conversation.c.phone_idx == self.line)
        return [row.call_id for row in self._all(theirs)]

    def _said(self, call_ids: Sequence[str]) -> dict[str, tuple[set[str], set[str]]]:
        """Birth dates and numbers that the sessions of each call hold, while they are kept.

        Of many calls at a time: a national day has hundreds of thousands that withheld their
        number, and each statement looks into the turns of all days.
        """
        said: dict[str, tuple[set[str], set[str]]] = {id_: (set(), set()) for id_ in call_ids}
        for start in range(0, len(call_ids), _AT_ONCE):
            some = turn.c.call_id.in_(call_ids[start : start + _AT_ONCE])
            for row in self._all(select(turn).where(some, turn.c.body_enc.is_not(None))):
                body = _body(self._vault, row)
                if body is not None and body.session:
                    told = json.loads(body.session)
                    births, numbers = said[row.call_id]
                    births |= {told.get("born", ""), told.get("first_born", "")} - {""}
                    numbers |= {told.get("number", ""), told.get("caller", "")} - {""}
        return said

    def messages(
        self, ids: Collection[str], calls: Collection[str], waiting: Collection[str]
    ) -> tuple[str, ...]:
        theirs = _messages(ids, calls, waiting, self.shared, self.line)
        return tuple(row.id for row in self._all(select(message.c.id).where(theirs)))

    def visits(self, began: Collection[str]) -> tuple[str, ...]:
        """Web sessions have no look-up by person: those that are kept are opened."""
        kept = self._all(select(visit).where(visit.c.body_enc.is_not(None)))
        return tuple(
            row.id
            for row in kept
            if row.id in began or self._is_mine(self._opened(row.body_enc, f"visit.body:{row.id}"))
        )

    def _is_mine(self, body: str) -> bool:
        told = json.loads(body) if body else {}
        births, numbers = set(_under(told, "born")), set(_under(told, "number"))
        births |= set(_under(told, "first_born"))
        return self._born in births and bool(self._given.number) and self._given.number in numbers

    def orders(self, ids: Collection[str]) -> tuple[str, ...]:
        order = partner_booking.c
        statement = select(partner_booking).where(
            or_(order.booking_id.in_(ids), order.order_enc.is_not(None))
        )
        found = []
        for row in self._all(statement):
            told = self._opened(row.order_enc, f"partner_booking.order:{row.id}")
            who = json.loads(told)["visitor"] if told else {}
            same = who.get("born") == self._born and who.get("number") == self._given.number != ""
            if row.booking_id in ids or same:
                found.append(row.id)
        return tuple(found)

    def hashes(self, booked: Sequence[Candidate], calls: Collection[str]) -> tuple[bytes, ...]:
        """Every keyed hash that leads to this person, and to no other."""
        index = self._vault.index
        found = [index("reference", row.reference) for row in booked if row.reference]
        found += [index("call", call_id) for call_id in calls]
        if not self.shared:
            found.append(self.line)
        ids, other = [row.id for row in booked], booking.alias("other")
        # An address that another person gave, too, leads to them as well.
        shared = exists().where(other.c.mail_idx == booking.c.mail_idx, other.c.id.not_in(ids))
        mails = select(booking.c.mail_idx).where(booking.c.id.in_(ids), ~shared)
        found += self._connection.execute(mails).scalars()
        return tuple(hash_ for hash_ in found if hash_)

    def _known(self, row: Row[Any]) -> dict[str, Any]:
        told = self._opened(row.known_enc, f"queue_entry.known:{row.id}")
        known: dict[str, Any] = json.loads(told) if told else {}
        return known

    def _opened(self, sealed: bytes | None, where: str) -> str:
        try:
            return self._vault.open_text(sealed, where) or ""
        except CannotOpen:
            return ""


def _person(vault: Vault, row: Row[Any]) -> dict[str, Any]:
    told = vault.open_text(row.person_enc, f"waiting_entry.person:{row.id}")
    person: dict[str, Any] = json.loads(told) if told else {}
    return person


def _body(vault: Vault, row: Row[Any]) -> Body | None:
    try:
        return Body.open(row.body_enc, vault, row.call_id, row.number) if row.body_enc else None
    except CannotOpen:
        return None


def _under(told: Any, name: str) -> Iterator[str]:
    """Every text under a name, however deep."""
    if isinstance(told, Mapping):
        for one, value in told.items():
            if one == name and isinstance(value, str):
                yield value
            else:
                yield from _under(value, name)
    elif isinstance(told, list):
        for value in told:
            yield from _under(value, name)


def is_on_the_line(connection: Connection, clock: Clock, trail: Trail, silence: timedelta) -> bool:
    """Whether the person is in a call now: with an agent, or answering within `silence`."""
    entry = queue_entry.c
    busy = select(entry.id).where(entry.id.in_(trail.entries), entry.state.in_(_BUSY)).limit(1)
    speaks = (
        select(call.c.id)
        .join(turn, is_of_call())
        .where(
            call.c.id.in_(trail.calls), call.c.ended_at.is_(None), turn.c.at > clock.at(-silence)
        )
        .limit(1)
    )
    return bool(connection.execute(busy).all() or connection.execute(speaks).all())


# ---------------------------------------------------------------- what is kept


@dataclass(frozen=True)
class Kind:
    """A table with rows about people, as an export tells it.

    `which` gives the condition for a person's rows. `left_out` are columns that tell nothing of a
    person: keys of ours, and hashes.
    """

    table: Table
    which: Callable[[Trail], ColumnElement[bool] | None]
    order: str
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


# Every table that a person is in, in the order of an export.
KINDS: tuple[Kind, ...] = (
    Kind(booking, _in(booking.c.id, "bookings"), "created_at", frozenset({"idempotency_key"})),
    Kind(appointment, _in(appointment.c.booking_id, "bookings"), "start_at"),
    Kind(appointment_for, _in(appointment_for.c.booking_id, "bookings"), "id"),
    Kind(history, _in(history.c.booking_id, "bookings"), "id"),
    Kind(history_reason, _changes, "id"),
    Kind(attendance, _in(attendance.c.booking_id, "bookings"), "start_at"),
    Kind(agent_case, _in(agent_case.c.booking_id, "bookings"), "created_at"),
    Kind(lost_text, _lost, "at"),
    Kind(message, _in(message.c.id, "messages"), "created_at", frozenset({"dedupe_key"})),
    Kind(call, _in(call.c.id, "calls"), "started_at"),
    Kind(turn, _in(turn.c.call_id, "calls"), "at"),
    Kind(text_conversation, _in(text_conversation.c.call_id, "calls"), "began_at"),
    Kind(resume_code, _in(resume_code.c.call_id, "calls"), "expires_at"),
    Kind(queue_entry, _in(queue_entry.c.id, "entries"), "created_at"),
    Kind(callback_request, _asked_calls, "created_at"),
    Kind(leg, _in(leg.c.entry_id, "entries"), "created_at"),
    Kind(intent, _in(intent.c.entry_id, "entries"), "created_at"),
    Kind(waiting_entry, _in(waiting_entry.c.id, "waiting"), "created_at"),
    Kind(waiting_offer, _in(waiting_offer.c.entry_id, "waiting"), "offered_at"),
    Kind(visit, _in(visit.c.id, "visits"), "created_at"),
    Kind(reach_code, _codes, "asked_at"),
    Kind(partner_booking, _in(partner_booking.c.id, "orders"), "created_at", frozenset({"key"})),
    Kind(phone_line, _of_line(phone_line.c.phone_idx), "updated_at"),
    Kind(caller_pace, _of_line(caller_pace.c.caller_idx), "at"),
    Kind(attempt, _attempts, "at"),
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
        body = _body(vault, row)
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
    for table, column, ids in _BLANKED:
        found = getattr(trail, ids)
        for start in range(0, len(found), _AT_ONCE):
            some = table.c[column].in_(found[start : start + _AT_ONCE])
            statement = update(table).where(some).values(nothing_personal(table))
            if table is booking:
                key = _KEY + booking.c.id
                statement = statement.values(idempotency_key=key, erased_at=clock.at())
            connection.execute(statement)
    asked = _asked_calls(trail)
    if asked is not None:
        forgotten = nothing_personal(callback_request)
        connection.execute(update(callback_request).where(asked).values(forgotten))
    lost = _lost(trail)
    if lost is not None:
        connection.execute(delete(lost_text).where(lost))
    typed = select(history.c.id).where(
        history.c.booking_id.in_(trail.bookings), history.c.why == TYPED
    )
    connection.execute(delete(history_reason).where(history_reason.c.id.in_(typed)))
    erase_messages.erase_some(connection, trail.messages)
    now = clock.at()
    connection.execute(
        update(agent_case)
        .where(agent_case.c.booking_id.in_(trail.bookings), agent_case.c.closed_at.is_(None))
        .values(closed_at=now)
    )
    for which in (
        resume_code.c.call_id.in_(trail.calls),
        text_conversation.c.call_id.in_(trail.calls),
        attendance.c.booking_id.in_(trail.bookings),
        attempt.c.subject_idx.in_(trail.hashes),
        budget.c.subject.in_(trail.hashes),
        reach_code.c.visit_id.in_(trail.visits),
        *(
            (
                reach_code.c.phone_idx == trail.line,
                phone_line.c.phone_idx == trail.line,
                caller_pace.c.caller_idx == trail.line,
            )
            if trail.line is not None
            else ()
        ),
    ):
        table = which.left.table
        connection.execute(delete(table).where(which))


# Tables whose rows stay without what is personal, and by which column and ids of a trail they are
# found.
# What a partner calls its appointments is needed until they are cancelled there.
_BLANKED: tuple[tuple[Table, str, str], ...] = (
    (booking, "id", "bookings"),
    (appointment, "booking_id", "bookings"),
    (appointment_for, "booking_id", "bookings"),
    (call, "id", "calls"),
    (turn, "call_id", "calls"),
    (queue_entry, "id", "entries"),
    (leg, "entry_id", "entries"),
    (intent, "entry_id", "entries"),
    (waiting_entry, "id", "waiting"),
    (visit, "id", "visits"),
    (partner_booking, "id", "orders"),
)


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
