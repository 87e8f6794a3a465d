"""Alerts leave the house once when they are raised and once when they are over, whoever listens."""

from __future__ import annotations

import json
import threading

from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from jobs.alert_listener import FIRST_PAUSE, HttpListener, TellAlerts
from models.supervision import alerts
from services.supervision.alerts import NEWS_FOR, apply, tell_alerts
from tests.support.house import House
from tests.support.rows import clock_of

BOARD = "https://allo.example/supervision"


class Ears:
    """Somebody who listens; `deaf` so many times."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.deaf = 0

    def tell(self, news: dict[str, Any]) -> bool:
        if self.deaf:
            self.deaf -= 1
            return False
        self.heard.append(news)
        return True

    def states(self) -> list[str]:
        return [news["state"] for news in self.heard]


def begins(made: House, alert_id: str = "a1", name: str = "longest_wait") -> None:
    with made.database.transaction() as connection:
        assert alerts.begin(connection, made.clock, alert_id, name=name, value=700, threshold=600)


def ends(made: House, name: str = "longest_wait") -> None:
    clock_of(made).advance(timedelta(seconds=5))
    with made.database.transaction() as connection:
        assert alerts.end(connection, made.clock, name)


def test_news_is_told_once_when_it_begins_and_once_when_it_is_over(made: House):
    ears = Ears()
    begins(made)
    for _ in range(3):
        assert tell_alerts(made.store, ears, BOARD)
    assert ears.heard == [
        {"name": "longest_wait", "state": "raised", "value": 700, "threshold": 600,
         "since": "2026-11-25T08:00:00Z", "board": BOARD}
    ]  # fmt: skip
    ends(made)
    for _ in range(3):
        assert tell_alerts(made.store, ears, BOARD)
    assert ears.states() == ["raised", "ended"]
    assert ears.heard[1]["until"] == "2026-11-25T08:00:05Z"


def test_who_does_not_take_it_is_told_again_and_nothing_is_told_twice(made: House):
    ears = Ears()
    ears.deaf = 2
    begins(made)
    assert not tell_alerts(made.store, ears, BOARD)
    ends(made)
    assert not tell_alerts(made.store, ears, BOARD)
    assert tell_alerts(made.store, ears, BOARD)
    assert ears.states() == ["raised", "ended"]
    # Deaf to the end only: the beginning is not told again.
    begins(made, "a2")
    tell_alerts(made.store, ears, BOARD)
    ends(made)
    ears.deaf = 1
    tell_alerts(made.store, ears, BOARD)
    tell_alerts(made.store, ears, BOARD)
    assert ears.states() == ["raised", "ended"] * 2


def test_the_same_alert_is_not_raised_twice_at_once(made: House):
    begins(made)
    with made.database.transaction() as connection:
        again = alerts.begin(
            connection, made.clock, "a2", name="longest_wait", value=1, threshold=1
        )
    assert not again


def happens(made: House) -> None:
    with made.database.transaction() as connection:
        alert_id = made.store.chance.identifier()
        alerts.happened(
            connection, made.clock, alert_id, name="search_limit", value=60, threshold=60
        )


def raised(made: House) -> list[alerts.Alert]:
    with made.database.statement() as connection:
        return alerts.raised(connection)


def test_what_happened_lasts_until_a_supervisor_looks_after_it(made: House):
    ears = Ears()
    happens(made)
    happens(made)
    (one,) = raised(made)
    assert (one.name, one.value) == ("search_limit", 61)
    assert tell_alerts(made.store, ears, BOARD)
    assert ears.states() == ["raised"]
    for seen in (False, True):
        with made.database.transaction() as connection:
            if seen:
                assert alerts.seen(connection, one.id, "maxence")
            apply(connection, made.store, [], {"search_limit"})
        assert [other.id for other in raised(made)] == ([] if seen else [one.id])
    # It may happen again.
    happens(made)
    assert len(raised(made)) == 1


def test_what_is_old_is_no_news(made: House):
    ears = Ears()
    begins(made)
    clock_of(made).advance(NEWS_FOR + timedelta(seconds=1))
    assert tell_alerts(made.store, ears, BOARD)
    assert ears.heard == []


def test_after_a_failure_it_waits_longer_each_time(made: House):
    ears, now = Ears(), [0.0]
    ears.deaf = 2
    begins(made)
    tell = TellAlerts(made.store, ears, BOARD, ticks=lambda: now[0])

    assert tell() == 1
    assert tell() == 0
    now[0] += FIRST_PAUSE
    assert tell() == 1
    assert tell() == 0
    now[0] += FIRST_PAUSE
    assert tell() == 0
    now[0] += FIRST_PAUSE
    assert tell() == 1
    assert ears.states() == ["raised"]
    assert tell() == 1


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()

    def log_message(self, *_said: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = HTTPServer(("127.0.0.1", 0), Handler)
    made.got, made.status = [], 204
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (204, True), (302, False), (500, False)]
)
def test_json_is_posted_and_only_a_yes_is_a_yes(server: Any, status: int, taken: bool):  # noqa: FBT001
    server.status = status
    listener = HttpListener(f"http://127.0.0.1:{server.server_port}/hook")
    assert listener.tell({"name": "x"}) is taken
    assert server.got == [("/hook", {"name": "x"})]


def test_nobody_there_is_a_no():
    assert not HttpListener("http://127.0.0.1:9/").tell({"name": "x"})
