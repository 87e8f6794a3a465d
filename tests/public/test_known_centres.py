"""What a web worker remembers of all centres, of which its pages tell."""

from __future__ import annotations

import pytest

from services.public.centres import FRESH_SECONDS, KEPT_SECONDS, PublicCentres
from tests.support.house import House
from tests.support.rows import on_the_wire
from tests.support.until import PATIENCE


class Worker:
    """A web worker that has just read the centres, and its clock (seconds)."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.seconds = 0.0
        self.centres = PublicCentres(
            house.store, ticks=lambda: self.seconds, patience_seconds=PATIENCE
        )

    def shows(self) -> set[str]:
        return set(self.centres.all())


@pytest.fixture
def worker(service: House) -> Worker:
    service.opens_centre("1")
    made = Worker(service)
    assert made.shows() == {"1"}
    service.opens_centre("2", kilometres=2)
    return made


def test_a_worker_that_was_idle_reads_before_it_answers(worker: Worker):
    worker.seconds = KEPT_SECONDS + 1
    assert worker.shows() == {"1", "2"}
    with on_the_wire(worker.house.database) as sent:
        assert worker.shows() == {"1", "2"}
    assert sent == []


def test_what_is_fresh_costs_nothing(worker: Worker):
    worker.seconds = FRESH_SECONDS
    with on_the_wire(worker.house.database) as sent:
        assert worker.shows() == {"1"}
    assert sent == []


def test_without_the_store_it_shows_what_it_knows(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise ConnectionError

    worker.seconds = KEPT_SECONDS + 1
    with monkeypatch.context() as patched:
        patched.setattr(worker.house.database, "read_late", away)
        assert worker.shows() == {"1"}
    # The store is back: so is what it says.
    assert worker.shows() == {"1", "2"}
