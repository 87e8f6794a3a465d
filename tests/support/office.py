"""A store with messages to deliver, and a real stand-in of the provider on a loopback port."""

from __future__ import annotations

import itertools
import threading

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select
from werkzeug.serving import WSGIRequestHandler, make_server

from exchange.clock import Clock as SimulatorClock
from exchange.clock import VirtualClock
from exchange.faults import Faults
from exchange.messages import Message
from exchange.settings import Settings
from exchange.testing.ports import free_port
from exchange.transport import WsgiTransport
from ivr.messenger import TwilioMessenger
from jobs.relay import sweep
from models.messages import outbox
from models.messages.outbox import NewMessage
from models.messages.tables import message
from services.centres.directory import Directory
from services.delivery import make_delivery_dependencies
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.service import Service
from tests.support.house import ACCOUNT, BASE, MOBILE, NOON, TOKEN, House
from tests.support.rows import clock_of
from tools.simulator.app import create_app


class OneRequestAConnection(WSGIRequestHandler):
    """Closes after each answer, also after one that breaks off: a cut line is a cut line."""

    protocol_version = "HTTP/1.0"

    def log(self, *_: object) -> None:
        """Say nothing: addresses hold numbers."""


class Provider:
    """The provider's REST, really listening; its callbacks reach the house when it is told to."""

    def __init__(self, house: House, clock: SimulatorClock) -> None:
        self.faults = Faults()
        app = create_app(
            Settings(twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN),
            faults=self.faults,
            transport=WsgiTransport(house.app),
            clock=clock,
            threads=0,
            sleep=lambda _: None,
        )
        self.simulator = app.extensions["simulator"]
        self.server = make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=OneRequestAConnection
        )
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def does_next(self, *faults: object) -> None:
        self.faults.set({"next": list(faults)})

    def texts(self, recipient: str | None = None) -> list[Message]:
        """What it has taken, oldest first."""
        taken = reversed(self.simulator.messages.newest_first())
        return [one for one in taken if recipient in (None, one.recipient)]

    def reports(self) -> None:
        """Send all status callbacks that are waiting."""
        self.simulator.run_pending()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def provider(service: House) -> Iterator[Provider]:
    # Its clock is the house's: what it took "after" a moment is looked up by time.
    made = Provider(service, VirtualClock(NOON))
    yield made
    made.close()


@pytest.fixture
def messenger(provider: Provider) -> Iterator[TwilioMessenger]:
    made = messenger_to(provider.url)
    yield made
    made._http.session.close()


def messenger_to(url: str) -> TwilioMessenger:
    return TwilioMessenger(ACCOUNT, TOKEN, api_base_url=url, public_base_url=BASE, sender="AlloRDV")


@pytest.fixture
def nobody_there() -> str:
    """The address of a server that is down."""
    return f"http://127.0.0.1:{free_port()}"


@dataclass
class Office:
    """The outbox of a house and whoever delivers it."""

    house: House
    messenger: Any
    means: DeliveryDependencies = field(default_factory=DeliveryDependencies)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def writes(
        self,
        recipient: str = MOBILE,
        body: str = "",
        topic: str = "",
        booking_id: str | None = None,
    ) -> str:
        """Store a text; its id."""
        number = next(self.numbers)
        new = NewMessage(
            id=f"{number:032x}",
            kind="sms",
            dedupe_key=f"test:{number}",
            recipient=recipient,
            payload={"body": body or f"Votre rendez-vous, référence {number:010d}"},
            topic=topic,
            booking_id=booking_id,
        )
        with self.house.database.transaction() as connection:
            assert outbox.add(connection, self.house.clock, self.house.store.vault, new)
        return new.id

    def delivers(self, message_id: str, messenger: Any = None) -> str:
        return deliver_message(
            self.house.store, messenger or self.messenger, message_id, self.means
        )

    def sweeps(self, messenger: Any = None) -> int:
        return sweep(self.house.store, messenger or self.messenger, self.means)

    def later(self, **by: float) -> None:
        clock_of(self.house).advance(timedelta(**by))

    def row(self, message_id: str) -> Any:
        statement = select(message).where(message.c.id == message_id)
        with self.house.database.statement() as connection:
            return connection.execute(statement).one()

    def state(self, message_id: str) -> str:
        return str(self.row(message_id).state)


@pytest.fixture
def office(service: House, messenger: TwilioMessenger) -> Office:
    return Office(service, messenger)


@pytest.fixture
def whole_office(service: House, messenger: TwilioMessenger) -> Office:
    """An office with all means: words of every kind, calls, hours, and the cap of a number."""
    directory = Directory(service.database, centres_fresh_seconds=0)
    parts = Service(directory, service.campaign, service.settings.national_number)
    return Office(service, messenger, make_delivery_dependencies(service.settings, parts))


@pytest.fixture
def quiet_office(service: House) -> Office:
    """An outbox whose messages nobody delivers."""
    return Office(service, None)


@pytest.fixture
def to() -> Callable[[str], TwilioMessenger]:
    return messenger_to
