"""Bookings and their appointments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from models.clock import Clock
from models.crypto import Vault
from models.dialects import insert_new
from models.prepared import Prepared
from models.tables import appointment, booking, centre

_APPOINTMENT = ("booking_id", "dose", "place_id", "centre_id", "start_at", "state")
_NEW_APPOINTMENT = Prepared(appointment.insert().inline(), _APPOINTMENT)


@dataclass(frozen=True)
class NewBooking:
    """One person's booking. `number` is E.164 or None; `starts` are (place, UTC) by dose."""

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


def add(
    connection: Connection, clock: Clock, vault: Vault, new: NewBooking, reference: str
) -> bool:
    """Store a booking; False when this reference, or this very booking, exists already."""
    born = new.born.isoformat()
    values = {
        "id": new.id,
        "idempotency_key": new.idempotency_key,
        "reference_enc": vault.seal_text(reference, _where("reference", new.id)),
        "reference_idx": vault.index("reference", reference),
        "channel": new.channel,
        "campaign": new.campaign,
        "centre_id": new.centre_id,
        "state": "confirmed",
        "call_id": new.call_id,
        "dob_enc": vault.seal_text(born, _where("dob", new.id)),
        "dob_idx": vault.index("dob", born),
        "phone_enc": vault.seal_text(new.number, _where("phone", new.id)),
        "phone_idx": vault.index("phone", new.number),
        "postcode": new.postcode,
        "last_start_at": max(start for _, start in new.doses),
    }
    if not insert_new(connection, clock, booking, values, "created_at"):
        return False
    for dose, (place_id, start) in enumerate(new.doses, start=1):
        row = (new.id, dose, place_id, new.centre_id, start, "confirmed")
        _NEW_APPOINTMENT.count(connection, dict(zip(_APPOINTMENT, row, strict=True)))
    return True


def export(connection: Connection, vault: Vault) -> Iterator[BookingRow]:
    """Every appointment, oldest booking first; an erased booking has no reference."""
    statement = (
        select(
            booking.c.id,
            booking.c.reference_enc,
            booking.c.channel,
            booking.c.centre_id,
            centre.c.name,
            centre.c.time_zone,
            appointment.c.start_at,
            appointment.c.dose,
            appointment.c.state,
            booking.c.created_at,
        )
        .join(appointment, appointment.c.booking_id == booking.c.id)
        .join(centre, centre.c.id == booking.c.centre_id)
        .order_by(booking.c.created_at, booking.c.id, appointment.c.dose)
        .execution_options(yield_per=1000)
    )
    with connection.execute(statement) as rows:
        for row in rows:
            yield BookingRow(
                reference=vault.open_text(row.reference_enc, _where("reference", row.id)) or "",
                channel=row.channel,
                centre_id=row.centre_id,
                centre_name=row.name,
                time_zone=row.time_zone,
                start_at=row.start_at,
                dose=row.dose,
                state=row.state,
                created_at=row.created_at,
            )


def erase_due(connection: Connection, clock: Clock, after: timedelta) -> list[str]:
    """Erase what identifies a person from bookings whose last appointment is `after` ago.

    Gives the ids of the bookings that were erased.
    """
    nothing: dict[str, Any] = dict.fromkeys(
        ("reference_enc", "reference_idx", "dob_enc", "dob_idx", "phone_enc", "phone_idx")
    )
    statement = (
        update(booking)
        .where(booking.c.last_start_at < clock.at(-after), booking.c.erased_at.is_(None))
        .values(**nothing, postcode=None, erased_at=clock.at())
        .returning(booking.c.id)
    )
    return list(connection.execute(statement).scalars())


def _where(column: str, booking_id: str) -> str:
    return f"booking.{column}:{booking_id}"
