"""The dispatcher's tasks, and the queues at the provider."""

from __future__ import annotations

import threading

from typing import Any

import pytest

from sqlalchemy import update

from app.web import make_app
from jobs import dispatcher, timed
from jobs.timed import Task
from models.agents import conversations
from models.agents.tables import agent
from models.queue import call_queues
from models.queue.tables import queue_entry
from services.agents import presence
from services.agents.call_back import CallBack
from services.parts import Parts
from services.queue.entries import make_queues
from tests.support.floor import Floor
from tests.support.house import CAMPAIGN, House
from tests.support.leads import ALONE


@pytest.fixture
def floor(service: House) -> Floor:
    return Floor(service)


def planned(floor: Floor) -> dict[str, Task]:
    call_back = CallBack(lambda: CAMPAIGN, "+33974750001")
    made = dispatcher.tasks(floor.store, floor.control, lambda: CAMPAIGN, call_back)
    return {task.name: task for task in made}


def sids(floor: Floor) -> dict[str, str | None]:
    with floor.house.database.statement() as connection:
        return {one.id: one.provider_sid for one in call_queues.all_queues(connection)}


def test_every_task_can_be_done_in_an_empty_house(floor: Floor) -> None:
    for task in planned(floor).values():
        assert task.do() >= 0


def becomes(floor: Floor, entry_id: str, **values: Any) -> None:
    """An entry changes in a way in which its agent is not told."""
    values["updated_at"] = floor.house.clock.now()
    with floor.house.database.transaction() as connection:
        connection.execute(update(queue_entry).where(queue_entry.c.id == entry_id).values(**values))


@pytest.mark.parametrize("ended", ["done", "left", "lost", "waiting", "gone"])
@pytest.mark.parametrize("state", ["reserved", "talking", "wrapup"])
def test_who_has_somebody_who_is_gone_is_free_again(floor: Floor, state: str, ended: str) -> None:
    who, entry_id = floor.talk()
    has = entry_id if ended != "gone" else "f" * 32
    with floor.house.database.transaction() as connection:
        values = {"state": state, "since": floor.house.clock.now(), "entry_id": has}
        connection.execute(update(agent).where(agent.c.staff_id == who).values(**values))
    sweep = planned(floor)["stranded"]
    # They talk, and are left alone however long it takes.
    if state == "talking" and ended != "gone":
        floor.later(minutes=30)
        assert sweep.do() == 0
    if ended != "gone":
        becomes(floor, entry_id, state=ended, staff_id=None)
    floor.later(seconds=9)
    assert sweep.do() == 0
    floor.later(seconds=2)
    assert sweep.do() == 1
    assert (floor.state(who).state, floor.state(who).entry_id) == ("ready", None)
    assert sweep.do() == 0
    # Their line, which may still be there, is asked for no more.
    live = [one for one in floor.legs(entry_id) if one.staff_id == who and one.state != "ended"]
    assert not live or ended == "gone"


def test_who_had_somebody_else_by_then_keeps_them(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the act the agent was freed, and reserved for the next."""
    who, entry_id = floor.talk()
    becomes(floor, entry_id, state="done", staff_id=None)
    floor.later(seconds=11)
    with floor.house.database.statement() as connection:
        seen = conversations.stranded(connection, floor.house.clock, presence.STRANDED_AFTER)
    assert seen == [(who, entry_id)]
    assert presence.free_stranded(floor.store) == 1
    following = floor.waits()
    assert floor.reserves() == 1
    monkeypatch.setattr(conversations, "stranded", lambda *_: seen)
    assert presence.free_stranded(floor.store) == 0
    assert (floor.state(who).state, floor.state(who).entry_id) == ("reserved", following)


def test_what_is_wanted_soon_is_looked_for_often(floor: Floor) -> None:
    # An unfinished intent is swept within two seconds, a caller has an agent within one.
    tasks = planned(floor)
    assert tasks["intents"].every <= 0.5
    assert tasks["reserve"].every <= 0.5


def test_a_store_that_is_away_is_lived_with(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(floor.house.database, "statement", away)
    for task in planned(floor).values():
        timed.run_once(task)


def test_a_task_that_is_slow_holds_up_no_other() -> None:
    stop, slow_is_in, quick_was = threading.Event(), threading.Event(), threading.Event()

    def slow() -> int:
        slow_is_in.set()
        # It ends only after the other was done.
        assert quick_was.wait(10)
        stop.set()
        return 0

    def quick() -> int:
        if slow_is_in.is_set():
            quick_was.set()
        return 0

    timed.run_beside([Task("slow", 100, slow), Task("quick", 0.01, quick)], stop, ALONE)
    assert quick_was.is_set()


def test_a_task_that_never_ends_does_not_keep_the_process(monkeypatch) -> None:
    monkeypatch.setattr(timed, "GRACE", 0.01)
    stop, over = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def never() -> int:
        threads.append(threading.current_thread())
        stop.set()
        return int(over.wait(30))

    timed.run_beside([Task("never", 100, never)], stop, ALONE)
    (thread,) = threads
    assert (thread.is_alive(), thread.daemon) == (True, True)
    over.set()
    thread.join()


# ---------------------------------------------------------------- the provider's queues


def test_queues_are_made_once_with_their_size(floor: Floor) -> None:
    made, failed = make_queues(floor.store, floor.control)
    assert (sorted(made), failed) == (["en", "fr"], [])
    assert {one.more["max_size"] for one in floor.control.of("make_queue")} == {5000}
    assert None not in sids(floor).values()
    assert make_queues(floor.store, floor.control) == ([], [])
    assert len(make_queues(floor.store, floor.control, anew=True)[0]) == 2


@pytest.mark.parametrize("trouble", ["refuse", "busy", "unheard"])
def test_a_queue_that_cannot_be_made_is_tried_again(floor: Floor, trouble: str) -> None:
    floor.control.trouble.extend([trouble, trouble])
    tasks = planned(floor)
    assert tasks["queues"].do() == 0
    assert set(sids(floor).values()) == {None}
    assert tasks["queues"].do() == 2


def test_the_command_makes_lists_and_staffs_queues(floor: Floor) -> None:
    house = floor.house
    app = make_app(Parts(house.settings, house.store, house.service(), house.woken, floor.control))
    runner = app.test_cli_runner()
    login = house.employs("agent").login
    made = runner.invoke(args=["queues", "create", "fr-bretagne", "--region", "Bretagne"])
    assert made.exit_code == 0, made.output
    assert "fr-bretagne: at the provider" in made.output
    assert sids(floor)["fr-bretagne"]
    assert runner.invoke(args=["queues", "add", "fr-bretagne", login]).exit_code == 0
    listed = runner.invoke(args=["queues", "list"]).output
    assert "fr-bretagne\tfr\tBretagne\thours\t3 min\t5000\tQU" in listed
    assert "1 members" in listed
    assert runner.invoke(args=["queues", "remove", "fr-bretagne", login]).exit_code == 0
    wrong = runner.invoke(args=["queues", "add", "fr-nowhere", login])
    assert wrong.exit_code == 1
    assert "there is no queue fr-nowhere" in wrong.output
    floor.control.trouble.extend(["unheard"] * 3)
    again = runner.invoke(args=["queues", "create"])
    assert again.exit_code == 0
    assert "tried again later: en, fr, fr-bretagne" in again.output
