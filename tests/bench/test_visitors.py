"""Visitors of the bench book through the real pages, and the peer's; what they see is counted."""

from __future__ import annotations

import asyncio
import threading
import time

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from werkzeug.serving import make_server

import config

from bench import http, rush, visitors
from bench.http import Connections
from bench.peers import form_handler
from bench.visitors import BOOKED, NOTHING, Visitor, VisitorFigures, VisitorIdentity
from tests.support.house import BASE, house, mornings

PERSON = VisitorIdentity("12031942", "75011", "0612345678", "10.0.0.1")


@contextmanager
def served(app: Any) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def visit(port: int, person: VisitorIdentity = PERSON) -> tuple[str, Visitor]:
    async def all_of_it() -> tuple[str, Visitor]:
        connections = Connections(port, 1)
        visitor = Visitor(connections, person, until=time.monotonic() + 60)
        return await visitor.books(), visitor

    return asyncio.run(all_of_it())


def test_a_visitor_books_through_every_page_and_hears_when_nothing_is_free(database_url: str):
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(2, first=5), capacity=1)
        with served(made.app) as port:
            assert http.SERVICE in BASE
            end, visitor = visit(port)
            assert end == BOOKED
            assert visitor.turned_away == 0
            assert len(made.bookings()) == 1
            # The first two pages and a form for each question: the others come in the answers.
            assert visitor.answers == 2 + len(visitors.PAGES) - 1
            # Of two places the telephone has its part: nothing is left on the web.
            assert visit(port, VisitorIdentity("13031942", "75011", "0612345679"))[0] in {
                BOOKED,
                NOTHING,
            }
            assert visit(port, VisitorIdentity("14031942", "75011", "0612345670"))[0] == NOTHING


@pytest.fixture
def peer(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = config.Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=database_url,
    )
    monkeypatch.setattr(config, "load", lambda: settings)
    form_handler.fill(database_url)
    return form_handler.create_app()


def test_the_same_visitor_books_at_the_peer(peer: Any):
    with served(peer) as port:
        end, visitor = visit(port)
    assert end == BOOKED
    # A page and a form for each question, and the page at the end.
    assert visitor.answers == 2 * len(visitors.PAGES) - 1
    peer.extensions["peer_engine"].dispose()


Answers = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
ASKS = b"GET / HTTP/1.1\r\nHost: allo.example\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


def sent(count: int, most: int, answers: Answers) -> tuple[list[int], int]:
    """The statuses of requests over so many connections at `most`, and how many of these broke."""

    async def all_of_it() -> tuple[list[int], int]:
        server = await asyncio.start_server(answers, "127.0.0.1", 0)
        connections = Connections(server.sockets[0].getsockname()[1], most)
        statuses = [(await connections.send(ASKS))[0] for _ in range(count)]
        await connections.close()
        server.close()
        return statuses, connections.broken

    return asyncio.run(all_of_it())


def test_a_connection_that_was_closed_while_it_lay_idle_is_opened_anew_and_nobody_notices():
    opened = 0

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One answer, and then without a word the end, as of what lay idle for too long."""
        nonlocal opened
        opened += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(FINE)
        writer.close()

    assert sent(12, 4, answers) == ([200] * 12, 0)
    assert opened == 12


def test_an_answer_that_breaks_off_is_none_and_is_not_asked_for_again():
    asked = 0

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The second answer of a connection ends in its head."""
        nonlocal asked
        for answer in (FINE, FINE[:9]):
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            writer.write(answer)
        writer.close()

    assert sent(2, 1, answers) == ([200, 0], 1)
    assert asked == 2


def test_whoever_was_not_booked_makes_a_run_count_for_nothing():
    fine = VisitorFigures(4.0, 400, {BOOKED: 30, visitors.GAVE_UP: 6}, 0, 0, 0.1)
    assert fine.faults() == []
    assert (fine.rate, fine.bookings) == (100.0, 7.5)
    assert len(VisitorFigures(4.0, 400, {NOTHING: 1}, 5, 0, 0.1).faults()) == 3


def rushed() -> rush.RushObservations:
    return rush.RushObservations(
        webhooks=[50.0] * 200 + [900.0],
        rings=[100.0] * 19 + [2500.0],
        came=500,
        booked=[10.0] * 90 + [12.0] * 10,
        recovery=2.04,
    )


def alone(share: float = 0.0) -> list[VisitorFigures]:
    """Visitors before and after the rush: five bookings a second."""
    return [VisitorFigures(2.0, 80, {BOOKED: count}, 0, 0, share) for count in (8, 12)]


def test_the_figures_of_a_rush_are_those_that_have_a_bar():
    found = rush.figures(rushed(), alone(), 10.0)
    assert found["speaks_under_2s"] == 95.0
    assert found["recovery_seconds"] == 2.0
    assert 50.0 <= found["call_p99_ms"] <= 900.0
    # A hundred bookings in the seconds in which there could be any.
    assert found["goodput_ratio"] == pytest.approx(100 / (20 - 7 * 0.6) / 5, abs=0.001)
    assert found["goodput"] == pytest.approx(100 / (20 - 7 * 0.6), abs=0.1)
    # A crowd that has a quarter of the machine leaves three quarters of what the web can book.
    crowd = replace(rushed(), share=0.25)
    assert rush.figures(crowd, alone(), 10.0)["goodput_ratio"] == pytest.approx(
        100 / (20 - 7 * 0.6) / 5 / 0.75, abs=0.001
    )
    # What the few had by whom the capacity was measured was not left then either; and nothing is
    # taken for granted where the crowd had less than those.
    for seen in (crowd, rushed()):
        found_beside = rush.figures(seen, alone(0.25), 10.0)
        assert found_beside["goodput_ratio"] == pytest.approx(found["goodput_ratio"])
    # Somebody who rang and heard nothing was not answered in time either.
    silent = replace(rushed(), silent=1)
    assert rush.figures(silent, alone(), 10.0)["speaks_under_2s"] == 90.0
    assert rush.figures(rush.RushObservations(), alone(), 10.0) == {}
