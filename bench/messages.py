"""What the outbox costs: a text beside a bare request, and a table a thousand times as long.

`ratio` compares texts a second that one worker delivers to the provider's stand-in with a bare loop
on the provider's own client, in turns. `growth` times what a relay asks the database for each
message (what is due, and the claim of one) among 10,000 rows and among 10,000,000.
"""

from __future__ import annotations

import contextlib
import sys
import time

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select
from twilio.rest import Client

from bench import bulk, timing, traffic
from bench.servers import (
    PLENTY,
    CannotMeasure,
    migrate,
    responds,
    running,
    store_of,
    wait_until,
)
from bench.timing import Growth
from exchange.testing.ports import free_port
from exchange.transport import local_session
from ivr.messenger import RedirectedHttpClient, TwilioMessenger
from jobs.tasks import Ports, deliver, give
from launcher.environment import inherited
from models.crypto import Vault
from models.database import Database
from models.messages import outbox
from models.messages.outbox import NewMessage
from models.messages.tables import message
from services import logs
from services.messages.deliver_message import KINDS, LEASE, DeliveryDependencies
from services.messages.spend import Budgets, BudgetSettings
from services.messages.topics import Topic
from services.store import Store

SLICE, SLICES = 60, 9
BODY = (
    "Rendez-vous lundi 30 novembre à 10h20, 12 rue de la Paix, 75011 Paris."
    " Référence 0452178803. Pour toute question, appelez le 09 74 75 00 01"
)
SENDER = "AlloRDV"
FEW, MANY = SIZES = 10_000, 10_000_000
# Due at once in both, as after a minute without a relay.
DUE = 2000
ASKED, WARM = 1500, 150


# ---------------------------------------------------------------- beside a bare loop


def ratio(url: str) -> float:
    """Texts a second that a worker delivers, as a part of those of a bare loop.

    On a database of its own at `url`. Raises CannotMeasure.
    """
    migrate(url)
    store = Store(Database(url), Vault([bytes(range(32))]))
    logs.configure("ERROR")
    with _provider() as base:
        http = RedirectedHttpClient(base)
        bare = Client(traffic.ACCOUNT, traffic.TOKEN, http_client=http)
        messenger = TwilioMessenger(
            traffic.ACCOUNT,
            traffic.TOKEN,
            api_base_url=base,
            public_base_url=traffic.BASE,
            sender=SENDER,
        )
        # With the gate that every text passes.
        gate = Budgets(
            BudgetSettings(
                parts_a_day=PLENTY,
                parts_a_number=PLENTY,
                parts_a_prefix=PLENTY,
                calls_a_day=PLENTY,
            )
        )
        give(Ports(store, messenger, DeliveryDependencies(budgets=gate)))
        ids: list[str] = []

        def by_the_worker() -> float:
            ids[:] = _write(store, SLICE)
            started = time.perf_counter()
            # As a worker does that is told when many are stored at once.
            tried = deliver()
            taken = time.perf_counter() - started
            with store.database.statement() as connection:
                sent = select(func.count()).where(message.c.state == "sent", message.c.id.in_(ids))
                if (tried, connection.execute(sent).scalar_one()) != (SLICE, SLICE):
                    raise CannotMeasure("texts of the bench were not sent")
            return SLICE / taken

        def by_the_client() -> float:
            started = time.perf_counter()
            for message_id in ids:
                bare.messages.create(
                    to="+33612345678",
                    from_=SENDER,
                    body=BODY,
                    status_callback=f"{traffic.BASE}/sms/status?m={message_id}",
                )
            return SLICE / (time.perf_counter() - started)

        found = timing.ratio(SLICES, by_the_worker, by_the_client)
    store.database.dispose()
    return round(found, 3)


def _write(store: Store, count: int) -> list[str]:
    ids = [store.chance.identifier() for _ in range(count)]
    with store.database.transaction() as connection:
        for one in ids:
            new = NewMessage(
                id=one,
                kind="sms",
                dedupe_key=f"bench:{one}",
                recipient="+33612345678",
                payload={"body": BODY},
                topic=Topic.CONFIRMATION,
            )
            outbox.add(connection, store.clock, store.vault, new)
    return ids


@contextlib.contextmanager
def _provider() -> Iterator[str]:
    """The provider's stand-in in a process of its own, which tells nobody what became of texts."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environment = {
        **inherited(),
        "TWILIO_ACCOUNT_SID": traffic.ACCOUNT,
        "TWILIO_AUTH_TOKEN": traffic.TOKEN,
    }
    command = (sys.executable, "-m", "simulator", "--port", str(port))
    with running(*command, environment=environment) as process:
        wait_until(lambda: responds(port), process, "the provider's stand-in did not start")
        with local_session((traffic.ACCOUNT, traffic.TOKEN)) as session:
            session.post(
                f"{base}/_faults",
                json={"drop_status_callbacks": True},
                timeout=5,
            ).raise_for_status()
        yield base


# ---------------------------------------------------------------- a long table


def growth(few_url: str, many_url: str) -> Growth:
    """Ask each of two databases that are filled, in slices one after the other."""
    few, many = store_of(few_url), store_of(many_url)
    try:
        return timing.growth(
            lambda _: _ask(few), lambda _: _ask(many), asked=ASKED, warm=WARM, each=50
        )
    finally:
        for store in (few, many):
            store.database.dispose()


def _ask(store: Store) -> float:
    """Look what is due and claim one of it; it is due again at once. Gives the seconds."""
    started = time.perf_counter()
    with store.database.statement() as connection:
        due = outbox.due(connection, store.clock, KINDS, limit=200)
    with store.database.transaction() as connection:
        claimed = outbox.claim(connection, store.clock, store.vault, due[0], LEASE)
    taken = time.perf_counter() - started
    if claimed is None:
        raise CannotMeasure("a message that was due could not be claimed")
    with store.database.transaction() as connection:
        now = store.clock.now() - timedelta(minutes=1)
        outbox.put_off(connection, store.clock, claimed, now, "bench")
    return taken


# Long ago delivered, and erased, also at the provider. Their ids are as long as real ones; they are
# even numbers in a row, so that the index is soon sorted.
_ERASED: Final = """
INSERT INTO message (id, kind, dedupe_key, booking_id, state, attempts, due_at, created_at,
  updated_at, sent_at, topic, way, parts)
SELECT lpad((2 * n::bigint)::text, 32, '0'), 'sms', 'erased:' || n, repeat('b', 32), 'delivered', 1,
  at, at, at, at, 'confirmation', 'text', 1
FROM (SELECT n, now() - n * interval '777 milliseconds' AS at
  FROM generate_series(1, {erased}) n OFFSET 0) one
"""
# Their ids are odd numbers, spread among all others as random ones are.
_DUE: Final = """
INSERT INTO message (id, kind, dedupe_key, state, due_at, created_at, updated_at, topic)
SELECT lpad((2 * (n::bigint * {erased} / {due}) + 1)::text, 32, '0'),
  (ARRAY['sms', 'reminder', 'booking_changed'])[1 + mod(n, 3)], 'due:' || n, 'pending', at, at, at,
  'reminder'
FROM (SELECT n, now() - interval '1 hour' + n * interval '1 second' AS at
  FROM generate_series(1, {due}) n OFFSET 0) one
"""
# What is asked reads no other.
_ASKED: Final = frozenset({"pk_message", "ix_message_unsent"})


def fill(url: str, count: int) -> None:
    """So many rows, all but a few of them done with."""
    with bulk.filling(url, "message", only=_ASKED) as run:
        for statement in (_ERASED, _DUE):
            run(statement.format(erased=count - DUE, due=DUE))
