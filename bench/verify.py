"""How long `flask store verify` takes: a store of any size, and the seconds of a recount."""

from __future__ import annotations

import time

from collections.abc import Sequence

from sqlalchemy import text

from bench.servers import CannotMeasure
from models.clock import DatabaseClock
from models.database import Connection, Database
from models.operations import verify

CENTRES = 100
CAPACITY = 5
CAMPAIGN = "bench"
INTERVALS = {CAMPAIGN: (21, 28)}
# Rows of one statement.
_BATCH = 50_000

# What the two databases say differently: a moment so many minutes after a beginning, and bytes.
_SAYINGS = {
    "postgresql": {
        "at": "(timestamptz '2026-12-01 08:00+00' + make_interval(mins => ({}) :: int))",
        "bytes": "decode(md5({}), 'hex')",
    },
    "sqlite": {
        "at": "(strftime('%Y-%m-%d %H:%M:%f', '2026-12-01 08:00', ({}) || ' minutes') || '000')",
        "bytes": "CAST({} AS BLOB)",
    },
}


def fill(database: Database, bookings: int) -> None:
    """Fill an empty, migrated store: `bookings` (a multiple of 500) of two doses, and free places.

    Each has its history and its message; as many places again are free. Law-abiding throughout.
    """
    if bookings % (CENTRES * CAPACITY):
        raise CannotMeasure(f"{bookings} bookings do not fill {CENTRES} centres evenly")
    with database.transaction() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        _Filling(connection, bookings).run()
    if not database.is_sqlite:
        with database.statement() as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("RESET statement_timeout"))


def seconds(database: Database) -> dict[str, float]:
    """Seconds of each check, by its kind. Raises CannotMeasure where a contradiction is found."""
    took = {}
    with verify.snapshot(database) as connection:
        for check in verify.checks(DatabaseClock(), INTERVALS):
            started = time.perf_counter()
            found = next(check.found(connection), None)
            took[check.kind] = time.perf_counter() - started
            if found is not None:
                raise CannotMeasure(f"{check.kind}: {found}")
        started = time.perf_counter()
        verify.totals(connection)
        took["totals"] = time.perf_counter() - started
    return took


class _Filling:
    """Statements of INSERT … SELECT over the numbers of bookings, some thousands at a time.

    Slots from 0 on are of first doses, as many after them of second ones, then the free ones.
    """

    def __init__(self, connection: Connection, bookings: int) -> None:
        self.connection = connection
        self.bookings = bookings
        self.slots = bookings // CAPACITY
        self.say = _SAYINGS[connection.dialect.name]

    def run(self) -> None:
        self._insert("centre", CENTRES, self._centre())
        self._insert("slot", 3 * self.slots, self._slot("n"))
        self._insert("booking", self.bookings, self._booking())
        self._insert("place", 3 * self.bookings, self._place())
        for dose in (1, 2):
            self._insert("appointment", self.bookings, self._appointment(dose))
        self._insert("history", self.bookings, self._history())
        self._insert("message", self.bookings, self._message())

    def _insert(self, table: str, count: int, columns: Sequence[tuple[str, str]]) -> None:
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(value for _, value in columns)
        for first in range(0, count, _BATCH):
            statement = (
                f"WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 "  # noqa: S608
                f"FROM numbers WHERE n + 1 < {min(first + _BATCH, count)}) "
                f"INSERT INTO {table} ({names}) SELECT {values} FROM numbers"
            )
            # A bare colon would begin the name of a value.
            self.connection.execute(text(statement.replace(":", r"\:")))

    def _start(self, slot: str) -> str:
        """Every ten minutes; second doses 22 days and five minutes later, free ones in between."""
        kind = f"(({slot}) / {self.slots})"
        minutes = f"(({slot}) % {self.slots}) / {CENTRES} * 10"
        later = f"CASE {kind} WHEN 1 THEN {22 * 24 * 60 + 5} WHEN 2 THEN 3 ELSE 0 END"
        return self.say["at"].format(f"{minutes} + {later}")

    def _slot(self, slot: str) -> list[tuple[str, str]]:
        return [
            ("id", f"{slot} + 1"),
            ("centre_id", f"CAST(({slot}) % {CENTRES} AS VARCHAR(40))"),
            ("start_at", self._start(slot)),
            ("capacity", str(CAPACITY)),
        ]

    def _centre(self) -> list[tuple[str, str]]:
        now = self.say["at"].format("0")
        return [
            ("id", "CAST(n AS VARCHAR(40))"),
            *((name, "''") for name in ("name", "town", "fingerprint")),
            ("postcode", "'75011'"),
            ("departement", "'75'"),
            ("territory", "'metropole'"),
            ("time_zone", "'Europe/Paris'"),
            ("booking_mode", "'ours'"),
            ("source", "'bench'"),
            ("created_at", now),
            ("updated_at", now),
        ]

    def _id(self, number: str) -> str:
        # Spread like the service's own, which are drawn by lot.
        return f"(CAST(({number}) % 1000 AS VARCHAR(9)) || 'b' || CAST({number} AS VARCHAR(12)))"

    def _booking(self) -> list[tuple[str, str]]:
        return [
            ("id", self._id("n")),
            ("idempotency_key", self._id("n")),
            ("channel", "'phone'"),
            ("campaign", f"'{CAMPAIGN}'"),
            ("centre_id", f"CAST((n / {CAPACITY}) % {CENTRES} AS VARCHAR(40))"),
            ("state", "'confirmed'"),
            *((f"{one}_enc", self.say["bytes"].format(self._id("n"))) for one in _PERSONAL),
            *((f"{one}_idx", self.say["bytes"].format(self._id("n"))) for one in _PERSONAL),
            ("postcode", "'75011'"),
            ("created_at", self.say["at"].format("0")),
            ("last_start_at", self._start(f"n / {CAPACITY} + {self.slots}")),
        ]

    def _place(self) -> list[tuple[str, str]]:
        slot = f"n / {CAPACITY}"
        booked = self._id(f"n % {self.bookings}")
        return [
            ("id", "n + 1"),
            ("slot_id", f"{slot} + 1"),
            ("number", f"n % {CAPACITY} + 1"),
            *self._slot(slot)[1:3],
            ("booking_id", f"CASE WHEN n < {2 * self.bookings} THEN {booked} END"),
        ]

    def _appointment(self, dose: int) -> list[tuple[str, str]]:
        slot = f"n / {CAPACITY} + {(dose - 1) * self.slots}"
        return [
            ("booking_id", self._id("n")),
            ("dose", str(dose)),
            ("place_id", f"n + 1 + {(dose - 1) * self.bookings}"),
            *self._slot(slot)[1:3],
            ("state", "'confirmed'"),
            ("person_idx", self.say["bytes"].format(self._id("n"))),
        ]

    def _history(self) -> list[tuple[str, str]]:
        return [
            ("booking_id", self._id("n")),
            ("at", self.say["at"].format("0")),
            ("who", "'caller'"),
            ("channel", "'phone'"),
            ("what", "'booked'"),
            ("why", "''"),
            ("details", "'{\"text\":true}'"),
        ]

    def _message(self) -> list[tuple[str, str]]:
        now = self.say["at"].format("0")
        return [
            ("id", self._id("n")),
            ("kind", "'sms'"),
            ("dedupe_key", f"'confirmation:' || {self._id('n')} || ':1'"),
            ("booking_id", self._id("n")),
            ("state", "'delivered'"),
            *((name, now) for name in ("due_at", "created_at", "updated_at")),
        ]


_PERSONAL = ("reference", "dob", "phone")
