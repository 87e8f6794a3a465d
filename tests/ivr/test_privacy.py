"""A person leaves no trace in logs, addresses, metrics or the raw database, whatever happens."""

from __future__ import annotations

import base64
import json
import subprocess
import sys

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import pytest

from prompts.values import in_twos, spaced
from tests.support.keeper import ROOT
from tests.support.leaks import leaks, ways_to_write
from tests.support.postgres import bytes_of
from tests.support.rows import dump
from tools.launcher.environment import inherited


@dataclass(frozen=True)
class Traces:
    """What a whole process of the service left behind."""

    found: dict[str, Any]
    logged: str
    database: bytes

    @property
    def numbers(self) -> list[str]:
        """Each number as it may be written."""
        return [form for number in self.found["numbers"] for form in ways_to_write(number)]

    @property
    def references(self) -> list[str]:
        return [
            form(reference)
            for reference in self.found["references"]
            for form in (str, spaced, in_twos)
        ]

    @property
    def secrets(self) -> list[str]:
        return [*self.numbers, *self.found["dates"], *self.references]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[], str]) -> Traces:
    """One process plays every journey of the canary; its output is what the service logged."""
    url, out = new_store(), tmp_path_factory.mktemp("canary") / "found.json"
    ran = subprocess.run(  # noqa: S603 (our own module)
        [sys.executable, "-m", "tests.ivr.canary", url, str(out)],
        cwd=ROOT,
        env=inherited(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    # In its files PostgreSQL may have packed what is long.
    stored = bytes_of(url) + dump(url).encode()
    return Traces(json.loads(out.read_text("utf-8")), ran.stdout + ran.stderr, stored)


def test_the_canary_was_booked_promised_and_met_errors(traces: Traces):
    """Or the other tests would find nothing because nothing happened."""
    assert len(traces.found["references"]) >= 10
    events = [json.loads(line) for line in traces.logged.splitlines() if line.startswith("{")]
    names = {event["event"] for event in events}
    assert {"turn", "turn failed", "refused", "call status", "message received"} <= names
    assert len(traces.database) > 100_000
    assert len(traces.found["addresses"]) > 20


def test_the_search_itself_finds_a_person_where_one_is(traces: Traces):
    said = traces.found["said"]
    assert "29 février 1936" in leaks(said.encode(), traces.secrets)
    assert set(leaks(said.encode(), traces.references))
    for secret in traces.secrets:
        for form in (secret, quote_plus(secret)):
            assert leaks(f"a{form}b".encode(), [secret]) == [secret]
        hidden = base64.b64encode(f"…{secret}…".encode())
        assert leaks(hidden, [secret]) == [secret]


def test_the_logs_have_no_trace(traces: Traces):
    assert leaks(traces.logged.encode(), traces.secrets) == []


def test_every_line_that_is_logged_is_json_with_named_fields(traces: Traces):
    """So that nothing was printed past the logs: no form, no traceback, no statement."""
    for line in traces.logged.splitlines():
        event = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(event), line
        for name, value in event.items():
            assert isinstance(value, str | int | float | bool), (name, value)
            assert len(str(value)) < 100, line


def test_the_addresses_have_no_trace(traces: Traces):
    addresses = "\n".join(traces.found["addresses"])
    assert leaks(addresses.encode(), traces.secrets) == []
    # Nor anything but a turn's number, the day of its call, and how it came about.
    for address in traces.found["addresses"]:
        query = address.partition("?")[2].partition("#")[0]
        names = {pair.partition("=")[0] for pair in query.split("&") if pair}
        assert names <= {"n", "d", "silent", "again", "failed", "returned"}, address


def test_the_metrics_have_no_trace(traces: Traces):
    assert leaks(traces.found["metrics"].encode(), traces.secrets) == []


def test_the_raw_database_has_no_trace(traces: Traces):
    """Not the postcode: the table of all postcodes has it, and so do its centres."""
    assert leaks(traces.database, traces.secrets) == []


def test_what_is_said_is_not_in_the_database_in_the_open(traces: Traces):
    for words in (b"n\xc3\xa9 ou n\xc3\xa9e", b"<Response>", b"tapez 1"):
        assert words not in traces.database
