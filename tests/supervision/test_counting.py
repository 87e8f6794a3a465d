"""Counts that are added to: what a restart reads, what a bite is, and what stays when one fails."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from models.call.tables import turn
from models.public import centres
from models.supervision import tallies
from models.supervision.tables import alert, tally
from models.supervision.tallies import QUARTER
from services.campaign.campaigns import Campaigns
from services.findings import Level
from services.health import doctor
from services.supervision import counting, counts
from services.supervision.counting import SETTLED_AFTER
from services.supervision.counts import SpanCounts, day_begins, quarter_of
from services.supervision.free_places import CountFree
from services.supervision.recounts import corrections
from services.supervision.write_board import WriteBoard
from tests.supervision.board_day import (
    SECOND,
    Day,
    at,
    body_of,
    midnight,
    recount,
    shown,
    works,
    yesterday_is_counted,
)
from tests.support.house import CAMPAIGN, House, mornings
from tests.support.rows import clock_of, rows_of


@pytest.fixture(autouse=True)
def one_centre(service: House, request: pytest.FixtureRequest) -> None:
    """Where the bookings of these tests are."""
    if "three_centres" not in request.fixturenames:
        service.opens_centre("1")


def writer(house: House, places: CountFree | None = None) -> WriteBoard:
    campaigns = Campaigns.fixed(CAMPAIGN, now=house.clock.now)
    return WriteBoard(house.store, campaigns, places=places)


def happens(house: House, day: Day, seconds: int, events: int = 20) -> None:
    """So many seconds pass, with so many events in each, and nobody counts them."""
    for _ in range(seconds):
        clock_of(house).advance(SECOND)
        day.second(clock_of(house).now(), events)


def true(house: House) -> dict[str, Any]:
    now = clock_of(house).now()
    found = recount(house.database, midnight(now), now)
    return found | {"longest": found["longest"].replace(microsecond=0)}


class Counted:
    """The spans that are counted, with how many rows each had; some may fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spans: list[tuple[datetime, datetime, int]] = []
        self.fails = 0
        monkeypatch.setattr(counts, "count_span", self)
        monkeypatch.setattr(counting, "count_span", self)
        self._real = REAL

    def __call__(self, connection: Any, since: datetime, until: datetime) -> SpanCounts:
        if self.fails:
            self.fails -= 1
            raise not_in_time()
        found = self._real(connection, since, until)
        self.spans.append((since, until, found.rows))
        return found


REAL = counts.count_span


def not_in_time() -> OperationalError:
    return OperationalError("SELECT", {}, Exception("canceling statement due to statement timeout"))


def test_writer_of_the_board_is_made_while_the_store_is_away(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    """Or the dispatcher would end at its start, and tell no alert."""

    def is_away(*_: Any) -> Any:
        raise not_in_time()

    with monkeypatch.context() as away:
        away.setattr(type(service.database), "statement", is_away)
        write = writer(service)
    write()
    assert body_of(service)["day"] == "2026-11-25"


def test_another_process_reads_the_tallies_and_counts_only_what_came_since(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:07:10")
    day = Day(service.database)
    write = writer(service)
    for _ in range(10):
        happens(service, day, 12)
        write()
    # It was restarted some hundred seconds after the quarter whose tallies are the last.
    happens(service, day, 30)
    here = quarter_of(clock.now() - SETTLED_AFTER)
    with service.database.statement() as connection:
        written = tallies.counted(connection, day_begins(here), here)
        assert max(written) == here - QUARTER
    counted = Counted(monkeypatch)
    writer(service)()
    assert min(since for since, _until, _rows in counted.spans if since >= here) == here
    # Beside it one bite of a quarter that is compared with its rows.
    assert sum(since < here for since, _until, _rows in counted.spans) == 1
    assert shown(body_of(service)) == true(service)
    # Bookings of the last hour are there by the minute, too.
    minutes = body_of(service)["bookings"]["minutes"]
    assert sum(map(sum, minutes.values())) == sum(true(service)["booked"].values()) > 0


def test_what_came_during_an_outage_is_counted_by_bites_and_the_board_says_up_to_when(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(counts, "BITE_ROWS", 100)
    monkeypatch.setattr(counting, "ROWS_AT_ONCE", 300)
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:10:00")
    day = Day(service.database)
    happens(service, day, 200)
    counted = Counted(monkeypatch)
    write = writer(service)
    write()
    first = body_of(service)
    assert first["counted_to"] is not None
    assert 0 < first["calls"]["today"] < true(service)["calls"]
    told = [first["counted_to"]]
    while (behind := body_of(service)["counted_to"]) is not None:
        told.append(behind)
        write()
    assert len(told) > 5
    assert told == sorted(told)
    assert shown(body_of(service)) == true(service)
    # Also after a quiet night no more was asked for than can be counted at once: what ten seconds
    # have is the least.
    longest = 10 * 20
    assert max(rows for _since, _until, rows in counted.spans) <= longest


def test_a_count_that_fails_leaves_what_was_counted_with_its_moment(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:02:00")
    day = Day(service.database)
    happens(service, day, 20)
    write = writer(service)
    write()
    before = body_of(service)
    happens(service, day, 20)
    counted = Counted(monkeypatch)
    counted.fails = 1
    write()
    failed = body_of(service)
    assert failed["calls"] == before["calls"]
    assert failed["counted_to"] == "2026-11-25T08:02:20Z"
    # Who waits is as new as ever.
    assert failed["line"]["calls"] == sum(true(service)["waiting"].values())
    write()
    assert body_of(service)["counted_to"] is None
    assert shown(body_of(service)) == true(service)


def test_what_happened_is_counted_each_second_and_who_is_at_work_each_time(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    campaigns = Campaigns.fixed(CAMPAIGN, now=service.clock.now)
    write = WriteBoard(service.store, campaigns, counts_every=SECOND)
    write()
    counted = Counted(monkeypatch)
    works(service.database, "anna", "ready", service.clock.now())
    clock_of(service).advance(0.6 * SECOND)
    write()
    assert not counted.spans
    assert body_of(service)["agents"]["states"]["ready"] == 1
    clock_of(service).advance(0.6 * SECOND)
    write()
    assert counted.spans


def test_a_row_that_was_seen_late_is_counted_when_its_minute_is_settled(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:02:00")
    write = writer(service)
    write()
    for number in range(15):
        clock.advance(5 * SECOND)
        if number == 11:
            with service.database.transaction() as connection:
                row = {"call_id": "CA1", "number": 0, "at": at("2026-11-25 08:02:03"),
                       "step": "welcome", "outcome": "asked"}  # fmt: skip
                connection.execute(turn.insert(), [row])
        write()
    assert body_of(service)["calls"]["today"] == 1


def test_a_tally_that_is_not_what_the_rows_say_is_found_said_and_put_right(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:13:50")
    yesterday_is_counted(service)
    day = Day(service.database, seed=3)
    write = writer(service)
    for _ in range(15):
        happens(service, day, 10)
        write()
    quarter = at("2026-11-25 08:00:00")

    def stored() -> dict[tuple[str, str], float]:
        rows = rows_of(service.database, select(tally).where(tally.c.at == quarter))
        return {(row.name, row.label): row.value for row in rows}

    right = stored()
    assert right["calls", ""] > 0
    with service.database.transaction() as connection:
        mine = (tally.c.at == quarter, tally.c.name == "calls")
        connection.execute(update(tally).where(*mine).values(value=tally.c.value + 1000))
    write = writer(service)
    write()
    # What is stored is shown until its rows are counted, which is done beside all else.
    for _ in range(60):
        write()
    assert stored() == right
    assert shown(body_of(service)) == true(service)
    names = {row.name: row for row in rows_of(service.database, select(alert))}
    assert names["tallies_wrong"].value == 1
    assert names["tallies_wrong"].ended_at is None
    # Also after a restart; for an hour.
    clock.advance(11 * SECOND)
    write()
    writer(service)()
    (one,) = rows_of(service.database, select(alert).where(alert.c.name == "tallies_wrong"))
    assert one.ended_at is None
    with service.database.statement() as connection:
        told = doctor.counts(corrections(connection), clock.now())
    assert told.level is Level.WARNING
    assert "2026-11-25 08:00 UTC" in told.says
    clock.advance(timedelta(hours=1))
    writer(service)()
    (one,) = rows_of(service.database, select(alert).where(alert.c.name == "tallies_wrong"))
    assert one.ended_at is not None


def test_what_is_right_is_compared_and_nothing_is_said(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:14:00")
    day = Day(service.database, seed=4)
    write = writer(service)
    for _ in range(15):
        happens(service, day, 10)
        write()
    for _ in range(10):
        write()
    assert quarter_of(clock.now()) - QUARTER in {
        row.at for row in rows_of(service.database, select(tally))
    }
    assert not rows_of(service.database, select(alert).where(alert.c.name == "tallies_wrong"))


# ---------------------------------------------------------------- free places


def test_a_count_of_places_that_fails_tells_nobody_that_there_are_none(
    three_centres: House, monkeypatch: pytest.MonkeyPatch
):
    three_centres.opens_centre("4", code="35000", starts=mornings(20), capacity=2)
    write = writer(three_centres)
    write()
    before = body_of(three_centres)["places"]
    assert before["free"] == {"35": 40, "75": 120}
    with monkeypatch.context() as patch:
        patch.setattr(centres, "free_at", fails)
        # Another process begins, and cannot count them at first.
        other = writer(three_centres)
        for _ in range(3):
            clock_of(three_centres).advance(SECOND)
            other()
            assert body_of(three_centres)["places"] == before
    for _ in range(6):
        clock_of(three_centres).advance(60 * SECOND)
        other()
        # Not what was counted so far, either.
        assert body_of(three_centres)["places"]["free"] == before["free"]
    after = body_of(three_centres)["places"]
    assert after["counted_at"] > before["counted_at"]


def test_before_places_were_ever_counted_their_number_is_not_known(
    three_centres: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(centres, "free_at", fails)
    writer(three_centres)()
    places = body_of(three_centres)["places"]
    assert places == {"free": {}, "total": None, "counted_at": None, "days": 35}


def test_centres_are_counted_in_bites_and_shown_when_all_are(
    three_centres: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.supervision.free_places.FIRST_CENTRES", 1)
    monkeypatch.setattr("services.supervision.free_places.BITE_PLACES", 20)
    monkeypatch.setattr("services.supervision.free_places.AT_ONCE", 30)
    places = CountFree(three_centres.store)
    until = clock_of(three_centres).now() + timedelta(days=35)
    looks = 1
    with three_centres.database.statement() as connection:
        while not places.refresh(connection, until, None):
            assert places.counted is None
            looks += 1
    assert looks > 1
    assert places.counted is not None
    assert sum(centre.all for centre in places.counted.free.values()) == 120


def fails(*_: object) -> None:
    raise not_in_time()
