"""Reminders are written in sets: a day, a time zone and a campaign, some thousands a statement.

What a booking has at one centre on one day is reminded of once, by the first appointment there.
Where several campaigns remind of the same day, the one whose hour comes first has written it.

The people to remind are found, and their rows of the outbox made, inside the database. The
recipient and the words of a row are found when it is delivered. A day is cut into parts once
(`cut`); any number of processes take one after the other (`take_part`) and write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    Text,
    and_,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.booking.tables import appointment, appointment_for, booking, history
from models.centres.tables import centre
from models.clock import Clock
from models.messages.outbox import NOT_WANTED
from models.messages.tables import message, reminder_part, reminder_plan
from models.rows import columns_of, values_of
from models.slots.tables import place
from models.writes import insert_new

_COLUMNS = (
    "id", "kind", "dedupe_key", "booking_id", "state", "topic",
    "due_at", "created_at", "updated_at", "called",
)  # fmt: skip
_LIVE = "confirmed"


@dataclass(frozen=True)
class ReminderDay:
    """The appointments of a campaign on one day by the clock of a zone, and of which reminder.

    Of an appointment in which several services are done, each of their campaigns has it.
    `begins` and `ends` are that day's, in UTC; the end is not in it.
    """

    what: str
    campaign: str
    time_zone: str
    day: date
    begins: datetime
    ends: datetime


def zones(connection: Connection) -> list[str]:
    """The time zones of all centres."""
    statement = select(centre.c.time_zone).distinct().order_by(centre.c.time_zone)
    return list(connection.execute(statement).scalars())


@dataclass(frozen=True)
class ReminderPart:
    """A part of a day: from one appointment to the next part's first, by moment (UTC) and id.

    Of an evening's calls the moments are those at which bookings were made, and the ids 0.
    """

    number: int
    begins_at: datetime
    begins_id: int
    ends_at: datetime
    ends_id: int


def parts_left(connection: Connection, day: ReminderDay) -> int | None:
    """How many parts of a day wait to be written; None where it was not cut into parts yet."""
    left = select(func.count()).select_from(reminder_part).where(_is_of(reminder_part, day))
    statement = select(left.scalar_subquery()).where(_is_of(reminder_plan, day))
    return connection.execute(statement).scalar_one_or_none()


def _is_of(table: Table, day: ReminderDay) -> ColumnElement[bool]:
    values = values_of(day, reminder_plan)
    return and_(*(table.c[name] == value for name, value in values.items()))


def claim(connection: Connection, clock: Clock, day: ReminderDay) -> bool:
    """Claim a day to cut it, in this transaction; False when another process has claimed it."""
    values = values_of(day, reminder_plan) | {"messages": 0}
    return insert_new(connection, clock, reminder_plan, values, "planned_at")


def cut(connection: Connection, day: ReminderDay, size: int) -> int:
    """Cut a day that was claimed into parts of so many appointments each; gives how many parts."""
    found = (
        select(appointment.c.start_at.label("at"), appointment.c.id.label("id"))
        .join(centre, centre.c.id == appointment.c.centre_id)
        .where(
            appointment.c.start_at >= day.begins,
            appointment.c.start_at < day.ends,
            appointment.c.state == _LIVE,
            centre.c.time_zone == day.time_zone,
        )
    )
    return _cut(connection, day, found, size, day.begins, day.ends)


def cut_evening(
    connection: Connection, day: ReminderDay, size: int, *, begins: datetime, ends: datetime
) -> int:
    """The same of bookings made between two moments (UTC) by people who want to be rung."""
    found = select(booking.c.created_at.label("at"), literal(0).label("id")).where(
        booking.c.created_at >= begins, booking.c.created_at < ends, booking.c.calls
    )
    return _cut(connection, day, found, size, begins, ends)


def _cut(  # noqa: PLR0917
    connection: Connection,
    day: ReminderDay,
    found: Select[Any],
    size: int,
    begins: datetime,
    ends: datetime,
) -> int:
    rows = found.subquery()
    place_of = func.row_number().over(order_by=(rows.c.at, rows.c.id)).label("place_of")
    counted = select(rows.c.at, rows.c.id, place_of).subquery()
    every = (
        select(counted.c.at, counted.c.id)
        .where(counted.c.place_of % size == 0)
        .distinct()
        .order_by(counted.c.at, counted.c.id)
    )
    bounds = [(begins, 0), *(tuple(row) for row in connection.execute(every)), (ends, 0)]
    # What an earlier day left is of no use any more.
    connection.execute(
        delete(reminder_part).where(
            reminder_part.c.what == day.what,
            reminder_part.c.campaign == day.campaign,
            reminder_part.c.time_zone == day.time_zone,
            reminder_part.c.day <= day.day,
        )
    )
    of_day = values_of(day, reminder_plan)
    names = ("begins_at", "begins_id", "ends_at", "ends_id")
    parts = [
        {**of_day, "number": number, **dict(zip(names, (*one, *other), strict=True))}
        for number, (one, other) in enumerate(pairwise(bounds))
    ]
    connection.execute(insert(reminder_part), parts)
    return len(parts)


def take_part(connection: Connection, day: ReminderDay) -> ReminderPart | None:
    """Take a part that no other worker is writing, for this transaction; None where there is none.

    It is gone when the transaction commits, and there again when its process dies.
    """
    row = connection.execute(_next_part(day)).one_or_none()
    if row is None:
        return None
    found = ReminderPart(*row)
    this = (_is_of(reminder_part, day), reminder_part.c.number == found.number)
    connection.execute(delete(reminder_part).where(*this))
    return found


def _next_part(day: ReminderDay) -> Select[Any]:
    return (
        select(*columns_of(ReminderPart, reminder_part))
        .where(_is_of(reminder_part, day))
        .order_by(reminder_part.c.number)
        .limit(1)
        # Without it two processes read one part, and the second waits for the first for nothing.
        .with_for_update(skip_locked=True)
    )


def remind(
    connection: Connection,
    clock: Clock,
    day: ReminderDay,
    part: ReminderPart,
    *,
    topic: str,
    by_call: bool,
    unless_lately: timedelta,
) -> int:
    """Write a message for each booking and centre of a part of a day; gives how many.

    For people who were written to when they booked and, `by_call`, people who asked to be rung.
    Left out are people who have booked or changed something so lately: they know.
    """
    texted = exists().where(
        message.c.dedupe_key == literal("confirmation:") + booking.c.id + literal(":1")
    )
    lately = exists().where(
        history.c.booking_id == booking.c.id, history.c.at > clock.at(-unless_lately)
    )
    wanted: ColumnElement[bool] = or_(booking.c.calls, texted)
    if not by_call:
        wanted = texted & ~booking.c.calls
    number = cast(appointment.c.id, String)
    key = literal("reminder:") + number + literal(f":{day.what}:{day.day.isoformat()}")
    rows = (
        select(*_row(connection, clock, "reminder", key, topic))
        .select_from(appointment)
        .join(booking, booking.c.id == appointment.c.booking_id)
        .join(centre, centre.c.id == appointment.c.centre_id)
        .where(
            *_within(part),
            appointment.c.state == _LIVE,
            centre.c.time_zone == day.time_zone,
            _is_first_there(day),
            _has_there(day),
            booking.c.phone_idx.is_not(None),
            wanted,
            ~lately,
        )
    )
    return _write(connection, day, rows)


def _within(part: ReminderPart) -> list[ColumnElement[bool]]:
    start, number = appointment.c.start_at, appointment.c.id
    return [
        # By the index of starts; then by id, of those that start with the first or the last.
        start >= part.begins_at,
        start <= part.ends_at,
        or_(start > part.begins_at, number >= part.begins_id),
        or_(start < part.ends_at, number < part.ends_id),
    ]


def ring_in_the_evening(
    connection: Connection, clock: Clock, day: ReminderDay, part: ReminderPart, *, topic: str
) -> int:
    """Write a message for each booking whose person wants to be rung and was not; gives how many.

    Of those made within the part, and with something ahead.
    """
    ahead = exists().where(
        appointment.c.booking_id == booking.c.id,
        appointment.c.state == _LIVE,
        appointment.c.start_at > clock.at(),
    )
    key = literal("evening:") + booking.c.id
    rows = (
        select(*_row(connection, clock, "evening", key, topic))
        .select_from(booking)
        .join(centre, centre.c.id == booking.c.centre_id)
        .where(
            booking.c.created_at >= part.begins_at,
            booking.c.created_at < part.ends_at,
            booking.c.calls,
            booking.c.phone_idx.is_not(None),
            _has(day),
            centre.c.time_zone == day.time_zone,
            ahead,
        )
    )
    return _write(connection, day, rows)


def _is_first_there(day: ReminderDay) -> ColumnElement[bool]:
    """Whether its booking has no earlier appointment at the same centre on that day."""
    earlier = appointment.alias()
    return ~exists().where(
        earlier.c.booking_id == appointment.c.booking_id,
        earlier.c.centre_id == appointment.c.centre_id,
        earlier.c.state == _LIVE,
        earlier.c.start_at >= day.begins,
        or_(
            earlier.c.start_at < appointment.c.start_at,
            and_(earlier.c.start_at == appointment.c.start_at, earlier.c.id < appointment.c.id),
        ),
    )


def _has_there(day: ReminderDay) -> ColumnElement[bool]:
    """Whether something of the campaign is done at that centre on that day, for its booking.

    Where services have names, their rows say whose an appointment is; else its booking does.
    """
    other = appointment.alias()
    there = exists().where(
        other.c.booking_id == appointment.c.booking_id,
        other.c.centre_id == appointment.c.centre_id,
        other.c.state == _LIVE,
        other.c.start_at >= day.begins,
        other.c.start_at < day.ends,
        appointment_for.c.appointment_id == other.c.id,
        appointment_for.c.state == _LIVE,
        appointment_for.c.campaign == day.campaign,
    )
    named = exists().where(appointment_for.c.appointment_id == appointment.c.id)
    return or_(and_(booking.c.campaign == day.campaign, ~named), there)


def _has(day: ReminderDay) -> ColumnElement[bool]:
    """Whether something of the campaign is still done for a booking."""
    done = exists().where(
        appointment_for.c.booking_id == booking.c.id,
        appointment_for.c.state == _LIVE,
        appointment_for.c.campaign == day.campaign,
    )
    return or_(booking.c.campaign == day.campaign, done)


def _row(
    connection: Connection, clock: Clock, kind: str, key: ColumnElement[str], topic: str
) -> list[ColumnElement[Any]]:
    """The columns of a new message; its id is the database's own randomness."""
    made = func.replace(cast(func.gen_random_uuid(), Text), "-", "")
    return [
        made,
        literal(kind),
        key,
        booking.c.id,
        literal("pending"),
        literal(topic),
        clock.at(),
        clock.at(),
        clock.at(),
        booking.c.called,
    ]


def _write(connection: Connection, day: ReminderDay, rows: Select[Any]) -> int:
    new = insert(message).from_select(_COLUMNS, rows)
    written = connection.execute(
        new.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    ).rowcount
    # Last of all, so that two processes that write parts of one day hardly wait for each other.
    counted = reminder_plan.c.messages + written
    plan = update(reminder_plan).where(_is_of(reminder_plan, day))
    connection.execute(plan.values(messages=counted))
    return written


def overtaken(
    connection: Connection, clock: Clock, *, after: timedelta, before: timedelta, limit: int
) -> list[str]:
    """Ids of reminders that could leave now, of appointments that begin within these times.

    The soonest first: `after` and `before` are from now. Left out are people who wanted no more
    calls about that booking.
    """
    earlier = message.alias()
    unwanted = exists().where(
        earlier.c.booking_id == message.c.booking_id, earlier.c.error_code == NOT_WANTED
    )
    statement = (
        select(message.c.id)
        .join(appointment, appointment.c.booking_id == message.c.booking_id)
        .where(
            message.c.kind == "reminder",
            message.c.state == "pending",
            message.c.due_at <= clock.at(),
            appointment.c.state == _LIVE,
            appointment.c.start_at > clock.at(after),
            appointment.c.start_at < clock.at(before),
            ~unwanted,
        )
        .group_by(message.c.id)
        .order_by(func.min(appointment.c.start_at), message.c.id)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def doses_of(connection: Connection, booking_id: str, appointment_id: int, of: str) -> set[int]:
    """The doses of a booking that a reminder of one of its appointments may tell.

    All but those of which another reminder of the same day, as its key ends (`of`), tells.
    """
    other = exists().where(
        message.c.dedupe_key
        == literal("reminder:") + cast(appointment.c.id, String) + literal(f":{of}")
    )
    statement = select(appointment.c.dose).where(
        appointment.c.booking_id == booking_id,
        or_(appointment.c.id == appointment_id, ~other),
    )
    return set(connection.execute(statement).scalars())


def cannot_be(connection: Connection, booking_id: str) -> set[int]:
    """The doses of a booking that cannot take place, and for which an agent looks for another slot.

    Of a closed centre, day or hour. A centre that only takes its bookings otherwise now still
    receives the people who are booked there.
    """
    statement = (
        select(appointment.c.dose)
        .join(place, place.c.id == appointment.c.place_id)
        .join(centre, centre.c.id == appointment.c.centre_id)
        .where(
            appointment.c.booking_id == booking_id,
            place.c.blocked == true(),
            or_(centre.c.closed_at.is_not(None), centre.c.booking_mode == "ours"),
        )
    )
    return set(connection.execute(statement).scalars())
