"""Queues of numbers: who is taken by whom, in which order, and after how long by others."""

from __future__ import annotations

import json

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sqlalchemy import select

from models.accounts.tables import staff_act
from models.queue import call_queues, order, queues
from models.queue.order import QueuePosition
from services.accounts import staff as accounts
from services.numbers.file import load
from tests.numbers.files import BRETAGNE, ENGLISH, EXAMPLE, KNOWN, NATIONAL
from tests.support.floor import Floor
from tests.support.house import LANDLINE, MOBILE, House, house
from tests.support.rows import rows_of

MONDAY = timedelta(days=5)


@pytest.fixture
def floor(database_url: str) -> Iterator[Floor]:
    """A house with three numbers; that of Brittany has a queue of its own."""
    national, bretagne, english = load(EXAMPLE, replace(KNOWN, staffed=None))
    own = replace(bretagne, queue="fr-bretagne")
    with house(database_url, numbers=(national, own, english)) as made:
        with made.database.transaction() as connection:
            for name, region in (("fr-bretagne", "Bretagne"), ("fr-nuit", "Nuit")):
                call_queues.add_queue(connection, made.clock, name, "fr", region)
        yield Floor(made)


def takes(floor: Floor, staff_id: str, *names: str, in_order: bool = False) -> None:
    with floor.house.database.transaction() as connection:
        call_queues.set_memberships(connection, staff_id, names, in_order=in_order)


def taken_by(floor: Floor, staff_id: str) -> str:
    return floor.state(staff_id).entry_id or ""


def position(house: House, entry_id: str) -> QueuePosition:
    with house.database.statement() as connection:
        found = order.queue_position(connection, house.clock, entry_id)
    assert found is not None
    return found


def only_place(house: House, call_id: str) -> queues.QueueEntry:
    with house.database.statement() as connection:
        found = queues.of_call(connection, house.store.vault, call_id)
    assert found is not None
    return found


def test_an_agent_takes_their_first_queue_before_the_next(floor: Floor):
    older = floor.waits("fr")
    floor.later(seconds=1)
    first, second = floor.waits("fr-bretagne"), floor.waits("fr-bretagne")
    ordered, alike = floor.agent(), floor.agent()
    takes(floor, ordered, "fr-bretagne", "fr", in_order=True)
    takes(floor, alike, "fr-bretagne", "fr")
    assert floor.reserves() == 2
    assert taken_by(floor, ordered) == first
    # Without an order it is who waits longest, as ever.
    assert taken_by(floor, alike) == older
    assert floor.entry(second).state == "waiting"


def test_inside_a_queue_nobody_is_passed_over(floor: Floor):
    places = []
    for _ in range(6):
        places.append(floor.waits("fr"))
        floor.later(seconds=1)
    for names in (("fr", "en"), ("en", "fr"), ("fr-bretagne", "fr")):
        takes(floor, floor.agent(), *names, in_order=True)
    assert floor.reserves() == 3
    assert [floor.entry(one).state for one in places] == ["reserved"] * 3 + ["waiting"] * 3


def test_the_second_queue_is_taken_though_the_first_is_long_for_others(floor: Floor):
    for _ in range(3):
        floor.waits("fr")
        floor.later(seconds=1)
    last = floor.waits("fr-bretagne")
    agent = floor.agent()
    takes(floor, agent, "fr-bretagne", "fr", in_order=True)
    floor.reserves()
    assert taken_by(floor, agent) == last


def test_another_queue_takes_over_after_its_minutes(floor: Floor):
    clock = floor.house.clock
    entry_id = floor.waits(
        "fr-bretagne",
        overflow_at=clock.now() + timedelta(minutes=5),
        overflow_queue="fr-nuit",
    )
    national, night = floor.agent(), floor.agent()
    takes(floor, night, "fr-nuit")
    # The national queue has no part in it: the number says who takes over.
    assert position(floor.house, entry_id).agents == 1
    assert floor.reserves() == 0
    floor.later(minutes=5)
    assert floor.reserves() == 1
    assert taken_by(floor, night) == entry_id
    assert floor.state(national).state == "ready"


def test_who_has_come_over_waits_in_one_order_with_who_was_there(floor: Floor):
    now = floor.house.clock.now()
    before = floor.waits("fr-nuit")
    floor.later(seconds=1)
    over = floor.waits("fr-bretagne", overflow_at=now, overflow_queue="fr-nuit")
    floor.later(seconds=1)
    after = floor.waits("fr-nuit")
    ahead = [position(floor.house, one).ahead for one in (before, over, after)]
    assert ahead == [0, 1, 2]
    agent = floor.agent()
    takes(floor, agent, "fr-nuit")
    floor.reserves()
    assert taken_by(floor, agent) == before


def test_a_number_leads_to_its_own_queue(floor: Floor):
    floor.later(seconds=MONDAY.total_seconds())
    floor.agent(languages=("fr", "en"))
    calls = {
        to: floor.house.phone(number, recipient=to).dials().presses("0")
        for to, number in ((NATIONAL, MOBILE), (BRETAGNE, LANDLINE), (ENGLISH, "+33612345699"))
    }
    found = {to: only_place(floor.house, call.sid) for to, call in calls.items()}
    assert {to: one.queue_id for to, one in found.items()} == {
        NATIONAL: "fr",
        BRETAGNE: "fr-bretagne",
        ENGLISH: "en",
    }
    assert {to: one.called for to, one in found.items()} == {to: to for to in calls}
    assert found[ENGLISH].overflow_queue == "fr"
    over = found[ENGLISH].overflow_at
    assert over is not None
    assert over - found[ENGLISH].joined_at == timedelta(minutes=5)
    assert found[BRETAGNE].overflow_queue is None


def test_agents_of_the_overflow_are_somebody(floor: Floor):
    floor.later(seconds=MONDAY.total_seconds())
    french = floor.agent()
    # Of the English line nobody is there, and after five minutes French colleagues take it.
    caller = floor.house.phone(MOBILE, recipient=ENGLISH).dials().presses("0")
    place = only_place(floor.house, caller.sid)
    assert position(floor.house, place.id).agents == 1
    assert floor.reserves() == 0
    floor.later(minutes=5)
    assert floor.reserves() == 1
    assert taken_by(floor, french) == place.id


def test_a_queue_that_is_closed_leaves_its_callers_to_the_next(floor: Floor):
    floor.later(seconds=MONDAY.total_seconds())
    floor.agent()
    with floor.house.database.transaction() as connection:
        call_queues.set_queue(connection, floor.house.clock, "fr-bretagne", state="closed")
    caller = floor.house.phone(MOBILE, recipient=BRETAGNE).dials().presses("0")
    assert only_place(floor.house, caller.sid).queue_id == "fr"


def test_a_promise_waits_in_the_queue_of_the_number(floor: Floor):
    caller = floor.house.phone(MOBILE, recipient=BRETAGNE).dials().presses("0")
    while not caller.ended:
        caller.presses("1")
    (promise,) = floor.house.promises()
    assert (promise.queue_id, promise.called) == ("fr-bretagne", BRETAGNE)


def test_queues_are_given_in_order_and_recorded(floor: Floor):
    floor.house.employs("agent", login="camille")
    run = floor.house.app.test_cli_runner().invoke
    done = run(args=["staff", "queues", "camille", "fr-nuit,fr-bretagne", "--in-order"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "camille takes fr-nuit, fr-bretagne\n"
    assert accounts.set_queues(floor.store, "camille", ["fr", "fr-nuit"]) == ("fr", "fr-nuit")
    acts = rows_of(floor.house.database, select(staff_act.c.details).order_by(staff_act.c.id))
    assert [json.loads(one.details) for one in acts] == [
        {"queues": ["fr-nuit", "fr-bretagne"], "in_order": True},
        {"queues": ["fr", "fr-nuit"]},
    ]
