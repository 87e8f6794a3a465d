"""Turns are erased in small transactions, the oldest first, and go on where they were cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import func, insert, select

import config

from config import BadSettings
from models.call import turns
from models.call.tables import turn
from models.clock import FixedClock
from models.operations import erasures
from models.operations.tables import erasure
from models.supervision import tallies
from models.supervision.tallies import QUARTER
from services.privacy import erase_in_bites
from services.privacy.erase_data import NotAllErased, erase_data
from services.privacy.erase_in_bites import InBites
from tests.support.house import NOON, House, house
from tests.support.rows import clock_of, rows_of

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
MOST = 10


@pytest.fixture
def service(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(erase_in_bites, "MOST", MOST)
    with house(database_url, clock=FixedClock(NOON)) as made:
        yield made


def spoken(made: House, *moments: datetime, call: str = "CA-1") -> None:
    """A call has a turn at each of these moments."""
    rows = [
        {
            "call_id": call,
            "number": number,
            "at": at,
            "step": "birth_date",
            "outcome": "taken",
            "body_enc": b"what was said",
        }
        for number, at in enumerate(moments)
    ]
    with made.database.transaction() as connection:
        connection.execute(insert(turn), rows)


def each(first: datetime, count: int, apart: timedelta) -> list[datetime]:
    return [first + number * apart for number in range(count)]


def said(made: House) -> list[datetime]:
    """When those were of which is kept what was said."""
    which = select(turn.c.at).where(turn.c.body_enc.is_not(None)).order_by(turn.c.at)
    return [row.at for row in rows_of(made.database, which)]


def kept(made: House) -> int:
    (row,) = rows_of(made.database, select(func.count().label("number")).select_from(turn))
    return int(row.number)


def counted(made: House, since: datetime, quarters: int) -> None:
    """The board's tallies of so many quarters of an hour are written."""
    with made.database.transaction() as connection:
        for number in range(quarters):
            tallies.write(connection, since + number * QUARTER, {})


class Bites:
    """How many rows each transaction had, and between which moments it looked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str = "erase_bodies") -> None:
        self.sizes: list[int] = []
        self.spans: list[tuple[datetime, datetime]] = []
        self.dies_at = -1
        self.real = getattr(turns, name)

    def __call__(self, connection: Any, since: datetime, until: datetime, most: int) -> int:
        found: int = self.real(connection, since, until, most)
        self.spans.append((since, until))
        self.sizes.append(found)
        if len(self.sizes) == self.dies_at:
            raise ZeroDivisionError
        return found

    def run(self, made: House, **more: Any) -> int:
        return InBites(self, turns.oldest, **more).run(made.store, "turns", DAY)


@pytest.fixture
def bites(monkeypatch: pytest.MonkeyPatch) -> Bites:
    return Bites(monkeypatch)


# ---------------------------------------------------------------- in bites


def test_no_transaction_has_more_than_so_many_rows(service: House, bites: Bites):
    """However many are of one moment, and however few before it."""
    spoken(service, *each(NOON - 9 * DAY, 5, HOUR), *[NOON - 3 * DAY] * 95)
    assert bites.run(service) == 100
    assert max(bites.sizes) <= MOST
    assert said(service) == []


def test_the_oldest_go_first_and_what_is_not_due_stays(service: House, bites: Bites):
    spoken(service, *each(NOON - 3 * DAY, 60, HOUR))
    assert bites.run(service) == 48
    assert bites.spans == sorted(bites.spans)
    assert said(service) == each(NOON - DAY, 12, HOUR)


def test_one_that_is_cut_off_goes_on_where_it_was(service: House, bites: Bites):
    spoken(service, *each(NOON - 3 * DAY, 40, HOUR))
    bites.dies_at = 9
    with pytest.raises(ZeroDivisionError):
        bites.run(service)
    (row,) = rows_of(service.database, select(erasure))
    done = sum(bites.sizes[:-1])
    # What the last transaction did is undone; all before it stays done.
    assert len(said(service)) == 40 - done
    assert row.reached <= said(service)[0]
    assert bites.run(service) == 40 - done
    assert said(service) == []


def test_the_next_time_only_what_came_since_is_looked_at(service: House, bites: Bites):
    spoken(service, *each(NOON - 3 * DAY, 40, HOUR))
    bites.run(service)
    clock_of(service).advance(HOUR)
    bites.spans.clear()
    assert bites.run(service) == 0
    assert (bites.spans[0][0], bites.spans[-1][1]) == (NOON - DAY, NOON - DAY + HOUR)


def test_where_nothing_was_said_for_long_few_looks_are_enough(service: House, bites: Bites):
    spoken(service, NOON - 300 * DAY)
    assert bites.run(service) == 1
    assert len(bites.sizes) < 320


def test_a_clock_that_was_ahead_keeps_nothing_afterwards(service: House, bites: Bites):
    spoken(service, NOON - 3 * DAY)
    with service.database.transaction() as connection:
        erasures.note(connection, "turns", NOON + 900 * DAY)
    assert bites.run(service) == 1


def test_without_any_turn_there_is_nothing_to_do(service: House, bites: Bites):
    assert bites.run(service) == 0
    assert bites.sizes == []


def test_another_data_key_meanwhile_keeps_no_turn_from_being_erased(service: House):
    """A row that is written anew is found by its key, whatever became of it meanwhile."""
    spoken(service, NOON - 3 * DAY)
    with service.database.transaction() as connection:
        assert turns.erase_bodies(connection, NOON - 4 * DAY, NOON, 1) == 1
        assert turns.erase_bodies(connection, NOON - 4 * DAY, NOON, 1) == 0


# ---------------------------------------------------------------- what was counted


def test_turns_that_were_counted_are_kept_for_days(service: House):
    counted(service, NOON - 20 * DAY, 20 * 96)
    spoken(service, *each(NOON - 10 * DAY, 10, DAY))
    erased = erase_data(service.store)
    assert erased["old turns"] == 3
    assert kept(service) == 7


def test_what_nothing_has_counted_is_kept_for_a_year(service: House):
    spoken(service, NOON - 400 * DAY, NOON - 300 * DAY, NOON - 30 * DAY)
    # The last of them alone lies in a quarter that was counted.
    counted(service, NOON - 30 * DAY, 1)
    erased = erase_data(service.store)
    assert (erased["old turns"], erased["uncounted turns"]) == (1, 1)
    assert [row.at for row in rows_of(service.database, select(turn.c.at))] == [NOON - 300 * DAY]


def test_a_gap_in_what_was_counted_stays_and_all_around_it_goes(service: House):
    counted(service, NOON - 20 * DAY, 4)
    counted(service, NOON - 20 * DAY + 5 * QUARTER, 4)
    quarters = each(NOON - 20 * DAY, 9, QUARTER)
    spoken(service, *quarters)
    assert erase_data(service.store)["old turns"] == 8
    assert [row.at for row in rows_of(service.database, select(turn.c.at))] == [quarters[4]]


def test_a_quarter_goes_whole_or_not_at_all(service: House):
    """Of one that is half gone a recount would tell too few."""
    clock_of(service).advance(7 * timedelta(minutes=1))
    counted(service, NOON - 7 * DAY - 4 * QUARTER, 8)
    spoken(service, *each(NOON - 7 * DAY - QUARTER, 12, timedelta(minutes=2)))
    erase_data(service.store)
    first = rows_of(service.database, select(func.min(turn.c.at).label("at")))[0].at
    assert first >= NOON - 7 * DAY


def test_the_operator_says_how_many_days(database_url: str):
    with house(database_url, clock=FixedClock(NOON)) as made:
        counted(made, NOON - 20 * DAY, 20 * 96)
        spoken(made, *each(NOON - 10 * DAY, 10, DAY))
        erase_data(replace(made.store, turns_kept=3 * DAY))
        assert kept(made) == 3


@pytest.mark.parametrize("days", [1, 366, "some"])
def test_days_that_make_no_sense_stop_the_start(days: Any):
    with pytest.raises(BadSettings, match="TURNS_KEPT_DAYS"):
        config.load(turns_kept_days=days)


def test_a_bite_that_fails_holds_up_no_other_step(service: House, monkeypatch: pytest.MonkeyPatch):
    spoken(service, NOON - 3 * DAY)

    def dies(*_: Any) -> int:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(InBites, "_erase", dies)
        with pytest.raises(NotAllErased, match=r"turns"):
            erase_data(service.store)
    assert erase_data(service.store)["turns"] == 1
