"""A web worker that is told to end is unready first, answers what comes, and then ends."""

from __future__ import annotations

import asyncio
import signal

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import config

from tests.admission.test_whole_requests import Client, Headers, Scope, tells
from tests.support.house import House, mornings
from web_server import Draining, WholeRequests


@dataclass
class Loop:
    """What a server's event loop was asked for."""

    handlers: dict[int, Callable[[], None]] = field(default_factory=dict)
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def add_signal_handler(self, number: int, callback: Any, *arguments: Any) -> None:
        self.handlers[number] = lambda: callback(*arguments)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.later.append((seconds, callback))


def test_it_is_unready_first_and_ends_once_a_while_later(service: House):
    service.settings = service.settings.model_copy(update={"drain_seconds": 5.0})
    app, loop, ended = service.application(), Loop(), list[str]()
    draining: Draining = app.extensions["allo_draining"]
    draining._end = lambda: ended.append("ended")
    draining.listen(loop)  # type: ignore[arg-type]
    client = app.test_client()
    service.opens_centre("1", starts=mornings(2))
    service.has_processes()
    assert client.get("/readyz").status_code == 200
    loop.handlers[signal.SIGTERM]()
    # From the server's main process, and from a process manager that tells all of them.
    loop.handlers[signal.SIGTERM]()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.get("/connexion").status_code == 200
    ((seconds, end),) = loop.later
    assert (seconds, ended) == (5.0, [])
    end()
    assert ended == ["ended"]


def test_each_answer_closes_its_connection_so_that_none_is_cut(service: House):
    draining = Draining(5.0)

    async def asks() -> Client:
        made = WholeRequests(tells, 1, draining=draining)
        loop = asyncio.get_running_loop()
        made.__rsgi_init__(loop)
        client = Client([b"a=b"])
        headers = Headers([("content-length", "3")])
        await made.__rsgi__(Scope(headers), client)
        return client

    assert "Connection" not in asyncio.run(asks()).headers
    draining.begin(Loop())  # type: ignore[arg-type]
    assert asyncio.run(asks()).headers["Connection"] == "close"


def test_without_a_time_the_server_ends_as_it_does_by_itself():
    loop = Loop()
    Draining(0).listen(loop)  # type: ignore[arg-type]
    assert loop.handlers == {}


def test_production_drains_and_a_run_at_home_does_not():
    home = config.Settings(_env_file=None)  # type: ignore[call-arg]
    assert home.drain_seconds == 0
