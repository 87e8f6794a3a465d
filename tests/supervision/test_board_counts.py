"""What supervisors see is what is in the store: counted anew, in Python, it is the same."""

from __future__ import annotations

import json

from datetime import datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import select

from models.booking.tables import booking
from models.call.tables import call, turn
from models.desk import cases
from models.desk.cases import NewCase
from models.messages import budgets
from models.messages.budgets import Limit
from models.messages.tables import message
from models.queue.tables import agent_queue, queue_entry
from models.supervision import tallies
from models.supervision.tables import alert, snapshot, tally
from services.campaign.campaigns import Campaigns
from services.supervision.board_facts import iso
from services.supervision.counts import day_before, day_begins, quarter_of, same_time_yesterday
from services.supervision.recounts import recount as recount_quarters
from services.supervision.snapshots import Snapshots
from services.supervision.write_board import NAME, WriteBoard
from tests.supervision.board_day import (
    SECOND,
    Day,
    at,
    bad_text,
    body_of,
    midnight,
    recount,
    shown,
    works,
    yesterday_is_counted,
)
from tests.support.house import CAMPAIGN, House
from tests.support.rows import clock_of, rows_of


@pytest.fixture(autouse=True)
def one_centre(service: House, request: pytest.FixtureRequest) -> None:
    """Where the bookings of these tests are."""
    if "three_centres" not in request.fixturenames:
        service.opens_centre("1")


def writer(house: House) -> WriteBoard:
    return WriteBoard(house.store, Campaigns.fixed(CAMPAIGN, now=house.clock.now))


def seen_by(screen: Snapshots) -> Any:
    return screen.get(NAME)


@pytest.mark.parametrize(
    ("step", "steps", "events"),
    [
        pytest.param(2 * SECOND, 50, 40, id="a write every two seconds"),
        pytest.param(SECOND, 125, 100, id="a hundred events a second", marks=pytest.mark.long),
    ],
)
def test_two_boards_show_what_a_recount_gives_over_the_end_of_a_quarter(
    service: House, step: timedelta, steps: int, events: int
):
    """Rows are seen up to five seconds late.

    Each write is a few dozen round trips. The writes begin before the quarter's end and go on for
    the minute after it, until the quarter is settled and kept.
    """
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:14:30")
    day = Day(service.database)
    ticks = [0.0]
    boards = [Snapshots(service.store, ticks=lambda: ticks[0]) for _ in range(2)]
    write = writer(service)
    true: dict[str, Any] = {}
    for number in range(steps):
        clock.advance(step)
        ticks[0] += step.total_seconds()
        day.second(clock.now(), events)
        if number % 30 == 9:
            # As a PostgreSQL does by itself within a minute: else its plans are those of few rows.
            with service.database.statement() as connection:
                connection.exec_driver_sql("ANALYZE")
        write()
        if number % 25 == 24:
            true = recount(service.database, midnight(clock.now()), clock.now())
            for screen in boards:
                seen = seen_by(screen)
                assert shown(json.loads(seen.snapshot.body)) == true | {
                    "longest": true["longest"].replace(microsecond=0)
                }
                assert seen.age(ticks[0]) == 0
    # Somebody else begins to write in the middle of it all: from the store alone, the same.
    writer(service)()
    assert shown(body_of(service))["funnel"] == true["funnel"]
    assert true["abandoned"] > 10
    assert len(true["funnel"]) > 30


def test_a_new_day_begins_with_nothing(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 22:59:00")  # a minute before midnight in Paris
    day = Day(service.database, seed=2)
    write = writer(service)
    calls = []
    for number in range(65):
        clock.advance(2 * SECOND)
        day.second(clock.now(), 10)
        write()
        calls.append(body_of(service)["calls"]["today"])
        if number % 13 == 12:
            true = recount(service.database, midnight(clock.now()), clock.now())
            assert shown(body_of(service))["funnel"] == true["funnel"]
            assert calls[-1] == true["calls"]
    # Two seconds before midnight, and two seconds after it.
    assert calls[28] > 20
    assert calls[30] < 5
    assert body_of(service)["day"] == "2026-11-26"


def test_quarters_are_kept_when_they_are_over_and_are_counted_alike_twice(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:13:50")
    day = Day(service.database, seed=3)
    write = writer(service)
    for _ in range(70):
        clock.advance(2 * SECOND)
        day.second(clock.now(), 20)
        write()
    quarter = at("2026-11-25 08:00:00")
    kept = {(row.name, row.label): row.value for row in rows_of(service.database, select(tally))
            if row.at == quarter}  # fmt: skip
    rung = select(turn).where(turn.c.number == 0, turn.c.at < quarter + timedelta(minutes=15))
    assert kept["calls", ""] == len(rows_of(service.database, rung)) > 0
    assert kept["counted", ""] == 1
    assert sum(value for (name, _), value in kept.items() if name == "length") > 0
    assert recount_quarters(service.store, quarter, quarter + timedelta(minutes=15)) == 1
    again = {(row.name, row.label): row.value for row in rows_of(service.database, select(tally))
             if row.at == quarter}  # fmt: skip
    assert again == kept
    # A quarter that still runs is not kept.
    assert quarter_of(clock.now()) not in {
        row.at for row in rows_of(service.database, select(tally))
    }


def test_yesterday_is_compared_at_the_same_time_and_unknown_is_not_nothing(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 09:07:30")
    # Of all quarters but some, which are counted first, one at each look.
    yesterday_is_counted(service, but=5)
    with service.database.transaction() as connection:
        for quarter, calls in (
            ("2026-11-24 08:30", 7),
            ("2026-11-24 09:00", 10),
            ("2026-11-24 09:15", 99),
        ):
            tallies.write(connection, at(quarter), {("calls", ""): calls})
    write = writer(service)
    for _ in range(10):
        write()
    assert body_of(service)["calls"] == {"today": 0, "yesterday": 7 + 5}

    other = writer(service)
    with service.database.transaction() as connection:
        connection.execute(tally.delete())
    other._counting.refresh(clock.now())
    assert other._counting.refresh(clock.now()).yesterday is None


@pytest.mark.parametrize(
    ("now", "begins", "before", "same"),
    [
        ("2026-11-25 08:00", "2026-11-24 23:00", "2026-11-23 23:00", "2026-11-24 08:00"),
        ("2026-11-24 22:59", "2026-11-23 23:00", "2026-11-22 23:00", "2026-11-23 22:59"),
        # The clocks went back at 03:00 on 25 October: that day has 25 hours.
        ("2026-10-26 11:00", "2026-10-25 23:00", "2026-10-24 22:00", "2026-10-25 11:00"),
        ("2026-10-25 11:00", "2026-10-24 22:00", "2026-10-23 22:00", "2026-10-24 10:00"),
        # They go forward on 28 March 2027, which has 23.
        ("2027-03-28 10:00", "2027-03-27 23:00", "2027-03-26 23:00", "2027-03-27 11:00"),
        ("2027-03-29 10:00", "2027-03-28 22:00", "2027-03-27 23:00", "2027-03-28 10:00"),
    ],
)
def test_days_are_those_of_paris_whatever_the_clocks_do(now, begins, before, same):
    assert day_begins(at(now)) == at(begins)
    assert day_before(at(now)) == at(before)
    assert same_time_yesterday(at(now)) == at(same)


def test_every_quarter_of_an_hour_of_a_long_day_is_counted_once(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-10-25 22:30:00")
    with service.database.transaction() as connection:
        # One call in each quarter of the 25 hours.
        for number in range(98):
            moment = at("2026-10-24 22:05") + timedelta(minutes=15 * number)
            row = {"id": f"CA{number}", "status": "completed", "status_rank": 8,
                   "started_at": moment, "ended_at": moment + timedelta(minutes=1)}  # fmt: skip
            connection.execute(call.insert(), [row])
            connection.execute(turn.insert(), [{"call_id": f"CA{number}", "number": 0,
                "at": moment, "step": "welcome", "outcome": "asked"}])  # fmt: skip
    writer(service)()
    assert body_of(service)["calls"]["today"] == 98
    assert body_of(service)["funnel"][0]["hung_up"] == 98


def test_the_same_facts_have_the_same_tag_and_a_moment_of_their_own(service: House):
    clock = clock_of(service)
    write = writer(service)
    write()
    first = rows_of(service.database, select(snapshot).where(snapshot.c.name == NAME))[0]
    clock.advance(SECOND)
    write()
    second = rows_of(service.database, select(snapshot).where(snapshot.c.name == NAME))[0]
    assert second.tag == first.tag
    assert second.at == first.at + SECOND
    ticks = [0.0]
    screen = Snapshots(service.store, ticks=lambda: ticks[0])
    assert seen_by(screen).age(ticks[0]) == 0
    # Nobody writes any more, and the screen gets older by its own clock and by the store's.
    ticks[0] = 0.1
    assert seen_by(screen).age(ticks[0]) == pytest.approx(0.1)
    clock.advance(7 * SECOND)
    ticks[0] = 7
    assert seen_by(screen).age(ticks[0]) == pytest.approx(7)


def test_bookings_show_by_the_minute_and_the_channel(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 08:30:40")
    rows = [
        ("phone", 0),
        ("phone", 30),
        ("web", 61),
        ("phone", 130),
        ("phone", 59 * 60 + 20),
        ("web", 3700),
    ]
    with service.database.transaction() as connection:
        for number, (channel, ago) in enumerate(rows):
            moment = clock.now() - ago * SECOND
            connection.execute(booking.insert(), [{
                "id": str(number), "idempotency_key": str(number), "channel": channel,
                "campaign": "tests", "centre_id": "1", "state": "cancelled", "created_at": moment,
                "last_start_at": moment}])  # fmt: skip
    write = writer(service)
    write()
    shown_first = body_of(service)["bookings"]
    assert shown_first["first"] == "2026-11-25T07:31:00Z"
    assert shown_first["minutes"]["phone"][-1] == 2
    assert shown_first["minutes"]["phone"][-3] == 1
    assert shown_first["minutes"]["phone"][0] == 1
    assert shown_first["minutes"]["web"][-2] == 1
    assert sum(shown_first["minutes"]["web"]) == 1
    assert shown_first["channels"] == {"phone": 4, "web": 2}
    clock.advance(120 * SECOND)
    write()
    assert body_of(service)["bookings"]["minutes"]["phone"][-3:] == [2, 0, 0]


def test_free_places_are_those_that_anybody_could_have_now(three_centres: House):
    clock = clock_of(three_centres)
    write = writer(three_centres)
    write()
    assert body_of(three_centres)["places"] == {
        "free": {"75": 120}, "total": 120, "days": 35, "counted_at": iso(clock.now()),
    }  # fmt: skip
    three_centres.phone().books()
    for _ in range(16):
        clock.advance(SECOND)
        write()
    assert body_of(three_centres)["places"]["free"] == {"75": 119}


def test_texts_that_came_to_nothing_count_from_midnight(service: House):
    clock = clock_of(service)
    for number, (state, ago) in enumerate(
        [
            ("failed", 60),
            ("undelivered", 3600),
            ("delivered", 10),
            ("undelivered", 40_000),
            ("pending", 90),
        ]
    ):
        bad_text(service.database, number, state, clock.now() - ago * SECOND)
    writer(service)()
    texts = body_of(service)["texts"]
    assert (texts["failed"], texts["undelivered"], texts["missing"]) == (1, 1, 2)
    assert (texts["unsent"], texts["oldest"]) == (1, "2026-11-25T07:58:30Z")


# ---------------------------------------------------------------- alerts


def raised(house: House) -> dict[str, bool]:
    """Every alert there was by name, and whether it lasts."""
    return {row.name: row.ended_at is None for row in rows_of(house.database, select(alert))}


def waits_in_line(house: House, since: datetime) -> None:
    row = {"id": "Q1", "queue_id": "fr", "kind": "call", "state": "waiting", "call_id": "CA1",
           "language": "fr", "joined_at": since, "due_at": since, "created_at": since,
           "updated_at": since}  # fmt: skip
    with house.database.transaction() as connection:
        connection.execute(queue_entry.insert(), [row])


def test_whoever_an_agent_is_being_rung_for_waits_still(service: House):
    clock = clock_of(service)
    began = clock.now()
    waits_in_line(service, began)
    clock.advance(timedelta(seconds=20))
    reserved = {"state": "reserved", "staff_id": "anna", "reserved_at": clock.now()}
    with service.database.transaction() as connection:
        connection.execute(queue_entry.update().values(**reserved))
    writer(service)()
    line = body_of(service)["line"]
    there = next(one for one in line["queues"] if one["id"] == "fr")
    assert (line["longest"], there["longest"]) == (iso(began), iso(began))
    # Not answered yet, so to be served: in every count of who waits.
    assert (line["calls"], there["calls"], line["reserved"]) == (1, 1, 1)
    assert body_of(service)["backlog"]["calls"] == 1
    with service.database.transaction() as connection:
        connection.execute(queue_entry.update().values(state="talking", answered_at=clock.now()))
    writer(service)()
    assert body_of(service)["line"]["longest"] is None


def test_whoever_rings_for_an_old_place_waits_since_they_ring(service: House):
    """A promise of yesterday is a place, and no day on the line."""
    clock = clock_of(service)
    waits_in_line(service, clock.now() - timedelta(hours=20))
    with service.database.transaction() as connection:
        connection.execute(queue_entry.update().values(due_at=clock.now()))
    writer(service)()
    body = body_of(service)
    assert body["line"]["longest"] == iso(clock.now())
    assert "longest_wait" not in raised(service)
    assert body["entries"][0]["since"] == iso(clock.now() - timedelta(hours=20))


def test_an_alert_is_raised_once_and_ends_some_way_below_its_threshold(service: House):
    clock = clock_of(service)
    works(service.database, "anna", "ready", clock.now())
    waits_in_line(service, clock.now() - 595 * SECOND)
    write = writer(service)
    write()
    assert raised(service) == {}
    for _ in range(7):
        clock.advance(SECOND)
        write()
    assert raised(service) == {"longest_wait": True}
    assert body_of(service)["alerts"][0]["threshold"] == 600

    def now_waits(seconds: int) -> None:
        with service.database.transaction() as connection:
            since = clock.now() - seconds * SECOND
            connection.execute(queue_entry.update().values(joined_at=since))
        write()

    now_waits(590)
    assert raised(service) == {"longest_wait": True}
    now_waits(400)
    assert raised(service) == {"longest_wait": False}
    now_waits(700)
    assert [row.ended_at is None for row in rows_of(service.database, select(alert))].count(
        True
    ) == 1


def test_nobody_at_work_while_somebody_waits_is_an_alert(service: House):
    clock = clock_of(service)
    write = writer(service)
    write()
    assert raised(service) == {}
    waits_in_line(service, clock.now())
    write()
    assert raised(service) == {"agents_at_work": True}
    works(service.database, "anna", "ready", clock.now())
    write()
    assert raised(service) == {"agents_at_work": False}


def test_a_board_that_was_frozen_says_so_when_it_goes_on(service: House):
    clock = clock_of(service)
    writer(service)()
    clock.advance(30 * SECOND)
    write = writer(service)
    write()
    assert raised(service) == {"snapshot_age": True}
    write()
    assert raised(service) == {"snapshot_age": False}


def test_a_step_at_which_more_fail_than_yesterday_is_an_alert(service: House):
    clock = clock_of(service)
    clock.moment = at("2026-11-25 09:07:30")
    with service.database.transaction() as connection:
        tallies.write(
            connection,
            at("2026-11-24 08:45"),
            {("entered", "postcode"): 100, ("missed", "postcode"): 10},
        )
        for number in range(40):
            sid, moment = f"CA{number}", clock.now() - 300 * SECOND
            connection.execute(call.insert(), [{"id": sid, "status": "ringing", "status_rank": 2,
                                                "started_at": moment}])  # fmt: skip
            steps = [("welcome", "asked"), ("postcode", "asked")]
            steps += [("postcode", "missed")] * (number % 4 == 0)
            connection.execute(turn.insert(), [
                {"call_id": sid, "number": place, "at": moment, "step": step, "outcome": outcome}
                for place, (step, outcome) in enumerate(steps)])  # fmt: skip
    write = writer(service)
    write()
    # 10 of 40 today, 10 of 100 yesterday.
    assert raised(service) == {"step_failure:postcode": True}
    assert rows_of(service.database, select(alert))[0].value == 2.5


def test_there_are_queues_from_the_start(service: House):
    writer(service)()
    assert [one["id"] for one in body_of(service)["line"]["queues"]] == ["en", "fr"]
    assert len(rows_of(service.database, select(agent_queue))) == 2


def test_messages_cases_and_offers_are_counted_every_few_seconds(service: House):
    clock = clock_of(service)
    write = WriteBoard(service.store, Campaigns.fixed(CAMPAIGN, now=clock.now))
    midnight = day_begins(clock.now())
    rows = [
        ("1", "reminder", "pending", None, clock.now() - timedelta(seconds=30), {}),
        ("2", "reminder", "sending", None, clock.now() - timedelta(seconds=90), {}),
        # For later, and what only looks at another: neither waits.
        ("3", "offer", "pending", None, clock.now() + timedelta(hours=1), {}),
        ("4", "change", "pending", None, clock.now(), {"kind": "follow_up"}),
        # Refused, and a call in vain; of a third something goes in its place.
        ("5", "change", "failed", None, clock.now(), {}),
        ("6", "change", "undelivered", "call", clock.now(), {"kind": "booking_changed"}),
        ("7", "confirmation", "undelivered", "text", clock.now(), {}),
        ("8", "confirmation", "sent", "call", clock.now(),
         {"kind": "follow_up", "dedupe_key": "follows:7"}),
        # Yesterday's.
        ("9", "change", "failed", None, midnight - timedelta(seconds=1), {}),
    ]  # fmt: skip
    with service.database.transaction() as connection:
        for name, topic, state, way, at_, more in rows:
            row = {
                "id": name, "kind": "sms", "dedupe_key": f"t:{name}", "state": state, "way": way,
                "topic": topic, "due_at": at_, "created_at": at_, "updated_at": at_, **more,
            }  # fmt: skip
            connection.execute(message.insert(), [row])
        connection.execute(
            message.update().where(message.c.id == "7").values(parts=2, sent_at=clock.now())
        )
        limits = [Limit("prefix", b"+336123", 3, 10**6), Limit("day", b"", 1000, 80_000)]
        today = clock.now().date()
        assert not budgets.take(connection, clock, today, limits, 2, 160)
        # The prefix has room for one part more, and not for two.
        assert budgets.take(connection, clock, today, limits, 2, 160) == limits[:1]
        connection.execute(
            message.update()
            .where(message.c.id == "3")
            .values(held_at=clock.now(), held_why="prefix", error_code="budget")
        )
        for number in range(3):
            cases.add(connection, clock, NewCase(f"c{number}", "undelivered", "change 30003"))
        cases.add(connection, clock, NewCase("d", "wrong_number", "x"))
        cases.close(connection, clock, "c2")
    write()
    body = body_of(service)
    assert body["messages"] == [
        {"topic": "change", "waiting": 0, "oldest": None, "missing": 2},
        {"topic": "reminder", "waiting": 2, "oldest": "2026-11-25T07:58:30Z", "missing": 0},
    ]
    assert body["cases"] == {"undelivered": 2, "wrong_number": 1}
    assert body["offers"] == {"out": 0, "untold": 0, "taken": 0, "passed": 0, "minutes": None}
    assert body["spent"] == {"parts": 2, "limit": 1000, "euros": 0, "most_euros": 80}
    assert body["calls_spent"] is None
    assert body["held"] == {
        "count": 1,
        "oldest": "2026-11-25T08:00:00Z",
        "budgets": {"prefix": 1},
        "prefixes": ["+336123"],
    }
    # Texts alone are the tile's: neither the call nor yesterday's.
    assert (body["texts"]["failed"], body["texts"]["undelivered"]) == (1, 1)

    with service.database.transaction() as connection:
        cases.close(connection, clock, "c1")
    clock.advance(timedelta(seconds=2))
    write()
    assert body_of(service)["cases"]["undelivered"] == 2
    clock.advance(timedelta(seconds=4))
    write()
    assert body_of(service)["cases"]["undelivered"] == 1


def test_a_day_without_texts_has_cost_nothing(service: House):
    writer(service)()
    assert body_of(service)["spent"] is None
