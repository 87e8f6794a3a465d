"""Who waits longest comes to who is idle longest, once, whatever happens at the same time."""

from __future__ import annotations

import threading

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from models.accounts import staff as staff_rows
from models.agents import agents
from models.queue import call_queues, order, queues
from services.agents import presence, provider_commands, reserve
from services.agents.reserve import Reserved
from tests.support.floor import Floor
from tests.support.house import House, house
from tests.support.race import at_once
from tests.support.statements import transactions


@pytest.fixture
def floor(service: House) -> Floor:
    return Floor(service)


def region(floor: Floor, name: str = "fr-bretagne") -> str:
    with floor.house.database.transaction() as connection:
        call_queues.add_queue(connection, floor.house.clock, name, name[:2], "Bretagne")
    return name


def member(floor: Floor, staff_id: str, *names: str) -> None:
    with floor.house.database.transaction() as connection:
        call_queues.set_memberships(connection, staff_id, names)


def test_the_oldest_place_gets_the_agent_who_is_idle_longest(floor: Floor) -> None:
    idle = floor.agent()
    floor.later(seconds=10)
    fresh = floor.agent()
    oldest = floor.waits()
    floor.later(seconds=1)
    newer, newest = floor.waits(), floor.waits()
    assert floor.reserves() == 2
    assert floor.entry(oldest).staff_id == idle
    assert {floor.entry(newer).staff_id, floor.entry(newest).staff_id} == {fresh, None}
    assert [one.more["to"] for one in floor.control.of("ring")] == [
        f"client:{idle}",
        f"client:{fresh}",
    ]


def test_a_look_that_finds_nobody_ready_opens_no_transaction(floor: Floor) -> None:
    floor.waits()
    with transactions(floor.house.database) as begun:
        assert floor.reserves() == 0
    assert not begun
    floor.agent()
    with transactions(floor.house.database) as begun:
        assert floor.reserves() == 1
    assert begun


def test_an_agent_takes_the_languages_they_speak(floor: Floor) -> None:
    floor.agent(languages=("fr",))
    english = floor.waits("en")
    assert floor.reserves() == 0
    both = floor.agent(languages=("fr", "en"))
    assert floor.reserves() == 1
    assert floor.entry(english).staff_id == both


def test_a_region_comes_to_the_national_queue_when_it_overflows(floor: Floor) -> None:
    breton = region(floor)
    national = floor.agent()
    entry_id = floor.waits(breton, overflow_at=floor.now() + timedelta(minutes=3))
    assert floor.reserves() == 0
    floor.later(seconds=179)
    presence.heartbeat(floor.store, national)
    assert floor.reserves() == 0
    floor.later(seconds=1)
    assert floor.reserves() == 1
    assert floor.entry(entry_id).staff_id == national


def test_a_member_of_a_region_takes_its_callers_alone(floor: Floor) -> None:
    breton = region(floor)
    who = floor.agent()
    member(floor, who, breton)
    floor.waits("fr")
    assert floor.reserves() == 0
    entry_id = floor.waits(breton, overflow_at=floor.now() + timedelta(minutes=3))
    assert floor.reserves() == 1
    assert floor.entry(entry_id).staff_id == who


def test_a_callback_is_not_taken_before_it_is_due(floor: Floor) -> None:
    floor.agent()
    entry_id = floor.waits(kind="callback", due_at=floor.now() + timedelta(minutes=15))
    assert floor.reserves() == 0
    floor.later(minutes=15)
    assert floor.reserves() == 1
    assert floor.entry(entry_id).state == "reserved"


def test_whoever_says_ready_has_the_next_caller_at_once(floor: Floor) -> None:
    entry_id = floor.waits()
    who = floor.agent()
    reserved = reserve.reserve_for(floor.store, floor.control, who)
    assert reserved is not None
    assert reserved.entry_id == entry_id
    assert floor.control.whats() == ["ring"]


def test_an_agent_whose_page_is_gone_has_nobody(floor: Floor) -> None:
    who = floor.agent()
    floor.later(seconds=21)
    assert presence.forget_closed_pages(floor.store) == 1
    floor.waits()
    assert floor.reserves() == 0
    assert floor.state(who).state == "offline"


def test_a_line_that_is_not_answered_keeps_the_callers_place(floor: Floor) -> None:
    who, entry_id = floor.agent(), floor.waits()
    joined = floor.entry(entry_id).joined_at
    floor.reserves()
    floor.later(seconds=26)
    floor.told(who, "no-answer")
    entry = floor.entry(entry_id)
    assert (entry.state, entry.staff_id, entry.joined_at) == ("waiting", None, joined)
    assert (floor.state(who).state, floor.state(who).reason) == ("paused", "no_answer")


def test_a_line_that_nobody_tells_of_is_given_up(floor: Floor) -> None:
    who, entry_id = floor.agent(), floor.waits()
    floor.reserves()
    floor.later(seconds=34)
    assert reserve.give_up_unanswered(floor.store) == 0
    floor.later(seconds=2)
    assert reserve.give_up_unanswered(floor.store) == 1
    floor.sweeps()
    # The line that rings on is let go.
    assert floor.control.of("hang_up")[0].sid == floor.control.rings_to(f"client:{who}")[0]
    assert floor.entry(entry_id).state == "waiting"
    assert floor.answers(who) is None


def test_a_ring_that_the_account_holds_up_is_waited_for(floor: Floor) -> None:
    floor.agent()
    floor.waits()
    floor.control.trouble.extend(["busy"])
    floor.reserves()
    floor.later(seconds=40)
    assert reserve.give_up_unanswered(floor.store) == 0
    floor.sweeps()
    assert floor.control.whats() == ["ring"]
    floor.later(seconds=36)
    assert reserve.give_up_unanswered(floor.store) == 1


def test_a_service_that_died_after_reserving_rings_when_it_is_back(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, entry_id = floor.agent(), floor.waits()
    with monkeypatch.context() as died:
        died.setattr(provider_commands, "sweep", lambda *_: 0)
        floor.reserves()
    assert floor.entry(entry_id).state == "reserved"
    assert floor.control.asked == []
    floor.sweeps()
    assert len(floor.control.rings_to(f"client:{who}")) == 1


def test_an_own_telephone_is_rung_where_the_agent_has_one(floor: Floor) -> None:
    who = floor.agent(ready=False)
    assert presence.ready(floor.store, who, voice="phone").why == "no_phone"
    with floor.house.database.transaction() as connection:
        staff_rows.change_phone(
            connection, floor.house.clock, floor.store.vault, who, "+33145678901"
        )
    assert presence.ready(floor.store, who, voice="phone").done
    floor.waits()
    floor.reserves()
    assert floor.control.of("ring")[0].more["to"] == "+33145678901"


# ---------------------------------------------------------------- at the same time


def test_two_dispatchers_give_nobody_twice(floor: Floor) -> None:
    staff = [floor.agent() for _ in range(4)]
    places = [floor.waits(number="") for _ in range(6)]

    def dispatch() -> int:
        return sum(reserve.reserve_all(floor.store, floor.control) for _ in range(3))

    assert sum(at_once(*[dispatch] * 4)) == 4
    taken = [floor.entry(place).staff_id for place in places]
    assert sorted(filter(None, taken)) == sorted(staff)
    # The first four places, for nobody may be passed over.
    assert taken[4:] == [None, None]
    assert [len(floor.control.rings_to(f"client:{one}")) for one in staff] == [1, 1, 1, 1]


def test_whoever_looks_while_another_reserves_passes_nobody_over(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = [floor.agent() for _ in range(2)]
    oldest, next_, last = (floor.waits(number="") for _ in range(3))
    real = order.candidates
    first_look = iter((True,))

    def candidates(*arguments: Any, **named: Any) -> list[order.QueueCandidate]:
        if next(first_look, False):
            # Another dispatcher is quicker: here, between the two looks of the slower one.
            with floor.house.database.transaction() as connection:
                assert reserve.reserve_entry(connection, floor.store, staff[0], oldest)
        return real(*arguments, **named)

    monkeypatch.setattr(order, "candidates", candidates)
    floor.reserves()
    assert floor.entry(oldest).staff_id == staff[0]
    assert floor.entry(next_).staff_id == staff[1]
    assert floor.entry(last).staff_id is None


def both_at_once(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[str, str]]
) -> list[Reserved | None]:
    """Reserve these pairs (agent, entry) in threads that meet between the look and the write.

    With the guard on, one of them waits for the other's lock, and they never meet.
    """
    meets = threading.Barrier(len(pairs))
    real = reserve.line_of

    def line_of(*arguments: object) -> str | None:
        with suppress(threading.BrokenBarrierError):
            meets.wait(timeout=0.5)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reserve, "line_of", line_of)

    def one(pair: tuple[str, str]) -> Reserved | None:
        with floor.house.database.transaction() as connection:
            return reserve.reserve_entry(connection, floor.store, *pair)

    with ThreadPoolExecutor(len(pairs)) as threads:
        return [made.result() for made in [threads.submit(one, pair) for pair in pairs]]


def guard_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither locks nor conditions: as if one looked first and wrote then."""
    load, get, move, change = queues.load, agents.get, agents.move, queues.change
    monkeypatch.setattr(queues, "load", lambda c, v, i, lock=False: load(c, v, i))
    monkeypatch.setattr(agents, "get", lambda c, i, lock=False: get(c, i))
    monkeypatch.setattr(
        agents,
        "move",
        lambda c, k, i, before, *a, **v: move(c, k, i, ("ready", "reserved"), *a, **v),
    )
    monkeypatch.setattr(
        queues,
        "change",
        lambda c, k, i, states, **v: change(c, k, i, ("waiting", "reserved"), **v),
    )


@pytest.mark.parametrize("guarded", [True, False])
def test_one_entry_is_never_two_agents(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    with house(database_url) as made:
        floor = Floor(made)
        entry_id, staff = floor.waits(), [floor.agent(), floor.agent()]
        if not guarded:
            guard_off(monkeypatch)
        got = both_at_once(floor, monkeypatch, [(one, entry_id) for one in staff])
        # With the guard off, both were told that they have the caller.
        assert sum(one is not None for one in got) == (1 if guarded else 2)
        busy = [floor.state(one).state for one in staff]
        assert busy.count("reserved") == (1 if guarded else 2)


@pytest.mark.parametrize("guarded", [True, False])
def test_one_agent_never_has_two_entries(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    with house(database_url) as made:
        floor = Floor(made)
        places, who = [floor.waits(), floor.waits(number="")], floor.agent()
        if not guarded:
            guard_off(monkeypatch)
        got = both_at_once(floor, monkeypatch, [(who, place) for place in places])
        assert sum(one is not None for one in got) == (1 if guarded else 2)
        states = [floor.entry(place).state for place in places]
        assert states.count("reserved") == (1 if guarded else 2)
