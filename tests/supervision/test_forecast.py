"""What was answered in time says nothing of who waits: the forecast, and the tile that it greys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.queue.tables import queue_entry
from models.supervision import snapshots
from services.queue.wait_estimate import forget_throughput
from services.supervision.board_queues import served
from services.supervision.counts import BoardFigures
from tests.supervision.board_day import SECOND, body_of, works
from tests.supervision.test_board_counts import waits_in_line, writer
from tests.support.house import House
from tests.support.rows import clock_of


def measured(house: House, agents: int, mean: float = 300.0, free: float = 0.0) -> None:
    """The pace as it is measured each second."""
    pace = {"agents": agents, "share": float(agents), "mean": mean, "each": mean,
            "free": [free] * agents}  # fmt: skip
    with house.database.transaction() as connection:
        snapshots.put(connection, house.clock, "pace", {"fr": pace})
    forget_throughput()


def promised(house: House, within: timedelta) -> None:
    now = house.clock.now()
    row = {"id": "P1", "queue_id": "fr", "kind": "callback", "state": "waiting", "language": "fr",
           "phone_idx": b"1", "joined_at": now, "due_at": now, "created_at": now,
           "updated_at": now, "expected_at": now + within}  # fmt: skip
    with house.database.transaction() as connection:
        connection.execute(queue_entry.insert(), [row])


def told(house: House) -> dict[str, Any]:
    writer(house)()
    found: dict[str, Any] = body_of(house)["forecast"]
    return found


def test_with_nobody_at_work_nothing_is_in_time_within_the_hours(service: House):
    assert told(service) == {"minutes": None, "breaks": "nobody"}
    # At night nobody should be there; but who is on the line all the same waits in vain.
    clock_of(service).advance(timedelta(hours=14))
    assert told(service)["breaks"] == ""
    waits_in_line(service, service.clock.now())
    assert told(service)["breaks"] == "nobody"


def test_a_line_that_moves_too_slowly_breaks_it_and_its_wait_is_told(service: House):
    works(service.database, "anna", "talking", service.clock.now())
    measured(service, 1, free=200.0)
    # Whoever rings now would wait, but nobody does.
    assert told(service) == {"minutes": 4, "breaks": ""}
    waits_in_line(service, service.clock.now())
    assert told(service) == {"minutes": 9, "breaks": "wait"}
    # Other ninety agents: within the minute.
    measured(service, 90, free=1.0)
    assert told(service)["breaks"] == ""


def test_a_call_that_will_be_later_than_promised_breaks_it(service: House):
    works(service.database, "anna", "ready", service.clock.now())
    measured(service, 1, mean=30.0)
    promised(service, timedelta(minutes=20))
    assert told(service)["breaks"] == ""
    clock_of(service).advance(timedelta(minutes=21))
    assert told(service)["breaks"] == "promises"


def test_a_callback_for_tomorrow_is_not_before_a_caller_of_now(service: House):
    works(service.database, "anna", "ready", service.clock.now())
    measured(service, 1, mean=300.0)
    promised(service, timedelta(days=1))
    with service.database.transaction() as connection:
        later = service.clock.now() + timedelta(hours=23)
        connection.execute(queue_entry.update().values(due_at=later))
    assert told(service) == {"minutes": 0, "breaks": ""}
    body = body_of(service)
    assert (body["backlog"]["people"], body["backlog"]["callbacks"]) == (1, 1)


@pytest.mark.parametrize(
    ("breaks", "in_time", "verdict"),
    [("", 95, "good"), ("wait", 95, "none"), ("nobody", 85, "none"), ("promises", 40, "bad")],
)
def test_the_tile_is_grey_where_the_forecast_breaks_it_and_red_stays_red(breaks, in_time, verdict):
    today = {("in_time", "fr"): in_time, ("answered", "fr"): 100}
    seen = BoardFigures(today, None, {}, None, {}, {}, {})
    found = served(seen, breaks)
    assert (found["verdict"], found["level"]) == (verdict, in_time)


def test_a_place_kept_for_a_line_that_was_cut_is_in_the_backlog_and_its_curve(service: House):
    waits_in_line(service, service.clock.now() - 150 * SECOND)
    with service.database.transaction() as connection:
        connection.execute(queue_entry.update().values(state="kept"))
    writer(service)()
    body = body_of(service)
    assert (body["backlog"]["people"], body["backlog"]["kept"], body["line"]["calls"]) == (1, 1, 0)
    assert body["curve"]["people"][-5:] == [0, 1, 1, 1, 1]
    assert body["line"]["longest"] is None
