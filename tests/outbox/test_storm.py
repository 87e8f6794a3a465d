"""A bad day at the provider, and relays that die: every booking gets its text, and just one."""

from __future__ import annotations

import itertools

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from models import outbox
from services.deliver_message import KINDS
from tests.outbox.conftest import Office, Provider
from tests.outbox.test_delivery import Killed
from tests.store.tools import clock_of, confirms, holds, near
from tests.support.house import House, mornings


class Mortal:
    """A relay that is killed between sending and noting, every so many texts."""

    def __init__(self, real: Any, every: int) -> None:
        self.real, self.every = real, every
        self.texts = itertools.count(1)
        self.deaths = 0

    def send(self, *arguments: Any) -> str:
        sid = str(self.real.send(*arguments))
        if next(self.texts) % self.every == 0:
            self.deaths += 1
            raise Killed
        return sid

    def find(self, *arguments: Any) -> Any:
        return self.real.find(*arguments)


@pytest.mark.parametrize("bookings", [30, pytest.param(300, marks=pytest.mark.long)])
@pytest.mark.parametrize("every", [7])
def test_every_booking_gets_its_text(
    service: House, office: Office, provider: Provider, bookings: int, every: int
):
    service.opens_centre("1", starts=mornings(30), capacity=max(1, bookings // 30))
    nearby = near(service)
    for number in range(bookings):
        held = holds(service, f"CA-{number}", near=nearby)[0]
        assert confirms(service, f"CA-{number}", held, text_to=f"+3361234{number:04d}")
    # Of ten tries one is taken and its answer lost; of twenty one each is refused for now.
    faults: list[object] = ["cut", "429", "ok", "ok", "500", "ok", "ok", "cut", *["ok"] * 12]
    provider.does_next(*faults * (bookings // 10))
    cuts = 0
    relay = Mortal(office.messenger, every)

    def deliver(message_id: str) -> str:
        try:
            return office.delivers(message_id, relay)
        except Killed:
            return "killed"

    results: Counter[str] = Counter()
    with ThreadPoolExecutor(4) as relays:
        for _ in range(200):
            with service.database.statement() as connection:
                due = outbox.due(connection, service.clock, KINDS, limit=1000)
                waiting, _since = outbox.oldest_unsent(connection, service.clock, KINDS)
            if not waiting:
                break
            results.update(relays.map(deliver, due))
            clock_of(service).advance(timedelta(seconds=30))
    cuts = 2 * (bookings // 10)

    provider.reports()
    told = Counter(text.recipient for text in provider.texts())
    assert len(told) == bookings, "bookings without a text"
    assert sum(told.values()) - bookings <= cuts, "more doubles than answers that were lost"
    assert {row.state for row in service.messages("sms")} == {"delivered"}
    assert results["killed"] == relay.deaths > 0
    # Not one double, in truth: each doubtful text was looked up before it was sent again.
    assert set(told.values()) == {1}
