"""What must be so that callers can be booked: one list of looks, for `flask doctor` and /readyz.

Each look is a small function of what it is given, and finds one thing: good, or a sentence with a
remedy. docs/decisions/0038 says what stops a server from being sent calls and what is a warning.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from models.database import STORE_ERRORS, Connection, NotDurable
from models.migrations import schema as schemas
from models.operations import grants, health
from models.operations.health import Connections, ToGive
from services.backups import restore
from services.campaign.campaign import Campaign
from services.findings import Finding, Level, bad, good, warning
from services.health import standbys
from services.health.french_rules import of_sender
from services.health.watch_processes import DISPATCHER, SCHEDULER, WORKER, all_kinds
from services.keys.check_keys import WrongKeys, check_keys
from services.privacy import days_of_turns
from services.privacy.days_of_turns import DaysAhead
from services.store import Store
from services.store_refusals import GRANT, refusal
from services.supervision.recounts import Correction, corrections

# Differences between two machines' clocks that are told, and that make what is said wrong.
CLOCK_WARNING: Final = timedelta(seconds=2)
CLOCK_BAD: Final = timedelta(seconds=30)
# How old the newest sign of a kind of process may be. A morning's reminders, or what is erased in
# an hour, hold up the scheduler's tasks for a while.
LIMITS: Final[Mapping[str, timedelta]] = {
    DISPATCHER: timedelta(seconds=30),
    SCHEDULER: timedelta(minutes=2),
    WORKER: timedelta(minutes=2),
}
# For so long it is told that counts were put right.
CORRECTED_WITHIN: Final = timedelta(days=1)
# Free bytes of a disk.
DISK_WARNING: Final = 1024**3
DISK_BAD: Final = 100 * 1024**2
# Seconds that /readyz goes on with what was found.
KEPT: Final = 5.0
# Seconds until all of it was good once: a service that starts is ready once its processes are.
BAD_KEPT: Final = 1.0
# The share of a server's connections that may be taken.
FULL: Final = 0.8
_CONNECTIONS: Final = (
    "raise max_connections of the server, or put a pooler in front (deploy/pgbouncer.ini)"
)


class Whose(Enum):
    """`MACHINE`: another machine may be well, so that a proxy may send calls there."""

    MACHINE = "machine"
    SERVICE = "service"


# ---------------------------------------------------------------- the looks


def schema(at: str | None, newest: str) -> Finding:
    """`at`: the revision of the database; `newest`: the one that this version knows last.

    One ahead is what a machine of the version before sees during a roll-out, and works with.
    """
    if at is None:
        return bad("the database is empty", "run flask migrate, as the owner of the tables")
    if at < newest:
        return bad(
            f"the database is behind: it is at {at}, and this version needs {newest}",
            "run flask migrate, as the owner of the tables",
        )
    if at > newest:
        return warning(
            f"the database is ahead: it is at {at}, and this version knows {newest} last",
            "run the version that brought it there, unless it is being rolled out just now",
        )
    return good(f"the schema is at {at}, the newest")


def keys(store: Store) -> Finding:
    """Whether the data keys and the index key are those of the database."""
    try:
        check_keys(store)
    except WrongKeys as error:
        return bad(f"the keys do not fit the store: {error}", "docs/keys.md says how keys are kept")
    return good("the keys are those that the database was written with")


def write(store: Store) -> Finding:
    """Whether a row can be written; it is taken back."""
    try:
        health.write_and_undo(store.database, store.clock)
    except STORE_ERRORS as error:
        return bad(
            f"nothing can be written to the database ({kind_of(error)})",
            "look whether it is a standby, read only, full, or closed to this role"
            " (flask db grant)",
        )
    return good("a row was written and taken back")


def rights(lacking: Sequence[str], owned: Sequence[str], *, production: bool) -> Finding:
    """What the role of DATABASE_URL lacks, and which tables it owns though it need not."""
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        return bad(
            f"the database's role lacks {lacking[0]}{more}",
            GRANT,
        )
    if owned and production:
        return warning(
            f"the database's role owns {len(owned)} tables, so it could change what is recorded",
            "run flask db grant ROLE as the owner, and give ROLE's address in DATABASE_URL",
        )
    return good("the database's role may do what the service does")


def time_limit(*, has_one: bool) -> Finding:
    """Whether a statement that takes too long is ended, as a caller cannot wait for it."""
    if has_one:
        return good("statements that take too long are ended")
    return warning(
        "the database ends no statement that takes too long",
        "behind a pooler the role has the limit: flask db grant ROLE",
    )


def connections(found: Connections, ours: int) -> Finding:
    """`ours`: how many all processes that run may open; 0 where a pooler shares them out."""
    if found.taken > FULL * found.admitted:
        return warning(
            f"{found.taken} of the {found.admitted} connections that the database admits are taken",
            _CONNECTIONS,
        )
    if ours > found.admitted:
        return warning(
            f"the processes that run may open {ours} connections, and the database admits"
            f" {found.admitted}",
            _CONNECTIONS,
        )
    return good(f"{found.taken} of {found.admitted} connections of the database are taken")


def redis(problem: str) -> Finding:
    """`problem` is empty where Redis answers. Only the database must not be lost (law 4)."""
    if not problem:
        return good("Redis answers")
    return warning(
        f"Redis does not answer ({problem}): messages leave by the sweep, up to 15 s later",
        "start it, and look at REDIS_URL",
    )


def process(name: str, age: timedelta | None) -> Finding:
    """How old the last sign of a kind of process is; None: there never was one."""
    limit = LIMITS[name]
    if age is not None and age <= limit:
        return good(f"the {name} gave a sign {length(age)} ago")
    since = "never gave a sign" if age is None else f"gave no sign for {length(age)}"
    # What others see to is late without a worker, and not undone.
    say = warning if name == WORKER else bad
    return say(f"the {name} {since}", f"start it (flask {name}) and look at its log")


def clock(machine: datetime, server: datetime) -> Finding:
    """The clock of this machine against the database's."""
    off = abs(machine - server)
    if off <= CLOCK_WARNING:
        return good("this machine's clock is the database's")
    way = "ahead of" if machine > server else "behind"
    say = bad if off > CLOCK_BAD else warning
    return say(
        f"this machine's clock is {length(off)} {way} the database's",
        "let both keep time by NTP (timedatectl set-ntp true)",
    )


def disk(folder: Path, free: int) -> Finding:
    """`free` bytes on the disk of a folder that is written to."""
    if free > DISK_WARNING:
        return good(f"{size(free)} are free for {folder}")
    say = bad if free < DISK_BAD else warning
    return say(f"{size(free)} are free for {folder}", "make room, or move it to a larger disk")


def days(found: DaysAhead) -> Finding:
    """Whether the days to come have a partition of turns."""
    if found.too_few:
        return warning(
            f"partitions of turns reach {found.ahead} days ahead"
            if found.ahead >= 0
            else "today has no partition of turns",
            "look at the scheduler's log, and run flask db grant ROLE as the owner of the tables;"
            " docs/at-3am.md, A day has no partition",
        )
    if found.stray:
        return warning(
            f"{found.stray} turns or more lie in no day's partition",
            "nothing is lost: they are erased when they are due; docs/at-3am.md, A day has no"
            " partition",
        )
    return good(f"partitions of turns reach {found.ahead} days ahead")


def campaign(one: Campaign, now: datetime) -> Finding:
    """Whether there is a campaign that gives appointments, or will."""
    if one.is_open(now):
        return good(f"the campaign {one.name} is open")
    if one.opens_at is not None and one.opens_at > now:
        return good(f"the campaign {one.name} opens {one.opens_at:%Y-%m-%d %H:%M} UTC")
    return warning(
        f"the campaign {one.name} is over, so nobody is booked",
        "put the next one where CAMPAIGN says, and try it with flask campaign check",
    )


def centres(found: ToGive, one: Campaign, now: datetime) -> Finding:
    """Whether there is an open centre of ours with slots ahead, taken or not."""
    if found.slots:
        return good("an open centre has slots ahead")
    is_over = one.closes_at is not None and one.closes_at <= now
    say = warning if is_over else bad
    if not found.centre:
        return say(
            "no open centre is ours, so nobody can be booked",
            "make centres ours by command (flask centres --help), then flask slots open",
        )
    return say("no open centre of ours has slots ahead", "run flask slots open")


def leaving(frozen: str) -> Finding:
    """`frozen`: what is said of texts and call backs after a restore; empty where they leave."""
    if not frozen:
        return good("texts and call backs may leave")
    return warning(frozen, "docs/restore.md says how it goes on: flask restore status")


def counts(corrected: Sequence[Correction], now: datetime) -> Finding:
    """Whether stored counts of the board were other than the rows within a day."""
    wrong = [one for one in corrected if now - one.found_at < CORRECTED_WITHIN]
    if not wrong:
        return good("the board's counts were what the rows say")
    last = wrong[-1]
    return warning(
        f"{len(wrong)} quarter(s) of the board's counts were not what the rows say, the last"
        f" that of {last.quarter:%Y-%m-%d %H:%M} UTC (turns: {last.stored}, by the rows"
        f" {last.counted})",
        "they were counted anew; look for who writes the table tally, or for a copy put back",
    )


_THIS_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def provider(problem: str, base_url: str = "") -> Finding:
    """`problem` is empty where the provider knows the account; `base_url` is where it was asked."""
    if not problem:
        return good("the provider knows the account")
    there = urlsplit(base_url)
    if there.hostname in _THIS_MACHINE:
        port = f" --port {there.port}" if there.port else ""
        return bad(
            f"the stand-in for the provider was asked in vain: {problem}",
            f"start it at {base_url}: python -m tools.simulator{port}",
        )
    return bad(
        f"the provider was asked in vain: {problem}",
        "look at TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_API_BASE_URL, and at the way out"
        " of this network",
    )


# ---------------------------------------------------------------- the list


@dataclass(frozen=True)
class Around:
    """What the looks are given.

    `redis` gives what is wrong with it, empty where nothing is; `free` the free bytes of a folder's
    disk; `machine_now` this machine's clock (UTC); `provider` what is wrong there, None: it is not
    asked; `provider_at` is its address.
    """

    store: Store
    campaign: Callable[[], Campaign]
    tables: Collection[str]
    production: bool
    redis: Callable[[], str]
    folders: Sequence[Path]
    free: Callable[[Path], int]
    machine_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    provider: Callable[[], str] | None = None
    provider_at: str = ""
    # So many standbys must have each commit on their disk.
    synchronous_standbys: int = 0
    # The sender of texts, and when the operators took it (ISO 8601); empty: not known.
    sender: str = ""
    sender_registered_on: str = ""


@dataclass(frozen=True)
class Check:
    """One look by its name. It is left out where one of `needs` found something bad."""

    name: str
    whose: Whose
    look: Callable[[], Finding]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """What one look found."""

    name: str
    whose: Whose
    finding: Finding

    @property
    def is_good(self) -> bool:
        return self.finding.level is Level.GOOD

    @property
    def is_bad(self) -> bool:
        return self.finding.level is Level.BAD


def checks(around: Around) -> list[Check]:
    """All of them, in the order in which they are told."""
    store, database = around.store, around.store.database

    def asked(ask: Callable[[Connection], Finding]) -> Callable[[], Finding]:
        def look() -> Finding:
            with database.statement() as connection:
                return ask(connection)

        return look

    def rights_of(connection: Connection) -> Finding:
        lacking = grants.missing(connection, around.tables)
        return rights(lacking, grants.owned(connection), production=around.production)

    def connections_of_all() -> Finding:
        running = sum(kind.running for kind in all_kinds(store))
        with database.statement() as connection:
            found = health.connections(connection)
        return connections(found, 0 if database.is_pooled else running * database.most_connections)

    def of_process(name: str) -> Callable[[], Finding]:
        return lambda: process(name, _age_of(store, name))

    def centres_of(connection: Connection) -> Finding:
        one = around.campaign()
        found = health.to_give(connection, store.clock, timedelta(days=one.horizon_days))
        return centres(found, one, store.clock.now())

    machine, service = Whose.MACHINE, Whose.SERVICE
    answers, tables = ("store",), ("store", "schema")
    listed = [
        Check("store", machine, asked(_answer)),
        Check("schema", machine, asked(_schema), answers),
        Check("keys", machine, lambda: keys(store), tables),
        Check("rights", machine, asked(rights_of), tables),
        Check("write", machine, lambda: write(store), (*tables, "rights")),
        Check(
            "time limit",
            service,
            asked(lambda found: time_limit(has_one=health.has_time_limit(found))),
            answers,
        ),
        Check(
            "clock",
            machine,
            asked(lambda found: clock(around.machine_now(), health.servers_now(found))),
            answers,
        ),
        *(
            Check(f"disk {folder.name}", machine, _disk(folder, around.free))
            for folder in around.folders
        ),
        Check("connections", service, connections_of_all, tables),
        Check("redis", service, lambda: redis(around.redis())),
        *(
            Check(name, service, of_process(name), (*tables, "keys"))
            for name in (DISPATCHER, SCHEDULER, WORKER)
        ),
        Check("campaign", service, lambda: campaign(around.campaign(), store.clock.now())),
        Check("centres", service, asked(centres_of), tables),
        Check(
            "counts",
            service,
            asked(lambda found: counts(corrections(found), store.clock.now())),
            tables,
        ),
        Check("days", service, lambda: days(days_of_turns.look(store)), tables),
        Check("leaving", service, lambda: leaving(restore.nothing_leaves(store)), tables),
    ]
    if around.production and around.sender:
        said = of_sender(around.sender, around.sender_registered_on)
        listed.append(Check("sender", service, lambda: said))
    if around.synchronous_standbys:
        wanted = around.synchronous_standbys
        listed.append(
            Check(
                "standbys",
                service,
                lambda: standbys.check_standbys(store, wanted),
                answers,
            )
        )
    if around.provider:
        ask = around.provider
        listed.append(Check("provider", service, lambda: provider(ask(), around.provider_at)))
    return listed


def run(listed: Sequence[Check]) -> Iterator[Checked]:
    """Look, one after the other. A look that fails is bad, and never the end of the others."""
    failed: set[str] = set()
    for check in listed:
        if failed.intersection(check.needs):
            continue
        try:
            found = check.look()
        except NotDurable as error:
            found = bad(str(error), "see docs/operations.md, In production")
        except Exception as error:  # noqa: BLE001 (whatever it is, it is not well)
            found = _not_looked_at(check.name, error)
        if found.level is Level.BAD:
            failed.add(check.name)
        yield Checked(check.name, check.whose, found)


def _not_looked_at(name: str, error: Exception) -> Finding:
    if isinstance(error, STORE_ERRORS) or name == "store":
        return bad(*refusal(error))
    return bad(f"it could not be looked at ({kind_of(error)})", "look at the log of the database")


def _answer(connection: Connection) -> Finding:
    return good(f"{health.server_version(connection)} answers")


def _schema(connection: Connection) -> Finding:
    return schema(schemas.revision(connection), schemas.newest())


def _age_of(store: Store, name: str) -> timedelta | None:
    """Since a process of a kind gave its last sign; None: none ever did."""
    (age,) = [one.age for one in all_kinds(store) if one.kind == name]
    return None if age is None else timedelta(seconds=age)


def _disk(folder: Path, free: Callable[[Path], int]) -> Callable[[], Finding]:
    return lambda: disk(folder, free(folder))


# ---------------------------------------------------------------- remembered


@dataclass
class Remembered:
    """The same list for many who ask: what was found is told for a few seconds.

    One of them looks, and the others are told what was known, or wait where nothing is known yet.
    `ticks` is a monotonic clock in seconds.
    """

    listed: Sequence[Check]
    ticks: Callable[[], float] = time.monotonic
    keep: float = KEPT
    _found: list[Checked] | None = None
    _until: float = field(default=0.0)
    _was_well: bool = False
    _one: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> list[Checked]:
        """What was found now, or a moment ago."""
        known = self._found
        if known is not None and self.ticks() < self._until:
            return known
        if not self._one.acquire(blocking=known is None):
            return known or []
        try:
            if self._found is None or self.ticks() >= self._until:
                self._found = list(run(self.listed))
                self._was_well |= not any(check.is_bad for check in self._found)
                keep = self.keep if self._was_well else min(self.keep, BAD_KEPT)
                self._until = self.ticks() + keep
            return self._found
        finally:
            self._one.release()


# ---------------------------------------------------------------- words


def kind_of(error: BaseException) -> str:
    """What kind of failure it was: its text may hold an address or a value."""
    return type(getattr(error, "orig", None) or error).__name__


_HOUR, _MINUTE = 3600, 60


def length(span: timedelta) -> str:
    """A span for people, as 1 h 0 min, 2 min 5 s or 3 s."""
    seconds = round(abs(span).total_seconds())
    if seconds >= _HOUR:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    if seconds >= _MINUTE:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
    return f"{seconds} s"


def size(count: int) -> str:
    """Bytes for people."""
    if count >= 1024**3:
        return f"{count / 1024**3:.1f} GiB"
    return f"{count // 1024**2} MiB"
