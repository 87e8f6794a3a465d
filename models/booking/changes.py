"""What becomes of a booking once it is there: read it whole, cancel, move and restore it.

A transaction that changes one calls `load(…, lock=True)` first, so that two changes of one booking
come one after the other. Every write says, besides, which state it needs. Each change counts
`version` up. A booking has one row of `appointment` for each dose, whatever happens to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from models.booking.bookings import STAND_IN, STAND_INS, STOOD_DOWN, opened
from models.booking.look_up import OnOneNumber
from models.booking.tables import appointment, appointment_for, booking, history
from models.centres.tables import centre
from models.clock import Clock
from models.crypto import Vault
from models.prepared import Prepared, Values
from models.rows import columns_of, from_row
from models.slots.tables import place, slot

# What a person may come for, as they were told, and what it becomes when it is cancelled. A
# stand-in changes like a booking, for no person is to tell one from the other.
_LIVE = ("confirmed", STAND_IN)
_OFF = ("cancelled", STOOD_DOWN)
# For each dose: the place, its centre, and when it starts (UTC).
Doses = Mapping[int, tuple[int, str, datetime]]


class ChangedMeanwhile(Exception):
    """A dose is not in the state that the change needs; the transaction is to be rolled back."""


@dataclass(frozen=True)
class ServiceDone:
    """What is done in an appointment, of a campaign of a named service; `dose` is the service's.

    `state` is as that of the appointment; `id` is of its row.
    """

    id: int
    service: str
    campaign: str
    dose: int
    state: str

    @property
    def is_live(self) -> bool:
        return self.state in _LIVE


@dataclass(frozen=True)
class BookedAppointment:
    """One dose; of several services, which of the booking's appointments it is.

    `state` is "confirmed", "cancelled", STAND_IN or STOOD_DOWN; `start_at` is UTC. `blocked`: its
    place was withdrawn by an operation on its centre, day or hour.
    """

    dose: int
    place_id: int
    slot_id: int
    centre_id: str
    start_at: datetime
    state: str
    blocked: bool = False
    # Empty where its campaign is of no named service.
    services: tuple[ServiceDone, ...] = ()

    @property
    def live_services(self) -> tuple[ServiceDone, ...]:
        return tuple(service for service in self.services if service.is_live)


@dataclass(frozen=True)
class BookingDetails:
    """All about one booking; moments are UTC.

    `reference` is empty, and `born`, `number`, `postcode` and `name` are None, once they have been
    erased; a name is None, too, where none was taken.
    """

    id: str
    reference: str
    channel: str
    campaign: str
    centre_id: str
    state: str
    born: date | None
    number: str | None
    postcode: str | None
    rank: int
    name: str | None
    version: int
    created_at: datetime
    call_id: str | None
    appointments: tuple[BookedAppointment, ...]
    language: str = "fr"
    # Whether its person wants to be rung: the same evening, and before the appointment.
    calls: bool = False
    # What proved its number (`models.booking.reach`); None: of an earlier version.
    reach: str | None = None
    # The number of ours that its call came in by; None: the default.
    called: str | None = None
    # An address of e-mail; None: none was typed, or it was erased.
    mail: str | None = None

    @property
    def live(self) -> tuple[BookedAppointment, ...]:
        """The appointments that are not cancelled, in the order of the doses."""
        return tuple(dose for dose in self.appointments if dose.state in _LIVE)

    @property
    def of_several(self) -> bool:
        """Whether it is of more than one service, which stand for themselves."""
        return len({each.service for dose in self.appointments for each in dose.services}) > 1

    @property
    def campaigns(self) -> tuple[str, ...]:
        """The campaigns of what is not cancelled, or of all that was; its own without others."""
        of_live = [each.campaign for dose in self.live for each in dose.live_services]
        of_all = [each.campaign for dose in self.appointments for each in dose.services]
        return tuple(dict.fromkeys(of_live or of_all)) or (self.campaign,)

    @property
    def is_stand_in(self) -> bool:
        """Whether it is none, and its person has another (models.booking.bookings.STAND_IN)."""
        return self.state in STAND_INS

    def ahead(self, now: datetime) -> list[BookedAppointment]:
        """Those of them that begin after a moment (UTC)."""
        return [dose for dose in self.live if dose.start_at > now]


_DONE = tuple(field.name for field in fields(ServiceDone))


def find_by_reference(
    connection: Connection, vault: Vault, reference: str
) -> BookingDetails | None:
    """The booking with this reference (ten digits)."""
    found = id_by_reference(connection, vault, reference)
    return None if found is None else load(connection, vault, found)


def id_by_reference(connection: Connection, vault: Vault, reference: str) -> str | None:
    """The id of the booking with this reference (ten digits)."""
    statement = select(booking.c.id).where(
        booking.c.reference_idx == vault.index("reference", reference)
    )
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


def id_by_number(
    connection: Connection, clock: Clock, vault: Vault, number: str, born: date
) -> str | None:
    """The booking of a number (E.164) and a birth date that is still ahead; the oldest of them."""
    statement = (
        select(booking.c.id)
        .where(
            booking.c.phone_idx == vault.index("phone", number),
            booking.c.dob_idx == vault.index("dob", born.isoformat()),
            booking.c.state == "confirmed",
            booking.c.last_start_at > clock.at(),
        )
        .order_by(booking.c.created_at, booking.c.id)
        .limit(1)
    )
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


def people_at(  # noqa: PLR0917
    connection: Connection, clock: Clock, vault: Vault, kind: str, where: str, campaign: str
) -> list[OnOneNumber]:
    """Return the people whose messages go to a number or an address, in the order of bookings.

    `kind` is "phone" or "mail". As `models.booking.bookings.Known.people`.
    """
    # The same for no number at all: nothing is told of whether there is one.
    values = {"where": vault.index(kind, where) or b""}
    return [
        OnOneNumber.of(row, date.fromisoformat(born), campaign)
        for row in _people_at(clock, kind).rows(connection, values)
        if (born := opened(vault, row, "dob"))
    ]


@lru_cache
def _people_at(clock: Clock, kind: str) -> Prepared:
    return Prepared(
        select(booking.c.id, booking.c.dob_enc, booking.c.rank, booking.c.campaign)
        .where(
            booking.c[f"{kind}_idx"] == bindparam("where"),
            or_(booking.c.state == "confirmed", booking.c.state == "cancelled"),
            booking.c.last_start_at > clock.at(),
            booking.c.dob_enc.is_not(None),
        )
        .order_by(booking.c.created_at, booking.c.id)
    )


def version_of(connection: Connection, booking_id: str) -> tuple[int | None, tuple[int, ...]]:
    """How often a booking was changed so far, and the doses that cannot take place now."""
    off = or_(
        centre.c.closed_at.is_not(None), and_(place.c.blocked, centre.c.booking_mode == "ours")
    )
    theirs = and_(appointment.c.booking_id == booking.c.id, appointment.c.state.in_(_LIVE))
    statement = (
        select(booking.c.version, appointment.c.dose, off.label("is_off"))
        .select_from(booking)
        .outerjoin(appointment, theirs)
        .outerjoin(place, place.c.id == appointment.c.place_id)
        .outerjoin(centre, centre.c.id == appointment.c.centre_id)
        .where(booking.c.id == booking_id)
        .order_by(appointment.c.dose)
    )
    rows = connection.execute(statement).all()
    return (rows[0].version if rows else None), tuple(row.dose for row in rows if row.is_off)


def load_as_any(connection: Connection, vault: Vault, booking_id: str | None) -> BookingDetails:
    """Read a booking, or do the same work for none: the time taken must tell a stranger nothing.

    What comes back for none has no appointment, and the birth date of no real person.
    """
    values = {"the_id": booking_id or NO_FILE.id}
    rows, appointments = _BY_ID.rows(connection, values), _OF_ID.rows(connection, values)
    return _whole(vault, rows[0], appointments) if rows else _nobody(vault)


def load_by_reference_as_any(
    connection: Connection, vault: Vault, reference: str
) -> BookingDetails:
    """The same of a reference (ten digits), which is looked for with the booking itself."""
    values = {"the_reference": vault.index("reference", reference)}
    return _read(connection, vault, _BY_REFERENCE, _OF_REFERENCE, values) or _nobody(vault)


def _nobody(vault: Vault) -> BookingDetails:
    for sealed, where in _sealed_of_nobody(vault):
        vault.open_text(sealed, where)
    return NO_FILE


@lru_cache
def _sealed_of_nobody(vault: Vault) -> tuple[tuple[bytes | None, str], ...]:
    values = {"dob": "1900-01-01", "reference": "0" * 10, "phone": "+33100000000"}
    return tuple(
        (vault.seal_text(value, where), where)
        for value, where in ((each, f"booking.{one}:{NO_FILE.id}") for one, each in values.items())
    )


NO_FILE = BookingDetails(
    id="nobody",
    reference="",
    channel="",
    campaign="",
    centre_id="nowhere",
    state="",
    born=None,
    number=None,
    postcode=None,
    rank=1,
    name=None,
    version=0,
    created_at=datetime.min.replace(tzinfo=UTC),
    call_id=None,
    appointments=(),
)


def load(
    connection: Connection, vault: Vault, booking_id: str, *, lock: bool = False
) -> BookingDetails | None:
    """Read a booking; with `lock` no other transaction changes it until this one ends."""
    values = {"the_id": booking_id}
    if lock:
        rows = _LOCKED_BY_ID.rows(connection, values)
        # In a statement of its own, after the lock: the first one may have waited for a change.
        return _whole(vault, rows[0], _OF_ID.rows(connection, values)) if rows else None
    return _read(connection, vault, _BY_ID, _OF_ID, values)


def _read(
    connection: Connection,
    vault: Vault,
    one: Prepared,
    its_appointments: Prepared,
    values: Values,
) -> BookingDetails | None:
    rows = one.rows(connection, values)
    appointments = its_appointments.rows(connection, values)
    return _whole(vault, rows[0], appointments) if rows else None


_SEALED = tuple(booking.c[f"{name}_enc"] for name in ("dob", "reference", "phone", "name", "mail"))
_READ = select(*columns_of(BookingDetails, booking), *_SEALED)
_HAS_ID = _READ.where(booking.c.id == bindparam("the_id"))
_BY_ID = Prepared(_HAS_ID)
_LOCKED_BY_ID = Prepared(_HAS_ID.with_for_update(key_share=True))
_HAS_REFERENCE = booking.c.reference_idx == bindparam("the_reference")
_BY_REFERENCE = Prepared(_READ.where(_HAS_REFERENCE))


def _whole(vault: Vault, row: Any, appointments: Iterable[Any]) -> BookingDetails:
    born = opened(vault, row, "dob")
    return from_row(
        BookingDetails,
        row,
        reference=opened(vault, row, "reference") or "",
        born=date.fromisoformat(born) if born else None,
        number=opened(vault, row, "phone"),
        name=opened(vault, row, "name"),
        mail=opened(vault, row, "mail"),
        appointments=_appointments(appointments),
    )


_APPOINTMENTS = (
    select(
        *columns_of(BookedAppointment, appointment),
        place.c.slot_id,
        place.c.blocked,
        *(appointment_for.c[name].label(f"for_{name}") for name in _DONE),
    )
    .join(place, place.c.id == appointment.c.place_id)
    .outerjoin(appointment_for, appointment_for.c.appointment_id == appointment.c.id)
    .order_by(appointment.c.dose, appointment_for.c.id)
)
_OF_ID = Prepared(_APPOINTMENTS.where(appointment.c.booking_id == bindparam("the_id")))
_WITH_REFERENCE = select(booking.c.id).where(_HAS_REFERENCE).scalar_subquery()
_OF_REFERENCE = Prepared(_APPOINTMENTS.where(appointment.c.booking_id == _WITH_REFERENCE))


def _appointments(rows: Iterable[Any]) -> tuple[BookedAppointment, ...]:
    found: dict[int, BookedAppointment] = {}
    for row in rows:
        before = found.get(row.dose)
        done = before.services if before else ()
        if row.for_id is not None:
            done += (ServiceDone(*(getattr(row, f"for_{name}") for name in _DONE)),)
        found[row.dose] = from_row(BookedAppointment, row, services=done)
    return tuple(found.values())


def move_appointments(connection: Connection, clock: Clock, booking_id: str, to: Doses) -> int:
    """Put live doses on other places, which are booked for this booking already.

    Gives the booking's new version. Raises ChangedMeanwhile when one of the doses is not live.
    """
    for dose, where in to.items():
        _write_one(connection, _of(booking_id, dose, _LIVE).values(_there(where)))
    return _count_up(connection, clock, booking_id)


def cancel_appointments(
    connection: Connection,
    clock: Clock,
    booking_id: str,
    doses: Collection[int],
    services: Collection[ServiceDone] = (),
) -> int:
    """Cancel live doses, and the booking with its last one; their places are given back apart.

    `services` are what is done no more: in these doses, and in others that go on without it. Gives
    the booking's new version. Raises ChangedMeanwhile when one of them is not live.
    """
    for dose in sorted(doses):
        _write_one(connection, _of(booking_id, dose, _LIVE).values(state=_other(_LIVE, _OFF)))
    for service in services:
        _write_one(
            connection,
            _done(service, _LIVE).values(state=_other(_LIVE, _OFF, appointment_for)),
        )
    return _count_up(connection, clock, booking_id)


def split_appointment(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    booking_id: str,
    number: int,
    where: tuple[int, str, datetime],
    services: Collection[ServiceDone],
    state: str,
) -> int:
    """Do these live services in an appointment of their own, of this number and state.

    Its place is booked for this booking already; what else is done where they were stays. Gives
    the booking's new version. Raises ChangedMeanwhile when one of them is not live any more.
    """
    row = {"booking_id": booking_id, "dose": number, "state": state, **_there(where)}
    statement = insert(appointment).values(row).returning(appointment.c.id)
    new = connection.execute(statement).scalar_one()
    for service in services:
        _write_one(connection, _done(service, _LIVE).values(appointment_id=new))
    return _count_up(connection, clock, booking_id)


def set_campaign(connection: Connection, booking_id: str, campaign: str) -> None:
    """Say that a booking is of this campaign, for what it was of before is done no more."""
    connection.execute(update(booking).where(booking.c.id == booking_id).values(campaign=campaign))


def restore_appointments(
    connection: Connection,
    clock: Clock,
    booking_id: str,
    to: Doses,
    services: Collection[ServiceDone] = (),
) -> int:
    """Make cancelled doses live again, on places that are booked for this booking already.

    So are `services`, in these doses and in others that went on without them.

    Gives the booking's new version. Raises ChangedMeanwhile when one of the doses is not cancelled,
    or when the person has another appointment for it by now.
    """
    try:
        with connection.begin_nested():
            for dose, where in to.items():
                again = _of(booking_id, dose, _OFF).values(state=_other(_OFF, _LIVE))
                _write_one(connection, again.values(_there(where)))
            for service in services:
                revived = _done(service, _OFF).values(state=_other(_OFF, _LIVE, appointment_for))
                _write_one(connection, revived)
    except IntegrityError as error:
        # A place given twice must go on raising.
        if "person" not in str(error.orig):
            raise
        raise ChangedMeanwhile from None
    return _count_up(connection, clock, booking_id)


def _of(booking_id: str, dose: int, states: tuple[str, str]) -> Update:
    return update(appointment).where(
        appointment.c.booking_id == booking_id,
        appointment.c.dose == dose,
        appointment.c.state.in_(states),
    )


def _done(one: ServiceDone, states: tuple[str, str]) -> Update:
    return update(appointment_for).where(
        appointment_for.c.id == one.id, appointment_for.c.state.in_(states)
    )


def _other(states: tuple[str, str], become: tuple[str, str], table: Table = appointment) -> Any:
    """What an appointment in one of these states becomes: a booking's, or a stand-in's."""
    return case((table.c.state == states[1], become[1]), else_=become[0])


def _there(where: tuple[int, str, datetime]) -> dict[str, Any]:
    return dict(zip(("place_id", "centre_id", "start_at"), where, strict=True))


def _write_one(connection: Connection, statement: Update) -> None:
    if connection.execute(statement).rowcount != 1:
        raise ChangedMeanwhile


def _count_up(connection: Connection, clock: Clock, booking_id: str) -> int:
    """Let the booking say what its appointments are now; gives its new version."""
    live = and_(appointment.c.booking_id == booking_id, appointment.c.state.in_(_LIVE))
    centre_id = (
        select(appointment.c.centre_id)
        .where(live)
        .order_by(appointment.c.dose)
        .limit(1)
        .scalar_subquery()
    )
    last = select(func.max(appointment.c.start_at)).where(live).scalar_subquery()
    any_live: ColumnElement[bool] = exists().where(live)
    statement = (
        update(booking)
        .where(booking.c.id == booking_id)
        .values(
            state=case(
                (and_(any_live, booking.c.state.in_(STAND_INS)), STAND_IN),
                (any_live, "confirmed"),
                (booking.c.state.in_(STAND_INS), STOOD_DOWN),
                else_="cancelled",
            ),
            # A booking without a live appointment keeps where and when it was.
            centre_id=func.coalesce(centre_id, booking.c.centre_id),
            last_start_at=func.coalesce(last, booking.c.last_start_at),
            cancelled_at=case((any_live, None), else_=clock.at()),
            version=booking.c.version + 1,
        )
        .returning(booking.c.version)
    )
    version: int | None = connection.execute(statement).scalar_one_or_none()
    if version is None:
        raise ChangedMeanwhile
    return version


def slot_starts(
    connection: Connection, slot_ids: Collection[int]
) -> dict[int, tuple[str, datetime]]:
    """The centre and the start (UTC) of each slot; unknown ids are left out."""
    statement = select(slot.c.id, slot.c.centre_id, slot.c.start_at).where(slot.c.id.in_(slot_ids))
    return {row.id: (row.centre_id, row.start_at) for row in connection.execute(statement)}


def slot_at(connection: Connection, centre_id: str, start: datetime) -> int | None:
    """The slot of a centre that starts at this moment (UTC)."""
    statement = select(slot.c.id).where(slot.c.centre_id == centre_id, slot.c.start_at == start)
    return connection.execute(statement).scalar_one_or_none()


def campaigns_of(connection: Connection, booking_ids: Collection[str]) -> dict[str, str]:
    """The campaign of each booking; unknown ids are left out."""
    statement = select(booking.c.id, booking.c.campaign).where(booking.c.id.in_(booking_ids))
    return {row.id: row.campaign for row in connection.execute(statement)} if booking_ids else {}


def stand_ins(
    connection: Connection, clock: Clock, within: timedelta, *, without: str, limit: int
) -> list[str]:
    """Stand-ins of the last `within` whose history has no line of that word; oldest first."""
    line = exists().where(history.c.booking_id == booking.c.id, history.c.what == without)
    statement = (
        select(booking.c.id)
        .where(booking.c.state == STAND_IN, booking.c.created_at > clock.at(-within), ~line)
        .order_by(booking.c.created_at, booking.c.id)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())
