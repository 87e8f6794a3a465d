"""A held and confirmed booking as raw SQL: the floor under `Allocate` and `confirm_booking`.

The statements are those of the service, written by hand for each driver, in the same two
transactions; what the service seals and hashes comes ready made. A test compares the two. On
PostgreSQL the service stores booking, appointment and line in one statement; here they are three.
"""

from __future__ import annotations

import itertools
import sqlite3

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from sqlalchemy import URL

from bench.floors import libpq
from models.database import SQLITE_LOG_PAGES, WriterQueue
from models.time_left import TimeLeft

SEALED = b"s" * 60
LEASE, LONGEST = 240.0, 1200.0
FREE = """{t}.booking_id IS NULL AND {t}.blocked = {false}
    AND ({t}.held_by IS NULL OR {t}.hold_expires_at <= {now})
    AND ({t}.released_at IS NULL OR {t}.released_at <= {now})"""
HOLD = """{take_note}UPDATE place
    SET held_by = :holder, hold_expires_at = {lease}, hold_limit_at = {longest}
    WHERE {row} = (SELECT pick.{row} FROM place AS pick WHERE pick.centre_id = :centre
        AND {pick_is_free} AND pick.start_at >= :earliest AND pick.start_at < :latest
        ORDER BY pick.start_at, pick.lot, pick.id LIMIT 1 {skip_locked})
    AND {place_is_free}
    AND NOT EXISTS (SELECT * FROM call WHERE call.id = :holder AND call.ended_at IS NOT NULL)
    RETURNING id, slot_id, centre_id, start_at{of_what_is_taken}"""
COUNT = """SELECT count(*) FROM booking
    WHERE phone_idx = :phone AND campaign = 'bench' AND state = 'confirmed'"""
BOOK = """UPDATE place SET held_by = NULL, hold_expires_at = NULL, hold_limit_at = NULL,
    booking_id = CASE WHEN id IN (:place) THEN :booking END
    WHERE held_by = :holder{noted} AND booking_id IS NULL
    AND (id NOT IN (:place) OR hold_expires_at > {now})
    RETURNING id, booking_id"""
BOOKING = """INSERT INTO booking (id, idempotency_key, reference_enc, reference_idx, channel,
    campaign, centre_id, state, call_id, dob_enc, dob_idx, phone_enc, phone_idx, postcode, rank,
    name_enc, last_start_at, created_at) VALUES (:booking, :key, :sealed, :reference, 'phone',
    'bench', :centre, 'confirmed', :holder, :sealed, :phone, :sealed, :phone, '75011', 1, NULL,
    :start, {now}) ON CONFLICT DO NOTHING"""
APPOINTMENT = """INSERT INTO appointment (booking_id, dose, place_id, centre_id, start_at, state,
    person_idx) VALUES (:booking, 1, :place, :centre, :start, 'confirmed', :phone)
    ON CONFLICT (person_idx, dose) WHERE state = 'confirmed' AND person_idx IS NOT NULL
    DO NOTHING"""
HISTORY = """INSERT INTO history (booking_id, at, who, channel, what, why, details)
    VALUES (:booking, {now}, 'caller', 'phone', 'booked', '', '{{"places":[1],"starts":[]}}')"""
MESSAGE = """INSERT INTO message (id, kind, dedupe_key, booking_id, call_id, recipient_enc,
    recipient_idx, payload_enc, state, due_at, created_at, updated_at) VALUES (:booking, 'sms',
    :message_key, :booking, :holder, :sealed, :phone, :sealed, 'pending', {now}, {now}, {now})
    ON CONFLICT DO NOTHING"""

Execute = Callable[[str, dict[str, Any]], Any]


@dataclass(frozen=True)
class _Driver:
    """One database's words."""

    execute: Execute
    transaction: Callable[[], Any]
    words: dict[str, str]


class ByHand:
    """Allocates places at a centre, one after the other, on one connection."""

    def __init__(self, url: URL) -> None:
        self._numbers = itertools.count(1)
        sqlite = url.get_backend_name() == "sqlite"
        self._close, driver = _open_sqlite(url) if sqlite else _open_postgresql(url)
        self._execute, self._transaction = driver.execute, driver.transaction
        self._to_moment = _as_text if sqlite else _as_moment
        words = driver.words
        for name in ("pick", "place"):
            words[f"{name}_is_free"] = FREE.format(t=name, **words)
        self._hold, self._count, self._book, *self._inserts = (
            driver_sql(one.format(**words), sqlite=sqlite)
            for one in (HOLD, COUNT, BOOK, BOOKING, APPOINTMENT, HISTORY, MESSAGE)
        )

    def close(self) -> None:
        self._close()

    def allocate(self, centre_id: str, holder: str) -> bool:
        """Hold the earliest place, then book it; False when none is free."""
        execute = self._execute
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "holder": holder,
            "centre": centre_id,
            "earliest": self._to_moment(now),
            "latest": self._to_moment(now + timedelta(days=400)),
        }
        with self._transaction():
            held = execute(self._hold, values).fetchone()
        if held is None:
            return False
        unique = holder[2:].ljust(32, "0").encode()[:32]
        values |= {
            "booking": unique.decode(),
            "place": held[0],
            "start": held[3],
            "phone": unique[:16][::-1] + unique[16:],
            "reference": unique,
            "key": f"{holder}:1",
            "message_key": f"confirmation:{holder}:1",
            "sealed": SEALED,
        }
        with self._transaction():
            execute(self._count, values).fetchone()
            if not execute(self._book, values).fetchall():
                return False
            for insert in self._inserts:
                execute(insert, values)
        return True


def driver_sql(sql: str, *, sqlite: bool) -> str:
    """`:name` as the driver has it; a colon of PostgreSQL's own never comes in these statements."""
    if sqlite:
        return sql
    words = sql.replace("%", "%%").split(":")
    return words[0] + "".join(_named(word) for word in words[1:])


def _named(word: str) -> str:
    length = next((n for n, c in enumerate(word) if not (c.isalnum() or c == "_")), len(word))
    name, rest = word[:length], word[length:]
    # What is no name is a colon of the JSON in the history line.
    return f"%({name})s{rest}" if name and not name[0].isdigit() else f":{word}"


def _as_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _as_moment(moment: datetime) -> datetime:
    return moment


def _open_postgresql(url: URL) -> tuple[Callable[[], None], _Driver]:
    connection = psycopg.connect(libpq(url))

    @contextmanager
    def transaction() -> Iterator[None]:
        yield
        connection.commit()

    words = {
        "now": "clock_timestamp()",
        "lease": f"(clock_timestamp() + make_interval(secs => {LEASE}))",
        "longest": f"(clock_timestamp() + make_interval(secs => {LONGEST}))",
        "false": "false",
        "row": "ctid",
        "skip_locked": "FOR UPDATE SKIP LOCKED",
        "take_note": "WITH taken AS (",
        "of_what_is_taken": """), noted AS (
            INSERT INTO held_place (holder, place_id) SELECT :holder, id FROM taken)
            SELECT * FROM taken""",
        "noted": " AND id IN (SELECT place_id FROM held_place WHERE holder = :holder)",
    }
    execute: Execute = connection.execute
    return connection.close, _Driver(execute, transaction, words)


def _open_sqlite(url: URL) -> tuple[Callable[[], None], _Driver]:
    connection = sqlite3.connect(str(url.database), timeout=5, isolation_level=None)
    # The service has the same file, and a commit of either writes the log of both into it: so both
    # connections let it grow as long.
    log = f"wal_autocheckpoint={SQLITE_LOG_PAGES}"
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", log):
        connection.execute(f"PRAGMA {pragma}")
    queue, unlimited = WriterQueue(Path(f"{url.database}-writer")), TimeLeft()

    @contextmanager
    def transaction() -> Iterator[None]:
        queue.enter(unlimited)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        finally:
            queue.leave()

    def close() -> None:
        connection.close()
        queue.close()

    def later(seconds: float) -> str:
        return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"

    words = {
        "now": later(0.0),
        "lease": later(LEASE),
        "longest": later(LONGEST),
        "false": "0",
        "row": "id",
        "skip_locked": "",
        "take_note": "",
        "of_what_is_taken": "",
        "noted": "",
    }
    return close, _Driver(connection.execute, transaction, words)
