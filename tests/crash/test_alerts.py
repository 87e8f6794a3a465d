"""Each process is killed for good, and what a Prometheus reads is an alert within a minute.

The rules are those of deploy/, evaluated by Prometheus's own tool over what the web server really
said every 15 seconds. A dead dispatcher is told to ALERT_WEBHOOK_URL as well, by the scheduler.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
import time

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.health.watch_processes import DISPATCHER, KINDS, WEB
from tests.crash.conftest import Town
from tests.operations.test_alert_rules import ALERT_OF, NAME, OF_THE_MACHINE, rules
from tests.support import parts
from tests.support.promtool import INTERVAL, Readings, evaluate
from tests.support.until import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
# Readings while all is well, and after one was killed.
BEFORE, AFTER = 3, 5


class Ears:
    """An outside listener over real HTTP."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/alerts"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def ears() -> Iterator[Ears]:
    made = Ears()
    yield made
    made.close()


@pytest.fixture
def database_url(database_url: str) -> str:
    """One kind of database is enough: the store's side is tested on both."""
    return database_url


def metrics(town: Town) -> str | None:
    """What /metrics says; None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", town.port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        return answer.read().decode() if answer.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()


def ages(town: Town) -> list[float]:
    found = re.findall(r"^allo_process_age_seconds\{.+\} (\S+)$", metrics(town) or "", re.MULTILINE)
    return [float(one) for one in found]


@pytest.mark.parametrize("kind", KINDS)
def test_each_process_that_is_killed_is_an_alert_within_a_minute(
    town: Town, ears: Ears, kind: str, tmp_path: Path
):
    parts.require(parts.PROMTOOL)
    town.env["ALERT_WEBHOOK_URL"] = ears.address
    town.starts("simulator", "web", "worker", "scheduler", "dispatcher")
    wait_for(lambda: len(ages(town)) == 4 and max(ages(town)) < 10, "all give signs of life", 60)
    # A text leaves by a job of the worker, which has no port.
    town.caller().goes_to("reference")
    wait_for(
        lambda: 'allo_jobs_total{process="worker",result="done"}' in (metrics(town) or ""),
        "a worker's counts are told",
        60,
    )
    assert 'allo_jobs_total{result="done"}' not in (metrics(town) or "")

    wanted = {name for rule in rules() for name in NAME.findall(rule["expr"])} - OF_THE_MACHINE
    story, clock = Readings(f"{kind} is killed", wanted), threading.Event()
    begun, killed_at = time.monotonic(), (BEFORE - 1) * INTERVAL
    for number in range(BEFORE + AFTER):
        clock.wait(max(begun + number * INTERVAL - time.monotonic(), 0))
        story.read(metrics(town))
        if number * INTERVAL == killed_at:
            town.kills(kind)
    story.expect(killed_at)
    story.expect(killed_at + 60, ALERT_OF[kind])
    assert evaluate(tmp_path, [story]) == ""

    told = [(one["name"], one["state"]) for one in ears.heard]
    assert told == [(f"process_gone_{kind}", "raised")]
    assert kind in {WEB, DISPATCHER} or town.running[kind].poll() is not None
