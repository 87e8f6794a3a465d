"""A nation's reminders are planned, delivered and looked for as the service does it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import messages, reminders
from tests.support.postgres import PostgresServer


@pytest.fixture
def bare_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database without a table, as `python -m bench.reminders` makes one for each measurement."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


def test_all_of_a_day_are_planned_and_some_delivered(bare_url: str):
    reminders.fill(bare_url, 40)
    written, planned = reminders.plan(bare_url)
    assert written == 40
    assert planned.wall > 0
    delivered = reminders.deliver(bare_url, 12)
    assert delivered.wall > 0


def test_what_a_relay_reads_is_counted_for_each_of_its_statements(bare_url: str):
    found = reminders.looks(bare_url, 2 * messages.DUE)
    assert set(found) == {"look", "lock", "claim"}
    assert min(found.values()) > 0
