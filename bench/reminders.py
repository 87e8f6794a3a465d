"""What planning a day's reminders costs: beside a bare INSERT … SELECT of as many rows.

Both write to the outbox with all its indexes. The plan also looks who wants what, and leaves out
whoever has just booked or changed something.
"""

from __future__ import annotations

import statistics
import time

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Table, func, insert, literal, select

from models.booking.tables import appointment, booking, history
from models.centres.tables import centre
from models.crypto import Vault
from models.database import Database
from models.messages import reminders
from models.messages.reminders import ReminderDay
from models.messages.tables import message
from models.migrations.runner import upgrade
from models.slots.tables import place, slot
from services.messages.reminders import UNLESS_LATELY
from services.messages.topics import Topic
from services.store import Store

DAYS, A_DAY = 9, 5_000
CAMPAIGN, ZONE = "bench", "Europe/Paris"
_FIRST = datetime(2099, 1, 5, 9, tzinfo=UTC)
_LONG_AGO = datetime(2020, 1, 6, tzinfo=UTC)


def ratio(url: str) -> float:
    """Reminders planned a second, as a part of rows that a bare statement writes.

    On a database of its own at `url`.
    """
    upgrade(url)
    store = Store(Database(url, pool_size=2), Vault([bytes(range(32))]))
    with store.database.transaction() as connection:
        _fill(connection)
    planned, bare = [], []
    for number in range(DAYS):
        begins = (_FIRST + timedelta(days=number)).replace(hour=0)
        day = ReminderDay(
            "days2", CAMPAIGN, ZONE, begins.date(), begins, begins + timedelta(days=1)
        )
        with store.database.transaction() as connection:
            started = time.perf_counter()
            reminders.claim(connection, store.clock, day)
            written = reminders.remind(
                connection,
                store.clock,
                day,
                topic=str(Topic.REMINDER),
                by_call=True,
                unless_lately=UNLESS_LATELY,
            )
            seen = time.perf_counter() - started
        if written != A_DAY:
            raise RuntimeError(f"{written} reminders were planned, and not {A_DAY}")
        with store.database.transaction() as connection:
            started = time.perf_counter()
            _bare(connection, store, day)
            floor = time.perf_counter() - started
        # The first turn reads everything from the disk.
        if number:
            planned.append(A_DAY / seen)
            bare.append(A_DAY / floor)
    store.database.dispose()
    return statistics.median(planned) / statistics.median(bare)


def _bare(connection: Connection, store: Store, day: ReminderDay) -> None:
    """As many rows of the same table, from the appointments of the same day."""
    number = appointment.c.id
    hex_id = (
        func.printf("%032x", number)
        if connection.dialect.name == "sqlite"
        else func.lpad(func.to_hex(number), 32, "0")
    )
    rows = select(
        hex_id,
        literal("bare"),
        literal("bare:") + hex_id,
        appointment.c.booking_id,
        literal("pending"),
        literal("reminder"),
        *[store.clock.at()] * 3,
    ).where(appointment.c.start_at >= day.begins, appointment.c.start_at < day.ends)
    columns = ["id", "kind", "dedupe_key", "booking_id", "state", "topic"]
    columns += ["due_at", "created_at", "updated_at"]
    connection.execute(insert(message).from_select(columns, rows))


def _fill(connection: Connection) -> None:
    times = {"created_at": _LONG_AGO, "updated_at": _LONG_AGO}
    about = {"street": "", "postcode": "75011", "town": "Paris", "departement": "75"}
    connection.execute(
        insert(centre).values(
            id="1",
            name="Salle",
            territory="metropole",
            time_zone=ZONE,
            booking_mode="ours",
            source="bench",
            fingerprint="",
            **about,
            **times,
        )
    )
    for number in range(DAYS):
        start = _FIRST + timedelta(days=number)
        ids = range(number * A_DAY + 1, (number + 1) * A_DAY + 1)
        _rows(connection, slot, [_of(number + 1, start, capacity=A_DAY)])
        _rows(
            connection,
            place,
            [_of(one, start, slot_id=number + 1, number=one - ids.start) for one in ids],
        )
        _rows(connection, booking, [_booking(one, start) for one in ids])
        _rows(
            connection,
            appointment,
            [
                _of(one, start, booking_id=f"{one:032x}", dose=1, place_id=one, state="confirmed")
                for one in ids
            ],
        )
        _rows(connection, history, [_booked(one) for one in ids])
        _rows(connection, message, [_confirmation(one) for one in ids])


def _rows(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    connection.execute(insert(table), rows)


def _of(row: int, start: datetime, /, **values: object) -> dict[str, object]:
    return {"id": row, "centre_id": "1", "start_at": start, **values}


def _booking(number: int, start: datetime) -> dict[str, object]:
    return {
        "id": f"{number:032x}",
        "idempotency_key": f"bench:{number}",
        "reference_idx": number.to_bytes(16),
        "channel": "phone",
        "campaign": CAMPAIGN,
        "centre_id": "1",
        "state": "confirmed",
        "phone_idx": number.to_bytes(16),
        "created_at": _LONG_AGO,
        "last_start_at": start,
    }


def _booked(number: int) -> dict[str, object]:
    return {
        "booking_id": f"{number:032x}",
        "at": _LONG_AGO,
        "who": "caller",
        "channel": "phone",
        "what": "booked",
        "why": "",
        "details": "{}",
    }


def _confirmation(number: int) -> dict[str, object]:
    return {
        "id": f"c{number:031x}",
        "kind": "sms",
        "dedupe_key": f"confirmation:{number:032x}:1",
        "booking_id": f"{number:032x}",
        "state": "delivered",
        "due_at": _LONG_AGO,
        "created_at": _LONG_AGO,
        "updated_at": _LONG_AGO,
    }
