"""A centre's day as its secretary sees it: the people due, those who came, and the free places.

Every statement names the centre, so that no id of another centre's day can be looked at or changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.accounts.tables import staff_act
from models.booking.bookings import opened
from models.booking.tables import appointment, appointment_for, booking
from models.centre_day.tables import attendance
from models.clock import Clock
from models.crypto import Vault
from models.slots.slot_query import Window, is_held
from models.slots.slots import SlotCount
from models.slots.tables import place
from models.waiting_list.tables import waiting_entry, waiting_offer
from models.waiting_list.waiting import holder_of


@dataclass(frozen=True)
class ToBeDone:
    """What an appointment is for. `dose` counts within the service."""

    service: str
    campaign: str
    dose: int


@dataclass(frozen=True)
class Comes:
    """An appointment of the day; `start_at` is UTC, `born` an ISO date, "" once erased.

    `ends` are the last four digits of the reference, `number_ends` the last two of the telephone
    number ("" where there is none). `state` is "present", "done", "absent" or "" as long as no
    secretary noted it (`noted_at`, UTC); `given` says that the place of an absent person was given
    away.
    """

    booking_id: str
    dose: int
    start_at: datetime
    born: str
    name: str
    ends: str
    channel: str
    state: str
    given: bool = False
    number_ends: str = ""
    noted_at: datetime | None = None
    # What is done, where their campaign is of a named service: service, campaign and dose of each.
    services: tuple[ToBeDone, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.booking_id}-{self.dose}"

    @property
    def shown(self) -> str:
        return GIVEN if self.given and self.state == "absent" else self.state


@dataclass(frozen=True)
class Wanted:
    """The people to find on a day.

    People of one of these birth dates (ISO), and people whose telephone number or reference ends in
    these digits ("": no person is found by them).
    """

    births: frozenset[str] = frozenset()
    ends: str = ""


@dataclass(frozen=True)
class Mark:
    """What a secretary (`who`) noted of an appointment, and when (UTC, None where nothing is)."""

    state: str
    who: str = ""
    at: datetime | None = None
    start_at: datetime | None = None
    given_place: int | None = None


@dataclass(frozen=True)
class RungCandidate:
    """A person of the waiting list who has a place of this centre held until `until` (UTC)."""

    entry_id: str
    start_at: datetime
    until: datetime


# Not a mark, but shown: an absent person whose place another person has by now.
GIVEN = "given"

# Digits of a French number as it is dialled.
_DIALLED = 10

_LIVE: ColumnElement[bool] = appointment.c.state == "confirmed"


def _same() -> ColumnElement[bool]:
    """A mark is of the appointment as it was: after a move the person is expected anew."""
    return and_(
        attendance.c.booking_id == appointment.c.booking_id,
        attendance.c.dose == appointment.c.dose,
        attendance.c.start_at == appointment.c.start_at,
    )


def _of_day(centre_id: str, window: Window) -> ColumnElement[bool]:
    return and_(
        appointment.c.centre_id == centre_id,
        appointment.c.start_at >= window[0],
        appointment.c.start_at < window[1],
        _LIVE,
    )


def day(
    connection: Connection,
    vault: Vault,
    centre_id: str,
    window: Window,
    wanted: Wanted | None = None,
) -> list[Comes]:
    """The people who have an appointment at a centre in a window of time, by the hour.

    All of them, or those who are `wanted`. A number's end has no look-up index: its few digits
    would tell which bookings of the country share one. Only the rows of this centre's day are
    opened, and what they hold stays in here.
    """
    done = _services(connection, centre_id, window)
    return [
        _comes(vault, row, done)
        for row in _rows(connection, centre_id, window)
        if wanted is None or _is_wanted(vault, row, wanted)
    ]


def _is_wanted(vault: Vault, row: Row[Any], wanted: Wanted) -> bool:
    if wanted.births and opened(vault, row, "dob") in wanted.births:
        return True
    if not wanted.ends:
        return False
    if (opened(vault, row, "reference") or "").endswith(wanted.ends):
        return True
    # A whole number is typed as it is dialled, and kept with the country in front.
    whole = len(wanted.ends) == _DIALLED and wanted.ends.startswith("0")
    return (opened(vault, row, "phone") or "").endswith(wanted.ends[1:] if whole else wanted.ends)


def _rows(connection: Connection, centre_id: str, window: Window) -> Sequence[Row[Any]]:
    statement: Select[Any] = (
        select(
            *(
                booking.c[name]
                for name in ("id", "reference_enc", "dob_enc", "name_enc", "phone_enc", "channel")
            ),
            appointment.c.id.label("appointment_id"),
            *(appointment.c[name] for name in ("dose", "start_at")),
            *(attendance.c[name] for name in ("state", "given_place", "at")),
        )
        .select_from(appointment)
        .join(booking, booking.c.id == appointment.c.booking_id)
        .outerjoin(attendance, _same())
        .where(_of_day(centre_id, window))
        .order_by(appointment.c.start_at, booking.c.created_at, booking.c.id, appointment.c.dose)
    )
    return connection.execute(statement).all()


def _services(
    connection: Connection, centre_id: str, window: Window
) -> dict[int, tuple[ToBeDone, ...]]:
    """What the appointments of a day are for, by their ids; those of no named service are not."""
    names = ("appointment_id", "service", "campaign", "dose")
    statement = (
        select(*(appointment_for.c[name] for name in names))
        .join(appointment, appointment.c.id == appointment_for.c.appointment_id)
        .where(_of_day(centre_id, window), appointment_for.c.state == "confirmed")
        .order_by(appointment_for.c.id)
    )
    found: dict[int, tuple[ToBeDone, ...]] = {}
    for row in connection.execute(statement):
        one = ToBeDone(row.service, row.campaign, row.dose)
        found[row.appointment_id] = (*found.get(row.appointment_id, ()), one)
    return found


def _comes(vault: Vault, row: Row[Any], done: Mapping[int, tuple[ToBeDone, ...]]) -> Comes:
    return Comes(
        booking_id=row.id,
        dose=row.dose,
        start_at=row.start_at,
        born=opened(vault, row, "dob") or "",
        name=opened(vault, row, "name") or "",
        ends=(opened(vault, row, "reference") or "")[-4:],
        channel=row.channel,
        state=row.state or "",
        given=row.given_place is not None,
        number_ends=(opened(vault, row, "phone") or "")[-2:],
        noted_at=row.at if row.state else None,
        services=done.get(row.appointment_id, ()),
    )


def marks(connection: Connection, centre_id: str, window: Window) -> dict[str, str]:
    """What is shown of each appointment of the day, by its key; nothing personal."""
    given = and_(attendance.c.state == "absent", attendance.c.given_place.is_not(None))
    shown = case((given, GIVEN), else_=attendance.c.state).label("state")
    statement = (
        select(appointment.c.booking_id, appointment.c.dose, shown)
        .outerjoin(attendance, _same())
        .where(_of_day(centre_id, window))
        .order_by(appointment.c.start_at, appointment.c.booking_id, appointment.c.dose)
    )
    return {
        f"{row.booking_id}-{row.dose}": row.state or "" for row in connection.execute(statement)
    }


def lock(connection: Connection, centre_id: str, booking_id: str, dose: int) -> Mark | None:
    """What is said of an appointment of this centre; None where there is none.

    No other transaction changes that until this one ends.
    """
    statement = select(appointment.c.start_at).where(
        appointment.c.booking_id == booking_id,
        appointment.c.dose == dose,
        appointment.c.centre_id == centre_id,
        _LIVE,
    )
    start = connection.execute(statement.with_for_update()).scalar_one_or_none()
    if start is None:
        return None
    # A statement of its own, after the lock: the first one may have waited for another's word.
    row = connection.execute(
        select(
            attendance.c.state, attendance.c.who, attendance.c.at, attendance.c.given_place
        ).where(
            attendance.c.booking_id == booking_id,
            attendance.c.dose == dose,
            attendance.c.start_at == start,
        )
    ).one_or_none()
    if row is None:
        return Mark("", start_at=start)
    return Mark(row.state, row.who, row.at, start, row.given_place)


def write(  # noqa: PLR0917 (a sentence: of which appointment, what, by which secretary)
    connection: Connection,
    clock: Clock,
    booking_id: str,
    dose: int,
    start_at: datetime,
    state: str,
    who: str,
) -> None:
    """Say it; the appointment must be locked."""
    values = {"start_at": start_at, "state": state, "who": who, "at": clock.at()}
    # What was given away for an appointment before it was moved is of no concern now.
    stays = case((attendance.c.start_at == start_at, attendance.c.given_place), else_=None)
    connection.execute(
        insert(attendance)
        .values(booking_id=booking_id, dose=dose, **values)
        .on_conflict_do_update(
            index_elements=["booking_id", "dose"], set_={**values, "given_place": stays}
        )
    )


# ---------------------------------------------------------------- what is left of the day


def next_absent(
    connection: Connection, centre_id: str, window: Window
) -> tuple[str, int, int] | None:
    """An absent person whose place was not given away yet: booking, dose and slot; locked.

    Passes over one that another secretary's transaction has locked.
    """
    statement = (
        select(attendance.c.booking_id, attendance.c.dose, place.c.slot_id)
        .select_from(attendance)
        .join(appointment, _same())
        .join(place, place.c.id == appointment.c.place_id)
        .where(
            _of_day(centre_id, window),
            attendance.c.state == "absent",
            attendance.c.given_place.is_(None),
        )
        .order_by(appointment.c.start_at.desc(), attendance.c.booking_id)
        .limit(1)
        .with_for_update(of=attendance, skip_locked=True)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else (row.booking_id, row.dose, row.slot_id)


def set_given(connection: Connection, booking_id: str, dose: int, place_id: int | None) -> None:
    """Note the place that replaces an absent person's; None: it is theirs again. Row locked."""
    connection.execute(
        update(attendance)
        .where(attendance.c.booking_id == booking_id, attendance.c.dose == dose)
        .values(given_place=place_id)
    )


# ---------------------------------------------------------------- people who are rung


def rung(
    connection: Connection, clock: Clock, centre_id: str, window: Window
) -> list[RungCandidate]:
    """The people of the waiting list that a secretary of this centre rings, by their hour.

    An offer that was told by text or by a machine is none of these: it has a row of its own.
    """
    told = (
        select(waiting_offer.c.id)
        .where(waiting_offer.c.entry_id == waiting_entry.c.id, waiting_offer.c.ended_at.is_(None))
        .exists()
    )
    statement = (
        select(waiting_entry.c.id, func.min(place.c.start_at), waiting_entry.c.offered_until)
        .join(place, place.c.held_by == literal(holder_of("")) + waiting_entry.c.id)
        .where(
            waiting_entry.c.state == "offered",
            not_(told),
            place.c.centre_id == centre_id,
            place.c.start_at >= window[0],
            place.c.start_at < window[1],
            is_held(clock),
        )
        .group_by(waiting_entry.c.id, waiting_entry.c.offered_until)
        .order_by(func.min(place.c.start_at), waiting_entry.c.id)
    )
    return [RungCandidate(*row) for row in connection.execute(statement)]


def rung_since(connection: Connection, what: str, since: datetime) -> list[str]:
    """Entries that were rung for since then (UTC): no person is rung twice in an evening."""
    statement = select(staff_act.c.subject).where(staff_act.c.what == what, staff_act.c.at >= since)
    return list(connection.execute(statement.distinct()).scalars())


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete what was said so long ago; gives how many rows."""
    statement = delete(attendance).where(
        or_(attendance.c.at < clock.at(-after), attendance.c.start_at < clock.at(-after))
    )
    return connection.execute(statement).rowcount


def earliest_free(hours_of_day: Sequence[SlotCount], now: datetime) -> list[SlotCount]:
    """Slots with a free place in the order in which they are given away.

    First what is still ahead, the soonest first; then what was not taken, the latest first.
    """
    ahead = [hour for hour in hours_of_day if hour.free and hour.start_at >= now]
    passed = [hour for hour in hours_of_day if hour.free and hour.start_at < now]
    return [*ahead, *reversed(passed)]
