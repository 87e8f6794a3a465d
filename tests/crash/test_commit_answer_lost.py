"""The answer to the COMMIT of a confirmation never comes: the call goes on and is booked once.

A real server, and real connections that break at that very moment: whether the booking was stored
nobody here can know until the turn is looked up.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from sqlalchemy import func, make_url, select

from exchange.transport import Outgoing, Reply, WsgiTransport
from models.booking.tables import history
from models.clock import DatabaseClock
from models.migrations.runner import upgrade
from models.slots.tables import place
from tests.support.house import MOBILE, House, Phone, house
from tests.support.postgres import OwnServer
from tests.support.rows import rows_of, soon
from tests.support.until import wait_for

COMMIT = b"COMMIT\0"


class Cut:
    """Passes the bytes of PostgreSQL's connections on, through a socket in `folder`.

    `at_commit` is called, once, with what to do when a COMMIT comes by: (to the server, to the
    client, the COMMIT). The connection is closed on both sides after that.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self._server = f"{server}/.s.PGSQL.5432"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / ".s.PGSQL.5432"))
        self._listening.listen()
        self.at_commit: Callable[[socket.socket, socket.socket, bytes], None] | None = None
        self.cuts = 0
        # Those who hear nothing of what the server answers.
        self.mute: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = [self._listening]
        self._threads[0].start()

    def close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._open += [client, server]
            for pump in (self._asks, self._answers):
                thread = threading.Thread(target=pump, args=(client, server))
                self._threads.append(thread)
                thread.start()

    def _asks(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := client.recv(65536):
                if COMMIT in some and self.at_commit:
                    do, self.at_commit = self.at_commit, None
                    self.cuts += 1
                    do(server, client, some)
                    break
                server.sendall(some)
        hang_up(client, server)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := server.recv(65536):
                if client not in self.mute:
                    client.sendall(some)
        hang_up(client, server)


def hang_up(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cut(own_postgres: OwnServer, run_folder: Path, process_name: str) -> Iterator[Cut]:
    folder = run_folder / f"cut-{process_name}"
    folder.mkdir()
    made = Cut(folder, str(make_url(own_postgres.url).query["host"]))
    yield made
    made.close()
    (folder / ".s.PGSQL.5432").unlink()
    folder.rmdir()


@pytest.fixture
def url(own_postgres: OwnServer) -> Iterator[str]:
    made = own_postgres.create()
    upgrade(made)
    yield made
    own_postgres.sets()
    own_postgres.drop(made)


@pytest.fixture
def service(url: str) -> Iterator[House]:
    """One service on a durable server, in real time."""
    with house(url, clock=DatabaseClock()) as made:
        made.opens_centre("1", starts=soon(made, 3), capacity=2)
        yield made


@pytest.fixture
def behind(service: House, cut: Cut, url: str) -> Iterator[House]:
    """The same service, whose connections go through `cut`."""
    through = make_url(url).update_query_dict({"host": str(cut.folder)})
    made = House(through.render_as_string(hide_password=False), clock=DatabaseClock())
    yield made
    made.close()


def is_booked_once(service: House, phone: Phone) -> None:
    assert phone.errors == []
    assert phone.step in {"ready", "reference"}
    phone.hears_text("C'est confirmé")
    (booking,) = service.bookings()
    assert booking.state == "confirmed"
    booked = rows_of(service.database, select(place.c.id).where(place.c.booking_id.is_not(None)))
    assert len(booked) == 1
    assert rows_of(service.database, select(func.count()).select_from(history))[0][0] == 1
    assert len(service.messages("sms")) == 1


class Provider:
    """Passes webhooks on; remembers the last one, to send it again."""

    def __init__(self, house: House) -> None:
        self.inner = WsgiTransport(house.app)
        self.last: Outgoing | None = None

    def send(self, request: Outgoing) -> Reply:
        self.last = request
        return self.inner.send(request)

    def sends_again(self) -> str:
        assert self.last
        return self.inner.send(self.last).body.decode()


def to_confirm(house: House, provider: Provider | None = None) -> Phone:
    """A caller who wants a text and is one key away from the booking."""
    phone = house.phone(MOBILE, transport=provider).goes_to("reach").presses("1")
    while phone.step != "confirm":
        phone.presses("1")
    return phone


def test_the_commit_was_done_and_its_answer_lost(service: House, behind: House, cut: Cut):
    phone = to_confirm(behind)

    def done(server: socket.socket, client: socket.socket, commit: bytes) -> None:
        cut.mute.add(client)
        server.sendall(commit)
        wait_for(service.bookings, "the booking is there")

    cut.at_commit = done
    phone.presses("1")
    assert cut.cuts == 1
    is_booked_once(service, phone)


def test_the_commit_never_arrived(service: House, behind: House, cut: Cut):
    phone = to_confirm(behind)
    cut.at_commit = lambda _server, _client, _commit: None
    phone.presses("1")
    assert cut.cuts == 1
    # Nothing was stored, so nothing was said: the question comes once more.
    assert service.bookings() == []
    assert phone.step == "confirm"
    phone.presses("1")
    is_booked_once(service, phone)


def test_the_commit_arrives_after_the_caller_was_asked_once_more(
    service: House, behind: House, cut: Cut
):
    """The connection is lost, the transaction is not: it is still open when the caller confirms."""
    phone = to_confirm(behind)
    asked_again = threading.Event()

    def late(server: socket.socket, client: socket.socket, commit: bytes) -> None:
        client.shutdown(socket.SHUT_RDWR)
        assert asked_again.wait(30)
        # The second confirmation waits for the lock that the first one has on the turn.
        wait_for(lambda: waits(service, "advisory"), "the copy waits")
        server.sendall(commit)
        wait_for(service.bookings, "the booking is there")

    cut.at_commit = late
    phone.presses("1")
    assert service.bookings() == []
    assert phone.step == "confirm"
    asked_again.set()
    phone.presses("1")
    is_booked_once(service, phone)


def waits(service: House, event: str) -> list[int]:
    """The processes of the server that wait for this, in this database."""
    url = service.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = %s",
            (event,),
        )
        return [pid for (pid,) in rows]


@pytest.mark.parametrize("copies", [1, 2])
def test_the_servers_process_is_ended_in_the_middle_of_the_commit(
    own_postgres: OwnServer, service: House, copies: int
):
    """COMMIT waits for a second server that is not there, and its process is told to end.

    With two copies the provider, tired of waiting, has sent the webhook again meanwhile.
    """
    provider = Provider(service)
    phone = to_confirm(service, provider)
    own_postgres.sets(synchronous_standby_names="nobody")
    with ThreadPoolExecutor(copies) as threads:
        pressed = threads.submit(phone.presses, "1")
        wait_for(lambda: waits(service, "SyncRep"), "the commit waits")
        copy = None
        if copies == 2:
            copy = threads.submit(provider.sends_again)
            wait_for(lambda: waits(service, "advisory"), "the copy waits")
        (process,) = waits(service, "SyncRep")
        with psycopg.connect(own_postgres.url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (process,))
        own_postgres.sets()
        pressed.result()
        if copy:
            assert "confirmé" in copy.result()
    is_booked_once(service, phone)
