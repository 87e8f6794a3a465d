"""Appointments as a file for a calendar (RFC 5545), by the centre's own clock.

A calendar is often shared with others: nothing in it says what the appointment is for. A page gives
the file, and a mail carries it.
"""

from __future__ import annotations

import hashlib

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from models.booking.changes import BookingDetails
from models.centres.centres import centre_states
from models.database import Connection
from prompts.screens import Screen
from services.messages.texts import MessagePlace

NAME: Final = "rendez-vous.ics"

# How long a person is at the centre, with the quarter of an hour after the injection.
LASTS = timedelta(minutes=30)
REMINDED = timedelta(days=-1)


@dataclass(frozen=True)
class Appointment:
    """`start` is by the centre's clock, with its zone. `key` is the same for ever."""

    key: str
    start: datetime
    where: MessagePlace


def appointments_of(connection: Connection, file: BookingDetails) -> list[Appointment]:
    """What of a booking is not cancelled."""
    centres = centre_states(connection, {appointment.centre_id for appointment in file.live})
    return [
        Appointment(
            f"{file.reference}:{appointment.dose}",
            appointment.start_at.astimezone(ZoneInfo(centres[appointment.centre_id].time_zone)),
            MessagePlace.of(centres[appointment.centre_id]),
        )
        for appointment in file.live
    ]


def calendar_file(
    appointments: Sequence[Appointment], words: Screen, *, now: datetime, number: str
) -> bytes:
    """What a browser or a mail hands to a calendar; `number` is the one to ring, as written."""
    # Heavy, and asked for by few.
    from icalendar import Alarm, Calendar, Event  # noqa: PLC0415

    calendar = Calendar()
    calendar.add("prodid", "-//Allo Rendez-vous//FR")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    summary = words.text("book.calendar.summary")
    for appointment in appointments:
        event = Event()
        # The same appointment again, at another hour, replaces the one that is there.
        name = hashlib.sha256(f"calendar:{appointment.key}".encode()).hexdigest()[:32]
        event.add("uid", f"{name}@allo-rendez-vous")
        event.add("dtstamp", now)
        event.add("dtstart", appointment.start)
        event.add("dtend", appointment.start + LASTS)
        event.add("summary", summary)
        where = appointment.where
        event.add("location", ", ".join(part for part in (where.told, where.commune) if part))
        event.add("description", words.text("book.calendar.description", number=number))
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", summary)
        alarm.add("trigger", REMINDED)
        event.add_component(alarm)
        calendar.add_component(event)
    calendar.add_missing_timezones()
    file: bytes = calendar.to_ical()
    return file
