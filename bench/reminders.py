"""A nation's reminders: how long a day of them takes to plan, and what it costs to deliver them.

    python -m bench.reminders [--reminders 285000] [--delivered 2000] [--rows 10000 1000000]

It makes the appointments of one day by generate_series, in a PostgreSQL of its own that waits for
the disk, and plans their reminders. It delivers some of them to a provider that takes all, with the
budgets and the pace of a real one. Then it looks what a relay reads of tables of other lengths.
Times are processor time of this process and of the server, beside time on the wall: others at work
on the machine change the last alone. `bench/reminders.json` has the figures.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text, update

from bench import messages, servers
from bench.servers import PLENTY, CannotMeasure, migrate, store_of
from bench.store import CAMPAIGN
from jobs.relay import sweep
from launcher.environment import inherited
from models.booking.tables import booking
from models.clock import FixedClock
from models.database import Database
from models.messages import outbox
from services import logs
from services.messages import reminders
from services.messages.deliver_message import KINDS, LEASE, DeliveryDependencies
from services.messages.provider_pace import PaceSettings, ProviderPace
from services.messages.spend import Budgets, BudgetSettings
from services.store import Store
from tests.support.keeper import held, wait_for_keepers
from tests.support.postgres import shared_server

FIGURES = Path(__file__).with_name("reminders.json")
# Texts a second: a sender by name has 10, a short number up to 100.
PACE = 80.0
# Two days before the appointments, at ten in Paris.
NOW = datetime(2026, 12, 8, 9, 0, tzinfo=UTC)
# Of a nation's day, and how many of them are delivered.
REMINDERS, DELIVERED = 285_000, 2_000
CENTRES = 1_000
_FILL = (
    """
    INSERT INTO centre (id, name, postcode, town, departement, territory, time_zone, booking_mode,
      source, fingerprint, created_at, updated_at)
    SELECT 'bench' || n, 'Salle', '75011', 'Paris', '75', 'metropole', 'Europe/Paris', 'ours',
      'bench', '', :at, :at FROM generate_series(1, :centres) n
    """,
    """
    INSERT INTO slot (id, centre_id, start_at, capacity)
    SELECT (q - 1) * :centres + n, 'bench' || n,
      timestamptz '2026-12-10 08:00+01' + q * interval '15 minutes', 100
    FROM generate_series(1, :centres) n, generate_series(1, 44) q
    """,
    """
    INSERT INTO booking (id, idempotency_key, channel, campaign, centre_id, state, phone_idx,
      created_at, last_start_at)
    SELECT md5('b' || n), md5('k' || n), 'phone', 'bench', 'bench' || 1 + n % :centres, 'confirmed',
      decode(md5('p' || n), 'hex'), timestamptz '2026-11-20 09:00+01', :at
    FROM generate_series(1, :count) n
    """,
    """
    INSERT INTO place (id, slot_id, number, centre_id, start_at, booking_id)
    SELECT n, slot.id, n / (44 * :centres) + 1, slot.centre_id, slot.start_at, md5('b' || n)
    FROM generate_series(1, :count) n JOIN slot ON slot.id = 1 + n % (44 * :centres)
    """,
    """
    INSERT INTO appointment (booking_id, dose, place_id, centre_id, start_at, state)
    SELECT booking_id, 1, id, centre_id, start_at, 'confirmed' FROM place
    """,
    """
    INSERT INTO history (booking_id, at, who, channel, what, why, details)
    SELECT id, created_at, 'caller', 'phone', 'booked', '', '{}' FROM booking
    """,
    """
    INSERT INTO message (id, kind, dedupe_key, booking_id, recipient_idx, state, attempts, due_at,
      provider_sid, created_at, updated_at, sent_at, topic, way, parts)
    SELECT md5('m' || id), 'sms', 'confirmation:' || id || '\\:1', id, phone_idx, 'delivered', 1,
      created_at, 'SM' || md5(id), created_at, created_at, created_at, 'confirmation', 'text', 1
    FROM booking
    """,
)  # fmt: skip


def fill(url: str, count: int) -> None:
    """So many appointments of a day, with all that planning and delivering reads of them."""
    migrate(url)
    store = store_of(url)
    with store.database.statement() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        for one in _FILL:
            values = {"count": count, "centres": CENTRES, "at": NOW}
            connection.execute(
                text(one), {k: v for k, v in values.items() if f":{k}" in one.replace("\\:", "")}
            )
        connection.exec_driver_sql("VACUUM ANALYZE")
    store.database.dispose()


@dataclass(frozen=True)
class Spent:
    """Seconds on the wall, and of processor: of this process and of PostgreSQL."""

    wall: float
    ours: float
    server: float


@contextmanager
def spent(url: str) -> Iterator[list[Spent]]:
    """What a block takes; the list has it when the block is over."""
    found: list[Spent] = []
    began = time.perf_counter(), time.process_time(), servers.server_seconds(url)
    yield found
    ended = time.perf_counter(), time.process_time(), servers.server_seconds(url)
    found.append(Spent(*(after - before for before, after in zip(began, ended, strict=True))))


# ---------------------------------------------------------------- planned


def plan(url: str) -> tuple[int, Spent]:
    """Plan their day; gives how many messages it wrote, and what that took."""
    store = _store(url)
    with spent(url) as found:
        written = reminders.plan(store, [CAMPAIGN])
    store.database.dispose()
    return written, found[0]


def _store(url: str) -> Store:
    return replace(store_of(url), clock=FixedClock(NOW))


# ---------------------------------------------------------------- delivered


class Takes:
    """A provider that takes every text. What its HTTP costs, the part `outbox` measures."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        return f"SM{next(self.numbers):032x}"

    def find(self, recipient: str, body: str, since: datetime) -> None:
        return None


def deliver(url: str, count: int) -> Spent:
    """Deliver so many reminders of those that were planned; all others are for later."""
    clock = FixedClock(NOW)
    # As many connections as a scheduler has.
    store = replace(store_of(url), clock=clock, database=Database(url))
    _let_wait(store, count)
    with store.database.statement() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE message")
        connection.exec_driver_sql("RESET statement_timeout")
    gate = Budgets(
        BudgetSettings(
            parts_a_day=PLENTY, parts_a_number=PLENTY, parts_a_prefix=PLENTY, calls_a_day=PLENTY
        )
    )
    # Whoever waits for a permit lets the clock go on.
    pace = ProviderPace(
        PaceSettings(parts_per_second=PACE),
        "AlloRDV",
        lambda seconds: clock.advance(timedelta(seconds=seconds)),
    )
    notices = reminders.renders(lambda _: CAMPAIGN, "+33974750001")
    means = DeliveryDependencies(
        notices=notices, budgets=gate, pace=pace, campaign=lambda: CAMPAIGN
    )
    provider = Takes()
    with spent(url) as found:
        sweep(store, provider, means, senders=8)
    left = next(provider.numbers) - 1
    store.database.dispose()
    if left != count:
        raise CannotMeasure(f"of {count} reminders {left} were sent")
    return found[0]


def _let_wait(store: Store, count: int) -> None:
    """So many are due, with people who can be written to."""
    seal, index = store.vault.seal_text, store.vault.index
    with store.database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        ids = connection.execute(
            text("SELECT booking_id FROM message WHERE kind = 'reminder' LIMIT :n"), {"n": count}
        ).scalars()
        chosen = list(ids)
        connection.execute(
            text("DELETE FROM message WHERE kind = 'reminder' AND NOT booking_id = ANY(:chosen)"),
            {"chosen": chosen},
        )
        for number, one in enumerate(chosen):
            phone = f"+336{10_000_000 + number}"
            values = {
                "dob_enc": seal("1942-03-12", f"booking.dob:{one}"),
                "phone_enc": seal(phone, f"booking.phone:{one}"),
                "phone_idx": index("phone", phone),
                "reference_enc": seal(f"{10**9 + number}", f"booking.reference:{one}"),
            }
            connection.execute(update(booking).where(booking.c.id == one).values(**values))


# ---------------------------------------------------------------- a long table


def looks(url: str, rows: int) -> dict[str, int]:
    """How many blocks (of 8 KiB) a relay reads to find what is due, to lock and to claim eight.

    Of a table of so many rows, of which as many wait whatever its length.
    """
    migrate(url)
    messages.fill(url, rows)
    store = store_of(url)
    sent: list[tuple[str, Any]] = []

    def notes(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        sent.append((sql, values))

    with store.database.transaction() as connection:
        event.listen(connection.engine, "before_cursor_execute", notes)
        outbox.take(
            connection, store.clock, store.vault, KINDS, LEASE, LEASE, limit=8, latest=False
        )
        event.remove(connection.engine, "before_cursor_execute", notes)
        connection.rollback()
    found = {}
    for name, (sql, values) in zip(("look", "lock", "claim"), sent, strict=True):
        for _ in range(2):
            # The second time, when rows that were new are known to be there.
            with store.database.transaction() as connection:
                found[name] = _blocks(connection, sql, values)
                connection.rollback()
    store.database.dispose()
    return found


def _blocks(connection: Connection, sql: str, values: Any) -> int:
    explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
    told = connection.exec_driver_sql(explained, values).scalar_one()
    top = told[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


# ---------------------------------------------------------------- all of it


@contextmanager
def server() -> Iterator[Callable[[], str]]:
    """A durable PostgreSQL; gives what makes a database on it."""
    with tempfile.TemporaryDirectory(prefix="allo-reminders-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with held(folder / "alive"):
            made = shared_server(folder, prefix="bench", environment=inherited(), durable=True)
            yield made.create
        wait_for_keepers(folder / "alive")


def main(arguments: list[str]) -> int:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.reminders")
    parser.add_argument("--reminders", type=int, default=REMINDERS)
    parser.add_argument("--delivered", type=int, default=DELIVERED)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 1_000_000])
    given = parser.parse_args(arguments)
    logs.configure("ERROR")
    figures: dict[str, float] = {}
    with server() as create:
        for rows in given.rows:
            for name, blocks in looks(create(), rows).items():
                figures[f"{name}_blocks_{rows}"] = blocks
        url = create()
        fill(url, given.reminders)
        written, planned = plan(url)
        delivered = deliver(url, given.delivered)
    each = delivered.ours / given.delivered
    figures |= {
        "reminders": written,
        "plan_wall_seconds": round(planned.wall, 1),
        "plan_processor_seconds": round(planned.ours + planned.server, 1),
        "delivered": given.delivered,
        "deliver_own_ms_each": round(each * 1000, 2),
        "deliver_server_ms_each": round(delivered.server / given.delivered * 1000, 2),
        # At how many a second this process needs three tenths of a core.
        "a_second_at_30_percent": round(0.3 / each, 1),
    }
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for name, value in figures.items():
        sys.stdout.write(f"{name:28} {value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
