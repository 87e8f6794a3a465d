"""Every number means the same in tiles, tables, curve, days and the file: one crowd, added up."""

from __future__ import annotations

import csv
import io

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import select

from models.slots.tables import place as places
from models.supervision.tallies import QUARTER
from services.campaign.campaigns import Campaigns
from services.supervision import history as board_history
from services.supervision.board import OF_A_DAY
from services.supervision.counts import UNSAID
from services.supervision.write_board import WriteBoard
from tests.public.services_stage import COVID, FLU, app_of
from tests.supervision.crowd_day import MENU, SECOND, Crowd, by_label, is_about
from tests.supervision.test_board import JSON, Board
from tests.support.house import House
from tests.support.rows import clock_of

MINUTE = 60 * SECOND
BEGAN = datetime(2026, 11, 25, 8, 6, tzinfo=UTC)
TODAY = date(2026, 11, 25)
# In the middle of a quarter, at its very end, and while the one before is not settled yet.
LOOKED_AT = (11 * MINUTE + 7 * SECOND, 24 * MINUTE, 39 * MINUTE + 20 * SECOND, 52 * MINUTE)


@pytest.fixture
def board(service: House) -> Board:
    service.opens_centre("1")
    clock_of(service).moment = BEGAN
    return Board(service)


def lived(board: Board, crowd: Crowd) -> Iterator[dict[str, Any]]:
    """What a screen gets at each of the moments."""
    clock = clock_of(board.made)
    for after in LOOKED_AT:
        while clock.now() < crowd.began + after:
            clock.advance(min(MINUTE, crowd.began + after - clock.now()))
            crowd.passes(clock.now())
            board.writes()
        found: Any = type(board)(board.made).sees().json
        yield found


def file_of(board: Board) -> list[dict[str, str]]:
    # Signed in a moment ago, as a file asks for.
    client = board.made.signs_in("supervisor", app=board.app)
    answer = client.get(f"/supervision/export.csv?from={TODAY}&to={TODAY}")
    text = answer.data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def begins_anew(made: House, body: dict[str, Any]) -> None:
    """The process that writes is started anew: all of it is the store's, and no memory's."""
    anew = Board(made)
    anew.writes()
    again: Any = anew.sees().json
    for part in ("backlog", "curve", "sums", "service", "line", "bookings"):
        assert again[part] == body[part], part


def test_a_crowd_adds_up_to_the_same_everywhere(board: Board):
    crowd = Crowd(board.made.database, BEGAN)
    clock = clock_of(board.made)
    body: dict[str, Any] = {}
    true: dict[str, int] = {}
    for body in lived(board, crowd):
        now = clock.now()
        true = {name: crowd.counted(name) for name in OF_A_DAY}

        begins_anew(board.made, body)

        # Tiles, and the line that days get of today.
        assert body["sums"] == true
        assert body["calls"]["today"] == true["calls"]
        assert body["bookings"]["today"] == true["booked"]
        told = ("answered", "in_time", "abandoned", "called_back")
        assert {name: body["service"][name] for name in told} == {name: true[name] for name in told}

        # The backlog and its parts, in the tile, the table of queues, and the list of who waits.
        waiting = {kind: crowd.waiting(now, kind) for kind in ("call", "callback")}
        backlog, line = body["backlog"], body["line"]
        assert (backlog["calls"], backlog["callbacks"]) == (*waiting.values(),)
        assert backlog["people"] == sum(waiting.values())
        assert body["callbacks"]["promised"] == waiting["callback"]
        for part in ("people", "calls", "callbacks"):
            assert sum(one[part] for one in line["queues"]) == backlog[part], part
        listed = [one for one in body["entries"] if one["state"] in {"waiting", "reserved"}]
        assert len(listed) == min(backlog["people"], 40 + line["reserved"])
        for name in ("answered", "abandoned"):
            queues = {one["id"]: one[name] for one in line["queues"]}
            assert queues == {one: crowd.counted(name, one) for one in queues}, name

        # The curve of the last hour, in which all of it happened.
        curve = body["curve"]
        first = datetime.fromisoformat(curve["first"])
        minutes = [first + number * MINUTE for number in range(60)]
        assert curve["people"] == [
            *(crowd.waiting(minute + MINUTE) for minute in minutes[:-1]), backlog["people"],
        ]  # fmt: skip
        for name in ("answered", "called_back", "abandoned"):
            assert curve[name] == [crowd.within_minute(name, minute) for minute in minutes], name
            assert sum(curve[name]) == true[name], name
        booked = body["bookings"]["minutes"]
        assert sum(map(sum, booked.values())) == true["booked"]

        # The file of today, up to now.
        rows = file_of(board)
        assert {name: by_label(rows, name).total() for name in OF_A_DAY} == true
        running = {row["at_utc"] for row in rows if row["complete"] == "no"}
        assert len(running) <= 1
        for row in (row for row in rows if row["name"] == "length"):
            end = datetime.fromisoformat(row["at_utc"]) + QUARTER
            same = sum(one.waits_at(end) for one in crowd.people if one.queue == row["label"])
            assert int(row["value"]) == same
    # It was a crowd: people waited, gave up, were promised a call and rung.
    assert min(true[name] for name in OF_A_DAY if name not in {"taken_over", "undelivered"}) >= 5
    assert max(body["curve"]["people"]) > 20
    assert body["backlog"]["people"] > 0

    # The day as it stands in the list of days, once it is over, and its curve by quarters.
    clock.moment = BEGAN + timedelta(hours=20)
    board.writes()
    with board.made.database.statement() as connection:
        row, *_ = board_history.days(connection, TODAY)
    assert row == {"day": TODAY.isoformat(), **true}
    client = board.made.signs_in("supervisor", app=board.app)
    shown: Any = client.get(f"/supervision/historique?jour={TODAY}", headers=JSON).json
    assert sum(value or 0 for value in shown["today"]["answered"]) == true["answered"]


# ---------------------------------------------------------------- by service

OFFERED = ("grippe", "covid")


class Autumn(Board):
    """A board of two services beside one another."""

    def __init__(self, made: House) -> None:
        super().__init__(made)
        self.app = app_of(made, FLU, COVID)
        self.writes = WriteBoard(made.store, Campaigns.fixed(FLU, COVID, now=made.clock.now))
        self.client = made.signs_in("supervisor", app=self.app)


def steps_of(body: dict[str, Any], name: str) -> dict[str, int]:
    return {row["step"]: row[name] for row in body["funnel"] if row[name]}


def looks_at(body: dict[str, Any], crowd: Crowd, service: str, now: datetime) -> None:
    """Tiles, tables, curve and funnel of one service, against what happened."""
    own = body["of"][service]

    def true(name: str, label: str = "") -> int:
        return crowd.counted(name, label, service)

    told = ("answered", "in_time", "abandoned", "called_back")
    assert {name: own["service"][name] for name in told} == {name: true(name) for name in told}
    assert own["calls"]["today"] == own["sums"]["calls"] == true("hung_up")
    assert own["bookings"]["today"] == own["sums"]["booked"] == true("booked")
    assert own["bookings"]["channels"]["phone"] == true("booked", "phone")

    waiting = {kind: crowd.waiting(now, kind, service) for kind in ("call", "callback")}
    backlog = own["backlog"]
    assert (backlog["calls"], backlog["callbacks"]) == (*waiting.values(),)
    assert own["callbacks"]["promised"] == waiting["callback"]
    for part in ("people", "calls", "callbacks"):
        assert sum(one[part] for one in own["line"]["queues"]) == backlog[part], part
    for name in ("answered", "abandoned"):
        queues = {one["id"]: one[name] for one in own["line"]["queues"]}
        assert queues == {one: true(name, one) for one in queues}, name
    assert all(is_about(one["about"] or "", service) for one in own["entries"])

    curve = own["curve"]
    first = datetime.fromisoformat(curve["first"])
    minutes = [first + number * MINUTE for number in range(60)]
    assert curve["people"] == [
        *(crowd.waiting(minute + MINUTE, "", service) for minute in minutes[:-1]),
        backlog["people"],
    ]
    for name in ("answered", "called_back", "abandoned"):
        assert curve[name] == [crowd.within_minute(name, minute, service) for minute in minutes], (
            name
        )

    assert steps_of(own, "entered") == {one: n for one in MENU if (n := true("entered", one))}
    assert steps_of(own, "hung_up") == {one: n for one in MENU if (n := true("hung_up", one))}


def adds_up(body: dict[str, Any]) -> None:
    """What is of each service, and of none, is the whole; who comes for both is in both."""
    parts = [body["of"][one] for one in (*OFFERED, UNSAID)]
    both = body["of"]["grippe"]["shared"]
    assert both == body["of"]["covid"]["shared"]
    assert min(both.values()) > 0
    assert body["of"][UNSAID]["shared"] == {"entered": 0, "booked": 0}
    entered = [sum(steps_of(one, "entered").values()) for one in (body, *parts)]
    assert entered[0] == sum(entered[1:]) - both["entered"]
    booked = [one["bookings"]["today"] for one in (body, *parts)]
    assert booked[0] == sum(booked[1:]) - both["booked"]


def test_each_service_adds_up_and_all_of_them_to_the_whole(service: House):
    service.opens_centre("1", starts=[BEGAN + timedelta(days=3)])
    clock_of(service).moment = BEGAN
    board, clock = Autumn(service), clock_of(service)
    with service.database.statement() as connection:
        place = connection.execute(select(places.c.id).limit(1)).scalar_one()
    crowd = Crowd(service.database, BEGAN, callers=90, services=OFFERED, place=place)
    body: dict[str, Any] = {}
    for body in lived(board, crowd):
        for one in (*OFFERED, UNSAID):
            looks_at(body, crowd, one, clock.now())
        adds_up(body)
        # The whole is what it is without a look at services.
        assert body["sums"] == {name: crowd.counted(name) for name in OF_A_DAY}
        # The table by service says of appointments what the tile does.
        for row in body["services"]:
            name = row["campaign"].removesuffix("-2026")
            assert row["booked"] == body["of"][name]["bookings"]["today"]
    # In the middle of a quarter a process that begins anew has it all from the store.
    anew = Autumn(service)
    anew.writes()
    again: Any = anew.sees().json
    assert again["of"] == body["of"]

    # The file says each thing once, with the services that it is about.
    rows = file_of(board)
    assert {name: by_label(rows, name).total() for name in OF_A_DAY} == body["sums"]
    for name in ("entered", "hung_up", "booked", "answered", "abandoned", "called_back"):
        for one in (*OFFERED, UNSAID):
            mine = [row for row in rows if is_about(row["service"], one)]
            assert by_label(mine, name).total() == crowd.counted(name, "", one), (name, one)

    # And the day once it is over.
    clock.moment = BEGAN + timedelta(hours=20)
    board.writes()
    with service.database.statement() as connection:
        for one in OFFERED:
            row, *_ = board_history.days(connection, TODAY, service=one)
            assert row == {"day": TODAY.isoformat(), **body["of"][one]["sums"]}
    client = service.signs_in("supervisor", app=board.app)
    shown: Any = client.get(f"/supervision/historique?jour={TODAY}&pour=grippe", headers=JSON).json
    assert sum(value or 0 for value in shown["today"]["answered"]) == crowd.counted(
        "answered", "", "grippe"
    )
