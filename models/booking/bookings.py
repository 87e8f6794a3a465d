"""Bookings and their appointments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.booking import history
from models.booking.history import Change
from models.booking.tables import appointment, appointment_for, booking
from models.called import BY_CALL
from models.centres.tables import centre
from models.clock import Clock
from models.crypto import Vault
from models.prepared import Prepared
from models.rows import from_row, record, values_of
from models.tables import nothing_personal
from models.writes import insert_new

# Ids in one statement.
_AT_ONCE = 1000
# A booking that was answered like one and not made, for its person had one already: it has no
# place and counts as none. `STOOD_DOWN` is such a one that was cancelled.
STAND_IN = "stand_in"
STOOD_DOWN = "stood_down"
STAND_INS = (STAND_IN, STOOD_DOWN)


@dataclass(frozen=True)
class NewService:
    """What is done in one appointment of a booking: `dose` is of the service.

    `number` is that of the appointment in its booking: 1 for the first of `NewBooking.doses`.
    """

    service: str
    campaign: str
    number: int
    dose: int = 1


@record(frozen=True)
class PersonHashes:
    """The keyed hashes of a number, of a birth date, and of the person of both in a campaign."""

    phone: bytes | None
    born: bytes | None
    person: bytes | None


@record(frozen=True)
class NewBooking:
    """One person's booking. `number` is E.164 or None; `doses` are (place, UTC) in order.

    `rank` is 2 for a second person of the same birth date on the same phone, that the caller named
    as another person. `name` is taken by agents and on the web only. `language` is what they spoke;
    `calls`: they want to be rung the same evening, and before the appointment. `reach` says what
    proved the number, and `place_idx` is set where nothing did (`models.booking.reach`).
    `stand_in`: it is none, and its places stay free. `services` are what is done in its
    appointments; empty: what its campaign of no named service gives.
    """

    id: str
    idempotency_key: str
    channel: str
    campaign: str
    centre_id: str
    call_id: str | None
    born: date
    number: str | None
    postcode: str
    doses: tuple[tuple[int, datetime], ...]
    rank: int = 1
    name: str | None = None
    language: str = "fr"
    calls: bool = False
    reach: str = ""
    place_idx: bytes | None = None
    stand_in: bool = False
    # By what it could resemble others, for a while (`models.booking.clusters`).
    name_idx: bytes | None = None
    prefix_idx: bytes | None = None
    client_idx: bytes | None = None
    alike_idx: bytes | None = None
    services: tuple[NewService, ...] = ()
    # The number of ours that its person called; None: that of the call, or the default.
    called: str | None = None
    # An address of e-mail, as `services.messages.mails.address` has it.
    mail: str | None = None
    # Of its number, birth date, campaign and rank, where `known` made them; None: `add` makes them.
    hashes: PersonHashes | None = None

    @property
    def state(self) -> str:
        """The state that it begins in."""
        return STAND_IN if self.stand_in else "confirmed"


@dataclass(frozen=True)
class BookedPerson:
    """The person who comes. Empty is what was not taken, or was erased; `born` is an ISO date."""

    born: str
    number: str
    name: str
    postcode: str


@dataclass(frozen=True)
class BookingRow:
    """One line of `flask bookings export`; moments are UTC."""

    reference: str
    channel: str
    centre_id: str
    centre_name: str
    time_zone: str
    start_at: datetime
    dose: int
    state: str
    created_at: datetime
    person: BookedPerson | None = None
    # What the appointment is for; None where that was not asked for.
    services: tuple[str, ...] | None = None


class Added(Enum):
    """What became of a new booking. Only DONE leaves anything behind."""

    DONE = auto()
    # This reference, or this very booking, exists already.
    TAKEN = auto()
    # The person has an appointment for one of these doses.
    REPEATED = auto()


def person_idx(
    vault: Vault, campaign: str, born: date, number: str | None, rank: int
) -> bytes | None:
    """The key of a person on all channels; None without a phone, for a birth date is not enough."""
    if number is None:
        return None
    return vault.index("person", f"{campaign}|{born.isoformat()}|{number}|{rank}")


def add(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    new: NewBooking,
    reference: str,
    line: Change | None = None,
) -> Added:
    """Store a booking with its appointments, and the line of its history.

    One statement stores all of it, but for named services. The line's reason is one
    of `history.WORDS`.
    """
    born = new.born.isoformat()
    hashes = new.hashes or PersonHashes(
        vault.index("phone", new.number),
        vault.index("dob", born),
        person_idx(vault, new.campaign, new.born, new.number, new.rank),
    )
    values = values_of(new, booking)
    values |= {
        "reference_enc": vault.seal_text(reference, _where("reference", new.id)),
        "reference_idx": vault.index("reference", reference),
        "state": new.state,
        "dob_enc": vault.seal_text(born, _where("dob", new.id)),
        "dob_idx": hashes.born,
        "phone_enc": vault.seal_text(new.number, _where("phone", new.id)),
        "phone_idx": hashes.phone,
        "name_enc": vault.seal_text(new.name, _where("name", new.id)),
        "mail_enc": vault.seal_text(new.mail, _where("mail", new.id)),
        "mail_idx": vault.index("mail", new.mail),
        "last_start_at": max([start for _, start in new.doses]),
    }
    # The person's key is that of the booking which is there; or it is with each service.
    person = None if new.stand_in or new.services else hashes.person
    appointments: dict[str, Any] = {
        "the_booking": new.id,
        "the_centre": new.centre_id,
        "the_state": new.state,
        "the_person": person,
    }
    for dose, (place_id, start) in enumerate(new.doses, start=1):
        appointments[f"place_{dose}"] = place_id
        appointments[f"start_{dose}"] = start
    at_once = line is not None and not new.services
    if line is not None and at_once:
        given = _given_at_once(values) | appointments | history.line_values(line)
        statement = _add_at_once(clock, tuple(values), len(new.doses))
        (made,) = statement.rows(connection, given)
        is_new, count = made.bookings == 1, made.appointments
    else:
        is_new = insert_new(connection, clock, booking, values, "created_at", looked_up=(BY_CALL,))
        of_doses = _new_appointments(len(new.doses))
        count = of_doses.count(connection, appointments) if is_new else 0
    if not is_new:
        return Added.TAKEN
    if count < len(new.doses):
        _take_out(connection, new.id)
        return Added.REPEATED
    for service in new.services:
        key = None
        if not new.stand_in:
            key = person_idx(vault, service.campaign, new.born, new.number, new.rank)
        if not add_service(connection, new.id, service, new.state, key):
            _take_out(connection, new.id)
            return Added.REPEATED
    if line is not None and not at_once:
        history.add(connection, clock, vault, new.id, line)
    return Added.DONE


def _take_out(connection: Connection, booking_id: str) -> None:
    """Undo what `add` stored so far."""
    for table in (appointment_for, appointment):
        connection.execute(delete(table).where(table.c.booking_id == booking_id))
    connection.execute(delete(booking).where(booking.c.id == booking_id))


def add_service(
    connection: Connection, booking_id: str, one: NewService, state: str, person: bytes | None
) -> bool:
    """Say what is done in an appointment; False where the person has it booked already.

    The appointment is there, in this state; `person` is the person's key (`person_idx`).
    """
    values = {
        "the_booking": booking_id,
        "the_number": one.number,
        "the_service": one.service,
        "the_campaign": one.campaign,
        "the_dose": one.dose,
        "the_state": state,
        "the_person": person,
    }
    return _new_service().count(connection, values) == 1


@lru_cache
def _new_service() -> Prepared:
    kinds = appointment_for.c
    source = select(
        appointment.c.id,
        appointment.c.booking_id,
        bindparam("the_service", type_=kinds.service.type),
        bindparam("the_campaign", type_=kinds.campaign.type),
        bindparam("the_dose", type_=kinds.dose.type),
        appointment.c.state,
        bindparam("the_person", type_=kinds.person_idx.type),
    ).where(
        appointment.c.booking_id == bindparam("the_booking"),
        appointment.c.dose == bindparam("the_number"),
        appointment.c.state == bindparam("the_state"),
    )
    statement = insert(appointment_for).from_select(
        [
            "appointment_id", "booking_id", "service", "campaign", "dose", "state", "person_idx",
        ],
        source,
    )  # fmt: skip
    # Only the person may be there already.
    statement = statement.on_conflict_do_nothing(
        index_elements=["person_idx", "dose"],
        index_where=text("state = 'confirmed' AND person_idx IS NOT NULL"),
    )
    return Prepared(statement.inline().execution_options(preserve_rowcount=True))


def _rows(doses: int) -> list[dict[str, Any]]:
    """The appointments of a booking, by the values that `add` gives."""
    kinds = appointment.c
    return [
        {
            "booking_id": bindparam("the_booking", type_=kinds.booking_id.type),
            "dose": literal(dose),
            "place_id": bindparam(f"place_{dose}", type_=kinds.place_id.type),
            "centre_id": bindparam("the_centre", type_=kinds.centre_id.type),
            "start_at": bindparam(f"start_{dose}", type_=kinds.start_at.type),
            "state": bindparam("the_state", type_=kinds.state.type),
            "person_idx": bindparam("the_person", type_=kinds.person_idx.type),
        }
        for dose in range(1, doses + 1)
    ]


def _unless_repeated(statement: Any) -> Any:
    """Only the person may be there already; a place given twice must go on raising."""
    return statement.on_conflict_do_nothing(
        index_elements=["person_idx", "dose"],
        index_where=text("state = 'confirmed' AND person_idx IS NOT NULL"),
    )


@lru_cache
def _new_appointments(doses: int) -> Prepared:
    statement = _unless_repeated(insert(appointment).values(_rows(doses)))
    return Prepared(statement.inline().execution_options(preserve_rowcount=True))


def _given_at_once(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the statement of `_add_at_once` is given of the booking itself."""
    given = {f"new_{name}": value for name, value in values.items()}
    return given | {bind: values[name] for bind, name in BY_CALL.binds}


@lru_cache
def _add_at_once(clock: Clock, columns: tuple[str, ...], doses: int) -> Prepared:
    """A booking, its appointments where it went in, and its line where all of these did."""
    # No name of a value may be a column's: SQLAlchemy would set that column, too.
    values: dict[str, Any] = {
        name: bindparam(f"new_{name}", type_=booking.c[name].type)
        for name in columns
        if name != BY_CALL.column
    }
    values |= {"created_at": clock.at(), BY_CALL.column: BY_CALL.expression}
    stored = (
        insert(booking)
        .values(values)
        .on_conflict_do_nothing()
        .returning(booking.c.id)
        .cte("stored")
    )
    # PostgreSQL takes what is null for text there, unless it is told.
    rows = [
        select(*(cast(value, appointment.c[name].type) for name, value in row.items())).select_from(
            stored
        )
        for row in _rows(doses)
    ]
    made = (
        _unless_repeated(insert(appointment).from_select([*_rows(1)[0]], union_all(*rows)))
        .returning(appointment.c.dose)
        .cte("made")
    )
    bookings, appointments = (
        select(func.count()).select_from(some).scalar_subquery() for some in (stored, made)
    )
    line = history.line_of(
        clock, bindparam("the_booking", type_=booking.c.id.type), appointments == doses
    ).cte("line")
    return Prepared(
        select(bookings.label("bookings"), appointments.label("appointments")).add_cte(line)
    )


def wish_calls(
    connection: Connection, vault: Vault, references: Sequence[str], *, wish: bool = True
) -> int:
    """Note that the people of these bookings (ten digits each) want to be rung; gives how many."""
    found = [vault.index("reference", reference) for reference in references]
    statement = update(booking).where(booking.c.reference_idx.in_(found)).values(calls=wish)
    return connection.execute(statement).rowcount


def wish_no_calls(connection: Connection, booking_id: str) -> bool:
    """Note that the person of this booking wants no more calls; False where that was so before."""
    statement = (
        update(booking).where(booking.c.id == booking_id, booking.c.calls).values(calls=False)
    )
    return connection.execute(statement).rowcount == 1


def count(connection: Connection) -> int:
    """How many bookings there are of people who are not erased."""
    statement = select(func.count()).select_from(booking).where(booking.c.erased_at.is_(None))
    return int(connection.execute(statement).scalar_one())


def export(
    connection: Connection, vault: Vault, *, with_people: bool = False, with_services: bool = False
) -> Iterator[BookingRow]:
    """Every appointment, oldest booking first; an erased booking has no reference.

    The person is read, and opened, only on demand; so is what each appointment is for.
    """
    personal = (booking.c.dob_enc, booking.c.phone_enc, booking.c.name_enc, booking.c.postcode)
    # What is done in it; of a cancelled one, what was to be done.
    done = (
        select(func.aggregate_strings(appointment_for.c.service, " "))
        .where(
            appointment_for.c.appointment_id == appointment.c.id,
            appointment_for.c.state == appointment.c.state,
        )
        .scalar_subquery()
    )
    statement = (
        select(
            booking.c.id,
            booking.c.reference_enc,
            booking.c.channel,
            appointment.c.centre_id,
            centre.c.name.label("centre_name"),
            centre.c.time_zone,
            appointment.c.start_at,
            appointment.c.dose,
            appointment.c.state,
            booking.c.created_at,
            *(personal if with_people else ()),
            *((done.label("done"),) if with_services else ()),
        )
        .join(appointment, appointment.c.booking_id == booking.c.id)
        .join(centre, centre.c.id == appointment.c.centre_id)
        .where(booking.c.state.not_in(STAND_INS))
        .order_by(booking.c.created_at, booking.c.id, appointment.c.dose)
        .execution_options(yield_per=1000)
    )
    with connection.execute(statement) as rows:
        for row in rows:
            yield from_row(
                BookingRow,
                row,
                reference=opened(vault, row, "reference") or "",
                person=BookedPerson(
                    born=opened(vault, row, "dob") or "",
                    number=opened(vault, row, "phone") or "",
                    name=opened(vault, row, "name") or "",
                    postcode=row.postcode or "",
                )
                if with_people
                else None,
                services=tuple(sorted((row.done or "").split())) if with_services else None,
            )


def count_ahead(connection: Connection, clock: Clock, campaign: str) -> int:
    """How many bookings of a campaign have an appointment ahead, and a person."""
    statement = select(func.count()).where(
        _is_of(campaign), booking.c.last_start_at >= clock.at(), booking.c.erased_at.is_(None)
    )
    return int(connection.execute(statement).scalar_one())


def _is_of(campaign: str) -> ColumnElement[bool]:
    """Whether a booking is of a campaign and of no other: of two services it is both's."""
    other = exists().where(
        appointment_for.c.booking_id == booking.c.id, appointment_for.c.campaign != campaign
    )
    return and_(booking.c.campaign == campaign, ~other)


def erase_due(
    connection: Connection, clock: Clock, after: timedelta, campaign: str = ""
) -> list[str]:
    """Erase what identifies a person from bookings whose last appointment is `after` ago.

    Gives the ids of the bookings that were erased. `campaign`: of this one alone; a booking that is
    of another campaign, too, is none of these.
    """
    statement = (
        update(booking)
        .where(
            booking.c.last_start_at < clock.at(-after),
            booking.c.erased_at.is_(None),
            *([_is_of(campaign)] if campaign else ()),
        )
        .values(nothing_personal(booking) | {"erased_at": clock.at()})
        .returning(booking.c.id)
    )
    erased = list(connection.execute(statement).scalars())
    # A keyed hash of a person is a trace of them, too.
    for start in range(0, len(erased), _AT_ONCE):
        some = erased[start : start + _AT_ONCE]
        for table in (appointment, appointment_for):
            connection.execute(
                update(table).where(table.c.booking_id.in_(some)).values(nothing_personal(table))
            )
    return erased


def opened(vault: Vault, row: Any, column: str) -> str | None:
    """What a row of a booking has sealed; None for what was not taken, or was erased."""
    return vault.open_text(getattr(row, f"{column}_enc"), _where(column, row.id))


def _where(column: str, booking_id: str) -> str:
    return f"booking.{column}:{booking_id}"
