"""The parts of the exchange, made for tests: a conftest imports those that it wants."""

import threading

import pytest

from werkzeug.serving import make_server

from exchange.clock import VirtualClock
from exchange.interpreter import Call
from exchange.rest.app import create_app
from exchange.settings import Settings
from exchange.testing.ports import free_port
from exchange.testing.tiny_service import XML, make_service
from exchange.transport import Outgoing, Reply, WsgiTransport

TOKEN = "test-token"
SID = "AC" + "0" * 31 + "9"
BASE = "http://service.test"


class Documents:
    """A transport that answers each path from a table, last entry repeated; keeps what it got."""

    def __init__(self, table) -> None:
        self.table = {
            path: list(replies) if isinstance(replies, list) else [replies]
            for path, replies in table.items()
        }
        self.sent: list[Outgoing] = []

    def send(self, outgoing):
        self.sent.append(outgoing)
        path = outgoing.url.removeprefix(BASE).partition("?")[0]
        replies = self.table.get(path, [Reply(404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, str):
            body = reply if reply.startswith("<?xml") else f"<Response>{reply}</Response>"
            return Reply(200, body.encode(), {"Content-Type": XML})
        return reply

    def paths(self):
        return [outgoing.url.removeprefix(BASE) for outgoing in self.sent]


@pytest.fixture
def ring():
    """Ring a table of documents: `ring({"/in": "<Say>…</Say>"}, **options)` → Call, dialled."""

    def dial(table, **options):
        options = {"url": f"{BASE}/in", "auth_token": TOKEN, "account_sid": SID, **options}
        return Call(transport=Documents(table), clock=VirtualClock(), **options).dial()

    return dial


class Served:
    """A WSGI application on a free loopback port, for as long as the block lasts."""

    def __init__(self, app) -> None:
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self):
        self.thread.start()
        return self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def settings(monkeypatch, tmp_path):
    # No .env of a developer's checkout may leak into the tests.
    monkeypatch.chdir(tmp_path)
    return Settings(twilio_account_sid=SID, twilio_auth_token=TOKEN)


class Inbox:
    """A service that only takes callbacks; `status` is what it answers."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.urls: list[str] = []
        self.statuses: list[int] = []

    def send(self, outgoing):
        self.forms.append(dict(outgoing.form))
        self.headers.append(dict(outgoing.headers))
        self.urls.append(outgoing.url)
        return Reply(self.statuses.pop(0) if self.statuses else 204)


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def rest(settings, inbox):
    """The REST application without threads; `app.extensions["simulator"].run_pending()` runs it."""
    return create_app(settings, transport=inbox, threads=0, sleep=lambda _: None)


@pytest.fixture
def tiny():
    return make_service


@pytest.fixture
def in_process():
    return WsgiTransport


@pytest.fixture
def serve():
    return Served


@pytest.fixture
def closed_port():
    return free_port()


@pytest.fixture
def house(settings):
    """`house(documents)`: an exchange without threads around a service of these documents."""
    from exchange.testing.exchange_house import House  # noqa: PLC0415 - it needs this file

    return lambda documents, **options: House(settings, documents, **options)
