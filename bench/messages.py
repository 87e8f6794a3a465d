"""Texts a second that one worker delivers, beside a bare loop on the provider's own client."""

from __future__ import annotations

import contextlib
import sys
import time

from collections.abc import Iterator

from sqlalchemy import func, select
from twilio.rest import Client

from bench import load, traffic
from bench.servers import (
    PLENTY,
    CannotMeasure,
    responds,
    running,
    wait_until,
)
from exchange.testing.ports import free_port
from exchange.transport import local_session
from ivr.messenger import RedirectedHttpClient, TwilioMessenger
from jobs.tasks import Ports, deliver, give
from models.crypto import Vault
from models.database import Database
from models.messages import outbox
from models.messages.outbox import NewMessage
from models.messages.tables import message
from models.migrations.runner import upgrade
from services import logs
from services.messages.deliver_message import DeliveryDependencies
from services.messages.spend import Budgets, BudgetSettings
from services.messages.topics import Topic
from services.store import Store
from tools.launcher.environment import inherited

SLICE, SLICES = 60, 9
BODY = (
    "Rendez-vous lundi 30 novembre à 10h20, 12 rue de la Paix, 75011 Paris."
    " Référence 0452178803. Pour toute question, appelez le 09 74 75 00 01"
)
SENDER = "AlloRDV"


def ratio(url: str) -> float:
    """Texts a second that a worker delivers, as a part of those of a bare loop.

    On a database of its own at `url`. Raises CannotMeasure.
    """
    upgrade(url)
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
        limits = ("parts_a_day", "parts_a_number", "parts_a_prefix", "calls_a_day")
        gate = Budgets(BudgetSettings(**dict.fromkeys(limits, PLENTY)))
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

        found = load.ratio(SLICES, by_the_worker, by_the_client)
    store.database.dispose()
    return round(found, 3)


def _write(store: Store, count: int) -> list[str]:
    ids = [store.chance.identifier() for _ in range(count)]
    with store.database.transaction() as connection:
        for id_ in ids:
            new = NewMessage(
                id=id_,
                kind="sms",
                dedupe_key=f"bench:{id_}",
                recipient="+33612345678",
                payload={"body": BODY},
                topic=Topic.CONFIRMATION,
            )
            outbox.add(connection, store.clock, store.vault, new)
    return ids


@contextlib.contextmanager
def _provider() -> Iterator[str]:
    """The provider's stand-in in a process of its own, which does not tell what became of texts."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environment = {
        **inherited(),
        "TWILIO_ACCOUNT_SID": traffic.ACCOUNT,
        "TWILIO_AUTH_TOKEN": traffic.TOKEN,
    }
    command = (sys.executable, "-m", "tools.simulator", "--port", str(port))
    with running(*command, environment=environment) as process:
        wait_until(lambda: responds(port), process, "the provider's stand-in")
        with local_session((traffic.ACCOUNT, traffic.TOKEN)) as session:
            no_reports = {"drop_status_callbacks": True}
            session.post(f"{base}/_faults", json=no_reports, timeout=5).raise_for_status()
        yield base
