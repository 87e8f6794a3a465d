"""What a web worker remembers of centres, and for how long it may answer from that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from models.centres import directory as rows
from models.centres.geography import distance_km
from services.centres import directory
from services.centres.directory import CENTRES_FRESH_SECONDS, CENTRES_KEPT_SECONDS, Directory
from tests.support.house import House
from tests.support.rows import PARIS, near, on_the_wire, opens_centre_at
from tests.support.until import wait_for

RADIUS = 30.0


@dataclass
class Worker:
    """A web worker that has just read the centres, and its clock (seconds)."""

    house: House
    seconds: float = 0.0
    directory: Directory = field(init=False)

    def __post_init__(self) -> None:
        self.directory = Directory(self.house.database, ticks=lambda: self.seconds)

    def finds(self) -> list[str]:
        """The centres that a caller would hear of now, the nearest first."""
        with self.house.database.statement() as connection:
            found = self.directory.nearest(connection, *PARIS, "metropole", RADIUS)
        return [near.centre.id for near in found]


@pytest.fixture
def worker(service: House) -> Worker:
    service.opens_centre("1", kilometres=1)
    made = Worker(service)
    assert made.finds() == ["1"]
    return made


def test_a_worker_that_was_idle_reads_before_it_answers(worker: Worker):
    worker.house.opens_centre("2", kilometres=2)
    worker.seconds = CENTRES_KEPT_SECONDS + 1
    assert worker.finds() == ["1", "2"]
    # Once: the next caller waits for nothing.
    with on_the_wire(worker.house.database) as sent:
        assert worker.finds() == ["1", "2"]
    assert sent == []


def test_a_centre_by_its_id_is_not_told_from_an_old_memory_either(worker: Worker):
    worker.house.opens_centre("2", kilometres=2)
    worker.seconds = CENTRES_KEPT_SECONDS + 1
    with worker.house.database.statement() as connection:
        found = worker.directory.centre(connection, "2")
    assert found is not None


def test_what_is_fresh_costs_nothing(worker: Worker):
    worker.house.opens_centre("2", kilometres=2)
    worker.seconds = CENTRES_FRESH_SECONDS
    with on_the_wire(worker.house.database) as sent:
        assert worker.finds() == ["1"]
    assert sent == []


def test_a_worker_with_callers_reads_behind_them(worker: Worker):
    worker.house.opens_centre("2", kilometres=2)
    worker.seconds = CENTRES_FRESH_SECONDS + 1
    # This caller does not wait; those soon after hear of the new centre.
    worker.finds()
    wait_for(lambda: worker.finds() == ["1", "2"], "the centres were read behind a caller")


def test_nearest_omits_centre_in_corner_of_the_box(service: House):
    """The box around a circle of 30 km has corners that are 42 km away."""
    north, east = 25 / 111.2, 25 / 73.2
    opens_centre_at(service, "corner", PARIS[0] + north, PARIS[1] + east)
    assert near(service, kilometres=30) == []
    (found,) = near(service, kilometres=36)
    assert found.centre.id == "corner"
    assert 35 < found.kilometres < 36


def measured(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The distances that a worker measures from now on."""
    seen: list[float] = []

    def one(*positions: float) -> float:
        seen.append(distance_km(*positions))
        return seen[-1]

    monkeypatch.setattr(directory, "distance_km", one)
    return seen


def reads_again(worker: Worker) -> list[str]:
    """A caller comes to a worker that was idle, which reads all centres first."""
    worker.seconds += CENTRES_KEPT_SECONDS + 1
    return worker.finds()


def test_what_is_near_is_measured_again_only_where_a_centre_changed(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    seen = measured(worker, monkeypatch)
    assert reads_again(worker) == ["1"]
    assert seen == []
    worker.house.opens_centre("2", kilometres=2)
    assert reads_again(worker) == ["1", "2"]
    assert len(seen) == 2


def test_no_more_places_are_remembered_than_a_worker_has_room_for(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(directory, "_MOST_PLACES", 1)
    seen = measured(worker, monkeypatch)
    with worker.house.database.statement() as connection:
        for place in (PARIS, (48.86, 2.37), PARIS):
            found = worker.directory.nearest(connection, *place, "metropole", RADIUS)
            assert [near.centre.id for near in found] == ["1"]
    # The first was remembered, and made room for the second.
    assert len(seen) == 2


def test_while_towns_are_read_anew_others_answer_from_what_is_known(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    here = (PARIS, "metropole", RADIUS)
    read = rows.main_towns_within
    reads: list[list[str]] = []
    with worker.house.database.statement() as connection:
        known = worker.directory.towns_around(connection, *here)
        assert known

        def slowly(*asked: Any, **how: Any) -> Any:
            # Another visitor asks while this one reads.
            other = worker.directory.towns_around(connection, *here)
            reads.append([one.name for one in other])
            return read(*asked, **how)

        monkeypatch.setattr(rows, "main_towns_within", slowly)
        worker.seconds = directory.POSTCODE_FRESH_SECONDS
        assert worker.directory.towns_around(connection, *here) == known
    assert reads == [[one.name for one in known]]
