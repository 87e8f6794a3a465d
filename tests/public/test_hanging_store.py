"""A store that is locked, hangs or is gone: each page says so in its time, with what was typed."""

from __future__ import annotations

import socket
import threading

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from prometheus_client import REGISTRY
from sqlalchemy import make_url

from models.time_left import NotInTime
from services.public.store_answers import LATELY, SLOW, StoreAnswers
from tests.online.visitors import Visitor
from tests.public.test_state import without_store
from tests.support.house import House, house, mornings
from tests.support.locks import locked
from web.admission.gate import Gate
from web.public import unanswered

# What a page has in these tests; 5.5 seconds else.
SECONDS = 0.3
SAYS = (
    "Le service ne répond pas en ce moment",
    "+33974750001",
    "Un rendez-vous confirmé reste confirmé",
)


@contextmanager
def little_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(unanswered, "PAGE_SECONDS", SECONDS)
        yield


@pytest.fixture
def stood(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(3), capacity=5)
        yield made


def answers_of(made: House) -> StoreAnswers:
    found: StoreAnswers = made.app.extensions["allo_store_answers"]
    return found


@contextmanager
def watched(made: House) -> Iterator[None]:
    """Threads that are stuck are set free, as in a worker."""
    answers, over = answers_of(made), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            answers.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def says_so(visitor: Visitor, **fields: str) -> None:
    """The page of a store that does not answer, with the fields of the form."""
    visitor.reads(*SAYS)
    assert visitor.answer is not None
    assert (visitor.status, visitor.answer.headers["Retry-After"]) == (503, "5")
    for name, value in fields.items():
        visitor.reads(f'<input type="hidden" name="{name}" value="{value}">')


def test_a_locked_store_keeps_nobody_longer_than_a_page_has(
    stood: House, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    visitor = Visitor(stood).comes_to("joindre")
    form = visitor.hidden | {"number": "0612345678"}
    with watched(stood), locked(database_url, "visit"), little_time(monkeypatch):
        says_so(visitor.sends("/rendez-vous/joindre", **form), **form)
        # Looks whether it is back with each request.
        with monkeypatch.context() as patch:
            patch.setattr(unanswered, "PAGE_SECONDS", 1 + SECONDS)
            answers_of(stood)._next = 0.0
            says_so(Visitor(stood).sends("/rendez-vous", whom="self"), whom="self")
    answers_of(stood)._next = 0.0
    visitor.sends("/rendez-vous/joindre", **form)
    assert (visitor.status, visitor.path) == (200, "/rendez-vous/confirmer")


# ---------------------------------------------------------------- a network that swallows


class Swallows:
    """Passes the bytes of connections to PostgreSQL on, until it is `on` and passes nothing."""

    def __init__(self, url: str) -> None:
        self.on = threading.Event()
        self._server = make_url(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        port = self._listening.getsockname()[1]
        near = self._server.set(host="127.0.0.1", port=port)
        return near.difference_update_query(["host", "port"]).render_as_string(hide_password=False)

    def close(self) -> None:
        for one in (self._listening, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._listening, *self._sockets):
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = self._connected()
            self._sockets += [client, server]
            for one, other in ((client, server), (server, client)):
                thread = threading.Thread(target=self._passes, args=(one, other))
                self._threads.append(thread)
                thread.start()

    def _connected(self) -> socket.socket:
        folder = self._server.query.get("host", "")
        if folder:
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{folder}/.s.PGSQL.{self._server.query.get('port', 5432)}")
            return server
        return socket.create_connection((str(self._server.host), self._server.port or 5432))

    def _passes(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while some := one.recv(65536):
                if not self.on.is_set():
                    other.sendall(some)
            other.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def swallows(database_url: str) -> Iterator[Swallows]:
    made = Swallows(database_url)
    yield made
    made.close()


@pytest.mark.direct
def test_a_network_that_swallows_what_is_asked_keeps_nobody_longer_either(
    swallows: Swallows, monkeypatch: pytest.MonkeyPatch
):
    with house(swallows.url) as stood:
        stood.opens_centre("1", starts=mornings(3), capacity=5)
        visitor = Visitor(stood).comes_to("joindre")
        form = visitor.hidden | {"number": "0612345678"}
        with watched(stood), little_time(monkeypatch):
            swallows.on.set()
            says_so(visitor.sends("/rendez-vous/joindre", **form), **form)
            # There is a connection to be made now, and no time for it.
            with stood.database.within(0.5), pytest.raises(NotInTime):
                stood.database.ping()
        swallows.on.clear()
        answers_of(stood)._next = 0.0
        visitor.sends("/rendez-vous/joindre", **form)
        assert (visitor.status, visitor.path) == (200, "/rendez-vous/confirmer")


# ---------------------------------------------------------------- and the telephone goes on


def test_thirty_visitors_who_wait_for_a_store_take_no_thread_from_others(
    made: House, monkeypatch: pytest.MonkeyPatch
):
    """All threads of the web wait in vain: others are told why, and a caller hears a sentence."""
    made.opens_centre("1", starts=mornings(3), capacity=5)
    gate: Gate = made.app.extensions["allo_gate"]
    visitor = Visitor(made).comes_to("joindre")
    form = visitor.hidden | {"number": "0612345678"}
    gate.begin()
    shedder = gate.load_shedder
    monkeypatch.setattr(shedder, "_patience", 0.0)
    taken = sum(bool(shedder.web_begins(goes_on=True)) for _ in range(30))
    assert taken == shedder.threads - 2
    visitor.sends("/rendez-vous/joindre", **form).reads("Beaucoup de monde en même temps")
    # One of them waits for the store, and longer than any answer takes.
    answers, now = answers_of(made), [100.0]
    monkeypatch.setattr(answers, "_ticks", lambda: now[0])
    monkeypatch.setattr(made.database, "is_asked_by", lambda thread: thread == 7)
    answers._watched[7] = now[0], 5.5
    visitor.sends("/rendez-vous/joindre", **form).reads("Beaucoup de monde en même temps")
    now[0] += SLOW + 0.1
    for _ in range(30):
        visitor.sends("/rendez-vous/joindre", **form).reads(*SAYS)
        assert visitor.answer is not None
        assert (visitor.status, visitor.answer.headers["Retry-After"]) == (503, "2")
        for name, value in form.items():
            visitor.reads(f'<input type="hidden" name="{name}" value="{value}">')
    visitor.goes("/rendez-vous/joindre?lang=en").reads(
        "The service does not answer at the moment", 'id="again"'
    )
    visitor.client.set_cookie("__Host-allo-lang", "es", domain="allo.example", secure=True)
    visitor.goes("/rendez-vous/joindre").reads('<html lang="es">')
    assert made.phone().dials().step == "welcome"
    # Shortly after it failed, nobody is told of a crowd either.
    answers._watched.clear()
    visitor.goes("/rendez-vous/joindre?lang=fr").reads("Beaucoup de monde en même temps")
    answers.failed()
    visitor.goes("/rendez-vous/joindre?lang=fr").reads(*SAYS)
    now[0] += LATELY + 0.1
    visitor.goes("/rendez-vous/joindre?lang=fr").reads("Beaucoup de monde en même temps")


def from_memory() -> float:
    """How many pages were answered from memory so far in this process."""
    return REGISTRY.get_sample_value("allo_gate_answers_total", {"kind": "kept"}) or 0.0


def test_a_page_for_all_is_shown_from_memory_while_the_store_hangs(
    made: House, monkeypatch: pytest.MonkeyPatch
):
    gate: Gate = made.app.extensions["allo_gate"]
    gate.begin()
    before, now = from_memory(), [0.0]
    monkeypatch.setattr(gate.pages, "ticks", lambda: now[0])
    visitor = Visitor(made).goes("/centres")
    assert visitor.status == 200
    now[0] += 3600
    answers_of(made).failed()
    with without_store(made, monkeypatch):
        assert visitor.goes("/centres").status == 200
        assert from_memory() - before == 2
