"""Find all rows about one person, in every table.

A person is a birth date and a number, or a reference; a number may be shared by a couple or a home.
What names a birth date is told apart by it. What has the number alone (calls, the pace of a line,
its texts) is the person's where no other is known on that number, and stays where one is.
"""

from __future__ import annotations

import json

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    exists,
    or_,
    select,
)

from models.booking.tables import (
    booking,
)
from models.call.tables import call, text_conversation, turn
from models.call.turns import Body
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.messages.tables import message
from models.online.tables import visit
from models.partners.tables import partner_booking
from models.queue.tables import queue_entry
from models.turn_days import is_of_call
from models.waiting_list.tables import waiting_entry, waiting_offer

# A statement has only so many parameters.
_AT_ONCE = 500
# An entry of the queue that an agent has at this moment.
_BUSY = ("reserved", "talking", "wrapup")


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
                body = opened_body(self._vault, row)
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


def opened_body(vault: Vault, row: Row[Any]) -> Body | None:
    """What was said in a turn; None once it is erased, or where today's keys do not open it."""
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
