"""Ends that nobody told us of: the provider is asked, and what is over ends as if it had been told.

A conversation that goes on is left alone, and so is one of which the provider says nothing.
"""

from __future__ import annotations

import pytest

from sqlalchemy import func, select, update

from models.queue.tables import queue_entry
from services.agents import presence, transfer
from services.agents.ask_after import AT_ONCE, ask_after
from services.call.end_call import record_call_status
from tests.support.control import Ask
from tests.support.floor import Floor
from tests.support.house import House
from tests.support.rows import change, rows_of


@pytest.fixture
def floor(service: House) -> Floor:
    return Floor(service)


def asks(floor: Floor) -> int:
    """A round of the dispatcher's."""
    house = floor.house

    def over(call_id: str, status: str) -> bool:
        return record_call_status(house.store, house.campaign, call_id, status)

    return ask_after(floor.store, floor.control, over)


def lines_of(floor: Floor, who: str, entry_id: str) -> tuple[str, str]:
    """The calls of a caller and their agent, by the provider's ids."""
    caller, agent = floor.entry(entry_id).call_id, floor.leg_of(who).provider_sid
    assert caller
    assert agent
    return caller, agent


def asked(floor: Floor) -> list[str]:
    return [one.sid for one in floor.control.of("status_of")]


def test_a_conversation_whose_ends_were_both_lost_is_over(floor: Floor) -> None:
    who, entry_id = floor.talk()
    caller, agent = lines_of(floor, who, entry_id)
    floor.control.statuses |= {caller: "completed", agent: "completed"}
    floor.later(minutes=4)
    assert asks(floor) >= 1
    entry = floor.entry(entry_id)
    assert (entry.state, entry.outcome) == ("wrapup", "hung_up")
    assert floor.state(who).state == "wrapup"
    floor.later(minutes=2)
    assert presence.end_wrapups(floor.store) == 1
    assert (floor.entry(entry_id).state, floor.state(who).state) == ("done", "ready")
    # And the provider is not asked for anything that it could not do.
    floor.sweeps()
    assert "redirect" not in floor.control.whats()[floor.control.whats().index("status_of") :]


def test_who_was_left_by_an_agents_broken_line_waits_in_front(floor: Floor) -> None:
    who, entry_id = floor.talk()
    _, agent = lines_of(floor, who, entry_id)
    joined_at = floor.entry(entry_id).joined_at
    floor.control.statuses[agent] = "failed"
    floor.later(minutes=4)
    assert asks(floor) == 1
    entry = floor.entry(entry_id)
    assert (entry.state, entry.joined_at, entry.staff_id) == ("waiting", joined_at, None)
    assert (floor.state(who).state, floor.state(who).reason) == ("paused", "line_lost")
    floor.sweeps()
    assert floor.control.whats()[-1] in {"redirect", "hang_up"}


def test_a_conversation_that_goes_on_is_left_alone_however_long(floor: Floor) -> None:
    who, entry_id = floor.talk()
    before = floor.entry(entry_id)
    for _ in range(10):
        floor.later(minutes=4)
        assert asks(floor) == 0
    assert floor.entry(entry_id) == before
    assert floor.state(who).state == "talking"


def test_who_has_just_begun_is_not_asked_after(floor: Floor) -> None:
    floor.talk()
    floor.later(minutes=2)
    assert asks(floor) == 0
    assert asked(floor) == []


def test_nobody_is_asked_after_twice_within_three_minutes(floor: Floor) -> None:
    floor.talk()
    floor.later(minutes=4)
    asks(floor)
    assert len(asked(floor)) == 2
    floor.later(minutes=2)
    asks(floor)
    assert len(asked(floor)) == 2
    floor.later(minutes=2)
    asks(floor)
    assert len(asked(floor)) == 4


@pytest.mark.parametrize("trouble", ["busy", "unheard", "lose"])
def test_a_provider_that_does_not_answer_ends_nothing_and_is_asked_no_more(
    floor: Floor, trouble: str
) -> None:
    talks = [floor.talk() for _ in range(3)]
    for who, entry_id in talks:
        caller, agent = lines_of(floor, who, entry_id)
        floor.control.statuses |= {caller: "completed", agent: "completed"}
    floor.later(minutes=4)
    floor.control.trouble.append(trouble)
    assert asks(floor) == 0
    assert [floor.entry(one).state for _, one in talks] == ["talking"] * 3
    # The next round asks after the next ones; the one in between has its turn again later.
    assert asks(floor) >= 2
    assert [floor.entry(one).state for _, one in talks].count("wrapup") == 2
    floor.later(minutes=4)
    asks(floor)
    assert [floor.entry(one).state for _, one in talks].count("talking") == 0


def test_a_refusal_ends_nothing_but_what_nobody_knows_for_an_hour(floor: Floor) -> None:
    who, entry_id = floor.talk()
    floor.later(minutes=4)
    floor.control.trouble.extend(["refuse", "refuse"])
    assert asks(floor) == 0
    assert floor.entry(entry_id).state == "talking"
    # A call that the provider does not know may be another account's: that is no end for an hour.
    floor.control.gone |= {*lines_of(floor, who, entry_id)}
    floor.later(minutes=4)
    assert asks(floor) == 0
    assert floor.entry(entry_id).state == "talking"
    floor.later(minutes=55)
    assert asks(floor) >= 1
    assert floor.entry(entry_id).state == "wrapup"


def test_a_round_asks_after_some_and_all_have_their_turn(floor: Floor) -> None:
    for _ in range(AT_ONCE + 3):
        floor.talk()
    floor.later(minutes=4)
    asks(floor)
    assert len(asked(floor)) == 2 * AT_ONCE
    asks(floor)
    assert len({*asked(floor)}) == 2 * (AT_ONCE + 3)


def test_an_agent_who_left_while_a_number_was_to_be_rung_is_free(floor: Floor) -> None:
    entry_id = floor.waits(kind="callback")
    who = floor.agent()
    assert floor.reserves() == 1
    assert floor.answers(who) is not None
    floor.control.statuses[floor.leg_of(who).provider_sid or ""] = "completed"
    floor.later(minutes=4)
    assert asks(floor) == 1
    assert floor.entry(entry_id).state == "waiting"
    assert floor.state(who).reason == "line_lost"


def test_a_caller_who_was_handed_on_and_hung_up_lets_the_other_go(floor: Floor) -> None:
    who, entry_id = floor.talk()
    made = transfer.to_number(floor.store, floor.control, who, entry_id, "+33145678901")
    assert made.done
    third = next(one for one in floor.legs(entry_id) if one.kind == "third")
    floor.joins(entry_id, third.provider_sid or "")
    assert transfer.complete(floor.store, floor.control, who, entry_id).done
    # The agent has noted what it was; those two talk on.
    caller_of = {"state": "done", "origin_call_id": queue_entry.c.call_id}
    change(floor.house.database, update(queue_entry).values(**caller_of))
    caller = floor.entry(entry_id).call_id or ""
    floor.control.statuses[caller] = "completed"
    floor.later(minutes=4)
    assert asks(floor) == 1
    floor.sweeps()
    assert floor.control.of("hang_up")[-1].sid == third.provider_sid


def test_what_nobody_wraps_up_is_over_after_a_while(floor: Floor) -> None:
    who, entry_id = floor.talk()
    assert floor.caller_hangs_up(entry_id)
    floor.later(minutes=4)
    # Its agent has the time that a supervisor gave them.
    asks(floor)
    assert floor.entry(entry_id).state == "wrapup"
    presence.end_wrapups(floor.store)
    change(floor.house.database, update(queue_entry).values(state="wrapup", wrapup_code=""))
    floor.later(minutes=4)
    assert asks(floor) == 1
    entry = floor.entry(entry_id)
    assert entry.state == "done"
    assert floor.state(who).state == "ready"
    count = select(func.count()).where(queue_entry.c.wrapup_code == "timeout")
    assert rows_of(floor.house.database, count)[0][0] == 1


def test_two_dispatchers_ask_once(floor: Floor) -> None:
    floor.talk()
    floor.later(minutes=4)

    def another(_: Ask) -> None:
        floor.control.when = None
        asks(floor)

    floor.control.when = another
    asks(floor)
    assert len(asked(floor)) == 2
