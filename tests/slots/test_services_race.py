"""Several processes on one centre where two services share a part of the places.

Callers want influenza, Covid, or both in one appointment; some places serve one of the two, some
both. As many are booked as there are places, none twice, and none for what it does not serve. With
the guard off the same crowd is booked twice over.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlalchemy import select

from models.booking.tables import appointment, appointment_for
from models.clock import DatabaseClock
from models.crypto import Vault
from models.database import Database
from models.slots import services, slots
from models.slots.tables import place
from services.booking.verify_store import verify_store
from services.store import CryptographicChance, Store
from tests.slots.crowd import COVID, GRIPPE, KEYS, WANTED, Plan, Story, plays, told_wrongly
from tests.support.house import House, house
from tests.support.rows import booked_places, doubles, execute, rows_of, soon

pytestmark = [pytest.mark.once, pytest.mark.slow]


@dataclass(frozen=True)
class Size:
    """`slots` of each of three kinds: for influenza, for Covid, for both."""

    processes: int
    slots: int
    capacity: int

    @property
    def places(self) -> int:
        return 3 * self.slots * self.capacity

    @property
    def callers(self) -> int:
        """More who want one of the two than all the places that serve it."""
        return int(2.5 * self.places)


SIZES = [
    pytest.param(Size(processes=6, slots=1, capacity=8), id="24 places"),
    pytest.param(
        Size(processes=16, slots=4, capacity=25),
        id="300 places",
        marks=[pytest.mark.long, pytest.mark.timeout(600)],
    ),
]


def opens(made: House, size: Size) -> None:
    made.opens_centre("1")
    starts = soon(made, 3 * size.slots, minutes=30)
    with made.database.transaction() as connection:
        grippe, covid = (services.bits_of(connection, [one]) for one in ("grippe", "covid"))
    for number, bits in enumerate((grippe, covid, grippe | covid)):
        some = tuple(starts[number::3])
        wanted = slots.SlotsToOpen("1", some, size.capacity, services=bits)
        slots.open_slots(made.database, [wanted])
    made.database.analyze()


def lets_call(url: str, size: Size, folder: Path, *, guarded: bool = True) -> list[Story]:
    with house(url, clock=DatabaseClock(), chance=CryptographicChance()) as made:
        opens(made, size)
    plan = Plan(url, str(folder), size.processes, size.callers, 0.2, 20261012, guarded, autumn=True)
    return plays(plan, folder)


def verified(database: Database) -> list[str]:
    said: list[str] = []
    store = Store(database, Vault(KEYS), DatabaseClock())
    verify_store(store, [GRIPPE, COVID], limit=5, say=said.append)
    return said


@pytest.mark.parametrize("size", SIZES)
def test_as_many_are_booked_as_there_are_places_whatever_they_want(
    database_url: str, size: Size, tmp_path: Path
):
    stories = lets_call(database_url, size, tmp_path)

    ends = Counter(story.end for story in stories)
    assert ends == {"booked": size.places, "complet": size.callers - size.places}
    assert {tuple(story.wants) for story in stories if story.end == "booked"} == {
        tuple(one.service for one in some) for some in WANTED
    }
    database = Database(database_url)
    assert doubles(database) == 0
    assert booked_places(database) == size.places
    # What each was promised is what is done at their place.
    done = select(appointment.c.place_id, appointment_for.c.service).join(
        appointment_for, appointment_for.c.appointment_id == appointment.c.id
    )
    promised = [
        (story.place_id, service)
        for story in stories
        if story.end == "booked"
        for service in story.wants
    ]
    assert sorted(map(tuple, rows_of(database, done))) == sorted(promised)
    bits = {"grippe": 1, "covid": 2}
    serves = {row.id: row.services for row in rows_of(database, select(place))}
    for place_id, service in promised:
        assert serves[place_id] & bits[service]
    for some in WANTED:
        names = {one.service for one in some}
        suited = [
            place_id
            for place_id, theirs in serves.items()
            if all(theirs & bits[name] for name in names)
        ]
        asked = [one for one in stories if set(one.wants) == names or one.end != "complet"]
        others = [replace_end(one) for one in stories if one not in asked]
        assert told_wrongly([*asked, *others], suited) == []
    assert verified(database) == []
    database.dispose()


def replace_end(story: Story) -> Story:
    """The same for what they held alone: what they heard is another question."""
    return Story(story.number, story.channel, story.wants, end="other", busy=story.busy)


# By day test_sixteen_processes takes the guard away, and test_verify finds both kinds.
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.owner
@pytest.mark.parametrize("size", SIZES)
def test_with_the_guard_off_two_services_are_booked_twice_over(
    database_url: str, size: Size, tmp_path: Path
):
    database = Database(database_url)
    execute(database, "DROP INDEX uq_appointment_place")

    stories = lets_call(database_url, size, tmp_path, guarded=False)

    booked = sum(story.end == "booked" for story in stories)
    assert booked > size.places
    assert doubles(database) > size.places / 10
    kinds = {line.partition(":")[0] for line in verified(database)}
    # Nor does anything keep a place for what it serves.
    assert {"place-given-twice", "place-without-service"} <= kinds
    database.dispose()
