"""Sixteen processes, four channels, more callers than places, and three transactions in ten fail.

Exactly as many are booked as there are places, nobody twice, and "complet" is heard by nobody for
whom a place was free all the while. With the guard off the same crowd is booked twice over, by the
hundred: or the story would prove nothing.

All places start within 48 hours, so that what is left of the telephone's share is for everybody:
the statements of web and partners carry the share, and it hides nothing from them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlalchemy import func, select

from models.booking.tables import appointment, booking, history
from models.clock import DatabaseClock
from models.database import Database
from models.messages.tables import message
from models.slots.tables import place
from services.store import CryptographicChance
from tests.slots.crowd import CHANNELS, Plan, Story, plays, told_wrongly
from tests.support.house import CAMPAIGN, House, house
from tests.support.rows import booked_places, doubles, execute, rows_of, soon

pytestmark = [pytest.mark.once, pytest.mark.slow]

CENTRES = 5
# Two thirds of the callers get a place.
CALLERS_TO_PLACES = 1.5


@dataclass(frozen=True)
class Size:
    processes: int
    slots: int
    capacity: int

    @property
    def places(self) -> int:
        return CENTRES * self.slots * self.capacity

    @property
    def callers(self) -> int:
        return int(self.places * CALLERS_TO_PLACES)


FULL = Size(processes=16, slots=10, capacity=20)
SMALL = Size(processes=6, slots=2, capacity=6)
SIZES = [
    pytest.param(SMALL, id="60 places"),
    pytest.param(FULL, id="1000 places", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
]


def opens(made: House, size: Size) -> None:
    starts = soon(made, size.slots)
    assert starts[-1] < made.clock.now() + CAMPAIGN.phone_share_until
    for number in range(CENTRES):
        made.opens_centre(
            str(number + 1), kilometres=number + 1, starts=starts, capacity=size.capacity
        )
    made.database.analyze()


def lets_call(
    url: str, size: Size, folder: Path, *, guarded: bool = True, rollbacks: float = 0.3
) -> list[Story]:
    """Run the crowd to its end and give what became of each caller."""
    with house(url, clock=DatabaseClock(), chance=CryptographicChance()) as made:
        opens(made, size)
    plan = Plan(url, str(folder), size.processes, size.callers, rollbacks, 20210114, guarded)
    return plays(plan, folder)


def count(database: Database, table: object) -> int:
    return int(rows_of(database, select(func.count()).select_from(table))[0][0])  # type: ignore[arg-type]


@pytest.mark.parametrize("size", SIZES)
def test_as_many_are_booked_as_there_are_places_and_the_others_hear_the_truth(
    database_url: str, size: Size, tmp_path: Path
):
    stories = lets_call(database_url, size, tmp_path)

    ends = Counter(story.end for story in stories)
    failed = sum(story.rolled_back for story in stories)
    assert ends == {"booked": size.places, "complet": size.callers - size.places}
    # Each caller has at least one transaction, and three in ten failed.
    assert failed > size.callers * 0.3
    booked = [story.place_id for story in stories if story.end == "booked"]
    assert {story.channel for story in stories if story.end == "booked"} == set(CHANNELS)
    database = Database(database_url)
    place_ids = [row.id for row in rows_of(database, select(place.c.id))]
    assert len(place_ids) == size.places
    # What was promised to each is what the store has, each place once.
    assert sorted(booked) == sorted(place_ids)
    assert doubles(database) == 0
    assert booked_places(database) == size.places
    for table in (booking, appointment, history, message):
        assert count(database, table) == size.places, table.name
    database.dispose()
    assert told_wrongly(stories, place_ids) == []


@pytest.mark.owner
@pytest.mark.parametrize("size", SIZES)
def test_with_the_guard_off_the_same_crowd_is_booked_twice_over(
    database_url: str, size: Size, tmp_path: Path
):
    """The condition is gone from the writes and the index from the table."""
    database = Database(database_url)
    execute(database, "DROP INDEX uq_appointment_place")

    stories = lets_call(database_url, size, tmp_path, guarded=False)

    booked = sum(story.end == "booked" for story in stories)
    assert booked == count(database, booking)
    assert booked > size.places
    assert doubles(database) > 0
    database.dispose()
